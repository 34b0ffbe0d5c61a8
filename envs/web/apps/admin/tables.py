"""Tables for the admin app: a thousand orders or users, how they are filtered, and what an episode changes of them.

Both kinds have the same shape, a `Sheet`: a name, three columns with few values, an amount, a quantity and a day.
A `Table` is made once per kind and number and never changes; an episode's `Changes` are a mapping over it.
"""

from __future__ import annotations

import datetime as dt
import functools
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import NamedTuple, TypeAlias

from ...kit.page import Page

ROWS = 1000
"""Rows of a table."""
TABLES = 8
"""Tables of each kind."""
PER_PAGE = 8
"""Rows on one page."""
SORTS = ("number", "largest first", "smallest first")
"""Orders of a list; the latter two by the amount."""


class Choice(NamedTuple):
    """A column with few values."""

    name: str
    label: str
    options: tuple[str, ...]
    editable: bool


class Sheet(NamedTuple):
    """Names and words of one kind of table."""

    name: str
    title: str
    noun: str
    """What one row is."""
    name_label: str
    choices: tuple[Choice, Choice, Choice]
    amount_label: str
    quantity_label: str
    """Of the number that can be edited."""
    day_label: str


class Row(NamedTuple):
    """One row as it is at a moment."""

    number: int
    name: str
    values: tuple[str, str, str]
    """Of the sheet's three choices."""
    amount: int
    quantity: int
    day: str

    def with_value(self, column: int, value: str) -> Row:
        """Return the row with another value in one of the three choice columns."""
        first, second, third = (value if i == column else old for i, old in enumerate(self.values))
        return self._replace(values=(first, second, third))


Changes: TypeAlias = dict[int, Row | None]
"""Rows that are no longer as the table has them, by number; ``None``: deleted."""


class Query(NamedTuple):
    """What a list of rows shows; empty strings and ``None`` do not restrict it."""

    words: str = ""
    """Words that the name must all contain."""
    values: tuple[str, str, str] = ("", "", "")
    low: int | None = None
    """Smallest amount."""
    high: int | None = None
    """Largest amount."""
    sort: str = "number"


NO_FILTER = Query()


class Listing(NamedTuple):
    """What a query finds."""

    numbers: tuple[int, ...]
    """Of the rows, in the query's order."""
    total: int
    """Sum of their amounts."""
    largest: int | None
    """Largest of their amounts; ``None`` where there are no rows."""


@dataclass(frozen=True)
class Table:
    """A fixed set of rows, numbered from 1, and what they are found by."""

    sheet: Sheet
    number: int
    rows: Mapping[int, Row]
    by_value: tuple[Mapping[str, frozenset[int]], ...]
    """Numbers of the rows with each value, for each of the three choices."""
    by_word: Mapping[str, frozenset[int]]
    by_amount: tuple[tuple[int, int], ...]
    """(amount, number) of all rows, sorted."""
    found: dict[Query, Listing]
    """Answers to queries already asked of the unchanged table."""
    pages: dict[tuple[Query, str], Page]
    """Pages already made of the unchanged table, by filter and path."""

    def row(self, number: int, changes: Changes) -> Row | None:
        """Return a row as it is now, ``None`` where it was deleted.

        Raises:
            KeyError: There never was one of that number.
        """
        return changes[number] if number in changes else self.rows[number]

    def find(self, query: Query, changes: Changes) -> Listing:
        """Return what a query finds now."""
        found = self.found.get(query)
        if found is None:
            found = _listing((self.rows[n] for n in self._search(query)), query.sort)
            if len(self.found) < KEPT_QUERIES:
                self.found[query] = found
        if not changes:
            return found
        same = [self.rows[number] for number in found.numbers if number not in changes]
        changed = [row for row in changes.values() if row is not None and matches(row, query)]
        return _listing([*same, *changed], query.sort)

    def _search(self, query: Query) -> Iterable[int]:
        sets = [self.by_word.get(word, frozenset()) for word in query.words.lower().split()]
        sets += [by.get(value, frozenset()) for by, value in zip(self.by_value, query.values, strict=True) if value]
        if query.low is not None or query.high is not None:
            amounts = self.by_amount
            first = 0 if query.low is None else bisect_left(amounts, (query.low, 0))
            last = len(amounts) if query.high is None else bisect_right(amounts, (query.high, ROWS + 1))
            sets.append(frozenset(number for _, number in amounts[first:last]))
        return frozenset.intersection(*sets) if sets else self.rows


KEPT_QUERIES = 500
"""Answers that a table keeps."""


def _listing(rows: Iterable[Row], sort: str) -> Listing:
    if sort == "number":
        ordered = sorted(rows)
    else:
        sign = -1 if sort == "largest first" else 1
        ordered = sorted(rows, key=lambda row: (sign * row.amount, row.number))
    amounts = [row.amount for row in ordered]
    return Listing(tuple(row.number for row in ordered), sum(amounts), max(amounts, default=None))


def matches(row: Row, query: Query) -> bool:
    """Return whether a query finds a row; the meaning of `Table.find`, one row at a time."""
    if any(wanted and wanted != value for wanted, value in zip(query.values, row.values, strict=True)):
        return False
    if query.low is not None and row.amount < query.low:
        return False
    if query.high is not None and row.amount > query.high:
        return False
    return set(query.words.lower().split()) <= set(row.name.lower().split())


@functools.cache
def bulk_actions(sheet: Sheet) -> dict[str, tuple[int, str] | None]:
    """Return the bulk actions by label: the column and value to be set, or ``None`` for deletion."""
    actions: dict[str, tuple[int, str] | None] = {
        f"Set {choice.label.lower()} to {option}": (column, option)
        for column, choice in enumerate(sheet.choices)
        if choice.editable
        for option in choice.options
    }
    return {**actions, f"Delete {sheet.noun}s": None}


@functools.cache
def table(kind: str, number: int) -> Table:
    """Return a table of `ROWS` rows; each ``number`` gives another one.

    Args:
        kind: Name of a sheet in `SHEETS`.
        number: Seed of its content.
    """
    sheet = SHEETS[kind]
    random = Random(f"{kind}/{number}")
    rows = {row.number: row for row in _draw_rows(sheet, random)}
    by_word: dict[str, set[int]] = {}
    for row in rows.values():
        for word in row.name.lower().split():
            by_word.setdefault(word, set()).add(row.number)
    by_value = tuple(
        {option: frozenset(n for n, row in rows.items() if row.values[i] == option) for option in choice.options}
        for i, choice in enumerate(sheet.choices)
    )
    return Table(
        sheet=sheet,
        number=number,
        rows=rows,
        by_value=by_value,
        by_word={word: frozenset(numbers) for word, numbers in by_word.items()},
        by_amount=tuple(sorted((row.amount, row.number) for row in rows.values())),
        found={},
        pages={},
    )


def _draw_rows(sheet: Sheet, random: Random) -> Iterator[Row]:
    first_day = dt.date(2026, 1, 1)
    for number in range(1, ROWS + 1):
        one, two, three = (random.choice(choice.options) for choice in sheet.choices)
        yield Row(
            number=number,
            name=f"{random.choice(_FIRST_NAMES)} {random.choice(_LAST_NAMES)}",
            values=(one, two, three),
            amount=int(10 * 400 ** random.random()),  # 10 to 4,000, small ones more often
            quantity=random.randint(1, 12),
            day=(first_day + dt.timedelta(random.randrange(365))).isoformat(),
        )


_COUNTRIES = ("Austria", "Chile", "Ghana", "Japan", "Kenya", "Norway", "Peru", "Spain")
SHEETS: Mapping[str, Sheet] = {
    "orders": Sheet(
        "orders",
        "Orders",
        "order",
        "Customer",
        (
            Choice("country", "Country", _COUNTRIES, editable=False),
            Choice("category", "Category", ("Books", "Garden", "Kitchen", "Music", "Toys"), editable=False),
            Choice("status", "Status", ("cancelled", "paid", "pending", "shipped"), editable=True),
        ),
        "Amount",
        "Quantity",
        "Placed",
    ),
    "users": Sheet(
        "users",
        "Users",
        "user",
        "Name",
        (
            Choice("country", "Country", _COUNTRIES, editable=False),
            Choice("plan", "Plan", ("basic", "free", "pro", "team"), editable=True),
            Choice("state", "State", ("active", "invited", "locked"), editable=True),
        ),
        "Spending",
        "Seats",
        "Joined",
    ),
}
"""Both kinds of table."""
_FIRST_NAMES = (
    "Abena",
    "Birgit",
    "Carlos",
    "Dina",
    "Emil",
    "Fatima",
    "Goran",
    "Hiro",
    "Ines",
    "Jamal",
    "Kirsi",
    "Luca",
    "Mara",
    "Nadia",
    "Oskar",
    "Paula",
    "Quentin",
    "Rosa",
    "Sven",
    "Tessa",
)
_LAST_NAMES = (
    "Abbott",
    "Bianchi",
    "Cortez",
    "Dubois",
    "Ekman",
    "Fischer",
    "Ganguly",
    "Holm",
    "Iversen",
    "Jimenez",
    "Kovac",
    "Larsen",
    "Mensah",
    "Novak",
    "Okafor",
    "Petrov",
    "Quispe",
    "Rossi",
    "Suzuki",
    "Tanaka",
    "Ueda",
    "Vargas",
    "Weber",
    "Yilmaz",
    "Zhang",
)
