"""REvolve: who lives where, what the model is asked, and who compares, by the method's rules."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envreward.designers.comparisons import judge_pairs, words_on
from envreward.designers.elo import Comparison
from envreward.designers.revolve import Revolve
from envreward.errors import ConfigError, LLMError, UnknownNameError
from envreward.fields import Field
from envreward.llm import LLM, LLMConfig, open_llm
from envreward.studies.designer import Brief, Context
from envreward.studies.records import Candidate, Evaluation, Status, Traces

BRIEF = Brief(
    env_id="Test/Cart-v0",
    instruction="Keep the pole upright.",
    fields={
        "pole_angle": Field("Angle of the pole.", unit="rad", role="angle"),
        "action": Field("Push.", shape=(1,), role="action"),
    },
    horizon=500,
    fitness_doc="Steps until the pole falls.",
)
GOOD = "```python\ndef compute_reward(pole_angle):\n    up = pole_angle.cos()\n    return up, {'up': up}\n```"
WRONG = GOOD.replace("(pole_angle)", "(pole_angel)")


class Trial:
    """A workshop with a person who always prefers the candidate whose id is lower, and says so of each."""

    def __init__(self) -> None:
        self.questions: dict[str, str] = {}

    def film(self, candidate: Candidate) -> Path:
        return Path(f"films/{candidate.id}.mp4")

    def ask_person(self, key: str, question: str, check: Any) -> str:
        self.questions[key] = question
        if key.startswith("words/"):
            return f"good: {key}"
        first, second = key.removeprefix("comparison/").split("-")
        assert check("3") == "answer 1, 2 or tie"
        answer = " 1" if first < second else "2"
        assert check(answer) is None
        return answer


def context(
    iteration: int, history: list[Candidate], *, samples: int = 4, llm: LLM | None = None, trial: Trial | None = None
) -> Context:
    return Context(
        brief=BRIEF,
        iteration=iteration,
        samples=samples,
        history=history,
        llm=llm,
        rng=random.Random(iteration),
        workshop=trial,  # type: ignore[arg-type]
    )


def candidate(
    number: int, iteration: int, fitness: float | None, *, parents: tuple[str, ...] = (), answer: str | None = None
) -> Candidate:
    evaluations = ()
    if fitness is not None:
        evaluations = (Evaluation(member="m", seed=0, episodes=5, success=0.5, fitness=fitness, episode_length=9.0),)
    return Candidate(
        id=f"c{number:03d}",
        iteration=iteration,
        index=number,
        answer=answer or f"answer {number}\n{GOOD}",
        source=f"def compute_reward(pole_angle):\n    return pole_angle * {number}, {{}}\n",
        parents=parents,
        status=Status.FAILED if fitness is None else Status.EVALUATED,
        traces=None if fitness is None else Traces(steps=(50, 100), components={"up": (0.1, 0.2)}),
        evaluations=evaluations,
    )


@pytest.fixture
def llm(llm_server: Any) -> LLM:
    return open_llm("openai/gpt-4o", config=LLMConfig(concurrency=1, attempts=1))


SEEDS = [candidate(i, 0, float(i)) for i in range(4)]  # fitness 0, 1, 2, 3: mean 1.5


def test_fidelity_numbers_by_name() -> None:
    """13 islands in the paper, 4 in the release's config, 5 in its README; 16 individuals, 7 generations (5.2)."""
    counts = {n: len(Revolve(numbers=n).population(context(0, [])).islands) for n in ("paper", "released", "readme")}  # type: ignore[arg-type]
    assert counts == {"paper": 13, "released": 4, "readme": 5}
    assert len(Revolve(islands=2).population(context(0, [])).islands) == 2
    default = Revolve()
    assert (default.default_samples, default.default_iterations) == (16, 7)
    assert (default.capacity, default.crossover, default.migration, default.draw_temperature) == (8, 0.5, 0.3, 1.0)


def test_fidelity_offspring_face_the_mean_of_their_parents_island() -> None:
    """Section 3.3: at least the island's mean is let in, one after the other; the first generation all (main.py)."""
    designer = Revolve(islands=1, migration=0.0)
    assert designer.population(context(1, SEEDS)).islands == [("c000", "c001", "c002", "c003")]
    born = [
        candidate(4, 1, 1.5, parents=("c003",)),  # the mean exactly: in
        candidate(5, 1, 1.49, parents=("c003",)),  # below: out
        candidate(6, 1, None, parents=("c000",)),  # never scored: out
        candidate(7, 1, 9.0, parents=("c001", "c002")),  # in; the mean is now 2.75
        candidate(8, 1, 2.7, parents=("c003",)),  # the mean when it came: below, out
    ]
    assert designer.population(context(2, [*SEEDS, *born])).islands == [
        ("c000", "c001", "c002", "c003", "c004", "c007")
    ]
    small = Revolve(islands=1, migration=0.0, capacity=3)
    assert small.population(context(2, [*SEEDS, *born])).islands == [("c002", "c003", "c007")]


def test_offspring_stay_on_their_parents_island() -> None:
    """With several islands, whoever is born lives where its first parent lives, and nobody lives twice."""
    designer = Revolve(islands=4, migration=0.0)
    before = designer.population(context(1, SEEDS)).islands
    born = [candidate(4 + i, 1, 10.0 + i, parents=(f"c{i:03d}",)) for i in range(4)]
    after = designer.population(context(2, [*SEEDS, *born])).islands
    for place, island in enumerate(before):
        assert set(after[place]) == {*island, *(f"c{4 + int(i[1:]):03d}" for i in island)}


def test_the_population_follows_from_the_record_alone() -> None:
    """Playing the generations over gives the same islands each time, whatever the context's own generator; other
    answers lead to other draws."""
    born = [candidate(4 + i, 1, 5.0 + i, parents=(f"c{i:03d}",)) for i in range(4)]
    designer = Revolve(islands=3, migration=1.0)
    once = designer.population(context(2, [*SEEDS, *born]))
    again = Revolve(islands=3, migration=1.0).population(
        Context(brief=BRIEF, iteration=2, samples=1, history=[*SEEDS, *born], llm=None, rng=random.Random("other"))
    )
    assert once == again
    others = {
        str(
            designer.population(
                context(1, [candidate(i, 0, float(i), answer=f"run {run}, {i}") for i in range(4)])
            ).islands
        )
        for run in range(8)
    }
    assert len(others) > 1


def test_fidelity_migration_by_chance_after_all_but_the_first_generation() -> None:
    """rewards_database.py: with chance 1 the weaker island is reset after each generation but the first."""
    born = [candidate(4 + i, 1, 5.0 + i, parents=(f"c{i:03d}",)) for i in range(4)]
    always, never = Revolve(islands=2, migration=1.0), Revolve(islands=2, migration=0.0)
    assert always.population(context(1, SEEDS)) == never.population(context(1, SEEDS))
    moved, stayed = (d.population(context(2, [*SEEDS, *born])).islands for d in (always, never))
    assert moved != stayed and min(map(len, moved)) <= 2
    assert {i for island in moved for i in island} <= {i for island in stayed for i in island}


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_nobody_lives_twice_and_the_fittest_lives(data: st.DataObject) -> None:
    """Whatever happens: individuals are those that were scored, each lives on one island at most, islands without the
    first generation hold no more than their capacity (or two, after a reset), and the best of all is never lost."""
    designer = Revolve(
        islands=data.draw(st.integers(1, 4)),
        capacity=data.draw(st.integers(1, 3)),
        migration=data.draw(st.floats(0, 1)),
    )
    history: list[Candidate] = []
    for generation in range(4):
        islands = designer.population(context(generation, history)).islands
        alive = [i for island in islands for i in island]
        scored = {c.id: c.fitness for c in history if c.fitness is not None}
        assert len(set(alive)) == len(alive) and set(alive) <= scored.keys()
        seeds = {c.id for c in history if not c.parents}
        assert all(len(island) <= max(designer.capacity, 2) for island in islands if not seeds & {*island})
        assert not scored or max(scored.values()) == max(scored[i] for i in alive)  # type: ignore[type-var]
        for place in range(3):
            parents = (data.draw(st.sampled_from(alive)),) if alive else ()
            fitness = data.draw(st.none() | st.integers(-5, 5).map(float))
            history.append(candidate(3 * generation + place, generation, fitness, parents=parents))


def test_first_generation_is_zero_shot(llm_server: Any, reply: Any, llm: LLM) -> None:
    """Without anyone alive the model is asked for programs of its own, all by one question."""
    llm_server.respond(lambda body, number: reply.text(GOOD))
    designer = Revolve(islands=2)
    proposals = designer.ask(context(0, [], llm=llm))
    assert len(proposals) == 4 and all(p.parents == () for p in proposals)
    nobody = [candidate(i, 0, None) for i in range(4)]
    designer.ask(context(1, nobody, llm=llm))
    questions = [r["messages"] for r in llm_server.requests]
    assert len(questions) == 8 and all(q == questions[0] for q in questions)


@pytest.mark.parametrize(("crossover", "parents", "verb"), [(0.0, 1, "Mutate it"), (1.0, 2, "Cross them")])
def test_fidelity_operators(llm_server: Any, reply: Any, llm: LLM, crossover: float, parents: int, verb: str) -> None:
    """Mutation shows one parent, crossover two of one island (cfg/generate.yaml), in one turn each (modules.py)."""
    llm_server.respond(lambda body, number: reply.text(GOOD))
    designer = Revolve(islands=1, crossover=crossover)
    proposals = designer.ask(context(1, SEEDS, llm=llm))
    assert [len(set(p.parents)) for p in proposals] == [parents] * 4
    assert proposals[0].origin == ("mutation" if parents == 1 else "crossover") + " on island 0"
    for request, proposal in zip(llm_server.requests, proposals, strict=True):
        system, user = request["messages"]
        assert (system["role"], user["role"], request["temperature"]) == ("system", "user", 1.0)
        text = user["content"]
        assert verb in text and text.count("```python") - 1 == parents, "the parents, and the words about the block"
        for parent in proposal.parents:
            assert f"pole_angle * {int(parent[1:])}," in text
        assert "up: [0.1, 0.2], max 0.2" in text and "Steps until the pole falls." in text
        assert f"0 the worst to 1 the best: {int(proposal.parents[0][1:]) / 3:.3g}" in text


def test_crossover_needs_two_on_an_island(llm_server: Any, reply: Any, llm: LLM) -> None:
    """Where no island has two individuals, one is mutated instead of waiting for ever."""
    llm_server.respond(lambda body, number: reply.text(GOOD))
    proposals = Revolve(islands=1, crossover=1.0).ask(context(1, SEEDS[:1], llm=llm))
    assert [p.parents for p in proposals] == [("c000",)] * 4


def test_fidelity_broken_programs_are_drawn_again(llm_server: Any, reply: Any, llm: LLM) -> None:
    """main.py: a program that cannot be used is asked for again by the same prompt with no error, ten times in all."""
    llm_server.respond(lambda body, number: reply.text(WRONG))
    (proposal,) = Revolve(islands=1).ask(context(1, SEEDS, samples=1, llm=llm))
    assert proposal.answer == WRONG and len(llm_server.requests) == 10
    assert all(r["messages"] == llm_server.requests[0]["messages"] for r in llm_server.requests)


def test_offspring_without_an_answer_are_left_out(llm_server: Any, reply: Any, llm: LLM) -> None:
    """One answer that does not come costs one individual; when none comes the study stops, to be resumed."""
    llm_server.script(reply.error(500), reply.text(GOOD), reply.text(GOOD), reply.text(GOOD))
    assert len(Revolve(islands=1).ask(context(1, SEEDS, llm=llm))) == 3
    llm_server.respond(lambda body, number: reply.error(500))
    with pytest.raises(LLMError):
        Revolve(islands=1).ask(context(1, SEEDS, llm=llm))


def test_fidelity_elo_from_comparisons() -> None:
    """Section 3.3: with ``elo``, who wins every comparison is worth 1, who loses every one 0, and admission goes by it.

    The person prefers lower ids, fitness higher ones: by ratings of the person c000 is best, by those of fitness c003.
    """
    options: dict[str, Any] = {"islands": 1, "score": "elo", "opponents": 3, "migration": 0.0}
    by_fitness = Revolve(**options).population(context(1, SEEDS)).scores
    assert by_fitness["c003"] == 1.0 and by_fitness["c000"] == 0.0 and by_fitness["c001"] < by_fitness["c002"]
    trial = Trial()
    by_person = Revolve(**options, judge="person").population(context(1, SEEDS, trial=trial)).scores
    assert by_person["c000"] == 1.0 and by_person["c003"] == 0.0
    assert len(trial.questions) == 6, "every pair of four, each once"
    question = trial.questions["comparison/c000-c001"]
    assert "films/c000.mp4" in question and "films/c001.mp4" in question and "Keep the pole upright." in question


def test_a_newcomer_is_compared_with_so_many_others() -> None:
    """Each new policy meets ``opponents`` others, old or new; no pair is judged twice."""
    born = [candidate(4 + i, 1, 5.0 + i, parents=("c003",)) for i in range(2)]
    trial = Trial()
    Revolve(islands=1, score="elo", judge="person", opponents=2).population(context(2, [*SEEDS, *born], trial=trial))
    pairs = [key.removeprefix("comparison/").split("-") for key in trial.questions]
    assert len({frozenset(pair) for pair in pairs}) == len(pairs)
    firsts = [first for first, _ in pairs]
    assert all(1 <= firsts.count(c.id) <= 2 for c in born), "a pair of two newcomers counts for both"


def test_a_persons_words_reach_the_prompt(llm_server: Any, reply: Any, llm: LLM) -> None:
    """Published REvolve shows what people said of each parent; REvolve Auto does not speak of a person."""
    llm_server.respond(lambda body, number: reply.text(GOOD))
    trial = Trial()
    person = Revolve(islands=1, score="elo", judge="person", crossover=0.0)
    (proposal,) = person.ask(context(1, SEEDS, samples=1, llm=llm, trial=trial))
    text = llm_server.requests[-1]["messages"][1]["content"]
    assert f"good: words/{proposal.parents[0]}" in text and "person's words" in text and person.asks_person
    Revolve(islands=1, crossover=0.0).ask(context(1, SEEDS, samples=1, llm=llm))
    assert "person" not in llm_server.requests[-1]["messages"][1]["content"]


def test_raw_fitness_is_drawn_by_as_it_is() -> None:
    """``raw`` leaves scores alone, ``unit`` brings them to [0, 1]: then chances do not depend on the task's scale."""
    raw = Revolve(islands=1, scale="raw").population(context(1, SEEDS)).scores
    assert raw == {"c000": 0.0, "c001": 1.0, "c002": 2.0, "c003": 3.0}
    unit = Revolve(islands=1).population(context(1, SEEDS)).scores
    assert unit == pytest.approx({key: value / 3 for key, value in raw.items()})


def test_judging() -> None:
    """Fitness judges by the higher one and ties; a person by films; words are kept as they were said."""
    a, b = candidate(0, 0, 1.0), candidate(1, 0, 1.0)
    assert judge_pairs(context(1, [a, b]), [(a, b), (SEEDS[2], a)], "fitness") == [
        Comparison("c000", "c001", 0.5),
        Comparison("c002", "c000", 1.0),
    ]
    trial = Trial()
    assert judge_pairs(context(1, [], trial=trial), [(b, a)], "person") == [Comparison("c001", "c000", 0.0)]
    assert words_on(context(1, [], trial=trial), a) == "good: words/c000"
    with pytest.raises(ConfigError, match="workshop"):
        judge_pairs(context(1, []), [(a, b)], "person")


def test_bad_options() -> None:
    """Options are checked by name with near matches, and numbers for sense."""
    with pytest.raises(UnknownNameError, match="did you mean 'released'"):
        Revolve(numbers="release")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="score=elo"):
        Revolve(judge="person")
    for options in ({"islands": 0}, {"crossover": 1.5}, {"draw_temperature": 0.0}, {"redraws": -1}):
        with pytest.raises(ConfigError):
            Revolve(**options)  # type: ignore[arg-type]
