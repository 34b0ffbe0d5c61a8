"""Islands: populations that evolve apart and now and then exchange an individual (REvolve, arXiv:2406.01309).

The rules are those of rewards_database.py and evolutionary_utils/entities.py of REvolve's release
(github.com/RishiHazra/Revolve, commit b072271), which follow FunSearch (Romera-Paredes et al. 2024). They are pure:
what is random comes from a generator that is handed in, what changes is a new value.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Island: TypeAlias = tuple[str, ...]
"""Ids of its individuals, the one that came first first."""
Scores: TypeAlias = Mapping[str, float]
"""Score of each individual, by id."""


def softmax(values: Sequence[float], temperature: float = 1.0) -> list[float]:
    """Return ``exp(v / T) / sum exp(v / T)``; ``-inf`` has weight 0. Not all may be ``-inf``."""
    highest = max(values)
    weights = [math.exp((value - highest) / temperature) for value in values]
    return [weight / sum(weights) for weight in weights]


def mean_score(island: Island, scores: Scores) -> float:
    """Return the mean score of an island, ``-inf`` of an empty one."""
    return sum(scores[i] for i in island) / len(island) if island else -math.inf


def best_of(island: Island, scores: Scores) -> str:
    """Return the individual of the highest score, the one that came first at a tie; the island is not empty."""
    return max(island, key=lambda i: scores[i])


def admit(island: Island, newcomer: str, scores: Scores, capacity: int) -> Island:
    """Return the island after a newcomer has asked to be let in.

    It is let in if its score is at least the island's mean (section 3.3); of too many, the worst go.
    """
    if scores[newcomer] < mean_score(island, scores):
        return island
    grown = (*island, newcomer)
    while len(grown) > capacity:
        worst = min(grown, key=lambda i: scores[i])
        grown = tuple(i for i in grown if i != worst)
    return grown


def migrate(islands: Sequence[Island], scores: Scores, rng: random.Random) -> list[Island]:
    """Return the islands after the weaker half was reset: each keeps its best and is sent one of a stronger island.

    Islands are ordered by their best individual. The one that is sent is drawn by softmax from a stronger island of
    two or more, is not that island's best, and leaves it.
    """
    new = [*islands]
    order = sorted(range(len(new)), key=lambda i: (max((scores[j] for j in new[i]), default=-math.inf), rng.random()))
    weak, strong = order[: len(new) // 2], order[len(new) // 2 :]
    for place in weak:
        new[place] = (best_of(new[place], scores),) if new[place] else ()
        founders = [i for i in strong if len(new[i]) > 1]
        if not founders:
            continue
        founder = rng.choice(founders)
        best = best_of(new[founder], scores)
        others = [i for i in new[founder] if i != best]
        (migrant,) = rng.choices(others, softmax([scores[i] for i in others]))
        new[place] = (*new[place], migrant)
        new[founder] = tuple(i for i in new[founder] if i != migrant)
    return new


def draw_island(
    islands: Sequence[Island], scores: Scores, rng: random.Random, *, least: int, temperature: float
) -> int | None:
    """Draw an island of ``least`` individuals or more by softmax of the mean scores; ``None`` when there is none."""
    means = [mean_score(island, scores) if len(island) >= least else -math.inf for island in islands]
    if max(means) == -math.inf:
        return None
    return rng.choices(range(len(islands)), softmax(means, temperature))[0]


def draw_parents(island: Island, scores: Scores, rng: random.Random, n: int, temperature: float) -> tuple[str, ...]:
    """Draw ``n`` different individuals of an island, one after another by softmax of the scores of those left."""
    left, drawn = [*island], []
    for _ in range(n):
        (parent,) = rng.choices(left, softmax([scores[i] for i in left], temperature))
        left.remove(parent)
        drawn.append(parent)
    return tuple(drawn)
