"""One episode in a MiniWoB page: what is to be seen now, and what was done so far."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from envreward.fields import Field

from .actions import Action, Click, Drag, Hover, Press, Select, Type
from .game import MAX_FIELDS, Game
from .listing import Element, Look

_WORD = re.compile(r"\w+")
_ORDINALS = ("1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th", "9th", "10th")


class Reading:
    """How texts of a page relate to the episode's utterance; remembered by text."""

    def __init__(self, utterance: str, fields: Mapping[str, str]) -> None:
        self.values = list(fields.values())[:MAX_FIELDS]
        lowered = utterance.lower()
        self.words = frozenset(_WORD.findall(lowered))
        self.ordinals = frozenset(n for n, word in enumerate(_ORDINALS) if word in self.words)
        self._known: dict[str, tuple[float, tuple[float, ...]]] = {}
        self._blank = (0.0,) * MAX_FIELDS

    def of(self, text: str) -> tuple[float, tuple[float, ...]]:
        """Return the share of a text's words that the utterance has, and which fields it equals, 1 or 0 each."""
        if not text:
            return 0.0, self._blank
        known = self._known.get(text)
        if known is None:
            words = _WORD.findall(text.lower())
            share = sum(word in self.words for word in words) / len(words) if words else 0.0
            equal = [float(text == value) for value in self.values]
            known = self._known[text] = share, (*equal, *self._blank[len(equal) :])
        return known


class Episode:
    """A running episode and its tallies."""

    def __init__(self, game: Game, look: Look) -> None:
        self.look = look
        self.fields = dict(look.fields) if look.fields is not None else dict(game.fields(look.utterance))
        self.reading = Reading(look.utterance, self.fields)
        self.touched: set[int] = set()
        """Elements that were acted on."""
        self.clicks = self.keys = self.typed = 0
        self.last: Action | None = None
        self.last_failed = self.changed = False
        self.overlap = 0.0
        self._hash = look.hash()
        self._seen = {self._hash}

    def took(self, action: Action, error: str, look: Look) -> None:
        """Note an action and what is to be seen after it."""
        self.last, self.last_failed = action, bool(error)
        self.overlap = 0.0
        if not error:
            self._count(action)
        self.look = look
        before, self._hash = self._hash, look.hash()
        self.changed = self._hash != before
        self._seen.add(self._hash)

    def _count(self, action: Action) -> None:
        if isinstance(action, (Click, Type, Select, Drag, Hover)):
            self.touched.add(action.element)
            text = next((e.text for e in self.look.elements if e.number == action.element), "")
            self.overlap = self.reading.of(text)[0]
        if isinstance(action, Click):
            self.clicks += 1
        elif isinstance(action, Type):
            self.typed += len(action.text)
        elif isinstance(action, Press):
            self.keys += 1

    @property
    def hash(self) -> str:
        """Hash of the state."""
        return self._hash

    def held(self) -> int:
        """Return how many of the utterance's fields some field or list of the page holds, or some ticked box names."""
        held = {e.value for e in self.look.elements if e.value} | {e.text for e in self.look.elements if e.checked}
        return sum(value in held for value in self.reading.values)

    def facts(self) -> dict[str, Any]:
        """Return the value of each of `FIELDS`."""
        look = self.look
        elements = look.elements
        focused = next((e for e in elements if e.focused), None)
        return {
            "utterance": look.utterance,
            "utterance_fields": "; ".join(f"{name}={value}" for name, value in self.fields.items()),
            "page_text": look.text(),
            "focused": _name(focused) if focused is not None else "",
            "entered": "; ".join(e.value for e in elements if e.value),
            "elements": len(elements),
            "controls": sum(e.usable for e in elements),
            "disabled": sum(e.disabled for e in elements),
            "ticked": sum(e.checked for e in elements),
            "fields_total": len(self.reading.values),
            "fields_entered": self.held(),
            "clicks": self.clicks,
            "keys_pressed": self.keys,
            "characters_typed": self.typed,
            "elements_touched": len(self.touched),
            "target_overlap": self.overlap,
            "page_changed": self.changed,
            "states_seen": len(self._seen),
            "over": look.done,
            "raw_reward": look.raw_reward,
            "success": look.done and look.raw_reward > 0,
            "failure": look.done,
            "fitness": look.raw_reward if look.done else 0.0,
        }


def _name(element: Element) -> str:
    return f"{element.kind} {element.text or element.id}".strip()


FIELDS: dict[str, Field] = {
    "utterance": Field("What to do in this episode, as the page says it.", dtype="str"),
    "utterance_fields": Field("The utterance's parts, name=value each, separated by semicolons.", dtype="str"),
    "page_text": Field("All that the page says, without the utterance.", dtype="str"),
    "focused": Field("Kind and text of the element that keys go to; empty for none.", dtype="str"),
    "entered": Field("What the page's fields and lists hold, separated by semicolons.", dtype="str"),
    "elements": Field("Elements that are to be seen.", unit="elements"),
    "controls": Field("Elements that look like something to click on or type into.", unit="elements"),
    "disabled": Field("Elements that cannot be used now.", unit="elements"),
    "ticked": Field("Boxes and radio buttons that are ticked.", unit="elements"),
    "fields_total": Field("Parts that the utterance has, 4 at most.", unit="fields"),
    "fields_entered": Field(
        "How many of the utterance's parts some field or list holds, or some ticked box names.", unit="fields"
    ),
    "clicks": Field("Clicks so far.", unit="clicks"),
    "keys_pressed": Field("Single keys pressed so far.", unit="keys"),
    "characters_typed": Field("Characters typed so far.", unit="characters"),
    "elements_touched": Field("Different elements acted on so far.", unit="elements"),
    "target_overlap": Field("Share of the words of the element just acted on that are in the utterance, 0 to 1."),
    "page_changed": Field("Whether the last action changed what is to be seen.", dtype="bool", role="flag"),
    "states_seen": Field("Different states of the page so far.", unit="states"),
    "over": Field("Whether the page ended the episode.", dtype="bool", role="flag"),
    "raw_reward": Field("MiniWoB's reward at the end, not scaled by time, -1 to 1; 0 before.", private=True),
    "success": Field("Whether the page gave a positive reward.", dtype="bool", role="flag", private=True),
    "failure": Field(
        "Whether the page ended the episode, for better or worse.", dtype="bool", role="flag", private=True
    ),
    "fitness": Field("MiniWoB's reward at the end, not scaled by time; 0 before.", private=True),
}
"""What is stated of every world."""
