"""The task: find and repair a fault in a small repository."""

from __future__ import annotations

import os

from envreward.task_spec import TaskSpec
from envreward.world_task import FIRST, ORACLE, WorldTask
from envreward.worlds import WorldBatch

from ..grading_runners import find_factory
from ..worlds import RepositoryWorlds
from ..worlds_actions import REPOSITORY_TOOLS, RepositoryAction
from ..worlds_codec import SHAPE
from ..worlds_facts import FIELDS
from .exercises import Faults


class RepositoryRepair(WorldTask):
    """Repair one fault among the files of a small package."""

    fields = FIELDS
    candidate_shape = SHAPE
    tools = REPOSITORY_TOOLS
    behaviours = (ORACLE, FIRST)
    success_doc = "Submitted, and all tests of the repository pass in a fresh sandbox, hidden ones too."
    fitness_doc = "After submission, share of the broken tests repaired times share of the others kept; 0 before."

    def __init__(self, spec: TaskSpec, runner: str = "bubblewrap") -> None:
        """Set where tests run.

        Args:
            spec: From the catalog.
            runner: ``bubblewrap`` or ``docker``.
        """
        super().__init__(spec)
        self._runner = runner

    def open(self, num_worlds: int) -> WorldBatch[RepositoryAction]:
        """Return worlds, yet to be reset.

        Raises:
            ConfigError: The runner cannot be used.
            UnknownNameError: There is no such runner.
        """
        threads = min(num_worlds, 2 * (os.cpu_count() or 1))
        return RepositoryWorlds(num_worlds, Faults(), find_factory(self._runner), threads)
