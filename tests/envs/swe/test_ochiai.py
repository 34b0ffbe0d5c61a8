"""Ochiai suspiciousness against the published formula."""

from __future__ import annotations

import math

import numpy as np
import pytest

from envreward.envs.swe.ochiai import ochiai, ochiai_by_line, ranks

COVERED = {
    # the spectrum of a small program: which lines each test executes
    "t1": {1, 2, 3, 6},
    "t2": {1, 2, 4, 6},
    "t3": {1, 5, 6},
    "t4": {1, 2, 3},
    "t5": {1, 5},
}


def test_worked_example() -> None:
    """Scores are e_f / sqrt((e_f + n_f)(e_f + e_p)), worked by hand for two failing and three passing tests."""
    scores = ochiai_by_line(COVERED, {"t1", "t4"})
    assert scores == pytest.approx(
        {
            1: 2 / math.sqrt(2 * 5),  # both failing tests, three passing ones
            2: 2 / math.sqrt(2 * 3),  # both failing, one passing
            3: 2 / math.sqrt(2 * 2),  # both failing, none passing: 1
            4: 0.0,
            5: 0.0,
            6: 1 / math.sqrt(2 * 3),  # one of two failing, two passing
        }
    )
    assert scores[3] == 1.0


def test_no_failing_test_accuses_nobody() -> None:
    """Where nothing fails, or no test executes a line, its suspiciousness is 0 and not undefined."""
    assert set(ochiai_by_line(COVERED, set()).values()) == {0.0}
    assert ochiai(np.zeros((2, 3), dtype=bool), np.array([True, False])).tolist() == [0.0, 0.0, 0.0]
    assert ochiai_by_line({}, set()) == {}


def test_failing_tests_without_coverage_count() -> None:
    """A failing test that executed nothing still lowers every line's share of the failing tests."""
    assert ochiai_by_line({"t": {1}}, {"t", "crashed"}) == pytest.approx({1: 1 / math.sqrt(2)})


def test_ranks_share_ties() -> None:
    """The rank is one more than the number of higher scores."""
    assert ranks(np.array([0.5, 1.0, 0.5, 0.0])).tolist() == [2, 1, 2, 4]
