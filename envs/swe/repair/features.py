"""Numbers by which a small policy tells candidate edits apart, and the situation they are made in.

A candidate is described by what it does (one of `GROUPS`, finer than the edit's kind: an edit and its inverse are in
different groups), by the literal that it touches, by what the tests say of its line, and by what was tried before:
whether this very edit was made on this very source and what came of it, how much its line has been tried, and how far
it is from the last change. Nothing here knows the bug.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..ast_edits import Edit, Kind, inverse
from .examined import Examined

GROUPS: Final = (
    *("loosen a bound", "tighten a bound", "turn a comparison", "deny a comparison", "+ to -", "- to +"),
    *("other arithmetic", "and to or", "or to and", "add not", "drop not", "plus 1", "minus 1", "other literal"),
    *("add + 1", "add - 1", "drop + 1", "drop - 1", "add minus", "drop minus", "sister name", "swap arguments"),
    *("swap operands", "swap branches", "+= to -=", "-= to +=", "other assignment", "jump"),
)
"""Groups of operators, one feature each."""
_GROUP: Final = {name: index for index, name in enumerate(GROUPS)}
_SIGNED: Final = {"< to <=": 0, "> to >=": 0, "<= to <": 1, ">= to >": 1}
_TURNED: Final = {frozenset("<>"), frozenset(("<=", ">="))}
_OTHERS: Final = {
    "comparison": "deny a comparison",
    "arithmetic": "other arithmetic",
    "constant": "other literal",
    "name": "sister name",
    "assignment": "other assignment",
    "jump": "jump",
}

HEADS: Final = ("is to submit", "is to undo")
LINE: Final = ("on a most suspicious line", "suspicion", "reciprocal rank", "failing tests", "passing tests")
"""Of an edit's line: the tests are those that reach it, as a share of the failing and of the passing ones."""
MEMORY: Final = ("made here before", "gain then", "loss then", "line tried", "takes back", "near", "same line")
"""Of what went before: whether this edit was made on this very source, and what share of the visible tests it then
mended and broke; how often the line was edited in this episode; whether it takes back the last change; how near it is
to that."""
STATIC: Final = len(GROUPS) + len(LINE)
FEATURES: Final = len(HEADS) + STATIC + len(MEMORY)
"""F."""
CONTEXT: Final = (
    *("passing", "mended", "kept", "best passing", "last gain", "last loss", "edits made", "steps left", "can undo"),
    *("changes standing", "edits offered", "failed assertion", "wrong index or key", "other exception", "endless"),
    "does not load",
)
"""Of the situation: shares of the visible tests; counts divided by what they seldom exceed; what ended the first
visible test that does not pass."""
_LOOKUPS: Final = frozenset({"IndexError", "KeyError", "LookupError"})


@functools.cache
def group(kind: Kind, operator: str) -> int:
    """Return the number of an operator's group in `GROUPS`."""
    if operator in _GROUP:
        return _GROUP[operator]
    if operator in _SIGNED:
        return _SIGNED[operator]
    if kind == "comparison" and frozenset(operator.split(" to ")) in _TURNED:
        return _GROUP["turn a comparison"]
    return _GROUP[_OTHERS[kind]]


def static_features(edits: Sequence[Edit], of_line: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return what describes edits of a source by itself, ``[edits, STATIC]``.

    Args:
        edits: Edits.
        of_line: Of each edit's line the Ochiai suspiciousness, its rank, and the shares of the failing and of the
            passing visible tests that reach it; ``[4, edits]``.
    """
    rows = np.zeros((len(edits), STATIC), dtype=np.float32)
    if not edits:
        return rows
    rows[np.arange(len(edits)), [group(edit.kind, edit.operator) for edit in edits]] = 1.0
    suspicion, rank, failing, passing = of_line
    own = rows[:, len(GROUPS) :]
    own[:, 0] = rank == 1
    own[:, 1] = suspicion
    own[:, 2] = 1.0 / np.maximum(rank, 1.0)
    own[:, 3] = failing
    own[:, 4] = passing
    return rows


class Memory:
    """What an episode remembers of the edits that were tried."""

    def __init__(self) -> None:
        self._made: dict[str, NDArray[np.float32]] = {}
        self._lines: dict[int, int] = {}

    def note(self, examined: Examined, edit: Edit, gain: float, loss: float) -> None:
        """Remember that an edit was made, and the shares of the visible tests that it mended and broke."""
        self._lines[edit.line] = self._lines.get(edit.line, 0) + 1
        if examined.source not in self._made:
            self._made[examined.source] = np.zeros((len(examined.offers), 3), dtype=np.float32)
        self._made[examined.source][examined.index[edit]] = 1.0, gain, loss

    def features(self, examined: Examined, count: int, last: Edit | None) -> NDArray[np.float32]:
        """Return the features ``MEMORY`` of the first ``count`` edits that a source offers, ``[count, len(MEMORY)]``.

        Args:
            examined: The source.
            count: How many edits.
            last: The last change that stands, if it was an edit.
        """
        rows = np.zeros((count, len(MEMORY)), dtype=np.float32)
        made = self._made.get(examined.source)
        if made is not None:
            rows[:, :3] = made[:count]
        lines = examined.lines[:count]
        for line, times in self._lines.items():
            rows[lines == line, 3] = min(times / 5, 1.0)
        if last is not None:
            back = inverse(last)
            index = None if back is None else examined.index.get(back)
            if index is not None and index < count:
                rows[index, 4] = 1.0
            away = np.abs(lines - last.line)
            rows[:, 5] = 1.0 / (1.0 + away)
            rows[:, 6] = away == 0
        return rows


def exit_features(examined: Examined) -> list[float]:
    """Return the last five features of the context: what ended the first visible test that does not pass."""
    if examined.failure is None:
        return [0.0] * 5
    outcome = examined.failure[1]
    kinds = (
        outcome.status == "failed",
        outcome.status == "error" and outcome.exception in _LOOKUPS,
        outcome.status == "error" and outcome.exception not in _LOOKUPS,
        outcome.status == "budget",
        outcome.status == "import",
    )
    return [float(kind) for kind in kinds]
