"""Drive a nail in with a hammer."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.task import Behaviour

from .base import MetaWorldTask
from .behaviours import NULL, scripted
from .fields import HAND_FIELDS, OUTCOME_FIELDS, distance, object_fields, orientation, position
from .rewards import caging, expert, nearest_on_handle, norm, tolerance, upright

DRIVEN_M = 0.09
"""How deep the nail must be."""
_HANDLE_M = 0.14
_HEAD = (0.16, 0.06, 0.0)
"""From the hammer's middle to its head, while the hammer lies flat."""


@expert
def hammer_reward(
    obj_pos: Tensor,
    obj_init_pos: Tensor,
    obj_quat: Tensor,
    nail_depth: Tensor,
    goal_pos: Tensor,
    hand_pos: Tensor,
    tcp_pos: Tensor,
    init_tcp_pos: Tensor,
    left_pad_pos: Tensor,
    right_pad_pos: Tensor,
    action: Tensor,
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_hammer_v3.py (3.0.0), ``compute_reward``, version v2."""
    head = obj_pos + obj_pos.new_tensor(_HEAD)
    grasp = caging(
        nearest_on_handle(obj_pos, hand_pos, _HANDLE_M / 2.0),
        left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, obj_init_pos, action[:, 3],
        obj_radius=0.015, pad_success_thresh=0.02, xz_thresh=0.01, density="high",
    )  # fmt: skip
    lifted = (head[:, 2] > 0.02).to(head.dtype)
    in_place = 0.1 * lifted + 0.9 * tolerance(norm(goal_pos - head), 0.02, 0.2)
    flat = upright(obj_quat, (1.0, 0.0, 0.0, 0.0), 0.4)
    reward = (2.0 * grasp + 6.0 * in_place) * flat
    reward = torch.where((nail_depth > DRIVEN_M) & (reward > 5.0), torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"grasp": grasp, "in_place": in_place, "flat": flat})


class Hammer(MetaWorldTask):
    """Pick up the hammer and drive the nail into the box with it."""

    asset = "sawyer_hammer.xml"
    hand_init_pos = (0.0, 0.4, 0.2)
    goal_low = (0.2399, 0.7399, 0.109)
    goal_high = (0.2401, 0.7401, 0.111)
    random_low = (-0.1, 0.4, 0.0)
    random_high = (0.1, 0.5, 0.0)
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("hammer's middle", "Where the hammer's head is when the nail is in."),
        "obj_quat": orientation("Orientation of the hammer.", lambda t: t.observed(7, 11)),
        "nail_pos": position("Position of the nail's head.", lambda t: t.observed(11, 14)),
        "nail_depth": distance("How deep the nail is: 0 out, 0.1 in.", lambda t: t.joint("NailSlideJoint")),
        **OUTCOME_FIELDS,
    }
    expert: FunctionReward | None = hammer_reward
    success_doc = "At some step the nail is more than 9 cm deep."
    behaviours: tuple[Behaviour, ...] = (scripted("hammer"), NULL)

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the hammer where the draw says."""
        self.put_free(ids, drawn)

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """The goal is a place on the box."""
        self.obj_init_pos[ids] = drawn
        self.goal_pos[ids] = self.site("goal")[ids]

    def objects(self) -> tuple[Tensor, ...]:
        """Return the poses of hammer and nail."""
        return self.body("hammer"), self.body_quat("hammer"), self.body("nail_link"), self.body_quat("nail_link")

    def achieved(self) -> Tensor:
        """Return whether the nail is in."""
        return self.joint("NailSlideJoint") > DRIVEN_M
