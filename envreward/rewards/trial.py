"""The trial of one reward program on real states: everything that training relies on, tried before it starts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from envreward.errors import RewardRuntimeError
from envreward.fields import Field

from .function import RewardOutput
from .program import RewardProgram
from .worker import RewardWorker

TIMED_CALLS = 5


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What was learned of a program that passed."""

    components: tuple[str, ...]
    time_per_call_s: float
    """Median wall-clock time of one call on all the states."""
    rows: int
    """How many states that were."""
    warnings: tuple[str, ...] = ()


def run_trial(
    program: RewardProgram,
    fields: Mapping[str, Field],
    states: Mapping[str, Tensor],
    *,
    timeout_s: float = 10.0,
    memory_bytes: int | None = None,
) -> Trial:
    """Run a program in a worker on ``states`` and check what it gives.

    Args:
        program: A checked program.
        fields: The task's fields.
        states: Values ``[N, *shape]`` of at least its parameters.
        timeout_s: Longest that one call may take.
        memory_bytes: Memory that it may add.

    Raises:
        RewardRuntimeError: It raised; gave a wrong shape or type or a number that is not finite; answered differently
            when asked again; changed its inputs; or mixed worlds. Timeouts and crashes are subclasses.
    """
    rows = {name: states[name] for name in program.parameters}
    num = len(next(iter(rows.values())))
    with RewardWorker(program, fields, num, memory_bytes=memory_bytes) as worker:
        first = _call(worker, rows, timeout_s)
        for name, value in rows.items():
            if not torch.equal(worker.inputs[name], value.to(worker.inputs[name].dtype)):
                raise RewardRuntimeError(f"it changed its input `{name}`.", fix="Write into new tensors only.")
        times = []
        for _ in range(TIMED_CALLS):
            start = time.perf_counter()
            again = _call(worker, rows, timeout_s)
            times.append(time.perf_counter() - start)
        _check_same(first, again)
        _check_single(worker, rows, first, timeout_s)
        _check_subset(worker, rows, first, timeout_s)
    return Trial(
        components=tuple(first.components),
        time_per_call_s=statistics.median(times),
        rows=num,
        warnings=tuple(_remarks(first)),
    )


def _call(worker: RewardWorker, rows: Mapping[str, Tensor], timeout_s: float) -> RewardOutput:
    """Evaluate rows and return results that stay valid."""
    num = len(next(iter(rows.values())))
    for name, value in rows.items():
        worker.inputs[name][:num] = value
    worker.submit(num)
    output = worker.result(timeout_s)
    return RewardOutput(output.total.clone(), {k: v.clone() for k, v in output.components.items()})


def _check_same(first: RewardOutput, again: RewardOutput) -> None:
    for name, one, two in _pairs(first, again):
        if not torch.equal(one, two):
            raise RewardRuntimeError(
                f"{name} differs when the same states are given again.",
                fix="Remove randomness and anything remembered from call to call.",
            )


def _check_single(worker: RewardWorker, rows: Mapping[str, Tensor], first: RewardOutput, timeout_s: float) -> None:
    """Try one state alone: shapes that happen to fit a large batch often do not fit N = 1."""
    try:
        alone = _call(worker, {name: value[:1] for name, value in rows.items()}, timeout_s)
    except RewardRuntimeError as error:
        reason = f"it works on many states but not on a single one (N = 1): {error.reason}"
        raise type(error)(reason, line=error.line, fix=error.fix or "Use squeeze(-1), not squeeze().") from None
    _check_close(alone, RewardOutput(first.total[:1], {k: v[:1] for k, v in first.components.items()}))


def _check_subset(worker: RewardWorker, rows: Mapping[str, Tensor], first: RewardOutput, timeout_s: float) -> None:
    """Try some of the states in another order: each must get what it got among all."""
    num = len(first.total)
    order = torch.arange(num - 1, -1, -2)
    output = _call(worker, {name: value[order] for name, value in rows.items()}, timeout_s)
    _check_close(output, RewardOutput(first.total[order], {k: v[order] for k, v in first.components.items()}))


def _check_close(output: RewardOutput, expected: RewardOutput) -> None:
    """Compare up to rounding, which may depend on a row's place in the batch (vector instructions)."""
    for name, got, wanted in _pairs(output, expected):
        scale = float(wanted.abs().max())
        if not torch.allclose(got, wanted, rtol=1e-3, atol=1e-4 * scale):
            raise RewardRuntimeError(
                f"{name} of a state depends on the other states in the batch.",
                fix="Judge each world alone: no mean, max, norm, sort or any() over dim 0; use dim=-1.",
            )


def _remarks(output: RewardOutput) -> list[str]:
    remarks = []
    for name, values, _ in _pairs(output, output):
        if len(values) > 1 and bool((values == values[0]).all()):
            remarks.append(f"{name} is {float(values[0]):g} in every state that random actions reach.")
    return remarks


def _pairs(one: RewardOutput, two: RewardOutput) -> list[tuple[str, Tensor, Tensor]]:
    components = [(f"component `{name}`", value, two.components[name]) for name, value in one.components.items()]
    return [*components, ("the total", one.total, two.total)]
