"""Rewards that are multiplied instead of added: no part can be bought with another."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from envreward.errors import ConfigError, RewardRuntimeError

from .function import RewardOutput
from .parts import (
    as_float,
    as_reward,
    check_part_names,
    evaluate_part,
    is_set,
    part_memory,
    parts_memory,
    parts_parameters,
    united,
)
from .sequence import AnyReward, Flow, Memory

_NOTHING: Mapping[str, float] = {}


@dataclass(frozen=True, kw_only=True)
class PenalisedProgress:
    """CaRL's form: the progress of a step times soft penalties in [0, 1], and a cost for episodes that end badly.

    ``r_t = progress_t * prod_i p_i(t) + terminal * [terminated by an infraction in step t]``, where ``p_i`` is
    ``factors[i]`` in a step in which flag i is set, else 1, or the value of a field or reward in `multipliers`.

    Source: Jaeger et al., *CaRL: learning scalable planning policies with simple rewards* (arXiv 2504.17838) and
    ``simple_reward.py`` of its released code: progress is the route completed in the step, in percent; soft penalties
    are 0 outside the lanes of the route, 0.5 while a collision is near or the lane's centre is left for long, and a
    number that falls with excess speed; collisions and red lights terminate the episode at a fixed cost, and finishing
    the route costs nothing. Their finding is that PPO scales to large batches with this one term, where sums of
    many shaped rewards leave it in local optima.

    When to use it: the task has one quantity that is to grow, and everything else is about *how* it should grow.
    Behaving well pays nothing by itself, so there is no standing still for the sake of safety's reward.

    Known failures: an agent that makes no progress is not penalised for anything soft. Where progress is negative,
    penalties make it *less* so: going backwards badly is cheaper than going backwards well. Many penalties at once
    leave almost no signal.
    """

    progress: str | AnyReward
    """What is to grow, per step: a scalar field or a reward (`Delta` makes one of a completed share)."""
    factors: Mapping[str, float] = dataclasses.field(default_factory=lambda: _NOTHING)
    """What is left of the progress while a flag is set, within [0, 1], by the flag's field."""
    multipliers: tuple[str | AnyReward, ...] = ()
    """Soft penalties that are numbers: fields or rewards whose values lie within [0, 1]."""
    terminal: float = 0.0
    """What a bad end costs, zero or negative."""
    infraction: str | None = None
    """Flag that says whether a termination was a bad end; ``None``: every termination is."""
    doc: str = dataclasses.field(default="CaRL, arXiv 2504.17838, and its simple_reward.py.", init=False)
    """Where the formula comes from."""

    def __post_init__(self) -> None:
        for name, factor in self.factors.items():
            if not 0.0 <= factor <= 1.0:
                raise ConfigError(f"the factor of {name} must be within [0, 1], got {factor}")
        if not -math.inf < self.terminal <= 0.0:
            raise ConfigError(f"the terminal cost must be zero or negative, and finite, got {self.terminal}")

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads."""
        multipliers = [as_reward(soft).parameters for soft in self.multipliers]
        infraction = filter(None, (self.infraction,))
        return united(as_reward(self.progress).parameters, self.factors, *multipliers, infraction)

    def new_memory(self, num_worlds: int) -> Memory:
        """Return the memory with which N worlds begin: those of the rewards it is made of."""
        memory = part_memory("progress", as_reward(self.progress), num_worlds)
        for i, soft in enumerate(self.multipliers):
            memory |= part_memory(f"multiplier{i}", as_reward(soft), num_worlds)
        return memory

    def over(self, flow: Flow, memory: Memory, **state: Tensor) -> RewardOutput:
        """Compute the rewards ``[T, N]``; see `SequenceReward.over`.

        Raises:
            RewardRuntimeError: A multiplier is outside [0, 1].
        """
        progress = as_float(evaluate_part("progress", as_reward(self.progress), flow, memory, state).total)
        kept = torch.ones_like(progress)
        for name, factor in self.factors.items():
            kept = kept.where(~is_set(state[name]), kept * factor)
        for i, soft in enumerate(self.multipliers):
            values = as_float(evaluate_part(f"multiplier{i}", as_reward(soft), flow, memory, state).total)
            if bool(((values < 0.0) | (values > 1.0)).any()):
                what = soft if isinstance(soft, str) else ", ".join(soft.parameters)
                low, high = float(values.min()), float(values.max())
                raise RewardRuntimeError(
                    f"multiplier {i} ({what}) ranges from {low:.4g} to {high:.4g}.", fix="Keep it within [0, 1]."
                )
            kept = kept * values
        bad_end = flow.terminated if self.infraction is None else flow.terminated & is_set(state[self.infraction])
        cost = torch.zeros_like(progress).masked_fill(bad_end, self.terminal)
        paid = progress * kept
        return RewardOutput(paid + cost, {"progress": paid, "penalty": paid - progress, "terminal": cost})


@dataclass(frozen=True, kw_only=True)
class KinestheticCombination:
    """Kinesthetic Reward Combination: the signed geometric mean of several rewards.

    ``r = sgn * (prod_i |r_i|)^(1/n)``, where ``sgn`` is 1 if all n rewards are positive, and otherwise -1. One that
    is 0 makes it 0.

    Source: Moschopoulos et al., *Lucy-SKG: learning to play Rocket League efficiently using deep reinforcement
    learning* (arXiv 2305.15801), Eq. 2. The paper's text could not be read; the formula is as two independent
    reimplementations of it state it. Lucy-SKG combines a few rewards that belong together in this way (towards the
    ball, towards the goal and fast) and adds the result to others with weights; do that by nesting this in a
    `WeightedSum`.

    When to use it: several things are worth something only together and at the same time. A sum would be content with
    the easiest of them.

    Known failures: where one part is negative, doing *better* in another makes the whole worse, as sizes are
    multiplied. It does not tell how many parts are wrong. Around zero its slope is steep in the part that is zero and
    flat in all others. Parts that are positive only in rare states give a penalty nearly everywhere: shift them so
    that zero is what is neither good nor bad.
    """

    parts: Mapping[str, str | AnyReward]
    """The rewards by their names among the components: scalar fields or rewards; at least two."""
    doc: str = dataclasses.field(default="Kinesthetic Reward Combination (Lucy-SKG), arXiv 2305.15801.", init=False)
    """Where the formula comes from."""

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise ConfigError("a geometric mean needs two rewards or more")
        check_part_names(self.parts)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads."""
        return parts_parameters(self.parts)

    def new_memory(self, num_worlds: int) -> Memory:
        """Return the memory with which N worlds begin: those of the parts."""
        return parts_memory(self.parts, num_worlds)

    def over(self, flow: Flow, memory: Memory, **state: Tensor) -> RewardOutput:
        """Compute the rewards ``[T, N]``; see `SequenceReward.over`."""
        parts = {
            name: as_float(evaluate_part(name, as_reward(part), flow, memory, state).total)
            for name, part in self.parts.items()
        }
        rewards = torch.stack([*parts.values()])
        size = rewards.abs().pow(1.0 / len(parts)).prod(0)  # roots first: the product of many small ones underflows
        total = torch.where((rewards > 0.0).all(0), size, -size)
        return RewardOutput(total, {**parts, "combined": total})
