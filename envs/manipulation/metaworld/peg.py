"""Pegs: insert one into the side of a box, pull one out of it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.sims import Sim
from envreward.task import Behaviour

from .base import MetaWorldTask
from .behaviours import NULL, scripted
from .fields import HAND_FIELDS, OUTCOME_FIELDS, object_fields, position, start
from .geometry import scipy_quat
from .rewards import caging, expert, hamacher, norm, tolerance

INSERTED_M = 0.07
"""Distance of the peg's head to the goal, with y and z counted twice, that counts as inserted."""
UNPLUGGED_M = 0.07
"""Distance of the plug's end to the goal that counts as unplugged."""
_PLUG_IN_BOX = (0.044, 0.0, 0.131)
_GOAL_IN_BOX = (0.03, 0.0, 0.13)
_BOX_TURN_RAD = 1.57
_AROUND_HOLE = (((0.1, -0.11, 0.01), (-0.1, -0.15, 0.096)), ((0.1, -0.11, 0.16), (-0.1, -0.17, 0.19)))
"""Opposite corners, in the box's own frame, of two prisms before its front, below and above the hole: the sites
``bottom_right_corner_collision_box_*`` and ``top_left_corner_collision_box_*`` of objects/assets/peg_block.xml."""


def _from_goal(corner: tuple[float, float, float]) -> tuple[float, ...]:
    """Return where a point of the box's frame lies as seen from the goal, m."""
    cos, sin = math.cos(_BOX_TURN_RAD), math.sin(_BOX_TURN_RAD)
    x, y, z = corner
    return tuple(a - b for a, b in zip((cos * x - sin * y, sin * x + cos * y, z), _GOAL_IN_BOX, strict=True))


_PRISMS = [[_from_goal(corner) for corner in corners] for corners in _AROUND_HOLE]


def _clear_of_prism(pos: Tensor, zero: Tensor, one: Tensor) -> Tensor:
    """Return 1 outside of the prism with these opposite corners; inside, the share of its volume behind ``pos``."""
    share = (pos - zero) / (one - zero)
    inside = ((share >= 0.0) & (share <= 1.0)).all(1)
    return torch.where(inside, share.prod(1), torch.ones_like(share[:, 0]))


@expert
def peg_insert_side_reward(
    obj_pos: Tensor,
    obj_init_pos: Tensor,
    peg_head_pos: Tensor,
    peg_head_settled_pos: Tensor,
    goal_pos: Tensor,
    tcp_pos: Tensor,
    init_tcp_pos: Tensor,
    left_pad_pos: Tensor,
    right_pad_pos: Tensor,
    gripper_opening: Tensor,
    action: Tensor,
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_peg_insertion_side_v3.py (3.0.0), ``compute_reward``, version v2."""
    scale = obj_pos.new_tensor((1.0, 2.0, 2.0))
    to_goal = norm((peg_head_pos - goal_pos) * scale)
    near_hole = tolerance(to_goal, INSERTED_M, norm((peg_head_settled_pos - goal_pos) * scale))
    lower, upper = (goal_pos + corners for corners in goal_pos.new_tensor(_PRISMS).unsqueeze(2).unbind(0))
    clear = hamacher(_clear_of_prism(peg_head_pos, *upper), _clear_of_prism(peg_head_pos, *lower))
    in_place = hamacher(near_hole, clear)
    grasp = caging(
        obj_pos, left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, obj_init_pos, action[:, 3],
        obj_radius=0.0075, pad_success_thresh=0.03, xz_thresh=0.005, density="high",
    )  # fmt: skip
    lifted = obj_pos[:, 2] - 0.01 > obj_init_pos[:, 2]
    held = (norm(obj_pos - tcp_pos) < 0.08) & (gripper_opening > 0.0) & lifted
    grasp = torch.where(held, torch.ones_like(grasp), grasp)
    reward = hamacher(grasp, in_place)
    reward = torch.where(held, reward + 1.0 + 5.0 * in_place, reward)
    reward = torch.where(to_goal <= INSERTED_M, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"grasp": grasp, "in_place": in_place, "clear": clear})


class PegInsertSide(MetaWorldTask):
    """Insert the peg into the hole in the side of the box."""

    asset = "sawyer_peg_insertion_side.xml"
    goal_low = (-0.32, 0.4, 0.129)
    goal_high = (-0.22, 0.7, 0.131)
    random_low = (0.0, 0.5, 0.02, -0.35, 0.4, -0.001)
    random_high = (0.2, 0.7, 0.02, -0.25, 0.7, 0.001)
    can_refuse = True
    moved_bodies = ("box",)
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields(
            "place at which the peg should be grasped", "Where the peg's head should be, in the hole.", part="peg"
        ),
        "obj_init_pos": start(
            "Position of the peg's middle at the start of the episode.", lambda t: t.obj_init_pos, "obj_pos"
        ),
        "peg_head_pos": position(
            "Position of the peg's head, which goes into the hole.", lambda t: t.head_pos(), part="peg"
        ),
        "peg_head_settled_pos": position(
            "Where the peg's head is in the model, before it is put to its start; scales the published reward.",
            lambda t: t.constant(t._settled_head), private=True,
        ),
        **OUTCOME_FIELDS,
    }  # fmt: skip
    expert: FunctionReward | None = peg_insert_side_reward
    success_doc = "At some step the peg's head is within 7 cm of the goal, with differences in y and z counted twice."
    behaviours: tuple[Behaviour, ...] = (scripted("peg_insertion_side"), NULL)

    def bind(self, sim: Sim) -> None:
        """Attach to a simulator and allocate per-world memory."""
        super().bind(sim)
        self._settled_head = self.current.new_tensor(self.settled.site("pegHead").xpos)
        self._grasp = self.id_of("site", "pegGrasp")
        self._scale = self.current.new_tensor((1.0, 2.0, 2.0))

    def refused(self, drawn: Tensor) -> Tensor:
        """Boxes closer than 10 cm to the peg (seen from above) are drawn again."""
        return norm(drawn[..., :2] - drawn[..., 3:5]) < 0.1

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put peg and box where the draw says."""
        self.put_free(ids, drawn[:, :3])
        self.put(ids, "box", drawn[:, 3:])

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """The goal is in the hole of the box."""
        self.obj_init_pos[ids] = drawn[:, :3]
        self.goal_pos[ids] = drawn[:, 3:] + drawn.new_tensor(_GOAL_IN_BOX)

    def objects(self) -> tuple[Tensor, ...]:
        """Return the pose of the place at which the peg should be grasped."""
        return self.site("pegGrasp"), scipy_quat(self.sim.site_xmat[:, self._grasp].reshape(-1, 3, 3))

    def head_pos(self) -> Tensor:
        """Return the position of the peg's head ``[N, 3]``, m, a view."""
        return self.site("pegHead")

    def achieved(self) -> Tensor:
        """Return whether the peg's head is in the hole."""
        return norm((self.head_pos() - self.goal_pos) * self._scale) <= INSERTED_M


@expert
def peg_unplug_side_reward(
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
    """Meta-World's reward: metaworld/envs/sawyer_peg_unplug_side_v3.py (3.0.0), ``compute_reward``, version v2."""
    to_goal = norm(obj_pos - goal_pos)
    in_place = tolerance(to_goal, 0.05, norm(obj_init_pos - goal_pos))
    grasp = caging(
        obj_pos, left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, obj_init_pos, action[:, 3],
        obj_radius=0.025, pad_success_thresh=0.05, xz_thresh=0.005, desired_effort=0.8, density="high",
    )  # fmt: skip
    pulled = (gripper_opening > 0.5) & (obj_pos[:, 0] - obj_init_pos[:, 0] > 0.015)
    held = pulled & (norm(obj_pos - tcp_pos) < 0.035)
    reward = torch.where(held, 1.0 + 2.0 * grasp + 5.0 * in_place, 2.0 * grasp)
    reward = torch.where(to_goal <= 0.05, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"grasp": grasp, "in_place": in_place})


class PegUnplugSide(MetaWorldTask):
    """Pull the plug out of the box, sideways.

    The plug may begin turning: while the arm settles, it falls against the box, and only its straight motion is stopped
    when it is put into the hole.
    """

    asset = "sawyer_peg_unplug_side.xml"
    goal_low = (-0.056, 0.6, 0.13)
    goal_high = (0.044, 0.8, 0.132)
    random_low = (-0.25, 0.6, -0.001)
    random_high = (-0.15, 0.8, 0.001)
    moved_bodies = ("box",)
    settles_each = True
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("plug's end, where it should be grasped", "Where the plug's end should be, out of the box."),
        **OUTCOME_FIELDS,
    }
    expert: FunctionReward | None = peg_unplug_side_reward
    radius_m = UNPLUGGED_M
    success_doc = "At some step the plug's end is within 7 cm of the goal."
    behaviours: tuple[Behaviour, ...] = (scripted("peg_unplug_side"), NULL)

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the box where the draw says, and the plug into it."""
        self.put(ids, "box", drawn)
        self.put_free(ids, drawn + drawn.new_tensor(_PLUG_IN_BOX), qvel=slice(9, 12))
        self.sim.qpos[ids, 12:16] = drawn.new_tensor((1.0, 0.0, 0.0, 0.0))

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """The goal is 15 cm from the plug's middle, outwards."""
        self.obj_init_pos[ids] = self.site("pegEnd")[ids]
        self.goal_pos[ids] = drawn + drawn.new_tensor(_PLUG_IN_BOX) + drawn.new_tensor((0.15, 0.0, 0.0))

    def objects(self) -> tuple[Tensor, ...]:
        """Return the position of the plug's end and the plug's orientation."""
        return self.site("pegEnd"), self.body_quat("plug1")
