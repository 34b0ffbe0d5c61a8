"""Mutation: one random change to a reward, some of them guided by what its parent's training showed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from .population import Individual, shares
from .prior import magnitude, typical
from .terms import Genome, Readout, Term, is_gap
from .variation import (
    MAX_TERMS,
    Vocabulary,
    alive_term,
    effort_term,
    goal_term,
    log_uniform,
    magnitude_of,
    scaled,
)

Variant: TypeAlias = tuple[Genome, str] | None
"""A changed genome and a few words on the change, or ``None`` where the change does not apply."""

DEAD_SHARE, WEAK_SHARE = 0.01, 0.1
"""A term below this share of the reward is dropped, or raised, when component traces are looked at."""


def mutate(parent: Individual, genome: Genome, vocabulary: Vocabulary, rng: random.Random) -> Variant:
    """Return ``genome`` with one random change and a few words on it, or ``None`` where no change applies.

    Args:
        parent: The individual whose component traces guide the changes that look at them.
        genome: The parent's genome, possibly changed already.
        vocabulary: Where new terms come from.
        rng: Source of all choices.
    """
    operators = [*_OPERATORS]
    while operators:
        operator = rng.choices(operators, [_OPERATORS[o] for o in operators])[0]
        variant = operator(parent, genome, vocabulary, rng)
        if variant is not None and variant[0].state_terms:
            return variant[0].normalised(vocabulary.fields), variant[1]
        operators.remove(operator)
    return None


def _reweight(parent: Individual, genome: Genome, vocabulary: Vocabulary, rng: random.Random) -> Variant:
    term = rng.choice(genome.terms)
    factor = math.exp(rng.choice((-1, 1)) * rng.uniform(0.4, 1.6))
    if len(genome.terms) == 1:
        return _reshape(parent, genome, vocabulary, rng)
    return _swap(genome, term, replace(term, weight=term.weight * factor)), f"weight of {_name(term, vocabulary)}"


def _rescale(parent: Individual, genome: Genome, vocabulary: Vocabulary, rng: random.Random) -> Variant:
    terms = [t for t in genome.terms if t.readout is not None and t.form != "linear"]
    if not terms:
        return None
    term = rng.choice(terms)
    if term.form == "tanh" or rng.random() < 0.5:
        changed = replace(term, scale=term.scale * math.exp(rng.choice((-1, 1)) * rng.uniform(0.4, 1.2)))
        return _swap(genome, term, changed), f"scale of {_name(term, vocabulary)}"
    changed = replace(term, centre=term.centre + term.scale * rng.gauss(0.0, 1.0))
    return _swap(genome, term, changed), f"centre of {_name(term, vocabulary)}"


def _add(parent: Individual, genome: Genome, vocabulary: Vocabulary, rng: random.Random) -> Variant:
    if len(genome.terms) >= MAX_TERMS:
        return None
    size = magnitude_of(genome, vocabulary.fields)
    term = goal_term(vocabulary.draw(rng), vocabulary, rng, weight=log_uniform(rng, 0.2, 2.0) * size)
    if _name(term, vocabulary) in {_name(t, vocabulary) for t in genome.terms}:
        return None
    return Genome((*genome.terms, term)), f"add {_name(term, vocabulary)}"


def _drop(parent: Individual, genome: Genome, vocabulary: Vocabulary, rng: random.Random) -> Variant:
    if len(genome.terms) < 2:
        return None
    term = _pick(genome.terms, vocabulary, rng)
    return _without(genome, term), f"drop {_name(term, vocabulary)}"


def _toggle_companion(parent: Individual, genome: Genome, vocabulary: Vocabulary, rng: random.Random) -> Variant:
    """Add or drop what most rewards need and no goal names: a bonus for lasting, a penalty on effort."""
    effort = effort_term(vocabulary.fields, rng)
    options = [*([alive_term(rng)] if vocabulary.episodes_end_early else []), *([effort] if effort else [])]
    if not options:
        return None
    term = rng.choice(options)
    present = [t for t in genome.terms if t.readout == term.readout]
    if present:
        return _without(genome, present[0]), f"drop {_name(present[0], vocabulary)}"
    term = scaled(term, magnitude_of(genome, vocabulary.fields))
    return Genome((*genome.terms, term)), f"add {_name(term, vocabulary)}"


def _reread(parent: Individual, genome: Genome, vocabulary: Vocabulary, rng: random.Random) -> Variant:
    """Let a term read something else of the same unit: another entry, the norm, a field of the same role.

    Distances between places stand for each other, however they are read. More of an entry may be what is wanted; of a
    distance it is mostly less, so a term that comes to read one pays against it (see `Vocabulary.raised`).
    """
    terms = genome.state_terms
    if not terms:
        return None
    term = _pick(terms, vocabulary, rng)
    if term.readout is None:
        return None
    old = vocabulary.fields[term.readout.field]
    options = {
        readout: weight * vocabulary.appeal((readout, _weight_for(term, readout, vocabulary) > 0))
        for readout, weight in vocabulary.prior.weights.items()
        if readout != term.readout and _alike(term.readout, readout, vocabulary)
    }
    if not options:
        return None
    readout = rng.choices([*options], [*options.values()])[0]
    weight = _weight_for(term, readout, vocabulary)
    ratio = typical(readout, vocabulary.fields[readout.field]) / typical(term.readout, old)
    if term.form == "linear":
        changed = replace(term, readout=readout, weight=weight / ratio)
    else:
        changed = replace(term, readout=readout, weight=weight, scale=term.scale * ratio, centre=term.centre * ratio)
    return _swap(genome, term, changed), f"read {_name(changed, vocabulary)} for {_name(term, vocabulary)}"


def _flip(parent: Individual, genome: Genome, vocabulary: Vocabulary, rng: random.Random) -> Variant:
    """Pay against what was paid for, or the other way round, unless that is known to be worse."""
    terms = [
        t
        for t in genome.state_terms
        if t.readout is not None
        and t.form not in ("near", "within", "square")
        and vocabulary.appeal((t.readout, t.weight < 0)) >= vocabulary.appeal((t.readout, t.weight > 0))
    ]
    if not terms:
        return None
    term = rng.choice(terms)
    return _swap(genome, term, replace(term, weight=-term.weight)), f"sign of {_name(term, vocabulary)}"


def _reshape(parent: Individual, genome: Genome, vocabulary: Vocabulary, rng: random.Random) -> Variant:
    terms = genome.state_terms
    if not terms:
        return None
    term = rng.choice(terms)
    if term.readout is None:
        return None
    size = magnitude(term, vocabulary.fields)
    changed = goal_term((term.readout, term.weight > 0), vocabulary, rng, weight=size)
    if changed.form == term.form:
        return None
    return _swap(genome, term, changed), f"form of {_name(term, vocabulary)} to {changed.form}"


def _look_at_traces(parent: Individual, genome: Genome, vocabulary: Vocabulary, rng: random.Random) -> Variant:
    """Mend what the parent's training showed: dead terms, weak ones, bounded ones that are saturated."""
    found: list[tuple[Genome, str]] = []
    share = shares(parent, vocabulary.fields)
    for term in genome.terms:
        name = _name(term, vocabulary)
        if name not in share or term.readout is None:
            continue
        mean = abs(parent.means[name] / term.weight)
        if term.form == "tanh" and mean > 0.9:
            changed = replace(term, scale=term.scale * 2.5)
            found.append((_swap(genome, term, changed), f"widen {name}, which was saturated"))
        elif term.form in ("near", "within") and mean < 0.05:
            changed = replace(term, scale=term.scale * 2.5)
            found.append((_swap(genome, term, changed), f"widen {name}, which was out of reach"))
        elif share[name] < DEAD_SHARE and len(genome.terms) > 1:
            found.append((_without(genome, term), f"drop {name}, which was dead"))
        elif 0 < share[name] < WEAK_SHARE and term in genome.state_terms:
            changed = replace(term, weight=term.weight * WEAK_SHARE * 2 / share[name])
            found.append((_swap(genome, term, changed), f"raise {name}, which was drowned"))
    return rng.choice(found) if found else None


_Operator: TypeAlias = Callable[[Individual, Genome, Vocabulary, random.Random], Variant]
_OPERATORS: Mapping[_Operator, float] = {
    _add: 4.0,
    _reweight: 2.5,
    _reread: 2.0,
    _look_at_traces: 2.0,
    _toggle_companion: 2.0,
    _drop: 1.5,
    _reshape: 1.5,
    _rescale: 1.0,
    _flip: 1.0,
}


def _alike(first: Readout, second: Readout, vocabulary: Vocabulary) -> bool:
    """Whether two read-outs have the same unit, and are of the same role or both say how far places are apart."""
    one, other = (vocabulary.fields[readout.field] for readout in (first, second))
    apart = is_gap(first, one) and is_gap(second, other)
    return one.unit == other.unit and (one.role == other.role or apart)


def _weight_for(term: Term, readout: Readout, vocabulary: Vocabulary) -> float:
    """Return the weight with which ``term`` is to read ``readout`` instead.

    It is the term's own, but where a distance between places comes in, or one that should grow for one that should
    shrink. A form that holds a value (``near``, ``within``) keeps its weight: it does not pay for more.
    """
    assert term.readout is not None
    before, after = (_wanted(r, vocabulary) for r in (term.readout, readout))
    if after == 0 or term.form in ("near", "within"):
        return term.weight
    return term.weight * before * after if before else abs(term.weight) * after


def _wanted(readout: Readout, vocabulary: Vocabulary) -> int:
    """Return the sign that a distance between places mostly has in a reward; 0 for other read-outs."""
    if not is_gap(readout, vocabulary.fields[readout.field]):
        return 0
    return 1 if vocabulary.raised(readout) > 0.5 else -1


def _pick(terms: Sequence[Term], vocabulary: Vocabulary, rng: random.Random) -> Term:
    """Draw a term to be undone, rather one whose direction ranked badly."""
    odds = [1.0 if t.readout is None else 1.0 / vocabulary.appeal((t.readout, t.weight > 0)) for t in terms]
    return rng.choices(terms, odds)[0]


def _swap(genome: Genome, old: Term, new: Term) -> Genome:
    return Genome(tuple(new if term is old else term for term in genome.terms))


def _without(genome: Genome, term: Term) -> Genome:
    return Genome(tuple(t for t in genome.terms if t is not term))


def _name(term: Term, vocabulary: Vocabulary) -> str:
    return term.name(vocabulary.fields)
