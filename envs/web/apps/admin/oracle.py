"""A way through the admin app: set the filter, then answer, or edit what is found."""

from __future__ import annotations

from collections.abc import Sequence

from ...kit.events import Click, Event, Fill, Select, SubmitAnswer
from ...kit.view import View
from .pages import ANY, number_in
from .progress import filter_terms, new_values
from .state import AdminState


def next_event(state: AdminState, view: View, answers: Sequence[str]) -> Event:
    """Return the next event; ``answers`` are those that the page suggests."""
    errand = state.errand
    missing = [number for number in errand.wanted if state.is_open(number)]
    if state.tally.unwanted:
        return Click("undo")
    terms, right, extra = filter_terms(errand.query, state.query)
    if right < terms or extra:
        return _towards_filter(state, view)
    if errand.answer is not None:
        return SubmitAnswer(next(text for text in answers if text.startswith(errand.asked)))
    if not any(number in state.listing.numbers for number in missing):
        return Click("undo")  # a change half made took the row out of the filter
    if errand.kind == "bulk":
        return _towards_bulk(view, errand.action)
    return _towards_edit(state, view, missing[0])


def _towards_filter(state: AdminState, view: View) -> Event:
    """Return the next event that leads to the filter that the instruction describes."""
    by_id = view.page.by_id
    wanted = state.filter_fields
    empty = {"q": "", "min": "", "max": "", **{choice.name: ANY for choice in state.table.sheet.choices}}
    if any(id not in wanted and view.value(by_id[id]) != nothing for id, nothing in empty.items()):
        return Click("clear")  # a field cannot be emptied, nor a long list put back to "any", in every codec
    for id, value in wanted.items():
        if view.value(by_id[id]) != value:
            return Fill(id, value) if by_id[id].kind == "textbox" else Select(id, value)
    return Click("filter-now")


def _towards_bulk(view: View, action: str) -> Event:
    """Return the next event that applies an action to all that the filter finds."""
    by_id = view.page.by_id
    if view.page.kind == "edit":
        return Click("cancel")
    if not view.checked(by_id["all"]):
        return Click("all")
    return Click("apply") if view.value(by_id["action"]) == action else Select("action", action)


def _towards_edit(state: AdminState, view: View, number: int) -> Event:
    """Return the next event that changes a row which the filter finds."""
    by_id = view.page.by_id
    if view.page.kind == "edit" and number_in(view.page.path, "/edit/") != number:
        return Click("cancel")
    if view.page.kind == "edit":
        for id, value in new_values(state, number).items():
            if view.value(by_id[id]) != value:
                return Fill(id, value) if by_id[id].kind == "textbox" else Select(id, value)
        return Click("save")
    if f"e{number}" in by_id:
        return Click(f"e{number}")
    return Click("next" if "next" in by_id else "filter-now")  # which shows the first page
