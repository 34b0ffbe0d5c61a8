"""Hopper: one leg, three motors. Published task: Gymnasium's Hopper-v5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward
from envreward.task import Behaviour

from .base import FORWARD_FIELDS, FORWARD_FITNESS_DOC, SPARSE_PROGRESS, published
from .behaviours import NULL, slide
from .planar import PlanarTask, planar_fields


class Hopper(PlanarTask):
    """Hop forward; dynamics, observation, reward, termination and reset of gymnasium/envs/mujoco/hopper_v5.py.

    Success at 22 m: the distance covered in a full episode of 8 s at the reward threshold that Gymnasium registers
    (3800 = 1000 for surviving + 1000 x 2.8 m/s).
    """

    asset = "hopper.xml"
    frame_skip = 4
    reset_noise = 5e-3
    feet_geoms = ("foot_geom",)
    body_fields: ClassVar[Mapping[str, Field]] = planar_fields(
        ("thigh", "leg", "foot"), ("foot",), "0 is upright; positive leans forward (towards +x)."
    )
    fields: Mapping[str, Field] = {**body_fields, **FORWARD_FIELDS}
    expert: FunctionReward | None = published(("x_velocity", "action", "failure"), ctrl_weight=1e-3, survive=1.0)
    sparse = SPARSE_PROGRESS
    fitness_doc = FORWARD_FITNESS_DOC
    success_distance_m = 22.0
    success_doc = "At some step the torso is 22 m or more in front (towards +x) of where it started."
    behaviours: tuple[Behaviour, ...] = (slide(3.0), NULL)

    def healthy(self) -> Tensor:
        """Height above 0.7 m, pitch within 0.2 rad, and no other coordinate or velocity beyond 100."""
        others = torch.cat((self._after_x[:, 1:], self.sim.qvel), dim=1)
        bounded = others.abs().amax(1) < 100.0
        return bounded & (self.height > 0.7) & (self.pitch.abs() < 0.2)
