"""Move a puck from one bin to the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.sims import Sim
from envreward.task import Behaviour

from .base import MetaWorldTask
from .behaviours import NULL, scripted
from .fields import HAND_FIELDS, OUTCOME_FIELDS, distance, object_fields, position
from .rewards import above, caging, expert, funnel, hamacher, norm, tolerance

RADIUS_M = 0.05
BIN_HEIGHT_M = 0.06
"""Height of the bins' walls: metaworld/assets/objects/assets/binA.xml (3.0.0)."""
_FUNNEL = (0.03, 0.02, 0.2)


@expert
def bin_picking_reward(
    hand_pos: Tensor,
    obj_pos: Tensor,
    obj_init_pos: Tensor,
    goal_pos: Tensor,
    first_distance: Tensor,
    tcp_pos: Tensor,
    init_tcp_pos: Tensor,
    left_pad_pos: Tensor,
    right_pad_pos: Tensor,
    gripper_opening: Tensor,
    action: Tensor,
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_bin_picking_v3.py (3.0.0), ``compute_reward``, version v2."""
    to_goal = norm(obj_pos - goal_pos)
    in_place = tolerance(to_goal, RADIUS_M, first_distance)
    # two funnels, around the puck's first place and around the goal, keep the hand from running into the bins
    floor = torch.minimum(*(funnel(norm((hand_pos - axis)[:, :2]), *_FUNNEL) for axis in (obj_init_pos, goal_pos)))
    above_floor = above(hand_pos[:, 2], floor, 0.05)
    grasp = caging(
        obj_pos, left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, obj_init_pos, action[:, 3],
        obj_radius=0.015, pad_success_thresh=0.05, xz_thresh=0.01, desired_effort=0.7, density="high",
    )  # fmt: skip
    reward = hamacher(grasp, in_place)
    lifted = obj_pos[:, 2] - 0.02 > obj_init_pos[:, 2]
    held = (norm(obj_pos - hand_pos) < 0.04) & lifted & (gripper_opening >= 0.43)
    reward = torch.where(held, reward + 1.0 + 5.0 * hamacher(above_floor, in_place), reward)
    reward = torch.where(to_goal < RADIUS_M, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"grasp": grasp, "in_place": in_place, "above_floor": above_floor})


class BinPicking(MetaWorldTask):
    """Grasp the puck in one bin and put it into the middle of the other one."""

    asset = "sawyer_bin_picking.xml"
    hand_low = (-0.5, 0.40, 0.07)
    goal_low = (0.1199, 0.699, -0.001)
    goal_high = (0.1201, 0.701, 0.001)
    random_low = (-0.21, 0.65, 0.02, *goal_low)
    random_high = (-0.03, 0.75, 0.02, *goal_high)
    memory: ClassVar[tuple[str, ...]] = (*MetaWorldTask.memory, "first_distance")
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("puck (a cube)", "Middle of the other bin, on the table."),
        "start_bin_pos": position(
            "Middle of the bin in which the puck starts.", lambda t: t.body("bin_start"), fixed=True
        ),
        "bin_height": distance(
            "Height of the bins' walls.",
            lambda t: t.constant(t.current.new_tensor([BIN_HEIGHT_M]))[:, 0],
            fixed=True,
        ),
        "first_distance": Field(
            "Distance of the puck to the goal after the episode's first step; -1 before that.",
            unit="m", private=True, read=lambda t: t.first_distance,
        ),
        **OUTCOME_FIELDS,
    }  # fmt: skip
    expert: FunctionReward | None = bin_picking_reward
    radius_m = RADIUS_M
    success_doc = "At some step the puck is within 5 cm of the middle of the other bin."
    behaviours: tuple[Behaviour, ...] = (scripted("bin_picking"), NULL)

    def bind(self, sim: Sim) -> None:
        """Attach to a simulator and allocate per-world memory."""
        super().bind(sim)
        self.first_distance = self.current.new_zeros(sim.num_worlds)
        """Distance of the puck to the goal after the episode's first step, -1 before that, ``[N]``, m."""

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the puck where the draw says, at the height at which it has settled."""
        self.put_free(ids, self.settled_height(drawn[:, :2]))

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """The goal is the other bin; what was drawn for it is not used."""
        self.obj_init_pos[ids] = self.settled_height(drawn[:, :2])
        self.goal_pos[ids] = self.body("bin_goal")[ids]
        self.first_distance[ids] = -1.0

    def update(self) -> None:
        """Remember what was observed before the step, and how far the puck was after the first one."""
        super().update()
        to_goal = norm(self.observed(4, 7) - self.goal_pos)
        self.first_distance = torch.where(self.first_distance < 0.0, to_goal, self.first_distance)

    def objects(self) -> tuple[Tensor, ...]:
        """Return the puck's pose."""
        return self.body("obj"), self.body_quat("obj")
