"""Goals on a robot other than its published one: success as an event, fitness as graded progress towards it."""

from __future__ import annotations

import abc
from typing import ClassVar

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward
from envreward.sims import Sim
from envreward.task import SPARSE_SUCCESS

from .base import LocomotionTask

POSE_SHARE = 0.5
"""Share of the fitness that is for coming to the wanted pose; the rest is for holding it."""


class GoalTask(LocomotionTask):
    """A task that is done or not; its dynamics, observation and reset are its robot's."""

    expert: FunctionReward | None = None
    sparse = SPARSE_SUCCESS
    fitness_reduce = "max"

    @abc.abstractmethod
    def achieved(self) -> Tensor:
        """Return whether the goal is achieved at this step, bool ``[N]``."""

    @abc.abstractmethod
    def progress(self) -> Tensor:
        """Return how far along the goal is, ``[N]`` in [0, 1]; 1 if and only if it is achieved."""

    def failed(self) -> Tensor:
        """Return whether the goal is out of reach, which ends the episode, bool ``[N]``; never, unless overridden."""
        return torch.zeros(self.sim.num_worlds, dtype=torch.bool, device=self.sim.device)


GOAL_FIELDS = {
    "success": Field(
        "Whether the goal is achieved at this step.",
        dtype="bool",
        role="flag",
        private=True,
        read=lambda t: t.achieved(),
    ),
    "failure": Field(
        "Whether the goal is out of reach.", dtype="bool", role="flag", private=True, read=lambda t: t.failed()
    ),
    "fitness": Field("Progress towards the goal, in [0, 1].", private=True, read=lambda t: t.progress()),
}
"""Private fields of every `GoalTask`."""


class PoseTask(GoalTask):
    """A pose to come to and to hold for some time.

    Success: the pose has been held without a break for ``hold_s``. Fitness: up to `POSE_SHARE` for approaching the
    pose, the rest for the share of ``hold_s`` that it has been held; the best moment of the episode counts.
    """

    hold_s: ClassVar[float]
    """How long the pose must be held."""
    memory: ClassVar[tuple[str, ...]] = (*LocomotionTask.memory, "held")

    @abc.abstractmethod
    def in_pose(self) -> Tensor:
        """Return whether the worlds are in the pose now, bool ``[N]``."""

    @abc.abstractmethod
    def approach(self) -> Tensor:
        """Return how close to the pose the worlds are now, ``[N]`` in [0, 1]; 1 in the pose."""

    @property
    def hold_steps(self) -> int:
        """Control steps for which the pose must be held."""
        return round(self.hold_s / self.dt_s)

    def bind(self, sim: Sim) -> None:
        """Attach to a simulator."""
        super().bind(sim)
        self.held = torch.zeros(sim.num_worlds, dtype=torch.int64, device=sim.device)
        """Control steps for which the pose has been held without a break, int64 ``[N]``."""

    def begin(self, ids: Tensor) -> None:
        """Clear the memory of the worlds ``ids``."""
        super().begin(ids)
        self.held[ids] = 0

    def update(self) -> None:
        """Count the steps in the pose."""
        self.held = torch.where(self.in_pose(), self.held + 1, 0)

    def achieved(self) -> Tensor:
        """Return whether the pose has been held long enough."""
        return self.held >= self.hold_steps

    def progress(self) -> Tensor:
        """Return the share of approach and hold that is done."""
        held = (self.held / self.hold_steps).clamp(max=1.0)
        return POSE_SHARE * self.approach() + (1.0 - POSE_SHARE) * held


def hold_doc(pose: str, hold_s: float) -> str:
    """Return the ``success_doc`` of a `PoseTask`."""
    return f"{pose}, for {hold_s:g} s without a break."


def pose_fitness_doc(approach: str) -> str:
    """Return the ``fitness_doc`` of a `PoseTask`, given what its approach measures."""
    return (
        f"In [0, 1], the best moment of the episode: {POSE_SHARE:g} x {approach}, plus {1 - POSE_SHARE:.1g} x the "
        "share of the required time for which the pose has been held; 1 exactly on success."
    )
