"""Statistics: the published formulas, by numbers worked out by hand or by exact enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from envreward.reports.statistics import (
    bootstrap_interval,
    difference_interval,
    human_normalised_score,
    iqm,
    mean,
    permutation_p,
    probability_of_improvement,
)


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 100], 3.5),  # two off at either end: (2 + 3 + 4 + 5) / 4
        ([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], 5.5),  # int(2.5) = 2 off at either end, whatever the order
        ([1, 2, 3, 4, 100], 3.0),  # one off at either end
        ([1, 2, 6], 3.0),  # int(0.75) = 0: nothing off
        ([7], 7.0),
    ],
)
def test_iqm_drops_a_quarter_at_either_end(runs: list[float], expected: float) -> None:
    """The interquartile mean is scipy's 25% trimmed mean, which rliable uses."""
    assert iqm(runs) == pytest.approx(expected)


def test_iqm_works_along_the_last_axis() -> None:
    """A batch of resamples gives one number each."""
    assert iqm(np.array([[0.0, 1, 2, 9], [4, 4, 4, 4]])).tolist() == [1.5, 4.0]


def test_bootstrap_agrees_with_exact_enumeration() -> None:
    """The interval's ends are percentiles of the distribution over all n^n resamples."""
    runs = [1.0, 4.0, 6.0, 11.0]
    exact = [sum(draw) / 4 for draw in itertools.product(runs, repeat=4)]
    low, high = np.percentile(exact, [2.5, 97.5])
    interval = bootstrap_interval(runs, resamples=40_000)
    assert interval is not None
    assert interval == pytest.approx((low, high), abs=0.3)
    assert interval.low > min(runs) and interval.high < max(runs)


def test_bootstrap_of_many_runs_agrees_with_the_normal_interval() -> None:
    """With many runs it is the mean plus and minus 1.96 standard errors."""
    runs = np.random.default_rng(3).normal(50, 10, 400)
    half = 1.96 * runs.std() / math.sqrt(400)
    interval = bootstrap_interval(runs.tolist())
    assert interval == pytest.approx((runs.mean() - half, runs.mean() + half), abs=0.1)


def test_bootstrap_covers_what_it_claims() -> None:
    """Of 400 samples of 20 normal runs, about 93% of the intervals hold the true mean (slightly under 95, as known)."""
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(400):
        interval = bootstrap_interval(rng.normal(0, 1, 20).tolist(), resamples=500, seed=trial)
        assert interval is not None
        hits += interval.low <= 0 <= interval.high
    assert 0.90 <= hits / 400 <= 0.97


def test_bootstrap_resamples_each_task_on_its_own() -> None:
    """Two tasks without spread have an interval without width: runs never move between tasks."""
    assert bootstrap_interval([[1.0, 1.0], [3.0, 3.0]]) == (2.0, 2.0)


def test_bootstrap_takes_the_statistic_it_is_given() -> None:
    """The interval of the interquartile mean ignores an outlier that the mean's does not."""
    runs = [10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 500.0]
    robust, plain = bootstrap_interval(runs, iqm), bootstrap_interval(runs, mean)
    assert robust is not None and plain is not None
    assert plain.high > 150 > robust.high


def test_bootstrap_depends_on_its_seed_alone() -> None:
    """Same seed, same interval; another seed, nearly the same."""
    runs = [1.0, 2.0, 5.0, 9.0, 4.0]
    first, again, other = (bootstrap_interval(runs, seed=s) for s in (1, 1, 2))
    assert first == again and first != other
    assert first == pytest.approx(other, abs=0.3)


@pytest.mark.parametrize("runs", [[], [3.0], [[1.0, 2.0], [3.0]]])
def test_no_interval_from_one_run(runs: list[float]) -> None:
    """The spread of a single run is unknown, not zero."""
    assert bootstrap_interval(runs) is None


def test_difference_interval_agrees_with_exact_enumeration() -> None:
    """Both sides are resampled on their own."""
    one, two = [5.0, 9.0, 7.0], [1.0, 2.0, 6.0]
    means = [[sum(draw) / 3 for draw in itertools.product(side, repeat=3)] for side in (one, two)]
    low, high = np.percentile([a - b for a in means[0] for b in means[1]], [2.5, 97.5])
    assert difference_interval(one, two, resamples=40_000) == pytest.approx((low, high), abs=0.35)
    assert difference_interval(one, [1.0]) is None


def test_probability_of_improvement_is_mann_whitneys_u() -> None:
    """Of the six pairs of (1, 2, 3) and (2, 2) two are wins and two are ties: 3 / 6; of (5, 1) and (0, 3), 3 / 4."""
    assert probability_of_improvement([1, 2, 3], [2, 2]) == pytest.approx(0.5)
    assert probability_of_improvement([5, 1], [0, 3]) == pytest.approx(0.75)
    assert probability_of_improvement([], [1]) is None


@pytest.mark.parametrize(
    ("first", "second", "ways"),
    [
        ([4, 5, 6], [1, 2, 3], 1),  # only this dealing of 20 gives 4 + 5 + 6
        ([4, 5, 3], [1, 2, 6], 7),  # sums of 12 and more of three out of 1..6: 156 246 256 345 346 356 456
        ([1, 2, 3], [4, 5, 6], 20),
        ([1, 1, 1], [1, 1, 1], 20),
    ],
)
def test_permutation_test_counts_dealings(first: list[float], second: list[float], ways: int) -> None:
    """With three runs a side, p is the number of the 20 dealings with a difference at least as large, over 20."""
    assert permutation_p(first, second) == pytest.approx(ways / 20)


def test_permutation_test_of_many_runs_agrees_with_the_normal_test() -> None:
    """With many runs it is the z-test: a difference of two standard errors has p = 0.023."""
    rng = np.random.default_rng(0)
    one, two = rng.normal(0, 1, 200), rng.normal(0, 1, 200)
    one += two.mean() - one.mean() + 2 * math.sqrt(one.var() / 200 + two.var() / 200)
    assert permutation_p(one.tolist(), two.tolist()) == pytest.approx(0.023, abs=0.005)


@pytest.mark.parametrize(
    ("method", "sparse", "human", "expected"),
    [
        (6.0, 2.0, 4.0, 2.0),
        (4.0, 2.0, 4.0, 1.0),
        (2.0, 2.0, 4.0, 0.0),
        (-2.0, -10.0, -4.0, 8 / 6),  # costs: scores below zero
        (3.0, 5.0, 4.0, -2.0),  # human worse than sparse: the bars keep the sign of the method's own difference
        (3.0, 4.0, 4.0, None),
        (3.0, 4.0, None, None),
        (3.0, None, 4.0, None),
        (None, 1.0, 4.0, None),
    ],
)
def test_human_normalised_score(
    method: float | None, sparse: float | None, human: float | None, expected: float | None
) -> None:
    """(Method - Sparse) / |Human - Sparse|, and nothing where that means nothing."""
    score = human_normalised_score(method, sparse, human)
    assert score is None if expected is None else score == pytest.approx(expected)
