"""Instruction tasks on Ant: lie down and wave a leg (after Text2Reward, arXiv:2309.11489), and turn on the spot.

No expert reward is published for any of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.sims import Sim
from envreward.task import Behaviour

from .ant import Ant
from .behaviours import ANT_LIE_DOWN, ANT_SPIN_LEFT, ANT_SPIN_RIGHT, ANT_WAVE, NULL, slide
from .goals import GOAL_FIELDS, GoalTask, PoseTask, hold_doc, pose_fitness_doc
from .spatial import heading, up_axis_height

_STANDING_HEIGHT_M = 0.6
_STANDING_ANKLE_RAD = 1.0


class AntLieDown(PoseTask, Ant):
    """Lie still, belly down, as low as the legs allow.

    The ankles do not bend up, so that the torso's centre cannot sink below 0.38 m when belly down; Ant standing is at
    0.5 to 0.65 m. Episodes begin standing: from the published start, which drops Ant with limp legs, it now and
    then ends up flat without doing anything (a limp Ant that stands stays above 0.5 m for the whole horizon).
    """

    hold_s = 1.0
    low_m = 0.42
    start_m = 0.6
    still_m_s = 0.2
    still_rad_s = 0.5
    fields: Mapping[str, Field] = {**Ant.body_fields, **GOAL_FIELDS}
    success_doc = hold_doc(
        "Torso's centre below 0.42 m, belly down (tilt under 25 degrees), moving slower than 0.2 m/s and 0.5 rad/s", 1.0
    )
    fitness_doc = pose_fitness_doc("how far the torso has sunk from 0.6 m to 0.42 m, while belly down")
    behaviours: tuple[Behaviour, ...] = (ANT_LIE_DOWN, ANT_WAVE._replace(succeeds=False), NULL)

    def reset(self, ids: Tensor, uniform: Tensor, normal: Tensor) -> None:
        """Start standing on bent legs, with Gymnasium's noise on the joints and velocities."""
        qpos = self.qpos0.repeat(len(ids), 1)
        qpos[:, 2] = _STANDING_HEIGHT_M
        qpos[:, 8::2] = _STANDING_ANKLE_RAD * qpos.new_tensor([1.0, -1.0, -1.0, 1.0])
        nq, nv = int(self.model.nq), int(self.model.nv)
        qpos[:, 7:] += self.reset_noise * (2.0 * uniform[:, 7:nq] - 1.0)
        self.start(ids, qpos, self.reset_noise * normal[:, :nv])

    def _belly_down(self) -> Tensor:
        level: Tensor = up_axis_height(self.sim.qpos[:, 3:7]) > math.cos(math.radians(25.0))
        return level

    def in_pose(self) -> Tensor:
        """Return whether the torso is low, belly down and still."""
        velocity = self.sim.qvel
        still: Tensor = (velocity[:, :3].norm(dim=1) < self.still_m_s) & (
            velocity[:, 3:6].norm(dim=1) < self.still_rad_s
        )
        return self._belly_down() & still & (self.sim.qpos[:, 2] < self.low_m)

    def approach(self) -> Tensor:
        """Return how far the torso has sunk."""
        sunk = (self.start_m - self.sim.qpos[:, 2]) / (self.start_m - self.low_m)
        return sunk.clamp(0.0, 1.0) * self._belly_down()


class AntWaveLeg(GoalTask, Ant):
    """Stand on three legs and swing the front left one through the air.

    A swing is a movement of the front left hip from beyond 0.25 rad on one side to beyond 0.25 rad on the other.
    Swings count only while that foot is 0.15 m or more above the floor, two or more of the other feet touch the
    floor, and the torso is upright and off the floor; otherwise counting starts again.
    """

    swings_wanted = 4
    swing_rad = 0.25
    raised_m = 0.15
    fields: Mapping[str, Field] = {**Ant.body_fields, **GOAL_FIELDS}
    success_doc = (
        "4 swings without a break of the front left leg (its hip from 0.25 rad on one side to 0.25 rad on the other), "
        "with its foot 0.15 m above the floor, 2 or more other feet on it, and the torso's centre above 0.3 m and "
        "tilted under 37 degrees."
    )
    fitness_doc = (
        "In [0, 1], the best moment of the episode: 0.2 for the raised leg, 0.2 for each swing; 1 exactly on success."
    )
    behaviours: tuple[Behaviour, ...] = (ANT_WAVE, ANT_LIE_DOWN._replace(succeeds=False), NULL)
    memory: ClassVar[tuple[str, ...]] = (*GoalTask.memory, "swings", "side")

    def bind(self, sim: Sim) -> None:
        """Attach to a simulator."""
        super().bind(sim)
        self.swings = torch.zeros(sim.num_worlds, dtype=torch.int64, device=sim.device)
        """Swings without a break, int64 ``[N]``."""
        self.side = torch.zeros(sim.num_worlds, dtype=torch.int64, device=sim.device)
        """Side on which the hip was last beyond its threshold: -1, 1, or 0 for none yet, int64 ``[N]``."""

    def begin(self, ids: Tensor) -> None:
        """Clear the memory of the worlds ``ids``."""
        super().begin(ids)
        self.swings[ids] = 0
        self.side[ids] = 0

    def waving_pose(self) -> Tensor:
        """Return whether Ant stands with its front left leg raised, bool ``[N]``."""
        standing = (up_axis_height(self.sim.qpos[:, 3:7]) > 0.8) & (self.sim.qpos[:, 2] > 0.3)
        supported = self.feet.touching(self.sim)[:, 1:].sum(1) >= 2
        return standing & supported & (self.feet.read(self.sim)[:, 0] >= self.raised_m)

    def update(self) -> None:
        """Count swings."""
        hip = self.sim.qpos[:, 7]
        beyond = (hip > self.swing_rad).to(torch.int64) - (hip < -self.swing_rad).to(torch.int64)
        swung = beyond * self.side == -1
        side = torch.where(beyond != 0, beyond, self.side)
        waving = self.waving_pose()
        self.swings = torch.where(waving, self.swings + swung, 0)
        self.side = torch.where(waving, side, 0)

    def achieved(self) -> Tensor:
        """Return whether there have been enough swings."""
        return self.swings >= self.swings_wanted

    def progress(self) -> Tensor:
        """Return the share of raising and swinging that is done."""
        counted = (self.swings / self.swings_wanted).clamp(max=1.0)
        return self.waving_pose() * (0.2 + 0.8 * counted)

    def failed(self) -> Tensor:
        """Return whether Ant has tipped over."""
        return up_axis_height(self.sim.qpos[:, 3:7]) < 0.0


class AntSpin(GoalTask, Ant):
    """Turn all the way round, either way, without leaving the spot.

    The turn is the net change of heading while the torso stays within half a metre of a pivot; leaving that circle,
    or tilting by more than 45 degrees, starts the count again with the pivot where the torso is then.
    """

    radius_m = 0.5
    fields: Mapping[str, Field] = {**Ant.body_fields, **GOAL_FIELDS}
    success_doc = (
        "A net change of heading of 2 pi, to the left or to the right, with the torso within 0.5 m of one point and "
        "tilted under 45 degrees all the while."
    )
    fitness_doc = (
        "In [0, 1], the best moment of the episode: the share of a full turn on the spot; 1 exactly on success."
    )
    behaviours: tuple[Behaviour, ...] = (ANT_SPIN_LEFT, ANT_SPIN_RIGHT, slide(1.0)._replace(succeeds=False), NULL)
    memory: ClassVar[tuple[str, ...]] = (*GoalTask.memory, "turned", "faced", "pivot")

    def bind(self, sim: Sim) -> None:
        """Attach to a simulator."""
        super().bind(sim)
        self.turned = torch.zeros(sim.num_worlds, dtype=sim.dtype, device=sim.device)
        """Net turn about the pivot, positive to the left, ``[N]``, rad."""
        self.faced = heading(sim.qpos[:, 3:7])
        """Heading after the previous step, ``[N]``, rad."""
        self.pivot = sim.qpos[:, :2].clone()
        """Where the turn began, ``[N, 2]``, m."""

    def begin(self, ids: Tensor) -> None:
        """Clear the memory of the worlds ``ids``."""
        super().begin(ids)
        self.turned[ids] = 0.0
        self.faced[ids] = heading(self.sim.qpos[ids, 3:7])
        self.pivot[ids] = self.sim.qpos[ids, :2]

    def update(self) -> None:
        """Add up the turn."""
        quat, place = self.sim.qpos[:, 3:7], self.sim.qpos[:, :2]
        faces = heading(quat)
        change = torch.remainder(faces - self.faced + math.pi, 2.0 * math.pi) - math.pi
        lost = ((place - self.pivot).norm(dim=1) > self.radius_m) | (up_axis_height(quat) < math.cos(math.pi / 4))
        self.turned = torch.where(lost, 0.0, self.turned + change)
        self.pivot = torch.where(lost[:, None], place, self.pivot)
        self.faced = faces

    def achieved(self) -> Tensor:
        """Return whether a full turn is done."""
        return self.turned.abs() >= 2.0 * math.pi

    def progress(self) -> Tensor:
        """Return the share of a full turn that is done."""
        return (self.turned.abs() / (2.0 * math.pi)).clamp(max=1.0)

    def failed(self) -> Tensor:
        """Return whether Ant has tipped over."""
        return up_axis_height(self.sim.qpos[:, 3:7]) < 0.0
