"""Injected bugs: a problem's program changed by one or two edits, so that some tests fail and some do not."""

from __future__ import annotations

import functools
import itertools
import random
from dataclasses import dataclass

from ..ast_edits import Edit, Edits, inverse
from .actions import MakeEdit
from .bench import OFFERED, examine
from .examined import Examined
from .problem import Problem
from .problems import PROBLEMS


@dataclass(frozen=True, eq=False)
class Bug:
    """A broken program and the ways back."""

    problem: Problem
    source: str
    """The broken program."""
    edits: tuple[Edit, ...]
    """What was done to the right one, in order."""
    repairs: dict[str, tuple[tuple[Edit, str], ...]]
    """For each source between the broken program and the right one, the edits that bring it nearer, and what they make
    of it; none for the right one."""
    distance: dict[str, int]
    """Number of edits from each of these sources to the right one."""


def counts(examined: Examined) -> bool:
    """Return whether a program is a task: some visible tests fail, some pass, and a hidden one fails."""
    shown = (1 << examined.visible) - 1
    seen, unseen = examined.passed & shown, examined.passed >> examined.visible
    return 0 < seen < shown and unseen.bit_count() < examined.tests - examined.visible


@functools.cache
def _edits(problem: Problem) -> tuple[Edit, ...]:
    """Return the edits that may become bugs: those on one line, so that two of them can be made in either order."""
    edits = Edits(problem.source)
    return tuple(edit for edit in edits if edits.on_one_line(edit))


@functools.cache
def _weights() -> list[int]:
    return list(itertools.accumulate(len(_edits(problem)) for problem in PROBLEMS))


def single_bugs(problem: Problem) -> list[Bug]:
    """Return all bugs of one edit that a problem has."""
    edits = Edits(problem.source)
    made = ((edit, edits.apply(edit)) for edit in _edits(problem))
    return [_bug(problem, (edit,)) for edit, source in made if counts(examine(problem, source))]


def draw(seed: int, size: int) -> Bug:
    """Return a bug of ``size`` edits, 1 or 2; it depends on ``seed`` alone.

    A problem is drawn with a probability proportional to the number of its edits, a bug of it uniformly.
    """
    rng = random.Random(seed)
    while True:
        (problem,) = rng.choices(PROBLEMS, cum_weights=_weights())
        edits = _edits(problem)
        for _ in range(8):
            chosen = tuple(sorted(rng.sample(edits, size)))
            if len({edit.line for edit in chosen}) == size and _all_count(problem, chosen):
                bug = _bug(problem, chosen)
                if _offered(bug):
                    return bug


def _offered(bug: Bug) -> bool:
    """Return whether all repairs are among the most suspicious edits, which are all that the tensor codec offers.

    Bugs that are not so are left out, rather than their repairs put among the candidates, which would tell them apart.
    """
    return all(
        MakeEdit(edit) in examine(bug.problem, source).offers[:OFFERED]
        for source, repairs in bug.repairs.items()
        for edit, _ in repairs
    )


def _all_count(problem: Problem, edits: tuple[Edit, ...]) -> bool:
    """Return whether each of the edits is a bug by itself, and all together are one."""
    alone = [Edits(problem.source).apply(edit) for edit in edits]
    together = functools.reduce(lambda source, edit: Edits(source).apply(edit), edits, problem.source)
    return all(counts(examine(problem, source)) for source in dict.fromkeys((*alone, together)))


def _bug(problem: Problem, edits: tuple[Edit, ...]) -> Bug:
    sources: dict[frozenset[Edit], str] = {frozenset(): problem.source}
    for size in range(1, len(edits) + 1):
        for subset in itertools.combinations(edits, size):
            sources[frozenset(subset)] = Edits(sources[frozenset(subset[:-1])]).apply(subset[-1])
    repairs = {
        source: tuple((_inverse(edit), sources[made - {edit}]) for edit in edits if edit in made)
        for made, source in sources.items()
    }
    distance = {source: len(made) for made, source in sources.items()}
    return Bug(problem, sources[frozenset(edits)], edits, repairs, distance)


def _inverse(edit: Edit) -> Edit:
    back = inverse(edit)
    assert back is not None  # only reversible edits are made
    return back
