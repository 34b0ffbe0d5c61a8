"""Handles on a box: press one down or pull one up, in front of the robot or at its side."""

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
from .fields import HAND_FIELDS, OUTCOME_FIELDS, distance, object_fields, position
from .models import Vector
from .rewards import caging, expert, hamacher, norm, tolerance

_JOINT = 9
"""The handle's joint, which has no name."""
_PRESS_M = 0.02
"""Distance along z at which a handle counts as pressed."""
_PULL_M = 0.05
"""Distance at which the reward for pulling a handle is full."""


@expert
def handle_press_reward(
    obj_pos: Tensor, obj_init_pos: Tensor, goal_pos: Tensor, tcp_pos: Tensor, init_tcp_pos: Tensor
) -> RewardOutput:
    """Meta-World's reward: ``compute_reward``, version v2, of metaworld/envs/sawyer_handle_press_v3.py and
    sawyer_handle_press_side_v3.py (3.0.0), which agree.
    """
    to_goal = (obj_pos - goal_pos)[:, 2].abs()
    in_place = tolerance(to_goal, _PRESS_M, ((obj_init_pos - goal_pos)[:, 2].abs() - _PRESS_M).abs())
    reach = tolerance(norm(obj_pos - tcp_pos), 0.02, (norm(obj_init_pos - init_tcp_pos) - 0.02).abs())
    reward = torch.where(to_goal <= _PRESS_M, torch.ones_like(reach), hamacher(reach, in_place))
    return RewardOutput(10.0 * reward, {"reach": reach, "in_place": in_place})


@expert
def handle_pull_reward(
    obj_pos: Tensor, box_pos: Tensor, goal_pos: Tensor, tcp_pos: Tensor, init_tcp_pos: Tensor, left_pad_pos: Tensor,
    right_pad_pos: Tensor, gripper_opening: Tensor, action: Tensor,
) -> RewardOutput:  # fmt: skip
    """Meta-World's reward: metaworld/envs/sawyer_handle_pull_v3.py (3.0.0), ``compute_reward``, version v2."""
    to_goal = (goal_pos - obj_pos)[:, 2].abs()
    in_place = tolerance(to_goal, _PULL_M, (goal_pos - box_pos)[:, 2].abs())
    grasp = caging(
        obj_pos, left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, box_pos, action[:, 3],
        obj_radius=0.022, pad_success_thresh=0.05, xz_thresh=0.01, density="high",
    )  # fmt: skip
    lifted = obj_pos[:, 1] - 0.01 > box_pos[:, 2]  # officially y is compared with z, which always holds
    return _pull(obj_pos, tcp_pos, gripper_opening, grasp, in_place, to_goal, lifted)


@expert
def handle_pull_side_reward(
    obj_pos: Tensor, obj_init_pos: Tensor, goal_pos: Tensor, tcp_pos: Tensor, init_tcp_pos: Tensor,
    left_pad_pos: Tensor, right_pad_pos: Tensor, gripper_opening: Tensor, action: Tensor,
) -> RewardOutput:  # fmt: skip
    """Meta-World's reward: metaworld/envs/sawyer_handle_pull_side_v3.py (3.0.0), ``compute_reward``, version v2."""
    to_goal = norm(obj_pos - goal_pos)
    in_place = tolerance(to_goal, _PULL_M, norm(obj_init_pos - goal_pos))
    grasp = caging(
        obj_pos, left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, obj_init_pos, action[:, 3],
        obj_radius=0.032, pad_success_thresh=0.06, xz_thresh=0.01, density="high",
    )  # fmt: skip
    lifted = obj_pos[:, 2] - 0.01 > obj_init_pos[:, 2]
    return _pull(obj_pos, tcp_pos, gripper_opening, grasp, in_place, to_goal, lifted)


def _pull(
    obj_pos: Tensor, tcp_pos: Tensor, gripper_opening: Tensor, grasp: Tensor, in_place: Tensor, to_goal: Tensor,
    lifted: Tensor,
) -> RewardOutput:  # fmt: skip
    reward = hamacher(grasp, in_place)
    held = (norm(obj_pos - tcp_pos) < 0.035) & (gripper_opening > 0.0) & lifted
    reward = torch.where(held, reward + 1.0 + 5.0 * in_place, reward)
    reward = torch.where(to_goal < _PULL_M, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"grasp": grasp, "in_place": in_place})


class _Handle(MetaWorldTask):
    """What the four tasks share: the box stands elsewhere in each episode, its handle moves along z."""

    goal_low: ClassVar[Vector] = MetaWorldTask.hand_low
    goal_high: ClassVar[Vector] = MetaWorldTask.hand_high
    moved_bodies = ("box",)
    settles_each = True
    handle_site: str
    goal_site: str
    start_m: float
    """Displacement of the handle at the start."""
    radius_m: ClassVar[float]
    """Distance along z that counts as success."""

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the box where the draw says, and the handle at its start."""
        self.put(ids, "box", drawn)
        self.set_joint(ids, _JOINT, self.start_m)

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """The goal is marked on the box."""
        self.obj_init_pos[ids] = self.site(self.handle_site)[ids]
        self.goal_pos[ids] = self.site(self.goal_site)[ids]

    def objects(self) -> tuple[Tensor, ...]:
        """Return the handle's position; officially its orientation is zeros."""
        handle = self.site(self.handle_site)
        return handle, handle.new_zeros((len(handle), 4))

    def achieved(self) -> Tensor:
        """Return whether the handle is at the goal's height."""
        return (self.current[:, 6] - self.goal_pos[:, 2]).abs() <= self.radius_m


def _fields(obj: str, goal: str) -> Mapping[str, Field]:
    return {
        **HAND_FIELDS,
        **object_fields(obj, goal),
        "handle_height": distance(
            "Displacement of the handle along z: 0 at its upper end, -0.1 at its lower end.", lambda t: t.joint(_JOINT)
        ),
        "box_pos": position("Foot of the box that bears the handle.", lambda t: t.body("box"), fixed=True),
        **OUTCOME_FIELDS,
    }


class HandlePress(_Handle):
    """Press the handle down."""

    asset = "sawyer_handle_press.xml"
    goal_low: ClassVar[Vector] = (-0.1, 0.55, 0.04)
    goal_high: ClassVar[Vector] = (0.1, 0.7, 0.08)
    random_low = (-0.1, 0.8, -0.001)
    random_high = (0.1, 0.9, 0.001)
    fields = _fields("grip of the handle", "Where the grip is when the handle is down: its height alone counts.")
    expert: FunctionReward | None = handle_press_reward
    success_doc = "At some step the grip's height is within 2 cm of the goal's."
    behaviours: tuple[Behaviour, ...] = (scripted("handle_press"), NULL)
    handle_site = "handleStart"
    goal_site = "goalPress"
    start_m = -0.001
    radius_m = _PRESS_M


class HandlePressSide(HandlePress):
    """Press the handle at the side down."""

    asset = "sawyer_handle_press_sideways.xml"
    goal_low = MetaWorldTask.hand_low
    goal_high = MetaWorldTask.hand_high
    random_low = (-0.35, 0.65, -0.001)
    random_high = (-0.25, 0.75, 0.001)
    behaviours: tuple[Behaviour, ...] = (scripted("handle_press_side"), NULL)


class HandlePull(_Handle):
    """Pull the handle up by its right end."""

    asset = "sawyer_handle_press.xml"
    goal_low = (-0.1, 0.55, 0.04)
    goal_high = (0.1, 0.7, 0.18)
    random_low = (-0.1, 0.8, -0.001)
    random_high = (0.1, 0.9, 0.001)
    fields = _fields("right end of the handle", "The middle of the raised handle: its height alone counts.")
    expert: FunctionReward | None = handle_pull_reward
    success_doc = "At some step the height of the handle's right end is within 5 cm of the goal's."
    behaviours: tuple[Behaviour, ...] = (scripted("handle_pull"), NULL)
    handle_site = "handleRight"
    goal_site = "goalPull"
    start_m = -0.1
    radius_m = _PULL_M


class HandlePullSide(_Handle):
    """Pull the handle at the side up by its middle."""

    asset = "sawyer_handle_press_sideways.xml"
    random_low = (-0.35, 0.65, 0.0)
    random_high = (-0.25, 0.75, 0.0)
    fields = _fields("middle of the handle", "The grip of the raised handle, 5 cm beyond its middle.")
    expert: FunctionReward | None = handle_pull_side_reward
    success_doc = "At some step the handle's middle is within 8 cm of the goal."
    behaviours: tuple[Behaviour, ...] = (scripted("handle_pull_side"), NULL)
    handle_site = "handleCenter"
    goal_site = "goalPull"
    start_m = -0.1

    def achieved(self) -> Tensor:
        """Return whether the handle is at the goal."""
        return norm(self.observed(4, 7) - self.goal_pos) <= 0.08
