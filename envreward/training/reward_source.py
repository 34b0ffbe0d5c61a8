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
from envreward.rewards.function import RewardFunction, RewardOutput
from envreward.task import Task

from .config import Member, TrainingJob


class RewardSource(Protocol):
    """Evaluates one member's reward over stored states."""

    inputs: dict[str, Tensor]
    """Where to write the fields, ``[capacity, *shape]`` by name."""

    def submit(self, n: int) -> None:
        """Start on the first ``n`` rows of the inputs."""
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

    def __init__(self, function: RewardFunction, fields: Mapping[str, Field], capacity: int) -> None:
        """Make room for ``capacity`` rows of each field that ``function`` reads."""
        self._function = function
        self._rows = 0
        self.inputs = {}
        for name in function.parameters:
            field = resolve(name, fields)
            if field.dtype == "str":
                raise ConfigError(f"field {name} is text: rewards that read text cannot be trained on in batches yet")
            self.inputs[name] = torch.zeros(capacity, *field.shape, dtype=torch_dtype(field.dtype))

    def submit(self, n: int) -> None:
        """Remember that the first ``n`` rows are wanted."""
        self._rows = n

    def result(self, timeout_s: float) -> RewardOutput:
        """Evaluate the rows submitted; the time limit does not apply to trusted code.

        Raises:
            RewardRuntimeError: A reward is not finite.
        """
        output = self._function(**{name: values[: self._rows] for name, values in self.inputs.items()})
        bad = int((~torch.isfinite(output.total)).sum())
        if bad:
            raise RewardRuntimeError(f"{bad} of {self._rows} rewards are not finite.")
        return output

    def close(self) -> None:
        """Nothing to release."""


class NoReward:
    """Stands in for the reward of a member that is out but whose worlds go on: zero, from nothing."""

    def __init__(self) -> None:
        self.inputs: dict[str, Tensor] = {}
        self._rows = 0

    def submit(self, n: int) -> None:
        """Remember how many rows are wanted."""
        self._rows = n

    def result(self, timeout_s: float) -> RewardOutput:
        """Return zeros."""
        return RewardOutput(torch.zeros(self._rows), {})

    def close(self) -> None:
        """Nothing to release."""


def open_reward(member: Member, job: TrainingJob, folder: Path, task: Task, capacity: int) -> RewardSource:
    """Open a member's reward for rollouts of up to ``capacity`` transitions.

    Programs are forked off here: call it before the environment is created.

    Raises:
        RewardError: The program breaks a rule of reward programs.
        ConfigError: The task has no such reward.
    """
    if member.reward == "sparse":
        return TrustedSource(task.sparse, task.fields, capacity)
    if member.reward == "expert":
        if task.expert is None:
            raise ConfigError(f"{task.spec.id} has no published expert reward; use sparse or a program")
        return TrustedSource(task.expert, task.fields, capacity)
    from envreward.rewards.program import RewardProgram
    from envreward.rewards.worker import RewardWorker

    program = RewardProgram.from_source((folder / member.reward).read_text(), task.fields)
    return RewardWorker(program, task.fields, capacity, memory_bytes=job.reward_memory_bytes)
