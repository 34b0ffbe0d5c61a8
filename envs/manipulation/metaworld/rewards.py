"""The blocks of Meta-World's published rewards, batched.

After ``metaworld/utils/reward_utils.py`` and ``SawyerXYZEnv._gripper_caging_reward`` of metaworld 3.0.0; the shaping
functions were first published with dm_control (Tassa et al. 2018, arXiv:1801.00690).
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor

from envreward.rewards.function import FunctionReward

Sigmoid = Literal["long_tail", "gaussian"]
_AT_MARGIN = 0.1
_CAGED_M = 0.05
"""Distance of a pad to the object that counts as caged in `pinching`."""
_SCALE = {"long_tail": math.sqrt(1.0 / _AT_MARGIN - 1.0), "gaussian": math.sqrt(-2.0 * math.log(_AT_MARGIN))}


def norm(x: Tensor) -> Tensor:
    """Return the Euclidean length over the last dimension."""
    length: Tensor = torch.linalg.vector_norm(x, dim=-1)
    return length


def tolerance(x: Tensor, upper: float, margin: Tensor | float, *, lower: float = 0.0, sigmoid: Sigmoid = "long_tail"
              ) -> Tensor:  # fmt: skip
    """Return 1 where ``lower <= x <= upper``, else falling with the distance to 0.1 at ``margin``.

    Args:
        x: Any shape.
        upper: Upper bound.
        margin: Of ``x``'s shape or a number; 0 gives 0 outside of the bounds.
        lower: Lower bound.
        sigmoid: How it falls: ``1 / (1 + 9 d^2)`` for ``long_tail``, ``0.1^(d^2)`` for ``gaussian``, d in margins.
    """
    inside = (x >= lower) & (x <= upper)
    d = torch.where(x < lower, lower - x, x - upper) / margin
    d = d * _SCALE[sigmoid]
    value = 1.0 / (d * d + 1.0) if sigmoid == "long_tail" else torch.exp(-0.5 * d * d)
    return torch.where(inside, torch.ones_like(value), value)


def hamacher(a: Tensor, b: Tensor) -> Tensor:
    """Return the Hamacher product ``ab / (a + b - ab)`` of numbers in [0, 1]; 0 where both are 0."""
    product = a * b
    denominator = a + b - product
    return torch.where(denominator > 0, product / denominator, torch.zeros_like(product))


def caging(
    obj_pos: Tensor,
    left_pad_pos: Tensor,
    right_pad_pos: Tensor,
    tcp_pos: Tensor,
    init_tcp_pos: Tensor,
    obj_init_pos: Tensor,
    effort: Tensor,
    *,
    obj_radius: float,
    pad_success_thresh: float,
    xz_thresh: float,
    object_reach_radius: float = 0.01,
    desired_effort: float = 1.0,
    density: Literal["high", "medium", "none"] = "none",
) -> Tensor:
    """Return the reward for having the object between the closed fingers, ``[N]`` in [0, 1].

    Args:
        obj_pos: Object ``[N, 3]``, m, as all positions.
        left_pad_pos: The left finger's pad.
        right_pad_pos: The right finger's pad.
        tcp_pos: Tool centre point.
        init_tcp_pos: The same at the start of the episode.
        obj_init_pos: The object at the start of the episode.
        effort: The action that closes the fingers, ``[N]``.
        obj_radius: Radius of the object.
        pad_success_thresh: Distance of a pad to the object along y that counts as caged.
        xz_thresh: Distance of the tool centre point to the object in the x-z plane that counts as caged.
        object_reach_radius: Distance that counts as reached (for ``medium``).
        desired_effort: Effort that counts as closed.
        density: Whether the mean with caging alone (``high``) or with reaching (``medium``) is returned.
    """
    pads_y = torch.stack((left_pad_pos[:, 1], right_pad_pos[:, 1]), 1)
    from_object = (pads_y - obj_pos[:, 1:2]).abs()
    from_start = (pads_y - obj_init_pos[:, 1:2]).abs()
    each = tolerance(from_object, pad_success_thresh, (from_start - pad_success_thresh).abs(), lower=obj_radius)
    along_y = hamacher(each[:, 0], each[:, 1])
    xz_margin = norm((obj_init_pos - init_tcp_pos)[:, ::2]) - xz_thresh
    in_xz = tolerance(norm((tcp_pos - obj_pos)[:, ::2]), xz_thresh, xz_margin)
    caged = hamacher(along_y, in_xz)
    closed = effort.clamp(0.0, desired_effort) / desired_effort
    both = hamacher(caged, torch.where(caged > 0.97, closed, torch.zeros_like(closed)))
    if density == "high":
        both = (both + caged) / 2.0
    if density == "medium":
        margin = (norm(obj_init_pos - init_tcp_pos) - object_reach_radius).abs()
        both = (both + tolerance(norm(obj_pos - tcp_pos), object_reach_radius, margin)) / 2.0
    return both


def between_pads(
    obj_pos: Tensor, left_pad_pos: Tensor, right_pad_pos: Tensor, *, obj_radius: float, thresh: float
) -> Tensor:
    """Return how well the object lies between the pads along y, ``[N]`` in [0, 1]: the block of `pinching`.

    The margin is meant to grow with the distance to the pads' first position, but the official code keeps a view of
    the pads, not a copy, so it grows with the distance to where they are.
    """
    y = obj_pos[:, 1]
    gaps = torch.stack((left_pad_pos[:, 1] - y, y - right_pad_pos[:, 1]), 1)
    each = tolerance(gaps, thresh, (gaps.abs() - _CAGED_M).abs(), lower=obj_radius)
    return hamacher(each[:, 0], each[:, 1])


def pinching(
    obj_pos: Tensor,
    left_pad_pos: Tensor,
    right_pad_pos: Tensor,
    tcp_pos: Tensor,
    init_tcp_pos: Tensor,
    obj_init_pos: Tensor,
    effort: Tensor | None = None,
    *,
    obj_radius: float,
    xz_thresh: float,
    grip_slack: float = 0.0,
) -> Tensor:
    """Return the other reward for having the object between the fingers, ``[N]`` in [0, 1].

    Some tasks bring this instead of `caging`: the left pad must be left of the object and the right one right of it,
    and what counts as gripped is either the closing effort (as in ``sawyer_pick_place_v3.py``) or the pads' gap (as
    in ``sawyer_sweep_v3.py``).

    Args:
        obj_pos: Object ``[N, 3]``, m, as all positions.
        left_pad_pos: The left finger's pad.
        right_pad_pos: The right finger's pad.
        tcp_pos: Tool centre point.
        init_tcp_pos: The same at the start of the episode.
        obj_init_pos: The object at the start of the episode.
        effort: The action that closes the fingers, ``[N]``; ``None``: the pads' gap decides.
        obj_radius: Radius of the object.
        xz_thresh: Distance of the tool centre point to the object in the x-z plane that counts as caged.
        grip_slack: How much wider than the radius a pad's gap may be and count as gripped, without ``effort``.
    """
    along_y = between_pads(obj_pos, left_pad_pos, right_pad_pos, obj_radius=obj_radius, thresh=_CAGED_M)
    xz_margin = norm((obj_init_pos - init_tcp_pos)[:, ::2]) - xz_thresh
    in_xz = tolerance(norm((tcp_pos - obj_pos)[:, ::2]), xz_thresh, xz_margin)
    caged = hamacher(along_y, in_xz)
    if effort is not None:
        closed = effort.clamp(0.0, 1.0)
        gripped = hamacher(caged, torch.where(caged > 0.97, closed, torch.zeros_like(closed)))
    else:
        gap = between_pads(obj_pos, left_pad_pos, right_pad_pos, obj_radius=obj_radius, thresh=obj_radius + grip_slack)
        gripped = torch.where(caged > 0.95, gap, torch.zeros_like(gap))
    return (caged + gripped) / 2.0


def funnel(radius: Tensor, width: Tensor | float, slope: float, height: float) -> Tensor:
    """Return the floor of a funnel, m: 0 up to ``width`` from its axis, then ``slope log(radius - width) + height``.

    Tasks with walls around the object reward the hand for staying above such a floor.
    """
    outside = radius > width
    floor = slope * torch.log(torch.where(outside, radius - width, torch.ones_like(radius))) + height
    return torch.where(outside, floor, torch.zeros_like(floor))


def above(height: Tensor, floor: Tensor, margin: Tensor | float) -> Tensor:
    """Return 1 at a height down to 1 cm below the floor, less further below, ``[N]``."""
    return tolerance((floor - height).clamp_min(0.0), 0.01, margin)


def nearest_on_handle(obj_pos: Tensor, hand_pos: Tensor, half_length: float) -> Tensor:
    """Return the object's position, with the hand's x where that is closer than ``half_length``, ``[N, 3]``, m.

    `caging` takes the object for a sphere; this lets it hold for a handle along x.
    """
    x = torch.where((obj_pos[:, 0] - hand_pos[:, 0]).abs() < half_length, hand_pos[:, 0], obj_pos[:, 0])
    return torch.cat((x.unsqueeze(1), obj_pos[:, 1:]), 1)


def upright(quat: Tensor, ideal: tuple[float, ...], tolerated: float) -> Tensor:
    """Return 1 at the ideal quaternion ``[N, 4]``, falling linearly to 0 at a difference of ``tolerated``, ``[N]``.

    The difference is that of the numbers, a stand-in for the angle; q and -q, the same orientation, differ.
    """
    return (1.0 - norm(quat - quat.new_tensor(ideal)) / tolerated).clamp_min(0.0)


def expert(function: Any) -> FunctionReward:
    """Make a published reward of a function whose parameters are field names; its docstring says the source."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return FunctionReward(names, function, doc=" ".join(function.__doc__.split()))
