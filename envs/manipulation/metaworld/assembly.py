"""A nut with a handle, and a peg: put the nut onto the peg, or lift it off."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.task import Behaviour

from .base import MetaWorldTask
from .behaviours import NULL, scripted
from .fields import HAND_FIELDS, OUTCOME_FIELDS, object_fields, orientation, position, start
from .models import single
from .rewards import caging, expert, funnel, nearest_on_handle, norm, tolerance, upright

ALIGNED_M = 0.02
"""Distance of the nut's middle to the peg's axis that counts as aligned."""
_HANDLE_M = 0.02
_LAID_DOWN = (0.707, 0.0, 0.0, 0.707)


def hooked(nut_pos: Tensor, goal_pos: Tensor) -> Tensor:
    """Return whether the nut's middle is at the peg's axis and below its top, bool ``[N]``; positions ``[N, 3]``, m."""
    error = goal_pos - nut_pos
    return (norm(error[:, :2]) < ALIGNED_M) & (error[:, 2] > 0.0)


@expert
def assembly_reward(
    obj_pos: Tensor,
    obj_init_pos: Tensor,
    obj_quat: Tensor,
    nut_pos: Tensor,
    goal_pos: Tensor,
    hand_pos: Tensor,
    tcp_pos: Tensor,
    init_tcp_pos: Tensor,
    left_pad_pos: Tensor,
    right_pad_pos: Tensor,
    action: Tensor,
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_assembly_peg_v3.py (3.0.0), ``compute_reward``, version v2."""
    grasp = caging(
        nearest_on_handle(obj_pos, hand_pos, _HANDLE_M / 2.0),
        left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, obj_init_pos, action[:, 3],
        obj_radius=0.015, pad_success_thresh=0.02, xz_thresh=0.01, density="medium",
    )  # fmt: skip
    done = hooked(nut_pos, goal_pos)
    away = goal_pos - nut_pos
    radius = norm(away[:, :2])
    # the height to aim for is a funnel around the peg, whose neck widens once the nut is on the peg
    neck = torch.where(done, radius.new_tensor(0.02), radius.new_tensor(0.01))
    to_funnel = funnel(radius, neck, 0.02, 0.2) - nut_pos[:, 2]
    error = torch.stack((away[:, 0], away[:, 1], 3.0 * to_funnel), 1)
    lifted = ((nut_pos[:, 2] > 0.02) | (radius < neck)).to(radius.dtype)
    in_place = 0.1 * lifted + 0.9 * tolerance(norm(error), 0.02, 0.4)
    flat = upright(obj_quat, _LAID_DOWN, 0.4)
    reward = (2.0 * grasp + 6.0 * in_place) * flat
    reward = torch.where(done, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"grasp": grasp, "in_place": in_place, "flat": flat})


@expert
def disassemble_reward(
    obj_pos: Tensor,
    obj_init_pos: Tensor,
    obj_quat: Tensor,
    nut_pos: Tensor,
    goal_pos: Tensor,
    hand_pos: Tensor,
    tcp_pos: Tensor,
    init_tcp_pos: Tensor,
    left_pad_pos: Tensor,
    right_pad_pos: Tensor,
    action: Tensor,
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_disassemble_peg_v3.py (3.0.0), ``compute_reward``, version v2."""
    grasp = caging(
        nearest_on_handle(obj_pos, hand_pos, _HANDLE_M / 2.0),
        left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, obj_init_pos, action[:, 3],
        obj_radius=0.015, pad_success_thresh=0.02, xz_thresh=0.01, density="high",
    )  # fmt: skip
    lifted = (nut_pos[:, 2] > 0.02).to(nut_pos.dtype)
    error = goal_pos + goal_pos.new_tensor((0.0, 0.0, 0.1)) - nut_pos
    in_place = 0.1 * lifted + 0.9 * tolerance(norm(error), 0.02, 0.2)
    flat = upright(obj_quat, _LAID_DOWN, 0.4)
    reward = (2.0 * grasp + 6.0 * in_place) * flat
    reward = torch.where(obj_pos[:, 2] > goal_pos[:, 2], torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"grasp": grasp, "in_place": in_place, "flat": flat})


class Assembly(MetaWorldTask):
    """Put the nut onto the peg."""

    asset = "sawyer_assembly_peg.xml"
    hand_init_pos = single(0.0, 0.6, 0.2)
    goal_low = (-0.1, 0.75, 0.1)
    goal_high = (0.1, 0.85, 0.1)
    random_low = (0.0, 0.6, 0.02, *goal_low)
    random_high = (0.0, 0.6, 0.02, *goal_high)
    can_refuse = True
    moved_bodies = ("peg",)
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("nut's handle", "Top of the peg.", part="nut"),
        "obj_init_pos": start(
            "Position of the nut's middle at the start of the episode.", lambda t: t.obj_init_pos, "nut_pos"
        ),
        "obj_quat": orientation("Orientation of the nut.", lambda t: t.observed(7, 11)),
        "nut_pos": position("Position of the nut's middle.", lambda t: t.site("RoundNut"), part="nut"),
        **OUTCOME_FIELDS,
    }
    expert: FunctionReward | None = assembly_reward
    success_doc = "At some step the nut's middle is within 2 cm of the peg's axis and below the peg's top."
    behaviours: tuple[Behaviour, ...] = (scripted("assembly"), NULL)

    def refused(self, drawn: Tensor) -> Tensor:
        """Draws whose two places are closer than 10 cm (seen from above) are drawn again."""
        return norm(drawn[..., :2] - drawn[..., 3:5]) < 0.1

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put nut and peg where the draw says."""
        self.put_free(ids, drawn[:, :3])
        self.put(ids, "peg", drawn[:, 3:] - drawn.new_tensor((0.0, 0.0, 0.05)))

    def objects(self) -> tuple[Tensor, ...]:
        """Return the position of the nut's handle and the nut's orientation."""
        return self.site("RoundNut-8"), self.body_quat("RoundNut")

    def achieved(self) -> Tensor:
        """Return whether the nut is on the peg."""
        return hooked(self.site("RoundNut"), self.goal_pos)


class Disassemble(Assembly):
    """Lift the nut off the peg.

    The nut begins a little turned or tilted: while the arm settles, the peg may stand in the nut's place in the model
    and push it away.
    """

    hand_init_pos = single(0.0, 0.4, 0.2)
    goal_low = (-0.1, 0.6, 0.1749)
    goal_high = (0.1, 0.75, 0.1751)
    random_low = (0.0, 0.6, 0.025, -0.1, 0.6, 0.1699)
    random_high = (0.1, 0.75, 0.02501, 0.1, 0.75, 0.1701)
    settles_each = True
    fields: Mapping[str, Field] = {
        **Assembly.fields,
        "goal_pos": position(
            "Place above the peg, to whose height the nut's handle should come.", lambda t: t.goal_pos, fixed=True
        ),
    }
    expert = disassemble_reward
    success_doc = "At some step the nut's handle is higher than the goal, 15 cm above its start."
    behaviours = (scripted("disassemble"), NULL)

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the nut where the draw says, with the peg through it."""
        self.put_free(ids, drawn[:, :3])
        self.put(ids, "peg", drawn[:, :3] + drawn.new_tensor((0.0, 0.0, 0.03)))

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """The goal is above the nut's start; the other drawn place is of no effect but that `refused` reads it."""
        self.obj_init_pos[ids] = drawn[:, :3]
        self.goal_pos[ids] = drawn[:, :3] + drawn.new_tensor((0.0, 0.0, 0.15))

    def achieved(self) -> Tensor:
        """Return whether the nut's handle has been lifted to the goal's height."""
        return self.current[:, 6] > self.goal_pos[:, 2]
