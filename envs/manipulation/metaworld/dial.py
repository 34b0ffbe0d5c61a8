"""The dial: turn it by half a turn."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.task import Behaviour

from .base import MetaWorldTask
from .behaviours import NULL, scripted
from .fields import HAND_FIELDS, OUTCOME_FIELDS, angle, object_fields, position
from .models import single
from .rewards import expert, hamacher, norm, tolerance

RADIUS_M = 0.07
"""Distance of the mark to the goal that counts as turned."""
_DIAL_M = 0.05
_PUSH_OFFSET = (0.05, 0.02, 0.09)
"""From the dial's mark to where the fingers push, m."""


@expert
def dial_turn_reward(
    obj_pos: Tensor, obj_init_pos: Tensor, goal_pos: Tensor, tcp_pos: Tensor, init_tcp_pos: Tensor, action: Tensor
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_dial_turn_v3.py (3.0.0), ``compute_reward``, version v2."""
    offset = obj_pos.new_tensor(_PUSH_OFFSET)
    push_init = obj_init_pos + offset
    in_place = tolerance(norm(obj_pos - goal_pos), RADIUS_M, (norm(push_init - goal_pos) - RADIUS_M).abs())
    margin = (norm(push_init - init_tcp_pos) - 0.005).abs()
    reach = tolerance(norm(obj_pos + offset - tcp_pos), 0.005, margin, sigmoid="gaussian")
    reach = hamacher(reach, action[:, 3].clamp(0.0, 1.0))
    return RewardOutput(10.0 * hamacher(reach, in_place), {"reach": reach, "in_place": in_place})


class DialTurn(MetaWorldTask):
    """Turn the dial until its mark, which points to the robot at first, points away from it."""

    asset = "sawyer_dial.xml"
    goal_low = (-0.1, 0.73, 0.0299)
    goal_high = (0.1, 0.83, 0.0301)
    random_low = (-0.1, 0.7, 0.0)
    random_high = (0.1, 0.8, 0.0)
    moved_bodies = ("dial",)
    hand_init_pos = single(0.0, 0.6, 0.2)
    forward_at_reset = False
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("dial's mark, on its rim", "Where the mark should be.", part="dial"),
        "dial_pos": position("Foot of the dial, on its axis.", lambda t: t.body("dial"), part="dial", fixed=True),
        "dial_angle": angle(
            "Angle of the dial seen from above: 0 at the start, positive counter-clockwise.",
            lambda t: t.joint("knob_Joint_1"),
        ),
        **OUTCOME_FIELDS,
    }
    expert: FunctionReward | None = dial_turn_reward
    radius_m = RADIUS_M
    success_doc = "At some step the dial's mark is within 7 cm of the goal."
    behaviours: tuple[Behaviour, ...] = (scripted("dial_turn"), NULL)

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the dial where the draw says."""
        self.put(ids, "dial", drawn)

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """The goal lies behind the dial's axis."""
        self.obj_init_pos[ids] = self._mark_pos()[ids]
        self.goal_pos[ids] = drawn + drawn.new_tensor((0.0, 0.03, 0.03))

    def objects(self) -> tuple[Tensor, ...]:
        """Return the mark's position, and the orientation of the dial's foot."""
        return self._mark_pos(), self.body_quat("dial")

    def _mark_pos(self) -> Tensor:
        turned = self.joint("knob_Joint_1")
        mark = torch.stack((torch.sin(turned), -torch.cos(turned), torch.zeros_like(turned)), 1)
        return self.body("dial") + _DIAL_M * mark
