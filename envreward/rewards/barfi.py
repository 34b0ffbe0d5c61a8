"""BARFI: learning how much of each auxiliary reward is good for the primary one.

A bi-level problem. Inside, a policy is trained on a blend of rewards; outside, the blend is changed so that the policy
that comes out does better by the primary reward alone. How the policy depends on the blend is found by the implicit
function theorem at the end of the inner training, without differentiating through it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from envreward.errors import ConfigError, RewardRuntimeError

from .ensemble import WeightedSum
from .sequence import AnyReward, Flow


class Blend(NamedTuple):
    """What the outer level chooses."""

    weights: Tensor
    """Weight of the primary reward, then of each auxiliary one, float ``[1 + A]``."""
    gamma: Tensor
    """Discount factor of the inner training, a float scalar within (0, 1)."""


Inner: TypeAlias = Callable[[Tensor, Blend], Tensor]
"""Takes the policy's parameters ``[P]`` and the blend; returns a scalar whose gradient by the parameters is that of
the blended return (the return itself, or `policy_gradient_objective` of sampled episodes)."""
Outer: TypeAlias = Callable[[Tensor], Tensor]
"""Takes the policy's parameters ``[P]``; returns a scalar with the gradient of the primary return."""


@dataclass(frozen=True, kw_only=True)
class BarfiConfig:
    """Settings of `Barfi`; all defaults are this project's, for policies of up to some thousand parameters.

    Raises:
        ConfigError: A setting cannot work.
    """

    outer_steps: int = 50
    """How often the blend is changed."""
    outer_rate: float = 0.1
    """Learning rate (Adam) of weights and discount."""
    inner_steps: int = 100
    """Gradient steps on the policy for each blend; it goes on from where the last blend left it."""
    inner_rate: float = 0.5
    """Step size of gradient ascent on the policy."""
    ridge: float = 0.01
    """Takes ``ridge / 2 * |theta|^2`` off the inner objective. It gives the policy an optimum that is not at infinity,
    and the Hessian an inverse."""
    neumann_terms: int = 100
    """Terms of the series that stands for the Hessian's inverse."""
    neumann_rate: float = 0.5
    """Step size of the series; must stay below 2 over the Hessian's largest eigenvalue."""
    gamma: float = 0.9
    """Discount factor to begin with."""
    learn_gamma: bool = True
    """Whether the discount factor is learned too."""
    gamma_penalty: float = 0.0
    """Takes ``gamma_penalty / 2 * gamma^2`` off the outer objective: shorter horizons are easier to learn with."""

    def __post_init__(self) -> None:
        if min(self.outer_steps, self.inner_steps, self.neumann_terms) < 1:
            raise ConfigError("outer_steps, inner_steps and neumann_terms must be at least 1")
        if min(self.outer_rate, self.inner_rate, self.neumann_rate) <= 0.0:
            raise ConfigError("outer_rate, inner_rate and neumann_rate must be positive")
        if not 0.0 < self.gamma < 1.0:
            raise ConfigError(f"gamma must be within (0, 1), got {self.gamma}")
        if self.ridge < 0.0 or self.gamma_penalty < 0.0:
            raise ConfigError("ridge and gamma_penalty cannot be negative")


class Learned(NamedTuple):
    """What came out of `Barfi.learn`."""

    weights: tuple[float, ...]
    """Weight of the primary reward, then of each auxiliary one."""
    gamma: float
    """Discount factor with which the blend is to be trained on."""
    theta: Tensor
    """The policy's parameters after the last inner training ``[P]``."""
    returns: tuple[float, ...]
    """The outer objective after each inner training."""

    def reward(self, primary: str | AnyReward, *auxiliaries: str | AnyReward) -> WeightedSum:
        """Return the blend as a reward of the same parts.

        Raises:
            ConfigError: There are more or fewer auxiliaries than weights.
        """
        if len(auxiliaries) != len(self.weights) - 1:
            raise ConfigError(f"the blend has {len(self.weights) - 1} auxiliary rewards, got {len(auxiliaries)}")
        names = ["primary", *(f"auxiliary{i}" for i in range(len(auxiliaries)))]
        parts = dict(zip(names, (primary, *auxiliaries), strict=True))
        return WeightedSum(parts=parts, weights=dict(zip(names, self.weights, strict=True)))


class Barfi:
    """Learns the weights of a primary and of auxiliary rewards, and a discount, so that training on the blend serves
    the primary reward.

    ``r_phi = phi_0 r_primary + sum_i phi_i r_auxiliary_i``; inside ``theta(phi, gamma) = argmax_theta L(theta, phi,
    gamma)``, the return of ``r_phi`` discounted by ``gamma``; outside ``max J(theta(phi, gamma)) - penalty/2 gamma^2``
    with ``J`` the return of the primary reward. Where ``dL/dtheta = 0``,
    ``dJ/dphi = dJ/dtheta (-d2L/dtheta2)^-1 d2L/(dtheta dphi)``; the inverse is the Neumann series
    ``eta sum_k (I + eta d2L/dtheta2)^k``, of which only products with vectors are computed.

    Source: Gupta, Chandak, Jordan, Thomas & da Silva, *Behavior alignment via reward function optimization* (NeurIPS
    2023, arXiv 2310.19007): the bi-level objective, the learned discount, the implicit gradient and its Neumann
    approximation, all restated from their published description without the paper's text at hand; they are checked
    against closed forms and against retrained policies. There, ``phi`` may depend on state and action; here it is a
    number for each reward. An auxiliary reward that is split by regions of the state space, one per region, gives the
    same freedom.

    When to use it: there is a sparse reward that can be trusted and there are dense ones of which nobody knows whether
    they help. What misleads gets a weight near or below zero, what helps keeps its own.

    Known failures: it costs ``outer_steps`` trainings, though each goes on from the last. The gradient is right only
    where the inner training has converged. While the primary reward is never met, its gradient is zero and nothing is
    learned: auxiliaries must lead to it at least by chance. Weights are not unique: their common factor only sets how
    far training is driven against `BarfiConfig.ridge`.
    """

    doc = "BARFI, arXiv 2310.19007."
    """Where the formula comes from."""

    def __init__(self, config: BarfiConfig | None = None) -> None:
        """Take the settings."""
        self.config = config or BarfiConfig()

    def learn(self, inner: Inner, outer: Outer, theta: Tensor, auxiliaries: int) -> Learned:
        """Learn a blend of one primary and some auxiliary rewards, all with weight 1 to begin with.

        Args:
            inner: The blended objective; called once per inner step, so that it can draw fresh episodes.
            outer: The primary objective.
            theta: The policy's parameters to begin with, float ``[P]``; left as they are.
            auxiliaries: How many auxiliary rewards there are.

        Raises:
            ConfigError: There is no auxiliary reward.
            RewardRuntimeError: The inner training or the series has diverged.
        """
        if auxiliaries < 1:
            raise ConfigError("without auxiliary rewards there is nothing to blend")
        config = self.config
        weights = torch.ones(1 + auxiliaries, dtype=theta.dtype, requires_grad=True)
        logit = torch.tensor(math.log(config.gamma / (1.0 - config.gamma)), dtype=theta.dtype, requires_grad=True)
        chosen = [weights, logit] if config.learn_gamma else [weights]
        optimiser = torch.optim.Adam(chosen, lr=config.outer_rate, maximize=True)
        theta, returns = theta.detach().clone(), []
        for _ in range(config.outer_steps):
            blend = Blend(weights.detach(), torch.sigmoid(logit.detach()))
            theta = self._train(inner, theta, blend)
            gradients, value = self._outer_gradients(inner, outer, theta, weights, logit)
            returns.append(value)
            weights.grad, logit.grad = gradients
            optimiser.step()
        theta = self._train(inner, theta, Blend(weights.detach(), torch.sigmoid(logit.detach())))
        returns.append(float(outer(theta).detach()))
        return Learned(tuple(weights.tolist()), float(torch.sigmoid(logit.detach())), theta, tuple(returns))

    def _train(self, inner: Inner, theta: Tensor, blend: Blend) -> Tensor:
        for _ in range(self.config.inner_steps):
            theta = theta.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self._inner(inner, theta, blend), theta)
            theta = theta + self.config.inner_rate * gradient
        return _finite(theta.detach(), "the inner training", "inner_rate")

    def _outer_gradients(
        self, inner: Inner, outer: Outer, theta: Tensor, weights: Tensor, logit: Tensor
    ) -> tuple[tuple[Tensor, Tensor], float]:
        """Return the gradients of the outer objective by weights and logit, and the primary return."""
        theta = theta.requires_grad_()
        value = outer(theta)
        (wanted,) = torch.autograd.grad(value, theta)
        by_blend = implicit_gradient(
            lambda parameters, phi: self._inner(inner, parameters, Blend(phi[:-1], torch.sigmoid(phi[-1]))),
            theta,
            torch.cat([weights, logit.view(1)]).detach(),
            wanted,
            terms=self.config.neumann_terms,
            rate=self.config.neumann_rate,
        )
        gamma = torch.sigmoid(logit.detach())
        shorter = self.config.gamma_penalty * gamma * gamma * (1.0 - gamma)
        return (by_blend[:-1], by_blend[-1] - shorter), float(value.detach())

    def _inner(self, inner: Inner, theta: Tensor, blend: Blend) -> Tensor:
        return inner(theta, blend) - 0.5 * self.config.ridge * theta.square().sum()


def implicit_gradient(
    inner: Callable[[Tensor, Tensor], Tensor], theta: Tensor, phi: Tensor, wanted: Tensor, *, terms: int, rate: float
) -> Tensor:
    """Return how an objective of the optimum ``theta(phi) = argmax inner(theta, phi)`` changes with ``phi``.

    ``wanted^T (-H)^-1 d2inner/(dtheta dphi)`` with ``H = d2inner/dtheta2``, whose inverse is a Neumann series
    (Lorraine, Vicol & Duvenaud, *Optimizing millions of hyperparameters by implicit differentiation*, AISTATS 2020).

    Args:
        inner: Takes ``theta`` ``[P]`` and ``phi`` ``[Q]``, returns a scalar; twice differentiable.
        theta: Where its gradient is zero.
        phi: What the optimum depends on.
        wanted: Gradient of the objective by ``theta`` ``[P]``.
        terms: Terms of the series.
        rate: Its step size, below 2 over the largest eigenvalue of ``-H``.

    Returns:
        The gradient by ``phi`` ``[Q]``.

    Raises:
        RewardRuntimeError: The series has diverged.
    """
    theta, phi = theta.detach().requires_grad_(), phi.detach().requires_grad_()
    (slope,) = torch.autograd.grad(inner(theta, phi), theta, create_graph=True)
    term = wanted.detach()
    total = term.clone()
    for _ in range(terms - 1):
        (curved,) = torch.autograd.grad(slope, theta, grad_outputs=term, retain_graph=True)
        term = term + rate * curved
        total = total + term
    (gradient,) = torch.autograd.grad(slope, phi, grad_outputs=_finite(rate * total, "the series", "neumann_rate"))
    return gradient


def policy_gradient_objective(log_probs: Tensor, rewards: Tensor, flow: Flow, blend: Blend) -> Tensor:
    """Return a scalar whose gradient by the policy's parameters is the REINFORCE estimate for a blend of rewards.

    ``1/episodes * sum_t log pi(a_t | s_t) * G_t`` with ``G_t`` the discounted sum of ``sum_k weights_k rewards_k`` from
    step t to the end of its episode. It can be differentiated by the blend as well, as `Barfi` needs.

    Args:
        log_probs: Log-probabilities of the actions taken, ``[T, N]``, with a graph to the policy's parameters.
        rewards: The primary and the auxiliary rewards, ``[1 + A, T, N]``.
        flow: Where episodes begin and end; those that run on beyond T count as far as they have come.
        blend: Weights and discount.
    """
    blended = torch.einsum("k,ktn->tn", blend.weights, rewards)
    following = torch.zeros_like(blended[0])
    returns = []
    for t in range(len(blended) - 1, -1, -1):
        following = blended[t] + blend.gamma * following.masked_fill(flow.last[t], 0.0)
        returns.append(following)
    episodes = int(flow.last.sum()) + int((~flow.last[-1]).sum())
    return (log_probs * torch.stack(returns[::-1])).sum() / episodes


def _finite(values: Tensor, what: str, setting: str) -> Tensor:
    if not bool(torch.isfinite(values).all()):
        raise RewardRuntimeError(f"{what} has diverged.", fix=f"Lower {setting} or raise ridge.")
    return values
