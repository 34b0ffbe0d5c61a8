"""Comparisons: which of two policies is better, said by a person who watches films of them, or by their fitness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from envreward.studies.designer import Context
from envreward.studies.records import Candidate

from .elo import Comparison
from .mend import workshop

Judge = Literal["fitness", "person"]

_RESULTS = {"1": 1.0, "2": 0.0, "tie": 0.5}


def judge_pairs(context: Context, pairs: Sequence[tuple[Candidate, Candidate]], judge: Judge) -> list[Comparison]:
    """Return what comes of comparing the policies of each pair, in order.

    Args:
        context: The iteration.
        pairs: Candidates that were evaluated.
        judge: ``fitness``: the higher one is better, equal ones tie. ``person``: asked once for each pair; the answer
            is kept in the study's record.

    Raises:
        ConfigError: Nobody is there to answer, or this machine cannot make films.
    """
    by = _by_person if judge == "person" else _by_fitness
    return [Comparison(first.id, second.id, by(context, first, second)) for first, second in pairs]


def words_on(context: Context, candidate: Candidate) -> str:
    """Return what a person says is good and bad about a candidate's policy; asked once, empty where they had nothing.

    Raises:
        ConfigError: Nobody is there to answer, or this machine cannot make films.
    """
    question = (
        f"Task: {context.brief.instruction}\nFilm of the policy trained with {candidate.id}: "
        f"{workshop(context).film(candidate)}\nWhat does it do well, and what not? (empty: nothing to say)"
    )
    return workshop(context).ask_person(f"words/{candidate.id}", question, lambda answer: None).strip()


def _by_fitness(context: Context, first: Candidate, second: Candidate) -> float:
    a, b = first.fitness, second.fitness
    assert a is not None and b is not None, (first.id, second.id)
    return 0.5 if a == b else float(a > b)


def _by_person(context: Context, first: Candidate, second: Candidate) -> float:
    film = workshop(context).film
    question = (
        f"Task: {context.brief.instruction}\nWhich policy does it better?\n"
        f"  1: {film(first)}\n  2: {film(second)}\nAnswer 1, 2 or tie."
    )
    answer = workshop(context).ask_person(f"comparison/{first.id}-{second.id}", question, _wrong)
    return _RESULTS[answer.strip().lower()]


def _wrong(answer: str) -> str | None:
    return None if answer.strip().lower() in _RESULTS else "answer 1, 2 or tie"
