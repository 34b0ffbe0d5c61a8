"""Forms: a wizard of two to four pages to be filled in with given answers, reviewed and submitted.

A page is saved by its buttons "Next" and "Back"; "Next" goes on only when every answer on the page is valid, and says
beside each field what is wrong where one is not. "Clear page" puts a page back as it was at first. After the last page
comes a review, from which every page can be changed again, and the submission, which ends the episode.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from ...kit.app import App, Goal, Post, Slot
from ...kit.events import Click, Event, Fill, Select
from ...kit.page import Element, Page
from ...kit.task import WebTask
from ...kit.view import View
from .pages import NOTHING, done_page, review_page, step_page
from .progress import FIELDS, form_facts
from .questions import Wizard, draw_form
from .schemas import SCHEMAS
from .state import MAX_PAGES, FormState, save_page, submit


class Forms(App[FormState]):
    """A wizard with validation, of one of ten schemas."""

    name = "forms"
    start = "/step/1"
    page_kinds = ("step", "review", "done")
    commands = ("Next", "Submit", "Back", "Clear page", *(f"Change page {n}" for n in range(1, MAX_PAGES + 1)))
    fields = FIELDS
    success_doc = "The form was submitted with every answer as the instruction gives it and every other field empty."
    fitness_doc = (
        "Share of the parts that are done (each answer that the instruction gives, once it is sent, and the submission "
        "of a form that is all right), less as much for every field with an answer that it does not give; at least 0."
    )

    def new_state(self, seed: int) -> FormState:
        """Draw a schema, a form and the answers wanted."""
        random = Random(seed)
        wizard = draw_form(random.choice(SCHEMAS), random)
        defaults = {question.name: question.default for _, questions in wizard.pages for question in questions}
        todo = sum(wizard.wanted[name] != default for name, default in defaults.items())
        state = FormState(wizard, _goal(wizard), todo, defaults)
        state.count()
        return state

    def goal(self, state: FormState) -> Goal:
        """Return what to fill in; its parts are the pages."""
        return state.goal

    def key(self, state: FormState) -> Any:
        """Return form and answers."""
        errors = sorted(state.errors.items())
        return state.wizard.signature, state.answers, errors, state.reached, state.submitted

    def page(self, state: FormState, path: str) -> Page | None:
        """Return a step, the review or the confirmation."""
        page = state.shown.get(path)
        if page is None:
            page = _page(state, path)
            if page is not None:
                state.shown[path] = page
        return page

    def handle(self, state: FormState, post: Post) -> str | None:
        """Save a page or submit the form."""
        if state.submitted:
            return None
        step = _step_of(post.path, "/save/")
        if step is not None and step <= min(state.reached, len(state.wizard.pages)):
            state.shown.clear()
            return save_page(state, step, post)
        if post.path == "/submit" and state.reached > len(state.wizard.pages):
            state.shown.clear()
            return submit(state)
        return None

    def parts_done(self, state: FormState) -> tuple[bool, ...]:
        """Return which pages are saved as wanted."""
        return state.pages_right

    def facts(self, state: FormState, view: View) -> Mapping[str, Any]:
        """Count the answers, typed ones included, and note the milestones."""
        return form_facts(state, view)

    def oracle(self, state: FormState, view: View) -> Event:
        """Mend the page shown and go on; from the review, go back to what is wrong, or submit."""
        page = view.page
        if page.kind == "review":
            wrong = next((n for n, done in enumerate(state.pages_right, 1) if not done), None)
            return Click("submit" if wrong is None else f"change-{wrong}")
        for element in page.elements:
            if element.name in state.answers:
                event = _mending(view, element, state.wizard.wanted[element.name])
                if event is not None:
                    return event
        return Click("next")


class FormsTask(WebTask):
    """Fill in a form of several pages and submit it."""

    app_type = Forms


def _goal(wizard: Wizard) -> Goal:
    slots: list[Slot] = []
    sentences, ticks = [], []
    for part, (_, questions) in enumerate(wizard.pages):
        for question in questions:
            wanted = wizard.wanted[question.name]
            if question.kind == "checkbox":
                if wanted:
                    ticks.append(question.label)
                    slots.append(Slot("tick", question.label, part))
            elif wanted:
                sentences.append(f"{question.label}: {wanted}")
                slots.append(Slot(question.label.lower(), wanted, part))
    wishes = f'Fill in the form "{wizard.title}" and submit it. Enter {"; ".join(sentences)}.'
    tick = f" Tick {', '.join(map(repr, ticks))}." if ticks else ""
    rest = " Leave every other field empty and every other box without a tick."
    return Goal(wishes + tick + rest, tuple(slots), parts=len(wizard.pages))


def _page(state: FormState, path: str) -> Page | None:
    pages = len(state.wizard.pages)
    if path == "/done":
        return done_page(state.wizard) if state.submitted else None
    if state.submitted:
        return None
    if path == "/review":
        return review_page(state.wizard, state.answers) if state.reached > pages else None
    step = _step_of(path, "/step/")
    if step is None or step > min(state.reached, pages):
        return None
    return step_page(state.wizard, step, state.answers, state.errors)


def _step_of(path: str, prefix: str) -> int | None:
    return next((step for step in range(1, MAX_PAGES + 1) if path == f"{prefix}{step}"), None)


def _mending(view: View, element: Element, wanted: str) -> Event | None:
    """Return the event that makes a field hold the answer wanted, or ``None`` where it does."""
    match element.kind:
        case "radio":
            return Click(element.id) if element.value == wanted and not view.checked(element) else None
        case "checkbox":
            return Click(element.id) if view.checked(element) != bool(wanted) else None
        case "select":
            option = wanted or NOTHING
            return Select(element.id, option) if view.value(element) != option else None
    if view.value(element).strip() == wanted:
        return None
    return Fill(element.id, wanted) if wanted else Click("clear")  # there is no other button to empty a field
