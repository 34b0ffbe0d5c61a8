"""Stacked Adam and gradient clipping: row by row what torch's own do."""

from __future__ import annotations

import torch

from envreward.training.optimizer import StackedAdam, clip_gradients


def make_adam(weights: torch.Tensor) -> StackedAdam:
    zeros = torch.zeros_like(weights)
    return StackedAdam(weights, zeros.clone(), zeros.clone(), torch.zeros(len(weights), 1, dtype=torch.float64))


def test_matches_torch() -> None:
    """Thirty steps with a learning rate per row end where `torch.optim.Adam` ends with that rate on that row."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(3, 20, generator=generator)
    rates = [1e-3, 3e-4, 1e-2]
    gradients = [torch.randn(3, 20, generator=generator) for _ in range(30)]
    weights = start.clone()
    adam = make_adam(weights)
    rows = [start[i].clone().requires_grad_() for i in range(3)]
    references = [torch.optim.Adam([row], lr=rate, eps=1e-5) for row, rate in zip(rows, rates, strict=True)]
    for gradient in gradients:
        adam.step(
            gradient.clone(), torch.tensor(rates, dtype=torch.float64)[:, None], torch.ones(3, 1, dtype=torch.bool)
        )
        for i, (row, reference) in enumerate(zip(rows, references, strict=True)):
            row.grad = gradient[i].clone()
            reference.step()
    torch.testing.assert_close(weights, torch.stack([r.detach() for r in rows]), rtol=1e-4, atol=1e-6)


def test_inactive_rows_keep_still() -> None:
    """A row that is not active keeps weights, moments and step count; the next active step goes on from there."""
    weights = torch.ones(2, 4)
    adam = make_adam(weights)
    rate = torch.full((2, 1), 0.1, dtype=torch.float64)
    adam.step(torch.ones(2, 4), rate, torch.tensor([[True], [True]]))
    before = [t.clone() for t in (weights, adam.first, adam.second, adam.steps)]
    adam.step(torch.full((2, 4), 5.0), rate, torch.tensor([[True], [False]]))
    for now, then in zip((weights, adam.first, adam.second, adam.steps), before, strict=True):
        assert torch.equal(now[1], then[1])
        assert not torch.equal(now[0], then[0])


def test_clipping_matches_torch() -> None:
    """Each row is clipped by its own norm, as `torch.nn.utils.clip_grad_norm_` clips a network's."""
    gradients = torch.randn(4, 30, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [[0.01], [1.0], [5.0], [0.0]]
    )
    expected = []
    for row in gradients:
        parameter = torch.zeros(30, requires_grad=True)
        parameter.grad = row.clone()
        torch.nn.utils.clip_grad_norm_([parameter], 0.5)
        expected.append(parameter.grad)
    norms = clip_gradients(clipped := gradients.clone(), 0.5)
    torch.testing.assert_close(clipped, torch.stack(expected))
    torch.testing.assert_close(norms, gradients.norm(dim=1))
