"""The faucet: turn its handle open or shut."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.task import Behaviour

from .base import MetaWorldTask
from .behaviours import NULL, scripted
from .fields import HAND_FIELDS, OUTCOME_FIELDS, angle, object_fields, position
from .rewards import expert, norm, tolerance

RADIUS_M = 0.07
"""Distance to the goal that counts as turned."""
_HANDLE_M = 0.175
_OPEN_OFFSET = (-0.04, 0.0, 0.03)
"""From the observed point of the handle to the one that is to be opened, m."""


def _turn(
    handle_pos: Tensor, faucet_pos: Tensor, goal_pos: Tensor, tcp_pos: Tensor, init_tcp_pos: Tensor
) -> RewardOutput:
    to_goal = norm(handle_pos - goal_pos)
    in_place = tolerance(to_goal, RADIUS_M, (norm(faucet_pos - goal_pos) - RADIUS_M).abs())
    margin = (norm(faucet_pos - init_tcp_pos) - 0.01).abs()
    reach = tolerance(norm(handle_pos - tcp_pos), 0.01, margin, sigmoid="gaussian")
    reward = 2.0 * (2.0 * reach + 3.0 * in_place)
    reward = torch.where(to_goal <= RADIUS_M, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"reach": reach, "in_place": in_place})


@expert
def faucet_open_reward(
    obj_pos: Tensor, faucet_pos: Tensor, goal_pos: Tensor, tcp_pos: Tensor, init_tcp_pos: Tensor
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_faucet_open_v3.py (3.0.0), ``compute_reward``, version v2."""
    return _turn(obj_pos + obj_pos.new_tensor(_OPEN_OFFSET), faucet_pos, goal_pos, tcp_pos, init_tcp_pos)


@expert
def faucet_close_reward(
    obj_pos: Tensor, faucet_pos: Tensor, goal_pos: Tensor, tcp_pos: Tensor, init_tcp_pos: Tensor
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_faucet_close_v3.py (3.0.0), ``compute_reward``, version v2."""
    return _turn(obj_pos, faucet_pos, goal_pos, tcp_pos, init_tcp_pos)


class _Faucet(MetaWorldTask):
    """What both tasks share: the faucet stands elsewhere in each episode, its handle pointing to the robot."""

    asset = "sawyer_faucet.xml"
    hand_low = (-0.5, 0.40, -0.15)
    hand_high = (0.5, 1.0, 0.5)
    goal_low = hand_low
    goal_high = hand_high
    hand_init_pos = (0.0, 0.4, 0.2)
    moved_bodies = ("faucetBase",)
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("end of the faucet's handle", "Where the handle's end should be.", part="faucet"),
        "faucet_pos": position("Foot of the faucet.", lambda t: t.body("faucetBase"), part="faucet", fixed=True),
        "handle_angle": angle(
            "Angle of the handle seen from above: 0 at the start, pi/2 open, -pi/2 closed.",
            lambda t: t.joint("knob_Joint_1"),
        ),
        **OUTCOME_FIELDS,
    }
    handle_site: str
    """The side of the handle to push on."""
    goal_side: float
    """1 if the goal is on the right, -1 if on the left."""

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the faucet where the draw says."""
        self.put(ids, "faucetBase", drawn)

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """The goal is the end of the handle turned by 90 degrees."""
        self.obj_init_pos[ids] = self._handle_pos()[ids]
        self.goal_pos[ids] = drawn + drawn.new_tensor((self.goal_side * _HANDLE_M, 0.0, 0.125))

    def objects(self) -> tuple[Tensor, ...]:
        """Return the position of the handle's end and the faucet's orientation."""
        return self._handle_pos(), self.body_quat("faucetBase")

    def _handle_pos(self) -> Tensor:
        handle = self.site(self.handle_site)
        return handle + handle.new_tensor((0.0, 0.0, -0.01))


class FaucetOpen(_Faucet):
    """Turn the handle to the right, seen from the robot."""

    random_low = (-0.05, 0.8, 0.0)
    random_high = (0.05, 0.85, 0.0)
    forward_at_reset = False
    expert: FunctionReward | None = faucet_open_reward
    success_doc = "At some step the point 4 cm left of the handle's end and 3 cm above it is within 7 cm of the goal."
    behaviours: tuple[Behaviour, ...] = (scripted("faucet_open"), NULL)
    handle_site = "handleStartOpen"
    goal_side = 1.0

    def achieved(self) -> Tensor:
        """Return whether the handle is open."""
        handle = self.observed(4, 7)
        return norm(handle + handle.new_tensor(_OPEN_OFFSET) - self.goal_pos) <= RADIUS_M


class FaucetClose(_Faucet):
    """Turn the handle to the left, seen from the robot."""

    random_low = (-0.1, 0.8, 0.0)
    random_high = (0.1, 0.85, 0.0)
    expert: FunctionReward | None = faucet_close_reward
    radius_m = RADIUS_M
    success_doc = "At some step the handle's end is within 7 cm of the goal."
    behaviours: tuple[Behaviour, ...] = (scripted("faucet_close"), NULL)
    handle_site = "handleStartClose"
    goal_side = -1.0
