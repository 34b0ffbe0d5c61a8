"""Pick a puck up out of a hole."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.task import Behaviour

from .behaviours import NULL, scripted
from .fields import distance
from .pick_place import PickPlace
from .rewards import above, caging, expert, funnel, hamacher, norm, tolerance

RADIUS_M = 0.05
TABLE_TOP_M = 0.054
"""Height of the table around the hole: metaworld/assets/sawyer_xyz/sawyer_pick_out_of_hole.xml (3.0.0)."""


@expert
def pick_out_of_hole_reward(
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
    """Meta-World's reward: metaworld/envs/sawyer_pick_out_of_hole_v3.py (3.0.0), ``compute_reward``, version v2."""
    floor = funnel(norm((tcp_pos - obj_init_pos)[:, :2]), 0.03, 0.015, 0.15)
    above_floor = above(tcp_pos[:, 2], floor, 0.02)
    grasp = caging(
        obj_pos, left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, obj_init_pos, action[:, 3],
        obj_radius=0.015, pad_success_thresh=0.02, xz_thresh=0.03, desired_effort=0.1, density="high",
    )  # fmt: skip
    to_goal = norm(obj_pos - goal_pos)
    in_place = tolerance(to_goal, 0.02, norm(obj_init_pos - goal_pos))
    reward = hamacher(grasp, in_place)
    lifted = obj_pos[:, 2] - 0.02 > obj_init_pos[:, 2]
    held = (norm(obj_pos - tcp_pos) < 0.04) & lifted & (gripper_opening >= 0.33)
    reward = torch.where(held, reward + 1.0 + 5.0 * hamacher(in_place, above_floor), reward)
    reward = torch.where(to_goal < RADIUS_M, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"grasp": grasp, "in_place": in_place, "above_floor": above_floor})


class PickOutOfHole(PickPlace):
    """Pick the puck up out of the hole, which is always at the same place, and bring it to the goal."""

    asset = "sawyer_pick_out_of_hole.xml"
    hand_low = (-0.5, 0.40, -0.05)
    goal_low = (-0.1, 0.5, 0.15)
    goal_high = (0.1, 0.6, 0.3)
    random_low = (0.0, 0.75, 0.02, *goal_low)
    random_high = (0.0, 0.75, 0.02, *goal_high)
    fields: Mapping[str, Field] = {
        **PickPlace.fields,
        "table_height": distance(
            "Height of the table around the hole.",
            lambda t: t.constant(t.current.new_tensor([TABLE_TOP_M]))[:, 0],
            fixed=True,
        ),
    }
    expert: FunctionReward | None = pick_out_of_hole_reward
    behaviours: tuple[Behaviour, ...] = (scripted("pick_out_of_hole"), NULL)

    def objects(self) -> tuple[Tensor, ...]:
        """Return the puck's pose."""
        return self.body("obj"), self.body_quat("obj")
