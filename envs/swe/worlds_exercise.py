"""An exercise: a problem as an agent meets it, with what its world may know and the agent may not.

Half of the test functions, chosen by a hash of their names, are visible: they lie in the agent's repository and are run
after each of its changes. The others are hidden and count at submission.
"""

from __future__ import annotations

import abc
import bisect
import functools
import hashlib
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from envreward.errors import InfraError

from .ast_edits import Edit
from .grading import Problem, Verdict, grade, judge
from .grading_diff import make_diff
from .grading_rules import Admitted, admit
from .grading_runs import Job, run_jobs
from .grading_sources import function_of
from .grading_trees import Changes, tree_hash
from .ochiai import ochiai_by_line
from .runner import RunnerFactory

T = TypeVar("T")


class Fix(NamedTuple):
    """The edit that repairs a problem."""

    path: str
    edit: Edit


@dataclass(frozen=True)
class Exercise:
    """A problem with the parts of it that are shown."""

    problem: Problem
    statement: str
    """What is wrong, in words."""
    visible: frozenset[str]
    """Ids of the tests that the agent may see."""
    modules: tuple[str, ...]
    """Files of the program, in which the fault may be."""
    fix: Fix

    @functools.cached_property
    def fail_to_pass(self) -> tuple[str, ...]:
        """The visible tests that fail at the beginning."""
        return tuple(test for test in self.problem.fail_to_pass if test in self.visible)

    @functools.cached_property
    def pass_to_pass(self) -> tuple[str, ...]:
        """The visible tests that pass at the beginning."""
        return tuple(test for test in self.problem.pass_to_pass if test in self.visible)

    @functools.cached_property
    def functions(self) -> dict[str, tuple[str, ...]]:
        """The visible tests by test function, those that fail at the beginning first."""
        groups: dict[str, list[str]] = {}
        for test in (*self.fail_to_pass, *self.pass_to_pass):
            groups.setdefault(function_of(test), []).append(test)
        return {name: tuple(tests) for name, tests in groups.items()}


def choose_visible(fail_to_pass: Sequence[str], pass_to_pass: Sequence[str], salt: str) -> frozenset[str]:
    """Choose the test functions to show: about half of those that fail, at least one, and half of those that pass."""
    failing = _shuffled({function_of(test) for test in fail_to_pass}, salt)
    passing = _shuffled({function_of(test) for test in pass_to_pass} - set(failing), salt)
    shown = {*failing[: (len(failing) + 1) // 2], *passing[: (len(passing) + 1) // 2]}
    return frozenset(test for test in (*fail_to_pass, *pass_to_pass) if function_of(test) in shown)


def _shuffled(names: Iterable[str], salt: str) -> list[str]:
    return sorted(names, key=lambda name: hashlib.sha256(f"{salt} {name}".encode()).digest())


KEPT = 32
"""Exercises that are kept although no world has them."""


class Exercises(abc.ABC):
    """The exercises of a tier, made as they are asked for; their repositories lie in a temporary folder."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._known: weakref.WeakValueDictionary[Hashable, Exercise] = weakref.WeakValueDictionary()
        self._kept: OrderedDict[Hashable, Exercise] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()

    @abc.abstractmethod
    def pick(self, number: int) -> Hashable:
        """Return which exercise a large random number stands for."""

    @abc.abstractmethod
    def build(self, key: Any, folder: Path) -> Exercise:
        """Write the repository of an exercise into a new folder, and return the exercise.

        Raises:
            InfraError: The machinery failed.
        """

    def make(self, seed: int) -> Exercise:
        """Return the exercise of a seed; its repository stays for as long as anybody holds it.

        Raises:
            InfraError: The machinery failed.
        """
        key = self.pick(int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:8]))
        with self._lock:
            exercise = self._known.get(key)
            if exercise is None:
                if self._folder is None:
                    self._folder = Path(tempfile.mkdtemp(prefix="envreward-swe-"))
                    self._folder.chmod(0o755)  # runners may be other users
                self._count += 1
                folder = self._folder / str(self._count)
                self._known[key] = exercise = self.build(key, folder)
                weakref.finalize(exercise, shutil.rmtree, folder, ignore_errors=True)
            self._kept[key] = exercise
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return exercise

    def close(self) -> None:
        """Remove all repositories."""
        with self._lock:
            self._kept.clear()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None


class Lru:
    """A cache of bounded size, for several threads."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Any, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Any, make: Callable[[], T]) -> T:
        """Return what is kept under a key, or make it; two threads may make the same thing at once."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                found: T = self._kept[key]
                return found
        value = make()
        with self._lock:
            self._kept[key] = value
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return value


_VERDICTS = Lru(2_000)  # some 10 KB each
_SPECTRA = Lru(256)


class Spectrum(NamedTuple):
    """Which lines the visible tests execute in the program as it was given."""

    score: dict[str, dict[int, float]]
    """Ochiai suspiciousness by file and line."""
    rank: dict[str, dict[int, float]]
    """Share of all executed lines that are less suspicious, in [0, 1], by file and line."""
    failing: dict[str, dict[int, float]]
    """Share of the failing tests that execute a line, by file and line."""
    passing: dict[str, dict[int, float]]


class Bench:
    """Where tests run. Results are kept for the life of the process: equal trees give equal results."""

    def __init__(self, factory: RunnerFactory) -> None:
        self.factory = factory

    def measure(self, exercise: Exercise, changes: Changes, *, harmless: bool) -> Verdict:
        """Run the visible tests on a changed program, in a fresh sandbox of its own.

        Args:
            exercise: The exercise.
            changes: What the agent changed; what does not count is left out, as in grading.
            harmless: Whether all changes were offered by the task itself, so that twins need not run.

        Raises:
            InfraError: The machinery failed.
        """
        problem = exercise.problem
        key = (problem.id, "visible", tree_hash(changes))
        return _VERDICTS.get(key, lambda: self._measure(exercise, changes, harmless))

    def _measure(self, exercise: Exercise, changes: Changes, harmless: bool) -> Verdict:
        problem, text = exercise.problem, {p: d for p, d in changes.items() if d is None or _is_text(d)}
        admitted = Admitted(dict(changes), ())
        if not harmless:
            protected = problem.protected | problem.tests.keys()
            admitted = admit(make_diff(problem.base, text), problem.base, protected, problem.suite.roots)
        return judge(problem, admitted, self.factory, sorted(exercise.visible), audit=not harmless, explain=True)

    def grade(self, exercise: Exercise, changes: Changes) -> Verdict:
        """Judge a submission by all tests.

        Raises:
            InfraError: The machinery failed.
        """
        problem = exercise.problem
        key = (problem.id, "all", tree_hash(changes))
        return _VERDICTS.get(key, lambda: grade(problem, make_diff(problem.base, changes), self.factory))

    def spectrum(self, exercise: Exercise) -> Spectrum:
        """Return which lines are suspicious at the beginning.

        Raises:
            InfraError: The machinery failed.
        """
        return _SPECTRA.get(exercise.problem.id, lambda: self._spectrum(exercise))

    def _spectrum(self, exercise: Exercise) -> Spectrum:
        problem = exercise.problem
        runner = self.factory.open(problem.repository, python_path=problem.suite.python_path)
        try:
            paths = tuple(sorted({test.split("::")[0] for test in exercise.visible}))
            job = Job(exercise.visible, {path: problem.tests[path] for path in paths}, paths)
            found = run_jobs(runner, problem.suite, [job], traced=exercise.modules)
        finally:
            runner.close()
        if found is None:
            raise InfraError("the traced run of the visible tests gave no findings")
        lines, failed = found[0].lines, set(exercise.fail_to_pass)
        passed = set(exercise.pass_to_pass)
        score = {
            module: ochiai_by_line({test: by_file.get(module, ()) for test, by_file in lines.items()}, failed)
            for module in exercise.modules
        }
        everything = sorted(value for by_line in score.values() for value in by_line.values())
        rank = {m: {line: _below(everything, value) for line, value in by_line.items()} for m, by_line in score.items()}

        def share(tests: set[str]) -> dict[str, dict[int, float]]:
            return {
                module: {
                    line: sum(line in lines.get(t, {}).get(module, ()) for t in tests) / max(1, len(tests))
                    for line in by_line
                }
                for module, by_line in score.items()
            }

        return Spectrum(score, rank, share(failed), share(passed))


def _below(ordered: Sequence[float], value: float) -> float:
    return bisect.bisect_left(ordered, value) / max(1, len(ordered) - 1)


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False
