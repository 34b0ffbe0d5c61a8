"""Metered programs: instrumented before they are compiled, so that loops, calls and large values cost fuel.

See `inproc` for what this is good for and what not.
"""

from __future__ import annotations
import __future__

import ast
import functools
from types import CodeType
from typing import Any, Final, Literal, NamedTuple

FUEL: Final = 500
"""Units of work that one test may do unless said otherwise: a turn of a loop is one."""
CALL_COST: Final = 10
"""Units that a call of the program's own functions costs: it bounds recursion, well below Python's own limit."""
MAX_SIZE: Final = 20_000
"""Most elements of a list or string, or bits of an integer, that an operation may make."""
SIZE_PER_FUEL: Final = 32
"""Elements that one unit pays for."""
SOURCE_NAME: Final = "<solution>"


class OutOfFuel(BaseException):
    """A test's fuel ran out. No `Exception`, so that no handler of the program's own takes it for one."""


class Meter:
    """Counts what a running program does; its methods are what instrumented code calls."""

    __slots__ = ("fuel", "hits")

    def __init__(self, lines: int, fuel: int = FUEL) -> None:
        self.fuel = fuel
        self.hits = bytearray(lines + 1)

    def tick(self) -> Literal[True]:
        """Charge a turn of a loop."""
        self.fuel -= 1
        if self.fuel < 0:
            raise OutOfFuel
        return True

    def enter(self) -> None:
        """Charge a call."""
        self.fuel -= CALL_COST
        if self.fuel < 0:
            raise OutOfFuel

    def sized(self, value: Any) -> Any:
        """Charge a value by its size, and return it."""
        size = value.bit_length() if isinstance(value, int) else len(value) if hasattr(value, "__len__") else 0
        self.fuel -= size // SIZE_PER_FUEL
        if self.fuel < 0 or size > MAX_SIZE:
            raise OutOfFuel
        return value

    def add(self, a: Any, b: Any) -> Any:
        """Return ``a + b``."""
        result = a + b
        return result if isinstance(result, (int, float)) else self.sized(result)

    def mul(self, a: Any, b: Any) -> Any:
        """Return ``a * b``, unless it is too large to be made."""
        if isinstance(a, int) and isinstance(b, int):
            return a * b if abs(a) < 2**63 > abs(b) else self.sized(a * b)
        for sequence, count in ((a, b), (b, a)):
            if isinstance(count, int) and hasattr(sequence, "__len__") and len(sequence) * count > MAX_SIZE:
                raise OutOfFuel
        return self.sized(a * b)

    def power(self, a: Any, b: Any, modulus: Any = None) -> Any:
        """Return ``a ** b``, unless it is too large to be made."""
        if isinstance(a, int) and isinstance(b, int) and modulus is None and a.bit_length() * b > MAX_SIZE:
            raise OutOfFuel
        return pow(a, b, modulus)

    def shift(self, a: Any, b: Any) -> Any:
        """Return ``a << b``, unless it is too large to be made."""
        if isinstance(b, int) and b > MAX_SIZE:
            raise OutOfFuel
        return self.sized(a << b)

    def range(self, *bounds: Any) -> range:
        """Return a `range` that fits into the fuel."""
        result = range(*bounds)
        if len(result) > MAX_SIZE:
            raise OutOfFuel
        return result


_OPERATIONS: Final[dict[type[ast.operator], str]] = {
    ast.Add: "@add",
    ast.Mult: "@mul",
    ast.Pow: "@power",
    ast.LShift: "@shift",
}


def _name(name: str) -> ast.Name:
    # No source can hold these names: "@" is no letter.
    return ast.Name(id=name, ctx=ast.Load(), lineno=1, col_offset=0)


def call_of(name: str, *args: ast.expr) -> ast.Call:
    """Return a call of what a namespace holds under ``name``."""
    return ast.Call(func=_name(name), args=list(args), keywords=[], lineno=1, col_offset=0)


_TICK: Final = ast.Expr(value=call_of("@tick"), lineno=1, col_offset=0)
_TICKED: Final = call_of("@tick")
_ENTER: Final = ast.Expr(value=call_of("@enter"), lineno=1, col_offset=0)


@functools.lru_cache(maxsize=2048)
def _hit(line: int) -> ast.Assign:
    one, number = (ast.Constant(value=value, lineno=1, col_offset=0) for value in (1, line))
    place = ast.Subscript(value=_name("@hits"), slice=number, ctx=ast.Store(), lineno=1, col_offset=0)
    return ast.Assign(targets=[place], value=one, lineno=1, col_offset=0)


class _Instrument:
    """Rewrites a syntax tree in place."""

    def __init__(self) -> None:
        self.lines: set[int] = set()

    def block(self, statements: list[ast.stmt], *first: ast.stmt) -> list[ast.stmt]:
        """Return a block whose statements note that they were reached, with ``first`` before them."""
        block = list(first)
        for statement in statements:
            self.lines.add(statement.lineno)
            block.append(_hit(statement.lineno))
            self.statement(statement)
            block.append(self.augmented(statement) if isinstance(statement, ast.AugAssign) else statement)
        return block

    def statement(self, node: ast.stmt | ast.ExceptHandler | ast.match_case) -> None:
        """Rewrite what a statement holds."""
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.expr):
                if name not in ("annotation", "returns"):
                    setattr(node, name, self.expression(value))
            elif isinstance(value, ast.arguments):
                self.arguments(value)
            elif isinstance(value, list) and value:
                self.entries(node, name, value)

    def entries(self, node: ast.AST, name: str, value: list[Any]) -> None:
        """Rewrite a list within a statement: a block, handlers, cases or expressions."""
        if isinstance(value[0], ast.stmt):
            first: tuple[ast.stmt, ...] = ()
            if name == "body" and isinstance(node, (ast.For, ast.While)):
                first = (_TICK,)
            elif isinstance(node, ast.FunctionDef):
                first = (_ENTER,)
            setattr(node, name, self.block(value, *first))
        elif isinstance(value[0], ast.expr):
            setattr(node, name, [self.expression(entry) for entry in value])
        else:
            for entry in value:
                if isinstance(entry, (ast.ExceptHandler, ast.match_case)):
                    self.statement(entry)

    def arguments(self, node: ast.arguments) -> None:
        """Rewrite default values."""
        node.defaults = [self.expression(default) for default in node.defaults]
        node.kw_defaults = [default and self.expression(default) for default in node.kw_defaults]

    def augmented(self, node: ast.AugAssign) -> ast.stmt:
        """Charge an augmented assignment: for a variable as a whole, else for what is added."""
        operation = _OPERATIONS.get(type(node.op))
        if operation is None:
            return node
        if isinstance(node.target, ast.Name):
            old = ast.Name(id=node.target.id, ctx=ast.Load(), lineno=1, col_offset=0)
            charged = call_of(operation, old, node.value)
            return ast.Assign(targets=[node.target], value=charged, lineno=node.lineno, col_offset=node.col_offset)
        node.value = call_of("@sized", node.value)
        return node

    def expression(self, node: ast.expr) -> ast.expr:
        """Rewrite an expression and return what to put in its place."""
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.expr):
                setattr(node, name, self.expression(value))
            elif isinstance(value, list) and value:
                if isinstance(value[0], (ast.comprehension, ast.keyword)):
                    for part in value:
                        self.part(part)
                else:
                    entries = [self.expression(v) if isinstance(v, ast.expr) else v for v in value]
                    setattr(node, name, entries)
        if isinstance(node, ast.BinOp):
            operation = _OPERATIONS.get(type(node.op))
            if operation is not None:
                call = call_of(operation, node.left, node.right)
                call.lineno, call.col_offset = node.lineno, node.col_offset
                return call
        elif isinstance(node, ast.Lambda):
            self.arguments(node.args)
            node.body = ast.BoolOp(op=ast.And(), values=[_TICKED, node.body], lineno=1, col_offset=0)
        return node

    def part(self, node: ast.comprehension | ast.keyword) -> None:
        """Rewrite a comprehension's clause, which costs fuel per element, or a keyword argument."""
        if isinstance(node, ast.keyword):
            node.value = self.expression(node.value)
            return
        node.iter = self.expression(node.iter)
        node.ifs = [_TICKED, *map(self.expression, node.ifs)]


class Program(NamedTuple):
    """An instrumented program."""

    code: CodeType
    lines: int
    """Number of lines of its source."""
    statements: tuple[int, ...]
    """First lines of its statements, ascending; several statements may share one."""


def compile_program(tree: ast.Module, source: str) -> Program:
    """Instrument and compile a program. The tree of its source is used up.

    Raises:
        SyntaxError: It parses and yet is no program, e.g. for a ``return`` outside a function.
    """
    instrument = _Instrument()
    tree.body = instrument.block(tree.body)
    flags = __future__.annotations.compiler_flag  # annotations are never evaluated, so they cannot fail
    code: CodeType = compile(tree, SOURCE_NAME, "exec", flags=flags, dont_inherit=True)
    return Program(code, source.count("\n") + 1, tuple(sorted(instrument.lines)))
