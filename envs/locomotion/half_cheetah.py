"""HalfCheetah: two legs, six motors. Published task: Gymnasium's HalfCheetah-v5."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import ClassVar

import mujoco
import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward
from envreward.sims.messages import collect_messages
from envreward.task import Behaviour

from .base import FORWARD_FIELDS, FORWARD_FITNESS_DOC, SPARSE_PROGRESS, asset_path, published
from .behaviours import NULL, slide
from .planar import PlanarTask, planar_fields

_JOINTS = ("back_thigh", "back_shin", "back_foot", "front_thigh", "front_shin", "front_foot")


class HalfCheetah(PlanarTask):
    """Run forward; dynamics, observation, reward, reset of gymnasium/envs/mujoco/half_cheetah_v5.py. Never terminates.

    Success at 240 m: the distance covered in a full episode of 50 s at 4.8 m/s, which earns the reward threshold
    that Gymnasium registers (4800) before the control cost.
    """

    asset = "half_cheetah.xml"
    frame_skip = 5
    reset_noise = 0.1
    velocity_noise = "normal"
    feet_geoms = ("bfoot", "ffoot")
    height_at_zero_m = 0.7
    body_fields: ClassVar[Mapping[str, Field]] = planar_fields(
        _JOINTS, ("back", "front"), "0 is level; positive is nose down."
    )
    fields: Mapping[str, Field] = {
        **body_fields,
        **{name: field for name, field in FORWARD_FIELDS.items() if name != "healthy"},
    }
    expert: FunctionReward | None = published(("x_velocity", "action"), ctrl_weight=0.1)
    sparse = SPARSE_PROGRESS
    fitness_doc = FORWARD_FITNESS_DOC
    success_distance_m = 240.0
    success_doc = "At some step the torso is 240 m or more in front (towards +x) of where it started."
    behaviours: tuple[Behaviour, ...] = (slide(5.0), NULL)

    @functools.cached_property
    def model(self) -> mujoco.MjModel:
        """The compiled model, without MuJoCo's warning that this file uses a deprecated compiler attribute."""
        with collect_messages():
            return mujoco.MjModel.from_xml_path(str(asset_path(self.asset)))

    def observe(self) -> Tensor:
        """Return Gymnasium's observation: ``qpos`` without x, then ``qvel``."""
        return torch.cat((self._after_x, self.sim.qvel), dim=1)

    def healthy(self) -> Tensor:
        """Always true: the published task has no health test."""
        return torch.ones(self.sim.num_worlds, dtype=torch.bool, device=self.sim.device)
