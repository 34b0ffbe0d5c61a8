"""A person who is asked."""

from __future__ import annotations

import io

import pytest

from envreward.errors import ConfigError
from envreward.llm.base import Answer
from envreward.llm.record import Exchange
from envreward.studies.person import PERSON, RecordedPerson, TerminalPerson, ask


class Shelf:
    """Exchanges in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, Exchange] = {}

    def get(self, key: str) -> Exchange | None:
        return self.kept.get(key)

    def put(self, key: str, exchange: Exchange) -> None:
        assert key not in self.kept
        self.kept[key] = exchange


def number(answer: str) -> str | None:
    """Take whole numbers only."""
    return None if answer.isdigit() else "give a number"


def test_an_answer_is_asked_for_once_and_kept() -> None:
    """What was answered is not asked for again; the record says who answered what."""
    shelf, sink = Shelf(), io.StringIO()
    person = TerminalPerson(source=io.StringIO("3\n"), sink=sink)
    assert ask(person, shelf, "iteration-0/best", "Which is best?", number) == "3"
    assert "Which is best?" in sink.getvalue()
    assert ask(person, shelf, "iteration-0/best", "Which is best?", number) == "3"
    kept = shelf.kept["iteration-0/best"]
    assert (kept.model, kept.usage.calls, kept.answer.text) == (PERSON, 0, "3")
    assert kept.messages is not None and kept.messages[0]["content"] == "Which is best?"


def test_an_answer_of_no_use_is_asked_for_again_with_the_reason() -> None:
    """The person is told what is wrong, and only the answer that fits is kept."""
    shelf, sink = Shelf(), io.StringIO()
    person = TerminalPerson(source=io.StringIO("the left one\n7\n"), sink=sink)
    assert ask(person, shelf, "k", "Which?", number) == "7"
    assert "'the left one' cannot be used: give a number" in sink.getvalue()
    assert shelf.kept["k"].answer.text == "7"


def test_nobody_there_is_one_clear_line() -> None:
    """When the input has ended the error says so and nothing is kept."""
    shelf = Shelf()
    with pytest.raises(ConfigError, match=r"a person is asked \(k\) and standard input has ended"):
        ask(TerminalPerson(source=io.StringIO(""), sink=io.StringIO()), shelf, "k", "Which?", number)
    assert not shelf.kept


def test_a_recording_answers_in_the_persons_place() -> None:
    """Recorded answers are taken over; one that is missing or does not fit is an error, never asked for again."""
    recording = Shelf()
    recording.put("k", Exchange(key="k", model=PERSON, messages=None, answer=Answer(text="5")))
    recording.put("bad", Exchange(key="bad", model=PERSON, messages=None, answer=Answer(text="left")))
    person, shelf = RecordedPerson(recording), Shelf()
    assert ask(person, shelf, "k", "Which?", number) == "5"
    assert shelf.kept["k"].answer.text == "5"
    with pytest.raises(ConfigError, match="does not fit: give a number"):
        ask(person, shelf, "bad", "Which?", number)
    with pytest.raises(ConfigError, match="no answer to other"):
        ask(person, shelf, "other", "Which?", number)
