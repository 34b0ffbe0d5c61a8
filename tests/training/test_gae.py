"""Advantages: worked by hand, and against the definition as a double sum."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from envreward.training.gae import advantages


def test_hand_worked() -> None:
    """Three steps, gamma 0.9, lambda 0.5: the deltas are 2, 0.5 and -1.7, the advantages follow from the last."""
    rewards = torch.tensor([[2.0], [1.5], [1.0]])
    values = torch.tensor([[0.9], [1.0], [0.0], [-3.0]])
    # delta_0 = 2.0 + 0.9 * 1.0 - 0.9 = 2.0;  delta_1 = 1.5 + 0.9 * 0 - 1.0 = 0.5;  delta_2 = 1 + 0.9 * -3 - 0 = -1.7
    # A_2 = -1.7;  A_1 = 0.5 + 0.45 * -1.7 = -0.265;  A_0 = 2.0 + 0.45 * -0.265 = 1.88075
    ended = torch.zeros(3, 1, dtype=torch.bool)
    expected = torch.tensor([[1.88075], [-0.265], [-1.7]])
    torch.testing.assert_close(advantages(rewards, values, ended, 0.9, 0.5), expected)


def test_nothing_leaks_over_an_end() -> None:
    """With an end after the second step, the third contributes nothing to what lies before it."""
    rewards = torch.tensor([[2.0], [1.5], [1.0]])
    values = torch.tensor([[0.9], [1.0], [100.0], [-3.0]])
    ended = torch.tensor([[False], [True], [False]])
    result = advantages(rewards, values, ended, 0.9, 0.5)
    # delta_1 = 1.5 - 1.0 = 0.5 = A_1;  A_0 = 2.0 + 0.45 * 0.5 = 2.225
    torch.testing.assert_close(result[:2], torch.tensor([[2.225], [0.5]]))


@pytest.mark.parametrize("gae_lambda", [0.0, 0.7, 1.0])
def test_definition(gae_lambda: float) -> None:
    """It is the sum of (gamma lambda)^k delta_{t+k} up to the end of the episode, for every world on its own."""
    generator = torch.Generator().manual_seed(0)
    rewards = torch.randn(13, 3, 2, generator=generator, dtype=torch.float64)
    values = torch.randn(14, 3, 2, generator=generator, dtype=torch.float64)
    ended = torch.rand(13, 3, 2, generator=generator) < 0.2
    result = advantages(rewards, values, ended, 0.97, gae_lambda)
    for member in range(3):
        for world in range(2):
            at = (slice(None), member, world)
            torch.testing.assert_close(
                result[at], _double_sum(rewards[at], values[at], ended[at], 0.97, gae_lambda), rtol=1e-12, atol=1e-12
            )


def _double_sum(rewards: Tensor, values: Tensor, ended: Tensor, gamma: float, gae_lambda: float) -> Tensor:
    result = torch.zeros_like(rewards)
    for t in range(len(rewards)):
        for k in range(len(rewards) - t):
            following = 0.0 if ended[t + k] else float(values[t + k + 1])
            delta = float(rewards[t + k]) + gamma * following - float(values[t + k])
            result[t] += (gamma * gae_lambda) ** k * delta
            if ended[t + k]:
                break
    return result
