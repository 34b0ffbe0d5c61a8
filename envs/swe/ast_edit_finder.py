"""Finds the single-site edits of a syntax tree: the operators and where they apply. See `ast_edits`."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

from .ast_edit_operators import ARITHMETIC, ASSIGNMENTS, COMPARISONS, JUMPS, OFFSETS, SISTER, SYMBOLS

Kind: TypeAlias = Literal[
    "comparison",
    "arithmetic",
    "boolean",
    "negation",
    "constant",
    "offset",
    "sign",
    "name",
    "arguments",
    "operands",
    "branches",
    "assignment",
    "jump",
    "statement",
]
"""What an edit changes: an operator that compares or computes, ``and`` or ``or``, a ``not``, a literal, an index or a
bound of a range by one, the sign of a returned value, one of two sister names, the order of two arguments, of two
operands or of the branches of a conditional expression, the operator of an augmented assignment, ``break``,
``continue`` or ``pass``, a whole statement."""
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


class Edit(NamedTuple):
    """One edit; edits sort by place."""

    line: int
    """1-based line of what is edited."""
    column: int
    """0-based column, in UTF-8 bytes as `ast` counts."""
    kind: Kind
    operator: str
    """What is done, in words: ``"< to <="``, ``"plus 1"``, ``"drop not"``, ``"swap arguments"``."""

    def __str__(self) -> str:
        return f"{self.line}:{self.column} {self.operator}"


class Span(NamedTuple):
    """Bytes of a source, and what to put in their place."""

    start: int
    """First byte to replace."""
    end: int
    text: bytes


_ATOMS: Final = (ast.Name, ast.Attribute, ast.Call, ast.Subscript)
_TIGHT: Final = (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod, ast.Pow)
"""Operators of an expression to which ``+ 1`` can be appended without parentheses."""
_ORDERED: Final = (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)
"""Operators whose operands are not interchangeable."""
_BLANK: Final = re.compile(rb"(?:[\s()\\]|#[^\n]*)*")


class Finder:
    """Walks a syntax tree once and collects the edits with the bytes that each replaces."""

    def __init__(self, source: str, irreversible: bool) -> None:
        self._data = source.encode()
        if b"\r" in self._data.replace(b"\r\n", b""):
            raise ValueError("the source has carriage returns without line feeds")
        self._starts = [0]
        for line in self._data.split(b"\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)
        self._irreversible = irreversible
        self._returns: list[ast.expr | None] = []
        self._in_loop = False
        self.found: dict[Edit, tuple[Span, ...]] = {}

    # Positions

    def _start(self, node: ast.expr | ast.stmt) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self._starts[node.end_lineno - 1] + node.end_col_offset

    def _text(self, node: ast.expr | ast.stmt) -> bytes:
        return self._data[self._start(node) : self._end(node)]

    def _add(self, place: tuple[int, int], kind: Kind, operator: str, *spans: Span) -> None:
        self.found[Edit(*place, kind, operator)] = spans

    def _replace(self, node: ast.expr | ast.stmt, kind: Kind, operator: str, text: bytes) -> None:
        span = Span(self._start(node), self._end(node), text)
        self._add((node.lineno, node.col_offset), kind, operator, span)

    def _swap(self, first: ast.expr, second: ast.expr, kind: Kind) -> None:
        one, two = self._text(first), self._text(second)
        if one != two:
            spans = Span(self._start(first), self._end(first), two), Span(self._start(second), self._end(second), one)
            self._add((first.lineno, first.col_offset), kind, f"swap {kind}", *spans)

    def _between(self, left: ast.expr, right: ast.expr, symbol: str, others: Sequence[str], kind: Kind) -> None:
        """Offer to replace the operator that stands between two expressions."""
        match = _BLANK.match(self._data, self._end(left))
        assert match is not None  # it matches nothing at all, too
        start, old = match.end(), symbol.encode()
        if not others or start >= self._start(right) or not self._data.startswith(old, start):
            return  # e.g. `not  in`, with two spaces
        line = left.end_lineno or left.lineno
        while self._starts[line] <= start:
            line += 1
        for new in others:
            span = Span(start, start + len(old), new.encode())
            self._add((line, start - self._starts[line - 1]), kind, f"{symbol} to {new}", span)

    # The walk

    def visit(self, node: ast.AST) -> None:
        """Find the edits of a node and of all below it."""
        handler = _HANDLERS.get(type(node))
        if handler is None:
            self._children(node)
        else:
            handler(self, node)

    def _children(self, node: ast.AST) -> None:
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                self.visit(value)
            elif isinstance(value, list):
                for child in value:
                    if isinstance(child, ast.AST):
                        self.visit(child)

    def _skip(self, node: ast.AST) -> None:
        """Leave a node and all below it alone."""

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        in_loop, self._in_loop = self._in_loop, False
        self._returns.append(None if isinstance(node, ast.Lambda) else node.returns)
        for default in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(default)
        if isinstance(node, ast.Lambda):
            self.visit(node.body)
        else:
            for child in (*node.decorator_list, *node.body):
                self.visit(child)
        self._returns.pop()
        self._in_loop = in_loop

    def _class_body(self, node: ast.ClassDef) -> None:
        in_loop, self._in_loop = self._in_loop, False
        for child in node.body:
            self.visit(child)
        self._in_loop = in_loop

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While) -> None:
        if isinstance(node, ast.While):
            self._condition(node.test)
            self.visit(node.test)
        else:
            self.visit(node.target)
            self.visit(node.iter)
        in_loop, self._in_loop = self._in_loop, True
        for child in node.body:
            self.visit(child)
        self._in_loop = in_loop
        for child in node.orelse:
            self.visit(child)

    def _jump(self, node: ast.Break | ast.Continue | ast.Pass) -> None:
        if self._in_loop:
            word = type(node).__name__.lower()
            for other in JUMPS[word]:
                self._replace(node, "jump", f"{word} to {other}", other.encode())

    # Statements

    def _expression(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self._deletable(node)
            self.visit(node.value)

    def _deletable(self, node: ast.stmt) -> None:
        if self._irreversible:
            self._replace(node, "statement", "delete", b"pass")

    def _assign(self, node: ast.Assign) -> None:
        self._deletable(node)
        self._children(node)

    def _augmented(self, node: ast.AugAssign) -> None:
        self._deletable(node)
        symbol = SYMBOLS[type(node.op)] + "="
        self._between(node.target, node.value, symbol, ASSIGNMENTS.get(symbol, ()), "assignment")
        self.visit(node.target)
        self.visit(node.value)

    def _annotated(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._deletable(node)
            self.visit(node.value)

    def _return(self, node: ast.Return) -> None:
        value = node.value
        if value is None:
            return
        returns = self._returns[-1] if self._returns else None
        declared = returns.id if isinstance(returns, ast.Name) else "" if returns is not None else None
        if declared in ("bool", None):
            self._condition(value)
        if declared in ("int", "float", None):
            self._signed(value)
        if self._irreversible and not (isinstance(value, ast.Constant) and value.value is None):
            self._replace(value, "statement", "return None", b"None")
        self.visit(value)

    def _test(self, node: ast.If | ast.IfExp | ast.Assert) -> None:
        self._condition(node.test)
        if isinstance(node, ast.IfExp):
            loose = (ast.IfExp, ast.Lambda, ast.NamedExpr, ast.Starred)
            if not isinstance(node.body, loose) and not isinstance(node.orelse, loose):
                self._swap(node.body, node.orelse, "branches")
        self._children(node)

    def _comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self._condition(test)
        self._children(node)

    # Expressions

    def _condition(self, node: ast.expr) -> None:
        """Offer to negate an expression that is used as a truth value, or to take its negation away."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = node.operand
            if _negatable(inner) and self._text(node) == _prefixed(b"not ", self._text(inner), inner):
                self._replace(node, "negation", "drop not", self._text(inner))
        elif _negatable(node):
            self._replace(node, "negation", "add not", _prefixed(b"not ", self._text(node), node))

    def _signed(self, node: ast.expr) -> None:
        """Offer to change the sign of a returned value."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = node.operand
            if _is_number(inner) and self._text(node) == _prefixed(b"-", self._text(inner), inner):
                self._replace(node, "sign", "drop minus", self._text(inner))
        elif _is_number(node):
            self._replace(node, "sign", "add minus", _prefixed(b"-", self._text(node), node))

    def _offset(self, node: ast.expr) -> None:
        """Offer to move an index or a bound by one, or to take such a move away."""
        base = node.left if isinstance(node, ast.BinOp) else node
        if self._is_moved(node):
            if _is_offset_base(base) and not self._is_moved(base):
                step = OFFSETS[self._data[self._end(base) : self._end(node)]]
                self._replace(node, "offset", f"drop {step}", self._text(base))
        elif _is_offset_base(node):
            for text, step in OFFSETS.items():
                self._replace(node, "offset", f"add {step}", self._text(node) + text)

    def _is_moved(self, node: ast.expr) -> bool:
        return isinstance(node, ast.BinOp) and self._data[self._end(node.left) : self._end(node)] in OFFSETS

    def _compare(self, node: ast.Compare) -> None:
        left = node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            symbol = SYMBOLS[type(op)]
            self._between(left, right, symbol, COMPARISONS[symbol], "comparison")
            left = right
        self._children(node)

    def _boolean(self, node: ast.BoolOp) -> None:
        symbol = SYMBOLS[type(node.op)]
        other = "or" if symbol == "and" else "and"
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._between(left, right, symbol, (other,), "boolean")
        for value in node.values[1:]:  # the first one begins where the whole does
            inner = value.operand if isinstance(value, ast.UnaryOp) else value
            if not isinstance(inner, ast.BoolOp):  # whose parentheses would go with its `not`
                self._condition(value)
        self._children(node)

    def _binary(self, node: ast.BinOp) -> None:
        symbol = SYMBOLS[type(node.op)]
        self._between(node.left, node.right, symbol, ARITHMETIC.get(symbol, ()), "arithmetic")
        if isinstance(node.op, _ORDERED) and all(isinstance(side, _ATOMS) for side in (node.left, node.right)):
            self._swap(node.left, node.right, "operands")
        if isinstance(node.op, ast.Pow) and isinstance(node.left, ast.Constant):
            self.visit(node.right)  # -1 ** 2 is -(1 ** 2): the base's sign is not its own
        else:
            self._children(node)

    def _unary(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.USub):
            after = self._data[self._start(node) + 1 : self._start(node) + 2]
            if after == b"-":
                return  # --1, which plus 1 would turn into -0
            if isinstance(node.operand, ast.Constant) and after.isdigit():
                self._number(node, self._text(node))  # as one literal, which minus 1 makes of 0
                return
        self._children(node)

    def _constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            other = str(not node.value)
            self._replace(node, "constant", f"{node.value} to {other}", other.encode())
        elif isinstance(node.value, int):
            self._number(node, self._text(node))
        elif isinstance(node.value, str):
            self._string(node)

    def _number(self, node: ast.expr, text: bytes) -> None:
        """Offer to change a plain decimal integer by one."""
        value = int(text) if text.lstrip(b"-").isdigit() else None
        if value is not None and str(value).encode() == text:
            self._replace(node, "constant", "plus 1", str(value + 1).encode())
            self._replace(node, "constant", "minus 1", str(value - 1).encode())

    def _string(self, node: ast.Constant) -> None:
        text = self._text(node)
        if text in (b'""', b"''"):
            self._replace(node, "constant", "put a space", text[:1] + b" " + text[1:])
        elif text in (b'" "', b"' '"):
            self._replace(node, "constant", "drop the space", text[:1] + text[2:])
        if self._irreversible and node.value and text[-1:] in (b'"', b"'"):
            self._replace(node, "constant", "empty", text[-1:] * 2)

    def _name(self, node: ast.Name) -> None:
        other = SISTER.get(node.id)
        if other is not None and isinstance(node.ctx, ast.Load):
            self._replace(node, "name", f"{node.id} to {other}", other.encode())

    def _attribute(self, node: ast.Attribute) -> None:
        other = SISTER.get(node.attr)
        if other is not None and isinstance(node.ctx, ast.Load):
            end, length = self._end(node), len(node.attr)
            if self._data[end - length : end] == node.attr.encode() and node.end_lineno and node.end_col_offset:
                place = node.end_lineno, node.end_col_offset - length
                self._add(place, "name", f"{node.attr} to {other}", Span(end - length, end, other.encode()))
        if not isinstance(node.value, ast.Constant):  # 0 .real: a sign would apply to the attribute
            self.visit(node.value)

    def _call(self, node: ast.Call) -> None:
        loose = (ast.Starred, ast.NamedExpr)
        for first, second in zip(node.args, node.args[1:], strict=False):
            if not isinstance(first, loose) and not isinstance(second, loose):
                self._swap(first, second, "arguments")
        if isinstance(node.func, ast.Name) and node.func.id == "range":
            for bound in node.args[:2]:
                self._offset(bound)
        self._children(node)

    def _subscript(self, node: ast.Subscript) -> None:
        index = node.slice
        for bound in (index.lower, index.upper) if isinstance(index, ast.Slice) else (index,):
            if bound is not None:
                self._offset(bound)
        if not isinstance(node.value, ast.Constant):
            self.visit(node.value)
        self.visit(node.slice)


def _negatable(node: ast.expr) -> bool:
    if isinstance(node, ast.Compare):
        return len(node.ops) > 1  # a single comparison has an operator of its own that says the opposite
    return isinstance(node, (*_ATOMS, ast.BoolOp, ast.BinOp))


def _is_number(node: ast.expr) -> bool:
    """Return whether a sign may be put before a returned value."""
    return isinstance(node, (*_ATOMS, ast.BinOp))


def _is_offset_base(node: ast.expr) -> bool:
    return isinstance(node, _ATOMS) or (isinstance(node, ast.BinOp) and isinstance(node.op, _TIGHT))


def _prefixed(prefix: bytes, text: bytes, node: ast.expr) -> bytes:
    """Return an expression with a unary operator before it, in parentheses where it needs them."""
    return prefix + text if isinstance(node, _ATOMS) else prefix + b"(" + text + b")"


_HANDLERS: Final[dict[type[ast.AST], Any]] = {
    **dict.fromkeys((ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda), Finder._function),
    **dict.fromkeys((ast.For, ast.AsyncFor, ast.While), Finder._loop),
    **dict.fromkeys((ast.Break, ast.Continue, ast.Pass), Finder._jump),
    **dict.fromkeys((ast.If, ast.IfExp, ast.Assert), Finder._test),
    **dict.fromkeys((ast.JoinedStr, ast.Import, ast.ImportFrom, ast.expr_context), Finder._skip),
    ast.ClassDef: Finder._class_body,
    ast.Expr: Finder._expression,
    ast.Assign: Finder._assign,
    ast.AugAssign: Finder._augmented,
    ast.AnnAssign: Finder._annotated,
    ast.Return: Finder._return,
    ast.comprehension: Finder._comprehension,
    ast.Compare: Finder._compare,
    ast.BoolOp: Finder._boolean,
    ast.BinOp: Finder._binary,
    ast.UnaryOp: Finder._unary,
    ast.Constant: Finder._constant,
    ast.Name: Finder._name,
    ast.Attribute: Finder._attribute,
    ast.Call: Finder._call,
    ast.Subscript: Finder._subscript,
}
