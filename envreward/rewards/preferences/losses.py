"""What models of preference say about two segments, and how far predicted rewards are from it.

All functions take P pairs or segments of up to T steps, padded, with a mask of the steps that are there.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def partial_return(rewards: Tensor, mask: Tensor) -> Tensor:
    """Return the sum of the rewards of each segment, ``[P]``.

    Args:
        rewards: Predicted rewards ``[P, T]``.
        mask: Which steps are there, bool ``[P, T]``.
    """
    return (rewards * mask).sum(-1)


def deterministic_regret(
    rewards: Tensor, mask: Tensor, start_successors: Tensor, end_successors: Tensor, weights: Tensor, sharpness: float
) -> Tensor:
    """Return by how much each segment falls short of optimal behaviour, ``[P]``.

    ``regret_d(segment) = V*(s_start) - (sum_t r_t + V*(s_end))``: Knox et al., *Models of human preference for learning
    reward functions* (TMLR 2024, arXiv 2206.02231), the form for deterministic transitions. The optimal
    value under the learned weights ``w`` is approximated as there, from successor features of K policies, with a
    softmax in place of the maximum so that it can be differentiated:
    ``V(s) = sum_k softmax_k(sharpness * w^T psi_k(s)) w^T psi_k(s)``.

    Args:
        rewards: Predicted rewards ``[P, T]``, linear in the features.
        mask: Which steps are there, bool ``[P, T]``.
        start_successors: Successor features before the first step ``[P, K, D]``.
        end_successors: Successor features after the last step ``[P, K, D]``.
        weights: Weights of the features ``[D]``.
        sharpness: How close the softmax is to the maximum; in one over the unit of the reward.
    """
    start, end = (_best_value(successors @ weights, sharpness) for successors in (start_successors, end_successors))
    return start - partial_return(rewards, mask) - end


def _best_value(values: Tensor, sharpness: float) -> Tensor:
    return (torch.softmax(sharpness * values, -1) * values).sum(-1)


def bradley_terry_loss(first: Tensor, second: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of the labels under ``P(second preferred) = sigmoid(second - first)``.

    Bradley & Terry (1952) on scores of segments: partial returns (Christiano et al., *Deep reinforcement learning from
    human preferences*, 2017, arXiv 1706.03741, Eq. 1) or negative regrets (Knox et al.).

    Args:
        first: Score of each pair's first segment ``[P]``.
        second: Score of its second ``[P]``.
        labels: Probability that the second is preferred ``[P]``.
    """
    return binary_cross_entropy_with_logits(second - first, labels)


def redistribution_loss(rewards: Tensor, mask: Tensor, importance: Tensor) -> Tensor:
    """Return how far rewards are from the predicted return shared out by importance.

    ``1/n sum_t (r_t - importance_t * G)^2`` of each segment of n steps, with ``G = sum_t r_t``, averaged over segments:
    the auxiliary objective of Hindsight PRIOR (Verma & Metcalf, ICLR 2024, arXiv 2404.08828). The paper's released
    code was not available; that no gradient flows through the target ``importance_t * G`` is this project's choice.

    Args:
        rewards: Predicted rewards ``[P, T]``.
        mask: Which steps are there, bool ``[P, T]``.
        importance: Share of each step ``[P, T]``, with sum 1 over each segment and 0 where there is none.
    """
    target = (importance * partial_return(rewards, mask).unsqueeze(-1)).detach()
    return (((rewards - target) * mask).square().sum(-1) / mask.sum(-1)).mean()
