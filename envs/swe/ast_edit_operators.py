"""The operators of single-site edits: what may stand in the place of what. Each relation is symmetric."""

from __future__ import annotations

import ast
from typing import Final

COMPARISONS: Final = {
    "<": ("<=", ">", ">="),
    "<=": ("<", ">", ">="),
    ">": (">=", "<", "<="),
    ">=": (">", "<", "<="),
    "==": ("!=",),
    "!=": ("==",),
    "in": ("not in",),
    "not in": ("in",),
    "is": ("is not",),
    "is not": ("is",),
}
"""Comparison operators, and those that may replace each."""
ARITHMETIC: Final = {
    "+": ("-", "*"),
    "-": ("+",),
    "*": ("+", "//", "**"),
    "/": ("//",),
    "//": ("*", "/", "%"),
    "%": ("//",),
    "**": ("*",),
    "<<": (">>",),
    ">>": ("<<",),
    "&": ("|",),
    "|": ("&", "^"),
    "^": ("|",),
}
"""Binary operators, and those that may replace each."""
ASSIGNMENTS: Final = {
    "+=": ("-=", "*="),
    "-=": ("+=",),
    "*=": ("+=", "//="),
    "/=": ("//=",),
    "//=": ("*=", "/=", "%="),
    "%=": ("//=",),
    "<<=": (">>=",),
    ">>=": ("<<=",),
    "&=": ("|=",),
    "|=": ("&=",),
}
"""Augmented assignments, and those that may replace each."""
_SISTERS: Final = (
    *(("min", "max"), ("any", "all"), ("floor", "ceil"), ("append", "appendleft"), ("pop", "popleft")),
    *(("extend", "extendleft"), ("bisect_left", "bisect_right"), ("insort_left", "insort_right")),
    *(("lstrip", "rstrip"), ("upper", "lower"), ("startswith", "endswith"), ("removeprefix", "removesuffix")),
    *(("find", "rfind"), ("index", "rindex"), ("split", "rsplit"), ("partition", "rpartition")),
    *(("ljust", "rjust"), ("isdigit", "isalpha"), ("isupper", "islower"), ("keys", "values")),
    *(("union", "intersection"), ("issubset", "issuperset"), ("add", "discard"), ("takewhile", "dropwhile")),
    *(("first", "last"), ("left", "right"), ("lo", "hi"), ("low", "high"), ("start", "end")),
)
SISTER: Final = {a: b for pair in _SISTERS for a, b in (pair, pair[::-1])}
"""Names, and the one that is easily taken for each."""
JUMPS: Final = {"break": ("continue", "pass"), "continue": ("break", "pass"), "pass": ("break", "continue")}
"""Statements, and those that may replace each within a loop."""
SYMBOLS: Final[dict[type[ast.AST], str]] = {
    **{ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=", ast.In: "in"},
    **{ast.NotIn: "not in", ast.Is: "is", ast.IsNot: "is not", ast.And: "and", ast.Or: "or", ast.Add: "+"},
    **{ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**", ast.LShift: "<<"},
    **{ast.RShift: ">>", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.MatMult: "@"},
}
"""How the classes of operators are written."""
OFFSETS: Final = {b" + 1": "+ 1", b" - 1": "- 1"}
"""What an index or a bound may be followed by, and the name of that."""
