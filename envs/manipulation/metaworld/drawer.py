"""Drawers: open one by its handle, or push it shut."""

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
from .fields import HAND_FIELDS, OUTCOME_FIELDS, distance, object_fields
from .models import Vector, single
from .rewards import expert, hamacher, norm, tolerance

DRAWER_M = 0.2
"""How far the drawer goes."""
OPEN_M = 0.15
"""How far it is open when it is to be closed."""
RADIUS_M = 0.05
"""Distance to the goal at which the reward for being in place is full."""
CLOSED_M = RADIUS_M + 0.015
"""Distance to the goal that counts as closed."""


@expert
def drawer_open_reward(hand_pos: Tensor, obj_pos: Tensor, goal_pos: Tensor, init_tcp_pos: Tensor) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_drawer_open_v3.py (3.0.0), ``compute_reward``, version v2."""
    opening = tolerance(norm(obj_pos - goal_pos), 0.02, DRAWER_M)
    handle_init = goal_pos + goal_pos.new_tensor((0.0, DRAWER_M, 0.0))
    scale = obj_pos.new_tensor((3.0, 3.0, 1.0))  # so that the hand may go over the handle and come down
    margin = norm((handle_init - init_tcp_pos) * scale)
    caging = tolerance(norm((obj_pos - hand_pos) * scale), 0.01, margin)
    return RewardOutput(5.0 * (caging + opening), {"caging": caging, "opening": opening})


class DrawerOpen(MetaWorldTask):
    """Open the drawer."""

    asset = "sawyer_drawer.xml"
    goal_low = MetaWorldTask.hand_low
    goal_high = MetaWorldTask.hand_high
    random_low = (-0.1, 0.9, 0.0)
    random_high = (0.1, 0.9, 0.0)
    moved_bodies = ("drawer",)
    hand_init_pos = single(0.0, 0.6, 0.2)
    forward_at_reset = False
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("drawer's handle", "Where the handle is when the drawer is open."),
        "drawer_pos": distance(
            "Displacement of the drawer: 0 closed, negative open.", lambda t: t.joint("goal_slidey")
        ),
        **OUTCOME_FIELDS,
    }  # fmt: skip
    expert: FunctionReward | None = drawer_open_reward
    radius_m = 0.03
    success_doc = "At some step the handle is within 3 cm of the goal."
    handle_offset: ClassVar[Vector] = (0.0, -0.16, 0.0)
    """From the drawer to the observed point of its handle, m."""
    behaviours: tuple[Behaviour, ...] = (scripted("drawer_open"), NULL)

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the chest where the draw says."""
        self.put(ids, "drawer", drawn)

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """The goal is the handle's place with the drawer open."""
        self.obj_init_pos[ids] = self.handle_pos()[ids]
        self.goal_pos[ids] = drawn + drawn.new_tensor((0.0, -0.16 - DRAWER_M, 0.09))

    def handle_pos(self) -> Tensor:
        """Return the observed point of the handle ``[N, 3]``, m."""
        link = self.body("drawer_link")
        return link + link.new_tensor(self.handle_offset)

    def objects(self) -> tuple[Tensor, ...]:
        """Return the handle's pose."""
        return self.handle_pos(), self.body_quat("drawer_link")


@expert
def drawer_close_reward(
    obj_pos: Tensor, obj_init_pos: Tensor, goal_pos: Tensor, tcp_pos: Tensor, init_tcp_pos: Tensor, action: Tensor
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_drawer_close_v3.py (3.0.0), ``compute_reward``, version v2."""
    to_goal = norm(obj_pos - goal_pos)
    in_place = tolerance(to_goal, RADIUS_M, (norm(obj_init_pos - goal_pos) - RADIUS_M).abs())
    margin = (norm(obj_init_pos - init_tcp_pos) - 0.005).abs()
    reach = tolerance(norm(obj_pos - tcp_pos), 0.005, margin, sigmoid="gaussian")
    reach = hamacher(reach, action[:, 3].clamp(0.0, 1.0))
    reward = torch.where(to_goal <= CLOSED_M, torch.ones_like(reach), hamacher(reach, in_place))
    return RewardOutput(10.0 * reward, {"reach": reach, "in_place": in_place})


class DrawerClose(DrawerOpen):
    """Close the drawer, which is 15 cm open."""

    forward_at_reset = True
    fields: Mapping[str, Field] = {
        **DrawerOpen.fields,
        **object_fields(
            "point 5 cm above the drawer's handle", "Where the handle itself is when the drawer is closed."
        ),
    }
    expert: FunctionReward | None = drawer_close_reward
    radius_m = CLOSED_M
    success_doc = "At some step the point 5 cm above the handle is within 6.5 cm of the goal."
    handle_offset: ClassVar[Vector] = (0.0, -0.16, 0.05)
    behaviours: tuple[Behaviour, ...] = (scripted("drawer_close"), NULL)

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the chest where the draw says, its drawer open."""
        super().place(ids, drawn)
        self.joint("goal_slidey")[ids] = -OPEN_M

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """The goal is the handle's place with the drawer closed."""
        self.obj_init_pos[ids] = self.handle_pos()[ids]
        self.goal_pos[ids] = drawn + drawn.new_tensor((0.0, -0.16, 0.09))

    def objects(self) -> tuple[Tensor, ...]:
        """Return the position above the handle; officially its orientation is zeros."""
        handle = self.handle_pos()
        return handle, handle.new_zeros((len(handle), 4))
