"""How to run a study again: its command line, and its language model's answers as a recording that plays back."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from envreward.llm.recording import RecordingFile
from envreward.llm.redact import redact
from envreward.studies.config import StudyConfig
from envreward.studies.store import StudyStore

RECORDING = "recording.jsonl"

_NAMES = {"eval_episodes": "episodes"}
_SEPARATE = ("env_id", "instruction", "designer_options", "llm", "samples", "iterations", "racing", "budget")
_LIMITS = {
    "env_steps": "max-env-steps",
    "trainings": "max-trainings",
    "llm_calls": "max-calls",
    "tokens": "max-tokens",
    "usd": "max-usd",
}


def export_recording(store: StudyStore) -> Path | None:
    """Write the language model's answers into the run folder, for ``--llm replay:FILE``; ``None`` when it gave none.

    Answers that the file holds already are left alone.

    Raises:
        OSError: The file cannot be written.
    """
    exchanges = store.exchanges()
    if not exchanges:
        return None
    path = store.folder / RECORDING
    recording = RecordingFile(path)
    for key, exchange in exchanges.items():
        if recording.get(key) is None:
            recording.put(key, exchange)
    return path


def rerun_command(config: StudyConfig, recording: Path | None) -> str:
    """Return the command line that runs such a study anew, answered by ``recording`` where there is one."""
    words = ["envreward", "design", "--env", config.env_id, "--instruction", config.instruction]
    words += ["--samples", str(config.samples), "--iterations", str(config.iterations)]
    for name, value in config.designer_options.items():
        words += ["--option", f"{name}={json.dumps(value)}"]
    if config.llm is not None:
        words += ["--llm", config.llm if recording is None else f"replay:{recording}"]
    if config.racing is not None:
        words.append("--racing")
    for name, option in _LIMITS.items():
        if (limit := getattr(config.budget, name)) is not None:
            words += [f"--{option}", f"{limit:g}" if isinstance(limit, float) else str(limit)]
    if config.budget.wall_s is not None:
        words += ["--max-minutes", repr(config.budget.wall_s / 60)]
    return redact(shlex.join([*words, *_changed(config, "--", skip=_SEPARATE)]))


def _changed(config: Any, prefix: str, skip: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the options of a configuration's fields that differ from their defaults."""
    for field in dataclasses.fields(config):
        if field.name in skip:
            continue
        value = getattr(config, field.name)
        default = field.default_factory() if callable(field.default_factory) else field.default
        option = _NAMES.get(field.name, field.name).replace("_", "-")
        if value == default:
            continue
        if dataclasses.is_dataclass(value):
            yield from _changed(value, f"{prefix}{option}.")
        elif isinstance(value, bool):
            yield f"{prefix}{option}" if value else f"{prefix}no-{option}"
        else:
            yield prefix + option
            yield from map(str, value if isinstance(value, tuple) else (value,))
