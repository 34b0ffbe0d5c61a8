"""Heads: probabilities, entropies and gradients of `torch.distributions`, and samples that follow them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, Normal

from envreward.training.heads import CategoricalHead, GaussianHead
from envreward.training.networks import NetworkSpec, StackedActorCritic

M, B, A = 3, 50, 4


def make_nets(head: str) -> StackedActorCritic:
    spec = NetworkSpec(obs_size=2, action_size=A, hidden_sizes=(4,), activation="tanh", head=head)  # type: ignore[arg-type]
    return StackedActorCritic(spec, 0.5 * torch.randn(M, spec.size, generator=torch.Generator().manual_seed(0)))


def weighted_loss(log_prob: Tensor, entropy: Tensor, weights: Tensor, d_entropy: float) -> Tensor:
    """A loss whose gradient is ``weights`` per log-probability and ``d_entropy`` per mean entropy, for every member."""
    return (weights * log_prob).sum() + d_entropy * entropy.mean(1).sum()


def test_gaussian_matches_torch() -> None:
    """Log-density, entropy and all gradients are those of `torch.distributions.Normal`."""
    nets, head, generator = make_nets("gaussian"), GaussianHead(A), torch.Generator().manual_seed(1)
    mean = torch.randn(M, B, A, generator=generator, requires_grad=True)
    log_std = nets.log_std.clone().requires_grad_()
    action, weights = torch.randn(M, B, A, generator=generator), torch.randn(M, B, generator=generator)
    reference = Normal(mean, log_std.exp().expand(M, B, A))
    log_prob, entropy = reference.log_prob(action).sum(-1), reference.entropy().sum(-1)
    weighted_loss(log_prob, entropy, weights, -0.3).backward()

    scored = head.score(nets, mean.detach(), action)
    gradient = head.backward(nets, mean.detach(), action, scored, weights, -0.3)
    torch.testing.assert_close(scored.log_prob, log_prob.detach())
    torch.testing.assert_close(scored.entropy.expand(M, B), entropy.detach())
    torch.testing.assert_close(gradient, mean.grad)
    torch.testing.assert_close(nets.log_std_gradient, log_std.grad, rtol=1e-4, atol=1e-4)


def test_categorical_matches_torch() -> None:
    """Log-probability, entropy and the gradient are those of `torch.distributions.Categorical`."""
    nets, head, generator = make_nets("categorical"), CategoricalHead(A), torch.Generator().manual_seed(1)
    logits = (3 * torch.randn(M, B, A, generator=generator)).requires_grad_()
    action = torch.randint(A, (M, B), generator=generator)
    weights = torch.randn(M, B, generator=generator)
    reference = Categorical(logits=logits)
    weighted_loss(reference.log_prob(action), reference.entropy(), weights, -0.3).backward()

    scored = head.score(nets, logits.detach(), action)
    gradient = head.backward(nets, logits.detach(), action, scored, weights, -0.3)
    torch.testing.assert_close(scored.log_prob, reference.log_prob(action).detach())
    torch.testing.assert_close(scored.entropy, reference.entropy().detach())
    torch.testing.assert_close(gradient, logits.grad, rtol=1e-4, atol=1e-5)


def test_gaussian_samples() -> None:
    """Samples have the mean and the standard deviation that the networks say."""
    nets, head = make_nets("gaussian"), GaussianHead(A)
    mean = torch.randn(M, 1, A).expand(M, 40_000, A)
    noise = head.noise(1, 40_000, torch.Generator().manual_seed(0)).expand(M, 40_000, A)
    samples = head.sample(nets, mean, noise)
    torch.testing.assert_close(samples.mean(1), mean[:, 0], atol=0.05, rtol=0.05)
    torch.testing.assert_close(samples.std(1), nets.log_std[:, 0].exp(), atol=0.01, rtol=0.02)


def test_categorical_samples() -> None:
    """Actions come with the softmax's frequencies, at both ends of the noise too."""
    nets, head = make_nets("categorical"), CategoricalHead(A)
    logits = torch.randn(M, 1, A, generator=torch.Generator().manual_seed(3)).expand(M, 40_000, A)
    noise = head.noise(1, 40_000, torch.Generator().manual_seed(0)).expand(M, 40_000)
    picked = torch.nn.functional.one_hot(head.sample(nets, logits, noise), A).float().mean(1)
    torch.testing.assert_close(picked, logits[:, 0].softmax(-1), atol=0.01, rtol=0.0)
    ends = torch.tensor([[0.0, 1.0 - 2**-24]]).expand(M, 2)
    actions = head.sample(nets, logits[:, :2], ends)
    assert actions.tolist() == [[0, A - 1]] * M


@pytest.mark.parametrize("head", [GaussianHead(A), CategoricalHead(A)])
def test_noise_is_the_members_own(head: GaussianHead | CategoricalHead) -> None:
    """The same generator state gives the same noise, of the documented shape."""
    first = head.noise(5, 2, torch.Generator().manual_seed(7))
    assert first.shape[:2] == (5, 2)
    assert torch.equal(first, head.noise(5, 2, torch.Generator().manual_seed(7)))
