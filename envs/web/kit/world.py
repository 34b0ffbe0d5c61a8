"""WebWorld: one app, one goal after another, seen through one backend."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Mapping
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from envreward.errors import ActionError
from envreward.worlds import Candidates, World

from .app import App, StateT
from .codec import Codec
from .describe import describe
from .events import Event, SubmitAnswer
from .features import MAX_KINDS
from .view import View, checked_event


class Backend(abc.ABC, Generic[StateT]):
    """What shows an episode's site to the agent and carries out its events; used by one thread at a time.

    The world checks each event against `view` first (`checked_event`), so that a backend gets only events that its
    view takes. After `open` and `do`, `view` holds what is shown.
    """

    view: View

    @abc.abstractmethod
    def open(self, app: App[StateT], state: StateT) -> None:
        """Begin a new session at the app's start, without anything of the one before.

        Raises:
            InfraError: The machinery failed.
        """

    @abc.abstractmethod
    def do(self, event: Event) -> None:
        """Carry out an event other than `SubmitAnswer`.

        Raises:
            ActionError: `GoTo` a path under which the site has no page; nothing has changed.
            InfraError: The machinery failed.
        """

    def frame(self) -> NDArray[np.uint8] | None:
        """Return a picture of the page, uint8 ``[h, w, 3]``, or ``None`` where it is not drawn."""
        return None

    def close(self) -> None:
        """Release what it holds."""


class WebWorld(World[Event], Generic[StateT]):
    """One episode of an app's task after another."""

    state: StateT

    def __init__(self, app: App[StateT], backend: Backend[StateT], horizon: int) -> None:
        """Create a world that must be reset first.

        Args:
            app: The site, which worlds may share.
            backend: Its own.
            horizon: Steps that an episode lasts at most; the candidate codec says which share of it is left.
        """
        self.app = app
        self.horizon = horizon
        self._backend = backend
        self._codec = Codec(app.page_kinds, app.commands)
        self._last_error = ""
        self._steps = self._failures = 0
        self._kinds = dict(zip(app.page_kinds, np.eye(MAX_KINDS, dtype=np.float32), strict=False))

    @property
    def view(self) -> View:
        """What is shown."""
        return self._backend.view

    def reset(self, seed: int) -> None:
        """Begin the episode of a seed."""
        self.state = self.app.new_state(seed)
        self._backend.open(self.app, self.state)
        self._codec.reset(self.app.goal(self.state), self.view.page.path)
        self._last_error = ""
        self._steps = self._failures = 0
        self.app.note(self.state, self.view)

    def act(self, action: Event) -> None:
        """Carry out an event."""
        page = self.view.page
        try:
            event = checked_event(self.view, action)
            if isinstance(event, SubmitAnswer):
                self.app.answer(self.state, event.text)
            else:
                self._backend.do(event)
        except ActionError as error:
            self.refuse(str(error))
            raise
        self._steps += 1
        self._last_error = ""
        self._codec.note(event, page, self.view.page.path)
        self.app.note(self.state, self.view)

    def refuse(self, reason: str) -> None:
        """Count a step in which nothing happened."""
        self._steps += 1
        self._failures += 1
        self._last_error = reason

    def facts(self) -> Mapping[str, Any]:
        """Return the app's facts and those that every site has."""
        view = self.view
        return {
            "url": view.page.path,
            "title": view.page.title,
            "page_kind": self._kinds[view.page.kind],
            "last_error": self._last_error,
            "failed_actions": self._failures,
            "pages_seen": len(self._codec.seen),
            "unsent_fields": len(view.typed) + len(view.checks),
            **self.app.facts(self.state, view),
        }

    def state_hash(self) -> str:
        """Return a hash of the episode's state and of what the client remembers."""
        text = repr((self.app.key(self.state), self.view.key()))
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()

    def candidates(self) -> Candidates[Event]:
        """Return what a small policy may choose from; the oracle's next event is always among it."""
        view = self.view
        return self._codec.candidates(
            view,
            self.app.parts_done(self.state),
            answers=self.app.answers(self.state, view),
            steps_left=1.0 - self._steps / self.horizon,
            failed=bool(self._last_error),
            oracle=self.oracle,
        )

    def describe(self) -> str:
        """Return the page in words."""
        return describe(self.view, self._last_error)

    def oracle(self) -> Event:
        """Return the next event of a way to succeed from here."""
        return self.app.oracle(self.state, self.view)

    @property
    def instruction(self) -> str:
        """What this episode asks for."""
        return self.app.goal(self.state).instruction

    def frame(self) -> NDArray[np.uint8]:
        """Return a picture of the page, uint8 ``[h, w, 3]``; of its words, where it is not drawn."""
        drawn = self._backend.frame()
        return super().frame() if drawn is None else drawn

    def close(self) -> None:
        """Release the backend."""
        self._backend.close()
