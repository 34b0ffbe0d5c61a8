"""Templates of one table: press in a row, change a row, find the cheapest, answer a question."""

from __future__ import annotations

import random

from ...kit.app import Goal, Slot
from ...kit.page import Element, Page
from .widget import Step, Widget, button, make_goal, one_page
from .words import CITIES, FRUITS, NAMES

_ROWS = 6


def _row(i: int, *cells: str) -> Element:
    return Element(id=f"row-{i}", kind="row", options=cells)


def press_in_row(rng: random.Random) -> Widget:
    """Press the button in the row of a given name."""
    names, cities = rng.sample(NAMES, _ROWS), rng.sample(CITIES, _ROWS)
    place = rng.randrange(1, _ROWS)
    elements = [Element(id="head", kind="columns", options=("Name", "City"))]
    for i in range(_ROWS):
        elements += (_row(i, names[i], cities[i]), _in_row(i, "Invite", names[i]))
    goal = make_goal(f"Invite {names[place]}.", ("name", names[place]))
    return one_page("press-in-row", goal, tuple(elements), {}, (("row", names[place]),), f"press-{place}")


def _in_row(i: int, label: str, value: str) -> Element:
    return button(label, f"press-{i}", "row", value)._replace(within=f"row-{i}")


def buy_within(rng: random.Random) -> Widget:
    """Buy the only thing that is within a price limit."""
    names = rng.sample(FRUITS, _ROWS)
    limit = rng.randint(10, 40)
    place = rng.randrange(1, _ROWS)
    elements: list[Element] = []
    for i, name in enumerate(names):
        price = limit - rng.randint(0, 5) if i == place else limit + rng.randint(1, 40)
        elements += (_row(i, name, f"{price}.00 €"), _in_row(i, "Buy", name))
    slot = Slot("price", f"{limit} €", at_most=float(limit))
    goal = Goal(f"Buy the only fruit that costs at most {limit} €.", (slot,))
    return one_page("buy-within", goal, tuple(elements), {}, (("row", names[place]),), f"press-{place}")


def change_row(rng: random.Random) -> Widget:
    """Set the number in one row of a table and save."""
    names = rng.sample(FRUITS, 4)
    counts = [str(rng.randint(1, 9)) for _ in names]
    place, wanted = rng.randrange(4), str(rng.randint(10, 30))
    elements: list[Element] = []
    for i, name in enumerate(names):
        count = Element(
            id=f"count-{i}",
            kind="textbox",
            type="number",
            label=f"Number of {name}",
            name=name,
            value=counts[i],
            form="form",
            within=f"row-{i}",
        )
        elements += (_row(i, name), count)
    goal = make_goal(f"Set the number of {names[place]} to {wanted} and save.", (f"number of {names[place]}", wanted))
    sent = tuple((name, wanted if i == place else counts[i]) for i, name in enumerate(names))
    return one_page("change-row", goal, (*elements, button("Save")), {f"count-{place}": wanted}, sent)


def remove_rows(rng: random.Random) -> Widget:
    """Tick two rows of a table and delete them."""
    names = rng.sample(NAMES, _ROWS)
    chosen = sorted(rng.sample(range(_ROWS), 2))
    elements: list[Element] = []
    for i, name in enumerate(names):
        box = Element(
            id=f"tick-{i}",
            kind="checkbox",
            label=f"Tick {name}",
            name="tick",
            value=name,
            form="form",
            within=f"row-{i}",
        )
        elements += (_row(i, name), box)
    ticked = [names[i] for i in chosen]
    goal = make_goal(f"Tick {ticked[0]} and {ticked[1]} and delete them.", *(("name", name) for name in ticked))
    fields: dict[str, str | bool] = {f"tick-{i}": i in chosen for i in range(_ROWS)}
    sent = tuple(("tick", name) for name in ticked)
    return one_page("remove-rows", goal, (*elements, button("Delete")), fields, sent)


def answer_question(rng: random.Random) -> Widget:
    """Read a table and answer what it says of a name."""
    names, cities = rng.sample(NAMES, _ROWS), rng.sample(CITIES, _ROWS)
    place = rng.randrange(1, _ROWS)
    rows = (_row(i, *cells) for i, cells in enumerate(zip(names, cities, strict=True)))
    elements = (Element(id="head", kind="columns", options=("Name", "City")), *rows)
    goal = make_goal(f"In which city does {names[place]} live? Answer with the city.", ("name", names[place]))
    page = Page("/", "People", "list", elements)
    return Widget("answer-question", goal, {"/": page}, {"/": Step(answer=cities[place])})


TEMPLATES = (press_in_row, buy_within, change_row, remove_rows, answer_question)
