"""Correlation, rank correlation and area under the curve, and where they do not exist."""

from __future__ import annotations

import statistics

import pytest

from envreward.agents.correlation import area_under_curve, pearson, ranks, spearman


def test_correlations() -> None:
    """Pearson's is the standard library's; Spearman's is that of ranks, of which equal values share the mean."""
    x, y = [1.0, 2.0, 2.0, 5.0, -3.0, 2.0], [0.0, 1.0, 0.0, 1.0, 0.5, 1.0]
    rank_x, rank_y = [2.0, 4.0, 4.0, 6.0, 1.0, 4.0], [1.5, 5.0, 1.5, 5.0, 3.0, 5.0]
    assert ranks(x).tolist() == rank_x and ranks(y).tolist() == rank_y
    assert pearson(x, y) == pytest.approx(statistics.correlation(x, y))
    assert spearman(x, y) == pytest.approx(statistics.correlation(rank_x, rank_y))
    assert pearson([1e200, -1e200, 0.0], [1.0, -1.0, 0.0]) == pytest.approx(1.0)


def test_area_under_the_curve() -> None:
    """The share of pairs in the right order, a tie counting one half."""
    scores, positive = [0.1, 0.4, 0.4, 0.9, 0.2], [False, True, False, True, False]
    pairs = [
        (p, n)
        for p, a in zip(scores, positive, strict=True)
        if a
        for n, b in zip(scores, positive, strict=True)
        if not b
    ]
    expected = sum(1.0 if p > n else 0.5 if p == n else 0.0 for p, n in pairs) / len(pairs)
    assert area_under_curve(scores, positive) == pytest.approx(expected)
    assert area_under_curve([0.0, 0.0], [True, False]) == 0.5


def test_what_does_not_exist_is_none() -> None:
    """No spread, a single pair, or no negatives: undefined, not zero."""
    assert pearson([1.0], [1.0]) is None and pearson([1.0, 1.0], [0.0, 1.0]) is None
    assert spearman([0.1 + 0.2, 0.3 - 0.0], [1.0, 1.0]) is None
    assert area_under_curve([1.0, 2.0], [True, True]) is None and area_under_curve([], []) is None
