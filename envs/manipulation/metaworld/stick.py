"""A stick as a tool: push or pull a thermos flask with it."""

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
from .fields import GRASPED, HAND_FIELDS, OUTCOME_FIELDS, position, start
from .geometry import scipy_quat
from .models import Vector
from .rewards import caging, expert, hamacher, norm, tolerance

SUCCESS_M = 0.12
"""Distance of the container to the goal that counts as success."""
_STICK_HEIGHT_M = 0.02
_HANDLE_TO_MIDDLE = (0.0, 0.09, 0.0)


@expert
def stick_push_reward(
    stick_pos: Tensor,
    stick_init_pos: Tensor,
    container_pos: Tensor,
    container_init_pos: Tensor,
    goal_pos: Tensor,
    tcp_pos: Tensor,
    init_tcp_pos: Tensor,
    left_pad_pos: Tensor,
    right_pad_pos: Tensor,
    gripper_opening: Tensor,
    action: Tensor,
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_stick_push_v3.py (3.0.0), ``compute_reward``, version v2."""
    grip = stick_pos + stick_pos.new_tensor((0.015, 0.0, 0.0))
    stick_in_place = tolerance(norm(grip - goal_pos), SUCCESS_M, norm(stick_init_pos - goal_pos) - SUCCESS_M)
    to_goal = norm(container_pos - goal_pos)
    in_place = tolerance(to_goal, SUCCESS_M, norm(container_init_pos - goal_pos) - SUCCESS_M)
    grasp = caging(
        grip, left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, stick_init_pos, action[:, 3],
        obj_radius=0.04, pad_success_thresh=0.05, xz_thresh=0.01, density="high",
    )  # fmt: skip
    lifted = grip[:, 2] - 0.01 > stick_init_pos[:, 2]
    held = (norm(grip - tcp_pos) < 0.02) & (gripper_opening > 0.0) & lifted
    reward = torch.where(held, 2.0 + 5.0 * stick_in_place + 3.0 * in_place, grasp)
    reward = torch.where(held & (to_goal <= SUCCESS_M), torch.full_like(reward, 10.0), reward)
    grasp = torch.where(held, torch.ones_like(grasp), grasp)
    return RewardOutput(reward, {"grasp": grasp, "stick_in_place": stick_in_place, "in_place": in_place})


def inserted(stick_end_pos: Tensor, handle_pos: Tensor) -> Tensor:
    """Return whether the stick's end has passed through the handle's eye, bool ``[N]``; positions ``[N, 3]``, m."""
    beyond, beside, above = (stick_end_pos - handle_pos).unbind(1)
    return (beyond >= 0.0) & (beside.abs() <= 0.04) & (above.abs() <= 0.06)


@expert
def stick_pull_reward(
    stick_pos: Tensor,
    stick_init_pos: Tensor,
    stick_end_pos: Tensor,
    handle_pos: Tensor,
    container_init_pos: Tensor,
    goal_pos: Tensor,
    tcp_pos: Tensor,
    init_tcp_pos: Tensor,
    left_pad_pos: Tensor,
    right_pad_pos: Tensor,
    gripper_opening: Tensor,
    action: Tensor,
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_stick_pull_v3.py (3.0.0), ``compute_reward``, version v2."""
    radius = 0.05
    beyond_handle = handle_pos.new_tensor((0.05, 0.0, 0.0))
    scale = handle_pos.new_tensor((1.0, 1.0, 2.0))
    container = handle_pos + beyond_handle
    margin = norm((stick_init_pos - (container_init_pos + beyond_handle)) * scale)
    stick_at_container = tolerance(norm((stick_pos - container) * scale), radius, margin)
    stick_at_goal = tolerance(norm(stick_pos - goal_pos), radius, norm(stick_init_pos - goal_pos))
    in_place = tolerance(norm(container - goal_pos), radius, norm(container_init_pos - goal_pos))
    grasp = caging(  # measured from the container's start, not the stick's, as officially
        stick_pos, left_pad_pos, right_pad_pos, tcp_pos, init_tcp_pos, container_init_pos, action[:, 3],
        obj_radius=0.014, pad_success_thresh=0.05, xz_thresh=0.01, density="high",
    )  # fmt: skip
    lifted = stick_pos[:, 2] - 0.01 > stick_init_pos[:, 2]
    held = (norm(stick_pos - tcp_pos) < 0.02) & (gripper_opening > 0.0) & lifted
    grasp = torch.where(held, torch.ones_like(grasp), grasp)
    both = hamacher(grasp, stick_at_container)
    hooked = held & inserted(stick_end_pos, handle_pos)
    reward = torch.where(held, 1.0 + both + 5.0 * stick_at_container, both)
    reward = torch.where(hooked, 6.0 + both + 2.0 * stick_at_goal + in_place, reward)
    done = hooked & (norm(handle_pos - goal_pos) <= SUCCESS_M)
    reward = torch.where(done, torch.full_like(reward, 10.0), reward)
    return RewardOutput(reward, {"grasp": grasp, "stick_in_place": stick_at_container, "in_place": in_place})


def _stick_fields(container: str) -> dict[str, Field]:
    """Return the fields of the stick and of where the container, whose position is the field of this name, began."""
    return {
        "stick_pos": position("Position of the stick's middle.", lambda t: t.observed(4, 7), part="stick"),
        "stick_init_pos": start(
            "Position of the stick at the start of the episode.", lambda t: t.obj_init_pos, "stick_pos"
        ),
        "stick_end_pos": position("Position of the stick's far end.", lambda t: t.site("stick_end"), part="stick"),
        "container_init_pos": start(
            "Position of the container's foot at the start of the episode.", lambda t: t.container_init_pos, container
        ),
    }


class StickPush(MetaWorldTask):
    """Grasp the stick and push the container with it."""

    asset = "sawyer_stick_obj.xml"
    goal_low = (0.399, 0.55, 0.1319)
    goal_high = (0.401, 0.6, 0.1321)
    random_low = (-0.08, 0.58, 0.0, *goal_low)
    random_high = (-0.03, 0.62, 0.001, *goal_high)
    can_refuse = True
    grasped_geom = "objGeom"
    container_at: ClassVar[Vector] = (0.0, 0.0)
    """Positions of the container's two slide joints at the start, m."""
    memory = (*MetaWorldTask.memory, "container_init_pos")
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **_stick_fields("container_pos"),
        "container_pos": position("Middle of the container, as high as its handle.", lambda t: t.observed(11, 14)),
        "goal_pos": position("Where the middle of the container should go.", lambda t: t.goal_pos, fixed=True),
        **GRASPED,
        **OUTCOME_FIELDS,
    }  # fmt: skip
    expert: FunctionReward | None = stick_push_reward
    success_doc = (
        "At some step the container is within 12 cm of the goal while both fingers press on the stick, 1 cm or more "
        "above its start."
    )
    behaviours: tuple[Behaviour, ...] = (scripted("stick_push"), NULL)

    def bind(self, sim: Sim) -> None:
        """Attach to a simulator and allocate per-world memory."""
        super().bind(sim)
        self.container_init_pos = self.goal_pos.clone()
        """Where the container's body was at the start of the episode, ``[N, 3]``, m."""
        self._to_middle = self.current.new_tensor(_HANDLE_TO_MIDDLE)
        self._no_quat = self.current.new_zeros((len(self.current), 4))
        self._stick = self.id_of("body", "stick")

    def refused(self, drawn: Tensor) -> Tensor:
        """Goals closer than 10 cm to the stick (seen from above) are drawn again."""
        return norm(drawn[..., :2] - drawn[..., 3:5]) < 0.1

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the stick where the draw says, and the container to its start."""
        self.put_free(ids, self._at(drawn[:, :2], _STICK_HEIGHT_M))
        self.sim.qpos[ids, 16:18] = drawn.new_tensor(self.container_at)
        self.sim.qvel[ids, 16] = 0.0  # not 15, the container's motion along x: the official code stops 16 and 17

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """Take the goal from the draw, at the height of the container's handle."""
        self._remember(ids, drawn)
        self.goal_pos[ids] = self._at(drawn[:, 3:5], float(self.settled.site("insertion").xpos[2]))

    def _remember(self, ids: Tensor, drawn: Tensor) -> None:
        self.obj_init_pos[ids] = self._at(drawn[:, :2], _STICK_HEIGHT_M)
        self.container_init_pos[ids] = self.body("object")[ids]

    @staticmethod
    def _at(xy: Tensor, height: float) -> Tensor:
        return torch.cat((xy, xy.new_full((len(xy), 1), height)), 1)

    def objects(self) -> tuple[Tensor, ...]:
        """Return the stick's pose and the container's position, without orientation."""
        quat = scipy_quat(self.sim.xmat[:, self._stick].reshape(-1, 3, 3))
        return self.body("stick"), quat, self.container_pos(), self._no_quat

    def container_pos(self) -> Tensor:
        """Return what is observed of the container: its middle at the height of its handle, ``[N, 3]``, m."""
        return self.site("insertion") + self._to_middle

    def achieved(self) -> Tensor:
        """Return whether the container is at the goal and the stick in the gripper."""
        current = self.current
        at_goal = norm(current[:, 11:14] - self.goal_pos) <= SUCCESS_M
        lifted = current[:, 6] - 0.01 > self.obj_init_pos[:, 2]
        return at_goal & lifted & (current[:, 3] > 0.0) & self.grasped()


class StickPull(StickPush):
    """Grasp the stick, put it through the eye of the container's handle and pull the container with it."""

    hand_low = (-0.5, 0.35, 0.05)
    goal_low = (0.35, 0.45, 0.0199)
    goal_high = (0.45, 0.55, 0.0201)
    random_low = (-0.1, 0.55, 0.0, *goal_low)
    random_high = (0.0, 0.65, 0.001, *goal_high)
    container_at = (0.0, 0.09)
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **_stick_fields("handle_pos"),
        "handle_pos": position("Position of the container's handle.", lambda t: t.observed(11, 14)),
        "goal_pos": position(
            "Where the container's handle should go, seen from above.", lambda t: t.goal_pos, fixed=True
        ),
        **GRASPED,
        **OUTCOME_FIELDS,
    }
    expert = stick_pull_reward
    success_doc = "At some step the container's handle is within 12 cm of the goal while the stick is put through it."
    behaviours = (scripted("stick_pull"), NULL)

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """Take the goal from the draw, at the height of the stick."""
        self._remember(ids, drawn)
        self.goal_pos[ids] = self._at(drawn[:, 3:5], _STICK_HEIGHT_M)

    def container_pos(self) -> Tensor:
        """Return what is observed of the container: its handle, ``[N, 3]``, m, a view."""
        return self.site("insertion")

    def achieved(self) -> Tensor:
        """Return whether the container's handle is at the goal and the stick through it."""
        handle = self.current[:, 11:14]
        return (norm(handle - self.goal_pos) <= SUCCESS_M) & inserted(self.site("stick_end"), handle)
