"""The fields that Meta-World tasks share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from envreward.fields import Field

WALL_SIZE_M = (0.2, 0.02, 0.15)
"""Extents of the brick wall: metaworld/assets/objects/assets/wall.xml (3.0.0)."""

LOW_WALL_SIZE_M = (0.24, 0.02, 0.12)
"""Extents of the wall on the table: metaworld/assets/sawyer_xyz/sawyer_push_wall_v3.xml (3.0.0) and two others."""


def position(
    doc: str, read: Callable[[Any], Any], *, part: str = "", private: bool = False, fixed: bool = False
) -> Field:
    """Return the field of a position in the world, m."""
    return Field(
        doc, shape=(3,), unit="m", frame="world", role="position", part=part, private=private, fixed=fixed, read=read
    )


def start(doc: str, read: Callable[[Any], Any], of: str) -> Field:
    """Return the field of where the thing whose position is the field ``of`` was when the episode began, m."""
    return dataclasses.replace(position(doc, read, fixed=True), start_of=of)


def distance(doc: str, read: Callable[[Any], Any], *, fixed: bool = False) -> Field:
    """Return the field of a length, m."""
    return Field(doc, unit="m", role="distance", fixed=fixed, read=read)


def angle(doc: str, read: Callable[[Any], Any]) -> Field:
    """Return the field of a joint's angle, rad."""
    return Field(doc, unit="rad", role="angle", read=read)


def orientation(doc: str, read: Callable[[Any], Any]) -> Field:
    """Return the field of an orientation in the world, a unit quaternion (w, x, y, z)."""
    return Field(doc, shape=(4,), frame="world", names=("w", "x", "y", "z"), role="orientation", read=read)


HAND_FIELDS: Mapping[str, Field] = {
    "hand_pos": position(
        "Position of the robot's hand (the wrist of the gripper).", lambda t: t.observed(0, 3), part="gripper"
    ),
    "tcp_pos": position(
        "Tool centre point: midway between the tips of the two fingers.", lambda t: t.tcp_pos(), part="gripper"
    ),
    "gripper_opening": Field(
        "How far the fingers are apart: 0 closed, 1 fully open (0.1 m).", read=lambda t: t.observed(3, 4)[:, 0]
    ),
    "left_pad_pos": position("Position of the left finger's pad.", lambda t: t.pad_pos(0), part="gripper"),
    "right_pad_pos": position("Position of the right finger's pad.", lambda t: t.pad_pos(1), part="gripper"),
    "init_tcp_pos": start("Tool centre point at the start of the episode.", lambda t: t.init_tcp_pos, "tcp_pos"),
    "action": Field(
        "The action just applied: motion of the hand along each axis (1 is 0.01 m) and effort of the fingers "
        "(1 closes, -1 opens).",
        shape=(4,),
        names=("x", "y", "z", "effort"),
        role="action",
        read=lambda t: t.action,
    ),
}  # fmt: skip
"""Fields of the arm."""

HAND_INIT: Mapping[str, Field] = {
    "hand_init_pos": start(
        "Where the hand was pulled to before the start of the episode.",
        lambda t: t.constant(t.current.new_tensor(t.hand_init_pos)),
        "hand_pos",
    )
}

WALL: Mapping[str, Field] = {
    "wall_pos": position("Middle of the wall's foot on the table.", lambda t: t.body("wall"), fixed=True),
    "wall_size": Field(
        "Extent of the wall along x, y and z.", shape=(3,), unit="m", names=("x", "y", "z"), fixed=True,
        read=lambda t: t.constant(t.current.new_tensor(WALL_SIZE_M)),
    ),
}  # fmt: skip

LOW_WALL: Mapping[str, Field] = {
    "wall_pos": position("Middle of the wall.", lambda t: t.body("wall"), fixed=True),
    "wall_size": Field(
        "Extent of the wall along x, y and z.", shape=(3,), unit="m", names=("x", "y", "z"), fixed=True,
        read=lambda t: t.constant(t.current.new_tensor(LOW_WALL_SIZE_M)),
    ),
}  # fmt: skip
"""The wall between the puck and the goal."""

GRASPED: Mapping[str, Field] = {
    "grasped": Field("Whether both fingers press on the object.", dtype="bool", role="flag", read=lambda t: t.grasped())
}

OUTCOME_FIELDS: Mapping[str, Field] = {
    "success": Field(
        "Whether the task's success test holds at this step.",
        dtype="bool",
        role="flag",
        private=True,
        read=lambda t: t.achieved(),
    ),
    "failure": Field(
        "Never: no Meta-World task ends before its time is over.",
        dtype="bool",
        role="flag",
        private=True,
        read=lambda t: t.never(),
    ),
    "fitness": Field(
        "1 while the success test holds, else 0.", private=True, read=lambda t: t.achieved().to(t.current.dtype)
    ),
}
"""Private fields of every task."""


def object_fields(obj: str, goal: str, *, part: str = "") -> dict[str, Field]:
    """Return the fields of a task with one object and a goal.

    Args:
        obj: What the object is called.
        goal: Where it should go.
        part: Name of the thing, where other fields are points of it, too.
    """
    return {
        "obj_pos": position(f"Position of the {obj}.", lambda t: t.observed(4, 7), part=part),
        "obj_init_pos": start(
            f"Position of the {obj} at the start of the episode.", lambda t: t.obj_init_pos, "obj_pos"
        ),
        "goal_pos": position(goal, lambda t: t.goal_pos, fixed=True),
    }
