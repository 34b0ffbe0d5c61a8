"""The tensor codec of MiniWoB pages: what could be done now, and how it looks to a small policy.

The candidates are: wait, so that doing nothing is always possible and always first; a click on each element; each field
of the utterance typed into each text field; each option of each list; and, in the games that need them, keys, texts of
the page typed into text fields, drags of one element onto another, and hovering. All numbers come from what is to be
seen and from the utterance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from envreward.worlds import Candidates, CandidateShape

from .actions import KEYS, Action, Click, Drag, Hover, Press, Select, Type, Wait
from .episode import Episode
from .game import MAX_FIELDS, Game
from .listing import KINDS, Element

_ACTIONS = (Wait, Click, Type, Select, Press, Drag, Hover)
_ACTION_ROW = {kind: tuple(float(n == i) for n in range(len(_ACTIONS))) for i, kind in enumerate(_ACTIONS)}
_KIND_ROW = {kind: tuple(float(n == i) for n in range(len(KINDS))) for i, kind in enumerate(KINDS)}
_NO_KIND = (0.0,) * len(KINDS)
_NO_FIELDS = (0.0,) * MAX_FIELDS
_ELEMENT_NUMBERS = 13
_NO_ELEMENT = (*_NO_KIND, *(0.0,) * _ELEMENT_NUMBERS, *_NO_FIELDS)
_WIDTH, _HEIGHT = 160, 210  # of a task, CSS pixels

SHAPE = CandidateShape(
    choices=72,
    features=len(_ACTIONS) + len(KINDS) + _ELEMENT_NUMBERS + 2 * MAX_FIELDS + 4,
    context=10 + len(_ACTIONS),
)
"""Sizes of the codec, the same for all games, so that one policy can play several."""


class _Choice(NamedTuple):
    action: Action
    element: Element | None
    argument: str
    """Text that is typed or chosen, or that is on the element."""
    onto: Element | None = None
    """Where it is dropped."""


def offer(game: Game, episode: Episode) -> Candidates[Action]:
    """Return the candidates of an episode as it is now, `SHAPE.choices` at most: the least useful are left out."""
    choices = [_Choice(Wait(), None, "")]
    if not episode.look.done:
        choices += _limited(list(_choices(game, episode)), SHAPE.choices - 1)
    places = _places(episode.look.elements)
    rows = [_row(choice, episode, places) for choice in choices]
    return Candidates([c.action for c in choices], np.array(rows, np.float32), _context(episode, len(choices)))


def _choices(game: Game, episode: Episode) -> Iterator[_Choice]:
    elements = [element for element in episode.look.elements if not element.disabled]
    texts = episode.reading.values
    if game.copies:
        texts = list(dict.fromkeys([*texts, *_shown(elements)]))
    for element in elements:
        kind = element.kind
        if kind != "list":
            yield _Choice(Click(element.number), element, element.text)
        if element.writable:
            for text in texts:
                yield _Choice(Type(element.number, text), element, text)
        for option in dict.fromkeys(element.options):
            yield _Choice(Select(element.number, option), element, option)
    for key in game.keys:
        yield _Choice(Press(key), None, "")
    if game.hovers:
        for element in elements:
            yield _Choice(Hover(element.number), element, element.text)
    if game.drags:
        fixed = ("button", "field", "list", "toggle")
        movable = [e for e in elements if e.kind not in fixed and (e.text or e.kind == "shape")]
        for element in movable:
            for onto in movable:
                if element is not onto:
                    yield _Choice(Drag(element.number, onto.number), element, onto.text, onto)


def _shown(elements: list[Element]) -> Iterator[str]:
    """The texts that a page shows, and the words of the longer ones."""
    for element in elements:
        if element.kind == "field":
            yield from filter(None, [element.value])
        elif element.kind in ("text", "item") and element.text:
            yield element.text
            words = element.text.split()
            if len(words) > 3:
                yield from (word.strip(".,:;") for word in words)


def _limited(choices: list[_Choice], limit: int) -> list[_Choice]:
    """Leave out what is over the limit: clicks on mere text first, and then the last ones."""
    over = len(choices) - limit
    if over <= 0:
        return choices
    mere_text = [
        n for n, c in enumerate(choices) if isinstance(c.action, Click) and c.element and c.element.kind == "text"
    ]
    dropped = frozenset(mere_text[-over:])
    return [choice for n, choice in enumerate(choices) if n not in dropped][:limit]


def _places(elements: list[Element]) -> dict[int, tuple[int, int]]:
    """Return each element's place among those of its kind, and how many there are."""
    total = Counter(element.kind for element in elements)
    seen: Counter[str] = Counter()
    places = {}
    for element in elements:
        kind = element.kind
        places[element.number] = seen[kind], total[kind]
        seen[kind] += 1
    return places


def _row(choice: _Choice, episode: Episode, places: dict[int, tuple[int, int]]) -> tuple[float, ...]:
    action, element, argument, onto = choice
    share, equal = episode.reading.of(argument)
    head = _ACTION_ROW[type(action)]
    if element is None:  # a key is told from the others by its place among them
        key = KEYS.index(action.key) / len(KEYS) if isinstance(action, Press) else 0.0
        return (*head, *_NO_ELEMENT, key, 0.0, *equal, 0.0, 0.0)
    own_share, own_equal = episode.reading.of(element.text)
    place, count = places[element.number]
    words = episode.reading.words
    holds = bool(argument) and element.value == argument
    return (
        *head,
        *_KIND_ROW[element.kind],
        own_share,
        element.checked,
        element.focused,
        element.usable,
        element.number in episode.touched,
        *_centre(element),
        min(element.width * element.height / (_WIDTH * _HEIGHT), 1.0),
        place / count,
        place in episode.reading.ordinals,
        bool(element.colour) and element.colour_name in words,
        bool(element.value),
        element.tag in words or element.type in words,
        *own_equal,
        share,
        holds,
        *equal,
        *(_centre(onto) if onto is not None else (0.0, 0.0)),
    )


def _centre(element: Element) -> tuple[float, float]:
    x = (element.left + element.width / 2) / _WIDTH
    y = (element.top + element.height / 2) / _HEIGHT
    return min(max(x, -1.0), 1.0), min(max(y, -1.0), 1.0)


def _context(episode: Episode, choices: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    total = len(episode.reading.values)
    numbers = (
        1.0,
        min(len(episode.look.utterance) / 200, 1.0),
        min(len(episode.look.elements) / 64, 1.0),
        choices / SHAPE.choices,
        total / MAX_FIELDS,
        episode.held() / total if total else 0.0,
        min(episode.clicks / 10, 1.0),
        min(len(episode.touched) / 10, 1.0),
        episode.last_failed,
        episode.changed,
        *(_ACTION_ROW[type(episode.last)] if episode.last is not None else (0.0,) * len(_ACTIONS)),
    )
    return np.array(numbers, np.float32)
