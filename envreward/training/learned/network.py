"""The network from factors to a reward: two hidden layers, trained by Adam, all of it in a mapping of tensors."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from envreward.rewards.sequence import Memory

from ..mlp import MLPForm
from ..normalize import EPS, RunningMoments
from ..optimizer import StackedAdam

_ADAM_EPS = 1e-8
"""Torch's default, which the releases of LaRe and HERON use."""


class RewardNetwork:
    """Maps factors ``[..., d]`` to rewards ``[...]``; made when the number of factors is known."""

    def __init__(self, memory: Memory, hidden: int, learning_rate: float, *, standardize: bool) -> None:
        """Keep all that is learned in ``memory``, and go on from what is there.

        Args:
            memory: Written in place; others may have entries of other names in it.
            hidden: Units of each hidden layer.
            learning_rate: Of Adam.
            standardize: Whether factors are centred and scaled by their running statistics.
        """
        self._memory, self._hidden, self._rate, self._standardize = memory, hidden, learning_rate, standardize

    def see(self, factors: Tensor, generator: torch.Generator) -> None:
        """Take factors ``[B, d]`` into the statistics; the first ones also make the network.

        Args:
            factors: What has just been seen.
            generator: Draws the initial weights: uniform up to ``1 / sqrt(inputs)``, torch's default and the releases'.
        """
        memory, size = self._memory, factors.shape[1]
        if "weights" not in memory:
            weights = self._form(size).initial(generator).unsqueeze(0)
            moments = RunningMoments.fresh(1, size)
            memory |= {"weights": weights, "adam.first": torch.zeros_like(weights)}
            memory |= {"adam.second": torch.zeros_like(weights), "adam.steps": torch.zeros(1, 1, dtype=torch.float64)}
            memory |= {"factors.mean": moments.mean, "factors.var": moments.var, "factors.count": moments.count}
        moments = RunningMoments(memory["factors.mean"], memory["factors.var"], memory["factors.count"])
        moments.update(factors.unsqueeze(0))
        memory |= {"factors.mean": moments.mean, "factors.var": moments.var, "factors.count": moments.count}

    @torch.no_grad()
    def __call__(self, factors: Tensor) -> Tensor:
        """Return the rewards ``[...]`` of factors ``[..., d]``."""
        return self._forward(self._memory["weights"], factors)

    def learn(self, factors: Tensor, loss: Callable[[Tensor], Tensor]) -> None:
        """Take one gradient step.

        Args:
            factors: ``[..., d]``.
            loss: Of their rewards ``[...]``; a scalar.
        """
        memory = self._memory
        with torch.enable_grad():
            weights = memory["weights"].detach().requires_grad_()
            (gradient,) = torch.autograd.grad(loss(self._forward(weights, factors)), weights)
        with torch.no_grad():
            adam = StackedAdam(
                memory["weights"], memory["adam.first"], memory["adam.second"], memory["adam.steps"], _ADAM_EPS
            )
            adam.step(gradient, self._rate)

    def _forward(self, weights: Tensor, factors: Tensor) -> Tensor:
        if self._standardize:
            mean, var = self._memory["factors.mean"], self._memory["factors.var"]
            factors = ((factors - mean[0]) * (var[0] + EPS).rsqrt()).to(torch.float32)
        x = factors.reshape(-1, factors.shape[-1])
        layers = [row[0] for row in self._form(x.shape[1]).views(weights)]
        for layer in range(0, len(layers), 2):
            x = torch.addmm(layers[layer + 1], x, layers[layer])
            if layer + 2 < len(layers):
                x = torch.relu(x)
        return x.view(factors.shape[:-1])

    def _form(self, size: int) -> MLPForm:
        return MLPForm((size, self._hidden, self._hidden, 1), "relu")
