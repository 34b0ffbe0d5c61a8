"""Where new rewards come from: terms drawn by what is known so far, and crossover. For mutation see `mutation`."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from envreward.fields import Field

from .credit import Direction
from .prior import Prior, magnitude, typical
from .terms import Form, Genome, Readout, Term, ends, is_departure, is_gap, readouts, thing, things

MAX_TERMS = 6
"""More terms than this cannot be told apart by a few dozen trainings, nor read at a glance."""

BONUS_CHANCE, EFFORT_CHANCE, SECOND_CHANCE = 0.6, 0.5, 0.5
"""How often a new reward gets a bonus for lasting, a penalty on effort, and a second goal."""

APPROACH_CHANCE = 0.7
"""How often a reward for moving something, to a fixed place or from where it began, also pays for what nears it."""

_MENTIONED_UP, _DISTANCE_UP, _APART_UP = 0.85, 0.35, 0.15
_FORMS: Mapping[Form, float] = {"linear": 5, "tanh": 2, "near": 2, "above": 1, "square": 1, "within": 0.5}


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """What terms are made of, and how often each thing is drawn."""

    fields: Mapping[str, Field]
    prior: Prior
    credit: Mapping[Direction, float] = field(default_factory=dict)
    """See `credit`."""
    credit_gain: float = 5.0
    """A direction is drawn ``exp(credit_gain * credit)`` times as often as its prior says."""
    episodes_end_early: bool = True
    """Whether a constant can matter: it does only where behaviour decides how long an episode lasts."""

    def directions(self) -> dict[Direction, float]:
        """Return the weight of each (read-out, sign) as a goal.

        The shares of the signs are those of `raised`.
        """
        weights: dict[Direction, float] = {}
        for readout, weight in self.prior.weights.items():
            up = self.raised(readout)
            for sign, share in ((True, up), (False, 1 - up)):
                weights[readout, sign] = weight * share * self.appeal((readout, sign))
        return weights

    def raised(self, readout: Readout) -> float:
        """Return how often, without experience, more of a read-out is wanted rather than less, 0 to 1.

        A quantity that the instruction mentions is more often to be raised than lowered, a distance more often to be
        lowered; two places are mostly to be brought together, but for a thing and where it began. Otherwise both signs
        count the same, as for the entries of an offset, of which neither more nor less is closer.
        """
        declared = self.fields[readout.field]
        if is_gap(readout, declared):
            return 1 - _APART_UP if is_departure(readout, self.fields) else _APART_UP
        mentioned = _MENTIONED_UP if readout in self.prior.mentioned else 0.5
        return {"distance": _DISTANCE_UP, "offset": 0.5}.get(declared.role, mentioned)

    def appeal(self, direction: Direction) -> float:
        """Return how much more often than its prior says a direction is to be drawn."""
        return math.exp(self.credit_gain * self.credit.get(direction, 0.0))

    def draw(self, rng: random.Random) -> Direction:
        """Draw one direction."""
        weights = self.directions()
        return rng.choices([*weights], [*weights.values()])[0]


def stratified(weights: Mapping[Direction, float], n: int, rng: random.Random) -> list[Direction]:
    """Draw ``n`` directions by systematic sampling: each comes up its expected number of times, rounded up or down."""
    keys, total = [*weights], sum(weights.values())
    drawn: list[Direction] = []
    start, cumulated = rng.random(), 0.0
    for key in keys:
        cumulated += weights[key] / total
        while len(drawn) < n and (len(drawn) + start) / n < cumulated:
            drawn.append(key)
    drawn += [keys[-1]] * (n - len(drawn))  # rounding of the last partial sum
    rng.shuffle(drawn)
    return drawn


def goal_term(
    goal: Direction, vocabulary: Vocabulary, rng: random.Random, weight: float = 1.0, *, linear: bool = False
) -> Term:
    """Return a term that pays for (or against) a read-out, of magnitude about ``weight``; its form random or linear."""
    readout, positive = goal
    declared = vocabulary.fields[readout.field]
    unit = typical(readout, declared)
    if declared.dtype != "float32" or declared.role == "flag":
        return Term(form="linear", readout=readout, weight=weight if positive else -weight)
    form: Form = "linear" if linear else rng.choices([*_FORMS], [*_FORMS.values()])[0]
    if not positive and form in ("near", "within"):
        form = "tanh"
    if positive and form == "square":
        form = "linear"
    if form == "linear":
        return Term(form=form, readout=readout, weight=(weight if positive else -weight) / unit)
    scale = unit * 2.0 ** rng.uniform(-1.0, 2.0)
    centred = form in ("near", "within", "above") or (form == "square" and rng.random() < 0.5)
    centre = unit * rng.gauss(0.0, 2.0) if centred and rng.random() < 0.7 else 0.0
    return Term(form=form, readout=readout, weight=weight if positive else -weight, centre=centre, scale=scale)


def effort_term(fields: Mapping[str, Field], rng: random.Random) -> Term | None:
    """Return a small penalty on the mean square of the action, or ``None`` where the action is no vector of numbers."""
    action = fields.get("action")
    if action is None or action.dtype != "float32":
        return None
    kinds = [r for r in readouts("action", action) if r.kind == "energy"]
    readout = kinds[0] if kinds else Readout("action", "entry", (0,) * len(action.shape))
    form: Form = "linear" if readout.kind == "energy" else "square"
    return Term(form=form, readout=readout, weight=-log_uniform(rng, 0.01, 1.0))


def alive_term(rng: random.Random) -> Term:
    """Return a bonus for every step that the episode lasts."""
    return Term(form="constant", readout=None, weight=log_uniform(rng, 0.1, 3.0))


def fresh(goal: Direction, vocabulary: Vocabulary, rng: random.Random, *, linear: bool = False) -> Genome:
    """Return a new reward for ``goal``: its term; by chance a bonus for lasting, an effort penalty, a second goal."""
    terms: list[Term] = [goal_term(goal, vocabulary, rng, linear=linear)]
    if vocabulary.episodes_end_early and rng.random() < BONUS_CHANCE:
        terms.append(alive_term(rng))
    effort = effort_term(vocabulary.fields, rng)
    if effort is not None and rng.random() < EFFORT_CHANCE:
        terms.append(effort)
    approach = _approach(goal, vocabulary, rng)
    second = vocabulary.draw(rng) if approach is None else approach
    if second[0] != goal[0] and rng.random() < (SECOND_CHANCE if approach is None else APPROACH_CHANCE):
        terms.append(goal_term(second, vocabulary, rng, weight=log_uniform(rng, 0.1, 1.0)))
    return Genome(tuple(terms)).normalised(vocabulary.fields)


def _approach(goal: Direction, vocabulary: Vocabulary, rng: random.Random) -> Direction | None:
    """Return a draw of what else could come near the thing that ``goal`` is to bring to a fixed place, if it is such.

    What has to be moved is mostly moved by something that is not there yet; so is what has to leave where it began.
    What is to be kept away from a place, or where it began, needs nothing near it.
    """
    fields = vocabulary.fields
    moving = [name for name in ends(goal[0], fields) if not fields[name].fixed]
    if len(moving) != 1 or goal[1] != is_departure(goal[0], fields):
        return None
    options = {
        readout: weight * vocabulary.appeal((readout, False))
        for readout, weight in vocabulary.prior.weights.items()
        if readout.kind != "energy"  # the same as the norm
        and thing(moving[0], fields) in things(readout, fields)
        and not any(fields[name].fixed for name in ends(readout, fields))
    }
    return (rng.choices([*options], [*options.values()])[0], False) if options else None


def magnitude_of(genome: Genome, fields: Mapping[str, Field]) -> float:
    """Return the largest magnitude among the terms that read the state: the yardstick for terms to be added."""
    return max(magnitude(term, fields) for term in genome.state_terms)


def scaled(term: Term, factor: float) -> Term:
    """Return ``term`` paying ``factor`` times as much."""
    return replace(term, weight=term.weight * factor)


def crossover(a: Genome, b: Genome, fields: Mapping[str, Field], rng: random.Random) -> Genome:
    """Return ``a`` with some of ``b``'s terms: at least one that ``a`` lacks, if there is one; common ones of either.

    Sums of good rewards are often good rewards, halves of them seldom: so nothing of ``a`` is lost.
    """
    mine, yours = ({t.name(fields): t for t in g.terms} for g in (a, b))
    ratio = magnitude_of(a, fields) / magnitude_of(b, fields)
    terms = [rng.choice((term, scaled(yours[name], ratio) if name in yours else term)) for name, term in mine.items()]
    others = [scaled(term, ratio) for name, term in yours.items() if name not in mine]
    rng.shuffle(others)
    terms += [term for i, term in enumerate(others) if i == 0 or rng.random() < 0.5]
    return Genome(tuple(terms[:MAX_TERMS])).normalised(fields)


def log_uniform(rng: random.Random, low: float, high: float) -> float:
    """Draw a number between ``low`` and ``high`` whose logarithm is uniform."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))
