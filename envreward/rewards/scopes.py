"""Which names each function of a reward program binds, and to what: the basis of its rules.

One function is one scope; a comprehension's variables count to the function around it, which is stricter
than Python and never laxer.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from .allowed import FRESH_CALLS, MODULES

FunctionNode = ast.FunctionDef | ast.Lambda


@dataclass
class Scope:
    """The names that one function, or the module, binds itself."""

    parent: Scope | None = None
    values: set[str] = field(default_factory=set)
    """Parameters, variables and functions."""
    parameters: set[str] = field(default_factory=set)
    modules: dict[str, str] = field(default_factory=dict)
    """Modules by the name that they are imported under."""
    fresh: set[str] = field(default_factory=set)
    """Variables that only ever hold what this function has made itself, so that writing to them is safe."""
    batch_sizes: set[str] = field(default_factory=set)
    """Variables that hold the number of worlds."""

    def owner(self, name: str) -> Scope | None:
        """Return the innermost scope, this one or one around it, that binds ``name``."""
        scope: Scope | None = self
        while scope is not None and name not in scope.values and name not in scope.modules:
            scope = scope.parent
        return scope


def make_scope(node: ast.Module | FunctionNode, parent: Scope | None) -> Scope:
    """Return the scope of ``node``, a module or a function, with all that it binds."""
    scope = Scope(parent)
    if not isinstance(node, ast.Module):
        scope.parameters = {a.arg for a in all_arguments(node.args)}
        scope.values |= scope.parameters
    unsafe = set(scope.parameters)
    made: set[str] = set()
    for child in own_nodes(node):
        if isinstance(child, ast.FunctionDef):
            scope.values.add(child.name)
            unsafe.add(child.name)
        elif isinstance(child, ast.Import | ast.ImportFrom):
            _bind_import(child, scope)
        elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            scope.values.add(child.id)
    for child in own_nodes(node):
        if isinstance(child, ast.Assign | ast.AnnAssign):
            targets = child.targets if isinstance(child, ast.Assign) else [child.target]
            for target in targets:
                if isinstance(target, ast.Name) and child.value is not None:
                    (made if is_fresh(child.value, scope) and len(targets) == 1 else unsafe).add(target.id)
                    if counts_worlds(child.value, scope):
                        scope.batch_sizes.add(target.id)
                else:
                    unsafe |= _stored(target)
        elif isinstance(child, ast.For | ast.comprehension):
            unsafe |= _stored(child.target)
    scope.fresh = made - unsafe
    return scope


def own_nodes(node: ast.Module | FunctionNode) -> Iterator[ast.AST]:
    """Yield the nodes of a function's or module's own body, without those inside functions that it defines."""
    body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
    while body:
        child = body.pop()
        yield child
        if isinstance(child, ast.FunctionDef):
            body.extend(child.args.defaults)
        elif not isinstance(child, ast.Lambda):
            body.extend(ast.iter_child_nodes(child))


def all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    """Return every parameter, ``*args`` and ``**kwargs`` included."""
    extra = [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *extra]


def is_fresh(node: ast.expr, scope: Scope) -> bool:
    """Return whether the value of ``node`` surely shares no memory with an input."""
    if isinstance(node, ast.Dict | ast.List | ast.ListComp | ast.DictComp | ast.BinOp | ast.Compare):
        return True
    if isinstance(node, ast.UnaryOp):  # `+x` gives x itself
        return not isinstance(node.op, ast.UAdd)
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute):
            return node.func.attr in FRESH_CALLS
        return isinstance(node.func, ast.Name) and node.func.id in FRESH_CALLS and scope.owner(node.func.id) is None
    return False


def counts_worlds(node: ast.expr, scope: Scope) -> bool:
    """Return whether ``node`` is the number of worlds: ``x.shape[0]``, ``x.size(0)`` or ``len(x)`` of a parameter."""
    match node:
        case ast.Subscript(value=ast.Attribute(value=ast.Name(id=name), attr="shape"), slice=ast.Constant(value=0)):
            return name in scope.parameters
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="size"), args=[ast.Constant(value=0)]):
            return name in scope.parameters
        case ast.Call(func=ast.Name(id="len"), args=[ast.Name(id=name)]):
            return name in scope.parameters
        case ast.Name(id=name):
            return name in scope.batch_sizes
    return False


def _stored(target: ast.expr) -> set[str]:
    return {n.id for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _bind_import(node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
    for alias in node.names:
        if isinstance(node, ast.Import):
            name = alias.asname or alias.name.partition(".")[0]
            if alias.name in MODULES:
                scope.modules[name] = alias.name if alias.asname else name
            else:
                scope.values.add(name)
        elif f"{node.module}.{alias.name}" in MODULES:
            scope.modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        else:
            scope.values.add(alias.asname or alias.name)
