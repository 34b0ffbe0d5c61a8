"""Robots that move in the vertical x-z plane: Hopper, Walker2d, HalfCheetah."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.sims import Sim

from .base import SHARED_FIELDS, LocomotionTask, joint_fields
from .feet import GeomHeights, foot_fields


class PlanarTask(LocomotionTask):
    """A robot whose first three joints are x, z and pitch of its torso."""

    feet_geoms: ClassVar[tuple[str, ...]]
    """Geoms it stands on, in the order of ``foot_height``."""
    height_at_zero_m: ClassVar[float] = 0.0
    """Height of the torso's centre where ``qpos[1]`` is zero."""

    def bind(self, sim: Sim) -> None:
        """Attach to a simulator."""
        # views made once: indexing costs more than most of the arithmetic of a step
        self._x, self._after_x = sim.qpos[:, :1], sim.qpos[:, 1:]
        self.height, self.pitch = sim.qpos[:, 1], sim.qpos[:, 2]
        super().bind(sim)
        self.feet = GeomHeights(self.model, self.feet_geoms, sim)

    def position(self) -> Tensor:
        """Return the torso's x position, a live view ``[N, 1]``, m."""
        return self._x

    def observe(self) -> Tensor:
        """Return Gymnasium's observation: ``qpos`` without x, then ``qvel`` clipped to +-10."""
        return torch.cat((self._after_x, self.sim.qvel.clamp(-10.0, 10.0)), dim=1)


def planar_fields(joints: tuple[str, ...], feet: tuple[str, ...], pitch_doc: str) -> dict[str, Field]:
    """Return the fields that every planar robot has.

    Args:
        joints: Names of the joints after the torso's three.
        feet: Names of the feet.
        pitch_doc: What zero and positive pitch mean for this robot.
    """
    return {
        **SHARED_FIELDS,
        "x_position": Field(
            "Position of the torso along x, the forward direction.",
            unit="m",
            frame="world",
            role="position",
            read=lambda t: t.sim.qpos[:, 0],
        ),
        "torso_height": Field(
            "Height of the torso's centre above the floor.",
            unit="m",
            frame="world",
            role="position",
            read=lambda t: t.sim.qpos[:, 1] + t.height_at_zero_m,
        ),
        "pitch": Field(
            f"Rotation of the torso in the plane, not wrapped: a full turn adds 2 pi. {pitch_doc}",
            unit="rad",
            frame="world",
            role="angle",
            read=lambda t: t.sim.qpos[:, 2],
        ),
        "uprightness": Field(
            "Cosine of the pitch: 1 as at the start, 0 tipped by a quarter turn, -1 upside down.",
            role="orientation",
            read=lambda t: torch.cos(t.sim.qpos[:, 2]),
        ),
        "x_velocity": Field(
            "Mean forward velocity of the torso over the last step.",
            unit="m/s",
            frame="world",
            role="velocity",
            read=lambda t: t.velocity(0),
        ),
        "z_velocity": Field(
            "Upward velocity of the torso.",
            unit="m/s",
            frame="world",
            role="velocity",
            read=lambda t: t.sim.qvel[:, 1],
        ),
        "pitch_velocity": Field(
            "Rate of change of the pitch.",
            unit="rad/s",
            frame="world",
            role="angular_velocity",
            read=lambda t: t.sim.qvel[:, 2],
        ),
        **joint_fields(joints, 3, 3),
        **foot_fields(feet),
        "action": Field(
            "The action just applied: torque of each joint's motor as a share of its maximum, in [-1, 1].",
            shape=(len(joints),),
            names=joints,
            role="action",
            read=lambda t: t.action,
        ),
    }
