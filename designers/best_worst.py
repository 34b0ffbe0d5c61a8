"""Best and worst: which of the trained policies are preferred, said by a person who watches films, or by fitness.

One answer names both, ``best 2 worst 5``. An answer that contradicts itself is asked for again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from envreward.errors import ConfigError
from envreward.studies.designer import Context
from envreward.studies.records import Candidate

from .mend import workshop

_NAMED = re.compile(r"\b(best|worst)\s*[:=]?\s*(\d+)")
_WORDS = re.compile(r"[^\W\d_]+")
_EXAMPLE = "best 1 worst 2"


class Preference(NamedTuple):
    """The policies that are preferred most and least."""

    best: Candidate
    worst: Candidate | None
    """``None`` where one policy alone could be shown, or all are equally good."""


class Ranks(NamedTuple):
    """An answer: which of the policies, numbered from 1, are best and worst."""

    best: int
    worst: int


def by_fitness(candidates: Sequence[Candidate]) -> Preference | None:
    """Return what someone who sees nothing but fitness would prefer; ``None`` where nothing was evaluated.

    Of equals, the earlier one, as ``argmax`` and ``argmin`` in icpl/icpl.py of ICPL's release take it.

    Args:
        candidates: In order of proposal; those without fitness are passed over.
    """
    scored = [(c.fitness, c) for c in candidates if c.fitness is not None]
    if not scored:
        return None
    (high, best), (low, worst) = max(scored, key=_first), min(scored, key=_first)
    return Preference(best, worst if low < high else None)


def by_person(context: Context, candidates: Sequence[Candidate], *, key: str, option: str) -> Preference | None:
    """Return what a person prefers after watching films; asked once in a study, ``None`` where nothing was evaluated.

    A single policy is taken without a question.

    Args:
        context: The iteration.
        candidates: In order of proposal; those without a policy that was evaluated are passed over.
        key: Name of the question in the study.
        option: The designer's option that asks nobody, for the message of the error.

    Raises:
        ConfigError: Nobody is there to answer, or this machine cannot make films.
    """
    shown = [c for c in candidates if c.fitness is not None]
    if len(shown) < 2:
        return Preference(shown[0], None) if shown else None
    try:
        films = [f"  {place}: {workshop(context).film(c)}" for place, c in enumerate(shown, start=1)]
        answer = workshop(context).ask_person(key, _question(context, films), checker(len(shown)))
    except ConfigError as error:
        raise ConfigError(f"{str(error).rstrip('.')}. To ask nobody: --option {option}") from error
    ranks = read_ranks(answer, len(shown))
    return Preference(shown[ranks.best - 1], shown[ranks.worst - 1])


def read_ranks(answer: str, policies: int) -> Ranks:
    """Read which policies are best and worst: ``best 2 worst 5``, in either order, or ``2 5``, the best one first.

    Args:
        answer: A person's words.
        policies: How many there are; they are numbered from 1.

    Raises:
        ValueError: It does not say both, says one of them twice, names a policy that is not there, or the same one as
            best and worst. The message is one line that says so.
    """
    text = answer.lower()
    named = _NAMED.findall(text)
    numbers = re.findall(r"\d+", text)
    if not _WORDS.search(text) and len(numbers) == 2:
        named = [("best", numbers[0]), ("worst", numbers[1])]
    for word in ("best", "worst"):
        count = sum(found == word for found, _ in named)
        if count != 1:
            how = "is named more than once" if count else "is not named"
            raise ValueError(f"the {word} one {how}; answer like: {_EXAMPLE}")
    if len(numbers) != 2:
        raise ValueError(f"there are more numbers than two; answer like: {_EXAMPLE}")
    ranks = Ranks(**{word: int(number) for word, number in named})
    for rank in ranks:
        if not 1 <= rank <= policies:
            raise ValueError(f"there is no policy {rank}: they are numbered from 1 to {policies}")
    if ranks.best == ranks.worst:
        raise ValueError(f"policy {ranks.best} cannot be both best and worst")
    return ranks


def checker(policies: int) -> Callable[[str], str | None]:
    """Return a check of answers: what is wrong with one, in a line, or ``None``."""

    def check(answer: str) -> str | None:
        try:
            read_ranks(answer, policies)
        except ValueError as error:
            return str(error)
        return None

    return check


def _question(context: Context, films: Sequence[str]) -> str:
    listed = "\n".join(films)
    return (
        f"Task: {context.brief.instruction}\nFilms of the policies that were trained:\n{listed}\n"
        f"Which does the task best, and which worst? Answer like: {_EXAMPLE}"
    )


def _first(pair: tuple[float, Candidate]) -> float:
    return pair[0]
