"""era: success first, a summary of each iteration, four turns, the incumbent last, over real HTTP."""

from __future__ import annotations

import random
from typing import Any

import pytest

from envreward.designers.era import Era
from envreward.designers.eureka import Eureka
from envreward.errors import ConfigError, UnknownNameError
from envreward.fields import Field
from envreward.llm import LLM, LLMConfig, open_llm
from envreward.studies.designer import Brief, Context, default_checkpoint
from envreward.studies.records import Candidate, Evaluation, Status, Traces

BRIEF = Brief(
    env_id="Test/Cart-v0",
    instruction="Keep the pole upright.",
    fields={"pole_angle": Field("Angle of the pole.", unit="rad", role="angle")},
    horizon=500,
    fitness_doc="Steps until the pole falls.",
)
GOOD = "```python\ndef compute_reward(pole_angle):\n    up = pole_angle.cos()\n    return up, {'up': up}\n```"


def context(iteration: int, history: list[Candidate], *, samples: int = 2, llm: LLM | None = None) -> Context:
    return Context(
        brief=BRIEF, iteration=iteration, samples=samples, history=history, llm=llm, rng=random.Random(iteration)
    )


def candidate(name: str, iteration: int, success: float | None, fitness: float = 0.0) -> Candidate:
    evaluations = ()
    if success is not None:
        evaluations = (
            Evaluation(member="m", seed=0, episodes=5, success=success, fitness=fitness, episode_length=9.0),
        )
    return Candidate(
        id=name,
        iteration=iteration,
        index=0,
        answer=f"answer {name}\n{GOOD}",
        source=f"def compute_reward(pole_angle):\n    return pole_angle, {{}}  # {name}\n",
        status=Status.REJECTED if success is None else Status.EVALUATED,
        reason="line 3: it is not allowed." if success is None else "",
        traces=None if success is None else Traces(steps=(50, 100), components={"up": (0.125, 0.25)}),
        evaluations=evaluations,
    )


@pytest.fixture
def llm(llm_server: Any) -> LLM:
    return open_llm("openai/gpt-4o", config=LLMConfig(concurrency=1, attempts=1))


# Best by success of each iteration: a, d, e, f, g; d is best of all.
HISTORY = [
    candidate("a", 0, 0.5, 3.0),
    candidate("b", 0, 0.2, 99.0),
    candidate("c", 1, 0.9, 1.0),
    candidate("d", 1, 0.9, 2.0),
    candidate("e", 2, 0.1),
    candidate("f", 3, 0.3),
    candidate("g", 4, 0.8),
]


def test_fidelity_task_success_ranks_first() -> None:
    """Task success ranks, fitness breaks its ties; by the option, fitness alone."""
    assert [c.id for c in Era().shown(context(1, HISTORY[:2]))] == ["a"]
    assert [c.id for c in Era(rank="fitness").shown(context(1, HISTORY[:2]))] == ["b"]
    assert [c.id for c in Era().shown(context(2, HISTORY[:4]))] == ["a", "d"]


def test_fidelity_four_turns_with_the_best_of_all_last() -> None:
    """The conversation holds the latest four turns; the best of all, which only a better one replaces, is the last."""
    assert [c.id for c in Era().shown(context(3, HISTORY[:5]))] == ["a", "e", "d"]
    assert [c.id for c in Era().shown(context(5, HISTORY))] == ["e", "f", "g", "d"]
    assert [c.id for c in Era(turns=1).shown(context(5, HISTORY))] == ["d"]


def test_fidelity_feedback_is_summed_up(llm_server: Any, reply: Any, llm: LLM) -> None:
    """The model sums up each iteration once, from every outcome and the best's curves; programs are asked with that."""

    def answer(body: dict[str, Any], number: int) -> Any:
        summing = len(body["messages"]) == 1
        return reply.text(f"summary {number}" if summing else GOOD)

    llm_server.respond(answer)
    failed = candidate("x", 1, None)
    proposals = Era().ask(context(2, [*HISTORY[:4], failed], llm=llm))
    assert len(proposals) == 2 and {p.parents for p in proposals} == {("d",)}
    first, second, *programs = (r["messages"] for r in llm_server.requests)
    assert "- a: task score 3" in first[0]["content"] and "- b: task score 99" in first[0]["content"]
    assert "# a" in first[0]["content"] and "# b" not in first[0]["content"]
    assert "- x: rejected, line 3: it is not allowed." in second[0]["content"]
    assert "up: [0.125, 0.25], max 0.25, mean 0.188, min 0.125" in second[0]["content"]
    assert programs[0] == programs[1]
    assert [m["role"] for m in programs[0]] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert programs[0][2]["content"] == HISTORY[0].answer.strip() and "summary 0" in programs[0][3]["content"]
    assert "Write a better program" not in programs[0][3]["content"]
    assert "summary 1" in programs[0][5]["content"] and "Write a better program" in programs[0][5]["content"]
    assert "up: [" not in programs[0][5]["content"], "the summary stands in place of the curves"


def test_curves_by_option(llm_server: Any, reply: Any, llm: LLM) -> None:
    """With ``curves`` nothing is summed up: the numbers are shown."""
    llm_server.respond(lambda body, number: reply.text(GOOD))
    Era(feedback="curves").ask(context(1, HISTORY[:2], llm=llm))
    assert len(llm_server.requests) == 2
    assert "up: [0.125, 0.25]" in llm_server.requests[0]["messages"][-1]["content"]


def test_first_iteration_and_nothing_usable(llm_server: Any, reply: Any, llm: LLM) -> None:
    """The first question is the task alone; after an iteration without a score, the nearest miss comes last."""
    llm_server.respond(lambda body, number: reply.text(GOOD))
    assert all(p.parents == () for p in Era().ask(context(0, [], llm=llm)))
    assert len(llm_server.requests[0]["messages"]) == 2
    failed = candidate("x", 2, None)
    assert [c.id for c in Era().shown(context(3, [*HISTORY[:4], failed]))] == ["a", "d", "x"]
    Era().ask(context(1, [candidate("x", 0, None)], llm=llm))
    assert "line 3: it is not allowed." in llm_server.requests[-1]["messages"][-1]["content"]


def test_defaults_and_bad_options() -> None:
    """8 samples, 5 iterations, 4 turns, the peak of the own return; options are checked by name."""
    designer = Era()
    assert (designer.default_samples, designer.default_iterations, designer.turns) == (8, 5, 4)
    assert default_checkpoint(designer) == default_checkpoint(Era) == "peak_return"
    assert default_checkpoint(Eureka) == "final"
    with pytest.raises(UnknownNameError, match="did you mean 'summary'"):
        Era(feedback="sumary")  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        Era(turns=0)
