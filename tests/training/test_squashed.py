"""The squashed Gaussian against torch.distributions and autograd."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal, TransformedDistribution
from torch.distributions.transforms import TanhTransform

from envreward.training.squashed import LOG_STD_MAX, LOG_STD_MIN, gradient, sample, squash


def make(spread: float) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    mean = spread * torch.randn(2, 50, 3, generator=generator, dtype=torch.float64)
    log_std = -0.5 + torch.randn(2, 50, 3, generator=generator, dtype=torch.float64)
    noise = torch.randn(2, 50, 3, generator=generator, dtype=torch.float64)
    return torch.cat((mean, log_std), -1), noise


def theirs(output: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    mean, log_std = output.chunk(2, -1)
    std = log_std.clamp(LOG_STD_MIN, LOG_STD_MAX).exp()
    transform = TanhTransform(cache_size=1)  # keeps the value before tanh, from which the action cannot be had back
    policy = Independent(TransformedDistribution(Normal(mean, std), [transform]), 1)
    action = transform(mean + std * noise)
    return action, policy.log_prob(action)


@pytest.mark.parametrize("spread", [0.5, 3.0, 12.0])
def test_density_is_torchs(spread: float) -> None:
    """Actions and log-densities are those of `torch.distributions`, near the actions' bounds too."""
    output, noise = make(spread)
    action, log_prob = theirs(output, noise)
    found = sample(output, noise)
    torch.testing.assert_close(found.action, action, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.log_prob, log_prob, rtol=1e-10, atol=1e-9)
    single = sample(output.float(), noise.float())
    torch.testing.assert_close(single.log_prob, log_prob.float(), rtol=1e-5, atol=2e-5)
    torch.testing.assert_close(squash(output, noise), found.action, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("spread", [0.5, 3.0])
def test_gradient_is_autograds(spread: float) -> None:
    """Gradients of a loss of actions and densities are autograd's, zero for deviations beyond their bounds included."""
    output, noise = make(spread)
    output[0, :5, 3:] = 3.0
    output[0, 5:9, 3:] = -30.0
    weights = torch.randn(2, 50, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    leaf = output.clone().requires_grad_()
    action, log_prob = theirs(leaf, noise)
    ((weights[..., :3] * action).sum() + (weights[..., 3] * log_prob).sum()).backward()
    found = gradient(output, sample(output, noise), weights[..., :3], weights[..., 3])
    torch.testing.assert_close(found, leaf.grad, rtol=1e-6, atol=1e-6)
    assert not found[0, :9, 3:].any()
