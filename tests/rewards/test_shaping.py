"""Potential-based shaping."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from counter_worlds import CounterTask
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from envreward.errors import ConfigError
from envreward.rewards import Flow, FunctionReward, Potential, PotentialShaping, RewardOutput
from envreward.world_vector_env import WorldVectorEnv

PAID = FunctionReward(("paid",), lambda paid: RewardOutput(paid, {"paid": paid}))


def flow_of(terminated: list[int], truncated: list[int] | None = None) -> Flow:
    """One world's episodes, back to back."""
    ended = torch.tensor(terminated, dtype=torch.bool)
    cut = torch.tensor(truncated or [0] * len(terminated), dtype=torch.bool)
    first = torch.cat([torch.tensor([True]), (ended | cut)[:-1]])
    return Flow(*(flags.unsqueeze(1) for flags in (first, ended, cut)))


def optimal(rewards: Tensor, next_states: Tensor, terminal: Tensor, gamma: float) -> Tensor:
    """Return the optimal action values ``[S, A]`` by value iteration; ``rewards`` is [S, A, S'] of [S, A] chances."""
    values = torch.zeros(len(terminal), dtype=torch.float64)
    for _ in range(2000):
        actions = (next_states * (rewards + gamma * values.masked_fill(terminal, 0.0))).sum(-1)
        fresh = actions.max(-1).values
        if torch.equal(fresh, values):
            break
        values = fresh
    return actions


@given(seed=st.integers(0, 2**32), states=st.integers(2, 6), actions=st.integers(2, 4), gamma=st.floats(0.3, 0.95))
@settings(max_examples=60, deadline=None)
def test_optimal_policies_stay_optimal(seed: int, states: int, actions: int, gamma: float) -> None:
    """In random decision processes with terminal states, shaped and plain rewards have the same best actions.

    More than that: each optimal action value moves by exactly the potential of its state (Ng et al. 1999, Corollary 2).
    """
    rng = np.random.default_rng(seed)
    next_states = torch.from_numpy(rng.dirichlet(np.full(states, 0.5), size=(states, actions)))
    paid = torch.from_numpy(rng.normal(size=(states, actions, states)))
    phi = torch.from_numpy(rng.normal(scale=3.0, size=states))
    terminal = torch.from_numpy(rng.random(states) < 0.3)
    here = phi.view(-1, 1, 1).expand_as(paid).reshape(1, -1)
    there = phi.expand_as(paid).reshape(1, -1)
    ended = terminal.expand_as(paid).reshape(1, -1)
    flow = Flow(torch.zeros_like(ended), ended, torch.zeros_like(ended))
    reward = PotentialShaping(potential="phi", gamma=gamma, base=PAID)
    shaped = reward.over(flow, {}, phi=there, prev_phi=here, paid=paid.reshape(1, -1)).total.view_as(paid)
    plain_q, shaped_q = (optimal(r, next_states, terminal, gamma) for r in (paid, shaped))
    torch.testing.assert_close(shaped_q, plain_q - phi.unsqueeze(-1), atol=1e-9, rtol=1e-9)
    best = plain_q >= plain_q.max(-1, keepdim=True).values - 1e-6
    assert torch.equal(best, shaped_q >= shaped_q.max(-1, keepdim=True).values - 1e-6)


@given(
    potentials=st.lists(st.floats(-5, 5), min_size=2, max_size=12),
    gamma=st.floats(0.0, 1.0),
    ends=st.sampled_from(["terminated", "truncated"]),
)
@settings(max_examples=100, deadline=None)
def test_an_episodes_shaping_telescopes(potentials: list[float], gamma: float, ends: str) -> None:
    """Its discounted sum is gamma^T Phi(end) - Phi(start), where Phi of a terminal state is zero."""
    phi = torch.tensor(potentials, dtype=torch.float64)
    steps = len(phi) - 1
    last = [0] * (steps - 1) + [1]
    flow = flow_of(last) if ends == "terminated" else flow_of([0] * steps, last)
    shaping = PotentialShaping(potential="phi", gamma=gamma)
    rewards = shaping.over(flow, {}, phi=phi[1:].unsqueeze(1), prev_phi=phi[:-1].unsqueeze(1)).total[:, 0]
    discounts = gamma ** torch.arange(steps, dtype=torch.float64)
    end = 0.0 if ends == "terminated" else potentials[-1]
    assert float((discounts * rewards).sum()) == pytest.approx(gamma**steps * end - potentials[0], abs=1e-9)


def test_worked_by_hand() -> None:
    """gamma 0.5, scale 2: a step within, one that is cut off, one that terminates."""
    flow = flow_of([0, 0, 1], [0, 1, 0])
    after, before = torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([[0.0], [1.0], [2.0]])
    output = PotentialShaping(potential="phi", gamma=0.5, scale=2.0).over(flow, {}, phi=after, prev_phi=before)
    assert output.total[:, 0].tolist() == [2 * (0.5 - 0), 2 * (1.5 - 1), 2 * (0 - 2)]


def test_potentials_of_several_fields() -> None:
    """A potential that is a function gets the values before the step under the same names."""
    potential = Potential(parameters=("done", "total"), function=lambda done, total: done.float() / total)
    reward = PotentialShaping(potential=potential, gamma=1.0)
    assert reward.parameters == ("done", "total", "prev_done", "prev_total")
    values = {"done": torch.tensor([[3]]), "total": torch.tensor([[4]]), "prev_done": torch.tensor([[1]])}
    output = reward.over(flow_of([0]), {}, **values, prev_total=torch.tensor([[4]]))
    assert output.total.tolist() == [[0.5]]


def test_in_an_environment() -> None:
    """Paid by `step`, from the state right after the reset on: the counter's distance to its target shrinks."""
    near = Potential(parameters=("value", "target"), function=lambda value, target: -(target - value).abs())
    env = WorldVectorEnv(CounterTask(), 3, reward=PotentialShaping(potential=near, gamma=1.0))
    env.reset(seed=5)  # targets 4, 2, 3; each step up comes one closer, and the step that arrives terminates
    rewards = [env.step(torch.ones(3, dtype=torch.int64))[1].tolist() for _ in range(4)]
    env.close()
    assert rewards == [[1.0] * 3] * 4


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"potential": "progress", "gamma": 1.1}, "gamma must be within"),
        ({"potential": "prev_progress"}, "function of one state"),
        ({"potential": Potential, "fields": ("action",)}, "function of one state"),
    ],
)
def test_bad_settings(bad: dict[str, object], message: str) -> None:
    """Discounts above one and potentials that read more than a state are refused."""
    fields = bad.pop("fields", None)
    with pytest.raises(ConfigError, match=message):
        if fields:
            bad["potential"] = Potential(parameters=fields, function=lambda action: action)  # type: ignore[arg-type]
        PotentialShaping(**bad)  # type: ignore[arg-type]
