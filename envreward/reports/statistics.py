"""Statistics of few runs: interquartile mean, bootstrap intervals, Eureka's human-normalised score.

One number is one training run: the fitness of one policy, averaged over its evaluation episodes. Runs, not
episodes, are what is resampled, as the question is what another training with this reward would give.
Conventions follow Agarwal et al. 2021, "Deep RL at the edge of the statistical precipice" (arXiv:2108.13264)
and its library ``rliable``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Statistic: TypeAlias = Callable[[Array], Array]
"""Maps runs along the last axis, ``[..., n]``, to one number each, ``[...]``."""

RESAMPLES = 5000
"""Bootstrap resamples. The ends of a 95% interval then move by about 1% of its width between seeds."""


class Interval(NamedTuple):
    """A confidence interval."""

    low: float
    high: float


def mean(values: Any) -> Any:
    """Return the mean over the last axis."""
    return np.mean(np.asarray(values, dtype=np.float64), axis=-1)


def iqm(values: Any) -> Any:
    """Return the interquartile mean over the last axis: the mean of the middle half of the runs.

    ``int(0.25 n)`` runs are dropped at either end, as `scipy.stats.trim_mean` and ``rliable`` do; with fewer than
    four runs nothing is dropped and it equals the mean.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=-1)
    cut = int(0.25 * ordered.shape[-1])
    return ordered[..., cut : ordered.shape[-1] - cut].mean(axis=-1)


def bootstrap_interval(
    runs: Sequence[Sequence[float]] | Sequence[float],
    statistic: Statistic = mean,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval | None:
    """Return the stratified percentile-bootstrap interval of ``statistic``, or ``None`` where no interval exists.

    Args:
        runs: The runs of one task, or a sequence of tasks' runs; each task (stratum) is resampled on its own with
            replacement, and the statistic is taken over all of them together (Agarwal et al. 2021, section 4.1).
        statistic: What to bound.
        level: Coverage aimed at, 0 to 1. With few runs the true coverage is lower: about 0.9 with ten, less with three.
        resamples: Number of resamples.
        seed: Seeds the resampling.

    Returns:
        The interval, or ``None`` when a stratum holds fewer than two runs: spread is then unknown, not zero.
    """
    strata = _strata(runs)
    if not strata or any(len(stratum) < 2 for stratum in strata):
        return None
    rng = np.random.default_rng(seed)
    drawn = np.concatenate([_resample(stratum, resamples, rng) for stratum in strata], axis=-1)
    return _percentiles(statistic(drawn), level)


def difference_interval(
    first: Sequence[float],
    second: Sequence[float],
    statistic: Statistic = mean,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval | None:
    """Return the percentile-bootstrap interval of ``statistic(first) - statistic(second)``, each side resampled alone.

    ``None`` when either side holds fewer than two runs.
    """
    if min(len(first), len(second)) < 2:
        return None
    rng = np.random.default_rng(seed)
    one = _resample(np.asarray(first, dtype=np.float64), resamples, rng)
    two = _resample(np.asarray(second, dtype=np.float64), resamples, rng)
    return _percentiles(statistic(one) - statistic(two), level)


def probability_of_improvement(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return the chance that a random run of ``first`` beats one of ``second``, ties counting one half.

    The Mann-Whitney U statistic over its maximum (Agarwal et al. 2021, section 4.3). ``None`` when a side is empty.
    """
    if not len(first) or not len(second):
        return None
    one = np.asarray(first, dtype=np.float64)[:, None]
    two = np.asarray(second, dtype=np.float64)[None, :]
    return float(((one > two) + 0.5 * (one == two)).mean())


def permutation_p(first: Sequence[float], second: Sequence[float], *, resamples: int = 20_000, seed: int = 0) -> float:
    """Return the one-sided p-value of a permutation test that the mean of ``first`` is above that of ``second``.

    Fisher's test: of all ways to deal the runs to the two sides, the share in which the difference of means is as
    large as it is. It holds for any number of runs, where a bootstrap from few is too sure of itself. Exact up to
    ``resamples`` ways, else estimated from as many random ones (Phipson & Smyth 2010, equation 2).
    """
    pooled = np.asarray([*first, *second], dtype=np.float64)
    observed = pooled[: len(first)].sum()  # with sizes fixed, the sum of one side decides the difference of means
    slack = 1e-9 * np.abs(pooled).sum()
    ways = math.comb(len(pooled), len(first))
    if ways <= resamples:
        sums = [pooled[[*picks]].sum() for picks in itertools.combinations(range(len(pooled)), len(first))]
        return float(np.mean(np.asarray(sums) >= observed - slack))
    rng = np.random.default_rng(seed)
    sums = rng.permuted(np.tile(pooled, (resamples, 1)), axis=1)[:, : len(first)].sum(axis=1)
    return float((np.sum(sums >= observed - slack) + 1) / (resamples + 1))


def human_normalised_score(method: float | None, sparse: float | None, human: float | None) -> float | None:
    """Return Eureka's score ``(method - sparse) / |human - sparse|``: 0 is as good as sparse, 1 as good as human.

    Ma et al. 2023 (arXiv:2310.12931), section 4.1. ``None`` when one of the three was not measured, or when human
    and sparse score the same, where the ratio means nothing.
    """
    if method is None or sparse is None or human is None or human == sparse:
        return None
    return (method - sparse) / abs(human - sparse)


def _strata(runs: Sequence[Any]) -> list[Array]:
    if len(runs) and np.ndim(runs[0]) == 0:
        return [np.asarray(runs, dtype=np.float64)]
    return [np.asarray(stratum, dtype=np.float64) for stratum in runs]


def _resample(runs: Array, resamples: int, rng: np.random.Generator) -> Array:
    picks = rng.integers(len(runs), size=(resamples, len(runs)))
    drawn: Array = runs[picks]
    return drawn


def _percentiles(values: Array, level: float) -> Interval:
    low, high = np.percentile(values, [50 * (1 - level), 50 * (1 + level)])
    return Interval(float(low), float(high))
