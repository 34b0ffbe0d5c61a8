"""ICPL: the conversation that preferences make, over real HTTP."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from envreward.designers.icpl import ICPL
from envreward.errors import ConfigError, UnknownNameError
from envreward.fields import Field
from envreward.llm import LLM, LLMConfig, Message, open_llm
from envreward.rewards.verify import Verdict, check_statically
from envreward.studies.designer import Brief, Context
from envreward.studies.records import Candidate, Evaluation, Status, Traces

FIELDS = {"pole_angle": Field("Angle of the pole.", unit="rad"), "action": Field("Push.", shape=(1,), role="action")}
BRIEF = Brief(env_id="T", instruction="Balance.", fields=FIELDS, horizon=10, fitness_doc="Steps until it falls.")
GOOD = "```python\ndef compute_reward(pole_angle):\n    up = pole_angle.cos()\n    return up, {'up': up}\n```"
WRONG = GOOD.replace("pole_angle", "pole_angel")


class Watched:
    """A workshop whose person gives prepared answers; programs are checked without being run."""

    def __init__(self, **answers: str) -> None:
        self.answers, self.questions = answers, dict[str, str]()

    def film(self, candidate: Candidate) -> Path:
        return Path(f"/films/{candidate.id}.mp4")

    def ask_person(self, key: str, question: str, check: Any) -> str:
        self.questions[key] = question
        answer = self.answers[key.replace("iteration-", "i").replace("/preference", "")]
        assert check(answer) is None
        return answer

    def verify(self, answers: Mapping[str, str]) -> dict[str, Verdict]:
        return {key: check_statically(answer, FIELDS) for key, answer in answers.items()}


def scored(iteration: int, index: int, fitness: float) -> Candidate:
    """Return a candidate that was evaluated; its program and its curves carry its name."""
    name = f"part_{iteration}_{index}"
    evaluation = Evaluation(member="m", seed=0, episodes=5, success=0.25, fitness=fitness, episode_length=77.0)
    traces = Traces(
        steps=(100, 200), components={name: (0.5, 0.75)}, success=(0.25, 0.25), fitness=(fitness, fitness),
        episode_length=(66.0, 77.0),
    )  # fmt: skip
    return Candidate(
        id=f"c{iteration}{index}", iteration=iteration, index=index, answer="...", source=f"program_{name}",
        status=Status.EVALUATED, traces=traces, evaluations=(evaluation,),
    )  # fmt: skip


FIRST = [scored(0, 0, 777.0), scored(0, 1, 999.0), scored(0, 2, 888.0)]
SECOND = [scored(1, 0, 555.0), scored(1, 1, 444.0)]
REFUSED = dataclasses.replace(scored(1, 0, 0.0), status=Status.REJECTED, evaluations=(), traces=None)


def context(
    history: Sequence[Candidate], *, llm: LLM | None = None, workshop: Watched | None = None, samples: int = 1
) -> Context:
    """Return the iteration after ``history``."""
    iteration = max((c.iteration for c in history), default=-1) + 1
    return Context(
        brief=BRIEF, iteration=iteration, samples=samples, history=history, llm=llm, rng=random.Random(0),
        workshop=workshop or Watched(),  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def llm(llm_server: Any) -> LLM:
    return open_llm("openai/gpt-4o", config=LLMConfig(concurrency=1, attempts=1))


def asked(llm_server: Any) -> list[Message]:
    """Return the messages of the latest request."""
    messages: list[Message] = llm_server.requests[-1]["messages"]
    return messages


def test_the_first_conversation_is_the_task(llm_server: Any, reply: Any, llm: LLM) -> None:
    """Independent samples at temperature 1, and nobody is asked anything."""
    llm_server.respond(lambda body, i: reply.text(GOOD))
    workshop = Watched()
    proposals = ICPL().ask(context([], llm=llm, workshop=workshop, samples=3))
    assert [p.origin for p in proposals] == ["sample 0", "sample 1", "sample 2"]
    assert len(asked(llm_server)) == 2 and llm_server.requests[0]["temperature"] == 1.0
    assert workshop.questions == {}


def test_fidelity_good_and_bad_examples_without_scores(llm_server: Any, reply: Any, llm: LLM) -> None:
    """icpl.py with ``user_list_only``: after the task, one message with the preferred and the worst program and their
    components' and lengths' curves. Scores are told only with ``use_sparse_reward``."""
    llm_server.script(reply.text(GOOD))
    (proposal,) = ICPL(preference="fitness").ask(context(FIRST, llm=llm))
    assert proposal.parents == ("c01", "c00")
    messages = asked(llm_server)
    assert [m["role"] for m in messages] == ["system", "user", "user"]
    text = messages[2]["content"]
    good, bad = text.index("program_part_0_1"), text.index("program_part_0_0")
    assert good < bad and "program_part_0_2" not in text
    assert "part_0_1: [0.5, 0.75], max 0.75, mean 0.625, min 0.5" in text[good:bad]
    assert "episode length: [66, 77]" in text[good:bad] and "part_0_0: [0.5, 0.75]" in text[bad:]
    assert not any(secret in text for secret in ("999", "777", "success", "score", "Steps until it falls"))
    assert len(llm_server.requests) == 1, "there is nothing to compare the first good reward with"


def test_fidelity_the_story_of_the_good_rewards(llm_server: Any, reply: Any, llm: LLM) -> None:
    """generate_specify_difference: the curves of each earlier good reward, and a model's words on how the next differs
    from it; the message replaces the one before."""
    third = [scored(2, 0, 1.0), scored(2, 1, 2.0)]
    llm_server.script(reply.text("It weighs less."), reply.text("It weighs more."), reply.text(GOOD))
    ICPL(preference="fitness").ask(context([*FIRST, *SECOND, *third], llm=llm))
    first, second, samples = (r["messages"] for r in llm_server.requests)
    assert "program_part_0_1" in first[0]["content"] and "program_part_1_0" in first[0]["content"]
    assert first[0]["content"].index("program_part_0_1") < first[0]["content"].index("program_part_1_0")
    assert "program_part_1_0" in second[0]["content"] and "program_part_2_1" in second[0]["content"]
    assert [m["role"] for m in samples] == ["system", "user", "user"]
    text = samples[2]["content"]
    parts = ["part_0_1: [0.5", "It weighs less.", "part_1_0: [0.5", "It weighs more.", "program_part_2_1", "part_2_0"]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert "program_part_0_1" not in text and "program_part_1_0" not in text, "of the latest round alone the programs"


def test_differences_are_asked_for_once_by_name(llm_server: Any, reply: Any, llm: LLM) -> None:
    """Each difference has a key of its own iteration, so that a study finds it in its record."""
    keys: list[str] = []

    class Keyed:
        model, concurrency, parameters = "m", 1, dict[str, Any]()

        def complete(self, messages: Any, *, key: str, **more: Any) -> Any:
            keys.append(key)
            return llm.complete(messages, key=key, **more)

    llm_server.respond(lambda body, i: reply.text(GOOD))
    ICPL(preference="fitness").ask(context([*FIRST, *SECOND], llm=Keyed()))
    ICPL(preference="fitness").ask(context([*FIRST, *SECOND, scored(2, 0, 1.0)], llm=Keyed()))
    assert keys == [
        "iteration-1/difference", "iteration-2/samples",
        "iteration-1/difference", "iteration-2/difference", "iteration-3/samples",
    ]  # fmt: skip
    assert llm_server.requests[0]["messages"] == llm_server.requests[2]["messages"]


@pytest.mark.parametrize(
    ("options", "there", "missing"),
    [
        ({"bad": False}, ["program_part_1_0", "part_0_1: [", "words"], ["part_1_1", "worst"]),
        ({"traces": False}, ["program_part_1_1", "part_1_0: [", "words"], ["part_0_1: ["]),
        ({"differences": False}, ["program_part_1_1", "part_1_0: ["], ["part_0_1", "words"]),
    ],
)
def test_what_is_shown_can_be_left_out(
    llm_server: Any, reply: Any, llm: LLM, options: dict[str, Any], there: list[str], missing: list[str]
) -> None:
    """``only_good``, ``use_reward_trace`` and ``use_history_diff`` of the release each take their part away."""
    llm_server.respond(lambda body, i: reply.text("words" if "later one" in str(body["messages"]) else GOOD))
    ICPL(preference="fitness", **options).ask(context([*FIRST, *SECOND], llm=llm))
    text = asked(llm_server)[2]["content"]
    assert all(part in text for part in there) and not any(part in text for part in missing)


def test_a_person_is_asked_for_each_iteration(llm_server: Any, reply: Any, llm: LLM) -> None:
    """A person prefers against fitness: their choice makes the examples, in every iteration."""
    llm_server.respond(lambda body, i: reply.text(GOOD))
    workshop = Watched(i0="best 1 worst 2", i1="2 1")
    (proposal,) = ICPL().ask(context([*FIRST, *SECOND], llm=llm, workshop=workshop))
    assert proposal.parents == ("c11", "c10")
    assert [*workshop.questions] == ["iteration-0/preference", "iteration-1/preference"]
    assert "  3: /films/c02.mp4" in workshop.questions["iteration-0/preference"]
    difference = llm_server.requests[0]["messages"][0]["content"]
    assert "program_part_0_0" in difference and "program_part_1_1" in difference


def test_an_iteration_without_a_policy_is_passed_over(llm_server: Any, reply: Any, llm: LLM) -> None:
    """The examples stay those of the latest iteration that has any; without any the first question is asked again."""
    llm_server.respond(lambda body, i: reply.text(GOOD))
    (proposal,) = ICPL(preference="fitness").ask(context([*FIRST, REFUSED], llm=llm))
    assert proposal.parents == ("c01", "c00") and "tried in 1 round." in asked(llm_server)[2]["content"]
    (proposal,) = ICPL(preference="fitness").ask(context([REFUSED], llm=llm))
    assert proposal.parents == () and len(asked(llm_server)) == 2


def test_one_policy_alone_is_a_good_example(llm_server: Any, reply: Any, llm: LLM) -> None:
    """There is no bad example without a second policy, and a person is not asked."""
    llm_server.respond(lambda body, i: reply.text(GOOD))
    workshop = Watched()
    (proposal,) = ICPL().ask(context([scored(0, 0, 1.0)], llm=llm, workshop=workshop))
    assert proposal.parents == ("c00",) and workshop.questions == {}
    assert "worst" not in asked(llm_server)[2]["content"]


def test_the_same_program_again_has_no_difference(llm_server: Any, reply: Any, llm: LLM) -> None:
    """No model is asked how a program differs from itself."""
    llm_server.script(reply.text(GOOD))
    again = dataclasses.replace(SECOND[0], source=FIRST[1].source)
    ICPL(preference="fitness").ask(context([*FIRST, again], llm=llm))
    assert "Nothing: it is the same program." in asked(llm_server)[2]["content"]


def test_fidelity_what_does_not_run_is_regenerated(llm_server: Any, reply: Any, llm: LLM) -> None:
    """The same question is asked again until a program runs, at most so many times; no error is shown."""
    llm_server.script(reply.text(GOOD), reply.text(WRONG), reply.text(WRONG), reply.text("at last\n" + GOOD))
    sound, mended = ICPL().ask(context([], llm=llm, samples=2))
    assert sound.answer == GOOD and mended.answer.startswith("at last")
    assert len({str(r["messages"]) for r in llm_server.requests}) == 1 and len(llm_server.requests) == 4
    llm_server.respond(lambda body, i: reply.text(WRONG))
    (proposal,) = ICPL(regenerations=3).ask(context([], llm=llm))
    assert proposal.answer == WRONG and len(llm_server.requests) == 4 + 4


def test_options() -> None:
    """Options are checked by name and for sense."""
    with pytest.raises(UnknownNameError, match="did you mean 'person'"):
        ICPL(preference="persons")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="cannot be negative"):
        ICPL(regenerations=-1)
    assert ICPL().asks_person and not ICPL(preference="fitness").asks_person


def test_fidelity_published_values() -> None:
    """cfg/config.yaml: 6 samples, 5 iterations, temperature 1, a person, history and traces; curves at 10 times."""
    icpl = ICPL()
    assert (icpl.default_samples, icpl.default_iterations, icpl.temperature, icpl.checkpoints) == (6, 5, 1.0, 10)
    assert (icpl.preference, icpl.bad, icpl.differences, icpl.traces) == ("person", True, True, True)


def test_composition() -> None:
    """What it says of itself follows its options."""
    words = ICPL().composition(6)
    assert words.person != "nobody" and "worst" in words.select and words.calls == (6, 67)
    bare = ICPL(preference="fitness", bad=False, differences=False, regenerations=0).composition(2)
    assert (bare.person, bare.memory, bare.calls) == ("nobody", "nothing", (2, 2)) and "worst" not in bare.select
