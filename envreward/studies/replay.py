"""Sharing a study as one file, and running it again from there: the same answers, hence the same rewards and scores.

The file is a recording (`envreward.llm.recording`) whose first line also says which study it is of: its settings, the
versions it ran under, and how each candidate ended. It holds no keys.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envreward.errors import ConfigError
from envreward.llm.record import Exchange
from envreward.llm.recording import FORMAT, VERSION, read_header, read_recording

from .config import StudyConfig
from .records import best
from .store import StudyStore


@dataclass(frozen=True, kw_only=True)
class SharedStudy:
    """What the first line of a shared study says."""

    config: StudyConfig
    versions: Mapping[str, str]
    """Of the software and the machine that it ran under."""
    candidates: Mapping[str, tuple[str, float | None]]
    """Status and fitness of each candidate, in order of proposal."""
    winner: str | None
    """Id of the candidate that was selected."""
    report: Mapping[str, float | None] = field(default_factory=dict)
    """Fitness of each policy of the final comparison, by its key."""


def share(store: StudyStore, path: Path) -> int:
    """Write a study's exchanges, with a model and with a person, to one file; return how many there are.

    Raises:
        ConfigError: The file exists.
        OSError: It cannot be written.
    """
    if path.exists():
        raise ConfigError(f"{path} exists: choose another name")
    exchanges = store.exchanges()
    head = {"format": FORMAT, "version": VERSION, "study": _plain(result_of(store))}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_text(
            "\n".join([json.dumps(head), *(e.to_json() for e in exchanges.values())]) + "\n", encoding="utf-8"
        )
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return len(exchanges)


def result_of(store: StudyStore) -> SharedStudy:
    """Return what a study was and what came of it, as far as it has come."""
    candidates = store.candidates()
    winner = best(candidates)
    return SharedStudy(
        config=store.config,
        versions=store.versions(),
        candidates={c.id: (c.status.value, c.fitness) for c in candidates},
        winner=winner.id if winner else None,
        report={m.key: m.evaluation.fitness if m.evaluation else None for m in store.members() if m.role != "search"},
    )


def read_shared(path: Path) -> SharedStudy:
    """Read the first line of a shared study.

    Raises:
        ConfigError: It is no recording, one without its study, or of settings that this version does not know.
    """
    raw = read_header(path).get("study")
    if raw is None:
        raise ConfigError(
            f"{path} holds answers but not the study that they were given in: "
            f"run it as envreward design --env ENV --designer DESIGNER --llm replay:{path}"
        )
    try:
        return SharedStudy(
            config=StudyConfig.from_json(json.dumps(raw["config"])),
            versions=raw["versions"],
            candidates={key: (status, fitness) for key, (status, fitness) in raw["candidates"].items()},
            winner=raw["winner"],
            report=raw["report"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{path}: its first line does not describe a study ({error!r})") from error


def differences(expected: SharedStudy, found: SharedStudy) -> list[str]:
    """Return in words what came out differently, the most important first; nothing where all is the same."""
    told = []
    if expected.winner != found.winner:
        told.append(f"selected {found.winner}, was {expected.winner}")
    for what, before, now in (
        ("candidate", expected.candidates, found.candidates),
        ("fitness in the comparison of", expected.report, found.report),
    ):
        for key in dict.fromkeys((*before, *now)):
            if before.get(key) != now.get(key):
                told.append(f"{what} {key}: {_said(now.get(key))}, was {_said(before.get(key))}")
    return told


def recording_played(config: StudyConfig) -> Path | None:
    """Return the recording that a study plays back, or ``None`` when it asks a model that answers.

    Raises:
        ConfigError: It is the recording of a study of another task, or there is none in the file.
    """
    kind, _, file = (config.llm or "").partition(":")
    if kind not in ("replay", "replay-any") or not file:
        return None
    path = Path(file).expanduser()
    if kind == "replay" and "study" in read_header(path):
        recorded = read_shared(path).config.env_id
        if recorded != config.env_id:
            raise ConfigError(f"{path} is the recording of a study of {recorded}, not of {config.env_id}")
    return path


class Exchanges:
    """The exchanges of a recording, to be looked up; an `ExchangeStore` that takes no more."""

    def __init__(self, path: Path) -> None:
        """Read the recording.

        Raises:
            ConfigError: It is none.
        """
        self._path = path
        self._by_key = {exchange.key: exchange for exchange in read_recording(path)}

    def get(self, key: str) -> Exchange | None:
        """Return the exchange recorded under ``key``, or ``None``."""
        return self._by_key.get(key)

    def put(self, key: str, exchange: Exchange) -> None:
        """Refuse: a recording that is played back is not written.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(f"{self._path} is being played back, not recorded")


def _plain(study: SharedStudy) -> dict[str, Any]:
    return {**dataclasses.asdict(study), "config": json.loads(study.config.to_json())}


def _said(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, tuple):
        status, fitness = value
        return f"{status}" if fitness is None else f"{status}, fitness {fitness!r}"
    return repr(value)
