"""A problem of the repair tier: a small function with tests, half of them hidden from the one who repairs it."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..inproc import MODULES, Suite

MAX_VISIBLE = 12
"""Most visible tests of a problem; the length of a status vector."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A function or class, what it should do, and how that is tested."""

    name: str
    """Of the function or class."""
    statement: str
    """What it should do, in words."""
    source: str
    """The right program, without docstrings."""
    visible: dict[str, str]
    """Source of each test that whoever repairs the program may see and run, by the test's name."""
    hidden: dict[str, str]
    """Source of the tests that only decide on success."""

    @property
    def tests(self) -> dict[str, str]:
        """All tests, the visible ones first."""
        return {**self.visible, **self.hidden}

    @cached_property
    def suite(self) -> Suite:
        """All tests, compiled."""
        return Suite(self.name, self.tests)


def problem(subject: Callable[..., Any], *, visible: str, hidden: str) -> Problem:
    """Make a problem of a function or class of this package and two tables of tests.

    Args:
        subject: What to make it of; its docstring is the statement.
        visible: One test per line: ``name: EXPRESSION``, which must hold; statements may come before it, each ended by
            ``;``; or ``name: raises ERROR: EXPRESSION``.
        hidden: The same.

    Raises:
        ValueError: A test's line cannot be read, or two tests have the same name.
    """
    seen, unseen = _tests(visible), _tests(hidden)
    if seen.keys() & unseen.keys() or len(seen) > MAX_VISIBLE:
        raise ValueError(f"{subject.__name__}: tests of the same name, or more than {MAX_VISIBLE} visible ones")
    source = _without_docstrings(textwrap.dedent(inspect.getsource(subject)))
    used = [name for name in MODULES if re.search(rf"\b{name}\.", source)]
    header = "".join(f"import {name}\n" for name in used) + ("\n\n" if used else "")
    return Problem(subject.__name__, inspect.cleandoc(subject.__doc__ or ""), header + source, seen, unseen)


def _tests(table: str) -> dict[str, str]:
    tests: dict[str, str] = {}
    for line in filter(None, map(str.strip, table.splitlines())):
        name, colon, rest = line.partition(": ")
        if not colon or not name.isidentifier() or f"test_{name}" in tests:
            raise ValueError(f"not a test, or one of a name that was there: {line!r}")
        tests[f"test_{name}"] = f"def test_{name}():\n{_body(rest)}\n"
    return tests


def _body(rest: str) -> str:
    if rest.startswith("raises "):
        error, _, expression = rest.removeprefix("raises ").partition(": ")
        return f"    with raises({error}):\n        {expression}"
    *statements, check = rest.split("; ")
    return "\n".join(f"    {line}" for line in (*statements, f"assert {check}"))


def _without_docstrings(source: str) -> str:
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node) is not None:
            first, last = node.body[0].lineno, node.body[0].end_lineno
            assert last is not None
            lines[first - 1 : last] = [""] * (last - first + 1)
    return "".join(lines)
