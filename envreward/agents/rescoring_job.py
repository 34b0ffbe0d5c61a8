"""Re-scoring inside the sandbox: ``python -m envreward.agents.rescoring_job FOLDER``, started by `rescoring`.

Reads the program, its fields' declarations and their recorded values from the folder, tries the program as a dry run
does, lets it compute all rewards in a locked-up process of its own, and writes them back as numbers. The environment
itself is not needed and not loaded.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from envreward.errors import RewardCrashError, RewardError, RewardRuntimeError, RewardTimeoutError
from envreward.fields import PREV, Field
from envreward.rewards.program import RewardProgram
from envreward.rewards.trial import run_trial
from envreward.rewards.worker import RewardWorker

JOB, STATES, REWARDS, ANSWER = "job.json", "states.safetensors", "rewards.safetensors", "answer.json"
_TRIED = 1024
_KINDS: dict[str, type[RewardRuntimeError]] = {
    "failed": RewardRuntimeError,
    "timed_out": RewardTimeoutError,
    "crashed": RewardCrashError,
}


@dataclass(frozen=True, kw_only=True)
class RescoringJob:
    """Limits of re-scoring with a program."""

    rows: int = 8192
    """States per call of the program."""
    timeout_s: float = 10.0
    """Longest that one call may take."""
    memory_bytes: int = 1024**3
    """Memory that the program may add."""

    def to_json(self, program: RewardProgram, fields: Mapping[str, Field]) -> str:
        """Return what the sandboxed process is to do; of the fields, only those that the program reads."""
        read = {name if name in fields else name.removeprefix(PREV) for name in program.parameters}
        declared = {name: {"shape": fields[name].shape, "dtype": fields[name].dtype} for name in sorted(read)}
        limits = {"rows": self.rows, "timeout_s": self.timeout_s, "memory_bytes": self.memory_bytes}
        return json.dumps({"source": program.source, "fields": declared, **limits})


def main(folder: Path) -> None:
    """Compute the rewards that the folder's job asks for."""
    torch.set_num_threads(1)
    job: dict[str, Any] = json.loads((folder / JOB).read_text())
    fields = {
        name: Field("As recorded.", shape=tuple(f["shape"]), dtype=f["dtype"]) for name, f in job["fields"].items()
    }
    states = load_file(folder / STATES)
    try:
        columns = _compute(RewardProgram.from_source(job["source"], fields), fields, states, job)
    except RewardError as error:
        kind = next((name for name, cls in reversed(_KINDS.items()) if isinstance(error, cls)), "failed")
        answer: dict[str, Any] = {"kind": kind, "reason": error.reason, "line": error.line, "fix": error.fix}
    else:
        save_file({str(index): column for index, column in enumerate(columns.values())}, folder / REWARDS)
        answer = {"kind": "ok", "components": [*columns][1:]}
    (folder / ANSWER).write_text(json.dumps(answer))


def _compute(
    program: RewardProgram, fields: Mapping[str, Field], states: Mapping[str, Tensor], job: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Return the total, under an empty name, and the components, float32 ``[R]`` each."""
    number = len(next(iter(states.values())))
    some = torch.linspace(0, number - 1, min(number, _TRIED)).round().to(torch.int64)
    limits = {"timeout_s": job["timeout_s"], "memory_bytes": job["memory_bytes"]}
    run_trial(program, fields, {name: values[some] for name, values in states.items()}, **limits)
    parts: dict[str, list[Tensor]] = {}
    with RewardWorker(program, fields, min(number, job["rows"]), memory_bytes=job["memory_bytes"]) as worker:
        for start in range(0, number, job["rows"]):
            size = min(job["rows"], number - start)
            for name, inputs in worker.inputs.items():
                inputs[:size] = states[name][start : start + size]
            worker.submit(size)
            output = worker.result(job["timeout_s"])
            for name, column in {"": output.total, **output.components}.items():
                parts.setdefault(name, []).append(column.clone())
    return {name: torch.cat(columns) for name, columns in parts.items()}


def read_answer(text: str) -> list[str]:
    """Return the names of the components, or raise the error that the answer tells of.

    Raises:
        RewardRuntimeError: The program failed, took too long or crashed.
    """
    answer = json.loads(text)
    if answer["kind"] != "ok":
        raise _KINDS[answer["kind"]](answer["reason"], line=answer["line"], fix=answer["fix"])
    return [str(name) for name in answer["components"]]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
