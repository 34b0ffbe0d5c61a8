"""EPIC and STARC over recorded transitions: what is exact stays exact, what is estimated comes close."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from envreward.errors import ConfigError, RewardError, UnknownNameError
from envreward.rewards import Flow, FunctionReward, Potential, PotentialShaping, RewardOutput
from envreward.rewards.distances import (
    EpicSample,
    StarcSample,
    StateFeatures,
    TabularMDP,
    Transitions,
    epic_distance,
    pearson_distance,
    starc_distance,
)

STATES, ACTIONS, GAMMA = 4, 3, 0.9


def everything() -> Transitions:
    """Every state, action and next state once, as if each could follow each."""
    rows = torch.tensor([*itertools.product(range(STATES), range(ACTIONS), range(STATES))])
    return Transitions(
        before={"s": rows[:, 0]}, action=rows[:, 1], after={"s": rows[:, 2]}, terminated=torch.zeros(len(rows)) > 0
    )


def one_step(follows: Tensor) -> Transitions:
    """Every state and action once, with the state that follows; states are one-hot."""
    pairs = torch.tensor([*itertools.product(range(STATES), range(ACTIONS))])
    hot = torch.eye(STATES, dtype=torch.float64)
    return Transitions(
        before={"s": hot[pairs[:, 0]]},
        action=pairs[:, 1],
        after={"s": hot[follows[pairs[:, 0], pairs[:, 1]]]},
        terminated=torch.zeros(len(pairs)) > 0,
    )


def test_epic_comes_close_to_the_exact_distance() -> None:
    """Over all transitions alike, with many draws for the means, the estimate is near EPIC of uniform distributions."""
    rng = np.random.default_rng(0)
    first, second = (torch.from_numpy(rng.normal(size=(STATES, ACTIONS, STATES))) for _ in range(2))
    odds = torch.full((STATES, ACTIONS, STATES), 1 / STATES, dtype=torch.float64)
    sample = EpicSample(everything(), coverage=1000, expectation=5000, gamma=GAMMA, seed=1)
    found = []
    for table in (first, second):
        rows = sample.tables(("prev_s", "action", "s"))
        found.append(sample.canonical([table[r["prev_s"], r["action"], r["s"]] for r in rows]))
    exact = epic_distance(first, second, TabularMDP(transitions=odds, gamma=GAMMA))
    assert pearson_distance(*found) == pytest.approx(exact, abs=0.02)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100))
def test_sampled_epic_does_not_see_shaping_and_scale(seed: int, scale: float) -> None:
    """The means are over the same draws for all states, so that shaping cancels exactly, however few they are."""
    rng = np.random.default_rng(seed)
    reward = torch.from_numpy(rng.normal(size=(STATES, ACTIONS, STATES)))
    potential = torch.from_numpy(rng.normal(size=STATES))
    sample = EpicSample(everything(), coverage=30, expectation=3, gamma=GAMMA, seed=seed)
    rows = sample.tables(("prev_s", "action", "s"))
    plain = [reward[r["prev_s"], r["action"], r["s"]] for r in rows]
    shaped = [
        scale * (v + GAMMA * potential[r["s"]] - potential[r["prev_s"]]) for v, r in zip(plain, rows, strict=True)
    ]
    assert pearson_distance(sample.canonical(plain), sample.canonical(shaped)) < 1e-6


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), offset=st.sampled_from([0.0, 1.0, 1e2, 1e4]), step=st.sampled_from([1e-4, 1e-2, 1.0]))
def test_shaping_in_single_precision_is_not_taken_for_a_reward(seed: int, offset: float, step: float) -> None:
    """However large its potential and small the steps, only rounding is left of it; a reward in it is still seen."""
    generator = torch.Generator().manual_seed(seed)
    before = torch.randn(500, generator=generator)
    after = before + step * torch.randn(500, generator=generator)
    sample = EpicSample(
        Transitions(before={"x": before}, action=before, after={"x": after}, terminated=before > 9), seed=seed
    )

    def values(weight: float) -> list[Tensor]:
        found = []
        for row in sample.tables(("x", "prev_x")):
            x, prev_x = row["x"], row["prev_x"]
            assert isinstance(x, Tensor) and isinstance(prev_x, Tensor) and x.dtype == torch.float32
            size = max(offset, 1.0)
            found.append(0.99 * (x.tanh() + offset) - (prev_x.tanh() + offset) + weight * size * x.square())
        return found

    reward = values(1.0)
    with pytest.raises(RewardError, match="once potential shaping is taken out"):
        sample.distance(values(0.0), reward)
    assert sample.distance(values(0.01), reward) < 0.02


def test_rewards_of_the_next_state_need_no_impossible_transitions() -> None:
    """A reward that does not look at the state before the step is asked for recorded transitions alone."""
    sample = EpicSample(everything(), coverage=30, seed=0)
    assert len(sample.tables(("s", "action"))) == 1 and len(sample.tables(("s", "prev_s"))) == 3
    (table,) = sample.tables(("s",))
    values = table["s"] * 2.0  # type: ignore[operator]
    assert torch.equal(sample.canonical([values]), values.double())


@pytest.mark.parametrize("seed", range(10))
def test_starc_is_exact_where_features_tell_all_states_apart(seed: int) -> None:
    """With one-hot states and every action once, fitted canonical rewards are those of the tabular process."""
    rng = np.random.default_rng(seed)
    follows = torch.from_numpy(rng.integers(STATES, size=(STATES, ACTIONS)))
    odds = torch.nn.functional.one_hot(follows, STATES).double()
    first, second = (torch.from_numpy(rng.normal(size=(STATES, ACTIONS))) for _ in range(2))
    sample = StarcSample(one_step(follows), gamma=GAMMA, cosines=0)
    mdp = TabularMDP(transitions=odds, gamma=GAMMA)
    for form in ("val", "minimal"):
        exact = starc_distance(  # the norm over next states is that over pairs, as one next state is reached
            first[..., None] * odds,
            second[..., None] * odds,
            mdp,
            canonicalisation=form,  # type: ignore[arg-type]
        )
        mine = sample.distance(first.flatten(), second.flatten(), form)  # type: ignore[arg-type]
        assert mine == pytest.approx(exact, abs=1e-5)


def walk(seed: int, episodes: int = 20, length: int = 30) -> tuple[Transitions, Flow]:
    """Episodes of a point that drifts in the plane, half of which terminate."""
    rng = np.random.default_rng(seed)
    parts, ends = [], []
    for number in range(episodes):
        moves = rng.normal(size=(length, 2))
        path = np.concatenate([rng.normal(size=(1, 2)), np.zeros((length, 2))])
        for t in range(length):
            path[t + 1] = 0.9 * path[t] + 0.3 * moves[t]
        parts.append((path[:-1], moves, path[1:]))
        ends.append(np.arange(length) == (length - 1 if number % 2 else -1))
    before, action, after = (torch.from_numpy(np.concatenate(p)) for p in zip(*parts, strict=True))
    terminated = torch.from_numpy(np.concatenate(ends))
    first = torch.zeros(episodes, length, dtype=torch.bool)
    first[:, 0] = True
    last = torch.zeros(episodes, length, dtype=torch.bool)
    last[:, -1] = True
    flow = Flow(*(f.reshape(-1, 1) for f in (first, terminated, last.reshape(-1) & ~terminated)))
    return Transitions(before={"xy": before}, action=action, after={"xy": after}, terminated=terminated), flow


def test_sampled_starc_does_not_see_potential_shaping() -> None:
    """A reward and the same with `PotentialShaping`, ends of episodes included, are at distance zero."""
    transitions, flow = walk(0)
    base = FunctionReward(
        ("xy", "action"), lambda xy, action: RewardOutput(xy[:, 0] - 0.1 * action.square().sum(1), {})
    )
    shaping = PotentialShaping(
        potential=Potential(parameters=("xy",), function=lambda xy: 3 * xy[..., 0] - xy[..., 1]), gamma=0.99, base=base
    )
    rows = torch.arange(len(transitions))
    plain = base(**transitions.table(base.parameters, rows)).total  # type: ignore[arg-type]
    state = {n: c.unsqueeze(1) for n, c in transitions.table(shaping.parameters, rows).items()}  # type: ignore[union-attr]
    shaped = shaping.over(flow, shaping.new_memory(1), **state).total.squeeze(1)
    sample = StarcSample(transitions, gamma=0.99)
    assert float((plain - shaped).abs().mean()) > 0.1
    for form in ("val", "minimal"):
        assert sample.distance(plain, 2.5 * shaped, form) < 1e-4  # type: ignore[arg-type]
        assert sample.distance(plain, -plain, form) == pytest.approx(1.0, abs=1e-6)  # type: ignore[arg-type]


def test_a_constant_pays_for_lasting_only() -> None:
    """Where nothing terminates a constant is trivial, at 1/2 from any reward; where episodes end it is a reward."""
    transitions, _ = walk(1)
    endless = Transitions(
        before=transitions.before,
        action=transitions.action,
        after=transitions.after,
        terminated=torch.zeros_like(transitions.terminated),
    )
    reward, constant = transitions.after["xy"][:, 0], torch.full((len(transitions),), 2.0)  # type: ignore[call-overload]
    for form in ("val", "minimal"):
        assert StarcSample(endless).distance(reward, constant, form) == pytest.approx(0.5, abs=1e-4)  # type: ignore[arg-type]
        assert StarcSample(endless).distance(constant, 3 * constant, form) == 0.0  # type: ignore[arg-type]
        assert StarcSample(transitions).distance(constant, 3 * constant, form) < 1e-6  # type: ignore[arg-type]
        assert abs(StarcSample(transitions).distance(reward, constant, form) - 0.5) > 0.02  # type: ignore[arg-type]


def test_features_leave_out_what_never_changes_and_texts() -> None:
    """Constant entries would divide by zero, and texts have no number: neither becomes a feature."""
    transitions, _ = walk(2, episodes=2, length=10)
    rows = len(transitions)
    wider = Transitions(
        before={**transitions.before, "still": torch.full((rows,), 1e9), "note": ["x"] * rows},
        action=transitions.action,
        after={**transitions.after, "still": torch.full((rows,), 1e9), "note": ["y"] * rows},
        terminated=transitions.terminated,
    )
    features = StateFeatures(wider, cosines=64)(wider.before)
    assert features.shape == (rows, 1 + 2 + rows // 20) and bool(torch.isfinite(features).all())


def test_bad_input() -> None:
    """No transitions, and fields that were not recorded, are said to be so."""
    none = torch.zeros(0)
    with pytest.raises(ConfigError, match="record some episodes"):
        Transitions(before={}, action=none, after={}, terminated=none > 0)
    with pytest.raises(UnknownNameError, match="did you mean"):
        everything().table(["prev_t"], torch.tensor([0]))
