"""Trajectories: what a policy did in episodes, in words and numbers that a language model can read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from envreward.agents.rollouts import Episode, Rollouts
from envreward.fields import Field, public_fields

from .reflect import number

_ENDINGS = {"failed": "it ended by itself", "truncated": "its time was over"}
_ENTRIES = 8
"""Entries of a vector that are shown; of a longer one, its length and its range."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One episode as it is shown."""

    length: int
    """Steps."""
    ending: str
    """How it ended, a few words."""
    rows: tuple[str, ...]
    """``step 12: torso_height 1.2, ...``, one per step shown."""


def failures(rollouts: Rollouts) -> list[Episode]:
    """Return the episodes in which the success test never held, without those whose machinery failed."""
    return [e for e in rollouts.episodes if e.success is False and e.steps]


def show(episode: Episode, fields: Mapping[str, Field], *, spread: int, last: int) -> Shown:
    """Return an episode's public facts at ``spread`` evenly spaced steps and at the ``last`` ones.

    Args:
        episode: At least one step long.
        fields: Declarations of the recorded fields; private ones are never shown.
        spread: Steps shown over the whole episode, the first and the last among them.
        last: Steps shown at its end.
    """
    even = torch.linspace(1, episode.steps, max(spread, 1)).round().long().tolist()
    steps = sorted({*even, *range(max(episode.steps - last + 1, 1), episode.steps + 1)})
    names = [name for name in public_fields(fields) if name in episode.facts]
    rows = tuple(f"step {step}: " + ", ".join(_facts(episode, names, step)) for step in steps)
    ending = episode.reason.strip() or _ENDINGS.get(episode.outcome, str(episode.outcome))
    return Shown(length=episode.steps, ending=ending, rows=rows)


def _facts(episode: Episode, names: Sequence[str], step: int) -> Iterable[str]:
    for name in names:
        value = episode.facts[name][step]
        yield f"{name} {_number_or_vector(value) if isinstance(value, Tensor) else repr(value)}"


def _number_or_vector(value: Tensor) -> str:
    if value.dtype == torch.bool and not value.dim():
        return str(bool(value))
    entries = value.double().flatten().tolist()
    if not value.dim():
        return number(entries[0])
    if len(entries) > _ENTRIES:
        return f"{len(entries)} entries from {number(min(entries))} to {number(max(entries))}"
    return "[" + ", ".join(map(number, entries)) + "]"
