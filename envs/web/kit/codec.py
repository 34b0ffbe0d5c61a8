"""Candidate codec: the events that make sense on a page, as rows of numbers for a small policy.

Offered are a click on each link, button, checkbox and radio button on the screen; each text field filled with each
value of the goal that its label calls for; each option of a short list, of a long one those that the goal mentions; the
answers that the app suggests; going back and scrolling; and, last, while something is typed or chosen and not sent,
loading the page anew, which undoes that. What is more than K is dropped, least relevant first, but never the oracle's
next event.

All numbers come from the page, from the instruction, and from which parts of the goal are done. One part is *in focus*:
of those not done, the one that the page's title matches best, by default the first. So a policy needs no notion of
which of two products it is looking at. What they are in detail: `features`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from envreward.worlds import Candidates

from .app import MAX_PARTS, Goal
from .events import Back, Click, Event, Fill, GoTo, Scroll, Select
from .features import CONTEXT, FEATURES, MAX_KINDS, SHAPE
from .matching import Matcher
from .offers import Focus, Offer, Offers
from .page import CHECKS, Element, Page
from .view import SCREEN, View

_ALREADY, _USED, _SHARE, _UNSENT, _POSITION = map(
    FEATURES.index, ("already_so", "used", "form_share", "unsent", "position")
)
_C = {name: i for i, name in enumerate(CONTEXT)}
_POSITIONS = [np.linspace(0, 1, max(n, 1), dtype=np.float32)[:n] for n in range(SHAPE.choices + 1)]
_MOVE = np.eye(SHAPE.features, dtype=np.float32)[FEATURES.index("move")].tobytes()


class _Group(NamedTuple):
    """A field, or the radio buttons of one name, one of whose values is a value of the part in focus."""

    field: Element | None
    """A text field or list; ``None`` for boxes."""
    wanted: list[str]
    """What the field should hold, or the ids of the boxes of which one should be on."""


class _Plan(NamedTuple):
    """All that stays as it is while a page is shown."""

    key: tuple[object, ...]
    page: Page
    actions: list[Event]
    """Loading anew comes last."""
    features: NDArray[np.float32]
    """With nothing typed, hence without loading anew."""
    context: NDArray[np.float32]
    bare: NDArray[np.float32]
    """Features of all actions, without those that change with what is typed."""
    fields: list[tuple[int, Element, str]]
    """For each candidate that sets a field or box: where its ``already_so`` stands in the flat features, the element,
    and the value that it sets."""
    buttons: list[tuple[int, str]]
    """Numbers of candidates that are buttons, and their forms."""
    groups: dict[str, list[_Group]]
    """By form."""
    clipped: bool
    """Whether something was dropped: what is kept then depends on the oracle, hence on what is typed."""


class Codec:
    """Makes the candidates of one world."""

    def __init__(self, page_kinds: Sequence[str], commands: Sequence[str]) -> None:
        if len(page_kinds) > MAX_KINDS or len(commands) > MAX_KINDS:
            raise ValueError(f"at most {MAX_KINDS} page kinds and commands: got {len(page_kinds)}, {len(commands)}")
        self._kinds = {kind: _C["page_kind_0"] + i for i, kind in enumerate(page_kinds)}
        self._commands = {label: i for i, label in enumerate(commands)}
        self.reset(Goal(""), "")

    def reset(self, goal: Goal, path: str) -> None:
        """Begin an episode at the page under ``path``."""
        self._match = Matcher(goal)
        self._offers = Offers(self._match, self._commands)
        self._used: set[tuple[str, str]] = set()
        self.seen = {path}
        """Paths, queries included, that have been shown."""
        self._plan: _Plan | None = None

    def note(self, event: Event, page: Page, path: str) -> None:
        """Remember an event that was taken on a page, and the path that it led to."""
        self.seen.add(path)
        if isinstance(event, Click) and page.by_id[event.id].kind == "button":
            self._used.add((page.path, event.id))

    def candidates(
        self,
        view: View,
        done: tuple[bool, ...],
        *,
        answers: Sequence[str],
        steps_left: float,
        failed: bool,
        oracle: Callable[[], Event],
    ) -> Candidates[Event]:
        """Return the candidates of a view.

        Args:
            view: What is shown.
            done: Which parts of the goal are done.
            answers: Answers to offer.
            steps_left: Share of the episode's steps that is left.
            failed: Whether the last event could not be taken.
            oracle: Returns the oracle's next event; asked only where something must be dropped.
        """
        key = (view.offset, bool(view.history), len(self._used), done, *answers)
        plan = self._plan
        if plan is None or plan.clipped or plan.key != key or not (plan.page is view.page or plan.page == view.page):
            plan = self._plan = self._make_plan(key, view, done, answers, oracle)
        context = plan.context.copy()
        context[_C["steps_left"]] = max(0.0, steps_left)
        context[_C["failed"]] = failed
        if not view.typed and not view.checks:
            return Candidates(plan.actions[:-1], plan.features, context)
        features = plan.bare.copy()
        context[_C["unsent"]] = 1.0
        context[_C["form_share"]] = _fill_in(plan, view, features)
        return Candidates(plan.actions, features, context)

    def _make_plan(
        self,
        key: tuple[object, ...],
        view: View,
        done: tuple[bool, ...],
        answers: Sequence[str],
        oracle: Callable[[], Event],
    ) -> _Plan:
        page, match = view.page, self._match
        title = match.by_part(match.by_slot((page.title,)))
        open_parts = [part for part, is_done in enumerate(done) if not is_done] or [len(done) - 1]
        focus = Focus(max(open_parts, key=lambda part: title[part]), done)
        offers = self._offers.of(page, view.visible(), focus)
        offers += [self._offers.answer(text, page, focus) for text in answers]
        moves = [*_moves(view), GoTo(page.path)]
        room = SHAPE.choices - len(moves)
        clipped = len(offers) > room
        if clipped:
            offers = _most_relevant(offers, room, oracle())
        rows = [offer.row for offer in offers] + [_MOVE] * len(moves)
        bare = np.frombuffer(b"".join(rows), np.float32).reshape(len(rows), SHAPE.features).copy()
        bare[:, _POSITION] = _POSITIONS[len(rows)]
        fields, buttons = [], []
        for i, (event, _, _, element, _) in enumerate(offers):
            if element.href:
                if element.href in self.seen:
                    bare[i, _USED] = 1.0
            elif element.kind == "button":
                buttons.append((i, element.form))
                if (page.path, element.id) in self._used:
                    bare[i, _USED] = 1.0
            elif element.form:
                fields.append((i * SHAPE.features + _ALREADY, element, _value(event)))
        features = bare.copy()
        context = self._context(view, focus, title)
        actions = [offer.event for offer in offers] + moves
        plan = _Plan(key, page, actions, features, context, bare, fields, buttons, _groups(offers), clipped)
        context[_C["form_share"]] = _fill_in(plan, View(page), features)
        return plan._replace(features=features[:-1])

    def _context(self, view: View, focus: Focus, title: tuple[float, ...]) -> NDArray[np.float32]:
        """Return the context of a page on which nothing is typed."""
        page = view.page
        context = np.zeros(SHAPE.context, np.float32)
        context[_C["can_go_back"]] = bool(view.history)
        context[_C["title_in_focus"] : _C["title_done"] + 1] = focus.sort(title)
        prices = tuple(e.label for e in page.elements if e.kind == "text" and "€" in e.label and not e.within)
        context[_C["price_fits"]] = self._match.fits(focus.part, prices)
        context[_C["errors"]] = any(e.error for e in page.elements)
        context[_C["more_below"]] = len(page.elements) - view.offset > SCREEN
        context[_C["part_in_focus"]] = focus.part / (MAX_PARTS - 1)
        for part, is_done in enumerate(focus.done):
            context[_C["part_0_open"] + part] = not is_done
        context[self._kinds[page.kind]] = 1.0
        return context


def _fill_in(plan: _Plan, view: View, features: NDArray[np.float32]) -> float:
    """Set the features that change with what is typed; return the best share of a form."""
    flat, typed, checks = features.reshape(-1), view.typed, view.checks
    ones = []
    for place, element, value in plan.fields:
        id = element.id
        on = checks.get(id, element.checked) if element.kind in CHECKS else typed.get(id, element.value) == value
        if on:
            ones.append(place)
    if ones:
        flat[ones] = 1.0
    shares = {form: _share(groups, view) for form, groups in plan.groups.items()}
    by_id = plan.page.by_id
    unsent = {by_id[id].form for id in (*typed, *checks)}
    if shares or unsent:
        for i, form in plan.buttons:
            features[i, _SHARE] = shares.get(form, 0.0)
            features[i, _UNSENT] = form in unsent
    return max(shares.values(), default=0.0)


def _value(event: Event) -> str:
    return event.text if isinstance(event, Fill) else event.option if isinstance(event, Select) else ""


def _moves(view: View) -> list[Event]:
    moves: list[Event] = [Back()] if view.history else []
    if view.offset > 0:
        moves.append(Scroll(down=False))
    if len(view.page.elements) - view.offset > SCREEN:
        moves.append(Scroll(down=True))
    return moves


def _most_relevant(offers: list[Offer], room: int, keep: Event) -> list[Offer]:
    """Return the ``room`` most relevant offers in their order, the one of ``keep`` among them if it is an offer."""
    ranked = sorted(range(len(offers)), key=lambda i: (offers[i].event != keep, -offers[i].relevance, i))
    return [offers[i] for i in sorted(ranked[:room])]


def _groups(offers: list[Offer]) -> dict[str, list[_Group]]:
    """Return the fields of each form that can hold a value of the part in focus, with those values."""
    found: dict[tuple[str, str], _Group] = {}
    for offer in offers:
        if offer.wanted:
            element = offer.element
            of_boxes = element.kind in CHECKS
            name = element.name if element.kind == "radio" else element.id
            key = (element.form, name)
            if key not in found:
                found[key] = _Group(None if of_boxes else element, [])
            found[key].wanted.append(offer.wanted)
    forms: dict[str, list[_Group]] = {}
    for (form, _), group in found.items():
        forms.setdefault(form, []).append(group)
    return forms


def _share(groups: list[_Group], view: View) -> float:
    return sum(_holds(group, view) for group in groups) / len(groups)


def _holds(group: _Group, view: View) -> bool:
    if group.field is not None:
        return view.value(group.field) in group.wanted
    return any(view.checked(view.page.by_id[id]) for id in group.wanted)
