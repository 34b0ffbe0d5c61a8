"""Pull a puck back to a goal on the table."""

from __future__ import annotations

import torch
from torch import Tensor

from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.task import Behaviour

from .behaviours import NULL, scripted
from .models import single
from .push import Push
from .rewards import expert, hamacher, norm, pinching, tolerance

RADIUS_M = 0.05


@expert
def push_back_reward(
    obj_pos: Tensor,
    obj_init_pos: Tensor,
    goal_pos: Tensor,
    tcp_pos: Tensor,
    init_tcp_pos: Tensor,
    left_pad_pos: Tensor,
    right_pad_pos: Tensor,
    gripper_opening: Tensor,
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_push_back_v3.py (3.0.0), ``compute_reward``, version v2."""
    to_goal = norm(obj_pos - goal_pos)
    from_start = norm(obj_init_pos - goal_pos)
    in_place = tolerance(to_goal, RADIUS_M, from_start)
    grasp = pinching(
        obj_pos, left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, obj_init_pos,
        obj_radius=0.007, xz_thresh=0.01, grip_slack=0.003,
    )  # fmt: skip
    reward = hamacher(grasp, in_place)
    held = (norm(obj_pos - tcp_pos) < 0.01) & (gripper_opening > 0.0) & (gripper_opening < 0.55)
    pulled = held & (from_start - to_goal > 0.01)
    reward = torch.where(pulled, reward + 1.0 + 5.0 * in_place, reward)
    reward = torch.where(to_goal < RADIUS_M, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"grasp": grasp, "in_place": in_place})


class PushBack(Push):
    """Pull the puck back, towards the robot, to the goal."""

    asset = "sawyer_push_back_v3.xml"
    hand_init_pos = single(0.0, 0.6, 0.2)
    goal_low = (-0.1, 0.6, 0.0199)
    goal_high = (0.1, 0.7, 0.0201)
    random_low = (-0.1, 0.8, 0.02, *goal_low)
    random_high = (0.1, 0.85, 0.02, *goal_high)
    expert: FunctionReward | None = push_back_reward
    radius_m = 0.07
    success_doc = "At some step the puck is within 7 cm of the goal."
    behaviours: tuple[Behaviour, ...] = (scripted("push_back"), NULL)

    def objects(self) -> tuple[Tensor, ...]:
        """Return the puck's pose."""
        return self.geom("objGeom"), self.geom_quat("objGeom")
