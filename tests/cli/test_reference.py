"""The reference of the command line says what the commands take, and is up to date."""

from __future__ import annotations

import contextlib
import importlib
import io
import re

import pytest
import tyro

from envreward.cli.main import VERBS
from envreward.cli.reference import PATH, options, reference


def test_reference_is_up_to_date() -> None:
    """The committed reference is the one that the commands make: `python -m envreward.cli.reference` writes it."""
    assert PATH.read_text() == reference()


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_is_one_that_the_command_takes(verb: str) -> None:
    """Each verb's options in the reference are those in its help, and each has a text."""
    command = importlib.import_module(f"envreward.cli.{verb}").Command
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), pytest.raises(SystemExit):
        tyro.cli(command, args=["--help"], prog=verb, config=(tyro.conf.AvoidSubcommands,))
    taken = set(re.findall(r"--[a-z](?:[a-z0-9.-]*[a-z0-9])?", shown.getvalue())) - {"--help"}
    listed = [*options(command)]
    named = {option.name for option in listed if option.name.startswith("--")}
    assert named <= taken
    undocumented = [option.name for option in listed if not option.doc]
    assert not undocumented
    missing = {name for name in taken - named if not re.match(r"--(.*\.)?no-", name)}
    assert not missing, f"left out: {missing}"
