"""The lever: pull it up."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.task import Behaviour

from .base import MetaWorldTask
from .behaviours import NULL, scripted
from .fields import HAND_FIELDS, OUTCOME_FIELDS, angle, object_fields
from .models import single
from .rewards import expert, hamacher, norm, tolerance

_LEVER_M = 0.2
_AXIS = (0.12, 0.0, 0.25)
"""From the lever's foot to its axis, m."""


@expert
def lever_pull_reward(
    hand_pos: Tensor, obj_pos: Tensor, obj_init_pos: Tensor, goal_pos: Tensor, init_tcp_pos: Tensor
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_lever_pull_v3.py (3.0.0), ``compute_reward``, version v2."""
    scale = obj_pos.new_tensor((4.0, 1.0, 4.0))
    shoulder = obj_pos.new_tensor((0.0, 0.055, 0.07))  # the part of the gripper that lifts, from the hand
    margin = norm((init_tcp_pos + shoulder - obj_init_pos) * scale)
    ready = tolerance(norm((hand_pos + shoulder - obj_pos) * scale), 0.02, margin)
    in_place = tolerance(norm(obj_pos - goal_pos), 0.04, norm(obj_init_pos - goal_pos))
    return RewardOutput(10.0 * hamacher(ready, in_place), {"ready": ready, "in_place": in_place})


class LeverPull(MetaWorldTask):
    """Pull the lever up.

    Its joint officially has the limits 0 and 90 degrees downwards; the arm is stronger than the limit.
    """

    asset = "sawyer_lever_pull.xml"
    hand_low = (-0.5, 0.40, -0.15)
    hand_high = (0.5, 1.0, 0.5)
    goal_low = hand_low
    goal_high = hand_high
    random_low = (-0.1, 0.7, 0.0)
    random_high = (0.1, 0.8, 0.0)
    moved_bodies = ("lever",)
    hand_init_pos = single(0.0, 0.4, 0.2)
    forward_at_reset = False
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("lever's end", "Where the lever's end is when the lever stands upright."),
        "lever_angle": angle("Angle of the lever: 0 level, pi/2 upright.", lambda t: -t.joint("LeverAxis")),
        **OUTCOME_FIELDS,
    }
    expert: FunctionReward | None = lever_pull_reward
    success_doc = "At some step the lever is within 7.5 degrees of upright."
    behaviours: tuple[Behaviour, ...] = (scripted("lever_pull"), NULL)

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the lever where the draw says."""
        self.put(ids, "lever", drawn)

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """The goal is right above the lever's axis."""
        axis = drawn + drawn.new_tensor(_AXIS)
        self.obj_init_pos[ids] = axis - axis.new_tensor((0.0, _LEVER_M, 0.0))
        self.goal_pos[ids] = axis + axis.new_tensor((0.0, 0.0, _LEVER_M))

    def objects(self) -> tuple[Tensor, ...]:
        """Return the pose of the lever's end."""
        return self.site("leverStart"), self.geom_quat("objGeom")

    def achieved(self) -> Tensor:
        """Return whether the lever is upright."""
        return (self.joint("LeverAxis") + math.pi / 2.0).abs() <= math.pi / 24.0
