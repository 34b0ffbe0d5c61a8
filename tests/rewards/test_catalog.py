"""The catalog of reward forms."""

from __future__ import annotations

import ast
import dataclasses
import importlib
from pathlib import Path
from typing import Any

import pytest

import envreward.rewards
from envreward.errors import UnknownNameError
from envreward.rewards.catalog import FORMS, find_form

every = pytest.mark.parametrize("name", FORMS)


@every
def test_a_page_is_whole(name: str) -> None:
    """Each page has a source, a use and its failures; the code that explains callers' duties is left out."""
    page = FORMS[name].page()
    for section in ("Source", "When to use it", "Known failures"):
        assert f"{section}:" in page or f"{section}s:" in page, section
    assert "\nRaises:" not in page and "\nArgs:" not in page
    assert FORMS[name].summary and not FORMS[name].summary.endswith(".")


@every
def test_its_import_line_works(name: str) -> None:
    """The line that is shown imports the form itself."""
    names: dict[str, Any] = {}
    exec(FORMS[name].import_line, names)
    assert FORMS[name].load() in names.values()


@every
def test_its_options_are_a_dataclass(name: str) -> None:
    """Options are documented fields; only the learned network, which nobody sets up by hand, has none."""
    settings = FORMS[name].settings()
    assert (settings is None) == (name == "learned")
    assert settings is None or dataclasses.is_dataclass(settings)


def test_found_by_either_name() -> None:
    """By its own name, or by that of its class."""
    assert find_form("par") is find_form("PreferenceAsReward") is FORMS["par"]
    with pytest.raises(UnknownNameError, match="did you mean 'potential'"):
        find_form("potental")


def test_no_form_is_left_out() -> None:
    """Every class of the library that is a reward with a source of its own is listed.

    A form is known by its class attribute `doc`, which says where the formula comes from.
    """
    folder = Path(envreward.rewards.__file__).parent
    listed = {FORMS[name].target.rpartition(":")[2] for name in FORMS}
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and node.name != "FunctionReward" and _has_doc(node):
                assert node.name in listed, f"{path.name}: {node.name} is not in the catalog"


def _has_doc(node: ast.ClassDef) -> bool:
    names = {
        target.id
        for statement in node.body
        if isinstance(statement, (ast.AnnAssign, ast.Assign))
        for target in ([statement.target] if isinstance(statement, ast.AnnAssign) else statement.targets)
        if isinstance(target, ast.Name)
    }
    methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
    return "doc" in names and bool(methods & {"over", "__call__"})


def test_listing_loads_nothing() -> None:
    """Forms are named by where they are and loaded when asked for: the catalog imports none of their modules."""
    source = Path(importlib.import_module("envreward.rewards.catalog").__file__ or "").read_text()
    relative = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.ImportFrom) and n.level]
    assert not relative
