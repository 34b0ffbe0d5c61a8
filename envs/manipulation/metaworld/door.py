"""Doors: open or close one by its handle."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.task import Behaviour

from .base import MetaWorldTask
from .behaviours import NULL, scripted
from .fields import HAND_FIELDS, HAND_INIT, OUTCOME_FIELDS, angle, object_fields
from .models import single
from .rewards import expert, hamacher, norm, tolerance

_FUNNEL_M = 0.12
_CLOSED_AT = (0.2, -0.2, 0.0)
"""From the frame of the door to its closed handle, m."""
_CLOSED_M = 0.05
"""Distance to the goal at which the reward for closing is full."""


@expert
def door_open_reward(
    hand_pos: Tensor, obj_pos: Tensor, goal_pos: Tensor, door_angle: Tensor, action: Tensor
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_door_v3.py (3.0.0), ``compute_reward``, version v2."""
    grab = (action[:, 3].clamp(-1.0, 1.0) + 1.0) / 2.0
    door = obj_pos + obj_pos.new_tensor((-0.05, 0.0, 0.0))
    # the floor is a funnel around the handle, which keeps the hand from running into it
    radius = norm((hand_pos - door)[:, :2])
    outside = radius > _FUNNEL_M
    depth = 0.04 * torch.log(torch.where(outside, radius - _FUNNEL_M, torch.ones_like(radius))) + 0.4
    floor = torch.where(outside, depth, torch.zeros_like(depth))
    below = floor - hand_pos[:, 2]
    above_floor = torch.where(below <= 0.0, torch.ones_like(below), tolerance(below, 0.01, floor / 2.0))
    behind_handle = door + obj_pos.new_tensor((0.05, 0.03, -0.01))
    ready = hamacher(above_floor, tolerance(norm(hand_pos - behind_handle), _FUNNEL_M / 2.0, 0.5))
    opened = 0.2 * (door_angle < -math.pi / 90.0).to(ready.dtype)
    opened = opened + 0.8 * tolerance(math.pi / 2.0 + math.pi / 6.0 + door_angle, 0.5, math.pi / 3.0)
    reward = 2.0 * hamacher(ready, grab) + 8.0 * opened
    done = (obj_pos[:, 0] - goal_pos[:, 0]).abs() <= 0.08
    reward = torch.where(done, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"ready": ready, "opened": opened, "grab": grab})


class DoorOpen(MetaWorldTask):
    """Open the door."""

    asset = "sawyer_door_pull.xml"
    goal_low = (-0.3, 0.4, 0.1499)
    goal_high = (-0.2, 0.5, 0.1501)
    random_low = (0.0, 0.85, 0.15)
    random_high = (0.1, 0.95, 0.15)
    moved_bodies = ("door",)
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("door's handle", "Where the handle should be when the door is open."),
        "door_angle": angle("Angle of the door: 0 closed, negative open.", lambda t: t.joint("doorjoint")),
        **OUTCOME_FIELDS,
    }
    expert: FunctionReward | None = door_open_reward
    success_doc = "At some step the handle's x is within 8 cm of the goal's."
    behaviours: tuple[Behaviour, ...] = (scripted("door_open"), NULL)

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the door where the draw says, and shut it."""
        self.put(ids, "door", drawn)
        self.set_joint(ids, "doorjoint", 0.0)

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """The goal lies to the left of the door and in front of it."""
        self.obj_init_pos[ids] = self.geom("handle")[ids]
        self.goal_pos[ids] = drawn + drawn.new_tensor((-0.3, -0.45, 0.0))

    def objects(self) -> tuple[Tensor, ...]:
        """Return the handle's pose."""
        return self.geom("handle"), self.geom_quat("handle")

    def achieved(self) -> Tensor:
        """Return whether the handle is at the goal."""
        return (self.current[:, 4] - self.goal_pos[:, 0]).abs() <= 0.08


@expert
def door_close_reward(obj_pos: Tensor, goal_pos: Tensor, tcp_pos: Tensor, hand_init_pos: Tensor) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_door_close_v3.py (3.0.0), ``compute_reward``, version v2."""
    to_goal = norm(obj_pos - goal_pos)
    in_place = tolerance(to_goal, _CLOSED_M, math.hypot(*_CLOSED_AT[:2]), sigmoid="gaussian")
    hand_margin = norm(hand_init_pos - obj_pos) + 0.1
    hand = tolerance(norm(tcp_pos - goal_pos), 0.25 * _CLOSED_M, hand_margin, sigmoid="gaussian")
    reward = 3.0 * hand + 6.0 * in_place
    reward = torch.where(to_goal < _CLOSED_M, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"in_place": in_place, "hand": hand})


class DoorClose(DoorOpen):
    """Close the door, which is open by 90 degrees."""

    goal_low = (0.2, 0.65, 0.1499)
    goal_high = (0.3, 0.75, 0.1501)
    hand_init_pos = single(-0.5, 0.6, 0.2)
    fields: Mapping[str, Field] = {
        **DoorOpen.fields,
        **HAND_INIT,
        **object_fields("door's handle", "Where the handle is when the door is closed."),
    }
    expert: FunctionReward | None = door_close_reward
    success_doc = "At some step the handle is within 8 cm of the goal."
    behaviours: tuple[Behaviour, ...] = (scripted("door_close"), NULL)

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the door where the draw says, and open it."""
        self.put(ids, "door", drawn)
        self.set_joint(ids, "doorjoint", -1.5708)

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """The goal is the handle's place with the door closed."""
        self.obj_init_pos[ids] = self.geom("handle")[ids]
        self.goal_pos[ids] = drawn + drawn.new_tensor(_CLOSED_AT)

    def achieved(self) -> Tensor:
        """Return whether the door is closed."""
        return norm(self.observed(4, 7) - self.goal_pos) <= 0.08
