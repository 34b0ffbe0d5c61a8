"""Pick up a puck and bring it to a goal in the air, freely or over a wall."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.task import Behaviour

from .base import MetaWorldTask
from .behaviours import NULL, scripted
from .fields import GRASPED, HAND_FIELDS, LOW_WALL, OUTCOME_FIELDS, object_fields
from .rewards import caging, expert, hamacher, norm, pinching, tolerance

RADIUS_M = 0.05
SUCCESS_M = 0.07


@expert
def pick_place_reward(
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
    """Meta-World's reward: metaworld/envs/sawyer_pick_place_v3.py (3.0.0), ``compute_reward``, version v2."""
    to_goal = norm(obj_pos - goal_pos)
    in_place = tolerance(to_goal, RADIUS_M, norm(obj_init_pos - goal_pos))
    grasp = pinching(
        obj_pos, left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, obj_init_pos, action[:, 3],
        obj_radius=0.015, xz_thresh=0.005,
    )  # fmt: skip
    reward = hamacher(grasp, in_place)
    lifted = obj_pos[:, 2] - 0.01 > obj_init_pos[:, 2]
    held = (norm(obj_pos - tcp_pos) < 0.02) & (gripper_opening > 0.0) & lifted
    reward = torch.where(held, reward + 1.0 + 5.0 * in_place, reward)
    reward = torch.where(to_goal < RADIUS_M, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"grasp": grasp, "in_place": in_place})


@expert
def pick_place_wall_reward(
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
    """Meta-World's reward: metaworld/envs/sawyer_pick_place_wall_v3.py (3.0.0), ``compute_reward``, version v2."""
    above_wall = torch.cat((goal_pos[:, :1], goal_pos.new_tensor((0.77, 0.25)).expand(len(goal_pos), 2)), 1)
    scale = obj_pos.new_tensor((1.0, 1.0, 3.0))
    over_wall = tolerance(norm((obj_pos - above_wall) * scale), RADIUS_M, norm((obj_init_pos - above_wall) * scale))
    to_goal = norm(obj_pos - goal_pos)
    in_place = tolerance(to_goal, RADIUS_M, norm(obj_init_pos - goal_pos))
    grasp = caging(
        obj_pos, left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, obj_init_pos, action[:, 3],
        obj_radius=0.015, pad_success_thresh=0.05, xz_thresh=0.005,
    )  # fmt: skip
    base = hamacher(grasp, over_wall)
    lifted = obj_pos[:, 2] - 0.015 > obj_init_pos[:, 2]
    held = (norm(obj_pos - tcp_pos) < 0.02) & (gripper_opening > 0.0) & lifted
    carried = torch.where(obj_pos[:, 1] > 0.75, base + 1.0 + 4.0 + 3.0 * in_place, base + 1.0 + 4.0 * over_wall)
    reward = torch.where(held, carried, base)
    reward = torch.where(to_goal < RADIUS_M, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"grasp": grasp, "over_wall": over_wall, "in_place": in_place})


class PickPlace(MetaWorldTask):
    """Pick up the puck and bring it to the goal."""

    asset = "sawyer_pick_place_v3.xml"
    goal_low = (-0.1, 0.8, 0.05)
    goal_high = (0.1, 0.9, 0.3)
    random_low = (-0.1, 0.6, 0.02, *goal_low)
    random_high = (0.1, 0.7, 0.02, *goal_high)
    can_refuse = True
    grasped_geom = "objGeom"
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("puck", "Where the puck should go."),
        **GRASPED,
        **OUTCOME_FIELDS,
    }
    expert: FunctionReward | None = pick_place_reward
    radius_m = SUCCESS_M
    success_doc = "At some step the puck is within 7 cm of the goal."
    behaviours: tuple[Behaviour, ...] = (scripted("pick_place"), NULL)


class PickPlaceWall(PickPlace):
    """Pick up the puck, carry it over the wall and bring it to the goal."""

    asset = "sawyer_pick_place_wall_v3.xml"
    goal_low = (-0.05, 0.85, 0.05)
    goal_high = (0.05, 0.9, 0.3)
    random_low = (-0.05, 0.6, 0.015, *goal_low)
    random_high = (0.05, 0.65, 0.015, *goal_high)
    fields: Mapping[str, Field] = {**PickPlace.fields, **LOW_WALL}
    expert: FunctionReward | None = pick_place_wall_reward
    behaviours: tuple[Behaviour, ...] = (scripted("pick_place_wall"), NULL)

    def objects(self) -> tuple[Tensor, ...]:
        """Return the puck's pose."""
        return self.geom("objGeom"), self.geom_quat("objGeom")
