"""Losses of learned rewards: golden values by hand, and the laws that they keep."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from envreward.training.learned.losses import (
    decomposition_loss,
    prefer,
    preference_loss,
    sampled_decomposition_loss,
)


def test_fidelity_decomposition_by_hand() -> None:
    """Episodes of 2 and 3 steps with rewards 1 2 and 0 1 2, returns 5 and 3: errors (3 - 5)/2 and (3 - 3)/3."""
    rewards = torch.tensor([[1.0, 2.0, 99.0], [0.0, 1.0, 2.0]])
    kept = torch.tensor([[True, True, False], [True, True, True]])
    assert float(decomposition_loss(rewards, kept, torch.tensor([5.0, 3.0]))) == pytest.approx((1.0 + 0.0) / 2)


def test_fidelity_sampled_decomposition_by_hand() -> None:
    """2 of 4 steps with rewards 1 and 3, return 4: (2 - 1)^2 minus (1 - 2/4) * 2 / 2, where 2 is their variance."""
    rewards, kept = torch.tensor([[1.0, 3.0]]), torch.ones(1, 2, dtype=torch.bool)
    found = sampled_decomposition_loss(rewards, kept, torch.tensor([4]), torch.tensor([4.0]))
    assert float(found) == pytest.approx(1.0 - 0.5)


def test_all_steps_drawn_is_the_loss_itself() -> None:
    """Episodes short enough to be drawn whole have nothing to correct, whatever is in the places beyond them."""
    rewards = torch.tensor([[0.3, -1.0, 2.0], [0.5, 7.0, 7.0]])
    kept = torch.tensor([[True, True, True], [True, False, False]])
    returns = torch.tensor([1.0, -2.0])
    sampled = sampled_decomposition_loss(rewards, kept, torch.tensor([3, 1]), returns)
    assert float(sampled) == pytest.approx(float(decomposition_loss(rewards, kept, returns)))


@settings(max_examples=15, deadline=None)
@given(values=st.lists(st.floats(-3, 3), min_size=3, max_size=6), target=st.floats(-5, 5), data=st.data())
def test_the_estimate_is_unbiased(values: list[float], target: float, data: st.DataObject) -> None:
    """Its mean over all ways to draw K of T steps is the loss of all of them (Ren et al. 2022, section 3.3)."""
    steps = len(values)
    count = data.draw(st.integers(2, steps))
    drawn = torch.tensor([*itertools.combinations(values, count)], dtype=torch.float64)
    number = len(drawn)
    kept = torch.ones(number, count, dtype=torch.bool)
    lengths, returns = torch.full((number,), steps), torch.full((number,), target, dtype=torch.float64)
    estimate = sampled_decomposition_loss(drawn, kept, lengths, returns)
    whole = torch.tensor([values], dtype=torch.float64)
    exact = decomposition_loss(whole, torch.ones(1, steps, dtype=torch.bool), returns[:1])
    assert float(estimate) == pytest.approx(float(exact), abs=1e-5)


def test_fidelity_hierarchy_by_hand() -> None:
    """The first factor decides beyond its margin, else the second, else the third; a tie at each decides nothing."""
    margins = torch.tensor([1.0, 0.5, 0.0])
    first = torch.tensor([[3.0, 0, 0], [0, 9, 9], [1, 1, 0], [1, 0, 5], [0, 0.5, 1], [1, 0.5, 2]])
    second = torch.tensor([[1.0, 9, 9], [2, 0, 0], [0, 0, 9], [0, 0.4, 6], [1, 0, 0], [0, 0, 2]])
    # 3-1 > 1; 2-0 > 1 for the second; 1-0 is not > 1 and 1-0 > .5; neither, then 6 > 5; neither, then 1 > 0; none
    assert prefer(first, second, margins).tolist() == [1, -1, 1, -1, 1, 0]


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=2, max_size=8),
    margins=st.tuples(*[st.integers(0, 2)] * 3),
    data=st.data(),
)
def test_laws_of_the_hierarchy(rows: list[tuple[int, ...]], margins: tuple[int, ...], data: st.DataObject) -> None:
    """Turned round, a preference turns; with no margins it is the order of dictionaries."""
    table = torch.tensor(rows, dtype=torch.float64)
    first, second = table, table[data.draw(st.permutations(range(len(rows))))]
    chosen = prefer(first, second, torch.tensor(margins, dtype=torch.float64))
    assert torch.equal(chosen, -prefer(second, first, torch.tensor(margins, dtype=torch.float64)))
    plain = prefer(first, second, torch.zeros(3, dtype=torch.float64)).tolist()
    pairs = zip(first.tolist(), second.tolist(), strict=True)
    assert plain == [(one > two) - (two > one) for one, two in pairs]


def test_fidelity_bradley_terry_by_hand() -> None:
    """-log sigmoid(2), -log sigmoid(-1) in the mean; pairs that nothing decided do not count."""
    first, second = torch.tensor([2.0, 0.0, 5.0]), torch.tensor([0.0, -1.0, 1.0])
    found = preference_loss(first, second, torch.tensor([1, -1, 0]))
    expected = (math.log1p(math.exp(-2.0)) + math.log1p(math.exp(1.0))) / 2
    assert float(found) == pytest.approx(expected)
    assert float(preference_loss(first, second, torch.zeros(3, dtype=torch.int64))) == 0.0
