"""Running statistics: those of all data so far, member by member."""

from __future__ import annotations

import numpy as np
import torch

from envreward.training.normalize import ObsNormalizer, ReturnScaler, RunningMoments


def test_moments_are_those_of_all_batches() -> None:
    """After batches of different sizes, mean and variance are NumPy's over everything seen."""
    generator = torch.Generator().manual_seed(0)
    moments, seen = RunningMoments.fresh(2, 3), []
    for size in (5, 1, 40):
        batch = 3 + 7 * torch.randn(2, size, 3, generator=generator, dtype=torch.float64)
        moments.update(batch)
        seen.append(batch)
    everything = torch.cat(seen, 1).numpy()
    np.testing.assert_allclose(moments.mean, everything.mean(1), rtol=1e-12)
    np.testing.assert_allclose(moments.var, everything.var(1), rtol=1e-12)


def test_observations_become_standard_and_are_clipped() -> None:
    """Observations seen come out with mean 0 and deviation 1; far ones are cut at the limit."""
    normalizer = ObsNormalizer(RunningMoments.fresh(1, 2), 10.0, 1e-4)
    obs = torch.tensor([100.0, -5.0]) + torch.tensor([20.0, 0.5]) * torch.randn(1, 1000, 2, dtype=torch.float64)
    normalizer.update(obs)
    result = normalizer(obs)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result.mean(1), torch.zeros(1, 2), atol=1e-4, rtol=0)
    torch.testing.assert_close(result.std(1, correction=0), torch.ones(1, 2), atol=1e-4, rtol=0)
    assert normalizer(torch.full((1, 1, 2), 1e9, dtype=torch.float64)).tolist() == [[[10.0, 10.0]]]


def test_what_hardly_moves_is_not_blown_up() -> None:
    """An entry that has not moved yet keeps its own scale down to the least deviation, so that more stays more."""
    normalizer = ObsNormalizer(RunningMoments.fresh(1, 1), 10.0, 0.03)
    normalizer.update(torch.full((1, 1000, 1), 0.74, dtype=torch.float64))
    moved = normalizer(torch.tensor([[[0.74], [0.71], [0.59]]], dtype=torch.float64))
    torch.testing.assert_close(moved, torch.tensor([[[0.0], [-1.0], [-5.0]]]), atol=1e-5, rtol=0)


def test_rewards_are_scaled_by_the_return() -> None:
    """Rewards are divided by the deviation of the discounted returns, computed world by world in time order."""
    generator = torch.Generator().manual_seed(0)
    rewards = torch.randn(20, 2, 3, generator=generator) * torch.tensor([[1.0], [50.0]])
    ended = torch.rand(20, 2, 3, generator=generator) < 0.15
    scaler = ReturnScaler(RunningMoments.fresh(2, 1), torch.zeros(2, 3, dtype=torch.float64), 0.9)
    scaled = torch.cat([scaler(rewards[:12], ended[:12]), scaler(rewards[12:], ended[12:])])
    for member in range(2):
        returns, seen = np.zeros(3), []
        for t in range(20):
            returns = 0.9 * returns + rewards[t, member].numpy().astype(np.float64)
            seen.append(returns.copy())
            returns[ended[t, member].numpy()] = 0.0
        for part, until in ((slice(0, 12), 12), (slice(12, 20), 20)):
            deviation = np.sqrt(np.var(seen[:until]) + 1e-8)
            np.testing.assert_allclose(scaled[part, member], rewards[part, member] / deviation, rtol=1e-5)


def test_running_returns_go_on_over_rollouts() -> None:
    """Cutting a stream of rewards into rollouts changes nothing of the returns."""
    rewards, ended = torch.ones(6, 1, 1), torch.zeros(6, 1, 1, dtype=torch.bool)
    whole = ReturnScaler(RunningMoments.fresh(1, 1), torch.zeros(1, 1, dtype=torch.float64), 0.5)
    parts = ReturnScaler(RunningMoments.fresh(1, 1), torch.zeros(1, 1, dtype=torch.float64), 0.5)
    whole(rewards, ended)
    parts(rewards[:4], ended[:4])
    parts(rewards[4:], ended[4:])
    torch.testing.assert_close(whole.running, parts.running)
    torch.testing.assert_close(whole.moments.var, parts.moments.var)
    assert float(whole.running) == 2 - 0.5**5
