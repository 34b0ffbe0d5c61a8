"""WebTask: an app's goals as a task, on the backend that its spec names."""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

from envreward.errors import MissingExtraError, UnknownNameError
from envreward.fields import Field
from envreward.task_spec import TaskSpec
from envreward.world_task import FIRST, ORACLE, WorldTask, declare
from envreward.worlds import WorldBatch

from .app import App
from .events import Event
from .features import MAX_KINDS, SHAPE
from .tools import TOOLS
from .world import Backend, WebWorld

BACKENDS = {
    "tree": "envreward.envs.web.kit.tree",
    "asgi": "envreward.envs.web.kit.asgi",
    "browser": "envreward.envs.web.kit.browser",
}
"""Modules of the backends; each has ``open_worlds(make, num_worlds) -> WorldBatch``."""
COMMON = {
    "url": Field("Path of the page that is shown, with its query.", dtype="str"),
    "title": Field("Title of the page.", dtype="str"),
    "last_error": Field("Why the last action could not be taken; empty where it could.", dtype="str"),
    "failed_actions": Field("Actions of the episode so far that could not be taken."),
    "pages_seen": Field("Different paths, queries included, that have been shown so far."),
    "unsent_fields": Field("Fields on the page whose value has been changed and not sent."),
}
"""Facts that every site has, beside ``page_kind``."""


class WebTask(WorldTask):
    """A task on a site; a concrete one names its app."""

    app_type: ClassVar[type[App[Any]]]
    candidate_shape = SHAPE
    tools = TOOLS
    behaviours = (ORACLE, FIRST)

    def __init__(self, spec: TaskSpec, *, backend: str = "tree", **options: Any) -> None:
        """Make the task.

        Args:
            spec: Its spec.
            backend: One of `BACKENDS`.
            **options: Arguments of the app.

        Raises:
            UnknownNameError: No such backend.
        """
        super().__init__(spec)
        if backend not in BACKENDS:
            raise UnknownNameError("web backend", backend, BACKENDS)
        self.backend = backend
        self.app = self.app_type(**options)
        self.success_doc = self.app.success_doc
        self.fitness_doc = self.app.fitness_doc
        kinds = self.app.page_kinds
        names = (*kinds, *(f"unused_{i}" for i in range(len(kinds), MAX_KINDS)))
        kind = Field("Which kind of page is shown, one-hot.", shape=(MAX_KINDS,), names=names, role="flag")
        self.fields = declare({"page_kind": kind, **COMMON, **self.app.fields})
        self.replayable = backend != "browser"

    def open(self, num_worlds: int) -> WorldBatch[Event]:
        """Return ``num_worlds`` worlds on the task's backend, yet to be reset.

        Raises:
            MissingExtraError: The backend needs a package that is not installed.
            ConfigError: The backend cannot run here.
        """
        try:
            module = importlib.import_module(BACKENDS[self.backend])
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("envreward"):
                raise
            raise MissingExtraError(f"{self.spec.id} on the {self.backend} backend", "web") from error

        def make(backend: Backend[Any]) -> WebWorld[Any]:
            return WebWorld(self.app, backend, self.spec.horizon)

        worlds: WorldBatch[Event] = module.open_worlds(make, num_worlds)
        return worlds
