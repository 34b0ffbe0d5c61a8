"""Windows: slide one open or shut by its handle."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.task import Behaviour

from .base import MetaWorldTask
from .behaviours import NULL, scripted
from .fields import HAND_FIELDS, OUTCOME_FIELDS, distance, object_fields
from .models import single
from .rewards import Sigmoid, expert, hamacher, norm, tolerance

WIDTH_M = 0.2
"""How far the window slides."""
RADIUS_M = 0.05
"""Distance to the goal along x that counts as success."""


def _slide(
    obj_pos: Tensor, obj_init_pos: Tensor, goal_pos: Tensor, tcp_pos: Tensor, init_tcp_pos: Tensor, *,
    margin: Tensor | float, reach_sigmoid: Sigmoid,
) -> RewardOutput:  # fmt: skip
    in_place = tolerance((obj_pos - goal_pos)[:, 0].abs(), RADIUS_M, margin)
    reach_margin = (norm(obj_init_pos - init_tcp_pos) - 0.02).abs()
    reach = tolerance(norm(obj_pos - tcp_pos), 0.02, reach_margin, sigmoid=reach_sigmoid)
    return RewardOutput(10.0 * hamacher(reach, in_place), {"reach": reach, "in_place": in_place})


@expert
def window_open_reward(
    obj_pos: Tensor, obj_init_pos: Tensor, goal_pos: Tensor, tcp_pos: Tensor, init_tcp_pos: Tensor
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_window_open_v3.py (3.0.0), ``compute_reward``, version v2."""
    return _slide(
        obj_pos, obj_init_pos, goal_pos, tcp_pos, init_tcp_pos, margin=WIDTH_M - RADIUS_M, reach_sigmoid="long_tail"
    )


@expert
def window_close_reward(
    obj_pos: Tensor, obj_init_pos: Tensor, goal_pos: Tensor, tcp_pos: Tensor, init_tcp_pos: Tensor
) -> RewardOutput:
    """Meta-World's reward: metaworld/envs/sawyer_window_close_v3.py (3.0.0), ``compute_reward``, version v2."""
    margin = ((obj_init_pos - goal_pos)[:, 0].abs() - RADIUS_M).abs()
    return _slide(obj_pos, obj_init_pos, goal_pos, tcp_pos, init_tcp_pos, margin=margin, reach_sigmoid="gaussian")


class _Window(MetaWorldTask):
    """What both tasks share: the frame stands elsewhere in each episode, its handle moves along x."""

    asset = "sawyer_window_horizontal.xml"
    goal_low = MetaWorldTask.hand_low
    goal_high = MetaWorldTask.hand_high
    hand_init_pos = single(0.0, 0.4, 0.2)
    moved_bodies = ("window",)
    forward_at_reset = False
    success_doc = "At some step the handle's x is within 5 cm of the goal's."
    handle_site: str
    """The side of the handle to push on."""

    def place(self, ids: Tensor, drawn: Tensor) -> None:
        """Put the window where the draw says."""
        self.put(ids, "window", drawn)

    def objects(self) -> tuple[Tensor, ...]:
        """Return the handle's position; officially its orientation is zeros."""
        handle = self.site(self.handle_site)
        return handle, handle.new_zeros((len(handle), 4))

    def achieved(self) -> Tensor:
        """Return whether the handle is at the goal."""
        return (self.current[:, 4] - self.goal_pos[:, 0]).abs() <= RADIUS_M


_WINDOW_POS = distance("Displacement of the window along x: 0 closed, 0.2 open.", lambda t: t.joint("window_slide"))


class WindowOpen(_Window):
    """Slide the window open, to the right."""

    random_low = (-0.1, 0.7, 0.16)
    random_high = (0.1, 0.9, 0.16)
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("left side of the window's handle", "Where the handle should be: its x alone counts."),
        "window_pos": _WINDOW_POS,
        **OUTCOME_FIELDS,
    }
    expert: FunctionReward | None = window_open_reward
    behaviours: tuple[Behaviour, ...] = (scripted("window_open"), NULL)
    handle_site = "handleOpenStart"

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """The goal lies to the right of the window."""
        self.joint("window_slide")[ids] = 0.0
        self.obj_init_pos[ids] = self.site(self.handle_site)[ids]
        self.goal_pos[ids] = drawn + drawn.new_tensor((WIDTH_M, 0.0, 0.0))


class WindowClose(_Window):
    """Slide the window shut, to the left."""

    random_low = (0.0, 0.75, 0.2)
    random_high = (0.0, 0.9, 0.2)
    fields: Mapping[str, Field] = {
        **HAND_FIELDS,
        **object_fields("right side of the window's handle", "Where the handle should be: its x alone counts."),
        "window_pos": _WINDOW_POS,
        **OUTCOME_FIELDS,
    }
    expert: FunctionReward | None = window_close_reward
    behaviours: tuple[Behaviour, ...] = (scripted("window_close"), NULL)
    handle_site = "handleCloseStart"

    def begin(self, ids: Tensor, drawn: Tensor) -> None:
        """The goal is the closed window's place.

        Officially nothing is computed after the window was opened, so an episode's first observation still shows its
        handle where it is when closed; here too, the joint is set after the derived fields were computed.
        """
        self.obj_init_pos[ids] = self.site(self.handle_site)[ids]
        self.obj_init_pos[ids, 0] += WIDTH_M
        self.goal_pos[ids] = drawn
        self.joint("window_slide")[ids] = WIDTH_M
