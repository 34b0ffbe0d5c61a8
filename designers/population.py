"""The evolving population, read back from a study's record, and what its scores say about read-outs."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from envreward.fields import Field
from envreward.studies.records import Candidate

from .programs import parse
from .terms import Genome, Readout

Direction: TypeAlias = tuple[Readout, bool]
"""A read-out and whether it is rewarded (true) or penalised."""


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


def credit(population: Sequence[Individual]) -> dict[Direction, float]:
    """Return by direction how much better than the median the rewards that contain it ranked, -0.5 to 0.5.

    The mean rank is shrunk towards the median as by one more observation there, so that a single success
    does not drown the prior. Individuals without a score rank last. The idea is that of estimation-of-distribution
    algorithms (Mühlenbein & Paaß 1996, univariate marginals), with ranks in place of truncation.
    """
    if is_flat(population):
        return {}
    order = ranked(population)
    place = {individual.id: 1.0 - i / max(1, len(order) - 1) for i, individual in enumerate(order)}
    seen: defaultdict[Direction, list[float]] = defaultdict(list)
    for individual in population:
        for key in {(t.readout, t.weight > 0) for t in individual.genome.terms if t.readout is not None}:
            seen[key].append(place.get(individual.id, 0.0) - 0.5)
    return {key: sum(values) / (len(values) + 1) for key, values in seen.items()}


def shares(individual: Individual, fields: Mapping[str, Field]) -> dict[str, float]:
    """Return each traced component's share of the sum of all components' absolute means, constants left out."""
    names = {term.name(fields) for term in individual.genome.terms if term.readout is not None}
    sizes = {name: abs(mean) for name, mean in individual.means.items() if name in names}
    total = sum(sizes.values())
    return {name: size / total for name, size in sizes.items()} if total > 0 and math.isfinite(total) else {}


def _last(curve: Sequence[float | None]) -> float | None:
    return next((value for value in reversed(curve) if value is not None and math.isfinite(value)), None)
