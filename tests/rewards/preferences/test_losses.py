"""What models of preference say."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from envreward.rewards.preferences import (
    bradley_terry_loss,
    deterministic_regret,
    partial_return,
    redistribution_loss,
)

ROWS = st.lists(st.floats(-5, 5), min_size=2, max_size=6)


def test_bradley_terry_worked_by_hand() -> None:
    """Returns 1 and 3: the second is preferred with probability e^3 / (e + e^3)."""
    p = math.exp(3) / (math.exp(1) + math.exp(3))
    one, three = torch.tensor([1.0]), torch.tensor([3.0])
    for label in (0.0, 0.3, 0.5, 1.0):
        expected = -(label * math.log(p) + (1 - label) * math.log(1 - p))
        assert float(bradley_terry_loss(one, three, torch.tensor([label]))) == pytest.approx(expected)


@given(first=ROWS, second=ROWS, label=st.floats(0, 1), shift=st.floats(-100, 100))
def test_bradley_terry_does_not_see_a_constant(
    first: list[float], second: list[float], label: float, shift: float
) -> None:
    """Adding the same number to both returns, or to all rewards of equally long segments, changes nothing."""
    steps = min(len(first), len(second))
    one, two = (torch.tensor([row[:steps]], dtype=torch.float64) for row in (first, second))
    mask, labels = torch.ones(1, steps, dtype=torch.bool), torch.tensor([label], dtype=torch.float64)
    plain = bradley_terry_loss(partial_return(one, mask), partial_return(two, mask), labels)
    by_return = bradley_terry_loss(partial_return(one, mask) + shift, partial_return(two, mask) + shift, labels)
    by_reward = bradley_terry_loss(partial_return(one + shift, mask), partial_return(two + shift, mask), labels)
    assert float(by_return) == pytest.approx(float(plain), abs=1e-9)
    assert float(by_reward) == pytest.approx(float(plain), abs=1e-9)


def test_returns_leave_out_what_is_padding() -> None:
    """Only steps that are there count."""
    rewards = torch.tensor([[1.0, 2.0, 4.0]])
    assert float(partial_return(rewards, torch.tensor([[True, True, False]]))) == 3.0


def test_regret_worked_by_hand() -> None:
    """Corridor of four places, each step costs 1, the goal ends: V* of a place is minus its distance to the goal.

    With the step itself as the one feature, weight -1, the successor feature of the policy that goes straight is the
    distance d, of one that first takes a detour d + 2. Going straight has no regret, standing still 1 per step, even
    though all three segments have the same return.
    """

    def successors(distance: float) -> torch.Tensor:
        return torch.tensor([[[distance], [distance + 2.0]]])

    mask, rewards = torch.ones(1, 2, dtype=torch.bool), torch.tensor([[-1.0, -1.0]])
    for start, end, regret in ((3.0, 1.0, 0.0), (3.0, 3.0, 2.0), (2.0, 1.0, 1.0)):
        found = deterministic_regret(
            rewards, mask, successors(start), successors(end), torch.tensor([-1.0]), sharpness=50.0
        )
        assert float(found) == pytest.approx(regret, abs=1e-4)


NUMBERS = st.floats(-5, 5)


@given(data=st.data(), sharpness=st.floats(0.1, 20), weight=st.floats(-3, 3), label=st.floats(0, 1))
def test_regret_does_not_see_potential_shaping(
    data: st.DataObject, sharpness: float, weight: float, label: float
) -> None:
    """A potential of the state, whose change is paid in each step and which is zero at the end, changes no loss.

    It is one more feature, ``phi(s') - phi(s)``, of any weight. Whatever policy is followed, it sums to ``-phi(s)``
    from ``s`` on, so that it moves the values of all of them alike.
    """
    policies, size, steps = (data.draw(st.integers(1, most)) for most in (3, 3, 5))

    def drawn(*shape: int) -> torch.Tensor:
        count = math.prod(shape)
        rows = data.draw(st.lists(NUMBERS, min_size=count, max_size=count))
        return torch.tensor(rows, dtype=torch.float64).view(shape)

    weights, mask = drawn(size), torch.ones(1, steps, dtype=torch.bool)
    shaped_weights = torch.cat((weights, torch.tensor([weight], dtype=torch.float64)))
    plain, shaped = [], []
    for _ in range(2):
        features, start, end, potential = drawn(1, steps, size), *(drawn(2, 1, policies, size)), drawn(steps + 1)
        found = deterministic_regret(features @ weights, mask, start, end, weights, sharpness)
        change = (potential[1:] - potential[:-1]).view(1, steps, 1)
        left = [-potential[at].expand(1, policies, 1) for at in (0, -1)]
        more = [torch.cat((psi, rest), -1) for psi, rest in zip((start, end), left, strict=True)]
        rewards = torch.cat((features, change), -1) @ shaped_weights
        plain.append(-found)
        shaped.append(-deterministic_regret(rewards, mask, *more, shaped_weights, sharpness))
    labels = torch.tensor([label], dtype=torch.float64)
    expected = float(bradley_terry_loss(plain[0], plain[1], labels))
    assert float(bradley_terry_loss(shaped[0], shaped[1], labels)) == pytest.approx(expected, abs=1e-9)


def test_the_value_is_softly_the_best_policys() -> None:
    """sum_k softmax_k(sharpness v_k) v_k, worked out in NumPy, for both ends of a segment."""
    rng = np.random.default_rng(0)
    start, end, weights, rewards = (
        rng.normal(size=(3, 2)),
        rng.normal(size=(3, 2)),
        rng.normal(size=2),
        rng.normal(size=4),
    )

    def best(features: np.ndarray) -> float:
        values = features @ weights
        chance = np.exp(2.0 * values)
        return float((chance / chance.sum() * values).sum())

    found = deterministic_regret(
        torch.from_numpy(rewards).unsqueeze(0),
        torch.ones(1, 4, dtype=torch.bool),
        torch.from_numpy(start).unsqueeze(0),
        torch.from_numpy(end).unsqueeze(0),
        torch.from_numpy(weights),
        sharpness=2.0,
    )
    assert float(found) == pytest.approx(best(start) - rewards.sum() - best(end))


def test_redistribution_worked_by_hand() -> None:
    """Rewards 1, 3 of return 4 with shares 1/4, 3/4 fit; with 1/2, 1/2 each is 1 off; padding counts nowhere."""
    rewards = torch.tensor([[1.0, 3.0, 9.0]], requires_grad=True)
    mask = torch.tensor([[True, True, False]])
    fits = torch.tensor([[0.25, 0.75, 0.0]])
    half = torch.tensor([[0.5, 0.5, 0.0]])
    assert float(redistribution_loss(rewards, mask, fits).detach()) == 0.0
    loss = redistribution_loss(rewards, mask, half)
    assert float(loss.detach()) == pytest.approx((1 + 1) / 2)
    (gradient,) = torch.autograd.grad(loss, rewards)
    assert gradient.tolist() == [[-1.0, 1.0, 0.0]]  # the target stands still


@given(data=st.data(), total=st.integers(-8, 8), padding=st.integers(0, 2))
def test_redistribution_costs_nothing_exactly_where_rewards_have_their_shares(
    data: st.DataObject, total: int, padding: int
) -> None:
    """Zero if each step has its share of the return, whatever that is, and only then; numbers here are exact."""
    cuts = sorted(data.draw(st.lists(st.integers(0, 64), min_size=1, max_size=5)))
    shares = torch.tensor([b - a for a, b in zip([0, *cuts], [*cuts, 64], strict=True)], dtype=torch.float64) / 64
    steps = len(shares)
    drawn = data.draw(st.lists(st.integers(-4, 4), min_size=steps, max_size=steps))
    importance = torch.cat((shares, torch.zeros(padding, dtype=torch.float64))).unsqueeze(0)
    mask = torch.tensor([[True] * steps + [False] * padding])

    def loss(rewards: torch.Tensor) -> float:
        padded = torch.cat((rewards, torch.full((padding,), 9.0, dtype=torch.float64))).unsqueeze(0)
        return float(redistribution_loss(padded, mask, importance))

    anything = torch.tensor(drawn, dtype=torch.float64)
    assert loss(total * shares) == 0.0
    assert (loss(anything) == 0.0) == torch.equal(anything, shares * anything.sum())
