"""Eureka: the conversation it holds, the parents it picks, over real HTTP and over a recording."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from envreward import registry
from envreward.designers.eureka import Eureka
from envreward.errors import ConfigError, LLMUnavailableError, RewardError, UnknownNameError
from envreward.fields import Field, public_fields
from envreward.llm import LLM, LLMConfig, open_llm
from envreward.llm.recording import read_recording
from envreward.rewards.program import RewardProgram
from envreward.studies.designer import Brief, Context
from envreward.studies.records import Candidate, Evaluation, Proposal, Status, Traces

RECORDING = Path(__file__).parents[1] / "recordings" / "eureka-hopper.jsonl"
BRIEF = Brief(
    env_id="Test/Cart-v0",
    instruction="Keep the pole upright.",
    fields={
        "pole_angle": Field("Angle of the pole from the vertical.", unit="rad", role="angle"),
        "cart": Field("Position and velocity of the cart.", shape=(2,), role="position"),
        "action": Field("Push on the cart.", shape=(1,), unit="N", role="action"),
        "solved": Field("Whether it is done.", dtype="bool", private=True),
    },
    horizon=500,
    fitness_doc="Steps until the pole falls.",
)
GOOD = "```python\ndef compute_reward(pole_angle):\n    up = pole_angle.cos()\n    return up, {'up': up}\n```"
WRONG = "```python\ndef compute_reward(pole_angel):\n    up = pole_angel.cos()\n    return up, {'up': up}\n```"


def context(iteration: int, history: list[Candidate], *, samples: int = 4, llm: LLM | None = None) -> Context:
    return Context(
        brief=BRIEF, iteration=iteration, samples=samples, history=history, llm=llm, rng=random.Random(iteration)
    )


def scored(iteration: int, index: int, fitness: float, *, peak: float | None = None) -> Candidate:
    evaluation = Evaluation(member="m", seed=0, episodes=5, success=0.5, fitness=fitness, episode_length=100.0)
    return Candidate(
        id=f"c{iteration}{index}",
        iteration=iteration,
        index=index,
        answer=f"answer {iteration}.{index}\n{GOOD}",
        source=None,
        status=Status.EVALUATED,
        traces=Traces(steps=(100,), components={"up": (0.5,)}, fitness=(fitness if peak is None else peak,)),
        evaluations=(evaluation,),
    )


def failed(iteration: int, index: int, status: Status, reason: str = "line 3: it broke. Fix: mend it.") -> Candidate:
    return Candidate(
        id=f"c{iteration}{index}",
        iteration=iteration,
        index=index,
        answer=f"answer {iteration}.{index}",
        source=None,
        status=status,
        reason=reason,
    )


def ended(proposals: list[Proposal], iteration: int, fitness: list[float | None]) -> list[Candidate]:
    """Give proposals the results of a study that never was."""
    candidates = []
    for index, (proposal, value) in enumerate(zip(proposals, fitness, strict=True)):
        base = failed(iteration, index, Status.REJECTED) if value is None else scored(iteration, index, value)
        candidates.append(Candidate(**{**base.__dict__, "answer": proposal.answer, "parents": proposal.parents}))
    return candidates


def test_two_iterations_over_http(llm_server: Any, reply: Any) -> None:
    """The first conversation is the task; the second adds the best answer and its reflection, and names the parent."""
    llm_server.respond(lambda body, i: reply.text(f"sample {i}\n{GOOD}"))
    llm = open_llm("openai/gpt-4o", config=LLMConfig(concurrency=1))
    designer = Eureka()
    first = designer.ask(context(0, [], llm=llm))
    assert [p.answer.splitlines()[0] for p in first] == ["sample 0", "sample 1", "sample 2", "sample 3"]
    assert all(p.parents == () for p in first) and first[2].origin == "sample 2"
    system, user = llm_server.requests[0]["messages"]
    assert (system["role"], user["role"]) == ("system", "user")
    assert "compute_reward" in system["content"] and "Keep the pole upright." in user["content"]
    assert "- pole_angle: float32 [N], rad. Angle of the pole from the vertical." in user["content"]
    assert "solved" not in system["content"] + user["content"]
    assert llm_server.requests[0]["temperature"] == 1.0

    history = ended(first, 0, [3.0, None, 7.5, 5.0])
    second = designer.ask(context(1, history, llm=llm))
    assert len(second) == 4 and {p.parents for p in second} == {("c02",)}
    messages = llm_server.requests[-1]["messages"]
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "user"]
    assert messages[:2] == [system, user] and messages[2]["content"] == first[2].answer.strip()
    assert "task score 7.5" in messages[3]["content"] and "Steps until the pole falls." in messages[3]["content"]


def test_asking_is_a_function_of_its_context(llm_server: Any) -> None:
    """The same history gives the same conversation, so that a resumed study asks the same."""
    history = [scored(0, i, float(i)) for i in range(4)]
    designer, again = Eureka(), Eureka()
    one = designer.messages(context(1, history), designer.shown(context(1, history)))
    assert one == again.messages(context(1, list(history)), again.shown(context(1, list(history))))


# Iteration 0 had the best of all (9), iteration 1 gave nothing usable, iteration 2 a weaker best (6).
HISTORY = [
    scored(0, 0, 2.0, peak=8.0),
    scored(0, 1, 9.0, peak=9.5),
    failed(1, 0, Status.UNPARSED),
    failed(1, 1, Status.FAILED),
    scored(2, 0, 6.0, peak=6.0),
    scored(2, 1, 5.0, peak=12.0),
]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({}, ["c20"]),  # eureka.py: the latest iteration's best, though c01 was better
        ({"parent_rule": "paper"}, ["c01", "c20"]),  # Algorithm 1: each iteration's best, appended
        ({"parent_rule": "best_so_far"}, ["c01"]),
        ({"score": "peak"}, ["c21"]),  # eureka.py: max over training
        ({"parent_rule": "best_so_far", "score": "peak"}, ["c21"]),
    ],
)
def test_parent_rules(options: dict[str, Any], shown: list[str]) -> None:
    """Each rule picks, by name, what its source picks."""
    designer = Eureka(**options)
    found = designer.shown(context(3, HISTORY))
    assert [c.id for c in found] == shown
    roles = [m["role"] for m in designer.messages(context(3, HISTORY), found)]
    assert roles == ["system", "user"] + ["assistant", "user"] * len(shown)


@pytest.mark.parametrize(
    ("options", "samples", "shown"),
    [
        ({}, 2, ["c01"]),  # eureka.py: "Repeat this iteration from the current message checkpoint"
        ({}, 1, ["c11"]),  # eureka.py with sample=1: the error is the feedback
        ({"when_all_fail": "feedback"}, 2, ["c11"]),  # the one that ran is nearer than the one that was not read
        ({"when_all_fail": "feedback", "parent_rule": "paper"}, 2, ["c01", "c11"]),
    ],
)
def test_after_an_iteration_without_a_usable_program(options: dict[str, Any], samples: int, shown: list[str]) -> None:
    """The conversation stays as it was, or shows the error, as the source or the option says."""
    found = Eureka(**options).shown(context(2, HISTORY[:4], samples=samples))
    assert [c.id for c in found] == shown


def test_error_feedback_has_line_reason_and_fix() -> None:
    """A failed program is answered with its error, as the verification worded it."""
    designer = Eureka(when_all_fail="feedback")
    history = [failed(0, 0, Status.REJECTED, "line 3: `print` is not allowed. Fix: Remove it.")]
    last = designer.messages(context(1, history), designer.shown(context(1, history)))[-1]["content"]
    assert "line 3: `print` is not allowed. Fix: Remove it." in last
    assert "the program breaks a rule" in last


def test_nothing_to_show_at_all() -> None:
    """When the first iteration gave nothing usable, the second asks the first question again."""
    history = [failed(0, 0, Status.UNPARSED), failed(0, 1, Status.UNPARSED)]
    assert Eureka().shown(context(1, history)) == []


def test_fewer_answers_than_asked(llm_server: Any, reply: Any) -> None:
    """Samples that fail to come are missing, not made up; an iteration with one answer goes on."""
    llm_server.respond(lambda body, i: reply.text(GOOD) if i == 2 else reply.error(500))
    llm = open_llm("openai/gpt-4o", config=LLMConfig(attempts=1, concurrency=1))
    assert [p.answer for p in Eureka().ask(context(0, [], samples=4, llm=llm))] == [GOOD]


def test_answers_without_code_are_proposals_too(llm_server: Any, reply: Any) -> None:
    """An answer without code, or cut off, is handed on as it is: its study gives it its status."""
    llm_server.script(reply.text("I cannot do that."), reply.text("```python\ndef comp", finish_reason="length"))
    llm = open_llm("openai/gpt-4o", config=LLMConfig(concurrency=1))
    refused, cut = Eureka().ask(context(0, [], samples=2, llm=llm))
    assert refused.answer == "I cannot do that." and refused.origin == "sample 0"
    assert cut.origin == "sample 1, cut at the token limit"


def test_repairs(llm_server: Any, reply: Any) -> None:
    """With repairs, a program that breaks a rule goes back with its error and is replaced; a sound one stays."""
    llm_server.script(reply.text(GOOD), reply.text(WRONG), reply.text(WRONG), reply.text("mended\n" + GOOD))
    llm = open_llm("openai/gpt-4o", config=LLMConfig(concurrency=1))
    sound, mended = Eureka(repairs=2).ask(context(0, [], samples=2, llm=llm))
    assert sound.answer == GOOD and mended.answer.startswith("mended") and mended.origin == "sample 1, mended 2x"
    assert len(llm_server.requests) == 4
    last = llm_server.requests[-1]["messages"]
    assert last[2]["content"] == WRONG and "pole_angel" in last[3]["content"] and "pole_angle" in last[3]["content"]


def test_repair_gives_up(llm_server: Any, reply: Any) -> None:
    """A program that stays wrong, or whose repair cannot be had, is handed on as it was answered last."""
    llm_server.script(reply.text(WRONG), reply.error(500))
    llm = open_llm("openai/gpt-4o", config=LLMConfig(concurrency=1, attempts=1))
    (proposal,) = Eureka(repairs=3).ask(context(0, [], samples=1, llm=llm))
    assert proposal.answer == WRONG
    llm_server.script(reply.text(WRONG), reply.error(401))
    with pytest.raises(LLMUnavailableError):
        Eureka(repairs=1).ask(context(1, [], samples=1, llm=llm))


def test_bad_options_and_no_model() -> None:
    """Options are checked by name with near matches; without a language model the error says how to name one."""
    with pytest.raises(UnknownNameError, match="did you mean 'released'"):
        Eureka(parent_rule="release")  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        Eureka(temperature=-1.0)
    with pytest.raises(ConfigError, match="--llm"):
        Eureka().ask(context(0, []))


def test_found_by_name_with_the_papers_budget() -> None:
    """`eureka` is installed; by default 16 samples, 5 iterations (section 3.2), temperature 1 (config.yaml)."""
    designer = registry.find("designers", "eureka")()
    assert (designer.default_samples, designer.default_iterations, designer.temperature) == (16, 5, 1.0)
    assert designer.needs_llm


def test_recorded_session_on_hopper() -> None:
    """The recorded session plays two iterations of the real task; its programs are what they are meant to be."""
    task = registry.make_task("Hopper")
    brief = Brief(
        env_id=task.spec.id,
        instruction=task.spec.instruction,
        fields=public_fields(task.fields),
        horizon=task.spec.horizon,
        fitness_doc=task.fitness_doc,
    )
    llm = open_llm(f"replay:{RECORDING}")
    history: list[Candidate] = []
    expected = {
        "c00": "ok", "c01": "RewardRejectedError", "c02": "RewardParseError", "c03": "ok",
        "c10": "ok", "c11": "RewardRejectedError", "c12": "ok", "c13": "ok",
    }  # fmt: skip
    found = {}
    for iteration in range(2):
        asked = Context(
            brief=brief, iteration=iteration, samples=16, history=history, llm=llm, rng=random.Random(iteration)
        )
        proposals = Eureka().ask(asked)
        assert len(proposals) == 4
        for index, proposal in enumerate(proposals):
            try:
                RewardProgram.from_answer(proposal.answer, task.fields)
                found[f"c{iteration}{index}"] = "ok"
            except RewardError as error:
                found[f"c{iteration}{index}"] = type(error).__name__
        history += ended(proposals, iteration, [1.0, None, None, 2.0])
    assert found == expected
    assert len(read_recording(RECORDING)) == 8
