"""The trial of one reward program on real states: everything that training relies on, tried before it starts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

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
    first: Tensor | None = None,
    timeout_s: float = 10.0,
    memory_bytes: int | None = None,
) -> Trial:
    """Run a program in a worker on ``states`` and check what it gives.

    Args:
        program: A checked program.
        fields: The task's fields.
        states: Values ``[R, *shape]`` of at least its parameters.
        first: For a program with memory, whose states must be T steps of N worlds, one step after another: which steps
            are an episode's first, bool ``[T, N]``.
        timeout_s: Longest that one call may take.
        memory_bytes: Memory that it may add.

    Raises:
        RewardRuntimeError: It raised; gave a wrong shape or type or a number that is not finite; answered differently
            when asked again; changed its inputs; or mixed worlds. Timeouts and crashes are subclasses.
    """
    rows = {name: states[name] for name in program.parameters}
    num = len(next(iter(rows.values())))
    if not program.remembers:
        first = torch.ones(1, num, dtype=torch.bool)  # one step of many worlds: nothing follows on anything
    elif first is None:
        raise ValueError("a program with memory needs to know where episodes begin")
    tried = _Worlds({name: value.view(*first.shape, *value.shape[1:]) for name, value in rows.items()}, first)
    with RewardWorker(program, fields, num, memory_bytes=memory_bytes) as worker:
        call = _Caller(worker, timeout_s)
        found = call(tried)
        for name, value in rows.items():
            if not torch.equal(worker.inputs[name], value.to(worker.inputs[name].dtype)):
                raise RewardRuntimeError(f"it changed its input `{name}`.", fix="Write into new tensors only.")
        times = []
        for _ in range(TIMED_CALLS):
            start = time.perf_counter()
            again = call(tried)
            times.append(time.perf_counter() - start)
        unused = program.remembers and not call.memory.any()
        _check_same(found, again)
        _check_alone(call, tried, found)
        # Some of the worlds in another order: each must get what it got among all.
        order = torch.arange(first.shape[1] - 1, -1, -2)
        _check_close(call(tried.take(order)), _take(found, order))
    remarks = [*_remarks(found), *(["its memory is zero after the last step: does it need one?"] if unused else [])]
    return Trial(
        components=tuple(found.components),
        time_per_call_s=statistics.median(times),
        rows=num,
        warnings=tuple(remarks),
    )


class _Worlds(NamedTuple):
    """T steps of N worlds; a program without memory sees one step of as many worlds as there are states."""

    values: dict[str, Tensor]
    """``[T, N, *shape]`` by parameter."""
    first: Tensor
    """bool ``[T, N]``."""

    def take(self, worlds: Tensor) -> _Worlds:
        """Return some of the worlds, int64 ``[k]``."""
        return _Worlds({name: value[:, worlds] for name, value in self.values.items()}, self.first[:, worlds])


class _Caller:
    """Evaluates worlds in a worker, within the limits of one trial, and returns results that stay valid."""

    memory: Tensor
    """What the program remembered after the last call."""

    def __init__(self, worker: RewardWorker, timeout_s: float) -> None:
        self.worker, self.timeout_s = worker, timeout_s
        self.deadline = time.monotonic() + WHOLE_TRIAL * timeout_s

    def __call__(self, tried: _Worlds) -> RewardOutput:
        """Return total and components, ``[T, N]`` each."""
        worker, (steps, worlds) = self.worker, tried.first.shape
        num = steps * worlds
        for name, value in tried.values.items():
            worker.inputs[name][:num] = value.flatten(0, 1)
        if worker.program.remembers:
            worker.first[:num] = tried.first.flatten()
            worker.memory[:worlds] = 0.0
        worker.submit(num, worlds)
        output = worker.result(min(self.timeout_s, max(self.deadline - time.monotonic(), 0.0)))
        self.memory = worker.memory[:worlds].clone()
        parts = {name: values.view(steps, worlds).clone() for name, values in output.components.items()}
        return RewardOutput(output.total.view(steps, worlds).clone(), parts)


def _check_same(first: RewardOutput, again: RewardOutput) -> None:
    for name, one, two in _pairs(first, again):
        if not torch.equal(one, two):
            raise RewardRuntimeError(
                f"{name} differs when the same states are given again.",
                fix="Remove randomness and anything remembered from call to call.",
            )


def _check_alone(call: _Caller, tried: _Worlds, found: RewardOutput) -> None:
    """Try single worlds: shapes that fit a batch may not fit N = 1, and a world's reward must not need company."""
    num = tried.first.shape[1]
    extremes = {int(found.total.argmin()) % num, int(found.total.argmax()) % num}
    for index in sorted({*range(0, num, -(-num // SINGLES)), *extremes}):
        world = torch.tensor([index])
        try:
            alone = call(tried.take(world))
        except RewardRuntimeError as error:
            reason = f"it works on many states but not on a single one (N = 1): {error.reason}"
            raise type(error)(reason, line=error.line, fix=error.fix or "Use squeeze(-1), not squeeze().") from None
        _check_close(alone, _take(found, world), found)


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
        if values.numel() > 1 and bool((values == values[0, 0]).all()):
            remarks.append(f"{name} is {float(values[0, 0]):g} in every state that random actions reach.")
    return remarks


def _take(output: RewardOutput, worlds: Tensor) -> RewardOutput:
    return RewardOutput(output.total[:, worlds], {k: v[:, worlds] for k, v in output.components.items()})


def _pairs(one: RewardOutput, two: RewardOutput | None = None) -> list[tuple[str, Tensor, Tensor]]:
    """Return the named results of one output beside those of another (itself by default), the total last."""
    two = two or one
    components = [(f"component `{name}`", value, two.components[name]) for name, value in one.components.items()]
    return [*components, ("the total", one.total, two.total)]
