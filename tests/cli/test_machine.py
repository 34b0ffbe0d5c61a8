"""``machine``: from a machine's file to a program that everything else takes, and one line for each mistake."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envreward import registry
from envreward.cli.machine import Command
from envreward.registry import make_task
from envreward.rewards.machines import machine_program, parse_machine

Cli = Callable[..., Any]
ENV = "HopperFrontFlip"


@pytest.fixture(scope="module")
def example() -> str:
    """The machine that the help teaches with."""
    page = inspect.cleandoc(Command.__doc__ or "")
    return textwrap.dedent("\n".join(line for line in page.splitlines() if line.startswith("    ")))


@pytest.fixture
def file(tmp_path: Path, example: str) -> Path:
    """A file with it."""
    path = tmp_path / "flip.txt"
    path.write_text(example)
    return path


def test_a_machine_becomes_a_program_that_can_be_trained_on(cli: Cli, file: Path, example: str) -> None:
    """The help's example is written as a program, the same to a file as on the terminal, and passes `check`."""
    fields = make_task(ENV).fields
    expected = machine_program(parse_machine(example, fields), fields)
    assert cli("machine", str(file), "--env", ENV) == (0, expected, "")
    out = file.with_name("flip.py")
    said = cli("machine", str(file), "--env", ENV, "--out", str(out))
    assert said.code == 0 and out.read_text() == expected
    states = "standing, flying, turned, done"
    assert said.out == f"{out}: states {states}; try it with: envreward check {out} --env {ENV}\n"
    sandbox = "bubblewrap" if registry.find("sandboxes", "bubblewrap")().unavailable() is None else "process"
    said = cli("check", str(out), "--env", ENV, "--sandbox", sandbox)
    assert said.code == 0 and "standing_to_flying, flying_to_turned" in said.out


def test_an_answer_that_contains_a_machine(cli: Cli, file: Path, example: str) -> None:
    """A language model's answer will do."""
    expected = cli("machine", str(file), "--env", ENV).out
    file.write_text(f"First it must take off.\n\n```text\n{example}\n```\n")
    assert cli("machine", str(file), "--env", ENV).out == expected


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pitch > 3.1", "pich > 3.1", "line 2: unknown field 'pich'; did you mean 'pitch'?"),
        (
            "pitch > 3.1",
            "foot_height > 3.1",
            "line 2: field foot_height is a vector of shape [1]. Fix: Compare an entry",
        ),
        ("pitch > 3.1", "success", "line 2: unknown field 'success'"),
        ("start standing", "begin standing", "line 5: cannot read 'begin standing'. Fix: Write `predicate NAME: FACT`"),
        ("down, reward", "dwon, reward", "line 9: unknown predicate 'dwon'; did you mean 'down'?"),
        ("standing -> flying", "stood -> flying", "line 7: no transition leads to 'stood' from the start"),
    ],
)
def test_mistakes_are_one_line(cli: Cli, file: Path, example: str, old: str, new: str, message: str) -> None:
    """Each names the line and what to do, and nothing is written. Exit code 3."""
    assert old in example
    file.write_text(example.replace(old, new))
    out = file.with_name("flip.py")
    said = cli("machine", str(file), "--env", ENV, "--out", str(out))
    assert said.code == 3 and not said.out and not out.exists()
    assert said.err.startswith(f"envreward: error: {message}") and said.err.count("\n") == 1


def test_files_that_will_not_do(cli: Cli, file: Path, example: str) -> None:
    """A missing file, one that is no text, an unknown environment, and a program in place of its own machine."""
    assert cli("machine", str(file.with_name("none.txt")), "--env", ENV).code == 1
    said = cli("machine", str(file), "--env", "HopperFrontFlp")
    assert said.code == 2 and "did you mean 'HopperFrontFlip'" in said.err
    said = cli("machine", str(file), "--env", ENV, "--out", str(file))
    assert said.code == 2 and "name another file" in said.err and file.read_text() == example
    file.write_bytes(b"\xff\xfe\x00\x01")
    said = cli("machine", str(file), "--env", ENV)
    assert said.code == 2 and "not a text file" in said.err and said.err.count("\n") == 1
