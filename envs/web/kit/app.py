"""App: a site and what to do on it, as functions of one episode's state.

A state is a plain object of the app's own (a dataclass), made from a seed. Pages are pure functions of it; only
`handle` and `answer` change it, while `visit` and `note` may record what has been shown. This is HTTP's own division of
labour: links and ``get`` forms open paths, ``post`` forms change things and redirect.
"""

from __future__ import annotations

import abc
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar
from urllib.parse import parse_qsl

from envreward.errors import ActionError
from envreward.fields import Field

from .events import Event
from .page import Page
from .view import View

StateT = TypeVar("StateT")
MAX_PARTS = 4
"""Parts of a goal at most."""


class Slot(NamedTuple):
    """One value that the instruction gives, e.g. a name to type, a colour to choose or a price not to exceed."""

    name: str
    """What it is, in the words in which a page would label it: ``"full name"``, ``"colour"``."""
    value: str
    part: int = 0
    """Which part of the goal it belongs to, from 0 to `MAX_PARTS` - 1."""
    at_most: float | None = None
    """For a limit: the largest amount, in €; ``value`` is then its text. Limits are never typed."""


@dataclass(frozen=True)
class Goal:
    """What an episode asks for, as the agent is told it."""

    instruction: str
    slots: tuple[Slot, ...] = ()
    """Every value that the instruction mentions and that may have to be typed, chosen or found on a page."""
    parts: int = 1
    """Parts that can be done one after another, at most `MAX_PARTS`."""


class Post(NamedTuple):
    """A submitted ``post`` form."""

    path: str
    """The form's action."""
    fields: tuple[tuple[str, str], ...]
    """Names and values in document order, as HTML sends them: no disabled fields, no unchecked boxes."""

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of a name."""
        return next((value for key, value in self.fields if key == name), default)

    def all(self, name: str) -> list[str]:
        """Return every value of a name, e.g. of checkboxes that share it."""
        return [value for key, value in self.fields if key == name]


class App(abc.ABC, Generic[StateT]):
    """A site, its goals, and how far an episode has come."""

    name: ClassVar[str]
    start: ClassVar[str] = "/"
    """Path that an episode begins at."""
    page_kinds: ClassVar[tuple[str, ...]]
    """Kinds of its pages, at most 8."""
    commands: ClassVar[tuple[str, ...]]
    """Labels of the links and buttons by which one gets on, at most 8; a small policy tells them apart by this list."""
    fields: Mapping[str, Field]
    """Its facts, as fields; the private ``success``, ``failure`` and ``fitness`` among them."""
    success_doc: ClassVar[str]
    fitness_doc: ClassVar[str]

    @abc.abstractmethod
    def new_state(self, seed: int) -> StateT:
        """Return the state in which the episode of a seed (63 bits) begins; in well under a millisecond."""

    @abc.abstractmethod
    def page(self, state: StateT, path: str) -> Page | None:
        """Return the page under a path (with its query, see `split`), or ``None`` where there is none; pure."""

    @abc.abstractmethod
    def handle(self, state: StateT, post: Post) -> str | None:
        """Change the state as a submitted form asks and return the path of the page to show next, or ``None`` where no
        form is sent to that path. What is invalid changes no more than what the next page then says about it.
        """

    def visit(self, state: StateT, path: str) -> None:
        """Note that a page has been shown; called right after `page` for everything the agent opens.

        It may serve facts such as "the right product has been looked at"; what pages show must not depend on it.
        """

    def note(self, state: StateT, view: View) -> None:
        """Note what is on the screen, what is typed and not sent included; called once after the reset and each event.

        For facts that stay true once they were, such as milestones. What pages show must not depend on it.
        """

    def answer(self, state: StateT, text: str) -> None:
        """Take the answer to the instruction's question.

        Raises:
            ActionError: The instruction asks no question.
        """
        raise ActionError("the instruction asks no question: there is nothing to answer")

    def answers(self, state: StateT, view: View) -> Sequence[str]:
        """Return answers that what is on the screen suggests, for `SubmitAnswer` as a candidate; at most 8, public."""
        return ()

    @abc.abstractmethod
    def goal(self, state: StateT) -> Goal:
        """Return what the episode asks for; the same object throughout an episode."""

    @abc.abstractmethod
    def parts_done(self, state: StateT) -> tuple[bool, ...]:
        """Return which parts of the goal are done as things stand, one entry per part; public."""

    @abc.abstractmethod
    def facts(self, state: StateT, view: View) -> Mapping[str, Any]:
        """Return the present value of each of ``fields``."""

    @abc.abstractmethod
    def oracle(self, state: StateT, view: View) -> Event:
        """Return the next event of a way to succeed from here, whatever was done before, as long as there is one."""

    def key(self, state: StateT) -> Any:
        """Return what makes states differ, as something whose ``repr`` is the same for equal states in all processes.

        The state itself will do where it is a dataclass without sets. Keep out of it, by ``field(repr=False)``, what is
        large and never changes, and what is noted for facts alone: no page depends on it.
        """
        return state


@functools.lru_cache(maxsize=65536)
def split(path: str) -> tuple[str, Mapping[str, str]]:
    """Return a path without its query, and the query's values by name (the last of each), with line ends as LF."""
    route, _, query = path.partition("?")
    return route, {name: plain(value) for name, value in parse_qsl(query, keep_blank_values=True)} if query else {}


def plain(text: str) -> str:
    """Return a text that was sent as HTML would hold it: line ends as LF, no NUL."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
