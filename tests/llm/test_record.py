"""RecordedLLM: no answer is paid for twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from envreward.errors import BudgetExceededError, LLMError, LLMUnavailableError
from envreward.llm import Answer, Caps, Exchange, LLMConfig, RecordedLLM, Usage, open_llm

ASK = [{"role": "user", "content": "Write a reward."}]
OTHER = [{"role": "user", "content": "Write another reward."}]


class Shelf:
    """A store in memory that, as real ones do, takes each key once."""

    def __init__(self) -> None:
        self.kept: dict[str, Exchange] = {}

    def get(self, key: str) -> Exchange | None:
        return self.kept.get(key)

    def put(self, key: str, exchange: Exchange) -> None:
        assert key not in self.kept
        self.kept[key] = exchange


def test_finished_samples_are_not_asked_again(llm_server: Any) -> None:
    """The second time, the same answers come from the store, in order, without a request and without cost."""
    shelf = Shelf()
    first = RecordedLLM(open_llm("openai/gpt-4o"), shelf).complete(ASK, n=4, key="iteration-0/samples")
    assert len(llm_server.requests) == 4 and first.usage.calls == 4
    again = RecordedLLM(open_llm("openai/gpt-4o"), shelf).complete(ASK, n=4, key="iteration-0/samples")
    assert again.answers == first.answers and again.usage == Usage()
    assert len(llm_server.requests) == 4
    assert sorted(shelf.kept) == [f"iteration-0/samples#{i}" for i in range(4)]


def test_only_missing_samples_are_asked(llm_server: Any) -> None:
    """A request that was cut off half-way goes on with the samples it lacks; asking for more adds to what is there."""
    shelf = Shelf()
    llm = RecordedLLM(open_llm("openai/gpt-4o", config=LLMConfig(concurrency=1)), shelf)
    llm.complete(ASK, n=2, key="k")
    completion = llm.complete(ASK, n=5, key="k")
    assert [a.text for a in completion.answers] == [f"answer {i}" for i in range(5)]
    assert len(llm_server.requests) == 5 and completion.usage.calls == 3


def test_each_sample_is_stored_as_it_arrives(llm_server: Any, reply: Any) -> None:
    """A failure of the last sample loses none of those before it."""
    shelf = Shelf()
    llm_server.respond(lambda body, i: reply.error(401, "no") if i == 2 else reply.text(f"answer {i}"))
    llm = RecordedLLM(open_llm("openai/gpt-4o", config=LLMConfig(concurrency=1)), shelf)
    with pytest.raises(LLMUnavailableError):
        llm.complete(ASK, n=4, key="k")
    assert sorted(shelf.kept) == ["k#0", "k#1"]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_killed_between_samples(llm_server: Any, reply: Any, tmp_path: Path, end: signal.Signals) -> None:
    """After kill -9 or Ctrl-C in the middle of a request, what had arrived is recorded and only the rest is asked."""
    llm_server.respond(lambda body, i: reply.text(f"answer {i}", delay_s=0.05 if i < 3 else 30.0))
    file = tmp_path / "session.jsonl"
    code = (
        "from envreward.llm import LLMConfig, open_llm\n"
        f"llm = open_llm('record:{file}=openai/gpt-4o', config=LLMConfig(concurrency=3))\n"
        "llm.complete([{'role': 'user', 'content': 'Write a reward.'}], n=5, key='k')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], env=dict(os.environ), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while (not file.exists() or file.read_text().count("\n") < 4) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, end)
    process.wait(5)  # Ctrl-C waits for no answer
    asked = len(llm_server.requests)
    llm_server.respond(lambda body, i: reply.text(f"later {i}"))
    completion = open_llm(f"record:{file}=openai/gpt-4o").complete(ASK, n=5, key="k")
    texts = [a.text for a in completion.answers]
    assert sorted(texts[:3]) == ["answer 0", "answer 1", "answer 2"] and all(t.startswith("later") for t in texts[3:])
    assert len(llm_server.requests) == asked + 2


def test_another_prompt_is_another_question(llm_server: Any) -> None:
    """A key that was answered for other messages is asked again once, and both answers stay on record."""
    shelf = Shelf()
    llm = RecordedLLM(open_llm("openai/gpt-4o"), shelf)
    old = llm.complete(ASK, key="k").answers
    new = llm.complete(OTHER, key="k").answers
    assert (old[0].text, new[0].text) == ("answer 0", "answer 1")
    assert llm.complete(ASK, key="k").answers == old and llm.complete(OTHER, key="k").answers == new
    assert len(llm_server.requests) == 2 and len(shelf.kept) == 2


def test_recorded_answers_survive_trouble(llm_server: Any, reply: Any) -> None:
    """When the rest cannot be had, for lack of budget or luck, recorded samples are returned; with none, it raises."""
    shelf = Shelf()
    RecordedLLM(open_llm("openai/gpt-4o"), shelf).complete(ASK, n=2, key="k")
    broke = RecordedLLM(open_llm("openai/gpt-4o", caps=Caps(calls=2), spent=Usage(calls=2)), shelf)
    completion = broke.complete(ASK, n=4, key="k")
    assert len(completion.answers) == 2 and "limit of 2" in completion.failures[0]
    with pytest.raises(BudgetExceededError):
        broke.complete(ASK, key="other")
    llm_server.respond(lambda body, i: reply.error(500, "boom"))
    unlucky = RecordedLLM(open_llm("openai/gpt-4o", config=LLMConfig(attempts=1)), shelf)
    assert len(unlucky.complete(ASK, n=4, key="k").answers) == 2
    with pytest.raises(LLMError, match="boom"):
        unlucky.complete(ASK, key="other")


def test_exchange_holds_what_was_asked_and_no_key(llm_server: Any, reply: Any) -> None:
    """The record has messages, model, parameters, answer, usage, latency; a key that a server echoes is not in it."""
    secret = os.environ["OPENAI_API_KEY"]
    shelf = Shelf()
    llm_server.script(reply.text(f"Your key {secret} is fine.", finish_reason="length", delay_s=0.1))
    llm = RecordedLLM(open_llm("openai/gpt-4o", config=LLMConfig(max_tokens=321)), shelf)
    answer = llm.complete(ASK, temperature=0.3, key="k").answers[0]
    exchange = shelf.kept["k#0"]
    assert exchange.answer == answer and answer.finish_reason == "length"
    assert exchange.messages == tuple(ASK) and exchange.model == "openai/gpt-4o"
    assert exchange.parameters == {"temperature": 0.3, "max_tokens": 321}
    assert exchange.usage.prompt_tokens == 100 and exchange.latency_s is not None and exchange.latency_s >= 0.1
    assert secret not in exchange.to_json() and "[key removed]" in answer.text


def test_exchange_round_trips_through_json() -> None:
    """What is written is what is read, unknown costs included."""
    exchange = Exchange(
        key="k#0",
        model="m",
        messages=tuple(ASK),
        answer=Answer(text="é\n```", finish_reason="stop"),
        usage=Usage(calls=1, prompt_tokens=2, completion_tokens=3, cost_usd=None),
        parameters={"temperature": 1.0},
        latency_s=0.5,
    )
    assert Exchange.from_json(exchange.to_json()) == exchange
    assert "\n" not in exchange.to_json()
    by_hand = Exchange.from_json(json.dumps({"key": "k#0", "model": "me", "answer": {"text": "hi"}}))
    assert by_hand.fits(ASK) and by_hand.fits(OTHER) and not exchange.fits(OTHER)
    with pytest.raises(LLMError, match="not a recorded exchange"):
        Exchange.from_json('{"key": 1}')
