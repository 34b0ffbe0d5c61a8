"""Single-site edits of Python source, in the manner of mutation testing, each with an edit that takes it back.

An `Edit` names a place and what to do there: ``Edit(3, 11, "comparison", "< to <=")``. The edits of a source are found
from its syntax tree; applying one replaces only the few characters it is about, so formatting and comments of all else
stay. Most edits are *reversible*: `inverse` gives the edit that, on the edited source, restores the original byte for
byte. The reversible edits are closed under `inverse`: whatever one of them broke, one of those that are offered on the
broken source repairs. Deleting a statement, emptying a string and returning ``None`` lose what was there; they are
found only when asked for.

The operators are those of the mutation testing literature (replacement of relational, arithmetic and logical operators,
insertion and deletion of unary operators, mutation of constants and statements: Offutt et al., "An experimental
determination of sufficient mutant operators", ACM TOSEM 5(2), 1996), and slips common in Python: indices and ranges off
by one, swapped arguments, and the wrong one of two sister functions (``min`` and ``max``).

Inside f-strings nothing is edited: before Python 3.12 their parts have no reliable positions. Nor are annotations.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final, NamedTuple

from .ast_edit_finder import KINDS as KINDS
from .ast_edit_finder import Edit as Edit
from .ast_edit_finder import Finder
from .ast_edit_finder import Kind as Kind


class Site(NamedTuple):
    """A place in a source that can be edited, and how."""

    line: int
    column: int
    kind: Kind
    operators: tuple[str, ...]


class Edits:
    """The edits of one source, found once."""

    def __init__(self, source: str, *, irreversible: bool = False, tree: ast.Module | None = None) -> None:
        """Find the edits.

        Args:
            source: Python source.
            irreversible: Whether to find those too that cannot be taken back by another edit.
            tree: The source's syntax tree, where the caller has it; it is only read.

        Raises:
            SyntaxError: The source cannot be parsed.
            ValueError: It has line ends of old Macintoshes, which Python's own positions do not count.
        """
        self.source = source
        finder = Finder(source, irreversible)
        finder.visit(ast.parse(source) if tree is None else tree)
        self._spans = dict(sorted(finder.found.items()))

    def __len__(self) -> int:
        return len(self._spans)

    def __iter__(self) -> Iterator[Edit]:
        return iter(self._spans)

    def __contains__(self, edit: object) -> bool:
        return edit in self._spans

    def apply(self, edit: Edit) -> str:
        """Return the source with an edit made.

        Raises:
            ValueError: The source has no such edit.
        """
        if edit not in self._spans:
            raise ValueError(f"the source has no edit {edit.operator!r} at line {edit.line}, column {edit.column}")
        data = self.source.encode()
        for start, end, text in reversed(self._spans[edit]):
            data = data[:start] + text + data[end:]
        return data.decode()

    def on_one_line(self, edit: Edit) -> bool:
        """Return whether an edit changes a single line, so that the positions on all others stay as they are."""
        data, spans = self.source.encode(), self._spans[edit]
        return b"\n" not in data[spans[0].start : spans[-1].end] and not any(b"\n" in span.text for span in spans)

    def sites(self) -> list[Site]:
        """Return the places that can be edited, in order, each with its operators."""
        found: dict[tuple[int, int, Kind], list[str]] = {}
        for edit in self:
            found.setdefault(edit[:3], []).append(edit.operator)
        return [Site(*place, tuple(operators)) for place, operators in found.items()]


def find_edits(source: str, *, irreversible: bool = False) -> list[Edit]:
    """Return all edits of a source, in order of line, column, kind and operator.

    Raises:
        SyntaxError: The source cannot be parsed.
    """
    return list(Edits(source, irreversible=irreversible))


def sites(source: str, *, irreversible: bool = False) -> list[Site]:
    """Return the places of a source that can be edited, in order, each with its operators.

    Raises:
        SyntaxError: The source cannot be parsed.
    """
    return Edits(source, irreversible=irreversible).sites()


def apply(source: str, edit: Edit) -> str:
    """Return ``source`` with ``edit`` made.

    Raises:
        SyntaxError: The source cannot be parsed.
        ValueError: The source has no such edit.
    """
    return Edits(source, irreversible=True).apply(edit)


def inverse(edit: Edit) -> Edit | None:
    """Return the edit that takes ``edit`` back when made on the edited source; ``None`` for an irreversible one."""
    before, arrow, after = edit.operator.partition(" to ")
    if arrow:
        operator = f"{after} to {before}"
    elif edit.operator in _INVERSES:
        operator = _INVERSES[edit.operator]
    else:
        return None
    return edit._replace(operator=operator)


_INVERSES: Final = {
    **{"plus 1": "minus 1", "minus 1": "plus 1", "add not": "drop not", "drop not": "add not"},
    **{"add minus": "drop minus", "drop minus": "add minus", "add + 1": "drop + 1", "drop + 1": "add + 1"},
    **{"add - 1": "drop - 1", "drop - 1": "add - 1", "swap arguments": "swap arguments"},
    **{"swap operands": "swap operands", "swap branches": "swap branches"},
    **{"put a space": "drop the space", "drop the space": "put a space"},
}
