"""Put a ball into a basket."""

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

RADIUS_M = 0.08
_ABOVE_RING_M = 0.3


def _from_target(pos: Tensor, goal_pos: Tensor) -> Tensor:
    """Return the distance to a point above the ring, height counted twice, ``[N]``, m."""
    offset = pos - goal_pos
    return norm(torch.cat((offset[:, :2], (pos[:, 2:] - _ABOVE_RING_M) * 2.0), 1))


@expert
def basketball_reward(
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
    """Meta-World's reward: metaworld/envs/sawyer_basketball_v3.py (3.0.0), ``compute_reward``, version v2."""
    to_goal = _from_target(obj_pos, goal_pos)
    in_place = tolerance(to_goal, RADIUS_M, _from_target(obj_init_pos, goal_pos))
    grasp = caging(
        obj_pos, left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, obj_init_pos, action[:, 3],
        obj_radius=0.025, pad_success_thresh=0.06, xz_thresh=0.005, density="high",
    )  # fmt: skip
    lifted = obj_pos[:, 2] - 0.01 > obj_init_pos[:, 2]
    held = (norm(obj_pos - tcp_pos) < 0.035) & (gripper_opening > 0.0) & lifted
    grasp = torch.where(held, torch.ones_like(grasp), grasp)
    reward = hamacher(grasp, in_place)
    reward = torch.where(held, reward + 1.0 + 5.0 * in_place, reward)
    reward = torch.where(to_goal < RADIUS_M, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"grasp": grasp, "in_place": in_place})


class Basketball(MetaWorldTask):
    """Put the ball into the basket, which stands elsewhere in each episode."""

    asset = "sawyer_basketball.xml"
    hand_init_pos = single(0.0, 0.6, 0.2)
    goal_low = (-0.1, 0.85 - 0.083, 0.2499)
    goal_high = (0.1, 0.9 + 1e-7 - 0.083, 0.2501)
    random_low = (-0.1, 0.6, 0.0299, -0.1, 0.85, 0.0)
    random_high = (0.1, 0.7, 0.0301, 0.1, 0.9 + 1e-7, 0.0)
    can_refuse = True
    moved_bodies = ("basket_goal",)
    grasped_geom = "objGeom"
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("ball", "Middle of the basket's ring."),
        **GRASPED,
        **OUTCOME_FIELDS,
    }
    expert: FunctionReward | None = basketball_reward
    success_doc = (
        "At some step the ball is within 8 cm of the point 5 cm above the ring's middle, its height counted twice."
    )
    behaviours: tuple[Behaviour, ...] = (scripted("basketball"), NULL)

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the ball and the basket where the draw says."""
        self.put(ids, "basket_goal", drawn[:, 3:])
        self.put_free(ids, self._ball(drawn))

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """The goal is the basket's ring."""
        self.obj_init_pos[ids] = self._ball(drawn)
        self.goal_pos[ids] = self.site("goal")[ids]

    @staticmethod
    def _ball(drawn: Tensor) -> Tensor:
        height = drawn.new_tensor(single(0.03)).expand(len(drawn), 1)  # the drawn height is not used
        return torch.cat((drawn[:, :2], height), 1)

    def objects(self) -> tuple[Tensor, ...]:
        """Return the ball's pose."""
        return self.body("bsktball"), self.body_quat("bsktball")

    def achieved(self) -> Tensor:
        """Return whether the ball is above the ring."""
        return _from_target(self.observed(4, 7), self.goal_pos) <= RADIUS_M
