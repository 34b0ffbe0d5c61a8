"""Buttons on a box: press one from the front or from above, with or without a wall in the way."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.task import Behaviour

from .base import MetaWorldTask
from .behaviours import NULL, scripted
from .fields import HAND_FIELDS, OUTCOME_FIELDS, WALL, distance, object_fields, start
from .models import single
from .rewards import expert, hamacher, norm, tolerance

_PRESSED_M = 0.005
"""Distance to the goal that counts as pressed in the rewards."""


@expert
def button_press_reward(
    obj_pos: Tensor, obj_init_pos: Tensor, goal_pos: Tensor, tcp_pos: Tensor, init_tcp_pos: Tensor,
    gripper_opening: Tensor,
) -> RewardOutput:  # fmt: skip
    """Meta-World's reward: metaworld/envs/sawyer_button_press_v3.py (3.0.0), ``compute_reward``, version v2."""
    away = norm(obj_pos - tcp_pos)
    near = tolerance(away, 0.05, norm(obj_pos - init_tcp_pos))
    pressed = _pressed(obj_pos, obj_init_pos, goal_pos, 1)
    reward = 2.0 * hamacher(gripper_opening, near)
    return RewardOutput(torch.where(away <= 0.05, reward + 8.0 * pressed, reward), {"near": near, "pressed": pressed})


@expert
def button_press_topdown_reward(
    obj_pos: Tensor, obj_init_pos: Tensor, goal_pos: Tensor, tcp_pos: Tensor, init_tcp_pos: Tensor,
    gripper_opening: Tensor,
) -> RewardOutput:  # fmt: skip
    """Meta-World's reward: ``compute_reward``, version v2, of metaworld/envs/sawyer_button_press_topdown_v3.py and
    sawyer_button_press_topdown_wall_v3.py (3.0.0), which agree.
    """
    away = norm(obj_pos - tcp_pos)
    near = tolerance(away, 0.01, norm(obj_pos - init_tcp_pos))
    pressed = _pressed(obj_pos, obj_init_pos, goal_pos, 2)
    reward = 5.0 * hamacher(1.0 - gripper_opening, near)
    return RewardOutput(torch.where(away <= 0.03, reward + 5.0 * pressed, reward), {"near": near, "pressed": pressed})


@expert
def button_press_wall_reward(
    obj_pos: Tensor, obj_init_pos: Tensor, goal_pos: Tensor, tcp_pos: Tensor, init_tcp_pos: Tensor,
    gripper_opening: Tensor,
) -> RewardOutput:  # fmt: skip
    """Meta-World's reward: metaworld/envs/sawyer_button_press_wall_v3.py (3.0.0), ``compute_reward``, version v2."""
    away = norm(obj_pos - tcp_pos)
    near = tolerance(away, 0.01, norm(obj_pos - init_tcp_pos))
    pressed = _pressed(obj_pos, obj_init_pos, goal_pos, 1)
    approach = 2.0 * hamacher((1.0 - gripper_opening) / 2.0, near)
    push = 2.0 + 2.0 * (1.0 + gripper_opening) + 4.0 * pressed.square()
    return RewardOutput(torch.where(away > 0.07, approach, push), {"near": near, "pressed": pressed})


def _pressed(obj_pos: Tensor, obj_init_pos: Tensor, goal_pos: Tensor, axis: int) -> Tensor:
    travel = (goal_pos - obj_init_pos)[:, axis].abs()
    return tolerance((goal_pos - obj_pos)[:, axis].abs(), _PRESSED_M, travel)


class _Button(MetaWorldTask):
    """What the four tasks share: the box stands elsewhere in each episode."""

    goal_low = MetaWorldTask.hand_low
    goal_high = MetaWorldTask.hand_high
    hand_init_pos = single(0.0, 0.4, 0.2)
    moved_bodies = ("box",)
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("button's face", "The hole in the box into which the button goes."),
        "obj_init_pos": start(
            "Where the button's face is while nobody presses it.", lambda t: t.obj_init_pos, "obj_pos"
        ),
        "press_depth": distance("How far the button is pressed in.", lambda t: -t.joint("btnbox_joint")),
        **OUTCOME_FIELDS,
    }

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the box where the draw says."""
        self.put(ids, "box", drawn)

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """Goal and start are marked on the box."""
        self.obj_init_pos[ids] = self.site("buttonStart")[ids]
        self.goal_pos[ids] = self.site("hole")[ids]


class ButtonPress(_Button):
    """Press the button on the front of the box, along y."""

    asset = "sawyer_button_press.xml"
    random_low = (-0.1, 0.85, 0.115)
    random_high = (0.1, 0.9, 0.115)
    expert: FunctionReward | None = button_press_reward
    success_doc = "At some step the button's face is within 2 cm of the goal along y."
    behaviours: tuple[Behaviour, ...] = (scripted("button_press"), NULL)
    radius_m = 0.02
    """Distance along y that counts as success."""

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the box where the draw says, its button at rest."""
        super().place(ids, drawn)
        self.set_joint(ids, "btnbox_joint", 0.0)

    def objects(self) -> tuple[Tensor, ...]:
        """Return the pose of the button's face."""
        button = self.body("button")
        return button + button.new_tensor((0.0, -0.193, 0.0)), self.body_quat("button")

    def achieved(self) -> Tensor:
        """Return whether the button is pressed."""
        return (self.goal_pos[:, 1] - self.current[:, 5]).abs() <= self.radius_m


class ButtonPressWall(ButtonPress):
    """Press the button on the front of the box, behind a low wall."""

    asset = "sawyer_button_press_wall.xml"
    random_low = (-0.05, 0.85, 0.1149)
    random_high = (0.05, 0.9, 0.1151)
    fields: Mapping[str, Field] = {**ButtonPress.fields, **WALL}
    expert: FunctionReward | None = button_press_wall_reward
    success_doc = "At some step the button's face is within 3 cm of the goal along y."
    behaviours: tuple[Behaviour, ...] = (scripted("button_press_wall"), NULL)
    radius_m = 0.03


class ButtonPressTopdown(_Button):
    """Press the button on top of the box, along z."""

    asset = "sawyer_button_press_topdown.xml"
    random_low = (-0.1, 0.8, 0.115)
    random_high = (0.1, 0.9, 0.115)
    expert: FunctionReward | None = button_press_topdown_reward
    success_doc = "At some step the button's face is within 2.4 cm of the goal along z."
    behaviours: tuple[Behaviour, ...] = (scripted("button_press_topdown"), NULL)

    def objects(self) -> tuple[Tensor, ...]:
        """Return the pose of the button's face."""
        button = self.body("button")
        return button + button.new_tensor((0.0, 0.0, 0.193)), self.body_quat("button")

    def achieved(self) -> Tensor:
        """Return whether the button is pressed."""
        return (self.goal_pos[:, 2] - self.current[:, 6]).abs() <= 0.024


class ButtonPressTopdownWall(ButtonPressTopdown):
    """Press the button on top of the box, behind a low wall."""

    asset = "sawyer_button_press_topdown_wall.xml"
    fields: Mapping[str, Field] = {**ButtonPressTopdown.fields, **WALL}
    behaviours: tuple[Behaviour, ...] = (scripted("button_press_topdown_wall"), NULL)
