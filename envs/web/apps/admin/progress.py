"""Facts of the admin app: how filter, rows and what is entered compare with what is wanted."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from envreward.fields import Field

from ...kit.page import Page
from ...kit.view import View
from .errands import is_right
from .pages import number_in
from .state import MILESTONES, AdminState
from .tables import SORTS, Query

FIELDS: Mapping[str, Field] = {
    "filter_terms": Field("Terms of the filter that the instruction describes, an order of sorting included."),
    "filter_right": Field("How many of them the filter in force has right."),
    "filter_entered": Field("How many of them stand right in the filter's form, sent or not."),
    "filter_extra": Field("Terms of the filter in force that the instruction does not describe."),
    "rows_found": Field("Rows that the filter finds."),
    "rows_wanted": Field("Rows that the instruction asks to change."),
    "rows_done": Field("How many of them are as wanted."),
    "row_shown": Field("Whether a row yet to be changed is on the page.", dtype="bool", role="flag"),
    "row_open": Field("Whether a row yet to be changed is open for editing.", dtype="bool", role="flag"),
    "entered": Field(
        "Share of what is wanted that is entered, not yet sent, in the form of a row or of a bulk action."
    ),
    "unwanted_changes": Field("Rows changed in a way that the instruction does not ask for."),
    "question": Field("Whether the instruction asks a question.", dtype="bool", role="flag"),
    "answered": Field("Whether an answer was submitted.", dtype="bool", role="flag"),
    "milestones": Field(
        "What has been reached at least once in the episode, 0 or 1 each.",
        shape=(len(MILESTONES),),
        names=MILESTONES,
    ),
    "progress": Field(
        "0 to 1: share of the rows that are as wanted, or 1 for the right answer; of what is missing, 0.1 for the "
        "filter as entered, 0.2 for the one in force, 0.1 for a row to be changed on the page, 0.1 for one open for "
        "editing, 0.2 for what is entered; less 0.25 for each unwanted change."
    ),
    "success": Field("See the task's success_doc.", dtype="bool", role="flag", private=True),
    "failure": Field("Whether the episode ends; see success_doc.", dtype="bool", role="flag", private=True),
    "fitness": Field("See the task's fitness_doc.", private=True),
}


def admin_facts(state: AdminState, view: View) -> Mapping[str, Any]:
    """Return the value of each of `FIELDS`, and note the milestones."""
    errand, (done, unwanted) = state.errand, state.tally
    terms, right, extra = filter_terms(errand.query, state.query)
    open_rows = [number for number in _rows_shown(view.page) if state.is_open(number)]
    edited = number_in(view.page.path, "/edit/")
    editing = edited in open_rows
    entered = _entered(state, view, open_rows, edited)
    asked, answered = errand.answer is not None, state.answer is not None
    answered_right = state.answer is not None and is_right(errand, state.answer)
    wanted = len(errand.wanted)
    share = float(answered_right) if asked else done / wanted
    typed = sum(view.value(view.page.by_id[id]) == value for id, value in state.filter_fields.items())
    near = (0.1 * typed + 0.2 * max(0, right - extra)) / terms + 0.1 * bool(open_rows) + 0.1 * editing + 0.2 * entered
    success = share == 1.0 and not unwanted
    some, whole = right > 0, right == terms and not extra
    half, all_made = not asked and share >= 0.5, not asked and share == 1.0
    reached = (some, whole, bool(open_rows), editing, entered == 1.0, half, all_made, answered)
    state.milestones = [1.0 if new else old for old, new in zip(state.milestones, reached, strict=True)]
    return {
        "filter_terms": terms,
        "filter_right": right,
        "filter_entered": typed,
        "filter_extra": extra,
        "rows_found": len(state.listing.numbers),
        "rows_wanted": wanted,
        "rows_done": done,
        "row_shown": bool(open_rows),
        "row_open": editing,
        "entered": entered,
        "unwanted_changes": unwanted,
        "question": asked,
        "answered": answered,
        "milestones": state.milestones,
        "progress": max(0.0, share + (1.0 - share) * near - 0.25 * unwanted),
        "success": success,
        "failure": success or answered or (unwanted > 0 and not state.undo),
        "fitness": max(0.0, share - unwanted / max(1, wanted)),
    }


class FilterTerms(NamedTuple):
    """How the filter in force compares with the one that the instruction describes."""

    wanted: int
    right: int
    extra: int
    """Terms in force that are not wanted as they are; the order of sorting is never one."""


@functools.lru_cache(maxsize=65536)
def filter_terms(wanted: Query, query: Query) -> FilterTerms:
    """Compare a filter with the one wanted."""
    pairs: list[tuple[object, object]] = [(set(wanted.words.lower().split()), set(query.words.lower().split()))]
    pairs += zip(wanted.values, query.values, strict=True)
    pairs += [(wanted.low, query.low), (wanted.high, query.high)]
    total = sum(bool(w) for w, _ in pairs)
    right = sum(w == q for w, q in pairs if w)
    extra = sum(w != q for w, q in pairs if q)
    if wanted.sort != SORTS[0]:
        total, right = total + 1, right + (query.sort == wanted.sort)
    return FilterTerms(total, right, extra)


def _rows_shown(page: Page) -> list[int]:
    return [int(element.id[1:]) for element in page.elements if element.kind == "row"]


def _entered(state: AdminState, view: View, open_rows: Sequence[int], editing: int | None) -> float:
    """Return the share of what is wanted that stands in the form of the open row, or of the bulk action."""
    errand, by_id = state.errand, view.page.by_id
    if errand.action and view.page.kind == "list":
        boxes = [by_id[f"s{number}"] for number in open_rows]
        chosen = view.checked(by_id["all"]) or (bool(boxes) and all(view.checked(box) for box in boxes))
        return 0.5 * (view.value(by_id["action"]) == errand.action) + 0.5 * chosen
    if errand.action or editing is None or editing not in open_rows:
        return 0.0
    values = new_values(state, editing)
    return sum(view.value(by_id[id]) == value for id, value in values.items()) / len(values)


def new_values(state: AdminState, number: int) -> dict[str, str]:
    """Return what an open row's fields should hold, by id, where they differ from what the row holds."""
    row, wanted = state.row(number), state.errand.wanted[number]
    assert row is not None and wanted is not None
    columns = zip(state.table.sheet.choices, row.values, wanted.values, strict=True)
    values = {f"new-{choice.name}": new for choice, old, new in columns if old != new}
    if row.quantity != wanted.quantity:
        values["new-quantity"] = str(wanted.quantity)
    return values
