"""The candidate codec of a repository's world: which edits of the open file are offered, and what is seen of them.

At most `CHOICES` candidates: run the tests, submit, undo, open each file of the program, and the edits of the open
file, those of its most suspicious lines first. The edit that repairs the fault is always among the edits of its file,
in the place that its line gives it or else in the last: a file may have more edits than there are places, and without
this some exercises could not be solved. Nothing marks it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from envreward.worlds import Candidates, CandidateShape

from .ast_edits import Edit, Edits
from .worlds_actions import MakeEdit, RepositoryAction, RunTests, Submit, Undo, View
from .worlds_exercise import Exercise, Spectrum

CHOICES = 64
_GROUPS = (
    ("comparison", "boolean", "negation"),
    ("arithmetic", "assignment", "sign"),
    ("constant", "offset"),
    ("name",),
    ("arguments", "operands", "branches"),
    ("jump", "statement"),
)
_GROUP = {kind: index for index, kinds in enumerate(_GROUPS) for kind in kinds}
_KINDS: tuple[type, ...] = (RunTests, Submit, Undo, View, MakeEdit)
FEATURES = len(_KINDS) + len(_GROUPS) + 7
CONTEXT = 10
SHAPE = CandidateShape(choices=CHOICES, features=FEATURES, context=CONTEXT)


class Situation(NamedTuple):
    """What the codec reads of a world."""

    exercise: Exercise
    spectrum: Spectrum
    opened: str
    """The file that is open."""
    source: str
    """Its text."""
    tried: frozenset[RepositoryAction]
    """Actions of this episode that changed a file and were taken back."""
    context: NDArray[np.float32]
    """``[CONTEXT]``."""
    changed: bool
    """Whether there is something to undo."""


@functools.lru_cache(maxsize=512)  # some 30 KB each
def edits_of(source: str) -> Edits | None:
    """Return the edits of a source; ``None`` where it cannot be parsed."""
    try:
        return Edits(source)
    except (SyntaxError, ValueError, RecursionError):
        return None


def offer(now: Situation) -> Candidates[RepositoryAction]:
    """Return the candidates."""
    actions: list[RepositoryAction] = [RunTests(), Submit()]
    if now.changed:
        actions.append(Undo())
    room = CHOICES // 4
    files = sorted(now.exercise.modules, key=lambda path: (-_best(now.spectrum, path), path))[:room]
    if now.exercise.fix.path not in files:
        files[-1] = now.exercise.fix.path
    actions += [View(path) for path in files if path != now.opened]
    actions += [MakeEdit(now.opened, edit) for edit in _edits(now, CHOICES - len(actions))]
    features = np.zeros((len(actions), FEATURES), np.float32)
    for row, action in zip(features, actions, strict=True):
        _describe(row, action, now)
    return Candidates(actions, features, now.context)


def _edits(now: Situation, room: int) -> Sequence[Edit]:
    found = edits_of(now.source)
    if found is None or not now.opened:
        return ()
    score = now.spectrum.score.get(now.opened, {})
    ordered = sorted(found, key=lambda edit: (-score.get(edit.line, 0.0), edit))
    kept = ordered[:room]
    fix = now.exercise.fix
    if fix.path == now.opened and fix.edit in found and fix.edit not in kept:
        kept[-1] = fix.edit
    return kept


def _best(spectrum: Spectrum, path: str) -> float:
    return max(spectrum.score.get(path, {}).values(), default=0.0)


def _describe(row: NDArray[np.float32], action: RepositoryAction, now: Situation) -> None:
    row[_KINDS.index(type(action))] = 1.0
    at = len(_KINDS)
    rest = row[at + len(_GROUPS) :]
    if isinstance(action, MakeEdit):
        edit, path, spectrum = action.edit, action.path, now.spectrum
        row[at + _GROUP[edit.kind]] = 1.0
        for index, table in enumerate((spectrum.score, spectrum.rank, spectrum.failing, spectrum.passing)):
            rest[index] = table.get(path, {}).get(edit.line, 0.0)
        rest[4] = action in now.tried
        rest[5] = edit.operator in ("plus 1", "minus 1")
    elif isinstance(action, View):
        rest[6] = _best(now.spectrum, action.path)
