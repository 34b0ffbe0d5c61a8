"""Adam (Kingma & Ba 2015, arXiv:1412.6980) on rows: each member has its own moments, step count and learning rate."""

from __future__ import annotations

import torch
from torch import Tensor

BETAS = (0.9, 0.999)
EPS = 1e-5
"""As in OpenAI Baselines' PPO; torch's own default is 1e-8."""


class StackedAdam:
    """Adam over a weight matrix ``[M, P]``, one independent optimiser per row."""

    def __init__(self, weights: Tensor, first: Tensor, second: Tensor, steps: Tensor) -> None:
        """Optimise in place; all arguments are kept and written to.

        Args:
            weights: Float32 ``[M, P]``.
            first: First moments, the same shape.
            second: Second moments, the same shape.
            steps: Gradient steps each row has taken, float64 ``[M, 1]``.
        """
        self.weights, self.first, self.second, self.steps = weights, first, second, steps
        self._scratch = torch.empty_like(weights)

    def step(self, gradients: Tensor, learning_rate: Tensor, active: Tensor) -> None:
        """Take one step in the rows that are active and leave the others as they are.

        Args:
            gradients: Float32 ``[M, P]``.
            learning_rate: Of each row, float ``[M, 1]``.
            active: Bool ``[M, 1]``.
        """
        share1, share2 = ((1 - beta) * active.to(torch.float32) for beta in BETAS)
        self.steps += active
        self.first.lerp_(gradients, share1)
        self.second.lerp_(torch.mul(gradients, gradients, out=self._scratch), share2)
        # m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps), with the corrections moved into per-row factors
        steps = self.steps.clamp(min=1)[:, 0].tolist()
        bias = torch.tensor([[1 - BETAS[0] ** s, 1 - BETAS[1] ** s] for s in steps], dtype=torch.float64)
        correction = bias[:, 1:].sqrt()
        factor = (-learning_rate * active * correction / bias[:, :1]).to(torch.float32)
        denominator = torch.sqrt(self.second, out=self._scratch).add_((EPS * correction).to(torch.float32))
        self.weights.add_(torch.div(self.first, denominator, out=self._scratch).mul_(factor))


def clip_gradients(gradients: Tensor, max_norm: float) -> Tensor:
    """Scale rows of ``gradients`` ``[M, P]`` in place to norms of at most ``max_norm``; return the norms ``[M]``."""
    norms: Tensor = torch.linalg.vector_norm(gradients, dim=1)
    gradients.mul_((max_norm / (norms + 1e-6)).clamp(max=1.0).unsqueeze(1))
    return norms
