"""Distances between canonical rewards: Pearson's, which EPIC uses, and that of vectors of length one, STARC's."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from envreward.errors import ConfigError, RewardError

Norm: TypeAlias = Literal["l1", "l2", "linf"]
"""Sum of absolute values, Euclidean length, largest absolute value."""

TRIVIAL = 1e-9
"""A canonical reward whose norm is below this share of the reward's own counts as zero: what is left is rounding."""

SINGLE = 1e-5
"""The same where rewards come in single precision. Shaping ``gamma Phi(s') - Phi(s)`` may be 100 times smaller than the
potential whose rounding it carries."""


def pearson_distance(
    first: Tensor,
    second: Tensor,
    weights: Tensor | None = None,
    *,
    scales: tuple[float, float] = (0.0, 0.0),
    trivial: float = TRIVIAL,
) -> float:
    """Return ``sqrt((1 - rho) / 2)``, with Pearson's correlation ``rho`` (Gleave et al. 2020, section 4).

    It is computed as half the distance of the two centred vectors of length one, which is the same number and does not
    lose the small ones to cancellation.

    Args:
        first: Canonical rewards of transitions, any shape.
        second: Those of the other reward, of the same shape.
        weights: Probability of each transition, of the same shape; equal by default.
        scales: Root mean squares of the rewards before they were canonicalised, by which rounding is told from reward.
        trivial: Share of its scale up to which what a canonical reward differs by counts as nothing.

    Returns:
        0 (one is a positive multiple of the other, up to a constant) to 1 (a negative one); 0.7071 without correlation.

    Raises:
        RewardError: One is constant over the transitions of non-zero weight, for which there is no correlation.
        ConfigError: The shapes differ.
    """
    if first.shape != second.shape or (weights is not None and weights.shape != first.shape):
        raise ConfigError(f"rewards of shapes {list(first.shape)} and {list(second.shape)} cannot be compared")
    mass = torch.ones(first.numel(), dtype=torch.float64) if weights is None else weights.double().flatten()
    mass = mass / mass.sum()
    one, two = (
        _centred_unit(values.double().flatten(), mass, scale, trivial)
        for values, scale in zip((first, second), scales, strict=True)
    )
    return min(float(torch.linalg.vector_norm(one - two)) / 2, 1.0)


def _centred_unit(values: Tensor, mass: Tensor, scale: float, trivial: float) -> Tensor:
    """Return values about their weighted mean, times the root of their weight, of length one."""
    centred = (values - (values * mass).sum()) * mass.sqrt()
    length = float(torch.linalg.vector_norm(centred))
    if length <= trivial * max(scale, float((values.square() * mass).sum().sqrt())):
        raise RewardError(
            "a reward is the same in all transitions once potential shaping is taken out, so it has no correlation "
            "with another.",
            fix="Compare rewards that tell good from bad transitions, or compare on more varied ones.",
        )
    return centred / length


def standardised_distance(
    first: Tensor,
    second: Tensor,
    *,
    norm: Norm = "l2",
    weights: Tensor | None = None,
    scales: tuple[float, float] = (0.0, 0.0),
    trivial: float = TRIVIAL,
) -> float:
    """Return half the distance of two canonical rewards after each was divided by its norm.

    Skalse et al. 2023, section 3, with the metric that the norm induces. Halved, as that of two vectors of length one
    is at most 2. A canonical reward that is zero is left as it is, as the paper has it: to another such reward its
    distance is 0, to any other 1/2.

    Args:
        first: Canonical rewards, any shape.
        second: Those of the other reward, of the same shape.
        norm: Which norm standardises and measures.
        weights: Non-negative weight of each entry, of the same shape; equal by default.
        scales: Norms of the rewards before they were canonicalised, by which rounding is told from reward.
        trivial: Share of its scale up to which a canonical reward counts as zero.

    Returns:
        0 to 1.

    Raises:
        ConfigError: The shapes differ, or there is no such norm.
    """
    if first.shape != second.shape or (weights is not None and weights.shape != first.shape):
        raise ConfigError(f"rewards of shapes {list(first.shape)} and {list(second.shape)} cannot be compared")
    units = []
    for values, scale in zip((first.double(), second.double()), scales, strict=True):
        length = norm_of(values, norm, weights)
        units.append(torch.zeros_like(values) if length <= trivial * scale or length == 0.0 else values / length)
    return min(norm_of(units[0] - units[1], norm, weights) / 2, 1.0)


def norm_of(values: Tensor, norm: Norm, weights: Tensor | None = None) -> float:
    """Return a norm of all entries together, each weighted.

    Raises:
        ConfigError: There is no such norm.
    """
    if norm not in get_args(Norm):
        raise ConfigError(f"unknown norm {norm!r}; known: {', '.join(get_args(Norm))}")
    mass = torch.ones_like(values) if weights is None else weights.to(values.dtype)
    if norm == "l1":
        return float((mass * values.abs()).sum())
    if norm == "l2":
        return float((mass * values.square()).sum().sqrt())
    return float((mass * values.abs()).max())
