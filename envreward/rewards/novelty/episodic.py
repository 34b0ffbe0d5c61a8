"""Bonuses for states that an episode has not seen yet; they need no learning and forget at each reset."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from envreward.errors import ConfigError

from ..features import joined
from ..function import RewardOutput
from ..sequence import Flow, Memory

_GOLDEN = -0x61C8864680B583EB  # 2^64 divided by the golden ratio, as a signed number: spreads successive numbers
_MIX = -0x40A7B892E31B1A47  # multiplier of the SplitMix64 finaliser, as a signed number


@dataclass(frozen=True, kw_only=True)
class EpisodicCount:
    """Pays one over the root of how often the episode has been in a cell: ``scale * N_episode(cell)^(-1/2)``.

    Chosen fields are cut into cells of width `cell`; the visit of the step itself counts.

    Source: Strehl & Littman, *An analysis of model-based interval estimation for Markov decision processes* (JCSS
    2008), whose bonus is ``beta / sqrt(N)`` with counts over all experience; counts of the running episode as in
    Raileanu & Rocktäschel, *RIDE* (ICLR 2020, arXiv 2002.12292), whose bonus is divided by the same root.

    When to use it: a few low-dimensional fields tell where the agent is (a position, which items it has), and it
    should go everywhere in each episode. With a base reward for the goal, keep `scale` small beside it.

    Known failures: it never fades: an agent that has learned everything still tours. Fields that change by
    themselves (clocks, noise, other agents) make each state new. Cells are counted in a table of `buckets` by a hash:
    with n different cells in an episode, about ``n / buckets`` of the new ones meet an occupied place and seem older
    than they are. Cells that are too small make all states new, too large ones all old.
    """

    fields: tuple[str, ...]
    """Which fields tell states apart."""
    cell: float = 1.0
    """Width of a cell, in the unit of the fields; whole numbers and flags want 1."""
    scale: float = 1.0
    """Multiplies the bonus."""
    buckets: int = 4096
    """Size of each world's table; memory is ``4 * buckets`` bytes per world."""
    doc: str = dataclasses.field(default="Episodic N^(-1/2) bonus: Strehl & Littman 2008; RIDE 2020.", init=False)
    """Where the formula comes from."""

    def __post_init__(self) -> None:
        if not self.fields:
            raise ConfigError("name at least one field")
        if not 0.0 < self.cell < math.inf:
            raise ConfigError(f"cells must have a positive, finite width, got {self.cell}")
        if self.buckets < 1:
            raise ConfigError(f"the table needs at least one bucket, got {self.buckets}")

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads."""
        return self.fields

    def new_memory(self, num_worlds: int) -> Memory:
        """Return the memory with which N worlds begin: ``visits``, int32 ``[N, buckets]``."""
        return {"visits": torch.zeros(num_worlds, self.buckets, dtype=torch.int32)}

    def over(self, flow: Flow, memory: Memory, **state: Tensor) -> RewardOutput:
        """Compute the rewards ``[T, N]``; see `SequenceReward.over`.

        Raises:
            RewardRuntimeError: A field is not finite.
        """
        features = joined(self.fields, state, 2)
        bucket = _hash(torch.floor(features.double() / self.cell).long()).remainder(self.buckets)
        visits = memory["visits"]
        count = torch.empty(flow.first.shape, dtype=features.dtype, device=features.device)
        world = torch.arange(visits.shape[0], device=visits.device)
        for t, first in enumerate(flow.first):
            visits.masked_fill_(first.unsqueeze(-1), 0)
            visits[world, bucket[t]] += 1
            count[t] = visits[world, bucket[t]]
        bonus = self.scale * count.rsqrt()
        return RewardOutput(bonus, {"novelty": bonus})


@dataclass(frozen=True, kw_only=True)
class EpisodicElliptical:
    """Pays for a direction in feature space that the episode has not gone in: ``scale * f_t^T C_{t-1}^-1 f_t``.

    ``f_t`` are the chosen fields divided by `width`, and ``C_{t-1} = ridge * I + sum_{i<t} f_i f_i^T`` over the steps
    of the episode before. It is the count bonus of continuous states: with one-hot fields and ``n`` earlier visits it
    is ``1 / (ridge + n)``.

    Source: Henaff et al., *Exploration via elliptical episodic bonuses* (E3B, NeurIPS 2022, arXiv 2210.05805): this
    bonus, ``ridge`` 0.1, and the inverse kept by rank-one updates. There, features are learned by an inverse dynamics
    model; here they are fields that a person or a language model has chosen, which is what makes it cheap and what it
    stands or falls with.

    When to use it: fields are continuous, or there are too many combinations to count.

    Known failures: it measures directions, not places: along a line through the origin nothing is new after the first
    step, and a large field outshines all others (bring them to one scale with `width`). A feature that is constantly
    1 makes it measure distances from the mean instead. It never fades over training.
    """

    fields: tuple[str, ...]
    """Which fields are the features."""
    size: int
    """How many numbers these fields have together, D; memory is ``8 * D * D`` bytes per world."""
    width: tuple[float, ...] = ()
    """What each number is divided by, D of them; empty: 1."""
    ridge: float = 0.1
    """What the covariance starts from; the first step of an episode pays ``f^T f / ridge``."""
    scale: float = 1.0
    """Multiplies the bonus."""
    doc: str = dataclasses.field(default="Elliptical episodic bonus (E3B), arXiv 2210.05805.", init=False)
    """Where the formula comes from."""

    def __post_init__(self) -> None:
        if not self.fields or self.size < 1:
            raise ConfigError("name at least one field and its size")
        if self.width and (len(self.width) != self.size or not all(0.0 < w < math.inf for w in self.width)):
            raise ConfigError(f"width must be {self.size} positive numbers, got {self.width}")
        if not 0.0 < self.ridge < math.inf:
            raise ConfigError(f"ridge must be positive and finite, got {self.ridge}")

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads."""
        return self.fields

    def new_memory(self, num_worlds: int) -> Memory:
        """Return the memory with which N worlds begin: ``inverse`` of the covariance, float64 ``[N, D, D]``."""
        eye = torch.eye(self.size, dtype=torch.float64) / self.ridge
        return {"inverse": eye.repeat(num_worlds, 1, 1)}

    def over(self, flow: Flow, memory: Memory, **state: Tensor) -> RewardOutput:
        """Compute the rewards ``[T, N]``; see `SequenceReward.over`.

        Raises:
            ConfigError: The fields have not ``size`` numbers.
            RewardRuntimeError: A field is not finite.
        """
        raw = joined(self.fields, state, 2)
        if raw.shape[-1] != self.size:
            raise ConfigError(f"{', '.join(self.fields)} have {raw.shape[-1]} numbers, not size={self.size}")
        features = raw.double()
        if self.width:
            features = features / torch.tensor(self.width, dtype=torch.float64, device=raw.device)
        inverse = memory["inverse"]
        empty = torch.eye(self.size, dtype=torch.float64, device=raw.device) / self.ridge
        bonus = features.new_empty(flow.first.shape)
        for t, first in enumerate(flow.first):
            inverse.copy_(torch.where(first.view(-1, 1, 1), empty, inverse))
            image = torch.einsum("nij,nj->ni", inverse, features[t])
            bonus[t] = (image * features[t]).sum(-1)
            # Sherman and Morrison's inverse of a matrix plus f f^T.
            inverse.sub_(torch.einsum("ni,nj->nij", image, image) / (1.0 + bonus[t]).view(-1, 1, 1))
        paid = (self.scale * bonus).to(raw.dtype)
        return RewardOutput(paid, {"novelty": paid})


def _hash(cells: Tensor) -> Tensor:
    """Return one number for each row of whole numbers ``[..., D]``, spread over all 64 bits."""
    mixed = torch.zeros_like(cells[..., 0])
    for number in cells.unbind(-1):
        mixed = (mixed ^ number) * _MIX + _GOLDEN
        mixed = mixed ^ ((mixed >> 32) & 0xFFFFFFFF)  # the mask keeps the shift from copying the sign
    return mixed
