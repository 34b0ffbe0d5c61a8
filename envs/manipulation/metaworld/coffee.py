"""The coffee machine: put a mug under it, pull a mug away from it, press its button."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.task import Behaviour

from .base import MetaWorldTask
from .behaviours import NULL, scripted
from .fields import HAND_FIELDS, OUTCOME_FIELDS, distance, object_fields, position
from .rewards import caging, expert, hamacher, norm, tolerance

RADIUS_M = 0.05
SUCCESS_M = 0.07
_MUG_TO_MACHINE = (0.0, 0.22, 0.0)
"""From a mug under the machine to the machine, m."""
_BUTTON_M = 0.03
"""How far the machine's button can be pressed."""


@expert
def mug_reward(
    obj_pos: Tensor,
    obj_init_pos: Tensor,
    goal_pos: Tensor,
    tcp_pos: Tensor,
    init_tcp_pos: Tensor,
    left_pad_pos: Tensor,
    right_pad_pos: Tensor,
    gripper_opening: Tensor,
    action: Tensor,
) -> RewardOutput:
    """Meta-World's reward: ``compute_reward``, version v2, of metaworld/envs/sawyer_coffee_push_v3.py and
    sawyer_coffee_pull_v3.py (3.0.0), which agree.
    """
    scale = obj_pos.new_tensor((2.0, 2.0, 1.0))
    to_goal = norm((obj_pos - goal_pos) * scale)
    in_place = tolerance(to_goal, RADIUS_M, norm((obj_init_pos - goal_pos) * scale))
    grasp = caging(
        obj_pos, left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, obj_init_pos, action[:, 3],
        obj_radius=0.02, pad_success_thresh=0.05, xz_thresh=0.05, object_reach_radius=0.04, desired_effort=0.7,
        density="medium",
    )  # fmt: skip
    reward = hamacher(grasp, in_place)
    held = (norm(obj_pos - tcp_pos) < 0.04) & (gripper_opening > 0.0)
    reward = torch.where(held, reward + 1.0 + 5.0 * in_place, reward)
    reward = torch.where(to_goal < RADIUS_M, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"grasp": grasp, "in_place": in_place})


class CoffeePush(MetaWorldTask):
    """Push the mug under the coffee machine, which stands elsewhere in each episode."""

    asset = "sawyer_coffee.xml"
    hand_init_pos = (0.0, 0.4, 0.2)
    goal_low = (-0.05, 0.7, -0.001)
    goal_high = (0.05, 0.75, 0.001)
    random_low = (-0.1, 0.55, -0.001, *goal_low)
    random_high = (0.1, 0.65, 0.001, *goal_high)
    can_refuse = True
    moved_bodies = ("coffee_machine",)
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("mug, at its foot", "Where the mug should go: under the machine's spout."),
        "machine_pos": position("Middle of the coffee machine's foot.", lambda t: t.body("coffee_machine"), fixed=True),
        **OUTCOME_FIELDS,
    }
    expert: FunctionReward | None = mug_reward
    radius_m = SUCCESS_M
    success_doc = "At some step the mug is within 7 cm of the goal."
    behaviours: tuple[Behaviour, ...] = (scripted("coffee_push"), NULL)

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the mug where the draw says, and the machine at the mug's goal."""
        # the mug's joint is the model's first, but what is stopped is the arm: officially so
        self.put_free(ids, drawn[:, :3], qpos_start=0)
        self.put(ids, "coffee_machine", self._under_spout(drawn) + drawn.new_tensor(_MUG_TO_MACHINE))

    def _under_spout(self, drawn: Tensor) -> Tensor:
        return drawn[:, 3:]

    def objects(self) -> tuple[Tensor, ...]:
        """Return the mug's pose."""
        return self.body("obj"), self.geom_quat("mug")


class CoffeePull(CoffeePush):
    """Pull the mug away from the coffee machine, under which it stands."""

    goal_low = (-0.1, 0.55, -0.001)
    goal_high = (0.1, 0.65, 0.001)
    random_low = (-0.05, 0.7, -0.001, *goal_low)
    random_high = (0.05, 0.75, 0.001, *goal_high)
    fields: Mapping[str, Field] = {
        **CoffeePush.fields,
        **object_fields("mug, at its foot", "Where the mug should go, away from the machine."),
    }
    behaviours: tuple[Behaviour, ...] = (scripted("coffee_pull"), NULL)

    def _under_spout(self, drawn: Tensor) -> Tensor:
        return drawn[:, :3]


@expert
def coffee_button_reward(
    obj_pos: Tensor, goal_pos: Tensor, tcp_pos: Tensor, init_tcp_pos: Tensor, gripper_opening: Tensor
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_coffee_button_v3.py (3.0.0), ``compute_reward``, version v2."""
    away = norm(obj_pos - tcp_pos)
    near = tolerance(away, 0.05, norm(obj_pos - init_tcp_pos))
    pressed = tolerance((goal_pos - obj_pos)[:, 1].abs(), 0.005, _BUTTON_M)
    reward = 2.0 * hamacher(gripper_opening, near)
    return RewardOutput(torch.where(away <= 0.05, reward + 8.0 * pressed, reward), {"near": near, "pressed": pressed})


class CoffeeButton(MetaWorldTask):
    """Press the button of the coffee machine, along y; a mug stands below it."""

    asset = "sawyer_coffee.xml"
    hand_init_pos = (0.0, 0.4, 0.2)
    goal_low = (-0.101, 0.61, 0.298)
    goal_high = (0.101, 0.71, 0.302)
    random_low = (-0.1, 0.8, -0.001)
    random_high = (0.1, 0.9, 0.001)
    moved_bodies = ("coffee_machine",)
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("button", "Where the button is when it is pressed in."),
        "press_depth": distance("How far the button is pressed in.", lambda t: t.joint("goal_slidey")),
        "mug_pos": position("Foot of the mug, which plays no part.", lambda t: t.body("obj")),
        **OUTCOME_FIELDS,
    }
    expert: FunctionReward | None = coffee_button_reward
    success_doc = "At some step the button is within 2 cm of the goal along y."
    behaviours: tuple[Behaviour, ...] = (scripted("coffee_button"), NULL)

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the machine where the draw says, and the mug under it."""
        self.put(ids, "coffee_machine", drawn)
        self.put_free(ids, drawn - drawn.new_tensor(_MUG_TO_MACHINE), qpos_start=0)

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """The goal is the button's place when pressed."""
        self.obj_init_pos[ids] = self.site("buttonStart")[ids]
        self.goal_pos[ids] = drawn + drawn.new_tensor((0.0, _BUTTON_M - 0.22, 0.3))

    def objects(self) -> tuple[Tensor, ...]:
        """Return the button's position; officially its orientation is the identity."""
        button = self.site("buttonStart")
        return button, button.new_tensor((1.0, 0.0, 0.0, 0.0)).expand(len(button), -1)

    def achieved(self) -> Tensor:
        """Return whether the button is pressed."""
        return (self.goal_pos[:, 1] - self.current[:, 5]).abs() <= 0.02
