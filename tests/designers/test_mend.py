"""Mend: programs that cannot be used are written again, over real HTTP."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest

from envreward.designers.mend import Mending, mend
from envreward.errors import ConfigError, LLMUnavailableError
from envreward.fields import Field
from envreward.llm import LLM, LLMConfig, Message, open_llm
from envreward.rewards.verify import Verdict, check_statically
from envreward.studies.designer import Brief, Context
from envreward.studies.records import Proposal

BRIEF = Brief(
    env_id="T",
    instruction="Balance.",
    fields={"pole_angle": Field("Angle."), "action": Field("Push.", shape=(1,), role="action")},
    horizon=10,
    fitness_doc="",
)
GOOD = "```python\ndef compute_reward(pole_angle):\n    return pole_angle.cos(), {}\n```"
WRONG = GOOD.replace("pole_angle", "pole_angel")
RAISES = GOOD.replace(".cos()", ".reshape(3, 5)")
ASKED: list[Message] = [{"role": "user", "content": "A reward, please."}]


class Trial:
    """A workshop whose dry run refuses what reshapes; it keeps what it was given."""

    def __init__(self) -> None:
        self.tried: list[dict[str, str]] = []

    def verify(self, answers: Mapping[str, str]) -> dict[str, Verdict]:
        self.tried.append(dict(answers))
        return {
            key: Verdict(status="failed", reason="line 2: shape '[3, 5]' is invalid")
            if "reshape" in answer
            else check_statically(answer, BRIEF.fields)
            for key, answer in answers.items()
        }


def context(llm: LLM, trial: Trial | None = None) -> Context:
    return Context(
        brief=BRIEF,
        iteration=2,
        samples=2,
        history=[],
        llm=llm,
        rng=random.Random(0),
        workshop=trial,  # type: ignore[arg-type]
    )


def mended(llm: LLM, answers: list[str], mending: Mending, trial: Trial | None = None) -> list[Proposal]:
    proposals = [Proposal(answer=answer, origin=f"sample {i}") for i, answer in enumerate(answers)]
    return mend(context(llm, trial), [ASKED] * len(answers), proposals, mending, temperature=0.5)


@pytest.fixture
def llm(llm_server: Any) -> LLM:
    return open_llm("openai/gpt-4o", config=LLMConfig(concurrency=1, attempts=1))


def test_errors_of_the_dry_run_are_fed_back(llm_server: Any, reply: Any, llm: LLM) -> None:
    """A program that fails when it runs goes back with its error until it runs; sound ones are left alone."""
    llm_server.script(reply.text(WRONG), reply.text("mended\n" + GOOD))
    trial = Trial()
    sound, found = mended(llm, [GOOD, RAISES], Mending(rounds=5), trial)
    assert sound.answer == GOOD and found.answer.startswith("mended") and found.origin == "sample 1, mended 2x"
    first, second = (r["messages"] for r in llm_server.requests)
    assert [m["role"] for m in first] == ["user", "assistant", "user"] and first[1]["content"] == RAISES
    assert "shape '[3, 5]' is invalid" in first[2]["content"] and "failed when it was run" in first[2]["content"]
    assert second[1]["content"] == WRONG and "pole_angle" in second[2]["content"]
    assert [sorted(t) for t in trial.tried] == [["0", "1"], ["1"], ["1"]]
    assert llm_server.requests[0]["temperature"] == 0.5


def test_blind_asks_the_same_again(llm_server: Any, reply: Any, llm: LLM) -> None:
    """Without showing the error, the question goes out unchanged, as often as allowed; the last answer stays."""
    llm_server.respond(lambda body, number: reply.text(WRONG))
    (found,) = mended(llm, [WRONG], Mending(rounds=3, check="rules", blind=True))
    assert [r["messages"] for r in llm_server.requests] == [ASKED] * 3
    assert found.answer == WRONG and found.origin == "sample 0, mended 3x"


@pytest.mark.parametrize(("check", "asked"), [("parse", 1), ("rules", 2), ("run", 3)])
def test_what_counts_as_unusable(llm_server: Any, reply: Any, llm: LLM, check: Any, asked: int) -> None:
    """``parse`` minds answers without code, ``rules`` broken rules as well, ``run`` errors on real states as well."""
    llm_server.respond(lambda body, number: reply.text(GOOD))
    found = mended(llm, ["No code.", WRONG, RAISES, GOOD], Mending(rounds=2, check=check), Trial())
    assert len(llm_server.requests) == asked
    assert [p.answer == GOOD for p in found] == [True, asked > 1, asked > 2, True]


def test_an_answer_that_does_not_come_costs_only_its_own(llm_server: Any, reply: Any, llm: LLM) -> None:
    """One whose repair cannot be had stays as it is, the others go on; a model that is gone for good stops it."""
    llm_server.script(reply.error(500), reply.text(GOOD))
    first, second = mended(llm, [WRONG, WRONG], Mending(rounds=2, check="rules"))
    assert (first.answer, second.answer) == (WRONG, GOOD) and len(llm_server.requests) == 2
    llm_server.script(reply.error(401))
    with pytest.raises(LLMUnavailableError):
        mended(llm, [WRONG], Mending(rounds=1, check="rules"))


def test_no_rounds_and_no_workshop(llm_server: Any, llm: LLM) -> None:
    """With no rounds nothing is checked or asked; a dry run needs a study's workshop."""
    assert mended(llm, [WRONG], Mending(rounds=0))[0].answer == WRONG
    with pytest.raises(ConfigError, match="envreward design"):
        mended(llm, [GOOD], Mending(rounds=1))
    assert not llm_server.requests


def test_words() -> None:
    """What is done is said in words, and nothing done in the words of those who do nothing."""
    from envreward.studies.composition import Composition

    default = Composition.__dataclass_fields__["mend"].default
    assert Mending(rounds=0).words() == default
    assert "sent back with its error, up to 3 times" in Mending(rounds=3).words()
    assert "asked for again" in Mending(rounds=3, check="rules", blind=True).words()
