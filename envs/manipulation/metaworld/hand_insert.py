"""Bring a block into a hole with the hand around it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.task import Behaviour

from .base import MetaWorldTask
from .behaviours import NULL, scripted
from .fields import GRASPED, HAND_FIELDS, OUTCOME_FIELDS, object_fields
from .models import single
from .rewards import caging, expert, hamacher, norm, tolerance

RADIUS_M = 0.05


@expert
def hand_insert_reward(
    obj_pos: Tensor,
    obj_init_pos: Tensor,
    goal_pos: Tensor,
    tcp_pos: Tensor,
    init_tcp_pos: Tensor,
    left_pad_pos: Tensor,
    right_pad_pos: Tensor,
    gripper_opening: Tensor,
    action: Tensor,
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_hand_insert_v3.py (3.0.0), ``compute_reward``, version v2."""
    to_goal = norm(obj_pos - goal_pos)
    in_place = tolerance(to_goal, RADIUS_M, norm(obj_init_pos - goal_pos))
    grasp = caging(
        obj_pos, left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, obj_init_pos, action[:, 3],
        obj_radius=0.015, pad_success_thresh=0.05, xz_thresh=0.005, density="high",
    )  # fmt: skip
    reward = hamacher(grasp, in_place)
    held = (norm(obj_pos - tcp_pos) < 0.02) & (gripper_opening > 0.0)
    reward = torch.where(held, reward + 1.0 + 7.0 * in_place, reward)
    reward = torch.where(to_goal < RADIUS_M, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"grasp": grasp, "in_place": in_place})


class HandInsert(MetaWorldTask):
    """Grasp the block and bring it into the hole in the table."""

    asset = "sawyer_table_with_hole.xml"
    hand_low = (-0.5, 0.40, -0.15)
    hand_init_pos = single(0.0, 0.6, 0.2)
    goal_low = (-0.04, 0.8, -0.0201)
    goal_high = (0.04, 0.88, -0.0199)
    random_low = (-0.1, 0.6, 0.05, *goal_low)
    random_high = (0.1, 0.7, 0.05, *goal_high)
    can_refuse = True
    grasped_geom = "objGeom"
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("block", "Where the block should go, in the hole."),
        **GRASPED,
        **OUTCOME_FIELDS,
    }
    expert: FunctionReward | None = hand_insert_reward
    radius_m = RADIUS_M
    success_doc = "At some step the block is within 5 cm of the goal."
    behaviours: tuple[Behaviour, ...] = (scripted("hand_insert"), NULL)

    def refused(self, drawn: Tensor) -> Tensor:
        """Goals closer than 15 cm to the block (seen from above) are drawn again."""
        return norm(drawn[..., :2] - drawn[..., 3:5]) < 0.15

    def objects(self) -> tuple[Tensor, ...]:
        """Return the block's pose."""
        return self.body("obj"), self.body_quat("obj")
