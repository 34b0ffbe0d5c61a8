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
SINGLES = 16
"""States that are also tried alone."""
WHOLE_TRIAL = 3.0
"""Longest that all calls together may take, in time limits of one call."""


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
        call = _Caller(worker, timeout_s)
        first = call(rows)
        for name, value in rows.items():
            if not torch.equal(worker.inputs[name], value.to(worker.inputs[name].dtype)):
                raise RewardRuntimeError(f"it changed its input `{name}`.", fix="Write into new tensors only.")
        times = []
        for _ in range(TIMED_CALLS):
            start = time.perf_counter()
            again = call(rows)
            times.append(time.perf_counter() - start)
        _check_same(first, again)
        _check_alone(call, rows, first)
        # Some of the states in another order: each must get what it got among all.
        order = torch.arange(num - 1, -1, -2)
        _check_close(call({name: value[order] for name, value in rows.items()}), _take(first, order))
    return Trial(
        components=tuple(first.components),
        time_per_call_s=statistics.median(times),
        rows=num,
        warnings=tuple(_remarks(first)),
    )


class _Caller:
    """Evaluates rows in a worker, within the limits of one trial, and returns results that stay valid."""

    def __init__(self, worker: RewardWorker, timeout_s: float) -> None:
        self.worker, self.timeout_s = worker, timeout_s
        self.deadline = time.monotonic() + WHOLE_TRIAL * timeout_s

    def __call__(self, rows: Mapping[str, Tensor]) -> RewardOutput:
        num = len(next(iter(rows.values())))
        for name, value in rows.items():
            self.worker.inputs[name][:num] = value
        self.worker.submit(num)
        output = self.worker.result(min(self.timeout_s, max(self.deadline - time.monotonic(), 0.0)))
        return RewardOutput(output.total.clone(), {k: v.clone() for k, v in output.components.items()})


def _check_same(first: RewardOutput, again: RewardOutput) -> None:
    for name, one, two in _pairs(first, again):
        if not torch.equal(one, two):
            raise RewardRuntimeError(
                f"{name} differs when the same states are given again.",
                fix="Remove randomness and anything remembered from call to call.",
            )


def _check_alone(call: _Caller, rows: Mapping[str, Tensor], first: RewardOutput) -> None:
    """Try single states: shapes that fit a batch may not fit N = 1, and a state's reward must not need company."""
    num = len(first.total)
    chosen = {*range(0, num, -(-num // SINGLES)), int(first.total.argmin()), int(first.total.argmax())}
    for index in sorted(chosen):
        row = torch.tensor([index])
        try:
            alone = call({name: value[row] for name, value in rows.items()})
        except RewardRuntimeError as error:
            reason = f"it works on many states but not on a single one (N = 1): {error.reason}"
            raise type(error)(reason, line=error.line, fix=error.fix or "Use squeeze(-1), not squeeze().") from None
        _check_close(alone, _take(first, row), first)


def _check_close(output: RewardOutput, expected: RewardOutput, scale: RewardOutput | None = None) -> None:
    """Compare up to rounding, which may depend on a row's place in the batch (vector instructions)."""
    for (name, got, wanted), (_, size, _) in zip(_pairs(output, expected), _pairs(scale or expected), strict=True):
        if not torch.allclose(got, wanted, rtol=1e-3, atol=1e-5 * float(size.abs().max())):
            raise RewardRuntimeError(
                f"{name} of a state depends on the other states in the batch.",
                fix="Judge each world alone: no mean, max, norm, sort or any() over dim 0; use dim=-1.",
            )


def _remarks(output: RewardOutput) -> list[str]:
    remarks = []
    for name, values, _ in _pairs(output):
        if len(values) > 1 and bool((values == values[0]).all()):
            remarks.append(f"{name} is {float(values[0]):g} in every state that random actions reach.")
    return remarks


def _take(output: RewardOutput, rows: Tensor) -> RewardOutput:
    return RewardOutput(output.total[rows], {k: v[rows] for k, v in output.components.items()})


def _pairs(one: RewardOutput, two: RewardOutput | None = None) -> list[tuple[str, Tensor, Tensor]]:
    """Return the named results of one output beside those of another (itself by default), the total last."""
    two = two or one
    components = [(f"component `{name}`", value, two.components[name]) for name, value in one.components.items()]
    return [*components, ("the total", one.total, two.total)]
