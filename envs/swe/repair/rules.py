"""What a program written by an agent may consist of: a static allow-list, checked before it is ever run.

Each kind of statement and expression, each name and each attribute must be known to be harmless. What is left to
such a program is computing: no import but of the copies of five modules, no attribute that begins with an underscore
or leads to a frame, no name of the interpreter's, no formatting by strings that are programs themselves. It is the
first of several walls: the program then runs with the same names only, metered, in a process without system calls.
"""

from __future__ import annotations

import ast
import collections
import re
from collections.abc import Iterator
from typing import Final

from ..inproc import BUILTINS, MODULES

MAX_SOURCE: Final = 10_000
"""Characters of a program."""
MAX_DEPTH: Final = 60
"""Depth of a syntax tree; deeper ones could exhaust the stack of whoever walks them."""
MAX_NODES: Final = 4_000
MAX_TEXT: Final = 1_000
"""Characters of a string literal."""
MAX_INTEGER: Final = 10**12
"""Largest integer literal."""
METHODS: Final = frozenset(
    {"__init__", "__len__", "__contains__", "__getitem__", "__setitem__", "__iter__", "__next__"}
)
"""Special methods that a class may define."""

_NODES: Final = (
    *(ast.Module, ast.FunctionDef, ast.ClassDef, ast.arguments, ast.arg, ast.Return, ast.Assign, ast.AugAssign),
    *(ast.AnnAssign, ast.For, ast.While, ast.If, ast.Raise, ast.Try, ast.ExceptHandler, ast.Assert, ast.Import),
    *(ast.ImportFrom, ast.alias, ast.Nonlocal, ast.Expr, ast.Pass, ast.Break, ast.Continue, ast.Delete, ast.BoolOp),
    *(ast.NamedExpr, ast.BinOp, ast.UnaryOp, ast.Lambda, ast.IfExp, ast.Dict, ast.Set, ast.ListComp, ast.SetComp),
    *(ast.DictComp, ast.GeneratorExp, ast.comprehension, ast.Yield, ast.YieldFrom, ast.Compare, ast.Call, ast.keyword),
    *(ast.JoinedStr, ast.FormattedValue, ast.Constant, ast.Attribute, ast.Subscript, ast.Starred, ast.Name, ast.List),
    *(ast.Tuple, ast.Slice, ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
)
_TYPES: Final = (
    *(str, bytes, int, float, list, dict, set, frozenset, tuple, range, re.Pattern, re.Match),
    *(collections.deque, collections.Counter, collections.OrderedDict, collections.defaultdict),
)
_FORBIDDEN: Final = re.compile(r"_|gi_|cr_|ag_|tb_|f_|co_|func_|format$|format_map$|mro$|setter$|getter$|deleter$")
"""Attributes that lead out of the program, or interpret a string; matched at the beginning."""
ATTRIBUTES: Final = frozenset(
    name
    for owner in (*_TYPES, *MODULES.values())
    for name in (dir(owner) if isinstance(owner, type) else vars(owner))
    if not _FORBIDDEN.match(name)
) | {"args", "send", "throw", "close", "cache_clear"}
"""Attributes that any value may be asked for; a program's own come on top."""


def violation(tree: ast.Module, source: str) -> str | None:
    """Return the first reason why a program must not be run, or ``None`` if there is none.

    Args:
        tree: Its syntax tree.
        source: Its text.
    """
    if len(source) > MAX_SOURCE:
        return f"the program is longer than {MAX_SOURCE:,} characters"
    if _too_large(tree):
        return "the program is too long or too deeply nested"
    return next(_violations(tree), None)


def _too_large(tree: ast.Module) -> bool:
    layer: list[ast.AST] = [tree]
    count = depth = 0
    while layer and depth <= MAX_DEPTH and count <= MAX_NODES:
        count, depth = count + len(layer), depth + 1
        layer = [child for node in layer for child in ast.iter_child_nodes(node)]
    return bool(layer)


def _violations(tree: ast.Module) -> Iterator[str]:
    nodes = list(_walk(tree))
    attributes, names = ATTRIBUTES | _own_attributes(nodes), BUILTINS | set(MODULES) | _own_names(nodes)
    for node in nodes:
        reason = _reason(node, attributes, names)
        if reason is not None:
            line = getattr(node, "lineno", None)
            yield reason + (f" (line {line})" if line else "")


def _walk(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield all nodes but those of annotations, which are never evaluated."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        unused = (getattr(node, "annotation", None), getattr(node, "returns", None))
        waiting.extend(child for child in ast.iter_child_nodes(node) if child not in unused)


def _own_attributes(nodes: list[ast.AST]) -> set[str]:
    """Return the attributes that the program itself sets, and the methods that it defines."""
    stored = {n.attr for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
    defined = {n.name for n in nodes if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    assigned = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return {name for name in stored | defined | assigned if not _FORBIDDEN.match(name)}


def _own_names(nodes: list[ast.AST]) -> set[str]:
    names = {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    names |= {n.name for n in nodes if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    names |= {n.arg for n in nodes if isinstance(n, ast.arg)}
    names |= {n.name for n in nodes if isinstance(n, ast.ExceptHandler) and n.name}
    return names | {(n.asname or n.name) for n in nodes if isinstance(n, ast.alias)}


def _reason(node: ast.AST, attributes: frozenset[str], names: frozenset[str]) -> str | None:
    if not isinstance(node, _NODES):
        return f"{type(node).__name__} is not allowed"
    if isinstance(node, ast.Name):
        return _name_reason(node.id, names)
    if isinstance(node, ast.Attribute):
        return _attribute_reason(node, attributes)
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return _import_reason(node)
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return _definition_reason(node)
    if isinstance(node, ast.Constant):
        return _constant_reason(node.value)
    if isinstance(node, (ast.arg, ast.keyword)) and node.arg is not None:
        return _name_reason(node.arg, None)
    if isinstance(node, ast.ExceptHandler):
        return "an `except` must name what it catches" if node.type is None else _name_reason(node.name or "e", None)
    if isinstance(node, ast.alias):
        return _name_reason(node.asname or node.name, None)
    if isinstance(node, ast.Nonlocal):
        return next(filter(None, (_name_reason(name, None) for name in node.names)), None)
    return None


def _name_reason(name: str, known: frozenset[str] | None) -> str | None:
    if name.startswith("_") and name.strip("_"):
        return f"the name {name} begins with an underscore"
    if known is not None and name not in known:
        return f"the name {name} is not defined or not allowed"
    return None


def _attribute_reason(node: ast.Attribute, attributes: frozenset[str]) -> str | None:
    if node.attr not in attributes or _FORBIDDEN.match(node.attr):
        return f"the attribute {node.attr} is not allowed"
    if not isinstance(node.ctx, ast.Load) and not (isinstance(node.value, ast.Name) and node.value.id not in MODULES):
        return f"the attribute {node.attr} cannot be set there"
    return None


def _import_reason(node: ast.Import | ast.ImportFrom) -> str | None:
    if isinstance(node, ast.ImportFrom) and node.level:
        return "relative imports are not allowed"
    wanted = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
    for name in wanted:
        if name not in MODULES:
            return f"import of {name} is not allowed; there are {', '.join(MODULES)}"
    if isinstance(node, ast.ImportFrom):
        module = vars(MODULES[wanted[0]])
        for alias in node.names:
            if alias.name not in module:
                return f"{wanted[0]} has no {alias.name} here"
    return None


def _definition_reason(node: ast.FunctionDef | ast.ClassDef) -> str | None:
    if isinstance(node, ast.ClassDef) and (node.bases or node.keywords):
        return "classes have no bases here"
    if node.name in METHODS and isinstance(node, ast.FunctionDef):
        return None
    return _name_reason(node.name, None)


def _constant_reason(value: object) -> str | None:
    if isinstance(value, (str, bytes)) and len(value) > MAX_TEXT:
        return f"a string literal is longer than {MAX_TEXT:,} characters"
    if isinstance(value, (complex, type(...))):
        return f"the literal {value!r} is not allowed"
    if isinstance(value, int) and value > MAX_INTEGER:
        return "an integer literal is too large"
    return None
