"""Pages of the admin app: a filter, and a table with a bulk action or with one row open for editing."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ...kit.page import Element, Form, Page
from .tables import PER_PAGE, SORTS, Listing, Query, Row, Sheet, bulk_actions

ANY = "any"
"""Option of a filter that restricts nothing."""
NO_ACTION = "Choose one"
"""Bulk action that is none."""


class Refused(NamedTuple):
    """A value that was sent and not taken."""

    text: str
    message: str


@dataclass(frozen=True)
class Shown:
    """What a page is made of."""

    sheet: Sheet
    query: Query
    listing: Listing
    rows: Sequence[Row]
    """Those on this page."""
    number: int
    """Of the page, from 1."""
    editing: int
    """Number of the row that is open for editing; 0 for none."""
    refused: Mapping[str, Refused]
    """What was refused just now, by the field's id."""
    undoable: bool
    """Whether there is a change to undo."""


def admin_page(path: str, shown: Shown) -> Page:
    """Return a page of the table."""
    sheet, listing, number = shown.sheet, shown.listing, shown.number
    elements = [
        Element(id="title", kind="heading", label=sheet.title),
        *_filter(sheet, shown.query, shown.refused),
        *_summary(sheet, listing),
        _columns(sheet),
    ]
    forms = [_FILTER, Form("edit", f"/rows/{shown.editing}", "post") if shown.editing else _BULK]
    for row in shown.rows:
        if row.number == shown.editing:
            elements += _edited(sheet, row, shown.refused)
        else:
            elements += _row(row, not shown.editing)
    if number > 1:
        elements.append(Element(id="previous", kind="link", label="Previous page", href=page_path(number - 1)))
    if number * PER_PAGE < len(listing.numbers):
        elements.append(Element(id="next", kind="link", label="Next page", href=page_path(number + 1)))
    if not shown.editing:
        elements += _bulk(sheet, len(listing.numbers), shown.refused.get("action", _TAKEN).message)
    if shown.undoable:
        elements.append(Element(id="undo", kind="button", label="Undo", form="undo"))
        forms.append(_UNDO)
    kind = "edit" if shown.editing else "list"
    return Page(path, sheet.title, kind, tuple(elements), tuple(forms))


_TAKEN = Refused("", "")
_FILTER, _BULK, _UNDO = Form("filter", "/filter", "post"), Form("bulk", "/bulk", "post"), Form("undo", "/undo", "post")


def number_in(path: str, prefix: str) -> int | None:
    """Return the number that follows a prefix in a path; ``None`` where the path is another."""
    number = path.removeprefix(prefix)
    return int(number) if number != path and re.fullmatch("[1-9][0-9]{0,5}", number) else None


def page_path(number: int) -> str:
    """Return the path of a page of the table, from 1."""
    return "/" if number == 1 else f"/page/{number}"


def _filter(sheet: Sheet, query: Query, refused: Mapping[str, Refused]) -> list[Element]:
    text, error = refused.get("q") or (query.words, "")
    elements = [Element("q", "textbox", sheet.name_label, "q", text, form="filter", type="search", error=error)]
    for choice, value in zip(sheet.choices, query.values, strict=True):
        options = (ANY, *choice.options)
        elements.append(Element(choice.name, "select", choice.label, choice.name, value or ANY, options, form="filter"))
    for name, limit, word in (("min", query.low, "Minimum"), ("max", query.high, "Maximum")):
        text, error = refused.get(name) or ("" if limit is None else str(limit), "")
        label = f"{word} {sheet.amount_label.lower()}"
        elements.append(Element(name, "textbox", label, name, text, form="filter", type="number", error=error))
    elements += [
        Element("sort", "select", "Sort", "sort", query.sort, SORTS, form="filter"),
        Element("filter-now", "button", "Filter", "button", "filter", form="filter"),
        Element("clear", "button", "Clear filter", "button", "clear", form="filter"),
    ]
    return elements


def _summary(sheet: Sheet, listing: Listing) -> list[Element]:
    amount = sheet.amount_label.lower()
    largest = "-" if listing.largest is None else str(listing.largest)
    return [
        Element(id="count", kind="text", label=f"{sheet.title} found: {len(listing.numbers)}"),
        Element(id="total", kind="text", label=f"Total {amount}: {listing.total}"),
        Element(id="largest", kind="text", label=f"Largest {amount}: {largest}"),
    ]


@functools.cache
def _columns(sheet: Sheet) -> Element:
    labels = [choice.label for choice in sheet.choices]
    options = ("Number", sheet.name_label, *labels, sheet.amount_label, sheet.quantity_label, sheet.day_label)
    return Element(id="columns", kind="columns", options=options)


@functools.lru_cache(maxsize=8192)
def _row(row: Row, boxed: bool) -> tuple[Element, ...]:
    """Return a row; ``boxed``: with a box to choose it for the bulk action."""
    id, number = f"r{row.number}", str(row.number)
    cells = Element(id=id, kind="row", options=_cells(row))
    box = Element(f"s{number}", "checkbox", f"Choose {number}", "row", number, form="bulk", within=id)
    link = Element(f"e{number}", "link", "Edit", href=f"/edit/{number}", within=id)
    return (cells, box, link) if boxed else (cells, link)


def _cells(row: Row) -> tuple[str, ...]:
    return (str(row.number), row.name, *row.values, str(row.amount), str(row.quantity), row.day)


def _edited(sheet: Sheet, row: Row, refused: Mapping[str, Refused]) -> list[Element]:
    """Return a row that is open for editing."""
    id = f"r{row.number}"
    elements = [Element(id=id, kind="row", options=_cells(row))]
    for choice, value in zip(sheet.choices, row.values, strict=True):
        if choice.editable:
            label = f"New {choice.label.lower()}"
            name = f"new-{choice.name}"
            elements.append(Element(name, "select", label, name, value, choice.options, form="edit", within=id))
    text, error = refused.get("new-quantity") or (str(row.quantity), "")
    label = f"New {sheet.quantity_label.lower()}"
    elements += [
        Element(
            *("new-quantity", "textbox", label, "new-quantity", text),
            form="edit",
            type="number",
            within=id,
            error=error,
        ),
        Element("save", "button", "Save", form="edit", within=id),
        Element("cancel", "link", "Cancel", href="/", within=id),
    ]
    return elements


def _bulk(sheet: Sheet, found: int, error: str) -> list[Element]:
    options = (NO_ACTION, *bulk_actions(sheet))
    return [
        Element("all", "checkbox", f"All {found} {sheet.noun}s found", "all", "all", form="bulk"),
        Element("action", "select", "Action", "action", NO_ACTION, options, form="bulk", error=error),
        Element("apply", "button", "Apply", form="bulk"),
    ]
