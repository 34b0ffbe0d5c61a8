"""Recorded transitions, and any combination of their states and actions, as a reward sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from envreward.errors import ConfigError, UnknownNameError
from envreward.fields import PREV

Column: TypeAlias = Tensor | list[str]
"""A field over R rows: ``[R, *shape]``, or R texts."""


@dataclass(frozen=True, kw_only=True)
class Transitions:
    """R transitions from recorded episodes, in time order within each.

    A state is what its recorded fields say of it. That is an assumption: where the fields do not determine what
    follows, or hold the past in them (time, progress so far), distances are those of the rewards over fields, not over
    states.
    """

    before: Mapping[str, Column]
    """Fields in the state before the step."""
    action: Tensor
    """``[R, *action_shape]``."""
    after: Mapping[str, Column]
    """Fields in the state after it; the same names as in ``before``."""
    terminated: Tensor
    """Whether the episode ended by itself in the step, bool ``[R]``: what follows is worth nothing."""

    def __post_init__(self) -> None:
        if not len(self):
            raise ConfigError("there are no transitions to compare rewards on: record some episodes first")

    def __len__(self) -> int:
        return len(self.terminated)

    def table(
        self, names: Sequence[str], before: Tensor, action: Tensor | None = None, after: Tensor | None = None
    ) -> dict[str, Column]:
        """Return fields of transitions put together from rows of this record.

        Args:
            names: Fields: ``x`` is read after the step, ``prev_x`` before it, ``action`` is the one in between.
            before: For each new transition, the row whose state before the step it takes, int64 ``[Q]``.
            action: The row whose action; that of ``before`` by default.
            after: The row whose state after the step; that of ``before`` by default.

        Raises:
            UnknownNameError: A field was not recorded.
        """
        rows = {"before": before, "action": before if action is None else action}
        rows["after"] = before if after is None else after
        return {name: take(*self._column(name, rows)) for name in names}

    def _column(self, name: str, rows: Mapping[str, Tensor]) -> tuple[Column, Tensor]:
        if name == "action":
            return self.action, rows["action"]
        if name in self.after:
            return self.after[name], rows["after"]
        if name.startswith(PREV) and name.removeprefix(PREV) in self.before:
            return self.before[name.removeprefix(PREV)], rows["before"]
        raise UnknownNameError("field", name, ["action", *self.after, *(PREV + n for n in self.before)])


def take(column: Column, rows: Tensor) -> Column:
    """Return rows of a column."""
    return column[rows] if isinstance(column, Tensor) else [column[i] for i in rows.tolist()]


def reads_before(names: Sequence[str], recorded: Mapping[str, Column]) -> bool:
    """Return whether a reward that reads these fields looks at the state before the step."""
    return any(name not in recorded and name != "action" and name.startswith(PREV) for name in names)


class StateFeatures:
    """Features of states that a value or a potential is linear in: constant, linear and random cosine ones.

    The cosines are random Fourier features of a Gaussian kernel (Rahimi & Recht, *Random Features for Large-Scale
    Kernel Machines*, NIPS 2007) whose width is the median distance between states. So many smooth functions of the
    state are nearly linear in them, and fitting one is a system of linear equations.
    """

    def __init__(self, transitions: Transitions, *, cosines: int = 64, seed: int = 0) -> None:
        """Fit scales and width to the states of ``transitions``.

        Args:
            transitions: Where the states are from; text fields are left out.
            cosines: Number of random features; fewer where there are few transitions, at most one for 20.
            seed: Of the random features.
        """
        self._names = [n for n, c in transitions.before.items() if isinstance(c, Tensor) and n in transitions.after]
        raw = torch.cat([self._raw(transitions.before), self._raw(transitions.after)])
        spread = raw.std(0, correction=0)
        size = raw.abs().amax(0).clamp(min=1e-300)
        self._kept = spread > 1e-9 * size
        self._mean, self._scale = raw.mean(0)[self._kept], spread[self._kept]
        generator = torch.Generator().manual_seed(seed)
        states = self._standard(raw)
        pairs = torch.randint(len(raw), (2, 512), generator=generator)
        width = float(torch.linalg.vector_norm(states[pairs[0]] - states[pairs[1]], dim=-1).median()) or 1.0
        number = min(cosines, len(transitions) // 20) if states.shape[1] else 0
        self._weights = torch.randn(states.shape[1], number, generator=generator, dtype=torch.float64) / width
        self._phases = 2 * torch.pi * torch.rand(number, generator=generator, dtype=torch.float64)

    def __call__(self, fields: Mapping[str, Column]) -> Tensor:
        """Return the features of R states, float64 ``[R, F]``."""
        states = self._standard(self._raw(fields))
        constant = torch.ones(len(states), 1, dtype=torch.float64)
        return torch.cat([constant, states, torch.cos(states @ self._weights + self._phases)], dim=1)

    def _raw(self, fields: Mapping[str, Column]) -> Tensor:
        columns = [fields[name] for name in self._names]
        parts = [column.double().view(len(column), -1) for column in columns if isinstance(column, Tensor)]
        rows = len(next(iter(fields.values())))
        return torch.cat(parts, dim=1) if parts else torch.zeros(rows, 0, dtype=torch.float64)

    def _standard(self, raw: Tensor) -> Tensor:
        return (raw[:, self._kept] - self._mean) / self._scale
