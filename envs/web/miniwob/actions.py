"""What an agent may do in a MiniWoB page, and the tools by which a language model does it.

Elements are named by the numbers in the listing of the page; a number names the same element throughout an episode.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from envreward.errors import ActionError
from envreward.worlds import Tool

MAX_TEXT = 10_000
"""Longest text that may be typed, in characters."""
KEYS: tuple[str, ...] = (
    *("Enter", "Tab", "Escape", "Backspace", "Delete", "Home", "End", "PageUp", "PageDown"),
    *("ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"),
)
"""Keys that may be pressed."""


@dataclass(frozen=True)
class Wait:
    """Do nothing for a second."""


@dataclass(frozen=True)
class Click:
    """Click on an element."""

    element: int


@dataclass(frozen=True)
class Type:
    """Replace what a text field holds."""

    element: int
    text: str


@dataclass(frozen=True)
class Select:
    """Choose an option of a list; in a list of several choices, choose it or drop it."""

    element: int
    option: str


@dataclass(frozen=True)
class Press:
    """Press a key, in the element that has the focus."""

    key: str


@dataclass(frozen=True)
class Drag:
    """Drag an element and drop it on the centre of another one."""

    element: int
    onto: int


@dataclass(frozen=True)
class Hover:
    """Move the mouse over an element."""

    element: int


Action: TypeAlias = Wait | Click | Type | Select | Press | Drag | Hover


def _type(element: int, text: str) -> Type:
    if len(text) > MAX_TEXT:
        raise ActionError(f"type: the text is {len(text):,} characters long; at most {MAX_TEXT:,}")
    return Type(element, text)


_ELEMENT = {"type": "integer", "description": "Number of the element, as in the listing of the page."}

TOOLS: tuple[Tool, ...] = (
    Tool(
        "click",
        "Click on an element. Fails if there is no such element or it is disabled.",
        {"id": _ELEMENT},
        lambda id: Click(id),
    ),
    Tool(
        "type",
        "Replace the content of a text field with a text. Fails for elements that are no text fields, and where the "
        "field takes no such text: dates are written YYYY-MM-DD, times HH:MM.",
        {"id": _ELEMENT, "text": {"type": "string", "description": "The whole new content."}},
        lambda id, text: _type(id, text),
    ),
    Tool(
        "select",
        "Choose an option of a drop-down list; in a list of several choices, choose it or drop it.",
        {"id": _ELEMENT, "option": {"type": "string", "description": "The option's text as listed."}},
        lambda id, option: Select(id, option),
    ),
    Tool(
        "press",
        "Press a key in the element that has the focus; click on one to focus it.",
        {"key": {"type": "string", "enum": list(KEYS)}},
        Press,
    ),
    Tool(
        "drag",
        "Drag an element with the mouse and drop it on the centre of another one.",
        {"from": _ELEMENT, "to": _ELEMENT},
        lambda **ends: Drag(ends["from"], ends["to"]),
    ),
    Tool("hover", "Move the mouse over an element, e.g. to open a submenu.", {"id": _ELEMENT}, lambda id: Hover(id)),
    Tool("wait", "Do nothing for a second.", {}, Wait),
)
"""What a language model may call. The page's clock moves by one second with each call."""
