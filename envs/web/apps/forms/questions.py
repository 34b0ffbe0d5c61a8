"""Forms of the wizard: what a question is, when an answer is valid, and how an episode's form is drawn.

A `Schema` is a sequence of pages of `Question` s. `draw_form` makes one episode's form of it: the required questions in
a seeded order, some of the optional ones, and an answer wanted for each (the empty string where nothing should be
entered). All answers are text, as in a submitted HTML form; a ticked checkbox is ``"on"``.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

Kind = Literal["text", "email", "phone", "date", "number", "select", "radio", "checkbox", "textarea"]
TICKED = "on"
MAX_LINE, MAX_TEXT = 80, 500
"""Characters that a one-line answer and a text area may hold."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_PHONE = re.compile(r"\+?[0-9](?:[ -]?[0-9]){6,14}")


@dataclass(frozen=True, kw_only=True)
class Question:
    """One field of a form."""

    name: str
    label: str
    kind: Kind
    required: bool = True
    choices: tuple[str, ...] = ()
    """Options of a select or radio group; for text, the answers that goals are drawn from."""
    low: int = 0
    """Smallest number; for a date, days after `FIRST_DAY`, or after the date of ``after``."""
    high: int = 0
    """Largest number or number of days, this one included."""
    after: str = ""
    """Name of a date question on an earlier page or above this one, from which the days count."""
    default: str = ""
    """What the field holds at first."""


@dataclass(frozen=True)
class Schema:
    """A form before an episode's draw."""

    title: str
    pages: tuple[tuple[str, tuple[Question, ...]], ...]
    """Title and questions of each page, in order."""


@dataclass(frozen=True)
class Wizard:
    """An episode's form and the answers wanted."""

    title: str
    pages: tuple[tuple[str, tuple[Question, ...]], ...]
    wanted: Mapping[str, str]
    """Answer to each question, by its name."""

    @functools.cached_property
    def signature(self) -> str:
        """What tells this form from all others, as text."""
        return repr((self.title, self.pages, self.wanted))


FIRST_DAY = dt.date(2027, 1, 1)
"""From which the dates of all schemas count."""


def validate(question: Question, answer: str, answers: Mapping[str, str]) -> str:
    """Return what is wrong with an answer, as the form shows it beside the field; empty when nothing is.

    Args:
        question: What was asked.
        answer: The text entered, without blanks around it.
        answers: Those given to the other questions so far, by name.
    """
    if not answer:
        if not question.required:
            return ""
        return "Tick this box to go on." if question.kind == "checkbox" else "This field is required."
    if question.kind in ("select", "radio"):
        return "" if answer in question.choices else "Choose one of the options."
    if question.kind == "checkbox":
        return "" if answer == TICKED else "Tick or leave this box."
    limit = MAX_TEXT if question.kind == "textarea" else MAX_LINE
    if len(answer) > limit:
        return f"Enter at most {limit} characters."
    if question.kind == "email" and not _EMAIL.fullmatch(answer):
        return "Enter an e-mail address such as name@example.org."
    if question.kind == "phone" and not _PHONE.fullmatch(answer):
        return "Enter a phone number of 7 to 15 digits."
    if question.kind == "number":
        return _number_error(question, answer)
    if question.kind == "date":
        return _date_error(question, answer, answers)
    return ""


def _number_error(question: Question, answer: str) -> str:
    if re.fullmatch(r"-?[0-9]{1,9}", answer) and question.low <= int(answer) <= question.high:
        return ""
    return f"Enter a whole number from {question.low} to {question.high}."


def _date_error(question: Question, answer: str, answers: Mapping[str, str]) -> str:
    day = _day(answer)
    if day is None:
        return "Enter a date as YYYY-MM-DD."
    start = (_day(answers.get(question.after, "")) if question.after else None) or FIRST_DAY
    first, last = start + dt.timedelta(question.low), start + dt.timedelta(question.high)
    return "" if first <= day <= last else f"Enter a date from {first} to {last}."


def _day(text: str) -> dt.date | None:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def draw_form(schema: Schema, random: Random) -> Wizard:
    """Return an episode's form of a schema, and the answers wanted."""
    pages: list[tuple[str, tuple[Question, ...]]] = []
    wanted: dict[str, str] = {}
    for title, questions in schema.pages:
        kept = [q for q in questions if q.required or random.random() < 0.75]
        for question in kept:  # in declared order, so that a date's start is drawn before it
            wanted[question.name] = _draw_answer(question, random, wanted)
        random.shuffle(kept)
        pages.append((title, tuple(_vary(q, random) for q in kept)))
    return Wizard(schema.title, tuple(pages), wanted)


def _vary(question: Question, random: Random) -> Question:
    """Turn some selects into radio groups; only required ones, since a radio button cannot be switched off again."""
    if question.kind == "select" and question.required and len(question.choices) <= 4 and random.random() < 0.5:
        return replace(question, kind="radio")
    return question


def _draw_answer(question: Question, random: Random, wanted: Mapping[str, str]) -> str:
    if not question.required and random.random() < 0.4:
        return ""
    match question.kind:
        case "checkbox":
            return TICKED
        case "number":
            return str(random.randint(question.low, question.high))
        case "date":
            start = _day(wanted[question.after]) if question.after else None
            day = (start or FIRST_DAY) + dt.timedelta(random.randint(question.low, question.high))
            return day.isoformat()
        case "phone":
            area, line = random.randint(20, 99), random.randint(100_000, 999_999)
            return f"+{random.choice((31, 34, 44, 49, 81))} {area} {line}"
        case "email":
            first, last = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
            return f"{first}.{last}@{random.choice(_DOMAINS)}".lower()
        case _:
            return random.choice(question.choices)


FIRST_NAMES = ("Amara", "Bruno", "Chiara", "Daniel", "Elif", "Farid", "Greta", "Hana", "Ivo", "Jonas", "Keiko")
LAST_NAMES = ("Adeyemi", "Berg", "Castro", "Dvorak", "Eriksen", "Fontana", "Gupta", "Haas", "Ito", "Jensen", "Kaya")
_DOMAINS = ("example.org", "example.com", "mail.example", "post.example")
