"""InvertedPendulum: a pole on a cart, one motor. Published task: Gymnasium's InvertedPendulum-v5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.task import Behaviour

from .base import SHARED_FIELDS, LocomotionTask
from .behaviours import BALANCE, NULL


def _survive(failure: Tensor) -> RewardOutput:
    reward = (~failure).to(torch.float64)
    return RewardOutput(reward, {"reward_survive": reward})


def _upright(fitness: Tensor) -> RewardOutput:
    return RewardOutput(fitness, {"upright": fitness})


class InvertedPendulum(LocomotionTask):
    """Balance the pole; all of it as in gymnasium/envs/mujoco/inverted_pendulum_v5.py.

    Success: upright for 950 steps, the reward threshold that Gymnasium registers.
    """

    asset = "inverted_pendulum.xml"
    frame_skip = 2
    reset_noise = 0.01
    camera: ClassVar[Mapping[str, Any]] = {"trackbodyid": 1, "distance": 2.04}
    success_steps = 950
    body_fields: ClassVar[Mapping[str, Field]] = {
        **SHARED_FIELDS,
        "cart_position": Field(
            "Position of the cart on its rail, which ends at -1 and 1.",
            unit="m",
            frame="world",
            role="position",
            read=lambda t: t.sim.qpos[:, 0],
        ),
        "pole_angle": Field(
            "Angle of the pole from the vertical; positive leans towards +x.",
            unit="rad",
            frame="world",
            role="angle",
            read=lambda t: t.sim.qpos[:, 1],
        ),
        "cart_velocity": Field(
            "Velocity of the cart.", unit="m/s", frame="world", role="velocity", read=lambda t: t.sim.qvel[:, 0]
        ),
        "pole_velocity": Field(
            "Angular velocity of the pole.",
            unit="rad/s",
            frame="world",
            role="angular_velocity",
            read=lambda t: t.sim.qvel[:, 1],
        ),
        "action": Field(
            "The action just applied: force of the cart's motor as a share of its gear, in [-3, 3].",
            shape=(1,),
            names=("cart",),
            role="action",
            read=lambda t: t.action,
        ),
    }
    fields: Mapping[str, Field] = {
        **body_fields,
        "success": Field(
            "Whether the pole has been upright for 950 steps.",
            dtype="bool",
            role="flag",
            private=True,
            read=lambda t: t.healthy() & (t.sim.time >= (t.success_steps - 0.5) * t.dt_s),
        ),
        "failure": Field(
            "Whether the pole has fallen.", dtype="bool", role="flag", private=True, read=lambda t: ~t.healthy()
        ),
        "fitness": Field(
            "1 while the pole is upright, else 0.", private=True, read=lambda t: t.healthy().to(torch.float64)
        ),
    }
    expert: FunctionReward | None = FunctionReward(
        ("failure",), _survive, doc="Gymnasium v5's reward: 1 per step until the pole falls"
    )
    sparse = FunctionReward(("fitness",), _upright, doc="1 while the pole is upright: the fitness itself")
    fitness_reduce = "sum"
    fitness_doc = "Number of steps for which the pole stayed upright."
    success_doc = "The pole stays upright for 950 steps."
    behaviours: tuple[Behaviour, ...] = (BALANCE, NULL)

    @property
    def observation_size(self) -> int:
        """Entries of one world's observation."""
        return int(self.model.nq + self.model.nv)

    def position(self) -> Tensor:
        """Return the cart's position, a live view ``[N, 1]``, m."""
        return self.sim.qpos[:, :1]

    def observe(self) -> Tensor:
        """Return Gymnasium's observation: ``qpos`` and ``qvel``."""
        return torch.cat((self.sim.qpos, self.sim.qvel), dim=1)

    def healthy(self) -> Tensor:
        """Whether the pole is within 0.2 rad of the vertical."""
        return self.sim.qpos[:, 1].abs() <= 0.2
