"""Plates and a cabinet that lies on the table: slide the plate in or out, ahead or sideways."""

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
from .fields import HAND_FIELDS, OUTCOME_FIELDS, object_fields, position, start
from .models import Vector, single
from .rewards import expert, hamacher, norm, tolerance

RADIUS_M = 0.05
SUCCESS_M = 0.07


@expert
def plate_slide_reward(
    obj_pos: Tensor, obj_init_pos: Tensor, goal_pos: Tensor, tcp_pos: Tensor, init_tcp_pos: Tensor
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_plate_slide_v3.py (3.0.0), ``compute_reward``, version v2."""
    to_goal = norm(obj_pos - goal_pos)
    in_place = tolerance(to_goal, RADIUS_M, norm(obj_init_pos - goal_pos))
    reached = tolerance(norm(tcp_pos - obj_pos), RADIUS_M, norm(init_tcp_pos - obj_init_pos))
    reward = 8.0 * hamacher(reached, in_place)
    reward = torch.where(to_goal < RADIUS_M, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"reached": reached, "in_place": in_place})


@expert
def press_and_slide_reward(
    obj_pos: Tensor, obj_init_pos: Tensor, goal_pos: Tensor, tcp_pos: Tensor, init_tcp_pos: Tensor
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_plate_slide_back_v3.py (3.0.0), ``compute_reward``, version v2.

    The same formula stands in sawyer_plate_slide_side_v3.py and sawyer_plate_slide_back_side_v3.py.
    """
    to_goal, to_obj = norm(obj_pos - goal_pos), norm(tcp_pos - obj_pos)
    in_place = tolerance(to_goal, RADIUS_M, norm(obj_init_pos - goal_pos) - RADIUS_M)
    reached = tolerance(to_obj, RADIUS_M, norm(init_tcp_pos - obj_init_pos) - RADIUS_M)
    pressed = (tcp_pos[:, 2] <= 0.03) & (to_obj < 0.07)
    reward = torch.where(pressed, 2.0 + 7.0 * in_place, 1.5 * reached)
    reward = torch.where(to_goal < RADIUS_M, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"reached": reached, "in_place": in_place})


class PlateSlide(MetaWorldTask):
    """Slide the plate ahead, into the cabinet."""

    asset = "sawyer_plate_slide.xml"
    goal_low = (-0.1, 0.85, 0.0)
    goal_high = (0.1, 0.9, 0.0)
    random_low = (0.0, 0.6, 0.0, *goal_low)
    random_high = (0.0, 0.6, 0.0, *goal_high)
    moved_bodies: ClassVar[tuple[str, ...]] = ("puck_goal",)
    hand_init_pos = single(0.0, 0.6, 0.2)
    start_at: ClassVar[Vector] = (0.0, 0.0)
    """Positions of the plate's two slide joints at the start, m."""
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("plate", "Where the plate should go."),
        "cabinet_pos": position("Middle of the cabinet's foot.", lambda t: t.body("puck_goal"), fixed=True),
        **OUTCOME_FIELDS,
    }
    expert: FunctionReward | None = plate_slide_reward
    radius_m = SUCCESS_M
    success_doc = "At some step the plate is within 7 cm of the goal."
    behaviours: tuple[Behaviour, ...] = (scripted("plate_slide"), NULL)

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the cabinet at the goal, and the plate before it."""
        self.put(ids, "puck_goal", drawn[:, 3:])
        self.sim.qpos[ids, 9:11] = drawn.new_tensor(self.start_at)

    def objects(self) -> tuple[Tensor, ...]:
        """Return the plate's pose."""
        return self.geom("puck"), self.geom_quat("puck")


_NOMINAL_START = start(
    "Where the published reward takes the plate to be at the start: 10 cm further inside than it is.",
    lambda t: t.obj_init_pos,
    "obj_pos",
)


class _InFixedCabinet(PlateSlide):
    """A task whose cabinet stands where the model has it.

    The official reset writes another place for it into ``data.body("puck_goal").xpos``, which the next forward pass
    overwrites.
    """

    moved_bodies = ()
    expert = press_and_slide_reward

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the plate at its start."""
        self.sim.qpos[ids, 9:11] = drawn.new_tensor(self.start_at)


class PlateSlideBack(_InFixedCabinet):
    """Slide the plate out of the cabinet, towards the robot."""

    goal_low = (-0.1, 0.6, 0.015)
    goal_high = (0.1, 0.6, 0.015)
    random_low = (0.0, 0.85, 0.0, *goal_low)
    random_high = (0.0, 0.85, 0.0, *goal_high)
    start_at = (0.0, 0.15)
    fields: Mapping[str, Field] = {**PlateSlide.fields, "obj_init_pos": _NOMINAL_START}
    behaviours = (scripted("plate_slide_back"), NULL)


class PlateSlideSide(_InFixedCabinet):
    """Slide the plate sideways, into the cabinet."""

    asset = "sawyer_plate_slide_sideway.xml"
    goal_low = (-0.3, 0.54, 0.0)
    goal_high = (-0.25, 0.66, 0.0)
    random_low = (0.0, 0.6, 0.0, *goal_low)
    random_high = (0.0, 0.6, 0.0, *goal_high)
    behaviours = (scripted("plate_slide_side"), NULL)


class PlateSlideBackSide(PlateSlide):
    """Slide the plate sideways, out of the cabinet."""

    asset = "sawyer_plate_slide_sideway.xml"
    goal_low = (-0.05, 0.6, 0.015)
    goal_high = (0.15, 0.6, 0.015)
    random_low = (-0.25, 0.6, 0.0, *goal_low)
    random_high = (-0.25, 0.6, 0.0, *goal_high)
    start_at = (-0.15, 0.0)
    fields: Mapping[str, Field] = {**PlateSlide.fields, "obj_init_pos": _NOMINAL_START}
    settled_at: ClassVar[Mapping[str, Vector]] = {"puck_goal": (-0.25, 0.6, 0.0)}
    expert = press_and_slide_reward
    behaviours = (scripted("plate_slide_back_side"), NULL)

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the cabinet and the plate where the draw has the plate's nominal start."""
        self.put(ids, "puck_goal", drawn[:, :3])
        self.sim.qpos[ids, 9:11] = drawn.new_tensor(self.start_at)
