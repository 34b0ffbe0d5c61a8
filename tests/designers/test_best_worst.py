"""Best and worst: how answers are read, what fitness prefers, and what a person is asked."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envreward.designers.best_worst import by_fitness, by_person, checker, read_ranks
from envreward.errors import ConfigError
from envreward.studies.designer import Brief, Context
from envreward.studies.person import TerminalPerson, ask
from envreward.studies.records import Candidate, Evaluation, Status
from envreward.studies.store import StudyStore


def candidate(index: int, fitness: float | None) -> Candidate:
    """Return a candidate, evaluated or refused."""
    score = Evaluation(member="m", seed=0, episodes=1, success=0.0, fitness=fitness or 0.0, episode_length=1.0)
    return Candidate(
        id=f"c{index}", iteration=0, index=index, answer="", source=None,
        status=Status.REJECTED if fitness is None else Status.EVALUATED,
        evaluations=() if fitness is None else (score,),
    )  # fmt: skip


class Cinema:
    """A workshop with films of everyone and a person of few words, who keeps what was asked."""

    def __init__(self, *answers: str, films: bool = True) -> None:
        self.answers, self.films, self.asked = [*answers], films, dict[str, str]()

    def film(self, of: Candidate) -> Path:
        if not self.films:
            raise ConfigError("this machine cannot render.")
        return Path(f"/films/{of.id}.mp4")

    def ask_person(self, key: str, question: str, check: Any) -> str:
        self.asked[key] = question
        while check(answer := self.answers.pop(0)) is not None:
            pass
        return answer


def context(workshop: Any) -> Context:
    brief = Brief(env_id="T", instruction="Hop.", fields={}, horizon=1, fitness_doc="")
    return Context(brief=brief, iteration=1, samples=2, history=[], llm=None, rng=random.Random(0), workshop=workshop)


@pytest.mark.parametrize(
    "answer", ["best 2 worst 5", "Best 2, worst 5.", "worst: 5, best: 2", "best=2 worst=5", "2 5", " 2,5 ", "2 > 5"]
)
def test_answers_that_are_understood(answer: str) -> None:
    """Both are named in either order, or two numbers stand alone, the best one first (icpl.py of the release)."""
    assert read_ranks(answer, 6) == (2, 5)


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ("best 3 worst 3", "policy 3 cannot be both best and worst"),
        ("best 7 worst 1", "there is no policy 7: they are numbered from 1 to 6"),
        ("best 0 worst 1", "there is no policy 0"),
        ("best 2", "the worst one is not named"),
        ("worst 2", "the best one is not named"),
        ("best 1 best 2 worst 3", "the best one is named more than once"),
        ("best 1 worst 2 or 3", "more numbers than two"),
        ("the second", "the best one is not named"),
        ("", "the best one is not named"),
        ("1 2 3", "the best one is not named"),
        ("4", "the best one is not named"),
    ],
)
def test_answers_that_contradict_themselves(answer: str, wrong: str) -> None:
    """What is wrong is said in one line."""
    found = checker(6)(answer)
    assert found is not None and wrong in found and "\n" not in found


@given(st.integers(2, 50).flatmap(lambda n: st.tuples(st.just(n), st.permutations(range(1, n + 1)))))
def test_every_pair_of_different_policies_can_be_named(drawn: tuple[int, list[int]]) -> None:
    """Whatever two different policies are meant, they are read back."""
    policies, (best, worst, *_) = drawn
    assert read_ranks(f"best {best} worst {worst}", policies) == (best, worst)


@given(st.text(max_size=30))
def test_any_answer_is_read_or_explained(answer: str) -> None:
    """No text breaks the reading: it names two different policies, or what is wrong is said."""
    wrong = checker(4)(answer)
    if wrong is None:
        ranks = read_ranks(answer, 4)
        assert ranks.best != ranks.worst and {*ranks} <= {1, 2, 3, 4}


def test_fidelity_fitness_stands_in_for_a_person() -> None:
    """icpl.py, ``auto``: argmax and argmin over those that ran, the earlier one of equals."""
    found = by_fitness([candidate(i, f) for i, f in enumerate([None, 3.0, 1.0, 3.0, 1.0])])
    assert found is not None and found.worst is not None
    assert (found.best.id, found.worst.id) == ("c1", "c2")
    assert by_fitness([candidate(0, None)]) is None


def test_equals_are_not_told_apart() -> None:
    """Where all are equally good there is no bad example, nor of a single one."""
    for fitness in ([2.0, 2.0], [2.0]):
        found = by_fitness([candidate(i, f) for i, f in enumerate(fitness)])
        assert found is not None and found.best.id == "c0" and found.worst is None


def test_a_person_sees_the_films_of_what_was_trained() -> None:
    """The question lists the films by number; numbers are of those shown, not of the candidates."""
    cinema = Cinema("best 2 worst 1")
    shown = [candidate(0, 1.0), candidate(1, None), candidate(2, 0.5)]
    found = by_person(context(cinema), shown, key="k", option="o")
    assert found is not None and found.worst is not None and (found.best.id, found.worst.id) == ("c2", "c0")
    question = cinema.asked["k"]
    assert "Task: Hop." in question and "  1: /films/c0.mp4\n  2: /films/c2.mp4\n" in question
    assert "0.5" not in question, "no score is shown"


def test_nothing_to_compare_is_not_asked() -> None:
    """A single policy is the best there is; without any there is no preference."""
    cinema = Cinema()
    found = by_person(context(cinema), [candidate(0, 1.0), candidate(1, None)], key="k", option="o")
    assert found is not None and (found.best.id, found.worst, cinema.asked) == ("c0", None, {})
    assert by_person(context(cinema), [candidate(0, None)], key="k", option="o") is None


def test_an_answer_that_contradicts_itself_is_asked_for_again(tmp_path: Path, make_store: Any) -> None:
    """On the terminal: the reason is told, the next answer counts, and it alone is kept."""
    import io

    sink = io.StringIO()
    person = TerminalPerson(source=io.StringIO("best 1 worst 1\n9 1\nbest 2 worst 1\n"), sink=sink)
    with make_store(tmp_path / "run") as store:
        assert ask(person, store, "iteration-0/preference", "Which?", checker(2)) == "best 2 worst 1"
        assert store.get("iteration-0/preference").answer.text == "best 2 worst 1"
    said = sink.getvalue()
    assert "policy 1 cannot be both best and worst" in said and "there is no policy 9" in said


@pytest.mark.parametrize("films", [True, False])
def test_nobody_there_names_the_option_that_asks_nobody(films: bool) -> None:
    """Standard input that has ended, and a machine without pictures, are errors that say what to do."""

    class Nobody(Cinema):
        def ask_person(self, key: str, question: str, check: Any) -> str:
            raise ConfigError("a person is asked (k) and standard input has ended")

    shown = [candidate(0, 1.0), candidate(1, 2.0)]
    with pytest.raises(ConfigError, match=r"(ended|render)\. To ask nobody: --option preference=fitness$"):
        by_person(context(Nobody(films=films)), shown, key="k", option="preference=fitness")


@pytest.fixture
def make_store() -> Any:
    """Return a maker of new records."""
    from envreward.studies import StudyConfig

    def make(folder: Path) -> StudyStore:
        config = StudyConfig(env_id="EnvReward/Hopper-v0", instruction="Hop.", samples=2, iterations=1, steps=10)
        return StudyStore.create(folder, config, {})

    return make
