"""Events: what an agent may do with a page.

Elements are named by their ids on the page that is shown. Which events an element takes is a matter of its kind, see
`envreward.envs.web.kit.view`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Key: TypeAlias = Literal["Enter", "Space", "Tab"]
KEYS: tuple[Key, ...] = ("Enter", "Space", "Tab")


@dataclass(frozen=True, slots=True)
class Click:
    """Click a link, button, checkbox or radio button; or put the focus on a field."""

    id: str


@dataclass(frozen=True, slots=True)
class Fill:
    """Replace the text of a text field; nothing is sent until its form is submitted."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Select:
    """Choose an option of a drop-down list."""

    id: str
    option: str


@dataclass(frozen=True, slots=True)
class Press:
    """Press a key while an element has the focus; without an id, the one that has it now."""

    key: Key
    id: str = ""


@dataclass(frozen=True, slots=True)
class GoTo:
    """Open a path of the site, e.g. ``/cart``."""

    path: str


@dataclass(frozen=True, slots=True)
class Back:
    """Open the page before this one anew; what was typed there is not kept."""


@dataclass(frozen=True, slots=True)
class Scroll:
    """Scroll by most of a screen."""

    down: bool


@dataclass(frozen=True, slots=True)
class SubmitAnswer:
    """Hand in the answer to a question that the instruction asks."""

    text: str


Event: TypeAlias = Click | Fill | Select | Press | GoTo | Back | Scroll | SubmitAnswer
