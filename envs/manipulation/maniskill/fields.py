"""The fields of ManiSkill's tasks: readers take N `ManiSkillWorlds`, whose ``view`` is ManiSkill's environment.

Quaternions are (w, x, y, z), in the world frame: x points away from the robot's base and z up; in RollBall the robot
stands at the far side of the table and faces -y.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch

from envreward.fields import Field

Read = Callable[[Any], Any]

_XYZ = ("x", "y", "z")
_JOINTS = tuple(f"joint{i}" for i in range(1, 8))


def position(doc: str, read: Read, *, part: str = "", fixed: bool = False) -> Field:
    """Return the field of a position in the world, m."""
    return Field(
        doc, shape=(3,), unit="m", frame="world", names=_XYZ, role="position", part=part, fixed=fixed, read=read
    )


def offset(doc: str, read: Read, between: tuple[str, str], *, frame: str = "world") -> Field:
    """Return the field of the vector from one place to another, m, given the names of their fields."""
    return Field(doc, shape=(3,), unit="m", frame=frame, names=_XYZ, role="offset", between=between, read=read)


def quaternion(doc: str, read: Read, *, fixed: bool = False) -> Field:
    """Return the field of an orientation."""
    doc, names = f"{doc}; a unit quaternion.", ("w", "x", "y", "z")
    return Field(doc, shape=(4,), frame="world", names=names, role="orientation", fixed=fixed, read=read)


def flag(doc: str, read: Read, *, private: bool = False) -> Field:
    """Return the field of a yes or no."""
    return Field(doc, dtype="bool", role="flag", private=private, read=read)


def length(doc: str, read: Read, *, fixed: bool = False) -> Field:
    """Return the field of a length, m."""
    return Field(doc, unit="m", role="distance", fixed=fixed, read=read)


def body(name: str, what: str, find: Read, *, part: str = "") -> dict[str, Field]:
    """Return the fields of the pose and the velocities of a rigid body.

    Args:
        name: Prefix of the fields' names.
        what: What it is, for the docs.
        find: Maps the worlds' view to the body.
        part: Its name, where other fields are points of it, too.
    """
    return {
        f"{name}_pos": position(f"Centre of {what}.", lambda w: find(w.view).pose.p, part=part),
        f"{name}_quat": quaternion(f"Orientation of {what}", lambda w: find(w.view).pose.q),
        f"{name}_vel": Field(
            f"Velocity of the centre of {what}.",
            shape=(3,),
            unit="m/s",
            frame="world",
            names=_XYZ,
            role="velocity",
            read=lambda w: find(w.view).linear_velocity,
        ),
        f"{name}_angvel": Field(
            f"Angular velocity of {what}.",
            shape=(3,),
            unit="rad/s",
            frame="world",
            names=_XYZ,
            role="angular_velocity",
            read=lambda w: find(w.view).angular_velocity,
        ),
    }


class Place(NamedTuple):
    """A body or site whose centre is a field."""

    what: str
    """What it is, for the docs."""
    field: str
    """Name of the field of its position."""
    find: Read
    """Maps the worlds' view to it."""


def between(start: Place, end: Place) -> Field:
    """Return the field of the vector from one place to another."""
    return offset(
        f"From {start.what} to {end.what}.",
        lambda w: end.find(w.view).pose.p - start.find(w.view).pose.p,
        (start.field, end.field),
    )


def _tcp(view: Any) -> Any:
    return view.agent.tcp


TCP = Place("the tool centre point", "tcp_pos", _tcp)

ROBOT_FIELDS: Mapping[str, Field] = {
    "tcp_pos": position("Tool centre point: midway between the fingertips.", lambda w: _tcp(w.view).pose.p),
    "tcp_quat": quaternion("Orientation of the gripper (its z axis points out of it)", lambda w: _tcp(w.view).pose.q),
    "gripper_opening": length(
        "Distance of the fingers: 0 closed, 0.08 fully open.", lambda w: w.view.agent.robot.get_qpos()[:, 7:9].sum(1)
    ),
    "arm_qpos": Field(
        "Positions of the arm's joints.",
        shape=(7,),
        unit="rad",
        names=_JOINTS,
        role="angle",
        read=lambda w: w.view.agent.robot.get_qpos()[:, :7],
    ),
    "arm_qvel": Field(
        "Velocities of the arm's joints.",
        shape=(7,),
        unit="rad/s",
        names=_JOINTS,
        role="angular_velocity",
        read=lambda w: w.view.agent.robot.get_qvel()[:, :7],
    ),
    "action": Field(
        "The action just applied, each entry used within [-1, 1]: how far to turn each arm joint (1 is 0.1 rad) and "
        "how to hold the fingers (1 open, -1 closed).",
        shape=(8,),
        names=(*_JOINTS, "gripper"),
        role="action",
        read=lambda w: w.action,
    ),
}
"""Fields of the robot, a Franka Emika Panda."""

SUCCESS_WEIGHT = 0.9
"""Share of the fitness that only success gives; the rest grades the way there."""


def outcome_fields(max_reward: float) -> dict[str, Field]:
    """Return the private fields, given the dense reward that success pays."""

    def fitness(worlds: Any) -> Any:
        success = worlds.info["success"].to(torch.float32)
        return SUCCESS_WEIGHT * success + (1.0 - SUCCESS_WEIGHT) / max_reward * worlds.reward

    return {
        "success": flag("Whether ManiSkill's success test holds now.", lambda w: w.info["success"], private=True),
        "failure": flag(
            "Never: no episode ends before its time is over.",
            lambda w: torch.zeros_like(w.info["success"]),
            private=True,
        ),
        "fitness": Field(
            f"{SUCCESS_WEIGHT} for success now, and {1.0 - SUCCESS_WEIGHT:.1f} times the published normalised reward.",
            private=True,
            read=fitness,
        ),
        "dense_reward": Field("ManiSkill's dense reward of this step.", private=True, read=lambda w: w.reward),
    }
