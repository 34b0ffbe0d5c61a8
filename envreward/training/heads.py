"""Policy heads: how network outputs become actions, and the gradients that PPO needs of them.

A head is stateless. ``noise`` is drawn by the caller for a whole rollout, from each member's own generator, so
that exploration never depends on who shares the batch.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from .networks import HeadName, StackedActorCritic

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


class Scored(NamedTuple):
    """What a head says of given actions."""

    log_prob: Tensor
    """Log-probability (density) of each action, ``[M, B]``."""
    entropy: Tensor
    """Entropy of the policy, ``[M, B]``, or ``[M, 1]`` where it does not depend on the state."""
    aid: Tensor
    """What `Head.backward` wants back."""


class Head(Protocol):
    """Turns network outputs into a distribution over actions."""

    def noise(self, steps: int, worlds: int, generator: torch.Generator) -> Tensor:
        """Draw one member's exploration noise for a rollout, ``[T, N, ...]``, on the generator's device."""
        ...

    def sample(self, nets: StackedActorCritic, output: Tensor, noise: Tensor) -> Tensor:
        """Return the actions that ``noise`` picks: float ``[M, B, A]`` or int64 ``[M, B]``."""
        ...

    def score(self, nets: StackedActorCritic, output: Tensor, action: Tensor) -> Scored:
        """Return log-probabilities and entropies of ``action`` under ``output`` ``[M, B, A]``."""
        ...

    def backward(
        self,
        nets: StackedActorCritic,
        output: Tensor,
        action: Tensor,
        scored: Scored,
        d_log_prob: Tensor,
        d_entropy: float,
    ) -> Tensor:
        """Return the loss's gradient with respect to ``output``; write that of `log_std` into ``nets``.

        Args:
            nets: The networks.
            output: Means or logits, ``[M, B, A]``.
            action: The actions scored.
            scored: What `score` returned for them.
            d_log_prob: Gradient of the loss with respect to each log-probability, ``[M, B]``.
            d_entropy: Gradient of the loss with respect to the mean entropy over the batch.
        """
        ...


class GaussianHead:
    """Independent normal noise of a learned, state-independent standard deviation around the network's mean."""

    def __init__(self, action_size: int) -> None:
        self.action_size = action_size

    def noise(self, steps: int, worlds: int, generator: torch.Generator) -> Tensor:
        """Draw standard normal numbers, float32 ``[T, N, A]``."""
        return torch.randn(steps, worlds, self.action_size, generator=generator, device=generator.device)

    def sample(self, nets: StackedActorCritic, output: Tensor, noise: Tensor) -> Tensor:
        """Return ``mean + std * noise``, float32 ``[M, B, A]``."""
        return output + nets.log_std.exp() * noise

    def score(self, nets: StackedActorCritic, output: Tensor, action: Tensor) -> Scored:
        """Return the normal log-density and entropy (``[M, 1]``), both summed over the action's entries."""
        log_std = nets.log_std
        z = (action - output).mul_((-log_std).exp())
        log_sum = log_std.sum(-1)
        log_prob = z.square().sum(-1).mul_(-0.5).sub_(log_sum + self.action_size * _HALF_LOG_2PI)
        return Scored(log_prob, log_sum + self.action_size * (0.5 + _HALF_LOG_2PI), z)

    def backward(
        self,
        nets: StackedActorCritic,
        output: Tensor,
        action: Tensor,
        scored: Scored,
        d_log_prob: Tensor,
        d_entropy: float,
    ) -> Tensor:
        """Return the gradient for the mean: ``z / std``. That for ``log_std`` is ``z^2 - 1``, and 1 by the entropy."""
        weighted = scored.aid * d_log_prob.unsqueeze(-1)
        per_std = (weighted * scored.aid).sum(1, keepdim=True)
        nets.log_std_gradient.copy_(per_std.sub_(d_log_prob.sum(1).view(-1, 1, 1)).add_(d_entropy))
        return weighted.mul_((-nets.log_std).exp())


class CategoricalHead:
    """A softmax over discrete actions."""

    def __init__(self, action_size: int) -> None:
        self.action_size = action_size

    def noise(self, steps: int, worlds: int, generator: torch.Generator) -> Tensor:
        """Draw uniform numbers in [0, 1), float32 ``[T, N]``."""
        return torch.rand(steps, worlds, generator=generator, device=generator.device)

    def sample(self, nets: StackedActorCritic, output: Tensor, noise: Tensor) -> Tensor:
        """Return the action at which the cumulated probability passes ``noise``, int64 ``[M, B]``."""
        passed = output.softmax(-1).cumsum(-1) <= noise.unsqueeze(-1)
        return passed.sum(-1).clamp_(max=self.action_size - 1)  # the probabilities may add up to a little under 1

    def score(self, nets: StackedActorCritic, output: Tensor, action: Tensor) -> Scored:
        """Return the log-probability and entropy of the softmax."""
        log_p = output.log_softmax(-1)
        picked = log_p.gather(-1, action.unsqueeze(-1)).squeeze(-1)
        return Scored(picked, -(log_p.exp() * log_p).sum(-1), log_p)

    def backward(
        self,
        nets: StackedActorCritic,
        output: Tensor,
        action: Tensor,
        scored: Scored,
        d_log_prob: Tensor,
        d_entropy: float,
    ) -> Tensor:
        """Return the gradient for the logits: ``onehot - p`` per log-probability, ``-p (log p + H)`` per entropy."""
        p = scored.aid.exp()
        grad = -p * d_log_prob.unsqueeze(-1)
        grad.scatter_add_(-1, action.unsqueeze(-1), d_log_prob.unsqueeze(-1))
        if d_entropy:
            grad -= (d_entropy / action.shape[1]) * p * (scored.aid + scored.entropy.unsqueeze(-1))
        return grad


def make_head(name: HeadName, action_size: int) -> Head:
    """Return the head called ``name``."""
    return GaussianHead(action_size) if name == "gaussian" else CategoricalHead(action_size)
