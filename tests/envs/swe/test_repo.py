"""The tier of small repositories, and the world that it shares with the mutants."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from envreward import contract
from envreward.envs.swe.ast_edits import Edits
from envreward.envs.swe.catalog import TASKS
from envreward.envs.swe.grading_runners import find_factory
from envreward.envs.swe.grading_runs import Job, run_jobs
from envreward.envs.swe.grading_trees import write_tree
from envreward.envs.swe.repo.build import find_faults, parts, suite_of
from envreward.envs.swe.repo.exercises import Faults, make_exercise
from envreward.envs.swe.repo.table import Fault, read_faults, table_path, write_faults
from envreward.envs.swe.repo.task import RepositoryRepair
from envreward.envs.swe.repo.templates import NAMES, load_template
from envreward.envs.swe.runner import RunnerFactory
from envreward.envs.swe.worlds import RepositoryWorld
from envreward.envs.swe.worlds_actions import (
    ListFiles,
    MakeEdit,
    Replace,
    ReplaceLines,
    RunTests,
    Submit,
    Undo,
    View,
)
from envreward.envs.swe.worlds_codec import SHAPE
from envreward.envs.swe.worlds_exercise import Bench, choose_visible
from envreward.envs.swe.worlds_facts import FIELDS, MILESTONES
from envreward.errors import ActionError, ConfigError
from envreward.registry import add_task
from envreward.worlds import parse_call

TASK = RepositoryRepair(next(spec for spec in TASKS if spec.id == "EnvReward/SWERepo-v0"))


@pytest.fixture(scope="module")
def factory() -> Iterator[RunnerFactory]:
    found = find_factory("bubblewrap")
    yield found
    found.close()


@pytest.fixture
def world(factory: RunnerFactory) -> Iterator[RepositoryWorld]:
    faults = Faults()
    found = RepositoryWorld(faults, Bench(factory))
    found.reset(3)
    yield found
    found.close()
    faults.close()


def source_of(world: RepositoryWorld, path: str) -> str:
    return world._text(path)


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Any) -> None:
    """The task keeps what every task promises."""
    add_task(TASK)
    check(TASK.spec.id)


def test_templates_pass_their_own_tests(factory: RunnerFactory, tmp_path: Path) -> None:
    """In every variant of names, every template's tests pass, and its package hides no standard module."""
    for name in NAMES:
        template = load_template(name)
        modules, tests = parts(template.tree(0))
        assert 3 <= len(modules) + len(tests) <= 8
        jobs = []
        for variant in range(len(template.names)):
            tree = template.tree(variant)
            assert modules[0].split("/")[0] not in sys.stdlib_module_names
            jobs.append(Job(None, {path: text for path, text in tree.items()}, tuple(parts(tree)[1])))
            assert parts(tree)[0][0].split("/")[0] not in sys.stdlib_module_names
        folder = tmp_path / name
        write_tree({"README": b"\n"}, folder)
        runner = factory.open(folder)
        found = run_jobs(runner, suite_of(tests), jobs)
        runner.close()
        assert found is not None
        for run in found:
            assert run.done == 0 and run.complete, (name, run.outcomes)
            assert len(run.outcomes) >= 15


def test_the_table_is_what_is_built(factory: RunnerFactory) -> None:
    """Building the faults of a template again gives those that are shipped."""
    shipped = [fault for fault in read_faults(table_path()) if fault.template == "ledger"]
    assert list(find_faults("ledger", factory)) == shipped


def test_the_table_covers_the_templates() -> None:
    """Every template has many faults, and each breaks at least two test functions and at most half of them."""
    faults = read_faults(table_path())
    assert {fault.template for fault in faults} == set(NAMES)
    assert len(faults) > 1000
    for fault in faults:
        assert len(fault.broken) >= 2


def test_tables_are_read_as_written(tmp_path: Path) -> None:
    """A table that is written and read is the same; a damaged one is refused by name."""
    faults = (Fault("grid", 1, 5, (0, 3)), Fault("cache", 0, 2, (1, 2)))
    write_faults(faults, tmp_path / "faults.json")
    assert read_faults(tmp_path / "faults.json") == faults
    (tmp_path / "bad.json").write_text("[[1]]")
    with pytest.raises(ConfigError, match=r"bad\.json"):
        read_faults(tmp_path / "bad.json")


def test_exercises_are_what_the_table_says(factory: RunnerFactory, tmp_path: Path) -> None:
    """In any variant a fault breaks its tests; some of them are shown and some hidden; its fix restores the file."""
    faults = read_faults(table_path())
    bench = Bench(factory)
    for number in range(0, len(faults), 211):
        fault = faults[number]
        exercise = make_exercise(fault, number % 4, tmp_path / str(number))
        problem = exercise.problem
        assert 0 < len(exercise.fail_to_pass) < len(problem.fail_to_pass)
        verdict = bench.grade(exercise, {})
        assert not verdict.resolved
        assert (verdict.fail_to_pass, verdict.pass_to_pass) == (0.0, 1.0)
        path, edit = exercise.fix
        whole = load_template(fault.template).tree(number % 4)[path]
        assert Edits(problem.base[path].decode()).apply(edit) == whole
        hidden = {test.partition("::")[2] for test in problem.fail_to_pass} - {
            test.partition("::")[2] for test in exercise.visible
        }
        for name in hidden:
            assert all(f"def {name}(".encode() not in data for data in problem.base.values())
            assert f"::{name}\n" not in exercise.statement


def test_visible_tests_are_about_half() -> None:
    """At least one failing function is shown, and one is hidden where there are two; parameters stay together."""
    failing = tuple(f"t.py::test_{i}[{j}]" for i in range(4) for j in range(3))
    passing = tuple(f"t.py::test_p{i}" for i in range(7))
    visible = choose_visible(failing, passing, "salt")
    assert sum(test in visible for test in failing) == 6
    assert sum(test in visible for test in passing) == 4
    assert choose_visible(("t.py::test_a",), (), "x") == {"t.py::test_a"}
    assert visible == choose_visible(failing[::-1], passing[::-1], "salt")


def test_an_episode_by_tools(world: RepositoryWorld) -> None:
    """An agent lists, opens, breaks, undoes, repairs and submits; facts follow each step."""
    problem, (path, edit) = world._exercise.problem, world._exercise.fix
    facts = world.facts()
    assert (facts["fail_to_pass"], facts["pass_to_pass"], facts["progress"]) == (0.0, 1.0, 0.0)
    assert not facts["success"] and not facts["failure"] and facts["diff"] == ""
    assert -1.0 in facts["test_status"] and 1.0 in facts["test_status"]
    world.act(parse_call(TASK.tools, "list", "{}"))
    assert path in world.describe()
    world.act(parse_call(TASK.tools, "open", f'{{"path": "{path}"}}'))
    assert f"{edit.line:5d}  " in world.describe()
    before = world.state_hash()
    world.act(parse_call(TASK.tools, "replace", '{"path": "new.py", "old": "", "new": "def broken(:"}'))
    facts = world.facts()
    assert not facts["parses"] and facts["files_touched"] == 1 and "new.py" in facts["diff"]
    world.act(parse_call(TASK.tools, "undo", "{}"))
    assert world.state_hash() == before
    repaired = Edits(problem.base[path].decode()).apply(edit).split("\n")
    first, last = edit.line, edit.line
    text = repaired[edit.line - 1]
    world.act(ReplaceLines(path, first, last, text))
    facts = world.facts()
    assert (facts["progress"], facts["functions_touched"], facts["lines_added"]) == (1.0, 1, 1)
    assert facts["edit_suspiciousness"] > 0 and 0 < facts["edit_rank"] <= 1
    assert not facts["success"]
    world.act(parse_call(TASK.tools, "submit", "{}"))
    facts = world.facts()
    assert facts["success"] and facts["failure"] and facts["fitness"] == 1.0
    assert facts["milestones"] == [1.0] * len(MILESTONES)
    assert set(facts) == set(FIELDS) - {"action", "action_failed", "steps_taken", "steps_left"}
    with pytest.raises(ActionError, match="over"):
        world.act(RunTests())


def test_nothing_submitted_is_no_success(world: RepositoryWorld) -> None:
    """Submitting the repository as it was given ends the episode without success."""
    world.act(Submit())
    facts = world.facts()
    assert facts["failure"] and not facts["success"] and facts["fitness"] == 0.0


def test_editing_tests_is_seen_and_counts_for_nothing(world: RepositoryWorld) -> None:
    """Emptied tests are reported as such, change no result and earn nothing."""
    test = world._exercise.fail_to_pass[0]
    path = test.split("::")[0]
    world.act(Replace(path, source_of(world, path), "# nothing to see\n"))
    facts = world.facts()
    assert facts["tests_edited"] and facts["fail_to_pass"] == 0.0 and facts["pass_to_pass"] == 1.0
    world.act(Submit())
    assert not world.facts()["success"]
    assert world._final is not None and {cheat.name for cheat in world._final.cheats} == {"edits-tests"}


def test_code_that_forges_verdicts_does_not_move_the_facts(world: RepositoryWorld) -> None:
    """Text of an agent's own is measured with the same care as a submission."""
    path = world._exercise.modules[0]
    source = source_of(world, path)
    world.act(Replace(path, source, "import os\nos._exit(0)\n"))
    facts = world.facts()
    assert facts["fail_to_pass"] == 0.0 and not facts["collects"] and facts["progress"] == 0.0


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (View("nothing.py"), "no file"),
        (View("README", 5), "no file"),
        (Replace("OPEN", "no such text", "x"), "occurs 0 times"),
        (Replace("OPEN", "", "x"), "there already"),
        (ReplaceLines("OPEN", 5000, 5001, "x"), "no range"),
        (ListFiles("nowhere"), "no folder"),
        (RunTests("zebra"), "no visible test"),
        (Undo(), "nothing was changed"),
    ],
)
def test_actions_that_cannot_be_taken(action: Any, reason: str, world: RepositoryWorld) -> None:
    """They are refused with a reason, and the world stays as it was."""
    before = world.state_hash(), world.facts()
    if getattr(action, "path", "") == "OPEN":
        action = dataclasses.replace(action, path=world._opened)
    with pytest.raises(ActionError, match=reason):
        world.act(action)
    assert (world.state_hash(), world.facts()) == before


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("open", '{"path": "../../etc/passwd"}'),
        ("open", '{"path": "/etc/passwd"}'),
        ("open", '{"path": ".git/config"}'),
        ("open", '{"path": "a.py", "first": 0}'),
        ("open", '{"path": "a.py", "first": 5, "last": 4}'),
        ("edit", '{"path": "a.py", "first": 5, "last": 3, "text": ""}'),
        ("edit", '{"path": "a\\u0000.py", "first": 1, "last": 1, "text": ""}'),
        ("replace", '{"path": "a.py", "old": "x", "new": "x"}'),
        ("replace", '{"path": "a.py", "old": "x", "new": "\\ud800"}'),
        ("replace", '{"path": "a.py", "old": "x", "new": "' + "y" * 150_000 + '"}'),
        ("submit", '{"now": true}'),
        ("list", '{"folder": ".."}'),
    ],
)
def test_calls_that_mean_nothing(tool: str, arguments: str) -> None:
    """Malformed tool calls are refused before they reach a world."""
    with pytest.raises(ActionError):
        parse_call(TASK.tools, tool, arguments)


def test_large_and_binary_files(factory: RunnerFactory) -> None:
    """A file that is not text or too large is not shown, and a file is not made too large."""
    faults = Faults()
    world = RepositoryWorld(faults, Bench(factory))
    world.reset(5)
    base = world._exercise.problem.base
    base["blob"], base["huge.txt"] = b"\0\1", b"x" * 1_500_000
    for path in ("blob", "huge.txt"):
        with pytest.raises(ActionError, match=r"not text|at most"):
            world.act(View(path))
    with pytest.raises(ActionError, match="more than"):
        world.act(Replace("new.txt", "", "x" * 1_000_001))
    del base["blob"], base["huge.txt"]
    world.close()
    faults.close()


def test_candidates(world: RepositoryWorld) -> None:
    """Candidates are at most K, differ, are described within [-1, 1], and each can be taken."""
    offered = world.candidates()
    assert len(set(offered.actions)) == len(offered.actions) <= SHAPE.choices
    assert offered.features.shape == (len(offered.actions), SHAPE.features)
    assert offered.context.shape == (SHAPE.context,)
    assert np.abs(offered.features).max() <= 1 and np.abs(offered.context).max() <= 1
    edits = [action for action in offered.actions if isinstance(action, MakeEdit)]
    opened = [action for action in offered.actions if isinstance(action, View)]
    assert len(edits) > 10 and len(opened) == len(world._exercise.modules) - 1
    for action in [offered.actions[0], opened[0], edits[0]]:
        world.act(action)
    assert world.facts()["files_touched"] == 1
    assert Undo() in world.candidates().actions


def test_repeats_and_exit_codes(world: RepositoryWorld) -> None:
    """A repeated action on the same files is counted; test runs leave their exit code and say how tests fail."""
    world.act(RunTests())
    assert world.facts()["last_exit_code"] == 1
    assert "FAILED" in world.describe() and "Error" in world.describe()
    world.act(RunTests())
    assert world.facts()["repeated_commands"] == 1
    passing = world._exercise.pass_to_pass[0].split("::")[1]
    world.act(RunTests(passing))
    assert world.facts()["repeated_commands"] == 1


def test_repositories_stay_while_they_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many exercises come and go, one that is held keeps its files; others lose theirs."""
    monkeypatch.setattr("envreward.envs.swe.worlds_exercise.KEPT", 2)
    faults = Faults()
    held = faults.make(0)
    folders = [faults.make(seed).problem.repository for seed in range(1, 8)]
    assert held.problem.repository.is_dir()
    assert [folder.is_dir() for folder in folders] == [False] * 5 + [True] * 2
    assert faults.make(0) is held
    faults.close()
    assert not held.problem.repository.exists()


def test_nothing_is_left_behind(factory: RunnerFactory) -> None:
    """Closing the worlds removes the repositories that they made."""
    worlds = TASK.open(2)
    worlds.reset([0, 1], [1, 2])
    folder = worlds._exercises._folder  # type: ignore[attr-defined]
    assert folder.is_dir()
    worlds.close()
    assert not folder.exists()
