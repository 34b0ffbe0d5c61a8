"""Locks of doors: turn one shut or open."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.task import Behaviour

from .base import MetaWorldTask
from .behaviours import NULL, scripted
from .fields import HAND_FIELDS, OUTCOME_FIELDS, angle, object_fields, position
from .models import single
from .rewards import expert, hamacher, norm, tolerance

_JOINT = 9
"""The lock's joint, which has no name."""
_LOCK_M = 0.1
"""Length of the lock's lever."""
_RADIUS_M = 0.02
"""Distance to the goal, along one axis, that counts as success."""


@expert
def door_lock_reward(obj_pos: Tensor, goal_pos: Tensor, left_pad_pos: Tensor, gripper_opening: Tensor) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_door_lock_v3.py (3.0.0), ``compute_reward``, version v2."""
    away = norm((obj_pos - left_pad_pos) * obj_pos.new_tensor((0.25, 1.0, 0.5)))
    # officially the margin is the distance to the pad's start, but what is kept of the start moves with the pad
    near = tolerance(away, 0.01, away)
    locked = tolerance((goal_pos - obj_pos)[:, 2].abs(), 0.005, _LOCK_M)
    return RewardOutput(2.0 * hamacher(gripper_opening, near) + 8.0 * locked, {"near": near, "locked": locked})


@expert
def door_unlock_reward(
    hand_pos: Tensor, obj_pos: Tensor, lock_axis_pos: Tensor, goal_pos: Tensor, init_tcp_pos: Tensor
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_door_unlock_v3.py (3.0.0), ``compute_reward``, version v2."""
    scale = obj_pos.new_tensor((0.25, 1.0, 0.5))
    shoulder = obj_pos.new_tensor((0.0, 0.055, 0.07))  # the part of the gripper that pushes, from the hand
    away = norm((hand_pos + shoulder - obj_pos) * scale)
    ready = tolerance(away, 0.02, norm((init_tcp_pos + shoulder - lock_axis_pos) * scale))
    pushed = tolerance((goal_pos - obj_pos)[:, 0].abs(), 0.005, _LOCK_M)
    return RewardOutput(2.0 * ready + 8.0 * pushed, {"ready": ready, "pushed": pushed})


def _fields(goal: str) -> Mapping[str, Field]:
    return {
        **HAND_FIELDS,
        **object_fields("end of the lock's lever", goal, part="lock"),
        "lock_angle": angle("Angle of the lock: 0 unlocked (level), pi/2 locked (down).", lambda t: t.joint(_JOINT)),
        "lock_axis_pos": position(
            "Axis about which the lock turns.", lambda t: t.body("lock_link"), part="lock", fixed=True
        ),
        **OUTCOME_FIELDS,
    }


class _Lock(MetaWorldTask):
    """What both tasks share: the door stands elsewhere in each episode, and stays shut."""

    asset = "sawyer_door_lock.xml"
    hand_low = (-0.5, 0.40, -0.15)
    hand_high = (0.5, 1.0, 0.5)
    random_low = (-0.1, 0.8, 0.15)
    random_high = (0.1, 0.85, 0.15)
    moved_bodies = ("door",)
    settles_each = True
    hand_init_pos = single(0.0, 0.6, 0.2)
    lever_site: str

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the door where the draw says."""
        self.put(ids, "door", drawn)

    def objects(self) -> tuple[Tensor, ...]:
        """Return the position of the lever's end and the door's orientation."""
        return self.site(self.lever_site), self.body_quat("door_link")


class DoorLock(_Lock):
    """Turn the lock down."""

    goal_low = _Lock.hand_low
    goal_high = _Lock.hand_high
    forward_at_reset = False
    settle_rounds = 51  # officially one more control step follows the settling
    fields = _fields("Where the lever's end should be: its height alone counts.")
    expert: FunctionReward | None = door_lock_reward
    success_doc = "At some step the height of the lever's end is within 2 cm of the goal's."
    behaviours: tuple[Behaviour, ...] = (scripted("door_lock"), NULL)
    lever_site = "lockStartLock"

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """The goal lies below the axis."""
        axis = self.body("lock_link")[ids]
        self.obj_init_pos[ids] = self.site(self.lever_site)[ids]
        self.goal_pos[ids] = axis + axis.new_tensor((0.0, -0.04, -_LOCK_M))

    def achieved(self) -> Tensor:
        """Return whether the door is locked."""
        return (self.goal_pos[:, 2] - self.current[:, 6]).abs() <= _RADIUS_M


class DoorUnlock(_Lock):
    """Turn the lock up, until it is level."""

    goal_low = (0.0, 0.64, 0.21)
    goal_high = (0.2, 0.7, 0.2111)
    fields = _fields("Where the lever's end should be: its x alone counts.")
    expert: FunctionReward | None = door_unlock_reward
    success_doc = "At some step the x of the lever's end is within 2 cm of the goal's."
    behaviours: tuple[Behaviour, ...] = (scripted("door_unlock"), NULL)
    lever_site = "lockStartUnlock"

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the door where the draw says, locked."""
        super().place(ids, drawn)
        self.set_joint(ids, _JOINT, 1.5708)

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """The goal lies to the right of the axis."""
        axis = self.body("lock_link")[ids]
        self.obj_init_pos[ids] = self.site(self.lever_site)[ids]
        self.goal_pos[ids] = axis + axis.new_tensor((_LOCK_M, -0.04, 0.0))

    def achieved(self) -> Tensor:
        """Return whether the door is unlocked."""
        return (self.goal_pos[:, 0] - self.current[:, 4]).abs() <= _RADIUS_M
