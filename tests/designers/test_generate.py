"""Questions of one iteration: asked at once, answered in their order, each with its own trouble."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from envreward.designers.generate import Question, generate_each
from envreward.designers.mend import Mending, mend
from envreward.designers.repair import repair
from envreward.errors import BudgetExceededError, LLMError, LLMUnavailableError
from envreward.fields import Field
from envreward.llm import LLM, Caps, LLMConfig, Message, RecordedLLM, open_llm
from envreward.studies import StudyConfig
from envreward.studies.designer import Brief, Context
from envreward.studies.records import Proposal
from envreward.studies.store import StudyStore

BRIEF = Brief(
    env_id="EnvReward/Test-v0",
    instruction="Go.",
    fields={"speed": Field("Speed.", unit="m/s")},
    horizon=10,
    fitness_doc="Distance.",
)
GOOD = "```python\ndef compute_reward(speed):\n    return speed, {}\n```"
WRONG = "```python\ndef compute_reward(sped):\n    return sped, {}\n```"


def context(llm: LLM) -> Context:
    return Context(brief=BRIEF, iteration=1, samples=4, history=[], llm=llm, rng=random.Random(0))


def question(name: str) -> Question:
    messages: list[Message] = [Message(role="user", content=f"write {name}")]
    return Question(messages=messages, stage=f"stage-{name}", parents=(f"c00{name}",), origin=f"from {name}")


def asked_for(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"]).removeprefix("write ")


@pytest.fixture
def model(llm_server: Any) -> LLM:
    return open_llm("openai/gpt-4o", config=LLMConfig(concurrency=3, attempts=1))


def test_questions_are_asked_at_once_and_answered_in_order(llm_server: Any, reply: Any, model: LLM) -> None:
    """As many as the model takes are under way together; the slowest first one still comes first."""
    llm_server.respond(lambda body, number: reply.text(asked_for(body), delay_s=0.6 if asked_for(body) == "0" else 0.2))
    answered = generate_each(context(model), [question(str(i)) for i in range(5)], temperature=0.7)
    assert llm_server.most_at_once == 3
    assert [proposal.answer for _, proposal in answered] == ["0", "1", "2", "3", "4"]
    assert [q.stage for q, _ in answered] == [f"stage-{i}" for i in range(5)]
    assert [(p.parents, p.origin) for _, p in answered][4] == (("c004",), "from 4")
    assert {request["temperature"] for request in llm_server.requests} == {0.7}


def test_a_question_without_an_answer_is_left_out(llm_server: Any, reply: Any, model: LLM) -> None:
    """The others are answered; where none is, the error is told; a model that is gone for good stops all."""
    llm_server.respond(lambda body, n: reply.error(500) if asked_for(body) == "1" else reply.text(asked_for(body)))
    answered = generate_each(context(model), [question(str(i)) for i in range(3)], temperature=1.0)
    assert [proposal.answer for _, proposal in answered] == ["0", "2"]
    llm_server.respond(lambda body, n: reply.error(500))
    with pytest.raises(LLMError):
        generate_each(context(model), [question("0"), question("1")], temperature=1.0)
    llm_server.respond(lambda body, n: reply.error(401))
    with pytest.raises(LLMUnavailableError):
        generate_each(context(model), [question("0"), question("1")], temperature=1.0)


def test_a_limit_ends_the_asking(llm_server: Any, reply: Any) -> None:
    """What was answered before it is kept; where nothing was, the limit is told."""
    llm_server.respond(lambda body, n: reply.text(asked_for(body)))
    capped = open_llm("openai/gpt-4o", config=LLMConfig(concurrency=3), caps=Caps(calls=2))
    answered = generate_each(context(capped), [question(str(i)) for i in range(5)], temperature=1.0)
    assert len(answered) == len(llm_server.requests) == 2
    with pytest.raises(BudgetExceededError):
        generate_each(context(capped), [question("7")], temperature=1.0)


def test_a_resumed_study_asks_only_what_is_missing(llm_server: Any, reply: Any, model: LLM, tmp_path: Path) -> None:
    """Answers that arrive together are all in the study's record, each under its own name."""
    config = StudyConfig(env_id="EnvReward/Hopper-v0", instruction="Hop.", steps=1000)
    llm_server.respond(lambda body, n: reply.error(500) if asked_for(body) == "3" else reply.text(asked_for(body)))
    with StudyStore.create(tmp_path / "run", config, {}) as store:
        first = generate_each(context(RecordedLLM(model, store)), [question(str(i)) for i in range(6)], temperature=1.0)
    assert [proposal.answer for _, proposal in first] == ["0", "1", "2", "4", "5"]
    llm_server.requests.clear()
    llm_server.respond(lambda body, n: reply.text("new " + asked_for(body)))
    with StudyStore.open(tmp_path / "run", versions={}) as store:
        again = generate_each(context(RecordedLLM(model, store)), [question(str(i)) for i in range(6)], temperature=1.0)
    assert [proposal.answer for _, proposal in again] == ["0", "1", "2", "new 3", "4", "5"]
    assert len(llm_server.requests) == 1


def test_programs_are_mended_at_once(llm_server: Any, reply: Any, model: LLM) -> None:
    """What is sent back in one round goes out together; so does what `repair` asks for."""
    llm_server.respond(lambda body, number: reply.text(GOOD, delay_s=0.2))
    wrong = [Proposal(answer=WRONG, origin=f"sample {i}") for i in range(3)]
    start: list[Message] = [Message(role="user", content="write it")]
    found = mend(context(model), [start] * 3, wrong, Mending(rounds=2, check="rules"), temperature=0.0)
    assert [p.answer for p in found] == [GOOD] * 3 and llm_server.most_at_once == 3
    llm_server.most_at_once = 0
    found = repair(context(model), start, [*wrong, Proposal(answer=GOOD, origin="sound")], rounds=2, temperature=0.0)
    assert [p.answer for p in found] == [GOOD] * 4 and llm_server.most_at_once == 3
    assert [p.origin for p in found] == ["sample 0, mended 1x", "sample 1, mended 1x", "sample 2, mended 1x", "sound"]
