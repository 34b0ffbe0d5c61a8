"""What an agent can do in a repository, and the same as tools of a language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from envreward.errors import ActionError
from envreward.worlds import Tool

from .ast_edits import Edit
from .grading_trees import check_path

MAX_TEXT = 100_000
"""Longest text that an action may hold, characters."""
MAX_COMMAND = 10_000
"""Longest shell command, characters."""


@dataclass(frozen=True)
class ListFiles:
    """List the repository's files, or those of a folder."""

    folder: str = ""


@dataclass(frozen=True)
class View:
    """Open a file, or some lines of it."""

    path: str
    first: int = 1
    last: int | None = None


@dataclass(frozen=True)
class Replace:
    """Replace a text that occurs exactly once in a file; an empty old text makes a new file."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class ReplaceLines:
    """Replace lines ``first`` to ``last`` of a file."""

    path: str
    first: int
    last: int
    text: str


@dataclass(frozen=True)
class MakeEdit:
    """Make one of the small edits that the syntax of a file offers."""

    path: str
    edit: Edit


@dataclass(frozen=True)
class Undo:
    """Put everything back as it was before the last action that changed a file."""


@dataclass(frozen=True)
class RunTests:
    """Run the visible tests, or those whose ids contain a text."""

    selector: str = ""


@dataclass(frozen=True)
class Bash:
    """Run a shell command in the repository."""

    command: str


@dataclass(frozen=True)
class Submit:
    """Hand in the changes; the episode ends."""


RepositoryAction: TypeAlias = ListFiles | View | Replace | ReplaceLines | MakeEdit | Undo | RunTests | Bash | Submit


def _view(path: str, first: int = 1, last: int | None = None) -> View:
    if first < 1 or (last is not None and last < first):
        raise ActionError(f"view: lines {first} to {last} are no range; lines count from 1")
    return View(check_path(path), first, last)


def _replace(path: str, old: str, new: str) -> Replace:
    _check_length("replace", old, new)
    if old == new:
        raise ActionError("replace: old and new are the same")
    return Replace(check_path(path), old, new)


def _edit(path: str, first: int, last: int, text: str) -> ReplaceLines:
    _check_length("edit", text)
    if first < 1 or last < first - 1:
        raise ActionError(f"edit: lines {first} to {last} are no range; lines count from 1, last = first - 1 inserts")
    return ReplaceLines(check_path(path), first, last, text)


def _bash(command: str) -> Bash:
    if not command.strip() or len(command) > MAX_COMMAND or "\0" in command:
        raise ActionError(f"bash: the command must have 1 to {MAX_COMMAND:,} characters, and no NUL")
    return Bash(command)


def _list(folder: str = "") -> ListFiles:
    return ListFiles(check_path(folder) if folder not in ("", ".", "./") else "")


def _check_length(tool: str, *texts: str) -> None:
    for text in texts:
        if len(text) > MAX_TEXT or "\0" in text:
            raise ActionError(f"{tool}: a text must have at most {MAX_TEXT:,} characters, and no NUL")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ActionError(f"{tool}: the text holds a lone surrogate, which no file can hold") from None


_PATH: dict[str, Any] = {"type": "string", "description": "Path of a file, relative to the repository."}
_LINE: dict[str, Any] = {"type": "integer", "description": "Number of a line, from 1."}
LIST = Tool("list", "List the files of the repository or of a folder.", {"folder": {"type": "string"}}, _list, ())
OPEN = Tool(
    "open",
    "Show a file with line numbers, or its lines from first to last. Long files are shown in parts.",
    {"path": _PATH, "first": _LINE, "last": _LINE},
    _view,
    ("path",),
)
VIEW = Tool("view", OPEN.description, OPEN.parameters, _view, ("path",))
EDIT = Tool(
    "edit",
    "Replace lines first to last of a file by a text; with last = first - 1 the text is inserted before first. "
    "The visible tests run afterwards.",
    {"path": _PATH, "first": _LINE, "last": _LINE, "text": {"type": "string"}},
    _edit,
)
REPLACE = Tool(
    "replace",
    "Replace a text in a file. The old text must occur exactly once, white space included; an empty old text makes a "
    "new file. The visible tests run afterwards.",
    {"path": _PATH, "old": {"type": "string"}, "new": {"type": "string"}},
    _replace,
)
RUN_TESTS = Tool(
    "run_tests",
    "Run the visible tests, or those whose ids contain the selector, and show how they fail.",
    {"selector": {"type": "string"}},
    lambda selector="": RunTests(selector[:1000]),
    (),
)
UNDO = Tool("undo", "Take back the last action that changed a file.", {}, Undo)
BASH = Tool(
    "bash",
    "Run a shell command in the repository, without network, for at most 60 s. Nothing it starts outlives it.",
    {"command": {"type": "string"}},
    _bash,
)
SUBMIT = Tool("submit", "Hand in the changes and end the episode. Hidden tests judge them.", {}, Submit)
REPOSITORY_TOOLS = (LIST, OPEN, EDIT, REPLACE, RUN_TESTS, UNDO, SUBMIT)
"""Without a shell."""
SHELL_TOOLS = (BASH, VIEW, REPLACE, RUN_TESTS, UNDO, SUBMIT)
"""With one."""
