"""Adam (Kingma & Ba 2015, arXiv:1412.6980) on rows: each member has its own moments, step count and learning rate."""

from __future__ import annotations

import math

import torch
from torch import Tensor

BETAS = (0.9, 0.999)
EPS = 1e-5
"""As in OpenAI Baselines' PPO; torch's own default is 1e-8."""


class StackedAdam:
    """Adam over a weight matrix ``[M, P]``, one independent optimiser per row."""

    def __init__(self, weights: Tensor, first: Tensor, second: Tensor, steps: Tensor, eps: float = EPS) -> None:
        """Optimise in place; the tensors are kept and written to.

        Args:
            weights: Float32 ``[M, P]``.
            first: First moments, the same shape.
            second: Second moments, the same shape.
            steps: Gradient steps each row has taken, float64 ``[M, 1]``; kept on the CPU, which computes with them.
            eps: Added to the root of the second moments.
        """
        self.weights, self.first, self.second, self.steps, self.eps = weights, first, second, steps.cpu(), eps
        self._scratch = torch.empty_like(weights)

    def step(self, gradients: Tensor, learning_rate: Tensor | float, active: Tensor | None = None) -> None:
        """Take one step in the rows that are active and leave the others as they are.

        Args:
            gradients: Float32 ``[M, P]``.
            learning_rate: Of all rows, or of each row, float ``[M, 1]``.
            active: Bool ``[M, 1]``; ``None``: all.
        """
        self.first.lerp_(gradients, self._share(BETAS[0], active))
        self.second.lerp_(torch.mul(gradients, gradients, out=self._scratch), self._share(BETAS[1], active))
        # m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps), with the corrections moved into per-row factors
        self.steps += 1 if active is None else active.cpu()
        steps = self.steps.clamp(min=1)[:, 0].tolist()
        corrections = [[1 - BETAS[0] ** s, math.sqrt(1 - BETAS[1] ** s)] for s in steps]
        bias = torch.tensor(corrections, dtype=torch.float64, device=self.weights.device)
        rate = -learning_rate if active is None else -learning_rate * active
        factor = (rate * bias[:, 1:] / bias[:, :1]).to(torch.float32)
        denominator = torch.sqrt(self.second, out=self._scratch).add_((self.eps * bias[:, 1:]).to(torch.float32))
        self.weights.add_(torch.div(self.first, denominator, out=self._scratch).mul_(factor))

    @staticmethod
    def _share(beta: float, active: Tensor | None) -> Tensor | float:
        return 1 - beta if active is None else (1 - beta) * active.to(torch.float32)


def clip_gradients(gradients: Tensor, max_norm: float) -> Tensor:
    """Scale rows of ``gradients`` ``[M, P]`` in place to norms of at most ``max_norm``; return the norms ``[M]``."""
    norms: Tensor = torch.linalg.vector_norm(gradients, dim=1)
    gradients.mul_((max_norm / (norms + 1e-6)).clamp(max=1.0).unsqueeze(1))
    return norms
