"""random and zeroshot: the same first question as the methods ask, and no word of how anything went."""

from __future__ import annotations

import random
from typing import Any

import pytest

from envreward.designers.eureka import Eureka
from envreward.designers.random_search import Random
from envreward.designers.zeroshot import ZeroShot
from envreward.errors import ConfigError
from envreward.fields import Field
from envreward.llm import LLM, LLMConfig, open_llm
from envreward.studies.designer import Brief, Context
from envreward.studies.records import Candidate, Evaluation, Status

BRIEF = Brief(
    env_id="T",
    instruction="Balance.",
    fields={"pole_angle": Field("Angle."), "action": Field("Push.", shape=(1,), role="action")},
    horizon=10,
    fitness_doc="Steps.",
)
HISTORY = [
    Candidate(
        id="c000",
        iteration=0,
        index=0,
        answer="an answer",
        source=None,
        status=Status.EVALUATED,
        evaluations=(Evaluation(member="m", seed=0, episodes=1, success=1.0, fitness=7.0, episode_length=1.0),),
    )
]


def context(iteration: int, llm: LLM | None) -> Context:
    history = HISTORY if iteration else []
    return Context(brief=BRIEF, iteration=iteration, samples=3, history=history, llm=llm, rng=random.Random(0))


@pytest.fixture
def llm(llm_server: Any) -> LLM:
    return open_llm("openai/gpt-4o", config=LLMConfig(concurrency=1))


def test_random_never_hears_how_it_went(llm_server: Any, llm: LLM) -> None:
    """Every iteration is a batch of its own: the same question, no parents, whatever the history."""
    for iteration in range(2):
        proposals = Random().ask(context(iteration, llm))
        assert len(proposals) == 3 and all(p.parents == () for p in proposals)
    assert len({p.answer for p in proposals}) == 3, "answers are drawn anew, not repeated"
    questions = [r["messages"] for r in llm_server.requests]
    assert len(questions) == 6 and all(q == questions[0] for q in questions)


def test_random_is_the_control_of_eureka(llm_server: Any, llm: LLM) -> None:
    """It asks what eureka asks first, at its temperature, with its numbers: only the feedback differs."""
    Random().ask(context(0, llm))
    Eureka().ask(context(0, llm))
    ours, theirs = llm_server.requests[0], llm_server.requests[3]
    assert (ours["messages"], ours["temperature"]) == (theirs["messages"], theirs["temperature"])
    assert (Random.default_samples, Random.default_iterations) == (Eureka.default_samples, Eureka.default_iterations)


def test_zeroshot_asks_once(llm_server: Any, llm: LLM) -> None:
    """One sample in all, however many samples and iterations the study has."""
    (proposal,) = ZeroShot().ask(context(0, llm))
    assert proposal.answer == "answer 0" and ZeroShot().ask(context(1, llm)) == []
    assert len(llm_server.requests) == 1
    assert (ZeroShot.default_samples, ZeroShot.default_iterations) == (1, 1)


@pytest.mark.parametrize("designer", [Random, ZeroShot])
def test_bad_options_and_no_model(designer: Any) -> None:
    """A negative temperature is refused; without a model the error says how to name one."""
    with pytest.raises(ConfigError, match="temperature"):
        designer(temperature=-1.0)
    with pytest.raises(ConfigError, match="--llm"):
        designer().ask(context(0, None))
