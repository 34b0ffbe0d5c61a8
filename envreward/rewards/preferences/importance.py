"""Which steps of a segment matter: what a model that predicts the next state pays attention to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from envreward.errors import ConfigError

from ..features import joined
from .pairs import Segment


@dataclass(frozen=True, kw_only=True)
class ImportanceConfig:
    """Settings of `attention_importance`; all defaults are this project's.

    Raises:
        ConfigError: A setting cannot work.
    """

    width: int = 32
    """Size of keys, queries and values."""
    epochs: int = 200
    """Gradient steps over all segments."""
    learning_rate: float = 3e-3
    """Of Adam."""
    seed: int = 0
    """Of the initial weights."""

    def __post_init__(self) -> None:
        if self.width < 1 or self.epochs < 1 or self.learning_rate <= 0.0:
            raise ConfigError("width, epochs and learning_rate must be positive")


def attention_importance(
    segments: Sequence[Segment], fields: Sequence[str], config: ImportanceConfig | None = None
) -> list[Tensor]:
    """Return the importance of each step of each segment, non-negative ``[T]`` with sum 1, for Hindsight PRIOR.

    A forward model with one head of causal attention is trained on the segments to predict the next step's fields from
    the steps so far. A step is as important as the attention it gets, in units of what it would get if all were
    attended to alike (early steps have fewer rivals), averaged over the predictions that could see it.

    Source: Verma & Metcalf, *Hindsight PRIORs for reward learning from human preferences* (ICLR 2024, arXiv
    2404.08828): the attention of a transformer world model as a proxy for importance. Their model has several layers
    and heads and is trained on all of an agent's experience; this one is the smallest with the same signal. Their
    released code was not available.

    Args:
        segments: At least one with two steps or more.
        fields: What the model sees and predicts.
        config: Settings.

    Raises:
        ConfigError: No segment has two steps.
        RewardRuntimeError: A field is not finite.
    """
    config = config or ImportanceConfig()
    rows = [joined(fields, segment.state, 1).float() for segment in segments]
    if all(len(row) < 2 for row in rows):
        raise ConfigError("importance needs segments of two steps or more: there is no next step to predict")
    every = torch.cat(rows)
    std = every.std(0, correction=0)
    rows = [(row - every.mean(0)) / std.where(std > 0.0, 1.0) for row in rows]
    padded = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    mask = nn.utils.rnn.pad_sequence([torch.ones(len(row), dtype=torch.bool) for row in rows], batch_first=True)
    model = _Attention(padded.shape[-1], padded.shape[1], config)
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    there = mask[:, 1:].unsqueeze(-1)
    for _ in range(config.epochs):
        predicted, _ = model(padded[:, :-1])
        loss = ((predicted - padded[:, 1:]) * there).square().sum() / there.sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        _, attention = model(padded)
    queries = mask.unsqueeze(-1) & torch.ones_like(attention, dtype=torch.bool).tril()
    even = 1.0 / torch.arange(1, attention.shape[1] + 1, device=attention.device).view(-1, 1)
    received = (attention / even * queries).sum(1) / queries.sum(1).clamp(min=1) * mask
    shares = received / received.sum(-1, keepdim=True)
    return [share[: len(row)] for share, row in zip(shares, rows, strict=True)]


class _Attention(nn.Module):
    """One head of causal attention over steps with learned positions."""

    def __init__(self, size: int, steps: int, config: ImportanceConfig) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.embed = nn.Linear(size, config.width)
            self.query, self.key, self.value = (nn.Linear(config.width, config.width) for _ in range(3))
            self.out = nn.Linear(config.width, size)
            self.position = nn.Parameter(torch.randn(steps, config.width) / math.sqrt(config.width))

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return what follows each step ``[P, T, D]`` and the attention of each step to all up to it ``[P, T, T]``."""
        embedded = self.embed(rows) + self.position[: rows.shape[1]]
        scores = self.query(embedded) @ self.key(embedded).transpose(-1, -2) / math.sqrt(embedded.shape[-1])
        seen = torch.ones(rows.shape[1], rows.shape[1], dtype=torch.bool, device=rows.device).tril()
        attention = torch.softmax(scores.masked_fill(~seen, -math.inf), -1)
        # No shortcut past the attention: what is predicted has to be attended to.
        return self.out(torch.relu(attention @ self.value(embedded))), attention
