"""Where a member's rewards come from, behind one interface that fits the training loop.

The loop writes the fields that a reward reads straight into `RewardSource.inputs` while it steps the worlds, starts
all rewards once the rollout is over, and then collects them. Programs run in processes of their own
(`envreward.rewards.worker`), so K of them run side by side; the trusted expert and sparse rewards run here, on the
device of the worlds. Programs run on the CPU: where the worlds are on a GPU, what they read is copied over once per
rollout.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from envreward.errors import ConfigError, RewardRuntimeError
from envreward.fields import MEMORY, Field, resolve, torch_dtype
from envreward.rewards.function import RewardOutput
from envreward.rewards.remembering import new_program_memory
from envreward.rewards.sequence import AnyReward, Flow, Memory, evaluate_over, new_memory
from envreward.rewards.worker import RewardWorker


class Relabel(Protocol):
    """Says what the reward of earlier steps is by now, of a reward that changes while a policy trains on it."""

    def __call__(self, step: Tensor, world: Tensor, rewards: Tensor) -> Tensor:
        """Return rewards float32 ``[B]`` of steps, counted from the training's beginning, of worlds; int64 ``[B]``.

        ``rewards`` are those given when the steps were taken, and stay where nothing better is known.
        """
        ...


class RewardSource(Protocol):
    """Evaluates one member's reward over stored states."""

    inputs: dict[str, Tensor]
    """Where to write the fields, ``[capacity, *shape]`` by name."""
    memory: Memory
    """What it remembers of each world's running episode; written in place."""
    learned: Memory
    """What it has learned, of any shapes, which outlives episodes and worlds; empty but for a reward that learns. It is
    brought back by writing into this mapping."""

    def submit(self, flow: Flow) -> None:
        """Start on the first rows of the inputs, as many as ``flow`` has steps: those of ``[T, N]`` in order."""
        ...

    def result(self, timeout_s: float) -> RewardOutput:
        """Wait for the rewards of the rows submitted; views that are valid until the next `submit`.

        Raises:
            RewardRuntimeError: It raised, gave something unusable or not finite, or its process was ended.
        """
        ...

    def close(self) -> None:
        """Release what it holds."""
        ...


class TrustedSource:
    """An expert or sparse reward, evaluated in this process."""

    def __init__(
        self,
        function: AnyReward,
        fields: Mapping[str, Field],
        capacity: int,
        num_worlds: int,
        device: torch.device | str = "cpu",
    ) -> None:
        """Make room on ``device`` for ``capacity`` rows, of ``num_worlds`` worlds, of each field ``function`` reads."""
        self._device = device
        self._function = function
        self._flow: Flow | None = None
        self.inputs = {}
        self.learned: Memory = {}
        self.memory = {n: values.to(device) for n, values in new_memory(function, num_worlds).items()}
        for name in function.parameters:
            field = resolve(name, fields)
            if field.dtype == "str":
                raise ConfigError(f"field {name} is text: rewards that read text cannot be trained on in batches yet")
            self.inputs[name] = torch.zeros(capacity, *field.shape, dtype=torch_dtype(field.dtype), device=device)

    def submit(self, flow: Flow) -> None:
        """Remember which rows are wanted."""
        self._flow = flow.each(lambda flags: flags.to(self._device))

    def result(self, timeout_s: float) -> RewardOutput:
        """Evaluate the rows submitted; the time limit does not apply to trusted code.

        Raises:
            RewardRuntimeError: A reward is not finite.
        """
        assert self._flow is not None
        shape = self._flow.first.shape
        rows = shape.numel()
        state = {name: values[:rows].view(*shape, *values.shape[1:]) for name, values in self.inputs.items()}
        output = evaluate_over(self._function, self._flow, self.memory, state)
        bad = int((~torch.isfinite(output.total)).sum())
        if bad:
            raise RewardRuntimeError(f"{bad} of {rows} rewards are not finite.")
        return RewardOutput(output.total.flatten(), {name: v.flatten() for name, v in output.components.items()})

    def close(self) -> None:
        """Nothing to release."""


class ProgramSource:
    """A reward program, evaluated in a locked-up process of its own."""

    def __init__(self, worker: RewardWorker, num_worlds: int) -> None:
        """Take over ``worker``, for rollouts of ``num_worlds`` worlds."""
        self._worker = worker
        self.inputs = worker.inputs
        self.memory: Memory = new_program_memory(num_worlds) if worker.program.remembers else {}
        self.learned: Memory = {}

    def submit(self, flow: Flow) -> None:
        """Start on the rows of ``flow``; their order does not matter to programs that remember nothing.

        Raises:
            RewardCrashError: The process is gone.
        """
        worker, (steps, worlds) = self._worker, flow.first.shape
        if self.memory:
            worker.first[: steps * worlds] = flow.first.flatten()
            worker.memory[:worlds] = self.memory[MEMORY]
        worker.submit(steps * worlds, worlds)

    def result(self, timeout_s: float) -> RewardOutput:
        """Wait for the rewards; see `RewardWorker.result` for what it raises."""
        output = self._worker.result(timeout_s)
        if self.memory:
            self.memory[MEMORY].copy_(self._worker.memory[: len(self.memory[MEMORY])])
        return output

    def close(self) -> None:
        """End the process."""
        self._worker.close()


class NoReward:
    """Stands in for the reward of a member that is out but whose worlds go on: zero, from nothing."""

    def __init__(self) -> None:
        self.inputs: dict[str, Tensor] = {}
        self.memory: Memory = {}
        self.learned: Memory = {}
        self._rows = 0

    def submit(self, flow: Flow) -> None:
        """Remember how many rows are wanted."""
        self._rows = flow.first.numel()

    def result(self, timeout_s: float) -> RewardOutput:
        """Return zeros."""
        return RewardOutput(torch.zeros(self._rows, device="cpu"), {})

    def close(self) -> None:
        """Nothing to release."""
