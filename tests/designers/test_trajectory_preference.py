"""Trajectory preferences: which rewards put successful trajectories above failing ones."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envreward.designers.trajectory_preference import Ordering, trajectory_value

VALUES = st.lists(st.integers(-50, 50), min_size=1, max_size=6)


def ordering(successes: list[float], failures: list[float]) -> Ordering:
    return Ordering(successes=tuple(successes), failures=tuple(failures))


def test_fidelity_released_value_is_the_mean_reward_per_step() -> None:
    """A trajectory that pays 1, 2 and 6 is worth 3: its return over its number of steps."""
    assert trajectory_value([1.0, 2.0, 6.0], "released") == 3.0


def test_fidelity_paper_value_is_the_discounted_return() -> None:
    """Definition 4.1: sum of gamma^t r_t from t = 0; 1 + 0.9 * 2 + 0.81 * 6 = 7.66 for gamma = 0.9."""
    assert trajectory_value([1.0, 2.0, 6.0], "paper", discount=0.9) == pytest.approx(7.66, abs=1e-12)
    # gamma = 0.99 unless told: 1 + 0.99
    assert trajectory_value([1.0, 1.0], "paper") == pytest.approx(1.99, abs=1e-12)


def test_fidelity_share_of_successes_above_the_best_failure() -> None:
    """Of the successes 2, 3, 1, 4 and 5, four are above the best failure, 1.5: 0.8, which is just enough."""
    found = ordering([2.0, 3.0, 1.0, 4.0, 5.0], [0.0, 1.5])
    assert (found.correct, found.accuracy) == (4, 0.8)
    assert found.verdict() == "passed", "the threshold is 0.8 and may be met exactly"
    assert found.verdict(0.81) == "refused"
    assert (found.pairs, found.wrong_pairs) == (10, 1), "only the success 1 is below the failure 1.5"


def test_fidelity_equal_is_not_more() -> None:
    """utils.py counts a success only where it is strictly above: a constant reward distinguishes nothing."""
    found = ordering([1.0, 1.0], [1.0])
    assert (found.accuracy, found.verdict(), found.wrong_pairs) == (0.0, "refused", 2)


@pytest.mark.parametrize(("successes", "failures"), [([], [1.0]), ([1.0], []), ([], [])])
def test_an_empty_class_never_passes_silently(successes: list[float], failures: list[float]) -> None:
    """Without both classes there is no order to keep, whatever the threshold."""
    found = ordering(successes, failures)
    assert found.accuracy is None and found.correct is None
    assert found.verdict() == "cannot_tell" and found.verdict(1e-9) == "cannot_tell"


def test_the_two_rules_differ_where_success_ends_an_episode() -> None:
    """Paid 1 per step for 2 steps until success, against 0.9 for 10 steps of failing: the mean prefers the success
    (1 > 0.9), the return the failure (1.99 < 0.9 (1 - 0.99^10) / 0.01 = 8.61)."""
    success, failure = [1.0] * 2, [0.9] * 10
    by_mean = ordering([trajectory_value(success, "released")], [trajectory_value(failure, "released")])
    by_return = ordering([trajectory_value(success, "paper")], [trajectory_value(failure, "paper")])
    assert by_return.failures[0] == pytest.approx(0.9 * (1 - 0.99**10) / 0.01)
    assert (by_mean.verdict(), by_return.verdict()) == ("passed", "refused")


@given(VALUES, VALUES)
def test_fidelity_threshold_one_is_the_definition(successes: list[int], failures: list[int]) -> None:
    """With delta = 1, a reward passes exactly when every success is above every failure (Definition 4.1)."""
    found = ordering([*map(float, successes)], [*map(float, failures)])
    assert (found.verdict(1.0) == "passed") == (min(successes) > max(failures))
    assert (found.wrong_pairs == 0) == (min(successes) > max(failures))


@given(VALUES, VALUES, st.integers(1, 9), st.integers(-9, 9))
def test_scale_and_offset_change_nothing(successes: list[int], failures: list[int], scale: int, offset: int) -> None:
    """A reward times a positive number plus a number per step orders mean rewards alike."""
    moved = ordering([v * scale + offset for v in successes], [v * scale + offset for v in failures])
    assert moved.accuracy == ordering([*map(float, successes)], [*map(float, failures)]).accuracy


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20))
def test_without_discount_the_values_differ_by_the_length(rewards: list[float]) -> None:
    """For gamma = 1 the return is the mean times the number of steps."""
    total = trajectory_value(rewards, "paper", discount=1.0)
    assert math.isclose(total, trajectory_value(rewards, "released") * len(rewards), rel_tol=1e-9, abs_tol=1e-9)


def test_what_cannot_be_compared_is_refused() -> None:
    """A value that is not finite, or a trajectory without a step, is an error and no verdict."""
    with pytest.raises(ValueError, match="finite"):
        ordering([math.nan], [1.0])
    with pytest.raises(ValueError, match="without a step"):
        trajectory_value([], "paper")
