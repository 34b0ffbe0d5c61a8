"""Ant: four legs, eight motors. Published task: Gymnasium's Ant-v5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward
from envreward.sims import Sim
from envreward.task import Behaviour

from .base import FORWARD_FIELDS, FORWARD_FITNESS_DOC, SPARSE_PROGRESS, published
from .behaviours import NULL, slide
from .feet import GeomHeights, foot_fields
from .spatial import SpatialTask, spatial_fields

# The model's legs 1 to 4. Its own names ("front_left_leg", ...) do not fit x being forward; these say where each
# leg is attached: leg 1 at (+x, +y), 2 at (-x, +y), 3 at (-x, -y), 4 at (+x, -y).
_LEGS = ("front_left", "back_left", "back_right", "front_right")
_JOINTS = tuple(f"{leg}_{joint}" for leg in _LEGS for joint in ("hip", "ankle"))
_MOTORS = _JOINTS[6:] + _JOINTS[:6]  # the actuators begin with leg 4
_BODIES = 13


class Ant(SpatialTask):
    """Walk forward; dynamics, observation, reward, termination and reset of gymnasium/envs/mujoco/ant_v5.py.

    Success at 250 m: the distance covered in a full episode of 50 s at the reward threshold that Gymnasium registers
    (6000 = 1000 for surviving + 1000 x 5 m/s, before costs).
    """

    asset = "ant.xml"
    frame_skip = 5
    reset_noise = 0.1
    velocity_noise = "normal"
    body_fields: ClassVar[Mapping[str, Field]] = {
        **spatial_fields(_JOINTS, "torso"),
        **foot_fields(_LEGS),
        "contact_forces": Field(
            "External torque (first three) and force (last three) on each body from contacts, clipped to [-1, 1].",
            shape=(_BODIES, 6),
            frame="world",
            role="force",
            read=lambda t: t.external_forces[:, 1:].clamp(-1.0, 1.0),
        ),
        "action": Field(
            "The action just applied: torque of each joint's motor as a share of its maximum, in [-1, 1].",
            shape=(8,),
            names=_MOTORS,
            role="action",
            read=lambda t: t.action,
        ),
    }
    fields: Mapping[str, Field] = {**body_fields, **FORWARD_FIELDS}
    expert: FunctionReward | None = published(
        ("x_velocity", "action", "failure", "contact_forces"), ctrl_weight=0.5, survive=1.0, contact_weight=5e-4
    )
    sparse = SPARSE_PROGRESS
    fitness_doc = FORWARD_FITNESS_DOC
    success_distance_m = 250.0
    success_doc = "At some step the torso is 250 m or more in front (towards +x) of where it started."
    behaviours: tuple[Behaviour, ...] = (slide(5.5), NULL)

    @property
    def observation_size(self) -> int:
        """Entries of one world's observation."""
        return int(self.model.nq - 2 + self.model.nv + 6 * _BODIES)

    def bind(self, sim: Sim) -> None:
        """Attach to a simulator."""
        self._xy, self._after_xy, self._height = sim.xpos[:, 1, :2], sim.qpos[:, 2:], sim.qpos[:, 2]
        super().bind(sim)
        self._forces_seen = self.external_forces.flatten(1)[:, 6:]  # a view: all bodies but the world
        self.feet = GeomHeights(
            self.model, ("left_ankle_geom", "right_ankle_geom", "third_ankle_geom", "fourth_ankle_geom"), sim
        )

    def position(self) -> Tensor:
        """Return the torso's x and y as the last substep left them in ``xpos``, a live view ``[N, 2]``, m."""
        return self._xy

    def observe(self) -> Tensor:
        """Return Gymnasium's observation: ``qpos`` without x and y, ``qvel``, clipped contact forces."""
        return torch.cat((self._after_xy, self.sim.qvel, self._forces_seen.clamp(-1.0, 1.0)), dim=1)

    def healthy(self) -> Tensor:
        """Height of the torso between 0.2 and 1 m (a broken state is caught by the simulator)."""
        return (self._height >= 0.2) & (self._height <= 1.0)
