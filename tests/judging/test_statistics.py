"""Correlations over policies."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envreward.judging.statistics import correlate


def test_numbers_worked_out_by_hand() -> None:
    """(1, 2, 3, 4) and (1, 3, 2, 5): covariance 5.5, spreads 5 and 8.75; ranks differ by one exchange."""
    found = correlate([1, 2, 3, 4], [1, 3, 2, 5])
    assert found.policies == 4
    assert found.pearson == pytest.approx(5.5 / (5 * 8.75) ** 0.5)
    assert found.spearman == pytest.approx(1 - 6 * 2 / (4 * 15))


def test_policies_without_both_numbers_are_left_out() -> None:
    """Missing is not zero."""
    found = correlate([1, 2, None, 4], [1, None, 7, 5])
    assert found.policies == 2 and found.pearson == pytest.approx(1.0)


def test_no_interval_from_few_policies_or_without_spread() -> None:
    """Three policies resampled, or a number that never differs, say nothing."""
    assert correlate([1, 2, 3], [1, 2, 4]).pearson_interval is None
    flat = correlate([1, 1, 1, 1, 1], [1, 2, 3, 4, 5])
    assert flat.pearson is None and flat.spearman is None and flat.spearman_interval is None


def test_one_policy_that_stands_out_leaves_the_interval_open() -> None:
    """Where all but one are alike, too many resamples have no correlation."""
    assert correlate([0, 0, 0, 0, 1], [0, 0, 0, 0, 1]).pearson_interval is None


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(-100, 100), min_size=6, max_size=12, unique=True))
def test_a_perfect_order_has_a_perfect_interval(values: list[int]) -> None:
    """However policies are drawn, a rising function of a number has rank correlation one with it."""
    found = correlate(values, [v**3 for v in values], resamples=50)
    assert found.spearman == pytest.approx(1.0) and found.spearman_interval is not None
    assert found.spearman_interval.low == pytest.approx(1.0)
    assert found.pearson is not None and found.pearson <= 1.0
