"""The problems of the repair tier: right programs pass, bugs that count are caught, and repairs are on offer."""

from __future__ import annotations

import ast

import pytest

from envreward.envs.swe.ast_edits import Edits, inverse
from envreward.envs.swe.inproc import compile_program
from envreward.envs.swe.repair.bench import OFFERED, examine
from envreward.envs.swe.repair.bugs import counts, draw, single_bugs
from envreward.envs.swe.repair.problem import MAX_VISIBLE, Problem, problem
from envreward.envs.swe.repair.problems import PROBLEMS


def test_there_are_enough_and_their_names_differ() -> None:
    """At least 40 problems, each with a statement and 7 to 25 tests, about half of them hidden."""
    assert len(PROBLEMS) == len({p.name for p in PROBLEMS}) >= 40
    for p in PROBLEMS:
        assert p.statement.endswith(".") and 7 <= len(p.tests) <= 25
        assert 4 <= len(p.visible) <= MAX_VISIBLE and len(p.hidden) >= 3
        assert '"""' not in p.source


@pytest.mark.parametrize("p", PROBLEMS, ids=lambda p: p.name)
def test_right_program_passes_and_bugs_do_not(p: Problem) -> None:
    """The right program passes all its tests well within the budget; each bug fails some visible and a hidden test,
    passes another, and its inverse edit leads back to the right program.
    """
    half = p.suite.run(compile_program(ast.parse(p.source), p.source), fuel=400)
    assert all(outcome.passed for outcome in half.values()), half
    assert examine(p, p.source).solved
    bugs = single_bugs(p)
    assert len(bugs) >= 2
    for bug in bugs:
        broken = examine(p, bug.source)
        passed = [outcome.passed for outcome in broken.outcomes.values()]
        visible, hidden = passed[: len(p.visible)], passed[len(p.visible) :]
        assert any(visible) and not all(visible) and not all(hidden)
        back = inverse(bug.edits[0])
        assert back is not None and Edits(bug.source).apply(back) == p.source


def test_tests_kill_most_mutants() -> None:
    """Nine in ten edits of the right programs are caught by a test; what survives changes nothing that can be seen."""
    made = caught = 0
    for p in PROBLEMS[::3]:
        edits = Edits(p.source)
        made += len(edits)
        caught += sum(not examine(p, edits.apply(edit)).solved for edit in edits)
    assert caught >= 0.9 * made > 500


@pytest.mark.parametrize("size", [1, 2])
def test_drawn_bugs(size: int) -> None:
    """A seed draws the same bug each time; every source on the way back offers its repairs among the first edits."""
    bugs = [draw(seed, size) for seed in range(60)]
    assert len({bug.problem.name for bug in bugs}) > 25
    for seed, bug in enumerate(bugs):
        assert draw(seed, size).source == bug.source
        assert counts(examine(bug.problem, bug.source)) and bug.distance[bug.source] == size
        assert len({edit.line for edit in bug.edits}) == size
        for source, repairs in bug.repairs.items():
            now = examine(bug.problem, source)
            assert len(repairs) == bug.distance[source]
            for edit, after in repairs:
                assert now.index[edit] < OFFERED and now.edits is not None and now.edits.apply(edit) == after
                assert bug.distance[after] == bug.distance[source] - 1


def test_suspicion_finds_bugs() -> None:
    """The Ochiai rank puts the bug's line first, or level with the first, far more often than chance."""
    ranks = []
    for seed in range(100):
        bug = draw(seed, 1)
        ranks.append(int(examine(bug.problem, bug.source).rank[bug.edits[0].line]))
    assert sum(rank == 1 for rank in ranks) > 60


def test_bad_tables_are_refused() -> None:
    """A line that is no test, or a name that is there already, is an error that shows it."""

    def double(x: int) -> int:
        """Return twice x."""
        return 2 * x

    with pytest.raises(ValueError, match="not a test"):
        problem(double, visible="a double(1) == 2", hidden="")
    with pytest.raises(ValueError, match="a name that was there"):
        problem(double, visible="a: double(1) == 2\na: double(2) == 4", hidden="")
    with pytest.raises(ValueError, match="same name"):
        problem(double, visible="a: double(1) == 2", hidden="a: double(2) == 4")
