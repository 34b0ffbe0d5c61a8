"""What episodes of an agent come to: each accounted for, success rate with its interval, steps, errors, cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from envreward.llm import Usage
from envreward.llm.base import NO_USAGE

from .rollouts import OUTCOMES, Episode, Outcome


class Interval(NamedTuple):
    """A confidence interval."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Totals over episodes. Lost ones are counted, and are in no mean."""

    asked: int
    """Episodes that were to be played."""
    outcomes: dict[Outcome, int]
    """How many of them ended in which way."""
    unfinished: int
    """How many of them have not ended."""
    success: float | None
    """Share of successes among the episodes that were not lost; ``None`` where there are none."""
    success_interval: Interval | None
    """Its 95% interval after Wilson."""
    fitness: float | None
    """Mean over the episodes that were not lost."""
    mean_steps: float | None
    """Mean over the episodes that were not lost."""
    steps: int
    """Steps of all that ended, lost ones included."""
    action_errors: int
    """How many of these steps' actions could not be taken."""
    usage: Usage
    """What a language model has cost in the episodes that ended, lost ones included."""


def summarize(episodes: Sequence[Episode], seeds: Sequence[int]) -> Summary:
    """Return the totals over those of ``episodes`` that are of ``seeds``."""
    wanted = set(seeds)
    chosen = [episode for episode in episodes if episode.seed in wanted]
    scored = [episode for episode in chosen if episode.outcome != "lost"]
    outcomes = {name: sum(episode.outcome == name for episode in chosen) for name in OUTCOMES}
    number = len(scored)
    return Summary(
        asked=len(wanted),
        outcomes=outcomes,
        unfinished=len(wanted) - len(chosen),
        success=outcomes["success"] / number if number else None,
        success_interval=wilson_interval(outcomes["success"], number) if number else None,
        fitness=math.fsum(e.fitness for e in scored if e.fitness is not None) / number if number else None,
        mean_steps=sum(e.steps for e in scored) / number if number else None,
        steps=sum(e.steps for e in chosen),
        action_errors=sum(bool(error) for e in chosen for error in e.action_error),
        usage=sum((e.usage for e in chosen), NO_USAGE),
    )


def wilson_interval(successes: int, trials: int, z: float = 1.959964) -> Interval:
    """Return the score interval of a proportion, which holds its coverage for few trials and near 0 and 1.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American
    Statistical Association 22 (1927), 209-212.

    Args:
        successes: How many of the trials succeeded.
        trials: At least one.
        z: Quantile of the normal distribution; 1.96 for 95%.
    """
    share, spread = successes / trials, z * z / trials
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return Interval(max(middle - half, 0.0), min(middle + half, 1.0))
