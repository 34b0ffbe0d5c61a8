"""A MiniWoB page as rows: one for each element that can be used or read, in document order."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from envreward.errors import InfraError

_CHECKED, _DISABLED, _FOCUSED, _READONLY, _MULTIPLE, _USABLE = (1 << bit for bit in range(6))
_CLICKED_TYPES = frozenset({"button", "submit", "reset", "image", "checkbox", "radio", "color", "range", "file"})
_SHAPES = frozenset({"rect", "circle", "ellipse", "polygon", "path", "line"})


class Element(NamedTuple):
    """One element that is to be seen in a page."""

    number: int
    """By which actions name it; the same throughout an episode."""
    tag: str
    type: str
    """Of controls: HTML's type, e.g. ``checkbox``."""
    id: str
    classes: str
    text: str
    """What it says; of a field, what its label says."""
    value: str
    """What a field holds; of lists, the options chosen."""
    flags: int
    left: int
    top: int
    width: int
    height: int
    colour: str
    """CSS colour of a shape or of a box with nothing in it; empty for others."""
    options: Sequence[str]
    """Of lists."""

    @property
    def checked(self) -> bool:
        """Whether it is a box or button that is ticked."""
        return bool(self.flags & _CHECKED)

    @property
    def disabled(self) -> bool:
        """Whether it cannot be used now."""
        return bool(self.flags & _DISABLED)

    @property
    def focused(self) -> bool:
        """Whether keys go to it."""
        return bool(self.flags & _FOCUSED)

    @property
    def usable(self) -> bool:
        """Whether it looks like something to click on: a control, or under a pointing cursor."""
        return bool(self.flags & _USABLE)

    @property
    def multiple(self) -> bool:
        """Whether several options of it may be chosen."""
        return bool(self.flags & _MULTIPLE)

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        if self.tag == "input" and self.type in ("checkbox", "radio"):
            return "toggle"
        if self.tag == "textarea" or (self.tag == "input" and self.type not in _CLICKED_TYPES):
            return "field"
        if self.tag in ("input", "button"):
            return "button"
        if self.tag == "select":
            return "list"
        if self.tag == "a":
            return "link"
        if self.tag in _SHAPES:
            return "shape"
        return "item" if self.usable or not self.text else "text"

    @property
    def writable(self) -> bool:
        """Whether text can be typed into it now."""
        return self.kind == "field" and not self.flags & (_DISABLED | _READONLY)

    @property
    def colour_name(self) -> str:
        """Common name of its colour; empty where it has none."""
        return name_of_colour(self.colour) if self.colour else ""


KINDS = ("button", "link", "toggle", "field", "list", "shape", "item", "text")


class Look(NamedTuple):
    """What is to be seen in a world."""

    utterance: str
    """What to do, as the page says it."""
    fields: dict[str, str] | None
    """The utterance's parts where the page itself names them."""
    done: bool
    raw_reward: float
    """The page's own reward for the episode, not scaled by time; 0 while it runs."""
    elements: list[Element]

    def hash(self) -> str:
        """Return a hash of all that is to be seen; elements count by what they are, not by their numbers."""
        seen = [element[1:] for element in self.elements]
        content = repr((self.utterance, self.done, self.raw_reward, seen))
        return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()

    def text(self) -> str:
        """Return all that the page says."""
        return " ".join(element.text for element in self.elements if element.text)


def look(answer: Sequence[Any]) -> Look:
    """Read one world of what the page answered.

    Raises:
        InfraError: The page's own script failed.
    """
    if len(answer) == 2:
        raise InfraError(f"the page failed: {answer[1]}")
    _, utterance, fields, done, raw_reward, rows = answer
    return Look(utterance, fields, done, float(raw_reward), [Element(*row) for row in rows])


_COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (0, 0, 0), "white": (255, 255, 255), "grey": (128, 128, 128), "red": (255, 0, 0), "green": (0, 128, 0),
    "blue": (0, 0, 255), "lime": (0, 255, 0), "olive": (128, 128, 0), "purple": (128, 0, 128),
    "orange": (255, 165, 0), "yellow": (255, 255, 0), "cyan": (0, 255, 255), "pink": (255, 192, 203),
    "magenta": (255, 0, 255),
}  # fmt: skip
"""CSS Color Module Level 4, section 6.1."""
_RGB = re.compile(r"rgba?\((\d+), (\d+), (\d+)")


@functools.lru_cache(maxsize=4096)
def name_of_colour(css: str) -> str:
    """Return the name of the nearest common colour of a computed CSS colour, e.g. ``rgb(255, 0, 0)``."""
    match = _RGB.match(css)
    if match is None:
        return ""
    rgb = tuple(map(int, match.groups()))
    return min(_COLOURS, key=lambda name: sum((a - b) ** 2 for a, b in zip(_COLOURS[name], rgb, strict=True)))


_MAX_LINES = 120


def describe(look: Look) -> str:
    """Return a page in words: a line for each element, ``[number] kind "text" ...``."""
    lines = [_line(element) for element in look.elements[:_MAX_LINES]]
    if len(look.elements) > _MAX_LINES:
        lines.append(f"... and {len(look.elements) - _MAX_LINES} more elements")
    if look.done:
        lines.append("The episode is over.")
    return "\n".join(lines)


def _line(element: Element) -> str:
    kind = element.tag if element.kind in ("shape", "item", "text") else element.type or element.kind
    parts = [f"[{element.number}] {kind}"]
    if element.text:
        parts.append(f'"{element.text}"')
    if element.kind == "field" or (element.kind == "list" and element.value):
        parts.append(f'= "{element.value}"')
    if element.options:
        parts.append("of " + ", ".join(f'"{option}"' for option in element.options))
    if element.colour:
        parts.append(element.colour_name)
    if element.kind in ("shape", "item") or element.colour:
        parts.append(f"at ({element.left}, {element.top}) size {element.width}x{element.height}")
        if not element.text and element.classes:
            parts.append(f"class {element.classes}")
    marks = ("checked", element.checked), ("disabled", element.disabled), ("focused", element.focused)
    parts += [name for name, on in marks if on]
    return " ".join(parts)
