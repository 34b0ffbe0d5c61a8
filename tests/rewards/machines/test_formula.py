"""Propositional formulas."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from envreward.errors import ConfigError
from envreward.rewards.machines.formula import holds, names, parse_formula

ROWS = [*itertools.product([False, True], repeat=3)]
FACTS = {name: torch.tensor([[row[i] for row in ROWS]]) for i, name in enumerate("abc")}


def truths(text: str) -> list[bool]:
    """Where a formula holds, over all eight rows of a truth table of a, b and c."""
    found: list[bool] = holds(parse_formula(text), FACTS, FACTS["a"])[0].tolist()
    return found


formulas = st.recursive(
    st.sampled_from(["a", "b", "c", "always"]),
    lambda part: st.one_of(
        part.map(lambda p: f"!({p})"),
        st.lists(part, min_size=2, max_size=3).map(lambda ps: " & ".join(f"({p})" for p in ps)),
        st.lists(part, min_size=2, max_size=3).map(lambda ps: "|".join(f"({p})" for p in ps)),
    ),
    max_leaves=8,
)


@given(text=formulas)
def test_truth_tables_are_pythons(text: str) -> None:
    """Bracketed formulas mean what Python means by not, and, or."""
    python = text.replace("!", " not ").replace("&", " and ").replace("|", " or ").replace("always", "True")
    expected = [bool(eval(python, {}, dict(zip("abc", row, strict=True)))) for row in ROWS]
    assert truths(text) == expected


def test_precedence() -> None:
    """Not binds closest, then and, then or."""
    assert truths("a | b & !c") == [a or (b and not c) for a, b, c in ROWS]
    assert truths("!a & b | c") == [(not a and b) or c for a, b, c in ROWS]
    assert truths("!!a") == [a for a, _, _ in ROWS]


def test_names() -> None:
    """The predicates of a formula, without `always`."""
    assert names(parse_formula("a & !(b_2 | always) & a")) == {"a", "b_2"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ends where a name is expected"),
        ("a &", "ends where a name is expected"),
        ("a b", "& or | is missing before 'b'"),
        ("(a | b", "bracket is not closed"),
        ("a)", "is missing before"),
        ("& a", "a name is expected before '&'"),
        ("a = b", "'=' is not a name"),
        ("a; import os", "';' is not a name"),
        ("(" * 60 + "a" + ")" * 60, "nested more than 50 deep"),
        ("!" * 5000 + "a", "nested more than 50 deep"),
    ],
)
def test_what_is_no_formula(text: str, message: str) -> None:
    """Each mistake has a message; nothing is evaluated and no text exhausts the stack."""
    with pytest.raises(ConfigError) as caught:
        parse_formula(text)
    assert message in str(caught.value) and "\n" not in str(caught.value)
