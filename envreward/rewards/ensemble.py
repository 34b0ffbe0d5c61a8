"""Several rewards as one: sums with weights, and ensembles that are careful where their members disagree."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from envreward.errors import ConfigError

from .function import RewardOutput
from .parts import (
    as_float,
    as_reward,
    check_part_names,
    evaluate_part,
    part_memory,
    parts_memory,
    parts_parameters,
    united,
)
from .sequence import AnyReward, Flow, Memory

Combine: TypeAlias = Literal["mean", "min", "mean_minus_std", "mean_minus_variance"]
_WAYS = ("mean", "min", "mean_minus_std", "mean_minus_variance")


@dataclass(frozen=True, kw_only=True)
class WeightedSum:
    """Adds rewards with weights: ``r = sum_i w_i r_i``.

    Source: none is needed; it is what most published rewards are. `Barfi` learns its weights.

    When to use it: to put a bonus, a learned or a shaped reward beside the task's own.

    Known failures: parts of different scale and frequency drown each other, and what one costs can be bought with what
    another pays. Its components are the weighted parts: look at their shares of the whole before anything else.
    """

    parts: Mapping[str, str | AnyReward]
    """The rewards by their names among the components: scalar fields or rewards."""
    weights: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """What each is multiplied with, by name; 1 where none is given."""
    doc: str = dataclasses.field(default="Weighted sum of rewards.", init=False)
    """Where the formula comes from."""

    def __post_init__(self) -> None:
        if not self.parts:
            raise ConfigError("a sum needs at least one reward")
        check_part_names(self.parts)
        if unknown := [name for name in self.weights if name not in self.parts]:
            raise ConfigError(f"there is a weight for {unknown[0]}, which is not one of {', '.join(self.parts)}")
        if bad := [name for name, weight in self.weights.items() if not math.isfinite(weight)]:
            raise ConfigError(f"the weight of {bad[0]} must be finite, got {self.weights[bad[0]]}")

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads."""
        return parts_parameters(self.parts)

    def new_memory(self, num_worlds: int) -> Memory:
        """Return the memory with which N worlds begin: those of the parts."""
        return parts_memory(self.parts, num_worlds)

    def over(self, flow: Flow, memory: Memory, **state: Tensor) -> RewardOutput:
        """Compute the rewards ``[T, N]``; see `SequenceReward.over`."""
        weighted = {
            name: self.weights.get(name, 1.0)
            * as_float(evaluate_part(name, as_reward(part), flow, memory, state).total)
            for name, part in self.parts.items()
        }
        return RewardOutput(torch.stack([*weighted.values()]).sum(0), weighted)


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """Combines several estimates of the same reward, the more carefully the more they disagree.

    With the members' rewards ``r_1 .. r_K``, their mean ``m`` and their variance ``v = 1/K sum (r_k - m)^2``:

    * ``"mean"``: ``m``;
    * ``"min"``: ``min_k r_k``;
    * ``"mean_minus_std"``: ``m - penalty * sqrt(v)``;
    * ``"mean_minus_variance"``: ``m - penalty * v``.

    Source: Coste et al., *Reward model ensembles help mitigate overoptimization* (ICLR 2024, arXiv 2310.02743): mean
    optimisation, worst-case optimisation (the minimum) and uncertainty-weighted optimisation, whose penalty is on the
    variance. With the standard deviation the penalty has the unit of the reward. The mean is not enough when all
    members are wrong in the same place: Eisenstein et al., *Helping or herding?* (arXiv 2312.09244).

    When to use it: members are learned from different seeds or halves of the labels, or are several candidates of a
    search that agree on ordinary states. What none of them has seen, they judge differently, and that is where an
    optimiser goes.

    Known failures: members with a common flaw agree on it. The minimum follows the most pessimistic scale: bring
    members to the same one. A penalty that is too high forbids everything new.
    """

    members: tuple[str | AnyReward, ...]
    """The estimates: scalar fields or rewards; at least two."""
    combine: Combine = "min"
    """How they become one."""
    penalty: float = 1.0
    """How much disagreement costs; read by the last two ways alone."""
    doc: str = dataclasses.field(default="Reward model ensembles, arXiv 2310.02743.", init=False)
    """Where the formula comes from."""

    def __post_init__(self) -> None:
        if len(self.members) < 2:
            raise ConfigError(f"an ensemble needs two members or more, got {len(self.members)}")
        if self.combine not in _WAYS:
            raise ConfigError(f"combine must be one of {', '.join(_WAYS)}, got {self.combine!r}")
        if not 0.0 <= self.penalty < math.inf:
            raise ConfigError(f"the penalty cannot be negative or infinite, got {self.penalty}")

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads."""
        return united(*(as_reward(member).parameters for member in self.members))

    def new_memory(self, num_worlds: int) -> Memory:
        """Return the memory with which N worlds begin: those of the members."""
        memory: Memory = {}
        for i, member in enumerate(self.members):
            memory |= part_memory(f"member{i}", as_reward(member), num_worlds)
        return memory

    def over(self, flow: Flow, memory: Memory, **state: Tensor) -> RewardOutput:
        """Compute the rewards ``[T, N]``; see `SequenceReward.over`."""
        estimates = torch.stack(
            [
                as_float(evaluate_part(f"member{i}", as_reward(member), flow, memory, state).total)
                for i, member in enumerate(self.members)
            ]
        )
        mean = estimates.mean(0)
        variance = (estimates - mean).square().mean(0)
        spread = variance.sqrt()
        total = {
            "mean": mean,
            "min": estimates.amin(0),
            "mean_minus_std": mean - self.penalty * spread,
            "mean_minus_variance": mean - self.penalty * variance,
        }[self.combine]
        components = {f"member{i}": estimate for i, estimate in enumerate(estimates)}
        return RewardOutput(total, {**components, "disagreement": spread})
