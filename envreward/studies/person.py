"""A person who is asked: for a preference, a ranking, a few words of feedback. Answers are kept like a model's.

An answer goes into the study's record under a key, as an exchange with the model ``person``. A resumed study does not
ask again, and a study that plays a recording back takes the answers from there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Protocol, TextIO, TypeAlias

from envreward.errors import ConfigError
from envreward.llm import Message
from envreward.llm.base import Answer
from envreward.llm.record import Exchange, ExchangeStore

PERSON = "person"
"""Stands for the model in a person's exchanges."""

Check: TypeAlias = Callable[[str], str | None]
"""Says in one line what is wrong with an answer; ``None``: nothing."""


class Person(Protocol):
    """Whoever can be asked."""

    def answer(self, key: str, question: str) -> str:
        """Return what the person says to a question.

        Raises:
            ConfigError: Nobody is there to answer.
        """
        ...


class TerminalPerson:
    """Asks on a terminal; an answer is one line."""

    def __init__(self, *, source: TextIO | None = None, sink: TextIO | None = None) -> None:
        """Ask through ``sink`` (standard error unless given) and read from ``source`` (standard input unless given)."""
        self._source, self._sink = source, sink

    def answer(self, key: str, question: str) -> str:
        """Return the next line; see `Person.answer`."""
        sink, source = self._sink or sys.stderr, self._source or sys.stdin
        sink.write(f"\n{question.strip()}\n> ")
        sink.flush()
        line = source.readline()
        if not line:
            raise ConfigError(
                f"a person is asked ({key}) and standard input has ended: run it in a terminal, or choose an option of "
                "the designer that asks nobody"
            )
        return line.strip()


class RecordedPerson:
    """The answers that a recording holds."""

    def __init__(self, recording: ExchangeStore) -> None:
        """Answer from ``recording``."""
        self._recording = recording

    def answer(self, key: str, question: str) -> str:
        """Return the recorded answer; see `Person.answer`."""
        found = self._recording.get(key)
        if found is None:
            raise ConfigError(f"the recording holds no answer to {key}: it is another study's, or it was cut off")
        return found.answer.text


def ask(person: Person, store: ExchangeStore, key: str, question: str, check: Check) -> str:
    """Return a person's answer, from the store if it is there; an answer of no use is asked for again.

    Args:
        person: Who is asked.
        store: Where the answer is kept.
        key: Name of the question in the study.
        question: What is asked.
        check: Finds out what is wrong with an answer.

    Raises:
        ConfigError: Nobody is there to answer, or a recorded answer does not fit the question.
    """
    found = store.get(key)
    if found is not None:
        return found.answer.text
    asked = question
    while (wrong := check(answer := person.answer(key, asked))) is not None:
        if isinstance(person, RecordedPerson):
            raise ConfigError(f"the recorded answer to {key}, {answer[:60]!r}, does not fit: {wrong}")
        asked = f"{answer[:60]!r} cannot be used: {wrong}"
    message = Message(role="user", content=question)
    store.put(key, Exchange(key=key, model=PERSON, messages=(message,), answer=Answer(text=answer)))
    return answer
