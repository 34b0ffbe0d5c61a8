"""Reward terms: a small grammar of rewards.

A `Genome` is a sum of `Term`s. A term reads one number per world from a field (a `Readout`: an entry, a
norm, a mean square, or the change since the last step) or from two of them (how far two positions are apart) and gives
it a form:

    linear    w * x                         more (or less) of it, without bound
    tanh      w * tanh((x - c) / s)         more of it, up to a point
    near      w * exp(-((x - c) / s)^2)     hold it near a value
    square    w * ((x - c) / s)^2           keep it away from (w > 0) or close to (w < 0) a value
    above     w * clamp((x - c) / s, 0, 1)  a ramp from c to c + s
    within    w * [|x - c| < s]             an indicator of a range
    constant  w                             paid in every step, so that long episodes are worth more
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Literal, TypeAlias

from envreward.fields import PREV, Field, Role, public_fields

Kind: TypeAlias = Literal["entry", "norm", "energy", "change", "apart"]
Form: TypeAlias = Literal["linear", "tanh", "near", "square", "above", "within", "constant"]

MAX_ENTRIES = 64
"""Entries of a larger field are not read one by one, only as norm and energy."""

_MOVING: frozenset[Role] = frozenset({"position", "offset", "orientation", "angle", "distance"})
"""Roles whose change over one step is worth reading; the others are rates already, or jump."""

_AXES = frozenset("xyz")


@dataclass(frozen=True)
class Readout:
    """One number per world, float32 ``[N]``, read from a field."""

    field: str
    kind: Kind = "entry"
    """``entry``: one entry; ``norm``: Euclidean norm; ``energy``: mean square of the entries; ``change``: one
    entry minus its value before the step; ``apart``: distance from the position `other`."""
    index: tuple[int, ...] = ()
    """Which entry; empty for scalars and for whole-field kinds."""
    other: str = ""
    """The second field of ``apart``."""

    def parameters(self) -> tuple[str, ...]:
        """Return the program parameters it reads."""
        if self.kind == "apart":
            return self.field, self.other
        return (self.field, PREV + self.field) if self.kind == "change" else (self.field,)

    def label(self, field: Field) -> str:
        """Return a short identifier, e.g. ``joint_velocity_knee`` or ``action_energy``."""
        parts = [self.field, self.other]
        if self.index:
            last = field.names[self.index[-1]] if field.names else str(self.index[-1])
            parts += [*map(str, self.index[:-1]), last]
        if self.kind != "entry":
            parts.append(self.kind)
        return re.sub(r"\W+", "_", "_".join(filter(None, parts))).strip("_").lower()

    def expression(self, field: Field) -> str:
        """Return the Python expression that computes it from the program's parameters."""
        if self.kind == "norm":
            flat = self.field if len(field.shape) == 1 else f"{self.field}.flatten(1)"
            return f"torch.linalg.vector_norm({flat}, dim=-1)"
        if self.kind == "apart":
            return f"torch.linalg.vector_norm({self.field} - {self.other}, dim=-1)"
        if self.kind == "energy":
            square = f"{self.field}.square()"
            return {0: square, 1: f"{square}.mean(dim=-1)"}.get(len(field.shape), f"{square}.flatten(1).mean(dim=-1)")
        at = f"[:, {', '.join(map(str, self.index))}]" if self.index else ""
        if self.kind == "change":
            return f"({self.field}{at} - {PREV}{self.field}{at})"
        return f"{self.field}{at}" if field.dtype == "float32" else f"{self.field}{at}.float()"


def readouts(name: str, field: Field) -> list[Readout]:
    """Return all ways to read one number per world from a field; none for text."""
    if field.dtype == "str" or math.prod(field.shape) == 0:
        return []
    entries = [Readout(name, "entry", i) for i in product(*map(range, field.shape))]
    if len(entries) > MAX_ENTRIES:
        entries = []
    if field.dtype != "float32":
        return entries
    kinds: list[Kind] = ["norm", "energy"] if math.prod(field.shape) > 1 else []
    found = entries + [Readout(name, kind) for kind in kinds]
    if field.role in _MOVING:
        found += [Readout(name, "change", e.index) for e in entries]
    return found


def distances(fields: Mapping[str, Field]) -> list[Readout]:
    """Return what can be wanted of two places: to be near each other, or not. Lengths of offsets, and `pairs`.

    Left out are pairs of points of the same thing, places where something else than the other one began, and pairs
    whose distance is the length of an offset already.
    """
    offsets = {n: field for n, field in public_fields(fields).items() if is_offset(field) and not field.fixed}
    measured = {frozenset(field.between) for field in offsets.values() if field.between}
    return [Readout(name, "norm") for name in offsets] + [
        pair
        for pair in pairs(fields)
        if {pair.field, pair.other} not in measured
        and len(things(pair, fields)) == 2
        and (is_departure(pair, fields) or not any(fields[name].start_of for name in ends(pair, fields)))
    ]


def pairs(fields: Mapping[str, Field]) -> list[Readout]:
    """Return the distances between two public positions of the same unit, frame and axes, of which one can move."""
    places = {name: field for name, field in public_fields(fields).items() if is_place(field)}
    return [
        Readout(a, "apart", other=b)
        for a, b in combinations(places, 2)
        if _measure(places[a]) == _measure(places[b]) and not (places[a].fixed and places[b].fixed)
    ]


def is_place(field: Field) -> bool:
    """Whether a field is one point in the plane or in space: a height is none, nor are the heights of two feet."""
    return field.role == "position" and _has_axes(field)


def is_offset(field: Field) -> bool:
    """Whether a field leads from one place to another, in the plane or in space."""
    return field.role == "offset" and _has_axes(field)


def is_gap(readout: Readout, field: Field) -> bool:
    """Whether a read-out says how far two places are apart (or the square of that), so that less of it is closer."""
    return readout.kind == "apart" or (readout.kind in ("norm", "energy") and is_offset(field))


def ends(readout: Readout, fields: Mapping[str, Field]) -> tuple[str, ...]:
    """Return the names of the two places whose distance a read-out is; none where it is not that of two fields."""
    if readout.kind == "apart":
        return readout.field, readout.other
    between = fields[readout.field].between or ()
    return between if is_gap(readout, fields[readout.field]) and {*between} <= fields.keys() else ()


def things(readout: Readout, fields: Mapping[str, Field]) -> frozenset[str]:
    """Return what `ends` are points of: two points of one gripper are as good as one."""
    return frozenset(thing(name, fields) for name in ends(readout, fields))


def thing(name: str, fields: Mapping[str, Field]) -> str:
    """Return what the field ``name`` is a point of; it stands for itself where it does not say."""
    return fields[name].part or name if name in fields else name


def is_departure(readout: Readout, fields: Mapping[str, Field]) -> bool:
    """Whether a read-out says how far something is from where it began."""
    places = ends(readout, fields)
    return any(
        fields[a].start_of and thing(fields[a].start_of, fields) == thing(b, fields)
        for a, b in zip(places, reversed(places), strict=True)
    )


def _has_axes(field: Field) -> bool:
    """Whether a field is a vector along axes: unnamed, it has three entries."""
    if field.dtype != "float32" or len(field.shape) != 1:
        return False
    named = set(field.names) <= _AXES and len(set(field.names)) == field.shape[0] >= 2
    return named if field.names else field.shape[0] == 3


def _measure(field: Field) -> tuple[object, ...]:
    """Return what two positions have in common if one may be subtracted from the other."""
    return field.unit, field.frame, field.names or ("x", "y", "z")


@dataclass(frozen=True, kw_only=True)
class Term:
    """One summand of a reward."""

    form: Form
    readout: Readout | None
    """``None`` for the form ``constant`` only."""
    weight: float
    centre: float = 0.0
    scale: float = 1.0

    def name(self, fields: Mapping[str, Field]) -> str:
        """Return the component's name, the same for the same read-out and form in every program."""
        if self.readout is None:
            return "alive_bonus"
        return f"{self.readout.label(fields[self.readout.field])}_{self.form}"

    def expression(self, fields: Mapping[str, Field]) -> str:
        """Return the Python expression of a term that has a read-out."""
        if self.readout is None:
            raise ValueError("a constant term has no expression of its own")
        x = self.readout.expression(fields[self.readout.field])
        if self.form == "linear":
            return f"{number(self.weight)} * {x}"
        shifted = x if self.centre == 0 else f"({x} {'-' if self.centre > 0 else '+'} {number(abs(self.centre))})"
        scaled = shifted if self.scale == 1 else f"({shifted} / {number(self.scale)})"
        w = number(self.weight)
        bare = scaled[1:-1] if scaled.startswith("(") and scaled != x else scaled
        if self.form == "tanh":
            return f"{w} * torch.tanh({bare})"
        if self.form == "near":
            return f"{w} * torch.exp(-{scaled}.square())"
        if self.form == "square":
            return f"{w} * {scaled}.square()"
        if self.form == "above":
            return f"{w} * {scaled}.clamp(0.0, 1.0)"
        return f"{w} * ({shifted}.abs() < {number(self.scale)}).float()"


@dataclass(frozen=True)
class Genome:
    """A reward as a sum of terms; at least one of them reads the state."""

    terms: tuple[Term, ...]

    def normalised(self, fields: Mapping[str, Field]) -> Genome:
        """Return it with one term per name, the largest weight scaled to 1 and all numbers rounded as they are written.

        Trainers divide rewards by their spread, so a common factor changes nothing.
        """
        by_name = {term.name(fields): term for term in self.terms}
        largest = max(abs(t.weight) for t in by_name.values())
        terms = [
            replace(t, weight=rounded(t.weight / largest), centre=rounded(t.centre), scale=rounded(t.scale) or t.scale)
            for t in by_name.values()
        ]
        terms.sort(key=lambda t: (t.readout is None, -abs(t.weight)))
        return Genome(tuple(t for t in terms if t.weight != 0))

    def key(self, fields: Mapping[str, Field]) -> frozenset[tuple[object, ...]]:
        """Return what makes it the same reward as another for the search: numbers count only to about 20%."""
        return frozenset(
            (t.name(fields), t.weight > 0, _step(t.weight), _step(t.scale), round(4 * t.centre / t.scale))
            for t in self.normalised(fields).terms
        )

    @property
    def state_terms(self) -> tuple[Term, ...]:
        """The terms that read something other than the action."""
        return tuple(t for t in self.terms if t.readout is not None and t.readout.field != "action")


def rounded(value: float, digits: int = 3) -> float:
    """Return ``value`` with so many significant digits."""
    return float(f"{value:.{digits}g}")


def number(value: float) -> str:
    """Return ``value`` as it is written in programs: three significant digits, always a float."""
    text = f"{value:.3g}"
    return text if any(c in text for c in ".e") else f"{text}.0"


def _step(value: float) -> int:
    """Return the index of ``value``'s magnitude on a log scale of about 20% per step."""
    return round(math.log2(abs(value)) * 4) if value else -10_000
