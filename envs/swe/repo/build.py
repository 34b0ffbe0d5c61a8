"""Builds the table of faults: ``python -m envreward.envs.swe.repo.build``.

Every edit of every module of every template that another edit takes back is tried in a sandbox, in the first variant of
names. It becomes a fault if at least two test functions fail (one to show, one to hide) and most of them still pass.
Names change where things stand, but not their order: an edit is kept as its number among the edits of its file.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from envreward.errors import EnvRewardError, InfraError

from ..ast_edits import Edits, inverse
from ..grading_runners import find_factory
from ..grading_runs import Job, Suite, run_jobs
from ..grading_trees import write_tree
from ..runner import RunnerFactory
from .table import Fault, table_path, write_faults
from .templates import NAMES, load_template

LOG = logging.getLogger(__name__)
TIMEOUT_S = 3.0
MOST_BROKEN = 0.5
"""Largest share of the test functions that a fault may break."""
BATCH = 60


def parts(tree: dict[str, str]) -> tuple[list[str], list[str]]:
    """Return a repository's modules, without empty ones, and its test files."""
    tests = sorted(path for path in tree if path.startswith("tests/"))
    return sorted(path for path, text in tree.items() if path not in tests and text), tests


def suite_of(tests: Sequence[str]) -> Suite:
    """Return how the tests of a small repository are run."""
    return Suite(framework="plain", paths=tuple(tests), timeout_s=TIMEOUT_S)


def find_faults(name: str, factory: RunnerFactory) -> Iterator[Fault]:
    """Yield the faults of a template.

    Raises:
        InfraError: The runner broke, or the template's own tests fail.
    """
    tree = load_template(name).tree(0)
    modules, tests = parts(tree)
    proposals = []
    for module in modules:
        edits = Edits(tree[module])
        proposals += [
            (module, number, edits.apply(edit)) for number, edit in enumerate(edits) if inverse(edit) is not None
        ]
    with TemporaryDirectory(prefix="envreward-faults-") as folder:
        write_tree({path: text.encode() for path, text in tree.items()}, Path(folder))
        runner = factory.open(Path(folder))
        try:
            suite = suite_of(tests)
            whole = run_jobs(runner, suite, [Job()])
            if whole is None or not whole[0].complete or whole[0].done != 0:
                failed = (
                    [test for test, (status, _) in whole[0].outcomes.items() if status != "passed"] if whole else []
                )
                raise InfraError(f"the tests of template {name} do not pass: {', '.join(failed)}")
            names = list(whole[0].collected)
            for start in range(0, len(proposals), BATCH):
                batch = proposals[start : start + BATCH]
                found = run_jobs(runner, suite, [Job(None, {module: text}) for module, _, text in batch])
                for (module, number, _), run in zip(batch, found or (), strict=True):
                    broken = [
                        index for index, test in enumerate(names) if run.outcomes.get(test, ("", ""))[0] != "passed"
                    ]
                    if (
                        run.complete
                        and set(run.outcomes) == set(names)
                        and 2 <= len(broken) <= MOST_BROKEN * len(names)
                    ):
                        yield Fault(name, modules.index(module), number, tuple(broken))
        finally:
            runner.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the table."""
    parser = argparse.ArgumentParser(
        prog="python -m envreward.envs.swe.repo.build", description="Build the table of faults."
    )
    parser.add_argument("--runner", default="bubblewrap", help="where the tests run (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=table_path(), help="the table's file (default: %(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    faults: list[Fault] = []
    try:
        factory = find_factory(options.runner)
        for name in NAMES:
            faults += (found := list(find_faults(name, factory)))
            LOG.info("%s: %d faults", name, len(found))
        factory.close()
    except EnvRewardError as error:
        LOG.error("%s", error)
        return error.exit_code
    write_faults(faults, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
