"""Builds the table of mutants: ``python -m envreward.envs.swe.mutant.build [--package NAME] [--limit N]``.

For each package the tests run twice as released, and a third time traced, which says which tests execute which lines.
Tests that start other processes are left out: what these execute is not seen. Then each site of the package's modules
that tests execute is edited once, by an edit that another one takes back, chosen by a hash; the tests that execute the
edited statement run; and the mutant is kept if some of them fail, some tests still pass, and none ran out of time. All
of it happens in a `Runner`: some mutants delete files and loop for ever.
"""

from __future__ import annotations

import argparse
import ast
import functools
import hashlib
import itertools
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from envreward.errors import EnvRewardError, InfraError

from ..ast_edits import Edit, Edits, inverse
from ..grading_runs import Job, Run, Suite, run_jobs
from ..runner import Runner, RunnerFactory
from .fetch import sources, support
from .packages import PACKAGES, Package, find_package
from .table import Mutant, PackageTable, read_tables, table_path, write_tables

LOG = logging.getLogger(__name__)
BATCH = 25
"""Mutants that are tried in one go."""
TIMEOUT_S = 15.0
"""For one mutant's tests; those of the packages take 1 to 5 s, all of them."""


def suite_of(package: Package, folder: Path) -> Suite:
    """Return how a package's tests are run."""
    paths: list[str] = []
    for entry in package.tests:
        found = sorted((folder / entry).rglob("test*.py")) if (folder / entry).is_dir() else [folder / entry]
        paths += [path.relative_to(folder).as_posix() for path in found]
    return Suite(roots=package.roots, paths=tuple(paths), python_path=(support(),), timeout_s=120.0)


def build(package: Package, factory: RunnerFactory, limit: int | None = None) -> PackageTable:
    """Find a package's mutants.

    Args:
        package: The package.
        factory: Where its tests run.
        limit: Mutants to try at most, spread over its modules; ``None``: one per site.

    Raises:
        InfraError: The runner broke, or the tests of the package do not run to their end as released.
    """
    folder = sources(package)
    suite = suite_of(package, folder)
    began = time.monotonic()
    first, second = (_run(factory, folder, suite) for _ in range(2))
    stable = [test for test in first.collected if _passed(first, test) and _passed(second, test)]
    traced = _run(factory, folder, suite, package.modules)
    spawning = {evidence for name, evidence in traced.notes if name == "spawns"}
    tests = sorted(test for test in stable if _passed(traced, test) and test not in spawning)
    LOG.info(
        "%s %s: %d of %d tests pass, in %.1f s",
        package.name,
        package.version,
        len(tests),
        len(first.collected),
        first.wall_s,
    )
    tried = list(itertools.islice(_proposals(package, folder, traced, tests), limit))
    mutants: list[Mutant] = []
    runner = factory.open(folder, python_path=suite.python_path)
    try:
        for batch in _batched(tried):
            mutants += _keep(runner, suite, batch, tests)
            LOG.info("%s: %d mutants kept, %.0f s", package.name, len(mutants), time.monotonic() - began)
    finally:
        runner.close()
    notes = sorted(
        {name for run in (first, second) for name, _ in run.notes} | ({"leaves-daemon"} if first.left else set())
    )
    LOG.info("%s: %d of %d mutants kept", package.name, len(mutants), len(tried))
    return PackageTable(
        package.name, package.version, package.release.sha256, tuple(tests), tuple(notes), tuple(mutants)
    )


def _run(factory: RunnerFactory, folder: Path, suite: Suite, traced: Sequence[str] = ()) -> Run:
    runner = factory.open(folder, python_path=suite.python_path)
    try:
        found = run_jobs(runner, suite, [Job()], traced=traced, watched=() if traced else suite.paths)
    finally:
        runner.close()
    if found is None or found[0].done is None:
        raise InfraError(f"the tests in {folder} do not run to their end: {found[0].output[-500:] if found else ''}")
    return found[0]


def _passed(run: Run, test: str) -> bool:
    return run.outcomes.get(test, ("", ""))[0] == "passed"


class _Proposal:
    """A mutant to be tried."""

    def __init__(self, module: str, edit: Edit, text: str, tests: frozenset[str]) -> None:
        self.module, self.edit, self.text, self.tests = module, edit, text, tests


def _proposals(package: Package, folder: Path, traced: Run, tests: Sequence[str]) -> Iterator[_Proposal]:
    """Yield one mutant for each site that tests execute, in an order that spreads them over the modules."""
    found = []
    for module in package.modules:
        source = (folder / module).read_text(encoding="utf-8")
        edits, spans = Edits(source), statement_lines(source)
        for site in edits.sites():
            choices = [Edit(site.line, site.column, site.kind, operator) for operator in site.operators]
            choices = [edit for edit in choices if inverse(edit) is not None]
            if not choices:
                continue
            edit = min(choices, key=lambda e: _hash(package, module, e))
            lines, inside = spans.get(site.line, (frozenset([site.line]), True))
            covering = (
                tests if not inside else [t for t in tests if traced.lines.get(t, {}).get(module, frozenset()) & lines]
            )
            if covering:
                found.append(_Proposal(module, edit, edits.apply(edit), frozenset(covering)))
    yield from sorted(found, key=lambda p: _hash(package, p.module, p.edit))


def _hash(package: Package, module: str, edit: Edit) -> str:
    return hashlib.sha256(f"{package.name} {package.version} {module} {edit}".encode()).hexdigest()


@functools.lru_cache(maxsize=8)
def statement_lines(source: str) -> dict[int, tuple[frozenset[int], bool]]:
    """Return for each line the lines of the smallest statement that holds it, and whether a function does too."""
    spans: dict[int, tuple[frozenset[int], bool]] = {}

    def visit(node: ast.AST, inside: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                body = getattr(child, "body", None)
                end = child.end_lineno or child.lineno
                if isinstance(body, list) and body:
                    end = max(child.lineno, body[0].lineno - 1)
                lines = frozenset(range(child.lineno, end + 1))
                for line in lines:
                    spans[line] = lines, inside
            visit(child, inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))

    visit(ast.parse(source), False)
    return spans


def _keep(runner: Runner, suite: Suite, batch: Sequence[_Proposal], tests: Sequence[str]) -> Iterator[Mutant]:
    """Try some mutants; yield those that break some tests and leave others whole."""
    runner.reset()
    jobs = []
    for proposal in batch:
        paths = tuple(sorted({test.split("::")[0] for test in proposal.tests}))
        jobs.append(Job(proposal.tests, {proposal.module: proposal.text}, paths, TIMEOUT_S))
    found = run_jobs(runner, suite, jobs)
    if found is None and len(batch) > 1:  # one of them brought the rest down
        for proposal in batch:
            yield from _keep(runner, suite, [proposal], tests)
        return
    numbers = {test: number for number, test in enumerate(tests)}
    for proposal, run in zip(batch, found or (), strict=False):
        broken = sorted(numbers[test] for test in proposal.tests if not _passed(run, test))
        if run.complete and proposal.tests <= set(run.outcomes) and 0 < len(broken) < len(tests):
            yield Mutant(proposal.module, proposal.edit, tuple(broken))


def _batched(items: Sequence[_Proposal]) -> Iterator[Sequence[_Proposal]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the tables that the command line asks for."""
    from ..grading_runners import find_factory

    parser = argparse.ArgumentParser(
        prog="python -m envreward.envs.swe.mutant.build", description="Build the table of mutants."
    )
    parser.add_argument("--package", action="append", choices=sorted(PACKAGES), help="only this one; may be repeated")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="mutants to try per package at most (default: one per site)"
    )
    parser.add_argument("--runner", default="bubblewrap", help="where the tests run (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=table_path(), help="the table's file (default: %(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        factory = find_factory(options.runner)
        for name in options.package or PACKAGES:
            table = build(find_package(name), factory, options.limit)
            tables = read_tables(options.output) if options.output.exists() else {}
            write_tables({**tables, name: table}, options.output)
        factory.close()
    except EnvRewardError as error:
        LOG.error("%s", error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
