"""The evolving population, read back from a study's record."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from envreward.fields import Field
from envreward.studies.records import Candidate

from .programs import parse
from .terms import Genome


@dataclass(frozen=True)
class Individual:
    """One reward that was tried."""

    id: str
    genome: Genome
    fitness: float | None
    """``None``: it was not evaluated (it failed, or racing retired it)."""
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
                candidate.fitness,
                {name: value for name, value in means.items() if value is not None},
                _last(traces.episode_length) if traces else None,
            )
        )
    return found


def ranked(population: Iterable[Individual]) -> list[Individual]:
    """Return the evaluated individuals, best first; the earlier one first at a tie."""
    scored = [(individual.fitness, individual) for individual in population if individual.fitness is not None]
    return [individual for _, individual in sorted(scored, key=lambda pair: -pair[0])]


def is_flat(population: Iterable[Individual]) -> bool:
    """Whether the scores say nothing yet: fewer than two differ."""
    scores = [p.fitness for p in ranked(population) if p.fitness is not None]
    return len(scores) < 2 or scores[0] - scores[-1] <= 1e-9 * max(1.0, abs(scores[0]))


def tournament(pool: Sequence[Individual], rng: random.Random, size: int) -> Individual:
    """Return the best of ``size`` individuals drawn with replacement from ``pool``, which is ordered best first."""
    return pool[min(rng.randrange(len(pool)) for _ in range(size))]


def shares(individual: Individual, fields: Mapping[str, Field]) -> dict[str, float]:
    """Return each traced component's share of the sum of all components' absolute means, constants left out."""
    names = {term.name(fields) for term in individual.genome.terms if term.readout is not None}
    sizes = {name: abs(mean) for name, mean in individual.means.items() if name in names}
    total = sum(sizes.values())
    return {name: size / total for name, size in sizes.items()} if total > 0 and math.isfinite(total) else {}


def _last(curve: Sequence[float | None]) -> float | None:
    return next((value for value in reversed(curve) if value is not None and math.isfinite(value)), None)
