"""What learned rewards minimise: return decomposition, and Bradley-Terry on preferences of a hierarchy of factors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def decomposition_loss(rewards: Tensor, kept: Tensor, returns: Tensor) -> Tensor:
    """Return the mean squared error between the mean reward of episodes and their returns per step.

    ``mean_i ((sum_t r_it - R_i) / T_i)^2``: return decomposition (Efroni et al. 2021, arXiv:2006.03167), with both
    sides divided by the episode's length as in LaRe's mujoco/reward_model/RD.py, so that long episodes do not outweigh
    others.

    Args:
        rewards: Of B episodes, float ``[B, T]``.
        kept: Which steps belong to the episode, bool ``[B, T]``.
        returns: Their returns, float ``[B]``.
    """
    lengths = kept.sum(1)
    return (kept_mean(rewards, kept) - returns / lengths).square().mean()


def sampled_decomposition_loss(rewards: Tensor, kept: Tensor, lengths: Tensor, returns: Tensor) -> Tensor:
    """Return an unbiased estimate of `decomposition_loss` from K steps of each episode, drawn without replacement.

    ``mean_i [(mean_k r_ik - R_i / T_i)^2 - (1 - K_i / T_i) s_i^2 / K_i]`` with ``s_i^2`` the unbiased variance of the
    K_i rewards: randomised return decomposition with its variance correction (Ren et al. 2022, arXiv:2111.13485,
    section 3.3; LaRe's mujoco/reward_model/rrd.py with ``rrd_unbiased``). With all steps of an episode it is exact.

    Args:
        rewards: Of K steps of B episodes, float ``[B, K]``.
        kept: Which of them were drawn, bool ``[B, K]``; of episodes with more than one step at least two.
        lengths: Steps of the episodes, ``[B]``.
        returns: Their returns, float ``[B]``.
    """
    count = kept.sum(1)
    mean = kept_mean(rewards, kept)
    spread = (rewards - mean.unsqueeze(1)).square().masked_fill(~kept, 0.0).sum(1) / (count - 1).clamp(min=1)
    return ((mean - returns / lengths).square() - (1.0 - count / lengths) * spread / count).mean()


def kept_mean(rewards: Tensor, kept: Tensor) -> Tensor:
    """Return the means ``[B]`` of those of the rewards ``[B, K]`` that are ``kept``."""
    return rewards.masked_fill(~kept, 0.0).sum(1) / kept.sum(1)


def prefer(first: Tensor, second: Tensor, margins: Tensor) -> Tensor:
    """Compare pairs by a hierarchy of factors, the most important first (HERON, arXiv:2309.02632, section 3).

    The first factor decides if it differs by more than its margin, else the second, and so on down the tree.

    Args:
        first: Factors of P trajectories, ``[P, L]``; more is better.
        second: Of those that they are compared with.
        margins: Difference up to which a factor does not decide, ``[L]``.

    Returns:
        int64 ``[P]``: 1 where the first is preferred, -1 where the second is, 0 where no factor decides.
    """
    decided = torch.zeros(len(first), dtype=torch.int64, device=first.device)
    for level in range(first.shape[1]):
        better = (first[:, level] > second[:, level] + margins[level]).long()
        worse = (second[:, level] > first[:, level] + margins[level]).long()
        decided = torch.where(decided == 0, better - worse, decided)
    return decided


def preference_loss(first: Tensor, second: Tensor, preferred: Tensor) -> Tensor:
    """Return the mean of ``-log sigmoid(r_winner - r_loser)`` over the pairs that were decided (Bradley & Terry 1952).

    Args:
        first: Rewards of P trajectories, ``[P]``.
        second: Of those that they are compared with.
        preferred: As from `prefer`; where none is decided, the loss is 0.
    """
    sign = preferred.to(first.dtype)
    losses = -logsigmoid(sign * (first - second)) * sign.abs()
    return losses.sum() / sign.abs().sum().clamp(min=1.0)
