"""Correlations over few policies, with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from envreward.agents.correlation import pearson, spearman

from .findings import Correlation, Interval

MIN_POLICIES = 4
"""Policies below which resampling them says nothing."""
_MIN_DEFINED = 0.9
"""Share of resamples that must have a correlation; with the same policy drawn throughout there is none."""


def correlate(
    first: Sequence[float | None], second: Sequence[float | None], *, resamples: int = 2000, seed: int = 0
) -> Correlation:
    """Return how two numbers per policy go together; policies without both are left out.

    The intervals are of the percentile bootstrap over policies (Efron & Tibshirani, *An Introduction to the Bootstrap*,
    1993, chapter 13). From few policies they are too narrow, as all bootstraps are.

    Args:
        first: A number per policy, or ``None``.
        second: Another number of each.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.
    """
    both = [(x, y) for x, y in zip(first, second, strict=True) if x is not None and y is not None]
    xs, ys = [x for x, _ in both], [y for _, y in both]
    return Correlation(
        policies=len(both),
        pearson=pearson(xs, ys),
        spearman=spearman(xs, ys),
        pearson_interval=_interval(pearson, xs, ys, resamples, seed),
        spearman_interval=_interval(spearman, xs, ys, resamples, seed),
    )


def _interval(
    statistic: Callable[[Sequence[float], Sequence[float]], float | None],
    xs: Sequence[float],
    ys: Sequence[float],
    resamples: int,
    seed: int,
) -> Interval | None:
    if len(xs) < MIN_POLICIES or statistic(xs, ys) is None:
        return None
    rng = np.random.default_rng(seed)
    first, second = np.asarray(xs), np.asarray(ys)
    drawn = []
    for picks in rng.integers(len(xs), size=(resamples, len(xs))):
        value = statistic(first[picks].tolist(), second[picks].tolist())
        if value is not None:
            drawn.append(value)
    if len(drawn) < _MIN_DEFINED * resamples:
        return None
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(float(low), float(high))
