"""Milestones: what has been reached pays once per episode, however often it is reached."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from envreward.errors import ConfigError

from .function import RewardOutput
from .parts import as_float, evaluate_part, is_set, part_memory, united
from .sequence import AnyReward, Flow, Memory

_NOTHING: Mapping[str, float] = {}


@dataclass(frozen=True, kw_only=True)
class Milestones:
    """Pays ``weights[i]`` in the first step of an episode in which milestone ``i`` is seen, and never again in it.

    ``r_t = base_t + sum_i weights[i] * [flag_i(t) and not flag_i(k) for all k < t of the episode] + misuse_t``, where
    ``misuse_t`` is the sum over ``misuse`` of penalty times value of its field.

    Source: subgoal rewards that are given once, as in Craftax-style achievement rewards (Hafner, *Benchmarking the
    spectrum of agent capabilities*, ICLR 2022: +1 the first time an achievement is unlocked in an episode). Paying
    once is what makes it safe to repeat: Randlov & Alstrom (ICML 1998) report a bicycle that learned to ride in circles
    because progress paid each time.

    When to use it: a task of several parts in any order, of which sparse success is seldom met by chance.

    Known failures: it is not potential-based, so it can change what is optimal: with a discount, milestones that are
    quick to reach can be worth more than the goal, and one that must be undone later (an item put into the cart by
    mistake) pays all the same. Give the goal clearly more than all milestones together, and mistakes a penalty.
    """

    weights: tuple[float, ...]
    """What each entry of the field is worth."""
    field: str = "milestones"
    """A field of flags ``[len(weights)]``: bool, or floats that count as set above one half."""
    misuse: Mapping[str, float] = dataclasses.field(default_factory=lambda: _NOTHING)
    """What each step costs in which a scalar field is set, by the field's name, e.g. ``{"action_failed": -0.02}``; of
    a field that is not a flag, its value counts."""
    base: AnyReward | None = None
    """A reward to add to."""
    doc: str = dataclasses.field(
        default="One-time subgoal rewards, as the achievements of Hafner 2022 (Crafter).", init=False
    )
    """Where the formula comes from."""

    def __post_init__(self) -> None:
        if not self.weights:
            raise ConfigError("milestones need at least one weight")

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads."""
        return united((self.field,), self.misuse, self.base.parameters if self.base else ())

    def new_memory(self, num_worlds: int) -> Memory:
        """Return the memory with which N worlds begin: which milestones have been paid, bool ``[N, M]``."""
        paid = torch.zeros(num_worlds, len(self.weights), dtype=torch.bool)
        return {"paid": paid, **part_memory("base", self.base, num_worlds)}

    def over(self, flow: Flow, memory: Memory, **state: Tensor) -> RewardOutput:
        """Compute the rewards ``[T, N]``; see `SequenceReward.over`.

        Raises:
            ConfigError: The field has not as many entries as there are weights.
        """
        flags = is_set(state[self.field])
        if flags.shape[2:] != (len(self.weights),):
            raise ConfigError(
                f"field {self.field} has shape {list(flags.shape[2:])} per world: "
                f"{len(self.weights)} weights need [{len(self.weights)}]"
            )
        paid = memory["paid"]
        new = torch.empty_like(flags)
        for t, first in enumerate(flow.first):
            paid.logical_and_(~first.unsqueeze(-1))
            torch.logical_and(flags[t], ~paid, out=new[t])
            paid.logical_or_(flags[t])
        reached = (new * torch.tensor(self.weights, device=flags.device)).sum(-1)
        total, components = reached, {"milestones": reached}
        if self.misuse:
            costs = [penalty * as_float(state[name]) for name, penalty in self.misuse.items()]
            components["misuse"] = torch.stack(costs).sum(0)
            total = total + components["misuse"]
        if self.base is not None:
            base = evaluate_part("base", self.base, flow, memory, state)
            return RewardOutput(base.total + total, {**base.components, **components})
        return RewardOutput(total, components)
