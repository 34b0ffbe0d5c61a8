"""The task: find and repair a mutant of a released package."""

from __future__ import annotations

import os

from envreward.task_spec import TaskSpec
from envreward.world_task import FIRST, ORACLE, WorldTask
from envreward.worlds import WorldBatch

from ..grading_runners import find_factory
from ..worlds import RepositoryWorlds
from ..worlds_actions import SHELL_TOOLS, RepositoryAction
from ..worlds_codec import SHAPE
from ..worlds_facts import FIELDS
from .exercises import Mutants


class MutantRepair(WorldTask):
    """Repair a fault in a well-tested package; a seed picks the mutant."""

    fields = FIELDS
    candidate_shape = SHAPE
    tools = SHELL_TOOLS
    behaviours = (ORACLE, FIRST)
    success_doc = "Submitted, and every test of the package that a repair must fix or keep passes in a fresh sandbox."
    fitness_doc = "After submission, share of the broken tests repaired times share of the others kept; 0 before."

    def __init__(self, spec: TaskSpec, package: str | None = None, runner: str = "bubblewrap") -> None:
        """Set which mutants there are.

        Args:
            spec: From the catalog.
            package: Name of the only package to use; ``None``: all.
            runner: Where tests and commands run: ``bubblewrap`` or ``docker``.
        """
        super().__init__(spec)
        self._package, self._runner = package, runner

    def open(self, num_worlds: int) -> WorldBatch[RepositoryAction]:
        """Return worlds, yet to be reset.

        Raises:
            ConfigError: The runner cannot be used, or there are no such mutants.
            UnknownNameError: There is no such package or runner.
        """
        threads = min(num_worlds, 2 * (os.cpu_count() or 1))
        return RepositoryWorlds(num_worlds, Mutants(self._package), find_factory(self._runner), threads)
