"""Push a puck to a goal on the table, freely or around a wall."""

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
from .rewards import caging, expert, norm, tolerance

RADIUS_M = 0.05


@expert
def push_reward(
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
    """Meta-World's reward: metaworld/envs/sawyer_push_v3.py (3.0.0), ``compute_reward``, version v2."""
    to_goal = norm(obj_pos - goal_pos)
    in_place = tolerance(to_goal, RADIUS_M, norm(obj_init_pos - goal_pos))
    grasp = caging(
        obj_pos, left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, obj_init_pos, action[:, 3],
        obj_radius=0.015, pad_success_thresh=0.05, xz_thresh=0.005, density="high",
    )  # fmt: skip
    reward = 2.0 * grasp
    held = (norm(obj_pos - tcp_pos) < 0.02) & (gripper_opening > 0.0)
    reward = torch.where(held, 2.0 * reward + 1.0 + 5.0 * in_place, reward)
    reward = torch.where(to_goal < RADIUS_M, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"grasp": grasp, "in_place": in_place})


@expert
def push_wall_reward(
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
    """Meta-World's reward: metaworld/envs/sawyer_push_wall_v3.py (3.0.0), ``compute_reward``, version v2."""
    beside_wall = torch.cat((obj_pos.new_tensor((-0.05, 0.77)).expand(len(obj_pos), 2), obj_pos[:, 2:]), 1)
    scale = obj_pos.new_tensor((3.0, 1.0, 1.0))
    around = tolerance(norm((obj_pos - beside_wall) * scale), RADIUS_M, norm((obj_init_pos - beside_wall) * scale))
    to_goal = norm(obj_pos - goal_pos)
    in_place = tolerance(to_goal, RADIUS_M, norm(obj_init_pos - goal_pos))
    grasp = caging(
        obj_pos, left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, obj_init_pos, action[:, 3],
        obj_radius=0.015, pad_success_thresh=0.05, xz_thresh=0.005, density="high",
    )  # fmt: skip
    reward = 2.0 * grasp
    held = (norm(obj_pos - tcp_pos) < 0.02) & (gripper_opening > 0.0)
    moved = torch.where(obj_pos[:, 1] > 0.75, reward + 1.0 + 4.0 + 3.0 * in_place, reward + 1.0 + 4.0 * around)
    reward = torch.where(held, moved, reward)
    reward = torch.where(to_goal < RADIUS_M, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"grasp": grasp, "around_wall": around, "in_place": in_place})


class Push(MetaWorldTask):
    """Push the puck to the goal."""

    asset = "sawyer_push_v3.xml"
    goal_low = (-0.1, 0.8, 0.01)
    goal_high = (0.1, 0.9, 0.02)
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
    expert: FunctionReward | None = push_reward
    radius_m = RADIUS_M
    success_doc = "At some step the puck is within 5 cm of the goal."
    behaviours: tuple[Behaviour, ...] = (scripted("push"), NULL)

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the puck where the draw says, at the height at which it has settled."""
        self.put_free(ids, self.settled_height(drawn[:, :2]))

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """Take the goal from the draw, at the puck's height."""
        self.obj_init_pos[ids] = self.settled_height(drawn[:, :2])
        self.goal_pos[ids] = self.settled_height(drawn[:, 3:5])


class PushWall(Push):
    """Push the puck around the wall to the goal."""

    asset = "sawyer_push_wall_v3.xml"
    goal_low = (-0.05, 0.85, 0.01)
    goal_high = (0.05, 0.9, 0.02)
    random_low = (-0.05, 0.6, 0.015, *goal_low)
    random_high = (0.05, 0.65, 0.015, *goal_high)
    fields: Mapping[str, Field] = {**Push.fields, **LOW_WALL}
    expert: FunctionReward | None = push_wall_reward
    radius_m = 0.07
    success_doc = "At some step the puck is within 7 cm of the goal."
    behaviours: tuple[Behaviour, ...] = (scripted("push_wall"), NULL)

    def objects(self) -> tuple[Tensor, ...]:
        """Return the puck's pose."""
        return self.geom("objGeom"), self.geom_quat("objGeom")
