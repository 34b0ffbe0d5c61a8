"""The squashed Gaussian: a normal sample through tanh, its log-density, and the gradients of both.

Haarnoja et al. 2018 (arXiv:1812.05905, appendix C): with ``u = mean + std * noise`` and ``a = tanh(u)``,

    log p(a) = log N(u; mean, std) - sum log(1 - tanh(u)^2)

The last term is taken as ``2 (log 2 - |u| - log(1 + exp(-2 |u|)))``, which is exact for actions at the bounds too.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

LOG_STD_MIN, LOG_STD_MAX = -20.0, 2.0
"""Bounds of the standard deviation's logarithm, as in the authors' code (rail-berkeley/softlearning) and SB3."""

_HALF_LOG_2PI, _LOG_4 = 0.5 * math.log(2 * math.pi), math.log(4)


class Squashed(NamedTuple):
    """Samples of a squashed Gaussian."""

    action: Tensor
    """In (-1, 1), ``[..., A]``."""
    log_prob: Tensor
    """Log-density of the action, ``[...]``."""
    scatter: Tensor
    """``std * noise``, ``[..., A]``: what `gradient` wants back."""


def sample(output: Tensor, noise: Tensor) -> Squashed:
    """Return the actions that ``noise`` picks.

    Args:
        output: Means and then logarithms of standard deviations, ``[..., 2 A]``.
        noise: Standard normal, ``[..., A]``.
    """
    mean, log_std = output.chunk(2, -1)
    log_std = log_std.clamp(LOG_STD_MIN, LOG_STD_MAX)
    scatter = log_std.exp().mul_(noise)
    u = mean + scatter
    size = u.abs()
    shrunk = (size * -2).exp_()
    terms = (size * 2).add_(shrunk.log1p_().mul_(2)).sub_(_LOG_4)  # -log(1 - tanh(u)^2)
    terms.sub_(log_std).sub_(noise.square().mul_(0.5))
    log_prob = terms.sum(-1).sub_(noise.shape[-1] * _HALF_LOG_2PI)
    return Squashed(torch.tanh(u), log_prob, scatter)


def squash(output: Tensor, noise: Tensor) -> Tensor:
    """Return the actions of `sample` without their densities."""
    mean, log_std = output.chunk(2, -1)
    return log_std.clamp(LOG_STD_MIN, LOG_STD_MAX).exp_().mul_(noise).add_(mean).tanh_()


def gradient(output: Tensor, squashed: Squashed, d_action: Tensor, d_log_prob: Tensor) -> Tensor:
    """Return the gradient with respect to ``output`` of a loss that depends on actions and log-densities.

    Args:
        output: What was given to `sample`.
        squashed: What it returned.
        d_action: The loss's gradient with respect to the actions, ``[..., A]``.
        d_log_prob: The same for the log-densities, ``[...]``.
    """
    a, weight = squashed.action, d_log_prob.unsqueeze(-1)
    d_u = d_action * (1 - a.square()) + weight * (2 * a)
    log_std = output[..., a.shape[-1] :]
    inside = (log_std >= LOG_STD_MIN) & (log_std <= LOG_STD_MAX)
    d_log_std = (d_u * squashed.scatter).sub_(weight).mul_(inside)
    return torch.cat((d_u, d_log_std), -1)
