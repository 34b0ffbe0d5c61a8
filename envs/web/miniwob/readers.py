"""Readers of utterances: what the sentence of each kind of game names, as fields."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable

from .game import MAX_FIELDS, named

Reader = Callable[[str], dict[str, str]]


def items(pattern: str) -> Reader:
    """Return a reader of a list separated by commas, the group ``items`` of a pattern; "nothing" is an empty list."""
    read_list = named(pattern)

    def read(utterance: str) -> dict[str, str]:
        found = read_list(utterance).get("items", "nothing")
        names = [] if found == "nothing" else found.split(", ")
        return {f"item_{n}": name for n, name in enumerate(names[:MAX_FIELDS])}

    return read


def no_fields(utterance: str) -> dict[str, str]:
    """Return nothing: for utterances that always say the same."""
    return {}


def letter_case(utterance: str) -> dict[str, str]:
    """Return a quoted word in both cases and which one is asked for."""
    found = named(r'"(?P<word>[^"]+)" in all (?P<case>upper|lower)')(utterance)
    word = found.get("word", "")
    return {"upper": word.upper(), "lower": word.lower(), "case": found.get("case", "")}


def iso_date(utterance: str) -> dict[str, str]:
    """Return a date MM/DD/YYYY as it is written, and as a date field takes it."""
    match = re.search(r"(\d\d)/(\d\d)/(\d{4})", utterance)
    return {"date": match[0], "iso_date": f"{match[3]}-{match[1]}-{match[2]}"} if match else {}


def iso_time(utterance: str) -> dict[str, str]:
    """Return a time of the 12-hour clock as it is written, and as a time field takes it."""
    match = re.search(r"\d+:\d\d\s[AP]M", utterance)
    if match is None:
        return {}
    written = re.sub(r"\s", " ", match[0])  # Chromium puts a narrow space between time and AM
    return {"time": written, "iso_time": datetime.datetime.strptime(written, "%I:%M %p").strftime("%H:%M")}


def calendar_date(utterance: str) -> dict[str, str]:
    """Return the parts of a date MM/DD/YYYY as a calendar shows them."""
    match = re.search(r"(\d\d)/(\d\d)/(\d{4})", utterance)
    if match is None:
        return {}
    month = datetime.date(2000, int(match[1]), 1).strftime("%B")
    return {"month": month, "day": str(int(match[2])), "year": match[3]}
