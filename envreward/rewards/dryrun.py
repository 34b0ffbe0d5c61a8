"""The dry run inside the sandbox: `main` is a process there, started by `verify`.

Reads ``dryrun.json``, collects real states once, then tries each program in a process of its own, and appends
one line to ``trials.jsonl`` as each is done, so that what comes later cannot undo it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from envreward.errors import RewardCrashError, RewardError, RewardTimeoutError
from envreward.fields import Field
from envreward.registry import make_task

from .program import RewardProgram
from .states import States, collect_steps
from .trial import run_trial

SETTINGS, RESULTS = "dryrun.json", "trials.jsonl"


def main(where: str) -> None:
    """Try every program that a folder's settings name."""
    torch.set_num_threads(1)
    folder = Path(where)
    settings: dict[str, Any] = json.loads((folder / SETTINGS).read_text())
    fields = make_task(settings["env_id"]).fields
    programs = {key: RewardProgram.from_source(source, fields) for key, source in settings["programs"].items()}
    names = sorted({name for program in programs.values() for name in program.parameters})
    states = collect_steps(settings["env_id"], names, settings["rows"])
    with open(folder / RESULTS, "a") as results:
        for key, program in programs.items():
            results.write(json.dumps({"key": key, **_try(program, fields, states, settings)}) + "\n")
            results.flush()


def _try(
    program: RewardProgram, fields: Mapping[str, Field], states: States, settings: Mapping[str, Any]
) -> dict[str, Any]:
    limits = {name: settings[name] for name in ("timeout_s", "memory_bytes")}
    values = {name: rows[: None if program.remembers else settings["rows"]] for name, rows in states.values.items()}
    try:
        trial = run_trial(program, fields, values, first=states.first.view(-1, states.worlds), **limits)
    except RewardError as error:
        return {"status": _status(error), "reason": str(error), "line": error.line}
    return {"status": "ok", "reason": "", "line": None, **dataclasses.asdict(trial)}


def _status(error: RewardError) -> str:
    if isinstance(error, RewardTimeoutError):
        return "timed_out"
    return "crashed" if isinstance(error, RewardCrashError) else "failed"
