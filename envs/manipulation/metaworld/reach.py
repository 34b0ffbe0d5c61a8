"""Reach a point with the fingers, freely or around a wall."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.task import Behaviour

from .base import MetaWorldTask
from .behaviours import NULL, scripted
from .fields import HAND_FIELDS, HAND_INIT, LOW_WALL, OUTCOME_FIELDS, object_fields
from .rewards import expert, norm, tolerance

RADIUS_M = 0.05


@expert
def reach_reward(tcp_pos: Tensor, goal_pos: Tensor, hand_init_pos: Tensor) -> RewardOutput:
    """Meta-World's reward: ``compute_reward``, version v2, of metaworld/envs/sawyer_reach_v3.py and
    sawyer_reach_wall_v3.py (3.0.0), which agree.
    """
    in_place = tolerance(norm(tcp_pos - goal_pos), RADIUS_M, norm(hand_init_pos - goal_pos))
    return RewardOutput(10.0 * in_place, {"in_place": in_place})


class Reach(MetaWorldTask):
    """Bring the tool centre point to the goal; a puck lies about and does not matter."""

    asset = "sawyer_reach_v3.xml"
    goal_low = (-0.1, 0.8, 0.05)
    goal_high = (0.1, 0.9, 0.3)
    random_low = (-0.1, 0.6, 0.02, *goal_low)
    random_high = (0.1, 0.7, 0.02, *goal_high)
    can_refuse = True
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("puck, which plays no part", "The point to reach."),
        **HAND_INIT,
        **OUTCOME_FIELDS,
    }
    expert: FunctionReward | None = reach_reward
    success_doc = "At some step the tool centre point is within 5 cm of the goal."
    behaviours: tuple[Behaviour, ...] = (scripted("reach"), NULL)

    def achieved(self) -> Tensor:
        """Return whether the tool centre point is at the goal."""
        return norm(self.tcp_pos() - self.goal_pos) <= RADIUS_M


class ReachWall(Reach):
    """Bring the tool centre point to the goal behind the wall; a puck lies about and does not matter."""

    asset = "sawyer_reach_wall_v3.xml"
    goal_low = (-0.05, 0.85, 0.05)
    goal_high = (0.05, 0.9, 0.3)
    random_low = (-0.05, 0.6, 0.015, *goal_low)
    random_high = (0.05, 0.65, 0.015, *goal_high)
    fields: Mapping[str, Field] = {**Reach.fields, **LOW_WALL}
    behaviours: tuple[Behaviour, ...] = (scripted("reach_wall"), NULL)
