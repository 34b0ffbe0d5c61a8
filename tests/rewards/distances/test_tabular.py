"""EPIC and STARC on small decision processes, held against solutions in NumPy that go another way."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from envreward.errors import ConfigError, RewardError, UnknownNameError
from envreward.rewards.distances import (
    TabularMDP,
    canonicalise,
    epic_canonical,
    epic_distance,
    pearson_distance,
    standardised_distance,
    starc_distance,
)

Array = NDArray[np.float64]
FORMS = ("val", "val_potential", "minimal", "minimal_potential")


def random_process(seed: int) -> tuple[Array, float, Array, Array]:
    """Transition probabilities (some of them zero), a discount and two rewards."""
    rng = np.random.default_rng(seed)
    states, actions = int(rng.integers(2, 7)), int(rng.integers(2, 4))
    odds = rng.random((states, actions, states)) * (rng.random((states, actions, states)) < 0.7)
    odds[..., 0] += 0.05
    odds /= odds.sum(-1, keepdims=True)
    rewards = rng.normal(size=(2, states, actions, states)) * rng.uniform(0.1, 50, size=(2, 1, 1, 1))
    return odds, float(rng.uniform(0.1, 0.97)), rewards[0], rewards[1]


def process(odds: Array, gamma: float) -> TabularMDP:
    return TabularMDP(transitions=torch.from_numpy(odds), gamma=gamma)


def epic_by_loops(reward: Array, gamma: float, of_state: Array, of_action: Array) -> Array:
    """Definition 4.1 of Gleave et al., term by term."""
    states, actions = reward.shape[:2]

    def expected(s: int) -> float:
        return sum(float(of_action[a] * of_state[t] * reward[s, a, t]) for a in range(actions) for t in range(states))

    shaped = np.zeros_like(reward)
    last = sum(float(of_state[s]) * expected(s) for s in range(states))
    for s, a, t in itertools.product(range(states), range(actions), range(states)):
        shaped[s, a, t] = reward[s, a, t] + gamma * expected(t) - expected(s) - gamma * last
    return shaped


def pearson_by_sums(one: Array, two: Array, weights: Array) -> float:
    """sqrt((1 - rho) / 2) from weighted covariances."""
    mean = [float((weights * x).sum()) for x in (one, two)]
    covariance = float((weights * (one - mean[0]) * (two - mean[1])).sum())
    spread = [math.sqrt(float((weights * (x - m) ** 2).sum())) for x, m in zip((one, two), mean, strict=True)]
    return math.sqrt((1 - covariance / (spread[0] * spread[1])) / 2)


def value_by_sweeps(odds: Array, gamma: float, reward: Array) -> Array:
    """Value of the uniform policy, by repeated backups until nothing moves."""
    value = np.zeros(len(odds))
    while True:
        new = np.einsum("sat,sat->s", odds, reward + gamma * value) / odds.shape[1]
        if np.abs(new - value).max() < 1e-14 * max(1.0, float(np.abs(new).max())):
            return new
        value = new


def canonical_in_numpy(form: str, odds: Array, gamma: float, reward: Array) -> Array:
    """The four canonicalisations of Skalse et al., by backups and by normal equations."""
    states, actions = odds.shape[:2]
    if form.startswith("val"):
        value = value_by_sweeps(odds, gamma, reward)
        shaped = reward + gamma * value[None, None, :] - value[:, None, None]
        if form == "val_potential":
            return shaped
        return np.repeat((odds * shaped).sum(-1)[:, :, None], states, axis=2)
    # minimise |R + gamma Phi(s') - Phi(s)|^2 (+ any redistribution D with sum_t P D = 0) in one stacked system
    directions = []
    for s in range(states):
        potential = np.zeros(states)
        potential[s] = 1.0
        directions.append((gamma * potential[None, None, :] - potential[:, None, None]) * np.ones((1, actions, 1)))
    if form == "minimal":
        for s, a in itertools.product(range(states), range(actions)):
            null = np.linalg.svd(odds[s, a][None, :])[2][1:]  # all D(s, a, .) orthogonal to the probabilities
            for row in null:
                moved = np.zeros_like(reward)
                moved[s, a] = row
                directions.append(moved)
    matrix = np.stack([d.ravel() for d in directions], axis=1)
    found = np.linalg.lstsq(matrix, -reward.ravel(), rcond=None)[0]
    return reward + (matrix @ found).reshape(reward.shape)


@pytest.mark.parametrize("seed", range(50))
def test_epic_is_the_formula(seed: int) -> None:
    """On 50 random processes, with random distributions, EPIC is what its definition gives term by term, to 1e-8."""
    odds, gamma, first, second = random_process(seed)
    rng = np.random.default_rng(1000 + seed)
    of_state, of_action = rng.dirichlet(np.ones(len(odds))), rng.dirichlet(np.ones(odds.shape[1]))
    coverage = rng.dirichlet(np.ones(odds.size)).reshape(odds.shape)
    shaped = [epic_by_loops(reward, gamma, of_state, of_action) for reward in (first, second)]
    mdp, given = process(odds, gamma), {"states": torch.from_numpy(of_state), "actions": torch.from_numpy(of_action)}
    for reward, expected in zip((first, second), shaped, strict=True):
        np.testing.assert_allclose(epic_canonical(torch.from_numpy(reward), mdp, **given), expected, atol=1e-8)
    product = of_state[:, None, None] * of_action[None, :, None] * of_state[None, None, :]
    one, two = torch.from_numpy(first), torch.from_numpy(second)
    assert epic_distance(one, two, mdp, **given) == pytest.approx(pearson_by_sums(*shaped, product), abs=1e-8)
    mine = epic_distance(one, two, mdp, **given, coverage=torch.from_numpy(coverage))
    assert mine == pytest.approx(pearson_by_sums(*shaped, coverage), abs=1e-8)


@pytest.mark.parametrize("seed", range(50))
def test_starc_is_the_formula(seed: int) -> None:
    """On 50 random processes, every canonicalisation and distance equals the independent solution, to 1e-8."""
    odds, gamma, first, second = random_process(seed)
    mdp = process(odds, gamma)
    for form in FORMS:
        expected = [canonical_in_numpy(form, odds, gamma, reward) for reward in (first, second)]
        for reward, shaped in zip((first, second), expected, strict=True):
            found = canonicalise(torch.from_numpy(reward), mdp, form)  # type: ignore[arg-type]
            np.testing.assert_allclose(found, shaped, atol=1e-8)
        for norm, order in (("l1", 1), ("l2", 2), ("linf", np.inf)):
            one, two = (shaped.ravel() / np.linalg.norm(shaped.ravel(), order) for shaped in expected)
            wanted = np.linalg.norm(one - two, order) / 2
            found_distance = starc_distance(
                torch.from_numpy(first),
                torch.from_numpy(second),
                mdp,
                canonicalisation=form,
                norm=norm,  # type: ignore[arg-type]
            )
            assert found_distance == pytest.approx(float(wanted), abs=1e-8)


SEEDS = st.integers(0, 10_000)
SCALES = st.floats(1e-3, 1e3)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, scale=SCALES, size=st.floats(-50, 50))
def test_shaping_and_scale_do_not_count(seed: int, scale: float, size: float) -> None:
    """Any potential added and any positive factor leave EPIC and STARC at zero, and other distances as they are."""
    odds, gamma, first, second = random_process(seed)
    potential = size * np.random.default_rng(seed).normal(size=len(odds))
    changed = torch.from_numpy(scale * (first + gamma * potential[None, None, :] - potential[:, None, None]))
    one, two, mdp = torch.from_numpy(first), torch.from_numpy(second), process(odds, gamma)
    assert epic_distance(one, changed, mdp) < 1e-7
    assert epic_distance(changed, two, mdp) == pytest.approx(epic_distance(one, two, mdp), abs=1e-7)
    for form in FORMS:
        assert starc_distance(one, changed, mdp, canonicalisation=form) < 1e-7  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_redistribution_over_next_states_does_not_count(seed: int) -> None:
    """STARC's full canonicalisations take out what leaves the mean over next states alone; EPIC does not."""
    odds, gamma, first, _ = random_process(seed)
    moved = np.random.default_rng(seed).normal(size=odds.shape)
    moved -= (odds * moved).sum(-1, keepdims=True)
    one, two, mdp = torch.from_numpy(first), torch.from_numpy(first + moved), process(odds, gamma)
    assert starc_distance(one, two, mdp) < 1e-7
    assert starc_distance(one, two, mdp, canonicalisation="minimal") < 1e-7
    assert epic_distance(one, two, mdp) > 1e-4


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_distances_are_pseudometrics_in_0_1(seed: int) -> None:
    """Symmetric, zero to itself, one to its negative, within [0, 1], and no detour is shorter."""
    odds, gamma, first, second = random_process(seed)
    third = np.random.default_rng(seed + 1).normal(size=odds.shape)
    mdp = process(odds, gamma)
    a, b, c = (torch.from_numpy(reward) for reward in (first, second, third))
    for distance in (epic_distance, starc_distance):
        ab, bc, ac = distance(a, b, mdp), distance(b, c, mdp), distance(a, c, mdp)
        assert 0 <= ab <= 1 and ab == pytest.approx(distance(b, a, mdp), abs=1e-12)
        assert distance(a, a, mdp) == pytest.approx(0, abs=1e-12)
        assert distance(a, -a, mdp) == pytest.approx(1, abs=1e-9)
        assert ac <= ab + bc + 1e-9


def policy_values(odds: Array, gamma: float, reward: Array) -> list[float]:
    """Mean value over start states of every deterministic policy."""
    states, actions = odds.shape[:2]
    found = []
    for choice in itertools.product(range(actions), repeat=states):
        step = odds[np.arange(states), choice]
        gained = (step * reward[np.arange(states), choice]).sum(-1)
        found.append(float(np.linalg.inv(np.eye(states) - gamma * step).dot(gained).mean()))
    return found


def test_rewards_that_order_policies_differently_are_apart() -> None:
    """Where one reward's best policy is another's worse one, no distance is zero; where all orders agree, STARC is."""
    checked = 0
    for seed in range(30):
        odds, gamma, first, second = random_process(seed)
        if odds.shape[1] ** len(odds) > 300:
            continue
        one, two = policy_values(odds, gamma, first), policy_values(odds, gamma, second)
        if int(np.argmax(one)) == int(np.argmax(two)):
            continue
        checked += 1
        a, b, mdp = torch.from_numpy(first), torch.from_numpy(second), process(odds, gamma)
        assert epic_distance(a, b, mdp) > 0.01
        for form in FORMS:
            assert starc_distance(a, b, mdp, canonicalisation=form) > 0.01  # type: ignore[arg-type]
    assert checked >= 10


def test_a_golden_distance_by_hand() -> None:
    """One state, two actions: no shaping but constants, so the advantages (1, -1) and (2, -1, -1) decide."""
    odds = np.ones((1, 3, 1))
    mdp = process(odds, 0.5)
    first, second = torch.tensor([[1.0, 0.0, -1.0]]), torch.tensor([[2.0, -1.0, -1.0]])
    # cos of (1, 0, -1) and (2, -1, -1): 3 / (sqrt 2 sqrt 6); half the chord of that angle
    expected = math.sqrt((1 - 3 / math.sqrt(12)) / 2)
    assert starc_distance(first, second, mdp) == pytest.approx(expected, abs=1e-12)
    assert epic_distance(first, second, mdp) == pytest.approx(expected, abs=1e-12)


def test_constant_rewards() -> None:
    """A reward that is constant but for shaping: no correlation, said so; for STARC the trivial reward, at 0 or 1/2."""
    odds, gamma, first, _ = random_process(3)
    potential = np.random.default_rng(3).normal(size=len(odds))
    constant = torch.from_numpy(7.0 + gamma * potential[None, None, :] - potential[:, None, None] + 0 * first)
    one, mdp = torch.from_numpy(first), process(odds, gamma)
    with pytest.raises(RewardError, match="the same in all transitions"):
        epic_distance(one, constant, mdp)
    for form in FORMS:
        assert starc_distance(one, constant, mdp, canonicalisation=form) == pytest.approx(0.5, abs=1e-9)  # type: ignore[arg-type]
        assert starc_distance(constant, torch.zeros_like(one), mdp, canonicalisation=form) == 0.0  # type: ignore[arg-type]


def test_bad_input_is_one_line() -> None:
    """Shapes, probabilities, discounts and names that cannot be are said to be so."""
    odds, gamma, first, _ = random_process(0)
    mdp, one = process(odds, gamma), torch.from_numpy(first)
    for call, words in (
        (lambda: TabularMDP(transitions=torch.ones(2, 3), gamma=0.9), r"\[S, A, S\]"),
        (lambda: TabularMDP(transitions=torch.ones(2, 1, 2), gamma=0.9), "sum to 1"),
        (lambda: TabularMDP(transitions=torch.eye(2).double()[:, None], gamma=1.0), "gamma"),
        (lambda: epic_distance(one[:1], one, mdp), "has shape"),
        (lambda: epic_distance(one * torch.nan, one, mdp), "not finite"),
        (lambda: epic_distance(one, one, mdp, states=torch.zeros(len(odds))), "distribution of states"),
        (lambda: mdp.value(one, torch.ones(1, 1)), "a policy on this process"),
        (lambda: starc_distance(one, one, mdp, norm="l3"), "unknown norm 'l3'"),  # type: ignore[arg-type]
        (lambda: pearson_distance(one, one[:1]), "cannot be compared"),
        (lambda: standardised_distance(one, one[:1]), "cannot be compared"),
    ):
        with pytest.raises(ConfigError, match=words):
            call()
    with pytest.raises(UnknownNameError, match="did you mean 'val'"):
        starc_distance(one, one, mdp, canonicalisation="vals")  # type: ignore[arg-type]
