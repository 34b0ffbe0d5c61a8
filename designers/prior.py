"""What is known of a task before anything was tried: which read-outs are likely to matter, and their magnitudes.

All of it comes from the task's own declarations: roles, units, shapes, and the words that a field's name and
documentation share with the instruction. Nothing here names an environment or a field.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from envreward.fields import Field, Role, public_fields
from envreward.studies.designer import Brief

from .terms import Readout, Term, distances, ends, readouts, things

ROLE_WEIGHT: Mapping[Role, float] = {
    "position": 2.0,
    "offset": 1.0,
    "orientation": 1.5,
    "angle": 1.0,
    "velocity": 3.0,
    "angular_velocity": 1.5,
    "force": 0.5,
    "distance": 3.0,
    "flag": 2.0,
    "action": 0.0,
    "other": 1.0,
}
"""How often a goal is about each kind of quantity, before the words are looked at. Actions are never a goal; an offset
mostly is by its length, which counts as a distance."""

TYPICAL: Mapping[str, float] = {
    "m": 0.5,
    "m/s": 1.0,
    "m/s^2": 10.0,
    "rad": 0.5,
    "rad/s": 3.0,
    "deg": 30.0,
    "N": 100.0,
    "N m": 30.0,
    "s": 1.0,
}
"""Typical magnitude of a quantity by its unit, for bodies of about one metre; 1 for units not listed."""

CHANGE_SHARE = 0.05
"""Typical change in one control step as a share of the typical magnitude: steps last tens of milliseconds."""

WHOLE_SHARE, CHANGE_WEIGHT = 0.3, 0.4
"""Weight of a field's norm and energy as a share of the field's, and of a change as a share of its entry's."""

CLOCK_SHARE = 0.2
"""Weight of a time against other quantities: clocks run whatever the policy does."""

WORD_GAIN = 8.0
"""Factor by which the prior of a read-out that shares the instruction's rarest words grows."""

_STOP = re.compile(
    "a|an|the|of|in|on|at|to|for|and|or|as|is|are|be|by|with|without|from|it|its|this|that|than|then|into|while|which|"
    "not|no|each|per|one|all|after|before|between|over|under|if|when|where|value|current|"
    "step|steps|episode|begin|began|start|end|ends|ended|robot|agent|task|possible|mean|last"
)


@dataclass(frozen=True)
class Prior:
    """Weights over read-outs."""

    weights: Mapping[Readout, float]
    """Positive, by read-out; in order of declaration."""
    mentioned: frozenset[Readout]
    """Those that share a word with the instruction."""

    @classmethod
    def of(cls, brief: Brief) -> Prior:
        """Weigh every read-out of the brief's public fields by role, share of its field, and shared words."""
        overlap = _overlap(brief)
        weights: dict[Readout, float] = {}
        mentioned = set()
        for name, field in public_fields(brief.fields).items():
            options = [] if field.fixed else readouts(name, field)  # what never changes cannot be brought about
            for readout in options:
                score = overlap.get(readout, 0.0)
                # A field's weight is shared among its entries, less than evenly: eight joints matter more than one.
                share = 1.0 / math.sqrt(len(options))
                share = {"entry": share, "change": CHANGE_WEIGHT * share}.get(readout.kind, WHOLE_SHARE)
                weight = ROLE_WEIGHT[field.role] * share
                weight *= CLOCK_SHARE if field.unit == "s" else 1.0
                weights[readout] = weight * (1.0 + (WORD_GAIN - 1.0) * score)
                if score > 0:
                    mentioned.add(readout)
        between = Counter(_between(readout, brief.fields) for readout in distances(brief.fields))
        for readout in distances(brief.fields):
            # As with entries: shared among the pairs of things, and of a pair among the points that stand for them.
            share = 1.0 / math.sqrt(len(between)) / between[_between(readout, brief.fields)]
            weight = ROLE_WEIGHT["distance"] * share
            weights[readout] = weight * (1.0 + (WORD_GAIN - 1.0) * overlap.get(readout, 0.0))
        return cls({r: w for r, w in weights.items() if w > 0}, frozenset(mentioned))


def typical(readout: Readout, field: Field) -> float:
    """Return the magnitude that the read-out probably has, from unit, role and kind."""
    if field.dtype != "float32" or field.role == "flag":
        return 1.0
    size = TYPICAL.get(field.unit, 1.0)
    if readout.kind == "change":
        return size * CHANGE_SHARE
    if readout.kind == "energy":
        return size**2
    return size * math.sqrt(max(1, math.prod(field.shape))) if readout.kind == "norm" else size


def magnitude(term: Term, fields: Mapping[str, Field]) -> float:
    """Return what ``term`` pays, up to sign, where its read-out has its typical magnitude."""
    if term.readout is None or term.form != "linear":
        return abs(term.weight)
    return abs(term.weight) * typical(term.readout, fields[term.readout.field])


def _overlap(brief: Brief) -> dict[Readout, float]:
    """Return for each read-out how much it shares with the instruction's words, 0 to 1, rare words counting more."""
    goal = words(f"{brief.instruction} {brief.fitness_doc}")
    by_field = {name: words(f"{name} {field.doc}") for name, field in public_fields(brief.fields).items()}
    frequency = Counter(word for text in by_field.values() for word in text)
    scores = {
        readout: sum(math.log(1 + len(by_field) / max(1, frequency[word])) for word in goal & text)
        for name, field in public_fields(brief.fields).items()
        for readout in readouts(name, field)
        for text in [by_field[name] | words(" ".join(field.names[i] for i in readout.index[-1:] if field.names))]
    }
    for readout in distances(brief.fields):  # a goal is about both of its ends
        texts = [by_field[name] for name in ends(readout, brief.fields) or (readout.field,)]
        scores[readout] = sum(
            math.log(1 + len(by_field) / max(1, frequency[word])) for text in texts for word in goal & text
        )
    largest = max(scores.values(), default=0.0)
    return {readout: score / largest for readout, score in scores.items()} if largest > 0 else {}


def _between(readout: Readout, fields: Mapping[str, Field]) -> frozenset[str]:
    """Return the two things that a distance is between; of an offset that does not say, the offset itself."""
    return things(readout, fields) or frozenset((readout.field,))


def words(text: str) -> frozenset[str]:
    """Return the text's content words, lower case, without the endings of English inflection."""
    found = re.findall(r"[a-z]+", text.lower())
    return frozenset(_stem(word) for word in found if not _STOP.fullmatch(word) and len(word) > 1)


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "ly", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
