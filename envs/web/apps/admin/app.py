"""Admin: a table of a thousand orders or users, to be filtered, edited row by row or in bulk, or asked about.

Changes can be undone, last one first, until rows are deleted: after that nothing before can be. An answer ends the
episode, and so does an unwanted change that can no longer be undone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from envreward.errors import ActionError

from ...kit.app import App, Goal, Post
from ...kit.events import Event
from ...kit.page import Page
from ...kit.task import WebTask
from ...kit.view import View
from .errands import draw_errand
from .oracle import next_event
from .pages import Shown, admin_page, number_in
from .progress import FIELDS, admin_facts
from .state import AdminState, apply_action, save_row, set_filter
from .tables import PER_PAGE, SHEETS, TABLES, table

_KEPT_PAGES = 300  # of one table, unchanged; some 8 kB each


class Admin(App[AdminState]):
    """A table of orders or users."""

    name = "admin"
    page_kinds = ("list", "edit")
    commands = ("Filter", "Clear filter", "Next page", "Edit", "Save", "Cancel", "Apply", "Undo")
    fields = FIELDS
    success_doc = (
        "Every row is as the instruction asks, or the question is answered rightly, and no other row has changed; the "
        "episode ends then, with any answer, or with an unwanted change that cannot be undone."
    )
    fitness_doc = (
        "Share of the rows to be changed that are as wanted, less as much for each row changed otherwise, at least 0; "
        "for a question 1 for the right answer with no row changed, else 0."
    )

    def new_state(self, seed: int) -> AdminState:
        """Draw a table and what to do with it."""
        random = Random(seed)
        chosen = table(random.choice(tuple(SHEETS)), random.randrange(TABLES))
        return AdminState(chosen, draw_errand(chosen, random))

    def goal(self, state: AdminState) -> Goal:
        """Return what to do; it has one part."""
        return state.errand.goal

    def key(self, state: AdminState) -> Any:
        """Return instruction, filter and changes."""
        changes = sorted(state.changes.items(), key=lambda item: item[0])
        told = (state.table.number, state.table.sheet.name, state.errand.goal.instruction)
        return told, state.query, changes, state.undo, sorted(state.refused.items()), state.answer

    def page(self, state: AdminState, path: str) -> Page | None:
        """Return a page of the table, one of whose rows may be open for editing."""
        if state.changes or state.refused or state.undo:
            return _page(state, path)
        pages, key = state.table.pages, (state.query, path)
        page = pages.get(key)
        if page is None:
            page = _page(state, path)
            if page is not None and len(pages) < _KEPT_PAGES:
                pages[key] = page
        return page

    def handle(self, state: AdminState, post: Post) -> str | None:
        """Filter, save a row, apply a bulk action, or undo one of these."""
        state.refused = {}
        if post.path == "/filter":
            return set_filter(state, post)
        if post.path == "/bulk":
            return apply_action(state, post)
        if post.path == "/undo" and state.undo:
            state.undo_last()
            return "/"
        number = number_in(post.path, "/rows/")
        row = None if number is None else state.row(number)
        return None if row is None else save_row(state, row, post)

    def answers(self, state: AdminState, view: View) -> Sequence[str]:
        """Return the numbers above the table, each with the word for what it is, where a question is asked."""
        if state.errand.answer is None:
            return ()
        numbers = (view.page.by_id[id].label.rpartition(" ")[2] for id in _ANSWERS)
        return [f"{id}: {number}" for id, number in zip(_ANSWERS, numbers, strict=True)]

    def answer(self, state: AdminState, text: str) -> None:
        """Take the answer to the question."""
        if state.errand.answer is None:
            super().answer(state, text)
        if state.answer is not None:
            raise ActionError("the question is answered already")
        state.answer = text

    def parts_done(self, state: AdminState) -> tuple[bool, ...]:
        """Return whether all rows are as wanted; a question is open until it is answered."""
        errand = state.errand
        if errand.answer is not None:
            return (state.answer is not None,)
        return (state.tally.done == len(errand.wanted),)

    def facts(self, state: AdminState, view: View) -> Mapping[str, Any]:
        """Compare filter, rows and what is on the screen with what is wanted, and note the milestones."""
        return admin_facts(state, view)

    def oracle(self, state: AdminState, view: View) -> Event:
        """Set the filter, then answer, or edit what is found; undo what is in the way."""
        return next_event(state, view, self.answers(state, view))


class AdminTask(WebTask):
    """Filter a table; change rows or answer a question."""

    app_type = Admin


_ANSWERS = ("count", "total", "largest")


def _page(state: AdminState, path: str) -> Page | None:
    listing = state.listing
    editing = number_in(path, "/edit/")
    if editing is not None:
        if editing not in listing.numbers:
            return None
        number = listing.numbers.index(editing) // PER_PAGE + 1
    else:
        number = 1 if path == "/" else number_in(path, "/page/") or 0
        if not number or (number > 1 and (number - 1) * PER_PAGE >= len(listing.numbers)) or path == "/page/1":
            return None
    numbers = listing.numbers[(number - 1) * PER_PAGE : number * PER_PAGE]
    rows = [row for row in map(state.row, numbers) if row is not None]
    shown = Shown(
        sheet=state.table.sheet,
        query=state.query,
        listing=listing,
        rows=rows,
        number=number,
        editing=editing or 0,
        refused=state.refused,
        undoable=bool(state.undo),
    )
    return admin_page(path, shown)
