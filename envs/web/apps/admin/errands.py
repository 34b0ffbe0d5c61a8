"""Errands of the admin app: rows to change or a question to answer, and how much of it has been done."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal, NamedTuple

from ...kit.app import Goal, Slot
from .tables import PER_PAGE, SORTS, Changes, Query, Row, Sheet, Table, bulk_actions

ErrandKind = Literal["edit", "extreme", "bulk", "question"]
ERRAND_KINDS: tuple[ErrandKind, ...] = ("edit", "extreme", "bulk", "question")
MAX_BULK = 60
"""Rows that a bulk goal changes at most."""


@dataclass(frozen=True)
class Errand:
    """What an episode is to do."""

    kind: ErrandKind
    query: Query
    """The filter that the instruction describes."""
    wanted: Changes
    """All that should be different in the end; empty for a question."""
    action: str
    """Bulk action that the instruction names; empty for none."""
    answer: int | None
    """To the question; ``None`` where none is asked."""
    asked: str
    """What of the rows found it asks for: ``count``, ``total`` or ``largest``; empty where no question is."""
    goal: Goal
    """The same in words."""


class Tally(NamedTuple):
    """How far the changes made are those wanted."""

    done: int
    """Rows that are as wanted and were not so before."""
    unwanted: int
    """Rows changed in a way that is not on the way to what is wanted."""


NOTHING_DONE = Tally(0, 0)


def tally(table: Table, errand: Errand, changes: Changes) -> Tally:
    """Compare the rows as they are now with the table as it was."""
    done = unwanted = 0
    for number, row in changes.items():
        before = table.rows[number]
        wanted = errand.wanted.get(number, before)
        if row == wanted:
            done += row != before
        elif row is None or wanted is None or not _between(row, before, wanted):
            unwanted += 1
    return Tally(done, unwanted)


def _between(row: Row, before: Row, wanted: Row) -> bool:
    """Return whether each editable value is either the old or the wanted one."""
    values = all(v in (b, w) for v, b, w in zip(row.values, before.values, wanted.values, strict=True))
    return values and row.quantity in (before.quantity, wanted.quantity)


def is_right(errand: Errand, answer: str) -> bool:
    """Return whether a text answers the question: it holds one number, and that is right; commas may group digits."""
    numbers = _NUMBER.findall(answer)
    return len(numbers) == 1 and errand.answer is not None and float(numbers[0].replace(",", "")) == errand.answer


_NUMBER = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")


def draw_errand(table: Table, random: Random, kind: ErrandKind | None = None) -> Errand:
    """Return an errand that the table allows; of a kind drawn too where none is given.

    None of the rows to be changed is on the page that an episode begins with: something has to be looked for.
    """
    draw = _DRAW[random.choice(ERRAND_KINDS) if kind is None else kind]
    while True:
        errand = draw(table, random)
        if min(errand.wanted, default=PER_PAGE + 1) > PER_PAGE:
            return errand


def _draw_edit(table: Table, random: Random) -> Errand:
    sheet = table.sheet
    while True:
        row = table.rows[random.randint(1, len(table.rows))]
        column = random.randrange(len(sheet.choices))
        query = _with_value(Query(words=row.name), column, row.values[column])
        if len(table.find(query, {}).numbers) == 1:
            break
    wanted, wishes, slots = _draw_change(sheet, row, random)
    found = f"the {sheet.noun} of {row.name}" if sheet.name == "orders" else f"the {sheet.noun} {row.name}"
    text = (
        f"For {found} with {sheet.choices[column].label.lower()} {row.values[column]}, {wishes}. Change nothing else."
    )
    return Errand("edit", query, {row.number: wanted}, "", None, "", Goal(text, (*_terms(sheet, query), *slots)))


def _draw_extreme(table: Table, random: Random) -> Errand:
    sheet = table.sheet
    sort = random.choice(("largest first", "smallest first"))
    while True:
        query = _draw_filter(sheet, random, terms=random.choice((1, 2)))._replace(sort=sort)
        numbers = table.find(query, {}).numbers
        if len(numbers) > 1 and table.rows[numbers[0]].amount != table.rows[numbers[1]].amount:
            break
    row = table.rows[numbers[0]]
    wanted, wishes, slots = _draw_change(sheet, row, random)
    which = f"{sort.split()[0]} {sheet.amount_label.lower()}"
    text = (
        f"For the {sheet.noun} with the {which} among those {_described(sheet, query)}, {wishes}. Change nothing else."
    )
    return Errand("extreme", query, {row.number: wanted}, "", None, "", Goal(text, (*_terms(sheet, query), *slots)))


def _draw_bulk(table: Table, random: Random) -> Errand:
    sheet = table.sheet
    column = random.choice([i for i, choice in enumerate(sheet.choices) if choice.editable])
    choice = sheet.choices[column]
    delete = random.random() < 0.25
    while True:
        query = _draw_filter(sheet, random, terms=2)
        value = random.choice([option for option in choice.options if option != query.values[column]])
        rows = [table.rows[number] for number in table.find(query, {}).numbers]
        wanted: Changes = {row.number: None if delete else row.with_value(column, value) for row in rows}
        changed = {number: row for number, row in wanted.items() if row != table.rows[number]}
        if 2 <= len(changed) <= MAX_BULK:
            break
    described = f"all {sheet.noun}s {_described(sheet, query)}"
    wish = f"Delete {described}" if delete else f"Set {choice.label.lower()} to {value} for {described}"
    change = None if delete else (column, value)
    action = next(label for label, meant in bulk_actions(sheet).items() if meant == change)
    goal = Goal(f"{wish}. Change nothing else.", (*_terms(sheet, query), Slot("action", action)))
    return Errand("bulk", query, changed, action, None, "", goal)


def _draw_question(table: Table, random: Random) -> Errand:
    sheet = table.sheet
    asked = random.choice(("count", "total", "largest"))
    while True:
        query = _draw_filter(sheet, random, terms=2)
        if random.random() < 0.5:
            query = query._replace(low=random.randrange(50, 1000, 50))
        listing = table.find(query, {})
        if len(listing.numbers) > 2:
            break
    answer = {"count": len(listing.numbers), "total": listing.total, "largest": listing.largest}[asked]
    amount, among = sheet.amount_label.lower(), f"{sheet.noun}s {_described(sheet, query)}"
    question = {
        "count": f"How many {among} are there",
        "total": f"What is the total {amount} of the {among}",
        "largest": f"What is the largest {amount} among the {among}",
    }[asked]
    text = f"{question}? Submit the number as the answer and change nothing."
    goal = Goal(text, (*_terms(sheet, query), Slot("answer", asked)))
    return Errand("question", query, {}, "", answer, asked, goal)


_DRAW: Mapping[ErrandKind, Callable[[Table, Random], Errand]] = {
    "edit": _draw_edit,
    "extreme": _draw_extreme,
    "bulk": _draw_bulk,
    "question": _draw_question,
}


def _draw_change(sheet: Sheet, row: Row, random: Random) -> tuple[Row, str, list[Slot]]:
    """Return a row with one or two editable values changed, and these wishes in words and as slots."""
    columns: list[int | None] = [None, *(i for i, choice in enumerate(sheet.choices) if choice.editable)]
    wishes: list[str] = []
    slots: list[Slot] = []
    for column in random.sample(columns, random.choice((1, 1, 2))):
        if column is None:
            name, old = sheet.quantity_label, str(row.quantity)
            value = random.choice([n for n in map(str, range(1, 21)) if n != old])
            row = row._replace(quantity=int(value))
        else:
            name, old = sheet.choices[column].label, row.values[column]
            value = random.choice([option for option in sheet.choices[column].options if option != old])
            row = row.with_value(column, value)
        wishes.append(f"set {name.lower()} to {value}")
        slots.append(Slot(f"new {name.lower()}", value))
    return row, " and ".join(wishes), slots


def _draw_filter(sheet: Sheet, random: Random, terms: int) -> Query:
    query = Query()
    for column in random.sample(range(len(sheet.choices)), terms):
        query = _with_value(query, column, random.choice(sheet.choices[column].options))
    return query


def _with_value(query: Query, column: int, value: str) -> Query:
    first, second, third = (value if i == column else old for i, old in enumerate(query.values))
    return query._replace(values=(first, second, third))


def _described(sheet: Sheet, query: Query) -> str:
    terms = [f"{c.label.lower()} {v}" for c, v in zip(sheet.choices, query.values, strict=True) if v]
    if query.low is not None:
        terms.append(f"{sheet.amount_label.lower()} of at least {query.low}")
    return f"with {' and '.join(terms)}"


def _terms(sheet: Sheet, query: Query) -> list[Slot]:
    slots = [Slot(c.label.lower(), v) for c, v in zip(sheet.choices, query.values, strict=True) if v]
    if query.words:
        slots.append(Slot(sheet.name_label.lower(), query.words))
    if query.low is not None:
        slots.append(Slot("minimum", str(query.low)))
    if query.sort != SORTS[0]:
        slots.append(Slot("sort", query.sort))
    return slots
