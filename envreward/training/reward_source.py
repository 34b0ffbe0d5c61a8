"""Where a member's rewards come from, behind one interface that fits the training loop.

The loop writes the fields that a reward reads straight into `RewardSource.inputs` while it steps the worlds, starts
all rewards once the rollout is over, and then collects them. Programs run in processes of their own
(`envreward.rewards.worker`), so K of them run side by side; the trusted expert and sparse rewards run here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from envreward.errors import ConfigError, RewardRuntimeError
from envreward.fields import Field, resolve, torch_dtype
from envreward.rewards.choice import choose_reward
from envreward.rewards.function import RewardOutput
from envreward.rewards.program import RewardProgram
from envreward.rewards.sequence import AnyReward, Flow, Memory, evaluate_over, new_memory
from envreward.rewards.worker import RewardWorker
from envreward.task import Task

from .config import Member, TrainingJob


class RewardSource(Protocol):
    """Evaluates one member's reward over stored states."""

    inputs: dict[str, Tensor]
    """Where to write the fields, ``[capacity, *shape]`` by name."""
    memory: Memory
    """What it remembers of each world's running episode; written in place."""

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

    def __init__(self, function: AnyReward, fields: Mapping[str, Field], capacity: int, num_worlds: int) -> None:
        """Make room for ``capacity`` rows, of ``num_worlds`` worlds, of each field that ``function`` reads."""
        self._function = function
        self._flow: Flow | None = None
        self.inputs = {}
        self.memory = new_memory(function, num_worlds)
        for name in function.parameters:
            field = resolve(name, fields)
            if field.dtype == "str":
                raise ConfigError(f"field {name} is text: rewards that read text cannot be trained on in batches yet")
            self.inputs[name] = torch.zeros(capacity, *field.shape, dtype=torch_dtype(field.dtype))

    def submit(self, flow: Flow) -> None:
        """Remember which rows are wanted."""
        self._flow = flow

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

    def __init__(self, worker: RewardWorker) -> None:
        """Take over ``worker``."""
        self._worker = worker
        self.inputs = worker.inputs
        self.memory: Memory = {}

    def submit(self, flow: Flow) -> None:
        """Start on the rows of ``flow``; programs see single states, so their order does not matter.

        Raises:
            RewardCrashError: The process is gone.
        """
        self._worker.submit(flow.first.numel())

    def result(self, timeout_s: float) -> RewardOutput:
        """Wait for the rewards; see `RewardWorker.result` for what it raises."""
        return self._worker.result(timeout_s)

    def close(self) -> None:
        """End the process."""
        self._worker.close()


class NoReward:
    """Stands in for the reward of a member that is out but whose worlds go on: zero, from nothing."""

    def __init__(self) -> None:
        self.inputs: dict[str, Tensor] = {}
        self.memory: Memory = {}
        self._rows = 0

    def submit(self, flow: Flow) -> None:
        """Remember how many rows are wanted."""
        self._rows = flow.first.numel()

    def result(self, timeout_s: float) -> RewardOutput:
        """Return zeros."""
        return RewardOutput(torch.zeros(self._rows), {})

    def close(self) -> None:
        """Nothing to release."""


def open_reward(
    member: Member, job: TrainingJob, folder: Path, task: Task, capacity: int, num_worlds: int | None = None
) -> RewardSource:
    """Open a member's reward for rollouts of up to ``capacity`` transitions of ``num_worlds`` worlds.

    By default there are as many worlds as the population's algorithm has. Programs are forked off here: call it before
    the environment is created.

    Raises:
        RewardError: The program breaks a rule of reward programs.
        ConfigError: The task has no such reward.
    """
    if member.reward in ("sparse", "expert") or member.reward in task.rewards:
        function = choose_reward(task, member.reward)
        assert function is not None
        return TrustedSource(function, task.fields, capacity, num_worlds or job.algorithm.num_worlds)
    program = RewardProgram.from_source((folder / member.reward).read_text(), task.fields)
    return ProgramSource(RewardWorker(program, task.fields, capacity, memory_bytes=job.reward_memory_bytes))
