"""A game: what is known of one MiniWoB page beyond what it shows, and how it is won."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .actions import Action
from .listing import Element, Look

MAX_FIELDS = 4
"""Parts of an utterance that candidates are made of, at most."""
_QUOTED = re.compile(r'"([^"]+)"')

Fields = Mapping[str, str]


@dataclass(frozen=True)
class Scene:
    """What an oracle goes by: what is to be seen, the utterance's fields, and a look behind the page."""

    look: Look
    fields: Fields
    peek: Callable[[str], Any]
    """Value of a JavaScript expression in the page."""

    def all(self, *kinds: str, text: str | None = None, id: str | None = None, cls: str | None = None) -> list[Element]:
        """Return the elements of some kinds (any, if none is given) with a text, an id or a class."""
        return [
            element
            for element in self.look.elements
            if (not kinds or element.kind in kinds)
            and (text is None or element.text == text)
            and (id is None or element.id == id)
            and (cls is None or cls in element.classes.split())
        ]

    def one(self, *kinds: str, text: str | None = None, id: str | None = None, cls: str | None = None) -> Element:
        """Return the first of `all`.

        Raises:
            LookupError: There is none.
        """
        found = self.all(*kinds, text=text, id=id, cls=cls)
        if not found:
            raise LookupError(f"no {'/'.join(kinds) or 'element'} with text {text!r}, id {id!r}, class {cls!r}")
        return found[0]


def quoted(utterance: str) -> dict[str, str]:
    """Return what an utterance has in quotation marks, by its place."""
    return {f"quoted_{n}": text for n, text in enumerate(_QUOTED.findall(utterance))}


def named(pattern: str) -> Callable[[str], dict[str, str]]:
    """Return a reader of utterances: the named groups of a regular expression, those that took part."""
    expression = re.compile(pattern)

    def read(utterance: str) -> dict[str, str]:
        match = expression.search(utterance)
        return {key: text for key, text in match.groupdict().items() if text} if match else {}

    return read


@dataclass(frozen=True, kw_only=True)
class Game:
    """One MiniWoB page."""

    oracle: Callable[[Scene], Action]
    """Next action of a way to win; may look behind the page."""
    fields: Callable[[str], Fields] = quoted
    """Reads the fields from an utterance, `MAX_FIELDS` at most."""
    copies: bool = False
    """Whether candidates type what the page shows, too."""
    keys: tuple[str, ...] = ()
    """Keys that are among the candidates."""
    drags: bool = False
    """Whether dragging is among the candidates."""
    hovers: bool = False
    """Whether hovering is among the candidates."""
    anew: bool = False
    """Whether the page must be loaded anew for each episode, because it does not forget the one before."""
