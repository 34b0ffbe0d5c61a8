"""State of the admin app's episodes, and what its forms change of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...kit.app import Post
from .errands import NOTHING_DONE, Errand, Tally, tally
from .pages import Refused, page_path
from .tables import NO_FILTER, PER_PAGE, SORTS, Changes, Listing, Query, Row, Table, bulk_actions

MILESTONES = (
    "a term of the filter was right",
    "the whole filter was right",
    "a row to be changed was shown",
    "a row to be changed was open for editing",
    "what is wanted was entered",
    "half of the changes were made",
    "all changes were made",
    "the question was answered",
)


@dataclass
class AdminState:
    """One episode of the admin app."""

    table: Table = field(repr=False)
    errand: Errand = field(repr=False)
    query: Query = NO_FILTER
    """The filter in force."""
    changes: Changes = field(default_factory=dict)
    undo: list[dict[int, Row]] = field(default_factory=list)
    """Rows as they were before each change that can be undone, oldest first."""
    refused: dict[str, Refused] = field(default_factory=dict)
    """What was refused just now, by the field's id."""
    answer: str | None = None
    tally: Tally = NOTHING_DONE
    found: Listing | None = field(default=None, repr=False)
    """What the filter finds; ``None`` where that must be found out anew."""
    milestones: list[float] = field(default_factory=lambda: [0.0] * len(MILESTONES), repr=False)

    filter_fields: dict[str, str] = field(init=False, repr=False)
    """What the filter's fields should hold, by id; those to be left alone are not there."""

    def __post_init__(self) -> None:
        query = self.errand.query
        limits = {"min": query.low, "max": query.high}
        fields = {"q": query.words, **{id: str(limit) for id, limit in limits.items() if limit is not None}}
        fields |= {choice.name: value for choice, value in zip(self.table.sheet.choices, query.values, strict=True)}
        if query.sort != SORTS[0]:
            fields["sort"] = query.sort
        self.filter_fields = {id: value for id, value in fields.items() if value}

    @property
    def listing(self) -> Listing:
        """What the filter finds now."""
        if self.found is None:
            self.found = self.table.find(self.query, self.changes)
        return self.found

    def row(self, number: int) -> Row | None:
        """Return a row as it is now; ``None`` where there is none of that number any more, or never was."""
        return self.table.row(number, self.changes) if number in self.table.rows else None

    def is_open(self, number: int) -> bool:
        """Return whether a row is yet to be changed."""
        wanted = self.errand.wanted
        return number in wanted and self.row(number) != wanted[number]

    def filter_by(self, query: Query) -> None:
        """Put a filter in force."""
        self.query, self.found = query, None

    def change(self, rows: Mapping[int, Row | None]) -> None:
        """Change rows, or delete those given as ``None``, after which nothing before can be undone."""
        before = {number: self.row(number) for number, row in rows.items() if row != self.row(number)}
        if not before:
            return
        kept = {number: row for number, row in before.items() if row is not None}
        if any(rows[number] is None for number in before):
            self.undo.clear()
        else:
            self.undo.append(kept)
        self._put(rows)

    def undo_last(self) -> None:
        """Take the last change back."""
        self._put(self.undo.pop())

    def _put(self, rows: Mapping[int, Row | None]) -> None:
        for number, row in rows.items():
            if row == self.table.rows[number]:
                self.changes.pop(number, None)
            else:
                self.changes[number] = row
        self.found = None
        self.tally = tally(self.table, self.errand, self.changes)


def set_filter(state: AdminState, post: Post) -> str:
    """Put a filter in force; terms that cannot be are left out and complained about."""
    if post.get("button") == "clear":
        state.filter_by(NO_FILTER)
        return "/"
    words = " ".join(post.get("q").split())
    if len(words) > _MAX_WORDS:
        state.refused["q"] = Refused(words, f"Enter at most {_MAX_WORDS} characters.")
        words = ""
    chosen = [post.get(choice.name) for choice in state.table.sheet.choices]
    known = zip(state.table.sheet.choices, chosen, strict=True)
    first, second, third = (value if value in choice.options else "" for choice, value in known)
    low, high = (_limit(state, name, post.get(name)) for name in ("min", "max"))
    if low is not None and high is not None and low > high:
        state.refused["max"] = Refused(str(high), "The maximum is below the minimum.")
        high = None
    sort = post.get("sort")
    state.filter_by(Query(words, (first, second, third), low, high, sort if sort in SORTS else SORTS[0]))
    return "/"


_MAX_WORDS = 80


def _limit(state: AdminState, name: str, text: str) -> int | None:
    if not text or re.fullmatch("[0-9]{1,6}", text):
        return int(text) if text else None
    state.refused[name] = Refused(text, "Enter a whole number from 0 to 999999.")
    return None


def save_row(state: AdminState, row: Row, post: Post) -> str:
    """Take over what an open row holds."""
    new = row
    for column, choice in enumerate(state.table.sheet.choices):
        value = post.get(f"new-{choice.name}")
        if choice.editable and value in choice.options:
            new = new.with_value(column, value)
    text = post.get("new-quantity")
    if not re.fullmatch("[1-9][0-9]{0,2}", text):
        state.refused["new-quantity"] = Refused(text, "Enter a whole number from 1 to 999.")
        return f"/edit/{row.number}" if row.number in state.listing.numbers else "/"
    state.change({row.number: new._replace(quantity=int(text))})
    numbers = state.listing.numbers
    return page_path(numbers.index(row.number) // PER_PAGE + 1) if row.number in numbers else "/"


def apply_action(state: AdminState, post: Post) -> str:
    """Carry out a bulk action on the rows chosen."""
    label = post.get("action")
    actions = bulk_actions(state.table.sheet)
    chosen = (
        state.listing.numbers if post.get("all") else [int(n) for n in post.all("row") if re.fullmatch("[0-9]{1,6}", n)]
    )
    rows = [row for row in map(state.row, chosen) if row is not None]
    if label not in actions or not rows:
        state.refused["action"] = Refused("", "Choose an action." if rows else "Choose rows first.")
        return "/"
    meant = actions[label]
    if meant is None:
        state.change({row.number: None for row in rows})
    else:
        state.change({row.number: row.with_value(*meant) for row in rows})
    return "/"
