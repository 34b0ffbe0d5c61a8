"""The evolving population, read back from a study's record."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from envreward.fields import Field
from envreward.studies.records import Candidate, Status

from .programs import parse
from .terms import Genome

Standing: TypeAlias = tuple[bool, float]
"""Whether a reward was evaluated, and its fitness (that of its last training episodes otherwise). Standings compare:
what was evaluated stands above all that racing retired."""


@dataclass(frozen=True)
class Individual:
    """One reward that was tried."""

    id: str
    genome: Genome
    standing: Standing | None
    """``None``: it failed, or nothing was measured."""
    means: Mapping[str, float] = field(default_factory=dict)
    """Mean per step of each component at the end of its training, by component name."""
    episode_length: float | None = None
    """Steps, at the end of its training."""


def read_population(history: Iterable[Candidate], fields: Mapping[str, Field]) -> list[Individual]:
    """Return the candidates of ``history`` whose programs are genomes, in order of proposal."""
    found = []
    for candidate in history:
        genome = parse(candidate.source or candidate.answer, fields)
        if genome is None:
            continue
        traces = candidate.traces
        means = {name: _last(curve) for name, curve in traces.components.items()} if traces else {}
        found.append(
            Individual(
                candidate.id,
                genome,
                _standing(candidate),
                {name: value for name, value in means.items() if value is not None},
                _last(traces.episode_length) if traces else None,
            )
        )
    return found


def ranked(population: Iterable[Individual]) -> list[Individual]:
    """Return the individuals that have a standing, best first; the earlier one first at a tie."""
    scored = [(individual.standing, individual) for individual in population if individual.standing is not None]
    return [individual for _, individual in sorted(scored, key=lambda pair: pair[0], reverse=True)]


def is_flat(population: Iterable[Individual]) -> bool:
    """Whether the scores say nothing yet: fewer than two differ."""
    scores = [individual.standing[1] for individual in population if individual.standing is not None]
    return len(scores) < 2 or max(scores) - min(scores) <= 1e-9 * max(1.0, max(map(abs, scores)))


def tournament(pool: Sequence[Individual], rng: random.Random, size: int) -> Individual:
    """Return the best of ``size`` individuals drawn with replacement from ``pool``, which is ordered best first."""
    return pool[min(rng.randrange(len(pool)) for _ in range(size))]


def shares(individual: Individual, fields: Mapping[str, Field]) -> dict[str, float]:
    """Return each traced component's share of the sum of all components' absolute means, constants left out."""
    names = {term.name(fields) for term in individual.genome.terms if term.readout is not None}
    sizes = {name: abs(mean) for name, mean in individual.means.items() if name in names}
    total = sum(sizes.values())
    return {name: size / total for name, size in sizes.items()} if total > 0 and math.isfinite(total) else {}


def _standing(candidate: Candidate) -> Standing | None:
    if candidate.fitness is not None:
        return True, candidate.fitness
    if candidate.status is not Status.PRUNED or candidate.traces is None:
        return None
    last = _last(candidate.traces.fitness)
    return None if last is None else (False, last)


def _last(curve: Sequence[float | None]) -> float | None:
    return next((value for value in reversed(curve) if value is not None and math.isfinite(value)), None)
