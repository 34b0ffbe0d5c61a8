"""Tests of a small program in this process, under a budget that is counted and not timed.

A program is instrumented before it is compiled: each turn of a loop, each element of a comprehension and each call
costs fuel, operations whose result can be much larger than their operands cost fuel by its size, and each statement
notes that it was reached. A test whose fuel runs out ends there, at the same point in every run and on every machine:
an endless loop is a result like any other, and so are a recursion without end and a list that doubles for ever. Names
are restricted to harmless builtins and modules.

This bounds time and memory for programs *whose text is known*, as sources of this package changed by `ast_edits` are.
It is no sandbox: a program that someone else wrote may be hostile, or slow inside a single call, and belongs in a
process of its own.
"""

from __future__ import annotations

import ast
import builtins
import collections
import functools
import itertools
import math
import re
from collections.abc import Iterator, Mapping
from types import SimpleNamespace, TracebackType
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from .metering import FUEL, SOURCE_NAME, Meter, OutOfFuel, Program, call_of, compile_program

__all__ = [
    "BUILTINS", "FUEL", "MAX_MESSAGE", "MODULES", "Outcome", "Program", "Status", "Suite", "compile_program",
]  # fmt: skip

Status: TypeAlias = Literal["passed", "failed", "error", "budget", "import"]
"""A test passed, failed an assertion, raised something else, or used up its fuel; or the program did not load."""

MAX_MESSAGE: Final = 300
"""Characters of a message that are kept."""
_ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")
"""Part of an object's ``repr`` that differs from run to run."""


class Outcome(NamedTuple):
    """How a test, or the import of the program, ended."""

    status: Status
    exception: str
    """Name of the exception that ended it; empty where it passed."""
    message: str
    """What went wrong, one line; empty where it passed."""
    hits: bytes
    """1 at the number of each line whose statement it reached, those reached at import included; 0 elsewhere."""

    @property
    def passed(self) -> bool:
        """Whether the test passed."""
        return self.status == "passed"


_BUILTINS: Final = """
    abs all any bool chr dict divmod enumerate filter float frozenset int isinstance issubclass iter len list map max
    min next ord range repr reversed round set slice sorted str sum tuple zip pow property staticmethod classmethod
    ArithmeticError AssertionError AttributeError Exception IndexError KeyError LookupError NotImplementedError
    OverflowError RuntimeError StopIteration TypeError ValueError ZeroDivisionError NotImplemented
"""
BUILTINS: Final = frozenset(_BUILTINS.split())
"""Builtins that compute and reach nothing; ``pow`` and ``range`` are bounded."""
MODULES: Final[Mapping[str, SimpleNamespace]] = {
    module.__name__: SimpleNamespace(**{name: getattr(module, name) for name in names})
    for module, names in (
        (math, [name for name in dir(math) if not name.startswith("_")]),
        (re, ["compile", "escape", "findall", "finditer", "fullmatch", "match", "search", "split", "sub", "I", "M"]),
        (itertools, [name for name in dir(itertools) if not name.startswith("_")]),
        (collections, ["Counter", "OrderedDict", "defaultdict", "deque"]),
        (functools, ["cache", "cmp_to_key", "lru_cache", "partial", "reduce"]),
    )
}
"""What can be imported: copies of modules that hold only what computes. A real module leads to all others."""


_TEST_BUILTINS: Final = {name: getattr(builtins, name) for name in sorted(BUILTINS)}


def _import(name: str, *_: Any) -> SimpleNamespace:
    if name not in MODULES:
        raise ImportError(f"there is no module {name}; there are {', '.join(MODULES)}")
    return MODULES[name]


def _namespace(meter: Meter) -> dict[str, Any]:
    allowed = {name: getattr(builtins, name) for name in BUILTINS}
    allowed |= {"range": meter.range, "pow": meter.power, "__import__": _import, "__build_class__": __build_class__}
    return {
        "__builtins__": allowed,
        "__name__": "solution",
        **{"@tick": meter.tick, "@enter": meter.enter, "@sized": meter.sized, "@add": meter.add, "@mul": meter.mul},
        **{"@power": meter.power, "@shift": meter.shift, "@hits": meter.hits},
    }


class Suite:
    """Tests of one program."""

    def __init__(self, subject: str, tests: Mapping[str, str]) -> None:
        """Compile the tests.

        Args:
            subject: Name that the program defines and the tests use.
            tests: Source of each test, a function without arguments, by the function's name. ``raises`` is there, as
                pytest's.
        """
        self.subject, self.tests = subject, dict(tests)
        tree = ast.parse("\n".join(tests.values()))
        _compare_asserts(tree)
        self._code = compile(tree, "<tests>", "exec", dont_inherit=True)

    def run(self, program: Program, fuel: int = FUEL) -> dict[str, Outcome]:
        """Run all tests on a program.

        Args:
            program: From `compile_program`.
            fuel: Units of work that each test may do, and loading the program.
        """
        return dict(self.each(program, fuel))

    def each(self, program: Program, fuel: int = FUEL) -> Iterator[tuple[str, Outcome]]:
        """Run one test after another, as `run`, and yield its name and outcome."""
        meter = Meter(program.lines, fuel)
        namespace = _namespace(meter)
        imported = _attempt(lambda: exec(program.code, namespace), meter)
        if imported.passed and self.subject not in namespace:
            missing = f"NameError: {self.subject} is not defined"
            imported = imported._replace(status="error", exception="NameError", message=missing)
        if not imported.passed:
            yield from dict.fromkeys(self.tests, imported._replace(status="import")).items()
            return
        own: dict[str, Any] = {
            "__builtins__": _TEST_BUILTINS,
            "@equal": _equal,
            "@same": _same,
            "raises": _Raises,
            self.subject: namespace[self.subject],
        }
        exec(self._code, own)
        for name in self.tests:
            meter.fuel, meter.hits[:] = fuel, imported.hits
            yield name, _attempt(own[name], meter)


def _attempt(call: Any, meter: Meter) -> Outcome:
    """Run a piece of the program; whatever it raises is a result."""
    try:
        call()
    except OutOfFuel:
        return Outcome("budget", "OutOfFuel", "it did not end within its budget of steps", bytes(meter.hits))
    except AssertionError as error:
        return Outcome("failed", "AssertionError", _clip(str(error) or "assertion failed"), bytes(meter.hits))
    except Exception as error:
        kind = type(error).__name__
        where = _line(error.__traceback__)
        text = f"{kind}: {error}" + (f" (line {where})" if where else "")
        return Outcome("error", kind, _clip(text), bytes(meter.hits))
    return Outcome("passed", "", "", bytes(meter.hits))


def _line(traceback: TracebackType | None) -> int | None:
    """Return the last line of the program that an exception passed through."""
    line = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == SOURCE_NAME:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def _clip(text: str) -> str:
    line = " ".join(_ADDRESS.sub("", text).split())
    return line if len(line) <= MAX_MESSAGE else line[: MAX_MESSAGE - 3] + "..."


class _Raises:
    """``with raises(ValueError): ...``, as pytest's."""

    def __init__(self, kind: type[Exception]) -> None:
        self.kind = kind

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        if kind is None:
            raise AssertionError(f"did not raise {self.kind.__name__}")
        return issubclass(kind, self.kind)


def _equal(value: Any, expected: Any, text: str) -> None:
    if not value == expected:
        raise AssertionError(f"{text}: got {value!r}")


def _same(value: Any, expected: Any, text: str) -> None:
    if value is not expected:
        raise AssertionError(f"{text}: got {value!r}")


def _compare_asserts(tree: ast.Module) -> None:
    """Turn ``assert a == b`` and ``assert a is b`` into calls that say, where they fail, what ``a`` was."""
    checks = {ast.Eq: "@equal", ast.Is: "@same"}
    for function in tree.body:
        assert isinstance(function, ast.FunctionDef), ast.unparse(function)
        for index, node in enumerate(function.body):
            test = node.test if isinstance(node, ast.Assert) else None
            if isinstance(test, ast.Compare) and len(test.ops) == 1 and type(test.ops[0]) in checks:
                text = ast.Constant(value=ast.unparse(node), lineno=1, col_offset=0)
                call = call_of(checks[type(test.ops[0])], test.left, test.comparators[0], text)
                function.body[index] = ast.Expr(value=call, lineno=1, col_offset=0)
