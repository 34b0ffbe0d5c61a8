"""Elo ratings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envreward.designers.elo import INITIAL, Comparison, expected, ratings, to_unit


def test_fidelity_elo_by_hand() -> None:
    """K = 32 from 1500 (elo_scoring.py): a win between equals moves 16; then what ten points of a logistic give.

    After a beats b (1516, 1484), b wins against a: it was expected to score 1 / (1 + 10^(32/400)) = 0.454078, so it
    gains 32 x 0.545922 = 17.469502. A draw of equals changes nothing.
    """
    assert ratings([Comparison("a", "b", 1.0)]) == {"a": 1516.0, "b": 1484.0}
    found = ratings([Comparison("a", "b", 1.0), Comparison("b", "a", 1.0)])
    assert found["b"] == pytest.approx(1484 + 17.469502, abs=1e-6)
    assert found["a"] == pytest.approx(1516 - 17.469502, abs=1e-6)
    assert ratings([Comparison("a", "b", 0.5)]) == {"a": 1500.0, "b": 1500.0}
    assert expected(1900, 1500) == pytest.approx(10 / 11)


def test_fidelity_ratings_to_unit_range() -> None:
    """The lowest becomes 0, the highest 1 (elo_scoring.py); equal ones 0, where the release divides by zero."""
    assert to_unit({"a": 1600.0, "b": 1400.0, "c": 1450.0}) == {"a": 1.0, "b": 0.0, "c": 0.25}
    assert to_unit({"a": 7.0, "b": 7.0}) == {"a": 0.0, "b": 0.0}
    assert to_unit({}) == {}


comparisons = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("def"), st.sampled_from([0.0, 0.5, 1.0])).map(
        lambda t: Comparison(*t)
    )
)


@given(comparisons)
def test_what_one_gains_another_loses(found: list[Comparison]) -> None:
    """Ratings sum to 1500 each, and saying every comparison the other way round changes nothing."""
    rated = ratings(found)
    assert sum(rated.values()) == pytest.approx(INITIAL * len(rated))
    turned = ratings([Comparison(c.second, c.first, 1 - c.result) for c in found])
    assert turned.keys() == rated.keys()
    assert all(turned[key] == pytest.approx(rated[key]) for key in rated)
