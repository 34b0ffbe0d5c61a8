"""Offers: the events that make sense on each element, and the numbers that describe them while their page is shown."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from .events import Click, Event, Fill, Select, SubmitAnswer
from .features import FEATURES, SHAPE
from .matching import Matcher
from .page import CHECKS, CONTROLS, INTERACTIVE, TEXT_FIELDS, Element, Page
from .view import takes

MAX_FILLS = 8
"""Values offered for one text field."""
MAX_OPTIONS = 6
"""Options offered of one list; longer lists offer those that the goal mentions."""
_PACK = struct.Struct(f"<{SHAPE.features}f").pack
_IN_FOCUS, _PRICE_FITS = FEATURES.index("in_focus"), FEATURES.index("price_fits")
_WHOLE = 0.99
"""Shares from here on count as all of a value's words; sums of shares are not exact."""


class Focus(NamedTuple):
    """Which part of the goal the page is about, and which are done."""

    part: int
    done: tuple[bool, ...]

    def sort(self, parts: Sequence[float]) -> tuple[float, float, float]:
        """Return the best match of the part in focus, of the other open parts, and of done ones."""
        other = done = 0.0
        for part, is_done in enumerate(self.done):
            if is_done:
                done = max(done, parts[part])
            elif part != self.part:
                other = max(other, parts[part])
        return parts[self.part], other, done


class Offer(NamedTuple):
    """One candidate."""

    event: Event
    row: bytes
    """Its features as float32, those that change with what is typed at 0."""
    relevance: float
    element: Element
    wanted: str = ""
    """For a field of which the event sets a whole value of the part in focus: that value, of a checkbox or radio button
    its id."""


class Offers:
    """Makes the offers of a goal's episode; an element that is met again costs one look-up."""

    def __init__(self, match: Matcher, commands: Mapping[str, int]) -> None:
        self._match = match
        self._commands = commands
        self._made: dict[Focus, dict[object, tuple[Offer, ...]]] = {}

    def of(self, page: Page, elements: Iterable[Element], focus: Focus) -> list[Offer]:
        """Return the offers of those of a page's elements that take input, in their order.

        Args:
            page: It.
            elements: Those of its elements that are on the screen.
            focus: What the page is about.
        """
        made = self._made.setdefault(focus, {})
        offers: list[Offer] = []
        for element in elements:
            if element.kind not in INTERACTIVE or element.disabled:
                continue
            cells = page.by_id[element.within].options if element.within else ()
            key = (element, cells) if cells else element
            known = made.get(key)
            if known is None:
                known = made[key] = self._make(element, cells, focus)
            offers += known
        return offers

    def answer(self, text: str, page: Page, focus: Focus) -> Offer:
        """Return the offer of an answer to the question asked; a row of the page that holds it counts as its text."""
        cells = next((e.options for e in page.elements if e.kind == "row" and text in e.options), ())
        return self._offer(SubmitAnswer(text), ("answer",), _NOWHERE, self._match.by_slot((text, *cells)), focus)

    def _make(self, element: Element, cells: tuple[str, ...], focus: Focus) -> tuple[Offer, ...]:
        kind, match = element.kind, self._match
        if kind in TEXT_FIELDS:
            return tuple(self._fills(element, focus))
        if kind == "select":
            return tuple(self._options(element, cells, focus))
        texts = (element.label, *cells)
        covered = match.by_slot(texts)
        if kind in CHECKS:
            named = self._named(match.by_slot((element.label,)), element.group, *cells) if covered else 0.0
            return (self._offer(_click(element.id), _CHECK, element, covered, focus, named=named),)
        return (self._offer(_click(element.id), _CLICK, element, covered, focus, price=match.fits(focus.part, texts)),)

    def _fills(self, element: Element, focus: Focus) -> Iterator[Offer]:
        slots = self._match.slots
        called_for = self._match.named(element.label, element.group)
        chosen = sorted(called_for or range(len(slots)), key=lambda i: slots[i].part != focus.part)
        named = {slots[i].value: called_for.get(i, 0.0) for i in reversed(chosen)}
        for value in [value for value in reversed(named) if takes(element, value)][:MAX_FILLS]:
            covered = self._match.by_slot((value,))
            yield self._offer(Fill(element.id, value), _FILL, element, covered, focus, value, named[value])

    def _options(self, element: Element, cells: tuple[str, ...], focus: Focus) -> Iterator[Offer]:
        covered = {option: self._match.by_slot((option,)) for option in element.options}
        options: Sequence[str] = element.options
        if len(options) > MAX_OPTIONS:
            options = sorted((o for o in options if covered[o]), key=lambda o: -max(covered[o].values()))[:MAX_OPTIONS]
        for option in options:
            named = self._named(covered[option], element.label, element.group, *cells)
            yield self._offer(Select(element.id, option), _SELECT, element, covered[option], focus, option, named)

    def _named(self, covered: dict[int, float], *labels: str) -> float:
        """Return how well ``labels`` name a slot that a text covers wholly."""
        if not covered:
            return 0.0
        named = self._match.named(*labels)
        return max((named.get(index, 0.0) for index, share in covered.items() if share > _WHOLE), default=0.0)

    def _offer(
        self,
        event: Event,
        names: tuple[str, ...],
        element: Element,
        covered: dict[int, float],
        focus: Focus,
        value: str = "",
        named: float = 0.0,
        price: float = 0.0,
    ) -> Offer:
        command = self._commands.get(element.label, -1)
        if not covered and not price:
            return Offer(event, _plain_row(names, command), 2.0 * (command >= 0), element)
        mine, other, done = focus.sort(self._match.by_part(covered))
        row = list(_base(names, command))
        row[_IN_FOCUS : _IN_FOCUS + 4] = mine, other, done, named
        row[_PRICE_FITS] = price
        relevance = 3 * mine + 2 * (command >= 0) + other + named
        wanted = (value or element.id) if mine > _WHOLE and element.kind in CONTROLS else ""
        return Offer(event, _PACK(*row), relevance, element, wanted)


@functools.lru_cache(maxsize=4096)
def _click(id: str) -> Click:
    return Click(id)


@functools.cache
def _base(names: tuple[str, ...], command: int) -> tuple[float, ...]:
    row = [0.0] * SHAPE.features
    for name in names:
        row[FEATURES.index(name)] = 1.0
    if command >= 0:
        row[FEATURES.index("command_0") + command] = 1.0
    return tuple(row)


@functools.cache
def _plain_row(names: tuple[str, ...], command: int) -> bytes:
    return _PACK(*_base(names, command))


_NOWHERE = Element(id="", kind="text")
_CLICK, _CHECK, _FILL, _SELECT = ("click",), ("click", "check"), ("fill",), ("select",)
