"""The PPO update of a population (Schulman et al. 2017, arXiv:1707.06347), one batched gradient step for all members.

Each member minimises, over minibatches of its own rollout,

    mean(max(-A r, -A clip(r, 1 - c, 1 + c))) + value_coef * mean((V - R)^2) - entropy_coef * mean(entropy)

with ``r`` the ratio of its present to its sampling policy's probability of the action. Members share nothing but
the order in which minibatches are drawn, which depends on the number of the update alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from torch import Tensor

from .config import PPOConfig
from .heads import Head
from .networks import StackedActorCritic
from .optimizer import StackedAdam, clip_gradients

_MIN_LR, _MAX_LR = 1e-5, 1e-2
"""Bounds of the adaptive learning rate, as in rsl-rl."""


@dataclass(kw_only=True)
class Batch:
    """A rollout's transitions, member by member."""

    obs: Tensor
    """Normalised, float32 ``[M, B, O]``."""
    action: Tensor
    """Float32 ``[M, B, A]`` or int64 ``[M, B]``."""
    log_prob: Tensor
    """Of the actions under the policy that took them, ``[M, B]``."""
    advantage: Tensor
    target: Tensor
    """What the critic should have said, ``[M, B]``."""
    counts: Tensor | None = None
    """1 for transitions to learn from and 0 for those lost to a fault of the machinery, ``[M, B]``; ``None``: all 1."""

    def select(self, index: Tensor) -> Batch:
        """Return the transitions ``index`` (int64 ``[b]``) of every member."""
        return Batch(**{name: values.index_select(1, index) for name, values in self._present()})

    def slice(self, start: int, stop: int) -> Batch:
        """Return a view of transitions ``start`` to ``stop`` of every member."""
        return Batch(**{name: values[:, start:stop] for name, values in self._present()})

    def _present(self) -> Iterator[tuple[str, Tensor]]:
        return ((f.name, getattr(self, f.name)) for f in fields(self) if getattr(self, f.name) is not None)


class UpdateStats(NamedTuple):
    """Means over one update's gradient steps, ``[M]`` each."""

    entropy: Tensor
    kl: Tensor
    clip_fraction: Tensor
    value_loss: Tensor
    learning_rate: Tensor
    """At the end of the update."""


class _Step(NamedTuple):
    """One minibatch's numbers, ``[M]`` each."""

    entropy: Tensor
    kl: Tensor
    clip_fraction: Tensor
    value_loss: Tensor


def minibatch_gradients(nets: StackedActorCritic, head: Head, batch: Batch, config: PPOConfig) -> _Step:
    """Write the gradients of each member's loss on ``batch`` into ``nets.gradients``."""
    output = nets.forward(batch.obs, keep=True)
    scored = head.score(nets, output.action, batch.action)
    size = batch.log_prob.shape[1]
    advantage = batch.advantage
    if config.normalize_advantage and size > 1:
        advantage = advantage - advantage.mean(1, keepdim=True)
        advantage = advantage / (advantage.square().sum(1, keepdim=True).div_(size - 1).sqrt_() + 1e-8)
    log_ratio = scored.log_prob - batch.log_prob
    ratio = log_ratio.exp()
    low, high = 1 - config.clip_range, 1 + config.clip_range
    clipped = (ratio < low) | (ratio > high)
    # max(-A r, -A clip(r)) has slope -A where the first is the larger: inside the range, or outside it on the side
    # from which a step would lead back
    flat = clipped & ((advantage > 0) == (ratio > 1))
    d_log_prob = (advantage * ratio).masked_fill_(flat, 0.0).mul_(-1.0 / size)
    error = output.value - batch.target
    if batch.counts is not None:
        d_log_prob, error = d_log_prob * batch.counts, error * batch.counts
    d_output = head.backward(nets, output.action, batch.action, scored, d_log_prob, -config.entropy_coef)
    nets.backward(d_output, error * (2 * config.value_coef / size))
    return _Step(
        entropy=scored.entropy.mean(1),
        kl=(ratio - 1).sub_(log_ratio).mean(1),
        clip_fraction=clipped.to(torch.float32).mean(1),
        value_loss=error.square().mean(1),
    )


def update(
    nets: StackedActorCritic,
    adam: StackedAdam,
    head: Head,
    batch: Batch,
    config: PPOConfig,
    learning_rate: Tensor,
    generator: torch.Generator,
) -> UpdateStats:
    """Improve all members on their rollouts.

    Args:
        nets: The members' networks.
        adam: Their optimiser.
        head: Their policies' form.
        batch: The rollouts, ``[M, B, ...]``.
        config: Epochs, minibatch size, coefficients, KL control.
        learning_rate: Of each member, float64 ``[M, 1]``.
        generator: Draws the order of the minibatches, on the networks' device; give one that is seeded by the update's
            number alone.
    """
    size = batch.log_prob.shape[1]
    members, device = nets.num_members, nets.weights.device
    stops = config.target_kl is not None and config.lr_schedule != "adaptive"
    active = torch.ones(members, 1, dtype=torch.bool, device=device)
    total = torch.zeros(4, members, device=device)
    count = torch.zeros(members, device=device)
    for _ in range(config.epochs):
        shuffled = batch.select(torch.randperm(size, generator=generator, device=device))
        for start in range(0, size, config.minibatch_size):
            step = minibatch_gradients(nets, head, shuffled.slice(start, start + config.minibatch_size), config)
            total += torch.stack(step) * active.T
            count += active[:, 0]
            if config.target_kl is not None:
                if config.lr_schedule == "adaptive":
                    learning_rate = adapt(learning_rate, step.kl.unsqueeze(1), config.target_kl)
                else:
                    active &= (step.kl <= 1.5 * config.target_kl).unsqueeze(1)
                    if not active.any():
                        return _averaged(total / count, learning_rate)
            clip_gradients(nets.gradients, config.max_grad_norm)
            adam.step(nets.gradients, learning_rate, active if stops else None)
    return _averaged(total / count, learning_rate)


def _averaged(means: Tensor, learning_rate: Tensor) -> UpdateStats:
    entropy, kl, clip_fraction, value_loss = means
    return UpdateStats(entropy, kl, clip_fraction, value_loss, learning_rate[:, 0])


def adapt(learning_rate: Tensor, kl: Tensor, target_kl: float) -> Tensor:
    """Return learning rates ``[M, 1]`` nearer to those that give ``target_kl``, as rsl-rl does (Rudin et al. 2022)."""
    slower = torch.where(kl > 2.0 * target_kl, learning_rate / 1.5, learning_rate)
    adapted = torch.where((kl > 0) & (kl < 0.5 * target_kl), learning_rate * 1.5, slower)
    return adapted.clamp(_MIN_LR, _MAX_LR)


def explained_variance(values: Tensor, targets: Tensor) -> Tensor:
    """Return ``1 - Var(target - value) / Var(target)`` per member, ``[M]``; NaN where the targets do not vary."""
    spread = targets.var(1)
    return torch.where(spread > 0, 1 - (targets - values).var(1) / spread, torch.nan)
