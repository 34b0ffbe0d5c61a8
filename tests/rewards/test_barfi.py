"""BARFI: learned weights of auxiliary rewards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from envreward.errors import ConfigError, RewardRuntimeError
from envreward.rewards import Flow
from envreward.rewards.barfi import Barfi, BarfiConfig, Blend, implicit_gradient, policy_gradient_objective

STATES, GOAL = 5, 4
LEFT, RIGHT = 0, 1


class Corridor:
    """Five places in a row, left and right; the last one is the goal and ends the walk. Returns are exact."""

    def __init__(self) -> None:
        self.next_states = torch.zeros(STATES, 2, STATES, dtype=torch.float64)
        for place in range(GOAL):
            self.next_states[place, LEFT, max(place - 1, 0)] = 1.0
            self.next_states[place, RIGHT, place + 1] = 1.0
        zeros = torch.zeros(STATES, 2, dtype=torch.float64)
        self.primary, self.helpful, self.misleading = zeros.clone(), zeros.clone(), zeros.clone()
        self.primary[GOAL - 1, RIGHT] = 1.0
        self.helpful[:GOAL, RIGHT] = 0.3
        self.misleading[:GOAL, LEFT] = 0.3

    def value(self, theta: Tensor, rewards: Tensor, gamma: Tensor | float) -> Tensor:
        """Expected discounted return of a softmax policy from the first place, by solving Bellman's equation."""
        policy = torch.softmax(theta.view(STATES, 2), -1)
        moves = torch.einsum("sa,sat->st", policy, self.next_states)
        paid = (policy * rewards).sum(-1)
        return torch.linalg.solve(torch.eye(STATES, dtype=torch.float64) - gamma * moves, paid)[0]

    def learn(self, *auxiliaries: Tensor, **settings: Any) -> Any:
        terms = torch.stack([self.primary, *auxiliaries])
        config = BarfiConfig(**{"outer_steps": 15, "inner_steps": 30, "neumann_terms": 30, "ridge": 0.02, **settings})
        return Barfi(config).learn(
            lambda theta, blend: self.value(theta, torch.einsum("k,ksa->sa", blend.weights, terms), blend.gamma),
            lambda theta: self.value(theta, self.primary, 0.95),
            torch.zeros(STATES * 2, dtype=torch.float64),
            len(auxiliaries),
        )


@given(seed=st.integers(0, 2**32), size=st.integers(1, 4), choices=st.integers(1, 3))
@settings(max_examples=8, deadline=None)
def test_the_implicit_gradient_of_quadratics(seed: int, size: int, choices: int) -> None:
    """inner = -1/2 t'At + t'Bp has its optimum at A^-1 B p, so an objective c't changes by B' A^-1 c with p."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(size, size))
    a, b, c = 0.3 * root @ root.T + np.eye(size), rng.normal(size=(size, choices)), rng.normal(size=size)
    p = rng.normal(size=choices)
    at, bt = torch.from_numpy(a), torch.from_numpy(b)
    gradient = implicit_gradient(
        lambda theta, phi: -0.5 * theta @ at @ theta + theta @ bt @ phi,
        torch.from_numpy(np.linalg.solve(a, b @ p)),
        torch.from_numpy(p),
        torch.from_numpy(c),
        terms=150,
        rate=1.0 / float(np.linalg.eigvalsh(a).max()),
    )
    np.testing.assert_allclose(gradient.numpy(), b.T @ np.linalg.solve(a, c), rtol=1e-5, atol=1e-6)


def test_the_implicit_gradient_of_a_policy_is_that_of_retraining() -> None:
    """In the corridor it agrees with the difference between policies trained to the end on two blends."""
    corridor = Corridor()
    terms = torch.stack([corridor.primary, corridor.helpful])

    def inner(theta: Tensor, phi: Tensor) -> Tensor:
        blended = torch.einsum("k,ksa->sa", phi[:2], terms)
        return corridor.value(theta, blended, phi[2]) - 0.1 * theta.square().sum()

    def trained(phi: Tensor) -> Tensor:
        theta = torch.zeros(STATES * 2, dtype=torch.float64)
        for _ in range(200):
            theta.requires_grad_()
            (gradient,) = torch.autograd.grad(inner(theta, phi), theta)
            theta = (theta + gradient).detach()
        return theta

    phi = torch.tensor([1.0, 0.5, 0.8], dtype=torch.float64)
    theta = trained(phi).requires_grad_()
    (wanted,) = torch.autograd.grad(corridor.value(theta, corridor.primary, 0.95), theta)
    gradient = implicit_gradient(inner, theta, phi, wanted, terms=200, rate=1.0)
    for i in range(3):
        step = 1e-4 * torch.eye(3, dtype=torch.float64)[i]
        ahead, behind = (corridor.value(trained(p), corridor.primary, 0.95) for p in (phi + step, phi - step))
        assert float(gradient[i]) == pytest.approx(float(ahead - behind) / 2e-4, rel=1e-3)


def test_what_misleads_loses_its_weight_and_what_helps_keeps_it() -> None:
    """From weights of 1 each, the reward for going away from the goal is turned off, the one for going there stays.

    With the blend one begins with, the policy hardly ever arrives; with the learned one it nearly always does (at best
    it is paid 0.95^3 = 0.86).
    """
    corridor = Corridor()
    learned = corridor.learn(corridor.helpful, corridor.misleading)
    primary, helpful, misleading = learned.weights
    assert misleading < 0.0 and helpful > 0.5 and primary > 1.0
    assert learned.returns[0] < 0.1 and learned.returns[-1] > 0.8


def test_the_discount_is_learned() -> None:
    """The goal is four steps away: from a short horizon, the discount rises; a penalty on it holds it back."""
    corridor = Corridor()
    free, held = (
        corridor.learn(corridor.helpful, gamma=0.5, gamma_penalty=penalty, outer_steps=10) for penalty in (0.0, 5.0)
    )
    assert free.gamma > 0.6 and held.gamma < 0.5
    fixed = corridor.learn(corridor.helpful, gamma=0.5, learn_gamma=False, outer_steps=2)
    assert fixed.gamma == pytest.approx(0.5)


def test_the_blend_as_a_reward() -> None:
    """What was learned becomes a weighted sum of the same parts."""
    corridor = Corridor()
    learned = corridor.learn(corridor.helpful, outer_steps=1)
    reward = learned.reward("success", "progress")
    flags = torch.zeros(1, 1, dtype=torch.bool)
    output = reward.over(Flow(flags, flags, flags), {}, success=torch.tensor([[1.0]]), progress=torch.tensor([[2.0]]))
    assert float(output.total) == pytest.approx(learned.weights[0] + 2 * learned.weights[1])
    with pytest.raises(ConfigError, match="1 auxiliary rewards, got 2"):
        learned.reward("success", "progress", "style")


def test_reinforce_worked_by_hand() -> None:
    """Two episodes in one world, weights (1, 2), discount 0.5: each log-probability times its return, over episodes."""
    log_probs = torch.tensor([[0.1], [0.2], [0.4]], requires_grad=True)
    rewards = torch.tensor([[[1.0], [4.0], [3.0]], [[0.0], [2.0], [1.0]]])
    ended = torch.tensor([[False], [True], [False]])
    flow = Flow(torch.tensor([[True], [False], [True]]), ended, torch.zeros_like(ended))
    weights, gamma = torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor(0.5, requires_grad=True)
    objective = policy_gradient_objective(log_probs, rewards, flow, Blend(weights, gamma))
    returns = [1 + 0.5 * 8, 8.0, 5.0]
    assert float(objective.detach()) == pytest.approx((0.1 * returns[0] + 0.2 * returns[1] + 0.4 * returns[2]) / 2)
    by_log_prob, by_weight, by_gamma = torch.autograd.grad(objective, (log_probs, weights, gamma))
    assert by_log_prob[:, 0].tolist() == pytest.approx([r / 2 for r in returns])
    assert by_weight.tolist() == pytest.approx([(0.1 * 3 + 0.2 * 4 + 0.4 * 3) / 2, (0.1 * 1 + 0.2 * 2 + 0.4 * 1) / 2])
    assert float(by_gamma) == pytest.approx(0.1 * 8 / 2)


def test_a_bandit_from_samples() -> None:
    """With sampled actions and the REINFORCE objective alone, the misleading arm's reward loses its weight.

    Three arms: the primary reward pays for the first, one auxiliary for the second.
    """
    generator = torch.Generator().manual_seed(0)
    paid = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    done = torch.ones(1, 512, dtype=torch.bool)
    flow = Flow(done, done, torch.zeros_like(done))

    def objective(theta: Tensor, rewards: Tensor, blend: Blend) -> Tensor:
        log_policy = torch.log_softmax(theta, -1)
        arms = torch.multinomial(log_policy.exp().detach(), 512, replacement=True, generator=generator)
        return policy_gradient_objective(log_policy[arms].unsqueeze(0), rewards[:, arms].unsqueeze(1), flow, blend)

    # Rewards less their mean under the policy would have less variance; 512 samples do without.
    one = Blend(torch.ones(1), torch.tensor(0.9))
    learned = Barfi(BarfiConfig(outer_steps=20, inner_steps=30, neumann_terms=10, ridge=0.2, neumann_rate=1.0)).learn(
        lambda theta, blend: objective(theta, paid, blend),
        lambda theta: objective(theta, paid[:1], one),
        torch.zeros(3),
        1,
    )
    assert learned.weights[1] < 0.3 < 1.0 < learned.weights[0]
    assert int(learned.theta.argmax()) == 0


def test_divergence_is_told() -> None:
    """Steps that are too large end with the setting to change, not with weights that are no numbers."""

    def bowl(theta: Tensor, _: Blend) -> Tensor:
        return -(theta**4).sum()

    with pytest.raises(RewardRuntimeError, match=r"inner training has diverged\. Fix: Lower inner_rate"):
        Barfi(BarfiConfig(inner_rate=100.0)).learn(bowl, lambda theta: theta.sum(), torch.ones(2), 1)


@pytest.mark.parametrize(
    "bad", [{"outer_steps": 0}, {"inner_rate": 0.0}, {"gamma": 1.0}, {"ridge": -1.0}, {"neumann_terms": 0}]
)
def test_bad_settings(bad: dict[str, Any]) -> None:
    """Settings that cannot work are refused."""
    with pytest.raises(ConfigError):
        BarfiConfig(**bad)


def test_nothing_to_blend() -> None:
    """Without auxiliary rewards there is nothing to learn."""
    with pytest.raises(ConfigError, match="nothing to blend"):
        Barfi().learn(lambda theta, _: theta.sum(), lambda theta: theta.sum(), torch.zeros(1), 0)
