"""What can be done in an episode of the repair tier, and the tools by which a language model does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from envreward.errors import ActionError
from envreward.worlds import Tool

from ..ast_edits import Edit


@dataclass(frozen=True)
class MakeEdit:
    """Make one of the single-site edits of the present source."""

    edit: Edit


@dataclass(frozen=True)
class NamedEdit:
    """The same, named by place and operator, as a language model writes it."""

    line: int
    column: int
    operator: str


@dataclass(frozen=True)
class ReplaceLine:
    """Put any text in the place of a line."""

    line: int
    text: str


@dataclass(frozen=True)
class Undo:
    """Take back the last change."""


@dataclass(frozen=True)
class Submit:
    """End the episode with the program as it is."""


@dataclass(frozen=True)
class View:
    """Look at some lines, and at the edits that are possible there."""

    first: int
    last: int


@dataclass(frozen=True)
class RunTests:
    """Look at the outcome of some of the visible tests; of all if none is named."""

    names: tuple[str, ...]


Action: TypeAlias = MakeEdit | NamedEdit | ReplaceLine | Undo | Submit | View | RunTests
UNDO, SUBMIT = Undo(), Submit()


def _run_tests(names: list[object] | None = None) -> RunTests:
    if not all(isinstance(name, str) for name in names or ()):
        raise ActionError("run_tests: names must be a list of strings")
    return RunTests(tuple(map(str, names or ())))


_LINE = {"type": "integer", "description": "1-based line number."}

TOOLS: tuple[Tool, ...] = (
    Tool(
        "view",
        "Show the lines first to last of the program, each with the single-site edits that apply_edit can make on it.",
        {"first": _LINE, "last": _LINE},
        View,
    ),
    Tool(
        "apply_edit",
        "Make a small edit that view has listed, named by its place and operator. All tests run at once.",
        {
            "line": _LINE,
            "column": {"type": "integer", "description": "0-based column of the place, as view lists it."},
            "operator": {"type": "string", "description": 'As view lists it, e.g. "< to <=" or "plus 1".'},
        },
        NamedEdit,
    ),
    Tool(
        "replace_line",
        "Replace one line of the program by any text: no lines, one, or several. All tests run at once. Only the "
        "modules math, re, itertools, collections and functools can be imported, and names must not begin with an "
        "underscore.",
        {"line": _LINE, "text": {"type": "string", "description": "The new text; an empty one deletes the line."}},
        ReplaceLine,
    ),
    Tool(
        "run_tests",
        "Show the source and outcome of tests.",
        {"names": {"type": "array", "items": {"type": "string"}, "description": "Names of tests; left out: all."}},
        _run_tests,
        required=(),
    ),
    Tool("undo", "Take back the last edit or replacement. Fails if there is none.", {}, Undo),
    Tool("submit", "End the episode with the program as it is.", {}, Submit),
)
"""The tools of the repair tier."""
