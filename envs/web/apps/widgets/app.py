"""The widgets as an app, and its task."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from envreward.errors import ActionError, UnknownNameError
from envreward.fields import Field

from ...kit.app import App, Goal, Post
from ...kit.events import Event
from ...kit.page import Element, Page
from ...kit.task import WebTask
from ...kit.view import View
from . import forms, navigation, tables
from .widget import Widget

TEMPLATES: Mapping[str, Callable[[random.Random], Widget]] = {
    make.__name__.replace("_", "-"): make for make in (*forms.TEMPLATES, *navigation.TEMPLATES, *tables.TEMPLATES)
}
"""Templates by name."""
_MARKS = (0.25, 0.5, 0.75)
_END = Page("/end", "End", "end", (Element(id="end", kind="heading", label="That is all."),))


@dataclass
class WidgetState:
    """One episode."""

    widget: Widget = field(repr=False)
    seed: int
    outcome: bool | None = None
    """Whether what was done is right; ``None`` while it is not done."""
    total: int = field(default=1, repr=False)
    """Steps of the way from the beginning."""
    reached: list[bool] = field(default_factory=lambda: [False] * len(_MARKS), repr=False)


class Widgets(App[WidgetState]):
    """One small page, or a few, with one thing to do."""

    name = "widgets"
    page_kinds = ("form", "list", "part", "done", "end")
    commands = ("Submit", "Next", "Previous", "Search", "Save", "Delete", "Plus", "Minus")
    success_doc = "The form that was sent holds exactly what was asked for, or the page that was asked for is open."
    fitness_doc = (
        "1 for success; otherwise the share of the shortest way that lies behind, at most 0.9; 0 once it went wrong."
    )
    fields: Mapping[str, Field] = {
        "milestones": Field(
            "Whether a quarter, a half and three quarters of the shortest way lay behind at some time of the episode.",
            shape=(len(_MARKS),),
            names=("quarter", "half", "three_quarters"),
            role="flag",
        ),
        "progress": Field("Share of the shortest way that lies behind, in [0, 1]; 1 when done, 0 once it went wrong."),
        "fields_right": Field(
            "Share of the page's fields that are as they should be, sent or not; 1 where it has none."
        ),
        "template": Field("Name of the widget.", dtype="str"),
        "success": Field("Whether it is done, and right.", dtype="bool", role="flag", private=True),
        "failure": Field(
            "Whether the episode ends: it is done, right or wrong.", dtype="bool", role="flag", private=True
        ),
        "fitness": Field("1 for success, else progress, at most 0.9.", private=True),
        "oracle_steps": Field("Steps that the oracle needs from here.", unit="steps", private=True),
    }

    def __init__(self, templates: Sequence[str] = ()) -> None:
        """Offer some templates.

        Args:
            templates: Names of those to draw from; all by default.

        Raises:
            UnknownNameError: No such template.
        """
        for name in templates:
            if name not in TEMPLATES:
                raise UnknownNameError("widget", name, TEMPLATES)
        self._templates = [TEMPLATES[name] for name in templates or TEMPLATES]

    def new_state(self, seed: int) -> WidgetState:
        """Draw a widget."""
        rng = random.Random(seed)
        state = WidgetState(rng.choice(self._templates)(rng), seed)
        state.total = state.widget.steps(View(state.widget.pages["/"]))
        return state

    def goal(self, state: WidgetState) -> Goal:
        """Return what to do."""
        return state.widget.goal

    def page(self, state: WidgetState, path: str) -> Page | None:
        """Return one of the widget's pages."""
        return _END if path == "/end" and state.outcome is not None else state.widget.page(path)

    def handle(self, state: WidgetState, post: Post) -> str | None:
        """Judge what is sent; what is sent first counts."""
        right = state.widget.judge(post)
        if right is None:
            return None
        if state.outcome is None:
            state.outcome = right
        return "/end"

    def visit(self, state: WidgetState, path: str) -> None:
        """Note that a page is open by which the widget is solved or missed."""
        if state.outcome is None:
            if path == state.widget.right:
                state.outcome = True
            elif path in state.widget.wrong:
                state.outcome = False

    def answer(self, state: WidgetState, text: str) -> None:
        """Judge an answer; capitals and outer spaces do not matter."""
        wanted = state.widget.way["/"].answer
        if not wanted:
            raise ActionError("the instruction asks no question: there is nothing to answer")
        if state.outcome is None:
            state.outcome = text.strip().lower() == wanted.lower()

    def answers(self, state: WidgetState, view: View) -> Sequence[str]:
        """Return the last cells of the rows on the screen, where a question is asked."""
        if not state.widget.way["/"].answer:
            return ()
        return [e.options[-1] for e in view.visible() if e.kind == "row"][:8]

    def parts_done(self, state: WidgetState) -> tuple[bool, ...]:
        """Return whether the widget is solved."""
        return (state.outcome is True,)

    def _left(self, state: WidgetState, view: View) -> int:
        if state.outcome is not None:
            return 0
        return state.widget.steps(view)

    def _progress(self, state: WidgetState, view: View) -> float:
        if state.outcome is not None:
            return float(state.outcome)
        return max(0.0, 1.0 - self._left(state, view) / state.total)

    def note(self, state: WidgetState, view: View) -> None:
        """Set the milestones that are reached."""
        progress = self._progress(state, view)
        for i, mark in enumerate(_MARKS):
            if progress >= mark:
                state.reached[i] = True

    def facts(self, state: WidgetState, view: View) -> Mapping[str, Any]:
        """Return how far the episode has come."""
        progress = self._progress(state, view)
        over = state.outcome is not None
        return {
            "milestones": state.reached,
            "progress": progress,
            "fields_right": 1.0 if over else state.widget.step(view.page.path).share(view),
            "template": state.widget.template,
            "success": state.outcome is True,
            "failure": over,
            "fitness": 1.0 if state.outcome else min(0.9, progress),
            "oracle_steps": self._left(state, view),
        }

    def oracle(self, state: WidgetState, view: View) -> Event:
        """Return the next event of the way."""
        return state.widget.step(view.page.path).event(view)


class WidgetsTask(WebTask):
    """Do the one thing that a small page asks for."""

    app_type = Widgets
