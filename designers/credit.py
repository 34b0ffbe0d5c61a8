"""What the scores so far say about each read-out: a linear model of rank, fitted to everything that was tried.

A reward is described by how much of its pay goes to each read-out, with sign and without; ridge regression of the
rank on that tells what to pay for. Paying against something that ranked last speaks for paying for it, though less
than a trial of its own would. The same idea as linear bandits and estimation-of-distribution algorithms: a few dozen
noisy trainings allow no richer model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from envreward.fields import Field

from .population import Individual, Standing, is_flat
from .prior import magnitude
from .terms import Genome, Readout

Direction: TypeAlias = tuple[Readout, bool]
"""A read-out and whether it is rewarded (true) or penalised."""

_SIGNED_RIDGE, _UNSIGNED_RIDGE = 0.5, 2.0
"""Shrinkage of the effect that turns with the sign, and of the effect that does not: the first is the likelier. One
reward with one term that ranked first gives its direction 0.71 of the rank's distance from the median, and takes
0.43 of it from the opposite direction."""


def credit(population: Sequence[Individual], fields: Mapping[str, Field]) -> dict[Direction, float]:
    """Return by direction by how much rewards that pay for it should rank above the median, about -0.5 to 0.5.

    Ranks are spread evenly over -0.5 to 0.5, equal scores sharing their mean; what failed ranks last. Nothing is
    returned while all scores are equal.
    """
    if is_flat(population):
        return {}
    standings = [individual.standing for individual in population]
    target = np.array([_rank(standing, [s for s in standings if s is not None]) for standing in standings])
    pays = [_pays(individual.genome, fields) for individual in population]
    readouts = list(dict.fromkeys(readout for pay in pays for readout in pay))
    signed = np.array([[pay.get(readout, 0.0) for readout in readouts] for pay in pays])
    scale = np.sqrt([1.0 / _SIGNED_RIDGE] * len(readouts) + [1.0 / _UNSIGNED_RIDGE] * len(readouts))
    features = np.concatenate([signed, np.abs(signed)], axis=1) * scale
    gram = features @ features.T + np.eye(len(target))
    effect = scale * (features.T @ np.linalg.solve(gram, target))
    turning, constant = effect[: len(readouts)], effect[len(readouts) :]
    return {
        (readout, positive): float((turning[i] if positive else -turning[i]) + constant[i])
        for i, readout in enumerate(readouts)
        for positive in (True, False)
    }


def predicted(genome: Genome, credits: Mapping[Direction, float], fields: Mapping[str, Field]) -> float:
    """Return by how much ``genome`` should rank above the median; 0 where nothing is known of what it pays for."""
    return sum(abs(pay) * credits.get((r, pay > 0), 0.0) for r, pay in _pays(genome, fields).items())


def _rank(mine: Standing | None, all_: Sequence[Standing]) -> float:
    if mine is None:
        return -0.5
    below, equal = sum(s < mine for s in all_), sum(s == mine for s in all_)
    return (below + (equal - 1) / 2) / (len(all_) - 1) - 0.5


def _pays(genome: Genome, fields: Mapping[str, Field]) -> dict[Readout, float]:
    """Return what each read-out of ``genome`` is paid, -1 to 1: its largest term against the genome's largest."""
    pays: dict[Readout, float] = {}
    for term in genome.terms:
        if term.readout is not None:
            pays[term.readout] = pays.get(term.readout, 0.0) + magnitude(term, fields) * (1 if term.weight > 0 else -1)
    largest = max(abs(pay) for pay in pays.values())
    return {readout: pay / largest for readout, pay in pays.items()} if largest > 0 else {}
