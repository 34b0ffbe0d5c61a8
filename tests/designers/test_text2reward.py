"""Text2Reward: its conversation, the repair by running, a person's rounds of feedback, over real HTTP."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from envreward import registry
from envreward.designers.abstraction import class_abstraction
from envreward.designers.experts import experts
from envreward.designers.text2reward import Text2Reward
from envreward.errors import ConfigError, UnknownNameError
from envreward.fields import Field, public_fields
from envreward.llm import LLM, LLMConfig, open_llm
from envreward.rewards.verify import Verdict, check_statically
from envreward.studies.designer import Brief, Context
from envreward.studies.records import Candidate, Evaluation, Status, Traces

BRIEF = Brief(
    env_id="Test/Cart-v0",
    instruction="Keep the pole upright.",
    fields={
        "pole_angle": Field("Angle of the pole from the vertical.", unit="rad", role="angle"),
        "pole_velocity": Field("Its rate of change.", unit="rad/s", role="velocity"),
        "action": Field("Push on the cart.", shape=(1,), unit="N", role="action"),
    },
    horizon=500,
    fitness_doc="Steps until the pole falls.",
)
GOOD = "```python\ndef compute_reward(pole_angle):\n    up = pole_angle.cos()\n    return up, {'up': up}\n```"
WRONG = GOOD.replace("(pole_angle)", "(pole_angel)")


class Trial:
    """A workshop with a person who answers from a script, and a dry run that finds what the static check finds."""

    def __init__(self, *answers: str) -> None:
        self.answers = [*answers]
        self.asked: dict[str, str] = {}
        self.kept: dict[str, str] = {}

    def verify(self, answers: Mapping[str, str]) -> dict[str, Verdict]:
        return {key: check_statically(answer, BRIEF.fields) for key, answer in answers.items()}

    def film(self, candidate: Candidate) -> Path:
        return Path(f"films/{candidate.id}.mp4")

    def ask_person(self, key: str, question: str, check: Any) -> str:
        if key not in self.kept:
            self.asked[key] = question
            while check(answer := self.answers.pop(0)) is not None:
                pass
            self.kept[key] = answer
        return self.kept[key]


def context(
    iteration: int, history: list[Candidate], *, samples: int = 1, llm: LLM | None = None, trial: Trial | None = None
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


def candidate(id_: str, iteration: int, *, parents: tuple[str, ...] = (), failed: str = "") -> Candidate:
    evaluation = Evaluation(member="m", seed=0, episodes=5, success=0.5, fitness=1.0, episode_length=100.0)
    return Candidate(
        id=id_,
        iteration=iteration,
        index=0,
        answer=f"answer {id_}\n{GOOD}",
        source=None,
        parents=parents,
        status=Status.FAILED if failed else Status.EVALUATED,
        reason=failed,
        traces=None if failed else Traces(steps=(50, 100), success=(None, 0.25)),
        evaluations=() if failed else (evaluation,),
    )


@pytest.fixture
def llm(llm_server: Any) -> LLM:
    return open_llm("openai/gpt-4o", config=LLMConfig(concurrency=1, attempts=1))


def test_fidelity_zero_shot_conversation(llm_server: Any, reply: Any, llm: LLM) -> None:
    """Section 2.2: the environment as Python classes and a staged dense reward are asked for; no example, T = 0.7."""
    llm_server.respond(lambda body, number: reply.text(GOOD))
    (proposal,) = Text2Reward().ask(context(0, [], llm=llm, trial=Trial()))
    assert proposal.answer == GOOD and proposal.parents == ()
    (request,) = llm_server.requests
    system, user = (m["content"] for m in request["messages"])
    assert request["temperature"] == 0.7
    assert class_abstraction(BRIEF.fields) in user and "class Pole:" in user and "Keep the pole upright." in user
    assert "stages" in user and "expert has done" not in user
    assert "compute_reward" in system, "the contract of programs stays the project's own"


def test_fidelity_few_shot_shows_the_closest_other_task() -> None:
    """Section 2.2, few_shot_exp.py: k experts' examples of other tasks, each with task and program, never its own."""
    task = registry.make_task("MetaWorld-drawer-open")
    brief = Brief(
        env_id=task.spec.id,
        instruction=task.spec.instruction,
        fields=public_fields(task.fields),
        horizon=500,
        fitness_doc="",
    )
    asked = Context(brief=brief, iteration=0, samples=1, history=[], llm=None, rng=random.Random(0))
    user = Text2Reward(shots=2).messages(asked)[1]["content"]
    own = next(e for e in experts() if e.env_id == brief.env_id)
    shown = [e for e in experts() if e.source.strip() in user]
    assert len(shown) == 2 and own not in shown
    assert all(e.instruction in user and all(f"- {field}" in user for field in e.fields) for e in shown)
    assert Text2Reward().messages(asked)[1]["content"].count("compute_reward") == 1, (
        "only in the example of a signature"
    )


def test_fidelity_errors_are_fed_back_until_the_program_runs(llm_server: Any, reply: Any, llm: LLM) -> None:
    """``paper`` (section 2.2): the error goes back with the program; ``released``: only an answer without code does."""
    llm_server.script(reply.text(WRONG), reply.text(WRONG), reply.text(GOOD))
    (proposal,) = Text2Reward().ask(context(0, [], llm=llm, trial=Trial()))
    assert proposal.answer == GOOD and proposal.origin == "sample 0, mended 2x"
    assert "pole_angel" in llm_server.requests[1]["messages"][-1]["content"]

    llm_server.script(reply.text("I would reward it."), reply.text(WRONG))
    (proposal,) = Text2Reward(mend_rule="released").ask(context(1, [], llm=llm))
    assert proposal.answer == WRONG and llm_server.requests[-1]["messages"] == llm_server.requests[-2]["messages"]
    assert len(llm_server.requests) == 5


def test_without_a_person_every_iteration_begins_anew(llm_server: Any, reply: Any, llm: LLM) -> None:
    """No feedback, no history: the second iteration asks the first one's question."""
    llm_server.respond(lambda body, number: reply.text(GOOD))
    designer, trial = Text2Reward(), Trial()
    designer.ask(context(0, [], llm=llm, trial=trial))
    (proposal,) = designer.ask(context(1, [candidate("c000", 0)], llm=llm, trial=trial))
    assert proposal.parents == () and llm_server.requests[0]["messages"] == llm_server.requests[1]["messages"]
    assert not trial.asked and not designer.asks_person


def test_fidelity_rounds_of_feedback(llm_server: Any, reply: Any, llm: LLM) -> None:
    """Sections 2.3, 3.4: what a person saw and asks for stands under the program; the second round has both rounds.

    Questions carry the film and the learning curve, and are asked once: the answers of the first round come from the
    record when the second is asked for.
    """
    llm_server.respond(lambda body, number: reply.text(GOOD))
    designer = Text2Reward(feedback="person")
    trial = Trial("it spins", "   ", "make it stand", "it leans", "lean less")
    first = candidate("c000", 0)
    (second,) = designer.ask(context(1, [first], llm=llm, trial=trial))
    assert second.parents == ("c000",) and second.origin == "revision of c000"
    system, user, program, feedback = llm_server.requests[-1]["messages"]
    assert program == {"role": "assistant", "content": first.answer.strip()}
    assert "it spins" in feedback["content"] and "make it stand" in feedback["content"] and "25%" in feedback["content"]
    assert list(trial.asked) == ["iteration-0/feedback-c000/seen", "iteration-0/feedback-c000/wanted"]
    assert "films/c000.mp4" in trial.asked["iteration-0/feedback-c000/seen"]

    history = [first, candidate("c001", 1, parents=("c000",))]
    designer.ask(context(2, history, llm=llm, trial=trial))
    messages = llm_server.requests[-1]["messages"]
    assert messages[:4] == [system, user, program, feedback]
    assert [m["role"] for m in messages[4:]] == ["assistant", "user"] and "lean less" in messages[-1]["content"]
    assert len(trial.asked) == 4 and designer.asks_person


def test_chains_stay_apart_and_a_failed_program_shows_its_error(llm_server: Any, reply: Any, llm: LLM) -> None:
    """Each program is a chain of its own (section 3.4); of one without a policy nobody is asked, the error is shown."""
    llm_server.respond(lambda body, number: reply.text(GOOD))
    trial = Trial("it falls", "hold it")
    history = [candidate("c000", 0), candidate("c001", 0, failed="line 2: it broke.")]
    proposals = Text2Reward(feedback="person").ask(context(1, history, samples=2, llm=llm, trial=trial))
    assert [p.parents for p in proposals] == [("c000",), ("c001",)]
    first, second = (r["messages"] for r in llm_server.requests)
    assert "it falls" in first[-1]["content"] and "answer c000" in first[2]["content"]
    assert "line 2: it broke." in second[-1]["content"] and "answer c001" in second[2]["content"]
    assert {key.split("/")[1] for key in trial.asked} == {"feedback-c000"}


def test_a_chain_without_an_answer_costs_only_itself(llm_server: Any, reply: Any, llm: LLM) -> None:
    """Where the model fails on one chain, the others are revised."""
    llm_server.script(reply.error(500), reply.text(GOOD))
    history = [candidate("c000", 0, failed="no"), candidate("c001", 0, failed="no")]
    proposals = Text2Reward(feedback="person").ask(context(1, history, samples=2, llm=llm, trial=Trial()))
    assert [p.parents for p in proposals] == [("c001",)]


def test_bad_options() -> None:
    """Options are checked by name with near matches, and numbers for sense."""
    with pytest.raises(UnknownNameError, match="did you mean 'released'"):
        Text2Reward(mend_rule="release")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="text2reward feedback"):
        Text2Reward(feedback="model")  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        Text2Reward(shots=-1)
