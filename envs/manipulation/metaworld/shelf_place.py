"""Put a block onto a shelf."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.task import Behaviour

from .base import MetaWorldTask
from .behaviours import NULL, scripted
from .fields import GRASPED, HAND_FIELDS, OUTCOME_FIELDS, object_fields, position
from .models import single
from .rewards import caging, expert, hamacher, norm, tolerance

RADIUS_M = 0.05
_BOARD_M = 0.24
"""Height of the board onto which the block goes."""
_REACH_M = 0.15
"""How far in front of the goal, and to its sides, the block may run into the board."""


def _below_board(in_place: Tensor, obj_pos: Tensor, goal_pos: Tensor) -> Tensor:
    """Return ``in_place`` less a penalty where the block is below the board: it grows towards the goal and downwards.

    Farther back than the goal nothing is left of it.
    """
    height, offset = obj_pos[:, 2], obj_pos - goal_pos
    below = (height > 0.0) & (height < _BOARD_M) & (offset[:, 0].abs() < _REACH_M)
    forward, behind = offset[:, 1] + _REACH_M, offset[:, 1] > 0.0
    in_front = below & (forward > 0.0) & (offset[:, 1] < 0.0)
    penalty = hamacher(forward / _REACH_M, (_BOARD_M - height) / _BOARD_M)
    in_place = torch.where(in_front, (in_place - penalty).clamp(0.0, 1.0), in_place)
    return torch.where(below & behind, torch.zeros_like(in_place), in_place)


@expert
def shelf_place_reward(
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
    """Meta-World's reward: metaworld/envs/sawyer_shelf_place_v3.py (3.0.0), ``compute_reward``, version v2."""
    to_goal = norm(obj_pos - goal_pos)
    near_goal = tolerance(to_goal, RADIUS_M, norm(obj_init_pos - goal_pos))
    grasp = caging(
        obj_pos, left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, obj_init_pos, action[:, 3],
        obj_radius=0.02, pad_success_thresh=0.05, xz_thresh=0.01,
    )  # fmt: skip
    reward = hamacher(grasp, near_goal)
    in_place = _below_board(near_goal, obj_pos, goal_pos)
    lifted = obj_pos[:, 2] - 0.01 > obj_init_pos[:, 2]
    held = (norm(obj_pos - tcp_pos) < 0.025) & (gripper_opening > 0.0) & lifted
    reward = torch.where(held, reward + 1.0 + 5.0 * in_place, reward)
    reward = torch.where(to_goal < RADIUS_M, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"grasp": grasp, "in_place": in_place})


class ShelfPlace(MetaWorldTask):
    """Pick up the block and put it onto the shelf, which stands elsewhere in each episode."""

    asset = "sawyer_shelf_placing.xml"
    hand_init_pos = single(0.0, 0.6, 0.2)
    goal_low = (-0.1, 0.8, 0.299)
    goal_high = (0.1, 0.9, 0.301)
    random_low = (-0.1, 0.5, 0.019, *goal_low)
    random_high = (0.1, 0.6, 0.021, *goal_high)
    can_refuse = True
    apart_m = 0.1
    moved_bodies = ("shelf",)
    grasped_geom = "objGeom"
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("block", "Where the block should be: over the shelf's upper board."),
        "shelf_pos": position("Middle of the shelf's foot.", lambda t: t.body("shelf"), fixed=True),
        **GRASPED,
        **OUTCOME_FIELDS,
    }
    expert: FunctionReward | None = shelf_place_reward
    radius_m = 0.07
    success_doc = "At some step the block is within 7 cm of the goal."
    behaviours: tuple[Behaviour, ...] = (scripted("shelf_place"), NULL)

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the shelf where the draw says, and the block, at the height at which it has settled."""
        self.put(ids, "shelf", drawn[:, 3:] - drawn.new_tensor((0.0, 0.0, 0.3)))
        self.put_free(ids, self.settled_height(drawn[:, :2]))

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """The goal is a site of the shelf."""
        self.obj_init_pos[ids] = self.settled_height(drawn[:, :2])
        self.goal_pos[ids] = self.site("goal")[ids]
