"""ManiSkill's tabletop tasks (Tao et al. 2024, https://arxiv.org/abs/2410.00425; mani_skill/envs/tasks/tabletop, 3.0).

Scenes, reset distributions, observations (``state``), success tests and dense rewards are computed by ManiSkill's own
code. Episodes last the steps that ManiSkill registers and do not end with success, as in its evaluation
(``ignore_terminations``).
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from envreward.fields import Field
from envreward.task import Behaviour

from . import behaviours
from .base import OfficialTask
from .fields import (
    ROBOT_FIELDS,
    TCP,
    Place,
    between,
    body,
    flag,
    length,
    offset,
    outcome_fields,
    position,
    quaternion,
)
from .vector_env import ManiSkillVectorEnv


class ManiSkillTask(OfficialTask, abc.ABC):
    """A ManiSkill task that makes its own worlds."""

    def vector_env(self, num_envs: int = 1, **kwargs: Any) -> ManiSkillVectorEnv:
        """Make N worlds; ``kwargs`` are those of `envreward.task_vector_env.TaskVectorEnv`.

        Raises:
            MissingExtraError: ManiSkill is not installed.
            ConfigError: PhysX cannot simulate on the device.
        """
        return ManiSkillVectorEnv(self, num_envs, **kwargs)


class PickCube(ManiSkillTask):
    """PickCube-v1."""

    official = "PickCube-v1"
    observation_size = 42
    max_reward = 5.0
    fields: Mapping[str, Field] = {
        **ROBOT_FIELDS,
        **body("cube", "the cube (edges of 0.04 m)", lambda v: v.cube),
        "goal_pos": position("Where the cube's centre shall be.", lambda w: w.view.goal_site.pose.p, fixed=True),
        "tcp_to_cube": between(TCP, Place("the cube", "cube_pos", lambda v: v.cube)),
        "cube_to_goal": between(
            Place("the cube", "cube_pos", lambda v: v.cube), Place("the goal", "goal_pos", lambda v: v.goal_site)
        ),
        "grasped": flag("Whether both fingers press on the cube.", lambda w: w.info["is_grasped"]),
        **outcome_fields(max_reward),
    }
    success_doc = (
        "At some step the cube's centre is within 0.025 m of the goal and no arm joint turns faster than 0.2 rad/s."
    )
    behaviours: tuple[Behaviour, ...] = (behaviours.PICK, behaviours.NULL)


_REGION = Place("the goal", "goal_pos", lambda v: v.goal_region)


class _MoveCube(ManiSkillTask):
    """Move a cube along the table into a goal region."""

    observation_size = 35

    _fields: ClassVar[Mapping[str, Field]] = {
        **ROBOT_FIELDS,
        **body("cube", "the cube (edges of 0.04 m)", lambda v: v.obj),
        "goal_pos": position(
            "Centre of the goal region, a disc of radius 0.1 m on the table.",
            lambda w: w.view.goal_region.pose.p,
            fixed=True,
        ),
        "tcp_to_cube": between(TCP, Place("the cube", "cube_pos", lambda v: v.obj)),
        "cube_to_goal": between(Place("the cube", "cube_pos", lambda v: v.obj), _REGION),
    }


class PushCube(_MoveCube):
    """PushCube-v1."""

    official = "PushCube-v1"
    max_reward = 4.0
    fields: Mapping[str, Field] = {**_MoveCube._fields, **outcome_fields(max_reward)}
    success_doc = (
        "At some step the cube's centre is, seen from above, within 0.1 m of the goal's and no more than 0.025 m high."
    )
    behaviours: tuple[Behaviour, ...] = (behaviours.PUSH, behaviours.NULL)


class PullCube(_MoveCube):
    """PullCube-v1."""

    official = "PullCube-v1"
    max_reward = 3.0
    fields: Mapping[str, Field] = {**_MoveCube._fields, **outcome_fields(max_reward)}
    success_doc = "At some step the cube's centre is, seen from above, within 0.1 m of the goal's."
    behaviours: tuple[Behaviour, ...] = (behaviours.PULL, behaviours.NULL)


class StackCube(ManiSkillTask):
    """StackCube-v1."""

    official = "StackCube-v1"
    observation_size = 48
    max_reward = 8.0
    fields: Mapping[str, Field] = {
        **ROBOT_FIELDS,
        **body("red_cube", "the red cube (edges of 0.04 m)", lambda v: v.cubeA),
        **body("green_cube", "the green cube (edges of 0.04 m)", lambda v: v.cubeB),
        "tcp_to_red_cube": between(TCP, Place("the red cube", "red_cube_pos", lambda v: v.cubeA)),
        "red_to_green_cube": between(
            Place("the red cube", "red_cube_pos", lambda v: v.cubeA),
            Place("the green cube", "green_cube_pos", lambda v: v.cubeB),
        ),
        "grasped": flag("Whether both fingers press on the red cube.", lambda w: w.info["is_cubeA_grasped"]),
        **outcome_fields(max_reward),
    }
    success_doc = (
        "At some step the red cube is on the green one (centres within 0.0333 m seen from above, 0.04 m +- 0.005 m "
        "apart in height), at rest, and not grasped."
    )
    behaviours: tuple[Behaviour, ...] = (behaviours.STACK, behaviours.NULL)


class LiftPegUpright(ManiSkillTask):
    """LiftPegUpright-v1."""

    official = "LiftPegUpright-v1"
    observation_size = 32
    max_reward = 3.0
    fields: Mapping[str, Field] = {
        **ROBOT_FIELDS,
        **body("peg", "the peg (0.24 m long, 0.05 m wide and high; its x axis runs along it)", lambda v: v.peg),
        "peg_upright": Field(
            "How upright the peg stands: 0 lying, 1 upright with either end up (the vertical part of its x axis).",
            read=lambda w: _upright(w.view.peg.pose.q),
        ),
        "tcp_to_peg": between(TCP, Place("the peg", "peg_pos", lambda v: v.peg)),
        "grasped": flag("Whether both fingers press on the peg.", lambda w: w.view.agent.is_grasping(w.view.peg)),
        **outcome_fields(max_reward),
    }
    success_doc = "At some step the peg is within 0.08 rad of upright and its centre 0.12 m +- 0.005 m above the table."
    behaviours: tuple[Behaviour, ...] = (behaviours.LIFT, behaviours.NULL)


class PegInsertionSide(ManiSkillTask):
    """PegInsertionSide-v1; peg, box and hole have other sizes in each episode, and their scene is built anew for it."""

    official = "PegInsertionSide-v1"
    observation_size = 43
    max_reward = 10.0
    per_world = ("peg_half_sizes", "peg_head_offsets", "box_hole_offsets", "box_hole_radii")
    fields: Mapping[str, Field] = {
        **ROBOT_FIELDS,
        **body("peg", "the peg (its x axis runs along it, towards its head)", lambda v: v.peg, part="peg"),
        "peg_half_size": Field(
            "Half of the peg's length, width and height.",
            shape=(3,),
            unit="m",
            frame="peg",
            names=("x", "y", "z"),
            role="distance",
            fixed=True,
            read=lambda w: w.view.peg_half_sizes,
        ),
        "peg_head_pos": position(
            "End of the peg that goes into the hole.", lambda w: w.view.peg_head_pose.p, part="peg"
        ),
        "hole_pos": position(
            "Centre of the hole, in the middle of the box.", lambda w: w.view.box_hole_pose.p, fixed=True
        ),
        "hole_quat": quaternion(
            "Orientation of the hole (it runs along its x axis)", lambda w: w.view.box_hole_pose.q, fixed=True
        ),
        "hole_radius": length("Half of the hole's width.", lambda w: w.view.box_hole_radii, fixed=True),
        "peg_head_at_hole": offset(
            "From the hole's centre to the peg's head; x grows as the head goes in.",
            lambda w: w.info["peg_head_pos_at_hole"],
            ("hole_pos", "peg_head_pos"),
            frame="hole",
        ),
        "tcp_to_peg": between(TCP, Place("the peg", "peg_pos", lambda v: v.peg)),
        "grasped": flag("Whether both fingers press on the peg.", lambda w: w.view.agent.is_grasping(w.view.peg)),
        **outcome_fields(max_reward),
    }
    success_doc = (
        "At some step the peg's head is in the hole, to within its radius, and at most 0.015 m short of its centre."
    )
    behaviours: tuple[Behaviour, ...] = (behaviours.INSERT, behaviours.NULL)


class PokeCube(ManiSkillTask):
    """PokeCube-v1."""

    official = "PokeCube-v1"
    observation_size = 54
    max_reward = 10.0
    fields: Mapping[str, Field] = {
        **ROBOT_FIELDS,
        **body("cube", "the cube (edges of 0.04 m)", lambda v: v.cube),
        **body(
            "peg",
            "the peg (0.24 m long, 0.05 m wide and high; its x axis runs along it)",
            lambda v: v.peg,
            part="peg",
        ),
        "peg_head_pos": position(
            "End of the peg that points at the cube.", lambda w: w.view.peg_head_pose.p, part="peg"
        ),
        "goal_pos": position(
            "Centre of the goal region, a disc of radius 0.05 m on the table.",
            lambda w: w.view.goal_region.pose.p,
            fixed=True,
        ),
        "tcp_to_peg": between(TCP, Place("the peg", "peg_pos", lambda v: v.peg)),
        "peg_head_to_cube": offset(
            "From the peg's head to the cube.",
            lambda w: w.view.cube.pose.p - w.view.peg_head_pose.p,
            ("peg_head_pos", "cube_pos"),
        ),
        "cube_to_goal": between(Place("the cube", "cube_pos", lambda v: v.cube), _REGION),
        "peg_cube_angle": Field(
            "Angle between peg and cube about the vertical.",
            unit="rad",
            role="angle",
            read=lambda w: w.info["angle_diff"],
        ),
        "grasped": flag("Whether both fingers press on the peg.", lambda w: w.info["is_peg_grasped"]),
        **outcome_fields(max_reward),
    }
    success_doc = (
        "At some step the cube's centre is, seen from above, within 0.05 m of the goal's and no arm joint turns faster "
        "than 0.2 rad/s."
    )
    behaviours: tuple[Behaviour, ...] = (behaviours.POKE, behaviours.NULL)


class RollBall(ManiSkillTask):
    """RollBall-v1; its dense reward remembers whether the tool centre point has been behind the ball."""

    official = "RollBall-v1"
    observation_size = 44
    max_reward = 30.0
    per_world = ("reached_status",)
    fields: Mapping[str, Field] = {
        **ROBOT_FIELDS,
        **body("ball", "the ball (radius 0.035 m)", lambda v: v.ball),
        "goal_pos": position(
            "Centre of the goal region, a disc of radius 0.1 m on the table.",
            lambda w: w.view.goal_region.pose.p,
            fixed=True,
        ),
        "tcp_to_ball": between(TCP, Place("the ball", "ball_pos", lambda v: v.ball)),
        "ball_to_goal": between(Place("the ball", "ball_pos", lambda v: v.ball), _REGION),
        **outcome_fields(max_reward),
    }
    success_doc = "At some step the ball's centre is, seen from above, within 0.1 m of the goal's."
    behaviours: tuple[Behaviour, ...] = (behaviours.ROLL, behaviours.NULL)


def _upright(q: Tensor) -> Tensor:
    """Return the absolute vertical part of the x axis that the quaternions ``[N, 4]`` turn, ``[N]``."""
    w, x, y, z = q.unbind(-1)
    return (2.0 * (x * z - w * y)).abs()
