"""Close a box with its lid."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.task import Behaviour

from .base import MetaWorldTask
from .behaviours import NULL, scripted
from .fields import HAND_FIELDS, OUTCOME_FIELDS, object_fields, orientation
from .models import single
from .rewards import above, expert, funnel, hamacher, norm, tolerance, upright

CLOSED_M = 0.08
"""Distance of the lid to the goal that counts as closed."""
[_LID_HEIGHT_M] = single(0.02)


@expert
def box_close_reward(
    obj_pos: Tensor, obj_quat: Tensor, goal_pos: Tensor, hand_pos: Tensor, action: Tensor
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_box_close_v3.py (3.0.0), ``compute_reward``, version v2."""
    grab = (action[:, 3].clamp(-1.0, 1.0) + 1.0) / 2.0
    handle = obj_pos + obj_pos.new_tensor((0.0, 0.0, 0.02))
    # the floor is a funnel around the handle, which keeps the hand from running into it
    floor = funnel(norm((hand_pos - handle)[:, :2]), 0.02, 0.04, 0.4)
    ready = hamacher(above(hand_pos[:, 2], floor, floor / 2.0), tolerance(norm(hand_pos - handle), 0.02, 0.5))
    error = (goal_pos - handle) * handle.new_tensor((1.0, 1.0, 3.0))
    lifted = (handle[:, 2] > 0.04).to(handle.dtype)
    in_place = 0.2 * lifted + 0.8 * tolerance(norm(error), 0.05, 0.25)
    reward = 2.0 * hamacher(grab, ready) + 8.0 * in_place
    reward = torch.where(norm(obj_pos - goal_pos) < CLOSED_M, torch.full_like(reward, 10.0), reward)
    level = upright(obj_quat, (0.707, 0.0, 0.0, 0.707), 0.2)  # so that it does not pay to flip the lid onto the box
    return RewardOutput(reward * level, {"grab": grab, "ready": ready, "in_place": in_place, "level": level})


class BoxClose(MetaWorldTask):
    """Grasp the lid and put it onto the box.

    The lid begins a little turned or tilted: while the arm settles, it falls from the model's place onto the box.
    """

    asset = "sawyer_box.xml"
    hand_init_pos = single(0.0, 0.6, 0.2)
    goal_low = (-0.1, 0.7, 0.133)
    goal_high = (0.1, 0.8, 0.133)
    random_low = (-0.05, 0.5, 0.02, *goal_low)
    random_high = (0.05, 0.55, 0.02, *goal_high)
    can_refuse = True
    moved_bodies = ("boxbody",)
    settles_each = True
    settle_rounds = 51  # one more with the box moved, officially
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("lid", "Where the lid should go."),
        "obj_quat": orientation("Orientation of the lid.", lambda t: t.observed(7, 11)),
        **OUTCOME_FIELDS,
    }
    expert: FunctionReward | None = box_close_reward
    success_doc = "At some step the lid is within 8 cm of the goal."
    behaviours: tuple[Behaviour, ...] = (scripted("box_close"), NULL)

    def refused(self, drawn: Tensor) -> Tensor:
        """Boxes closer than 25 cm to the lid (seen from above) are drawn again."""
        return norm(drawn[..., :2] - drawn[..., 3:5]) < 0.25

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put box and lid where the draw says."""
        zero = drawn.new_zeros((len(drawn), 1))
        self.put(ids, "boxbody", torch.cat((drawn[:, 3:5], zero), 1))
        self.put_free(ids, torch.cat((drawn[:, :2], zero + _LID_HEIGHT_M), 1))

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """Take the goal from the draw."""
        self.obj_init_pos[ids] = self.body("top_link")[ids]
        self.goal_pos[ids] = drawn[:, 3:]

    def objects(self) -> tuple[Tensor, ...]:
        """Return the lid's pose."""
        return self.body("top_link"), self.body_quat("top_link")

    def achieved(self) -> Tensor:
        """Return whether the lid is at the goal."""
        return norm(self.current[:, 4:7] - self.goal_pos) < CLOSED_M
