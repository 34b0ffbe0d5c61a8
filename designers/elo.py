"""Elo: ratings from comparisons, two at a time (Elo 1978, "The Rating of Chessplayers, Past and Present").

As in human_feedback/elo_scoring.py of REvolve's release (github.com/RishiHazra/Revolve, commit b072271): everyone
begins at 1500, a rating moves by ``32 (result - expected)`` with ``expected = 1 / (1 + 10^((other - own) / 400))``,
and comparisons count in the order in which they were made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

K = 32.0
INITIAL = 1500.0
_SPREAD = 400.0


class Comparison(NamedTuple):
    """What came of comparing two."""

    first: str
    second: str
    result: float
    """1: the first is better; 0: the second; 0.5: neither."""


def expected(own: float, other: float) -> float:
    """Return the result that two ratings promise the one called ``own``, in (0, 1)."""
    return float(1.0 / (1.0 + 10.0 ** ((other - own) / _SPREAD)))


def ratings(comparisons: Iterable[Comparison]) -> dict[str, float]:
    """Return everyone's rating after all comparisons, in order of first appearance."""
    found: dict[str, float] = {}
    for first, second, result in comparisons:
        a, b = found.setdefault(first, INITIAL), found.setdefault(second, INITIAL)
        found[first] = a + K * (result - expected(a, b))
        found[second] = b + K * ((1.0 - result) - expected(b, a))
    return found


def to_unit(scores: Mapping[str, float]) -> dict[str, float]:
    """Return scores moved and scaled to [0, 1]; all 0 where they are equal, for which the release divides by 0."""
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    return {key: (value - low) / (high - low) if high > low else 0.0 for key, value in scores.items()}
