"""Mutants as exercises: the released package with one fault, and its tests without the hidden half."""

from __future__ import annotations

from pathlib import Path

from envreward.errors import ConfigError

from ..ast_edits import Edits, inverse
from ..grading import Problem
from ..grading_sources import function_of, without
from ..grading_trees import make_repository, read_tree
from ..worlds_exercise import Exercise, Exercises, Fix, choose_visible
from .build import suite_of
from .fetch import sources
from .packages import find_package
from .table import Mutant, PackageTable, shipped_tables

_NAMED = 6
MAX_VISIBLE = 300
"""Visible tests at most; the rest are hidden."""


class Mutants(Exercises):
    """The mutants of one package, or of all."""

    def __init__(self, package: str | None = None) -> None:
        """Read the table.

        Raises:
            UnknownNameError: There is no such package.
            ConfigError: The table has no mutant of it.
        """
        super().__init__()
        names = [find_package(package).name] if package is not None else None
        tables = shipped_tables()
        self._tables = [
            table for name, table in sorted(tables.items()) if table.mutants and (names is None or name in names)
        ]
        if not self._tables:
            raise ConfigError(
                f"the table has no mutants of {package or 'any package'}; build it with envreward.envs.swe.mutant.build"
            )

    def __len__(self) -> int:
        return sum(len(table.mutants) for table in self._tables)

    def pick(self, number: int) -> tuple[int, int]:
        """Return a package and one of its mutants; each package is as likely as another."""
        rest, which = divmod(number, len(self._tables))
        return which, rest % len(self._tables[which].mutants)

    def build(self, key: tuple[int, int], folder: Path) -> Exercise:
        """Write the repository of a mutant.

        Raises:
            InfraError: Its package cannot be downloaded.
        """
        table = self._tables[key[0]]
        return make_exercise(table, table.mutants[key[1]], folder)


def make_exercise(table: PackageTable, mutant: Mutant, folder: Path) -> Exercise:
    """Write a mutant's repository and return its exercise.

    Raises:
        InfraError: The package cannot be downloaded.
        ConfigError: The table is of another release.
    """
    package = find_package(table.package)
    if table.sha256 != package.release.sha256:
        raise ConfigError(f"the table of mutants is of another release than {package.release.file}; build it again")
    source = sources(package)
    suite = suite_of(package, source)
    tree = read_tree(source)
    tests = {path: tree[path].decode() for path in suite.paths}
    broken = set(mutant.broken)
    fail_to_pass = tuple(test for number, test in enumerate(table.tests) if number in broken)
    pass_to_pass = tuple(test for number, test in enumerate(table.tests) if number not in broken)
    visible = _visible(fail_to_pass, pass_to_pass, str(mutant))
    for path, text in tests.items():
        tree[path] = without(text, _hidden(path, table.tests, visible)).encode()
    tree[mutant.module] = Edits(tree[mutant.module].decode()).apply(mutant.edit).encode()
    repair = inverse(mutant.edit)
    assert repair is not None, mutant
    problem = Problem(
        id=f"{table.package}-{table.version}-{mutant.module}:{mutant.edit}",
        repository=make_repository(tree, folder),
        suite=suite,
        tests=tests,
        protected=frozenset(path for path in tree if path.split("/")[0] in package.tests or path in package.tests),
        fail_to_pass=fail_to_pass,
        pass_to_pass=pass_to_pass,
        normal=frozenset(table.notes),
    )
    shown = [test for test in fail_to_pass if test in visible]
    named = "".join(f"\n- {test}" for test in shown[:_NAMED]) + (
        f"\n- and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
    )
    statement = (
        f"{package.name} {package.version}, which {package.about}, has a fault: a single small mistake in one of the "
        f"files {', '.join(package.modules)}. Because of it these tests fail:{named}\nAll other visible tests pass."
    )
    return Exercise(problem, statement, visible, package.modules, Fix(mutant.module, repair))


def _visible(fail_to_pass: tuple[str, ...], pass_to_pass: tuple[str, ...], salt: str) -> frozenset[str]:
    """Choose visible tests: of those that pass, only such as lie in a file with one that fails."""
    files = {test.split("::")[0] for test in fail_to_pass}
    near = tuple(test for test in pass_to_pass if test.split("::")[0] in files)
    chosen = choose_visible(fail_to_pass, near, salt)
    failing = [test for test in fail_to_pass if test in chosen]
    passing = [test for test in near if test in chosen]
    return frozenset([*failing[:MAX_VISIBLE], *passing[: max(0, MAX_VISIBLE - len(failing))]])


def _hidden(path: str, tests: tuple[str, ...], visible: frozenset[str]) -> frozenset[str]:
    """Return the names of a file's test functions of which no test is visible."""
    shown = {function_of(test) for test in visible}
    mine = {function_of(test) for test in tests if test.split("::")[0] == path} - shown
    return frozenset(name.partition("::")[2] for name in mine)
