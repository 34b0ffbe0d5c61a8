"""Test files rewritten: with some tests left out, and as twins in which every test must fail.

A twin has the same path and the same tests by the same names, but no test of it can end well: its body runs as ever,
and is followed by a failure. Whoever makes failures pass, skips test bodies, replaces test functions or forges
reports makes the twin pass as well, and is found out.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Collection, Iterator

TEST_PREFIX = "test"
"""What the names of test functions begin with, in pytest and unittest alike."""
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def function_of(test: str) -> str:
    """Return the test function of a pytest node id, without parameters: ``tests/a.py::TestA::test_b[1]`` to
    ``tests/a.py::TestA::test_b``.
    """
    return re.sub(r"\[.*\]$", "", test, flags=re.DOTALL)


@functools.lru_cache(maxsize=512)
def test_functions(source: str) -> tuple[str, ...]:
    """Return the names of a test module's functions, ``TestA::test_b`` for those of classes, in order; then those that
    its classes inherit from others in it.
    """
    tree = ast.parse(source)
    own = tuple(name for name, _, _ in _walk(tree))
    found = dict.fromkeys(own)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):  # in order of definition, so that a base's own bases are done
            for base in node.bases:
                prefix = f"{base.id}::" if isinstance(base, ast.Name) else "?"
                inherited = [name.removeprefix(prefix) for name in found if name.startswith(prefix)]
                found |= dict.fromkeys(f"{node.name}::{name}" for name in inherited)
    return tuple(found)


def _walk(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, _Function, list[ast.stmt]]]:
    """Yield each test function's name, node and the list of statements that it is in."""
    for name in ("body", "orelse", "finalbody"):
        statements = getattr(node, name, None)
        if not isinstance(statements, list):
            continue
        for statement in statements:
            if isinstance(statement, _Function):
                if statement.name.startswith(TEST_PREFIX):
                    yield prefix + statement.name, statement, statements
            elif isinstance(statement, ast.ClassDef):
                yield from _walk(statement, f"{prefix}{statement.name}::")
            elif isinstance(statement, (ast.If, ast.Try, ast.With)):
                yield from _walk(statement, prefix)


def twinned_functions(source: str) -> tuple[str, ...]:
    """Return those of `test_functions` that fail in the twin: all but such as the module itself calls at its import.

    Raises:
        SyntaxError: It is not Python.
    """
    called = _called_at_import(ast.parse(source))
    return tuple(name for name in test_functions(source) if name not in called)


def _called_at_import(tree: ast.Module) -> set[str]:
    """Return the names that a module calls while it is imported; a twin of these could not be."""
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    statements = [node for node in tree.body if not isinstance(node, definitions) and not _is_main_guard(node)]
    calls = (node for statement in statements for node in ast.walk(statement) if isinstance(node, ast.Call))
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)}


def _is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and any(isinstance(n, ast.Name) and n.id == "__name__" for n in ast.walk(node.test))


@functools.lru_cache(maxsize=256)
def twin(source: str) -> str:
    """Return the twin of a test module.

    Raises:
        SyntaxError: It is not Python.
    """
    tree = ast.parse(source)
    called = _called_at_import(tree)
    for name, function, _ in list(_walk(tree)):
        if name in called:
            continue
        failure = ast.Raise(exc=ast.Name("AssertionError", ast.Load()), cause=None)
        function.body = [ast.Try(body=function.body, handlers=[], orelse=[], finalbody=[failure])]
    return ast.unparse(ast.fix_missing_locations(tree))


def without(source: str, hidden: Collection[str]) -> str:
    """Return a test module without the functions named; all other lines stay as they are.

    Raises:
        SyntaxError: It is not Python.
    """
    lines = source.split("\n")
    cut: dict[int, str | None] = {}
    by_block: dict[int, tuple[list[ast.stmt], list[_Function]]] = {}
    for name, function, block in _walk(ast.parse(source)):
        if name in hidden:
            by_block.setdefault(id(block), (block, []))[1].append(function)
    for block, functions in by_block.values():
        for index, function in enumerate(functions):
            first = min([function.lineno, *(d.lineno for d in function.decorator_list)])
            assert function.end_lineno is not None
            cut |= dict.fromkeys(range(first, function.end_lineno + 1))
            if index == 0 and len(functions) == len(block):
                cut[first] = " " * function.col_offset + "pass"
    kept = [cut.get(number, line) for number, line in enumerate(lines, 1)]
    return "\n".join(line for line in kept if line is not None)
