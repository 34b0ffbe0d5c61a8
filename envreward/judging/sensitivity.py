"""Sensitivity: which fields a reward's value goes with.

A field's values are exchanged between transitions at random, all others left as they were, and the reward is computed
again. Half the mean square of what that changes, over the reward's variance, is the field's influence: Jansen's
estimate of the total effect of an input (Computer Physics Communications 117, 1999), the share of the variance that
would remain if all other inputs were known. For inputs that depend on each other (positions and the distance between
them) exchanging one makes states that cannot happen, and the number says what the program does with it rather than what
the world does.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from envreward.fields import PREV
from envreward.rewards.distances import Transitions
from envreward.rewards.distances.transitions import Column, take

from .findings import Sensitivity


class SensitivitySample:
    """The transitions on which a reward must be known so that its sensitivity can be told."""

    def __init__(self, transitions: Transitions, *, limit: int, seed: int) -> None:
        """Draw ``limit`` transitions; where there are fewer, each several times, so that more of them meet."""
        self._generator_seed = seed
        generator = torch.Generator().manual_seed(seed)
        self._transitions = transitions
        number = len(transitions)
        self._rows = torch.randperm(number, generator=generator).repeat(-(-limit // number))[:limit]

    def fields(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the fields behind what a reward reads: a field and its ``prev_`` value are one."""
        recorded = self._transitions.after
        return tuple(dict.fromkeys(n if n in recorded or n == "action" else n.removeprefix(PREV) for n in names))

    def tables(self, names: Sequence[str]) -> list[dict[str, Column]]:
        """Return the fields of the transitions as they were, and then once per field with that field exchanged."""
        base = self._transitions.table(names, self._rows)
        tables = [base]
        for index, field in enumerate(self.fields(names)):
            generator = torch.Generator().manual_seed(self._generator_seed + 1 + index)
            order = torch.randperm(len(self._rows), generator=generator)
            own = (field, PREV + field)
            tables.append({name: take(column, order) if name in own else column for name, column in base.items()})
        return tables

    def result(self, names: Sequence[str], rewards: Sequence[Tensor]) -> Sensitivity | None:
        """Return the influence of each field, or ``None`` where the reward is the same in all transitions.

        Args:
            names: What the reward reads.
            rewards: Its values on each of `tables`.
        """
        base = rewards[0].double()
        variance = float(base.var(correction=0))
        if len(base) < 2 or variance <= 1e-12 * float(base.square().mean()):
            return None
        influence = {
            field: float((changed.double() - base).square().mean()) / (2 * variance)
            for field, changed in zip(self.fields(names), rewards[1:], strict=True)
        }
        ordered = dict(sorted(influence.items(), key=lambda item: -item[1]))
        return Sensitivity(transitions=min(len(base), len(self._transitions)), influence=ordered)
