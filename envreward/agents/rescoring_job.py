"""Re-scoring inside the sandbox: `main` is a process there, started by `rescoring`.

Reads the program, its fields' declarations and their recorded values from the folder, tries the program as a dry run
does, lets it compute all rewards in a locked-up process of its own, and writes them back as numbers. The environment
itself is not needed and not loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

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

    def to_json(self, program: RewardProgram, fields: Mapping[str, Field], lengths: Sequence[int]) -> str:
        """Return what the sandboxed process is to do; of the fields, only those that the program reads.

        Of the episodes it is told the lengths if the program has a memory, which begins anew with each.
        """
        read = {name if name in fields else name.removeprefix(PREV) for name in program.parameters}
        declared = {name: {"shape": fields[name].shape, "dtype": fields[name].dtype} for name in sorted(read)}
        limits = {"rows": self.rows, "timeout_s": self.timeout_s, "memory_bytes": self.memory_bytes}
        told = {"lengths": [*lengths]} if program.remembers else {}
        return json.dumps({"source": program.source, "fields": declared, **limits, **told})


def main(where: str) -> None:
    """Compute the rewards that a folder's job asks for."""
    torch.set_num_threads(1)
    folder = Path(where)
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
    if program.remembers:
        return _compute_in_order(program, fields, states, job)
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


def _compute_in_order(
    program: RewardProgram, fields: Mapping[str, Field], states: Mapping[str, Tensor], job: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Return the same of a program with memory: episodes run side by side, as worlds that begin together."""
    limits = {"timeout_s": job["timeout_s"], "memory_bytes": job["memory_bytes"]}
    plan = batches(job["lengths"], job["rows"])
    steps = min(min(job["lengths"]), max(_TRIED // len(plan[0]), 1))
    tried = _side_by_side(plan[0])[:steps]
    begins = torch.zeros(tried.shape, dtype=torch.bool)
    begins[0] = True
    run_trial(program, fields, {n: values[tried.flatten()] for n, values in states.items()}, first=begins, **limits)
    parts: dict[str, list[Tensor]] = {}
    capacity = max(_side_by_side(batch).numel() for batch in plan)
    with RewardWorker(program, fields, capacity, memory_bytes=job["memory_bytes"]) as worker:
        for batch in plan:
            rows = _side_by_side(batch)
            for name, inputs in worker.inputs.items():
                inputs[: rows.numel()] = states[name][rows.flatten()]
            worker.first[: rows.numel()] = (torch.arange(len(rows)) == 0).repeat_interleave(rows.shape[1])
            worker.submit(rows.numel(), rows.shape[1])
            output = worker.result(job["timeout_s"])
            for name, column in {"": output.total, **output.components}.items():
                table = column.view(rows.shape).clone()  # the next call writes where these lie
                parts.setdefault(name, []).extend(table[: span.length, world] for world, span in enumerate(batch))
    return {name: torch.cat(columns) for name, columns in parts.items()}


class Span(NamedTuple):
    """Where an episode lies among the rows of all."""

    start: int
    length: int


def batches(lengths: Sequence[int], rows: int) -> list[list[Span]]:
    """Return episodes in groups, in order, that take about ``rows`` rows each when they are run side by side."""
    found: list[list[Span]] = [[]]
    start = longest = 0
    for length in lengths:
        longest = max(longest, length)
        if found[-1] and longest * (len(found[-1]) + 1) > rows:
            found.append([])
            longest = length
        found[-1].append(Span(start, length))
        start += length
    return found


def _side_by_side(batch: Sequence[Span]) -> Tensor:
    """Return the rows of episodes as steps of worlds, int64 ``[T, N]``; shorter ones stay at their last step."""
    start, length = torch.tensor(batch).unbind(1)
    return start + torch.minimum(torch.arange(int(length.max())).unsqueeze(1), length - 1)


def read_answer(text: str) -> list[str]:
    """Return the names of the components, or raise the error that the answer tells of.

    Raises:
        RewardRuntimeError: The program failed, took too long or crashed.
    """
    answer = json.loads(text)
    if answer["kind"] != "ok":
        raise _KINDS[answer["kind"]](answer["reason"], line=answer["line"], fix=answer["fix"])
    return [str(name) for name in answer["components"]]
