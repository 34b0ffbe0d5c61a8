"""Turns the syntax tree of a checked reward program into functions that see nothing but what programs may use.

The tree is changed first so that it means the same, minus what could touch an input: ``x += y`` becomes ``x = x + y``,
decorators and annotations are dropped. Its globals hold stand-ins for torch, math and typing with only
the allowed names, its builtins the allowed ones.
"""

from __future__ import annotations

import ast
import builtins
import functools
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from .allowed import BUILTINS, MODULES, PRESET_IMPORTS, PRESET_NAMES, WRITES_ARGUMENT

FILENAME = "<reward program>"

_ROOTS = {"torch": torch, "math": math, "typing": typing}


def compile_program(tree: ast.Module) -> dict[str, Any]:
    """Run the top level of a checked program and return its names.

    Args:
        tree: Parsed source that has passed `check_rules`; it is changed in place.
    """
    _load_late_parts_of_torch()
    tree = ast.fix_missing_locations(_Rewriter().visit(tree))
    code = compile(tree, FILENAME, "exec", dont_inherit=True)
    names = {name: getattr(typing, name) for name in PRESET_NAMES - {"Tensor"}} | {"Tensor": torch.Tensor}
    names |= {name: _modules()[path] for name, path in PRESET_IMPORTS.items()}
    names["__builtins__"] = {name: getattr(builtins, name) for name in BUILTINS} | {"__import__": _import}
    exec(code, names)  # checked by the rules, and only ever inside a sandbox
    return names


@functools.cache
def _load_late_parts_of_torch() -> None:
    """Let torch's C++ import what it imports late, while it may.

    The first tensor that is made of numbers imports ``torch.storage``, by the ``__import__`` of whoever asked for it
    (seen with 2.14). A program's own refuses that, and torch breaks on it for good.
    """
    torch.tensor([0.0], device="cpu")


class _Rewriter(ast.NodeTransformer):
    """Drops decorators and annotations, and makes augmented assignments build a new value."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.decorator_list, node.returns = [], None
        self.generic_visit(node)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        old = ast.parse(ast.unparse(node.target), mode="eval").body
        for child in ast.walk(old):
            ast.copy_location(child, node)
        return ast.copy_location(
            ast.Assign(targets=[node.target], value=ast.copy_location(ast.BinOp(old, node.op, node.value), node)), node
        )


def _import(
    name: str,
    globals: Mapping[str, Any] | None = None,
    locals: Any = None,
    fromlist: Sequence[str] = (),
    level: int = 0,
) -> Any:
    """Answer ``import`` statements with the stand-ins."""
    if name == "__future__":
        return types.SimpleNamespace(annotations=None)
    if level or name not in _modules():
        raise ImportError(f"import of {name} is not allowed")
    return _modules()[name if fromlist else name.partition(".")[0]]


@functools.cache
def _modules() -> dict[str, types.SimpleNamespace]:
    """Return a stand-in for each allowed module, nested as the modules are."""
    stand_ins: dict[str, types.SimpleNamespace] = {}
    for path, allowed in MODULES.items():
        root, *rest = path.split(".")
        module = functools.reduce(getattr, rest, _ROOTS[root])
        members = {name: _harmless(path, name, getattr(module, name)) for name in allowed if hasattr(module, name)}
        stand_ins[path] = types.SimpleNamespace(**members)
        parent, _, name = path.rpartition(".")
        if parent:
            setattr(stand_ins[parent], name, stand_ins[path])
    return stand_ins


def _harmless(path: str, name: str, function: Any) -> Any:
    """Wrap a function that can be told to write into its input, so that it cannot."""
    limit = WRITES_ARGUMENT.get(f"{path}.{name}")
    if limit is None:
        return function

    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) > limit or kwargs.get("inplace") or kwargs.get("out") is not None:
            raise TypeError(f"{name} cannot write in place in a reward program")
        return typing.cast("Callable[..., Any]", function)(*args, **kwargs)

    return functools.wraps(function)(call)
