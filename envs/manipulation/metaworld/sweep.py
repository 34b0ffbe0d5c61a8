"""Sweep a puck off the table, or into a hole in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.task import Behaviour

from .base import MetaWorldTask
from .behaviours import NULL, scripted
from .fields import GRASPED, HAND_FIELDS, OUTCOME_FIELDS, object_fields
from .models import Vector
from .rewards import expert, hamacher, norm, pinching, tolerance

RADIUS_M = 0.05
OBJ_RADIUS_M = 0.02
HOLE = (0.0, 0.84, 0.02)


def _swept(to_goal: Tensor, in_place: Tensor, grasp: Tensor) -> RewardOutput:
    reward = 2.0 * grasp + 6.0 * hamacher(grasp, in_place)
    reward = torch.where(to_goal < RADIUS_M, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"grasp": grasp, "in_place": in_place})


@expert
def sweep_reward(
    obj_pos: Tensor,
    obj_init_pos: Tensor,
    goal_pos: Tensor,
    tcp_pos: Tensor,
    init_tcp_pos: Tensor,
    left_pad_pos: Tensor,
    right_pad_pos: Tensor,
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_sweep_v3.py (3.0.0), ``compute_reward``, version v2."""
    to_goal = norm(obj_pos - goal_pos)
    in_place = tolerance(to_goal, RADIUS_M, norm(obj_init_pos - goal_pos))
    grasp = pinching(
        obj_pos, left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, obj_init_pos,
        obj_radius=OBJ_RADIUS_M, xz_thresh=0.005, grip_slack=0.01,
    )  # fmt: skip
    return _swept(to_goal, in_place, grasp)


@expert
def sweep_into_reward(
    obj_pos: Tensor,
    obj_init_pos: Tensor,
    goal_pos: Tensor,
    tcp_pos: Tensor,
    init_tcp_pos: Tensor,
    left_pad_pos: Tensor,
    right_pad_pos: Tensor,
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_sweep_into_goal_v3.py (3.0.0), ``compute_reward``, version v2."""
    level_goal = torch.cat((goal_pos[:, :2], obj_pos[:, 2:]), 1)  # how deep the puck lies does not matter
    to_goal = norm(obj_pos - level_goal)
    in_place = tolerance(to_goal, RADIUS_M, norm(obj_init_pos - level_goal))
    grasp = pinching(
        obj_pos, left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, obj_init_pos,
        obj_radius=OBJ_RADIUS_M, xz_thresh=0.01, grip_slack=0.005,
    )  # fmt: skip
    return _swept(to_goal, in_place, grasp)


class Sweep(MetaWorldTask):
    """Sweep the puck along x to the goal, which lies beside the table."""

    asset = "sawyer_sweep_v3.xml"
    goal_low = (0.49, 0.6, 0.0)
    goal_high = (0.51, 0.7, 0.02)
    random_low: ClassVar[Vector] = (-0.1, 0.6, 0.02)
    random_high: ClassVar[Vector] = (0.1, 0.7, 0.02)
    grasped_geom = "objGeom"
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("puck", "Where the puck should go."),
        **GRASPED,
        **OUTCOME_FIELDS,
    }
    expert: FunctionReward | None = sweep_reward
    radius_m = RADIUS_M
    success_doc = "At some step the puck is within 5 cm of the goal."
    behaviours: tuple[Behaviour, ...] = (scripted("sweep"), NULL)

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the puck where the draw says."""
        self.put_free(ids, drawn)

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """The goal has the puck's y."""
        self.obj_init_pos[ids] = drawn
        goal = drawn.new_tensor((0.5, 0.0, 0.01)).repeat(len(drawn), 1)
        goal[:, 1] = drawn[:, 1]
        self.goal_pos[ids] = goal

    def objects(self) -> tuple[Tensor, ...]:
        """Return the puck's pose."""
        return self.body("obj"), self.body_quat("obj")


class SweepInto(Sweep):
    """Sweep the puck into the hole in the table."""

    asset = "sawyer_table_with_hole.xml"
    goal_low = (-0.001, 0.8399, 0.0199)
    goal_high = (0.001, 0.8401, 0.0201)
    random_low = (-0.1, 0.6, 0.02, *goal_low)
    random_high = (0.1, 0.7, 0.02, *goal_high)
    can_refuse = True
    expert: FunctionReward | None = sweep_into_reward
    success_doc = "At some step the puck is within 5 cm of the goal, seen from above."
    behaviours: tuple[Behaviour, ...] = (scripted("sweep_into"), NULL)

    def refused(self, drawn: Tensor) -> Tensor:
        """Pucks closer than 15 cm to the hole (seen from above) are drawn again."""
        return norm(drawn[..., :2] - drawn.new_tensor(HOLE[:2])) < 0.15

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the puck where the draw says, at the height at which it has settled."""
        self.put_free(ids, self.settled_height(drawn[:, :2]))

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """The goal is the hole; what was drawn for it is not used."""
        self.obj_init_pos[ids] = self.settled_height(drawn[:, :2])
        self.goal_pos[ids] = drawn.new_tensor(HOLE)

    def objects(self) -> tuple[Tensor, ...]:
        """Return the puck's pose."""
        return self.body("obj"), self.geom_quat("objGeom")

    def achieved(self) -> Tensor:
        """Return whether the puck is over the hole or in it."""
        return norm(self.observed(4, 6) - self.goal_pos[:, :2]) <= RADIUS_M
