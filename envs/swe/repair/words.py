"""What a language model reads of an episode."""

from __future__ import annotations

from collections.abc import Sequence

from .examined import Examined
from .problem import Problem


def describe(problem: Problem, now: Examined, output: str) -> str:
    """Return statement, program, the visible tests' outcome in a line each, and the answer to the last request."""
    parts = [
        f"Statement: {problem.statement}",
        "Program:\n" + show_lines(now.source, 1, now.source.count("\n")),
        "Visible tests:\n" + "\n".join(f"  {name}: {_outcome(now, name)}" for name in problem.visible),
    ]
    return "\n\n".join([*parts, output] if output else parts)


def show_lines(source: str, first: int, last: int) -> str:
    """Return some lines with their numbers."""
    lines = source.split("\n")
    return "\n".join(f"{number:>4}  {lines[number - 1]}".rstrip() for number in range(first, last + 1))


def list_edits(now: Examined, first: int, last: int) -> str:
    """Return the edits of some lines, in the words in which `apply_edit` takes them."""
    edits = [edit for edit in now.edits or () if first <= edit.line <= last]
    if not edits:
        return "No edits there."
    return "Edits:\n" + "\n".join(f"  line {e.line}, column {e.column}: {e.operator}" for e in edits)


def list_tests(problem: Problem, now: Examined, names: Sequence[str]) -> str:
    """Return the source and the outcome of some tests."""
    return "\n\n".join(f"{problem.visible[name].rstrip()}\n# {_outcome(now, name)}" for name in names)


def _outcome(now: Examined, name: str) -> str:
    outcome = now.outcomes[name]
    return "passed" if outcome.passed else f"{outcome.status}: {outcome.message}"
