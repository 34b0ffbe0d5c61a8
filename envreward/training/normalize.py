"""Running statistics of each member: of its observations, and of its discounted returns.

Both are updated once per rollout, from all its transitions: the statistics that an observation met when it was
acted on are those under which the update sees it again, and the cost does not grow with the steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

EPS = 1e-8


class RunningMoments:
    """Mean and variance of M separate streams of vectors, in float64 (Chan, Golub & LeVeque 1979)."""

    def __init__(self, mean: Tensor, var: Tensor, count: Tensor) -> None:
        """Go on from ``mean`` and ``var`` ``[M, size]`` of ``count`` ``[M, 1]`` vectors, float64 each."""
        self.mean, self.var, self.count = mean, var, count

    @classmethod
    def fresh(cls, num_members: int, size: int) -> RunningMoments:
        """Start with mean 0, variance 1 and no weight."""
        shape, dtype = (num_members, size), torch.float64
        return cls(
            torch.zeros(shape, dtype=dtype), torch.ones(shape, dtype=dtype), torch.zeros(num_members, 1, dtype=dtype)
        )

    def update(self, batch: Tensor) -> None:
        """Take in ``batch`` ``[M, B, size]``."""
        batch = batch.to(torch.float64)
        size = batch.shape[1]
        mean = batch.mean(1)
        var = (batch - mean.unsqueeze(1)).square().mean(1)
        total = self.count + size
        delta = mean - self.mean
        self.var = (self.var * self.count + var * size + delta.square() * self.count * size / total) / total
        self.mean = self.mean + delta * (size / total)
        self.count = total


def obs_scale(var: Tensor, min_std: float) -> Tensor:
    """Return one over the deviation of observations, which counts as ``min_std`` or more.

    Entries that hardly ever move (a drawer that no one has touched yet) would else be blown up until their first
    motion lies far beyond the clip, and a policy that has to learn what that motion is good for could not tell more
    of it from less.
    """
    return var.sqrt().clamp(min=min_std).reciprocal()


def obs_statistics(mean: Tensor, var: Tensor, min_std: float) -> dict[str, Tensor]:
    """Return what a policy's file holds of its observations' statistics: centre and factor."""
    return {"obs_mean": mean, "obs_scale": obs_scale(var, min_std)}


class ObsNormalizer:
    """Centres and scales observations by each member's own statistics, and clips them to ``clip`` deviations."""

    def __init__(self, moments: RunningMoments, clip: float, min_std: float) -> None:
        self.moments = moments
        self.clip, self.min_std = clip, min_std
        self._refresh()

    def __call__(self, obs: Tensor) -> Tensor:
        """Return ``obs`` ``[M, B, O]`` normalised, float32."""
        return ((obs - self._mean) * self._scale).clamp_(-self.clip, self.clip).to(torch.float32)

    def update(self, obs: Tensor) -> None:
        """Take in raw observations ``[M, B, O]``."""
        self.moments.update(obs)
        self._refresh()

    def _refresh(self) -> None:
        self._mean = self.moments.mean.unsqueeze(1)
        self._scale = obs_scale(self.moments.var, self.min_std).unsqueeze(1)


class ReturnScaler:
    """Divides rewards by the running standard deviation of the discounted return (as OpenAI Baselines' VecNormalize).

    The divisor is not centred: that would pay for or punish the length of episodes.
    """

    def __init__(self, moments: RunningMoments, running: Tensor, gamma: float) -> None:
        """Go on from ``moments`` of the returns and the discounted returns so far, ``running`` float64 ``[M, N]``."""
        self.moments, self.running, self.gamma = moments, running, gamma

    def __call__(self, rewards: Tensor, ended: Tensor) -> Tensor:
        """Take in a rollout's ``rewards`` ``[T, M, N]`` (``ended`` bool, the same) and return them scaled, float32."""
        self.update(rewards, ended)
        return (rewards * self.scale).to(torch.float32)

    def update(self, rewards: Tensor, ended: Tensor) -> None:
        """Take in a rollout's ``rewards`` ``[T, M, N]`` (``ended`` bool, the same)."""
        seen = torch.empty(rewards.shape, dtype=torch.float64, device=rewards.device)
        for t in range(len(rewards)):
            seen[t] = self.running.mul_(self.gamma).add_(rewards[t])
            self.running.masked_fill_(ended[t], 0.0)
        self.moments.update(seen.transpose(0, 1).flatten(1).unsqueeze(-1))

    @property
    def scale(self) -> Tensor:
        """By what rewards are multiplied, float64 ``[M, 1]``."""
        return (self.moments.var + EPS).rsqrt()
