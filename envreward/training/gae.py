"""Generalised advantage estimation (Schulman et al. 2016, arXiv:1506.02438, eq. 16)."""

from __future__ import annotations

import torch
from torch import Tensor


def advantages(rewards: Tensor, values: Tensor, ended: Tensor, gamma: float, gae_lambda: float) -> Tensor:
    """Return the advantage of each step of a rollout, ``[T, ...]``.

    An episode cut off by a time limit is no end of the task: the caller adds ``gamma * V(final observation)`` to
    the reward of its last step (Pardo et al. 2018, arXiv:1712.00378) and marks it as ended like any other, since
    what follows in the arrays is the next episode.

    Args:
        rewards: Float ``[T, ...]``.
        values: Values of the observations before each step and of the last observation, ``[T + 1, ...]``.
        ended: Whether the episode ended with the step, for either reason, bool ``[T, ...]``.
        gamma: Discount.
        gae_lambda: Trace decay.
    """
    going_on = (~ended).to(rewards.dtype)
    deltas = rewards - values[:-1] + gamma * values[1:] * going_on
    decay = going_on * (gamma * gae_lambda)
    result = torch.empty_like(rewards)
    running = torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        running = deltas[t] + decay[t] * running
        result[t] = running
    return result
