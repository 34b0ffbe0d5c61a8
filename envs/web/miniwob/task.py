"""The MiniWoB++ tasks: one class for all of their pages."""

from __future__ import annotations

from envreward.task_spec import TaskSpec
from envreward.world_task import FIRST, ORACLE, WorldTask, declare

from .actions import TOOLS
from .batch import MiniWoBBatch
from .candidates import SHAPE
from .episode import FIELDS
from .games import GAMES


class MiniWoB(WorldTask):
    """One page of MiniWoB++ (Shi et al. 2017; Liu et al. 2018, https://arxiv.org/abs/1802.08802) as published."""

    fields = declare(FIELDS)
    candidate_shape = SHAPE
    tools = TOOLS
    success_doc = "The page's own raw reward (not scaled by time) is positive when it ends the episode."
    fitness_doc = "The page's own raw reward at the end of the episode, -1 to 1; 0 if it does not end."
    behaviours = (ORACLE, FIRST)

    def __init__(self, spec: TaskSpec, *, page: str) -> None:
        """Build the task of a page, e.g. ``click-test-2``."""
        super().__init__(spec)
        self._page = page

    def open(self, num_worlds: int) -> MiniWoBBatch:
        """Return ``num_worlds`` worlds, all in one page of the process's browser.

        Raises:
            ConfigError: No browser is installed.
            MissingExtraError: A package is missing.
            InfraError: The browser failed.
        """
        return MiniWoBBatch(self._page, GAMES[self._page], num_worlds)
