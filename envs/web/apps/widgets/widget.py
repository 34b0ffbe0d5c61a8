"""Widget: a few fixed pages, the way through them, and what ends the episode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ...kit.app import Goal, Post, Slot
from ...kit.events import Click, Event, Fill, GoTo, Select, SubmitAnswer
from ...kit.page import CHECKS, Element, Form, Page
from ...kit.view import View

SUBMIT = Form("form", "/submit", "post")


@dataclass(frozen=True)
class Step:
    """What to do on one page: set fields, then click something, or answer."""

    click: str = ""
    """Id of the element to click in the end."""
    then: str = ""
    """Path of the page that the click leads to; empty where it ends the episode."""
    fields: Mapping[str, str | bool] = field(default_factory=dict)
    """Values of text fields and lists, and states of boxes, by id."""
    answer: str = ""

    def unset(self, view: View) -> list[str]:
        """Return the ids of the fields that are not yet as they should be."""
        by_id = view.page.by_id
        return [id for id, value in self.fields.items() if _value(view, by_id[id]) != value]

    def spoiled(self, view: View) -> bool:
        """Return whether a text field holds something that should not have been typed."""
        return any(id not in self.fields for id in view.typed)

    def event(self, view: View) -> Event:
        """Return the next event."""
        if self.spoiled(view):
            return GoTo(view.page.path)
        for id in self.unset(view):
            element, value = view.page.by_id[id], self.fields[id]
            if element.kind in CHECKS:
                return Click(id)
            return Select(id, str(value)) if element.kind == "select" else Fill(id, str(value))
        return SubmitAnswer(self.answer) if self.answer else Click(self.click)

    def share(self, view: View) -> float:
        """Return the share of the page's fields that are as they should be; 1 where there are none."""
        return 1.0 - len(self.unset(view)) / len(self.fields) if self.fields else 1.0


def _value(view: View, element: Element) -> str | bool:
    return view.checked(element) if element.kind in CHECKS else view.value(element)


@dataclass(frozen=True)
class Widget:
    """One drawn widget. Nothing in it changes; what has happened is in the episode's state."""

    template: str
    goal: Goal
    pages: Mapping[str, Page]
    way: Mapping[str, Step]
    """For each page how to get on from there."""
    wanted: tuple[tuple[str, str], ...] | None = None
    """What the form sent to ``/submit`` must hold; ``None`` where no form is sent."""
    right: str = ""
    """Path whose opening is success, for widgets that are solved by following links."""
    wrong: frozenset[str] = frozenset()
    """Paths whose opening ends the episode in failure."""
    otherwise: Step = Step("home", "/")
    """How to get on from a page without a way."""
    more: Callable[[str], Page | None] | None = None
    """Makes pages that are not among ``pages``, e.g. the results of any search."""

    def page(self, path: str) -> Page | None:
        """Return the page under a path."""
        found = self.pages.get(path)
        return self.more(path) if found is None and self.more is not None else found

    def judge(self, post: Post) -> bool | None:
        """Return whether a form is right; ``None`` where none is sent to its path."""
        if self.wanted is None or post.path != "/submit":
            return None
        return sorted(post.fields) == sorted(self.wanted)

    def step(self, path: str) -> Step:
        """Return what to do on the page under a path."""
        return self.way.get(path, self.otherwise)

    def steps(self, view: View) -> int:
        """Return how many events the way has from what is shown."""
        step = self.step(view.page.path)
        spoiled = step.spoiled(view)
        count = spoiled + len(step.unset(View(view.page) if spoiled else view)) + 1
        while step.then:
            page = self.pages[step.then]
            step = self.step(step.then)
            count += len(step.unset(View(page))) + 1
        return count


def make_goal(instruction: str, *values: tuple[str, str]) -> Goal:
    """Return a goal of one part with named values."""
    return Goal(instruction, tuple(Slot(name, value) for name, value in values))


def one_page(
    template: str,
    goal: Goal,
    elements: tuple[Element, ...],
    fields: Mapping[str, str | bool],
    wanted: tuple[tuple[str, str], ...],
    click: str = "submit",
) -> Widget:
    """Return a widget of one form: set ``fields``, press ``click``, and ``wanted`` is what must be sent."""
    page = Page("/", "Task", "form", elements, (SUBMIT,))
    return Widget(template, goal, {"/": page}, {"/": Step(click, fields=fields)}, wanted)


def button(label: str = "Submit", id: str = "submit", name: str = "", value: str = "") -> Element:
    """Return a button of the widget's form."""
    return Element(id=id, kind="button", label=label, name=name, value=value, form="form")
