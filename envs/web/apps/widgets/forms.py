"""Templates of one form: buttons, boxes, lists, text fields."""

from __future__ import annotations

import random
from datetime import date, timedelta

from ...kit.page import Element
from .widget import Widget, button, make_goal, one_page
from .words import CITIES, FRUITS, LABELS, MONTHS, NAMES, WORDS


def click_button(rng: random.Random) -> Widget:
    """Press the button of a given label among several."""
    labels = rng.sample(LABELS, rng.randint(3, 6))
    wanted = rng.choice(labels)
    buttons = tuple(button(label, f"button-{i}", "pressed", label) for i, label in enumerate(labels))
    goal = make_goal(f'Press the button "{wanted}".', ("button", wanted))
    return one_page("click-button", goal, buttons, {}, (("pressed", wanted),), f"button-{labels.index(wanted)}")


def check_boxes(rng: random.Random) -> Widget:
    """Check some boxes and no others; all are off at first."""
    return _boxes(rng, "check-boxes", set())


def change_boxes(rng: random.Random) -> Widget:
    """Check some boxes and no others; some are on at first."""
    return _boxes(rng, "change-boxes", set(rng.sample(range(5), 2)))


def _boxes(rng: random.Random, template: str, on: set[int]) -> Widget:
    labels = rng.sample(FRUITS, 5)
    wanted = sorted(rng.sample(range(5), rng.randint(1, 4)))
    elements = tuple(
        Element(
            id=f"box-{i}",
            kind="checkbox",
            label=label,
            name="fruit",
            value=label,
            checked=i in on,
            form="form",
            group="Fruit",
        )
        for i, label in enumerate(labels)
    )
    names = [labels[i] for i in wanted]
    goal = make_goal(
        f"Check exactly these boxes, and no others: {', '.join(names)}. Then submit.", *(("fruit", n) for n in names)
    )
    fields = {f"box-{i}": i in wanted for i in range(5)}
    return one_page(template, goal, (*elements, button()), fields, tuple(("fruit", name) for name in names))


def choose_radio(rng: random.Random) -> Widget:
    """Choose one of several radio buttons."""
    labels = rng.sample(CITIES, rng.randint(3, 6))
    wanted = rng.choice(labels)
    goal = make_goal(f"Choose {wanted} and submit.", ("city", wanted))
    elements = (*_radios("city", "City", labels), button())
    return one_page("choose-radio", goal, elements, {f"city-{labels.index(wanted)}": True}, (("city", wanted),))


def two_radios(rng: random.Random) -> Widget:
    """Choose in two groups of radio buttons."""
    cities, fruits = rng.sample(CITIES, 3), rng.sample(FRUITS, 3)
    city, fruit = rng.choice(cities), rng.choice(fruits)
    goal = make_goal(f"Choose the city {city} and the fruit {fruit}, then submit.", ("city", city), ("fruit", fruit))
    elements = (*_radios("city", "City", cities), *_radios("fruit", "Fruit", fruits), button())
    fields = {f"city-{cities.index(city)}": True, f"fruit-{fruits.index(fruit)}": True}
    return one_page("two-radios", goal, elements, fields, (("city", city), ("fruit", fruit)))


def _radios(name: str, legend: str, labels: list[str]) -> tuple[Element, ...]:
    return tuple(
        Element(id=f"{name}-{i}", kind="radio", label=label, name=name, value=label, form="form", group=legend)
        for i, label in enumerate(labels)
    )


def choose_option(rng: random.Random) -> Widget:
    """Choose from a long list."""
    options = tuple(sorted(rng.sample(CITIES, 10)))
    wanted = rng.choice(options[1:])
    goal = make_goal(f"Choose {wanted} from the list and submit.", ("city", wanted))
    city = Element(id="city", kind="select", label="City", name="city", options=options, value=options[0], form="form")
    return one_page("choose-option", goal, (city, button()), {"city": wanted}, (("city", wanted),))


def two_lists(rng: random.Random) -> Widget:
    """Choose a month and a number from two lists."""
    month, count = rng.choice(MONTHS[1:]), str(rng.randint(2, 6))
    goal = make_goal(
        f"Set the month to {month} and the guests to {count}, then submit.", ("month", month), ("guests", count)
    )
    counts = tuple(map(str, range(1, 7)))
    elements = (
        Element(id="month", kind="select", label="Month", name="month", options=MONTHS, value=MONTHS[0], form="form"),
        Element(id="guests", kind="select", label="Guests", name="guests", options=counts, value="1", form="form"),
        button(),
    )
    return one_page(
        "two-lists", goal, elements, {"month": month, "guests": count}, (("month", month), ("guests", count))
    )


def enter_text(rng: random.Random) -> Widget:
    """Type a word."""
    word = rng.choice(WORDS)
    goal = make_goal(f'Enter "{word}" and submit.', ("text", word))
    return one_page("enter-text", goal, (_text("text", "Text"), button()), {"text": word}, (("text", word),))


def enter_two(rng: random.Random) -> Widget:
    """Type a name and a city into the right fields; there is a third that stays empty."""
    name, city = rng.choice(NAMES), rng.choice(CITIES)
    goal = make_goal(
        f"Enter the name {name} and the city {city}; leave the rest and submit.", ("name", name), ("city", city)
    )
    texts = [_text("name", "Name"), _text("city", "City"), _text("phone", "Phone", "tel")]
    rng.shuffle(texts)
    wanted = (("name", name), ("city", city), ("phone", ""))
    return one_page("enter-two", goal, (*texts, button()), {"name": name, "city": city}, wanted)


def log_in(rng: random.Random) -> Widget:
    """Log in; a second button cancels."""
    user, password = rng.choice(NAMES).lower(), f"{rng.choice(WORDS)}-{rng.randint(10, 99)}"
    goal = make_goal(f"Log in as user {user} with the password {password}.", ("user", user), ("password", password))
    elements = (
        _text("user", "User"),
        _text("password", "Password", "password"),
        button("Cancel", "cancel", "do", "cancel"),
        button("Log in", "submit", "do", "log in"),
    )
    wanted = (("user", user), ("password", password), ("do", "log in"))
    return one_page("log-in", goal, elements, {"user": user, "password": password}, wanted)


def enter_date(rng: random.Random) -> Widget:
    """Fill a date field."""
    day = (date(2026, 1, 1) + timedelta(days=rng.randrange(1000))).isoformat()
    goal = make_goal(f"Set the date to {day} and submit.", ("date", day))
    return one_page("enter-date", goal, (_text("date", "Date", "date"), button()), {"date": day}, (("date", day),))


def enter_number(rng: random.Random) -> Widget:
    """Change a number that is there already."""
    before, wanted = map(str, rng.sample(range(1, 100), 2))
    goal = make_goal(f"Change the amount to {wanted} and submit.", ("amount", wanted))
    amount = _text("amount", "Amount", "number")._replace(value=before)
    return one_page("enter-number", goal, (amount, button()), {"amount": wanted}, (("amount", wanted),))


def write_note(rng: random.Random) -> Widget:
    """Copy a sentence into a text area and subscribe."""
    note = f"{rng.choice(NAMES)} likes {rng.choice(FRUITS).lower()} in {rng.choice(CITIES)}"
    goal = make_goal(
        f'Write the note "{note}", check "Send a copy", and submit.', ("note", note), ("option", "Send a copy")
    )
    elements = (
        Element(id="note", kind="textarea", label="Note", name="note", form="form"),
        Element(id="copy", kind="checkbox", label="Send a copy", name="copy", value="yes", form="form"),
        button(),
    )
    return one_page("write-note", goal, elements, {"note": note, "copy": True}, (("note", note), ("copy", "yes")))


def _text(name: str, label: str, type: str = "text") -> Element:
    return Element(id=name, kind="textbox", label=label, name=name, type=type, form="form")


TEMPLATES = (
    *(click_button, check_boxes, change_boxes, choose_radio, two_radios, choose_option, two_lists, enter_text),
    *(enter_two, log_in, enter_date, enter_number, write_note),
)
