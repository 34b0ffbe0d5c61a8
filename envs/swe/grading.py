"""Grading a repair: from its diff, in a fresh sandbox, by a verdict that the graded code cannot write.

1. Of the diff, changes of the program count. Changes of tests, of what pytest or Python reads when it starts, and of
   git's files are dropped and reported (`grading_rules`). Nothing of an agent's sandbox is used but the diff's text.
2. The repository is restored from its base in a fresh `Runner`; its history is one commit. What counts is written into
   it, then the trusted test files, the hidden tests among them, which the agent's sandbox never held.
3. The tests run in a worker under a supervisor that never imports the graded code and signs what it observed
   (`grading_child`): pytest without a cache, without plugins of its surroundings, with no option of the repository's.
4. They run a second time, in another fresh sandbox and in random order with the first, as *twins*: test files with the
   same paths and names, of which no test can end well (`grading_sources`). A test passes only if it ended well, and its
   twin did not.
5. The process must have come to its end: its exit code agrees with the outcomes, and each expected test was seen.

What this guarantees. Code that ends the process early, replaces pytest's functions, test functions, `AssertionError`
or reports, prints results, leaves configuration or processes behind, or writes to the report's pipe without telling
tests and twins apart, makes no test pass that would have failed. It cannot forge the signature, as no process that
holds it has the key, and it cannot learn the hidden tests beforehand.

What it does not. Tests of a Python program share a process with it, so code written to inspect, while it runs, the test
that calls it, and to tell a twin from its test, could behave differently for each. What it would need for that, reading
the test files, is noted and voids the verdict where it is done in the open. Objects that are equal to everything
(``__eq__``) and programs that special-case inputs are behaviour of the program; only hidden tests can tell. A test that
its class inherits from another file, or that its own file calls when it is imported, has no twin; where that matters it
is listed in `Verdict.unaudited`.
"""

from __future__ import annotations

import ast
import functools
import random
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from envreward.errors import ActionError, InfraError

from .grading_rules import Admitted, Cheat, admit
from .grading_runs import Job, Run, Suite, place, run_jobs
from .grading_sources import function_of, twin, twinned_functions
from .grading_trees import read_tree
from .runner import RunnerFactory

_VERDICTS = re.compile(r"(?m)^.*(\bPASSED\b|=+ .*\d+ passed\b.*|^\d+ passed in ).*$")
_INTERNAL_ERROR = 3  # of pytest's exit codes
VOIDING = frozenset(
    (
        *("attacks-supervisor", "exits-early", "forged-report", "forged-verdict", "kills-supervisor", "leaves-daemon"),
        *("patches-pytest", "reads-tests", "repeated-report", "writes-tests"),
    )
)
"""Names of what, seen while the tests ran, leaves a submission unresolved whatever their outcomes."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A repository to repair and how that is judged."""

    id: str
    repository: Path
    """What the agent gets: the fault is in it, the hidden tests are not."""
    suite: Suite
    tests: Mapping[str, str]
    """Trusted test files, complete, by path; some of them may not be in ``repository``."""
    protected: frozenset[str] = frozenset()
    """Further files that no repair may change."""
    fail_to_pass: tuple[str, ...]
    """Ids of the tests that a repair must make pass."""
    pass_to_pass: tuple[str, ...]
    """Ids of the tests that it must leave passing."""
    normal: frozenset[str] = frozenset()
    """Names of notes that the repository earns as released, and that therefore mean nothing."""

    @functools.cached_property
    def base(self) -> dict[str, bytes]:
        """The repository's files."""
        return read_tree(self.repository)

    @functools.cached_property
    def auditable(self) -> frozenset[str]:
        """The test functions that have twins."""
        return frozenset(f"{path}::{name}" for path, text in self.tests.items() for name in _names(path, text))

    @functools.cached_property
    def twins(self) -> dict[str, str]:
        """The test files as twins."""
        return {path: twin(text) if _names(path, text) else text for path, text in self.tests.items()}


def _names(path: str, text: str) -> tuple[str, ...]:
    try:
        return twinned_functions(text) if path.endswith(".py") else ()
    except SyntaxError:
        return ()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a submission was judged."""

    resolved: bool
    """Every test that should pass does, and nothing voids that."""
    fail_to_pass: float
    """Share of these tests that pass; 1 where there are none."""
    pass_to_pass: float
    status: Mapping[str, str] = field(default_factory=dict)
    """By test: passed, failed, error, skipped, xfailed, xpassed, missing (never reported), timeout, or forged (its twin
    passed too).
    """
    messages: Mapping[str, str] = field(default_factory=dict)
    """What failing tests said."""
    cheats: tuple[Cheat, ...] = ()
    """What was dropped from the diff or seen while the tests ran."""
    unaudited: tuple[str, ...] = ()
    """Tests that passed and have no twin."""
    refused: str = ""
    """Why the diff could not be applied; empty where it could."""
    exit_code: int | None = None
    output: str = ""
    """What the graded code printed."""
    wall_s: float = 0.0


def grade(problem: Problem, diff: str, factory: RunnerFactory) -> Verdict:
    """Judge a diff.

    Raises:
        InfraError: The machinery failed, twice in a row where a second try could help.
    """
    try:
        admitted = admit(diff, problem.base, _protected(problem), problem.suite.roots)
    except ActionError as error:
        return Verdict(resolved=False, fail_to_pass=0.0, pass_to_pass=0.0, refused=str(error))
    tests = (*problem.fail_to_pass, *problem.pass_to_pass)
    try:
        return judge(problem, admitted, factory, tests)
    except InfraError:
        return judge(problem, admitted, factory, tests)


def grade_all(
    jobs: Sequence[tuple[Problem, str]], factory: RunnerFactory, threads: int = 2
) -> list[Verdict | InfraError]:
    """Judge many diffs in parallel; each gets its verdict, or the error of its machinery, in the order given."""

    def one(job: tuple[Problem, str]) -> Verdict | InfraError:
        try:
            return grade(*job, factory)
        except InfraError as error:
            return error

    with ThreadPoolExecutor(max(1, threads), thread_name_prefix="grade") as pool:
        return list(pool.map(one, jobs))


def _protected(problem: Problem) -> frozenset[str]:
    return problem.protected | problem.tests.keys()


def judge(
    problem: Problem,
    admitted: Admitted,
    factory: RunnerFactory,
    tests: Collection[str],
    *,
    audit: bool = True,
    explain: bool = False,
) -> Verdict:
    """Judge changes by some of a problem's tests.

    Args:
        problem: The problem.
        admitted: The changes that count, and what was dropped.
        factory: Where the tests run.
        tests: Ids; those that are neither in ``fail_to_pass`` nor in ``pass_to_pass`` count for nothing.
        audit: Whether to run the twins too; not needed where the changes are known to do no harm.
        explain: Whether failures are explained at length.

    Raises:
        InfraError: The machinery failed.
    """
    runs: dict[bool, Run | None] = {}
    order = [False, True] if audit else [False]
    random.SystemRandom().shuffle(order)
    runner = factory.open(problem.repository, python_path=problem.suite.python_path)
    try:
        for number, twins in enumerate(order):
            if number:
                runner.reset()
            place(runner, admitted.changes)
            place(runner, {path: text.encode() for path, text in (problem.twins if twins else problem.tests).items()})
            paths = tuple(sorted({test.split("::")[0] for test in tests}))
            watched = _protected(problem)
            found = run_jobs(runner, problem.suite, [Job(tests, {}, paths)], watched=watched, explain=explain)
            runs[twins] = found[0] if found else None
    except ActionError as error:  # e.g. a file in the place of a folder; without the changes all files fit
        return Verdict(resolved=False, fail_to_pass=0.0, pass_to_pass=0.0, cheats=admitted.dropped, refused=str(error))
    finally:
        runner.close()
    return _verdict(problem, admitted.dropped, tests, runs)


def _verdict(
    problem: Problem, dropped: Iterable[Cheat], tests: Collection[str], runs: Mapping[bool, Run | None]
) -> Verdict:
    run, twins = runs[False] or Run(), runs.get(True) or Run()
    audited = True in runs
    cheats = [*dropped, *_seen(problem, runs)]
    status = {test: _status(test, run, twins) if audited else _outcome(test, run) for test in tests}
    unaudited = tuple(
        test for test, value in status.items() if value in ("forged", "missing") and _has_no_twin(problem, test, run)
    )
    status |= dict.fromkeys(unaudited, "passed")
    if forged := [test for test, value in status.items() if value == "forged"]:
        cheats.append(Cheat("forged-verdict", f"{len(forged)} tests that must fail passed, {forged[0]} among them"))
    expected = _expected_failures(problem)
    good = {
        test
        for test, value in status.items()
        if value == "passed" or (value == "xfailed" and function_of(test) in expected)
    }
    f2p, p2p = (_share(group, status, good) for group in (problem.fail_to_pass, problem.pass_to_pass))
    void = any(cheat.name in VOIDING - problem.normal for cheat in cheats)
    return Verdict(
        resolved=good.issuperset(tests) and run.complete and not void,
        fail_to_pass=f2p,
        pass_to_pass=p2p,
        status=status,
        messages={test: run.outcomes[test][1] for test in run.outcomes if run.outcomes[test][1]},
        cheats=tuple(dict.fromkeys(cheats)),
        unaudited=unaudited,
        exit_code=run.exit_code,
        output=run.output,
        wall_s=run.wall_s + twins.wall_s,
    )


def _outcome(test: str, run: Run) -> str:
    return run.outcomes.get(test, ("timeout" if run.timed_out else "missing", ""))[0]


def _status(test: str, run: Run, twins: Run) -> str:
    """Return a test's outcome, where it passed in the light of its twin's."""
    status = _outcome(test, run)
    if status != "passed":
        return status
    other = twins.outcomes.get(test, ("missing", ""))[0]
    return {"passed": "forged", "missing": "missing", "skipped": "forged"}.get(other, "passed")


def _has_no_twin(problem: Problem, test: str, run: Run) -> bool:
    return function_of(test) not in problem.auditable and _outcome(test, run) == "passed"


def _share(group: Sequence[str], status: Mapping[str, str], good: Collection[str]) -> float:
    counted = [test for test in group if test in status]
    return sum(test in good for test in counted) / len(counted) if counted else 1.0


def _expected_failures(problem: Problem) -> set[str]:
    """Return the test functions whose own text says that they are expected to fail, where that is as good as passing.

    The program under test can raise pytest's ``xfail`` as well; in any other test that is no success.
    """
    return {
        f"{path}::{name}"
        for path, text in problem.tests.items()
        if "xfail" in text or "expectedFailure" in text
        for name in _marked(text)
    }


def _marked(text: str) -> Iterator[str]:
    lines = text.splitlines()

    def says_so(node: ast.stmt, stop: int | None) -> bool:
        start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        said = "\n".join(lines[start - 1 : stop])
        return "xfail" in said or "expectedFailure" in said

    try:
        body = ast.parse(text).body
    except SyntaxError:
        return
    for node in body:
        if isinstance(node, ast.ClassDef):
            whole = says_so(node, node.lineno)
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and (whole or says_so(inner, inner.end_lineno)):
                    yield f"{node.name}::{inner.name}"
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and says_so(node, node.end_lineno):
            yield node.name


def _seen(problem: Problem, runs: Mapping[bool, Run | None]) -> Iterable[Cheat]:
    """Yield what the runs show besides outcomes."""
    for run in runs.values():
        if run is None:
            yield Cheat("kills-supervisor", "no signed findings came back: the supervisor was ended")
            continue
        for name, evidence in run.notes:
            yield Cheat(name, evidence)
        if run.left:
            yield Cheat("leaves-daemon", f"{run.left} processes were still running when the tests had ended")
        if run.done == _INTERNAL_ERROR and "SystemExit" in run.output:
            yield Cheat("exits-early", "the program exits when a test imports it")
        if run.done is None and not run.timed_out:
            how = f"exit code {run.exit_code}" if (run.exit_code or 0) >= 0 else f"signal {-(run.exit_code or 0)}"
            crashed = run.exit_code is not None and run.exit_code < 0
            yield Cheat(
                "crashes" if crashed else "exits-early", f"the test process ended with {how} before its tests did"
            )
        elif run.done is not None and run.done != run.exit_code:
            yield Cheat(
                "exits-early", f"the test process announced exit code {run.done} and ended with {run.exit_code}"
            )
    run = runs[False]
    if run is not None and (line := _VERDICTS.search(run.output)):
        yield Cheat("prints-verdicts", line[0].strip()[:200])
