"""``rewards``: the list and the page of each form of reward, in words and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from envreward.rewards.catalog import FORMS

Cli = Callable[..., Any]


def test_list_names_every_form(cli: Cli) -> None:
    """The list has each form with its one line, in groups."""
    said = cli("rewards")
    assert said.code == 0 and not said.err
    for name, form in FORMS.items():
        assert name in said.out and form.summary in said.out and form.group in said.out
    rows = json.loads(cli("rewards", "--json").out)
    assert [row["name"] for row in rows] == [*FORMS]


@pytest.mark.parametrize("name", FORMS)
def test_a_page_is_whole(cli: Cli, name: str) -> None:
    """A page has the formula's source, its failures, and every option with its meaning; marks of code are gone."""
    said = cli("rewards", name)
    assert said.code == 0 and not said.err
    assert FORMS[name].import_line in said.out and "Known failures:" in said.out and "`" not in said.out
    about = json.loads(cli("rewards", name, "--json").out)
    assert about["page"] == FORMS[name].page()
    for option in about["options"]:
        assert option["name"] in said.out and option["doc"], option["name"]


def test_options_say_what_must_be_given(cli: Cli) -> None:
    """Defaults are as Python writes them; what has none is required; what is no setting is not listed."""
    options = {option["name"]: option for option in json.loads(cli("rewards", "par", "--json").out)["options"]}
    assert options["base"]["default"] is None and options["sharpness"]["default"] == "1.0"
    assert options["signed"]["type"] == "bool" and "doc" not in options
    assert "required" in cli("rewards", "par").out


def test_formulas_come_out_as_they_are_written(cli: Cli) -> None:
    """Neither brackets nor stars of a formula are taken for marks."""
    said = " ".join(cli("rewards", "min-form").out.split())
    assert "r*_i = w_i / sum_j w_j * r_i" in said
    assert "Stop summation: min-form credit assignment" in said and "*Stop" not in said


def test_unknown_form(cli: Cli) -> None:
    """A misspelt name gives one line with the nearest names, and a code of its own."""
    said = cli("rewards", "enssemble")
    assert said.code == 2 and not said.out
    assert "did you mean 'ensemble'" in said.err and said.err.count("\n") == 1
