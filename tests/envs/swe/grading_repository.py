"""A small repository with a fault, for tests of grading."""

from __future__ import annotations

from pathlib import Path

from envreward.envs.swe.grading import Problem
from envreward.envs.swe.grading_runs import Suite
from envreward.envs.swe.grading_sources import without
from envreward.envs.swe.grading_trees import make_repository
from envreward.envs.swe.mutant.fetch import support

FAULTY = """\
def mean(values):
    return sum(values) / (len(values) + 1)


def spread(values):
    return max(values) - min(values)
"""
FIXED = FAULTY.replace("(len(values) + 1)", "len(values)")
TESTS = """\
import unittest

import pytest

from calc import mean, spread


def test_mean():
    assert mean([2, 4]) == 3


@pytest.mark.parametrize("values", [[1], [5, 5]])
def test_mean_of_equals(values):
    assert mean(values) == values[0]
    return


def test_spread():
    assert spread([1, 4, 2]) == 3


class SpreadTest(unittest.TestCase):
    def test_of_one(self):
        self.assertEqual(spread([7]), 0)


def test_empty():
    with pytest.raises(ZeroDivisionError):
        mean([]) if mean([1, 1]) == 1 else None
"""
PATH = "tests/test_calc.py"
FAIL_TO_PASS = ("test_mean", "test_mean_of_equals[values0]", "test_mean_of_equals[values1]", "test_empty")
PASS_TO_PASS = ("test_spread", "SpreadTest::test_of_one")
HIDDEN = ("test_mean_of_equals", "test_empty")


def make_problem(folder: Path, **changes: object) -> Problem:
    """Make the repository, without its hidden tests, and what it is judged by."""
    tree = {"calc.py": FAULTY.encode(), "README": b"calc\n", PATH: without(TESTS, HIDDEN).encode()}
    tree["pyproject.toml"] = b'[project]\nname = "calc"\n\n[tool.pytest.ini_options]\naddopts = "--strict-markers"\n'
    values = {
        "id": "calc",
        "repository": make_repository(tree, folder / "calc"),
        "suite": Suite(paths=(PATH,), python_path=(support(),), timeout_s=20.0),
        "tests": {PATH: TESTS},
        "fail_to_pass": tuple(f"{PATH}::{name}" for name in FAIL_TO_PASS),
        "pass_to_pass": tuple(f"{PATH}::{name}" for name in PASS_TO_PASS),
    }
    return Problem(**{**values, **changes})  # type: ignore[arg-type]
