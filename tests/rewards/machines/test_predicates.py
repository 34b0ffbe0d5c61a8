"""Predicates over fields."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from envreward.errors import ConfigError
from envreward.rewards.machines.predicates import parse_predicate

STATE = {
    "height": torch.tensor([[0.1, -0.5]]),
    "held": torch.tensor([[True, False]]),
    "count": torch.tensor([[3, 0]]),
    "tcp": torch.tensor([[[0.0, 3.0], [1.0, 1.0]]]),
    "cube": torch.tensor([[[4.0, 0.0], [1.0, 1.5]]]),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("held", [True, False]),
        ("height > 0", [True, False]),
        ("height>=0.2", [False, False]),
        ("|height| >= .5", [False, True]),
        ("count == 3", [True, False]),
        ("count != 3", [False, True]),
        ("tcp[1] > 2", [True, False]),
        ("tcp[-1] <= 1e0", [False, True]),
        ("|cube| < 3", [False, True]),
        ("|tcp - cube| < 5", [False, True]),
        ("| tcp-cube | <= 5", [True, True]),  # 3, 4, 5
    ],
)
def test_values(text: str, expected: list[bool]) -> None:
    """Scalars, flags, entries, norms and distances, compared with a constant."""
    assert parse_predicate(text).holds(STATE)[0].tolist() == expected


@given(
    term=st.sampled_from(["height", "tcp[0]", "|tcp|", "|tcp - cube|"]),
    operator=st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    value=st.floats(-1e3, 1e3).map(lambda x: float(f"{x:g}")),
)
def test_written_and_read_again(term: str, operator: str, value: float) -> None:
    """A predicate's text reads to the same predicate."""
    predicate = parse_predicate(f"{term} {operator} {value!r}")
    assert parse_predicate(str(predicate)) == predicate


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("height >", "not of the form"),
        ("height > nan", "not a finite number"),
        ("height > other", "'other' is not a finite number: compare with a constant"),
        ("height > 1 + 1", "not a finite number"),
        ("__import__('os')", "not of the form"),
        ("tcp[a] > 1", "not of the form"),
        ("tcp.sum() > 1", "not of the form"),
        ("|tcp|", "must be compared with a number, as in |tcp| < 0.1"),
        ("0.1 < height", "not of the form"),
    ],
)
def test_what_is_no_predicate(text: str, message: str) -> None:
    """Anything but one comparison of a field is refused, whatever it would do if it were run."""
    with pytest.raises(ConfigError) as caught:
        parse_predicate(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("tcp > 1", "is a vector"), ("tcp[2] > 1", "has no entry [2]"), ("height[0] > 1", "has no entry [0]")],
)
def test_wrong_shapes(text: str, message: str) -> None:
    """A vector taken for a scalar, a scalar for a vector, an entry that is not there."""
    with pytest.raises(ConfigError) as caught:
        parse_predicate(text).holds(STATE)
    assert message in str(caught.value)
