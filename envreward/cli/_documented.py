"""The docstrings under a dataclass's fields, read from its source: Python itself does not keep them."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from typing import Any, NamedTuple


class Documented(NamedTuple):
    """What a class's source says of its attributes, by their names; bases first."""

    docs: dict[str, str]
    annotations: dict[str, str]


def documented(cls: Any) -> Documented:
    """Return the docstrings under the fields and class variables of a dataclass, and their annotations."""
    docs: dict[str, str] = {}
    annotations: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        (tree,) = ast.parse(textwrap.dedent(_source(base))).body
        assert isinstance(tree, ast.ClassDef), base
        name = None
        for node in tree.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                name = node.target.id
                annotations[name] = ast.unparse(node.annotation)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name is not None:
                docs[name] = inspect.cleandoc(str(node.value.value))
                name = None
            else:
                name = None
    return Documented(docs, annotations)


def _source(cls: Any) -> str:
    return inspect.getsource(cls)
