"""Push a ball into a goal."""

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
from .geometry import scipy_quat
from .rewards import expert, norm, pinching, tolerance

RADIUS_M = 0.07


@expert
def soccer_reward(
    obj_pos: Tensor,
    obj_init_pos: Tensor,
    goal_pos: Tensor,
    tcp_pos: Tensor,
    init_tcp_pos: Tensor,
    left_pad_pos: Tensor,
    right_pad_pos: Tensor,
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_soccer_v3.py (3.0.0), ``compute_reward``, version v2."""
    scale = obj_pos.new_tensor((3.0, 1.0, 1.0))
    to_goal = norm((obj_pos - goal_pos) * scale)
    # the margin is how far the ball has come, not how far it had to go
    in_place = tolerance(to_goal, RADIUS_M, norm((obj_pos - obj_init_pos) * scale))
    goal_line = goal_pos[:, 1] - 0.1
    past_line = obj_pos[:, 1] - goal_line
    missed = (past_line > 0.0) & ((obj_pos[:, 0] - goal_pos[:, 0]).abs() > 0.10)
    in_place = torch.where(missed, (in_place - 2.0 * (past_line / (1.0 - goal_line))).clamp(0.0, 1.0), in_place)
    grasp = pinching(
        obj_pos, left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, obj_init_pos,
        obj_radius=0.013, xz_thresh=0.005, grip_slack=0.01,
    )  # fmt: skip
    reward = 3.0 * grasp + 6.5 * in_place
    reward = torch.where(to_goal < RADIUS_M, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"grasp": grasp, "in_place": in_place})


class Soccer(MetaWorldTask):
    """Push the ball into the goal, which stands elsewhere in each episode."""

    asset = "sawyer_soccer.xml"
    goal_low = (-0.1, 0.8, 0.0)
    goal_high = (0.1, 0.9, 0.0)
    random_low = (-0.1, 0.6, 0.03, *goal_low)
    random_high = (0.1, 0.7, 0.03, *goal_high)
    can_refuse = True
    moved_bodies = ("goal_whole",)
    grasped_geom = "objGeom"
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("ball", "Middle of the soccer goal, on the table."),
        **GRASPED,
        **OUTCOME_FIELDS,
    }
    expert: FunctionReward | None = soccer_reward
    radius_m = RADIUS_M
    success_doc = "At some step the ball is within 7 cm of the middle of the soccer goal."
    behaviours: tuple[Behaviour, ...] = (scripted("soccer"), NULL)

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the ball and the soccer goal where the draw says."""
        self.put(ids, "goal_whole", drawn[:, 3:])
        self.put_free(ids, drawn[:, :3])

    def objects(self) -> tuple[Tensor, ...]:
        """Return the ball's pose."""
        ball = self.id_of("body", "soccer_ball")
        return self.sim.xpos[:, ball], scipy_quat(self.sim.xmat[:, ball].reshape(-1, 3, 3))
