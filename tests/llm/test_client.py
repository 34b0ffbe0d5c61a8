"""LiteLLMClient, over real HTTP."""

from __future__ import annotations

import itertools
import logging
import time
from typing import Any

import pytest

from envreward.errors import BudgetExceededError, ConfigError, LLMError, LLMUnavailableError
from envreward.llm import Caps, LLMConfig, Usage, open_llm

ASK = [{"role": "system", "content": "You write rewards."}, {"role": "user", "content": "Write one."}]
QUICK = LLMConfig(backoff_s=0.01, timeout_s=5.0, attempts=3)
# gpt-4o as litellm's own list prices it: 2.50 and 10 USD per million prompt and completion tokens.
PROMPT_USD, COMPLETION_USD = 2.5e-6, 10e-6


@pytest.fixture(autouse=True)
def warm(llm_server: Any) -> None:
    """Let litellm load all it loads at its first request, so that time limits below measure the server alone."""
    if not _warm:
        _warm.append(open_llm("openai/gpt-4o", config=LLMConfig(timeout_s=60)).complete(ASK, key="warm"))
        llm_server.requests.clear()
        llm_server.arrivals_s.clear()


_warm: list[Any] = []


def texts(completion: Any) -> list[str]:
    return [a.text for a in completion.answers]


def test_samples_come_as_separate_concurrent_requests(llm_server: Any, reply: Any) -> None:
    """n answers are n requests, together up to the concurrency, each with the conversation and the settings."""
    llm_server.respond(lambda body, i: reply.text(f"answer {i}", delay_s=0.3))
    llm = open_llm("openai/gpt-4o", config=LLMConfig(concurrency=4, max_tokens=77))
    completion = llm.complete(ASK, n=6, temperature=0.7, key="k")
    assert sorted(texts(completion)) == [f"answer {i}" for i in range(6)]
    assert len(llm_server.requests) == 6 and llm_server.most_at_once == 4
    for body in llm_server.requests:
        assert body["messages"] == ASK and body["temperature"] == 0.7 and body["max_tokens"] == 77
        assert body.get("n", 1) == 1


def test_usage_and_cost_are_exact(llm_server: Any, reply: Any) -> None:
    """Tokens are the provider's, the cost is the price list's: per completion, and in total with earlier sessions."""
    llm_server.script(reply.text("a", prompt_tokens=1000, completion_tokens=200), reply.text("b", prompt_tokens=1000))
    llm = open_llm("openai/gpt-4o", spent=Usage(calls=5, prompt_tokens=10, completion_tokens=10, cost_usd=0.5))
    completion = llm.complete(ASK, n=2, key="k")
    cost = 2000 * PROMPT_USD + 250 * COMPLETION_USD
    assert completion.usage == Usage(
        calls=2, prompt_tokens=2000, completion_tokens=250, cost_usd=pytest.approx(cost, rel=1e-9)
    )
    assert llm.spent.calls == 7 and llm.spent.cost_usd == pytest.approx(0.5 + cost)


def test_unknown_price_is_unknown_not_free(llm_server: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A model without a listed price costs None and says so; a cap on USD is refused unless a price is given."""
    with caplog.at_level(logging.WARNING, "envreward.llm"):
        llm = open_llm("openai/our-own-model")
    assert "price of openai/our-own-model is not known" in caplog.text
    assert llm.complete(ASK, key="k").usage.cost_usd is None
    with pytest.raises(ConfigError, match="price of openai/our-own-model is not known"):
        open_llm("openai/our-own-model", caps=Caps(cost_usd=1.0))
    priced = open_llm("openai/our-own-model", config=LLMConfig(price_usd_per_mtok=(1.0, 4.0)), caps=Caps(cost_usd=1.0))
    assert priced.complete(ASK, key="k").usage.cost_usd == pytest.approx((100 * 1.0 + 50 * 4.0) / 1e6)


def test_servers_that_do_not_count_are_counted_from_above(llm_server: Any, reply: Any) -> None:
    """Without usage in the answer, tokens are bounded by bytes and never reported as 0."""
    body = reply.text("x" * 40).body.replace('"usage"', '"ignored"')
    llm_server.script(reply.Reply(body=body))
    usage = open_llm("openai/gpt-4o").complete(ASK, key="k").usage
    assert usage.completion_tokens == 40
    assert usage.prompt_tokens >= sum(len(m["content"]) for m in ASK)


def test_truncated_and_empty_answers_are_flagged(llm_server: Any, reply: Any) -> None:
    """An answer cut at the token limit says so; one without text is an empty answer, not an error."""
    llm_server.script(reply.text("def compute", finish_reason="length"), reply.text(None))
    llm = open_llm("openai/gpt-4o")
    cut = llm.complete(ASK, key="a").answers[0]
    assert (cut.text, cut.finish_reason) == ("def compute", "length")
    assert llm.complete(ASK, key="b").answers[0].text == ""


@pytest.mark.parametrize(
    "kind", ["429", "500", "503", "529", "html", "cut json", "empty body", "no choices", "error in a 200"]
)
def test_passing_failures_are_asked_again(llm_server: Any, reply: Any, kind: str) -> None:
    """Rate limits, server errors and unreadable bodies cost a retry, not the sample."""
    bad = {
        "html": reply.Reply(body="<html>log in</html>", content_type="text/html"),
        "cut json": reply.Reply(body='{"id": "x", "choices": [{'),
        "empty body": reply.Reply(body=""),
        "no choices": reply.Reply(body=reply.text("x").body.replace('"choices": [', '"choices": [], "was": [')),
        "error in a 200": reply.Reply(body='{"error": {"message": "upstream died"}}'),
    }
    llm_server.script(bad[kind] if kind in bad else reply.error(int(kind)))
    completion = open_llm("openai/gpt-4o", config=QUICK).complete(ASK, key="k")
    assert len(completion.answers) == 1 and len(llm_server.requests) == 2


def test_retry_after_is_honoured(llm_server: Any, reply: Any) -> None:
    """The server's Retry-After goes before our own back-off, and is not waited for when it is longer than allowed."""
    llm_server.script(reply.error(429, retry_after="0.6"))
    llm = open_llm("openai/gpt-4o", config=QUICK)
    llm.complete(ASK, key="k")
    first, second = llm_server.arrivals_s
    assert second - first >= 0.6
    llm_server.script(reply.error(429, "too busy", retry_after="3600"))
    with pytest.raises(LLMError, match="asks to wait 3600 s: too busy"):
        llm.complete(ASK, key="k")


def test_backoff_grows_and_ends(llm_server: Any, reply: Any) -> None:
    """Attempts are spaced by a doubling wait (half of it random) and end after the allowed number with one line."""
    llm_server.respond(lambda body, i: reply.error(500, "boom"))
    with pytest.raises(LLMError, match="no answer after 4 attempts: boom") as caught:
        open_llm("openai/gpt-4o", config=LLMConfig(backoff_s=0.2, attempts=4)).complete(ASK, key="k")
    assert not isinstance(caught.value, LLMUnavailableError)
    waits = [b - a for a, b in itertools.pairwise(llm_server.arrivals_s)]
    for wait, full in zip(waits, (0.2, 0.4, 0.8), strict=True):
        assert full / 2 <= wait <= full + 0.3


def test_fewer_answers_than_asked(llm_server: Any, reply: Any) -> None:
    """Samples that keep failing are missing and accounted for; those that came are kept."""
    llm_server.respond(lambda body, i: reply.text(f"answer {i}") if i == 1 else reply.error(500, "boom"))
    completion = open_llm("openai/gpt-4o", config=LLMConfig(attempts=1, concurrency=1)).complete(ASK, n=3, key="k")
    assert texts(completion) == ["answer 1"]
    (reason,) = completion.failures
    assert "boom" in reason


@pytest.mark.parametrize("stall", ["silent", "dripping"])
def test_time_limit_holds_for_the_whole_answer(llm_server: Any, reply: Any, stall: str) -> None:
    """A server that never finishes is given up after the limit, even if it keeps sending bytes."""
    llm_server.script(reply.text("late", delay_s=4.0) if stall == "silent" else reply.text("late", drip_s=4.0))
    started = time.monotonic()
    llm = open_llm("openai/gpt-4o", config=LLMConfig(timeout_s=0.5, attempts=2, backoff_s=0.01))
    assert texts(llm.complete(ASK, key="k")) == ["answer 1"]
    assert time.monotonic() - started < 3.0


def test_lost_answers_count_as_billed(llm_server: Any, reply: Any) -> None:
    """A request given up may have been billed: its worst case counts. One the server refused costs nothing."""
    llm_server.script(reply.text("late", delay_s=2.0))
    llm = open_llm("openai/gpt-4o", config=LLMConfig(timeout_s=0.4, attempts=2, backoff_s=0.01, max_tokens=1000))
    usage = llm.complete(ASK, key="k").usage
    assert usage.calls == 2 and usage.completion_tokens == 1000 + 50
    llm_server.script(reply.error(500))
    assert llm.complete(ASK, key="k").usage.calls == 1


@pytest.mark.parametrize(
    ("status", "message", "code", "says"),
    [
        (
            401,
            "Incorrect API key provided: sk-test-0123456789abcdef0123",
            "invalid_api_key",
            "is the key of openai right",
        ),
        (403, "no access", None, "may it use this model"),
        (404, "The model `gpt-4oo` does not exist", "model_not_found", "did you mean gpt-4o"),
        (400, "bad request", None, "bad request"),
        (429, "You exceeded your current quota", "insufficient_quota", "exceeded your current quota"),
    ],
)
def test_hopeless_refusals_end_at_once(
    llm_server: Any, reply: Any, status: int, message: str, code: str | None, says: str
) -> None:
    """Wrong key, unknown model, used-up quota: one request, one clear line, no key in it."""
    llm_server.respond(lambda body, i: reply.error(status, message, code=code))
    llm = open_llm("openai/gpt-4oo", config=LLMConfig(concurrency=1))
    with pytest.raises(LLMUnavailableError, match=says) as caught:
        llm.complete(ASK, n=5, key="k")
    assert len(llm_server.requests) == 1
    assert "sk-test" not in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(LLMUnavailableError):
        llm.complete(ASK, key="k2")
    assert len(llm_server.requests) == 1


def test_nothing_listening(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is not running is named, after few attempts."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef0123")
    config = LLMConfig(base_url="http://127.0.0.1:9/v1", backoff_s=0.01, connect_attempts=2)
    with pytest.raises(LLMError, match=r"after 2 attempts: .*nothing answers at http://127.0.0.1:9/v1"):
        open_llm("openai/local", config=config).complete(ASK, key="k")


def test_own_server_needs_no_key(llm_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of the user's own is asked without a key."""
    monkeypatch.delenv("OPENAI_API_KEY")
    assert texts(open_llm("openai/local").complete(ASK, key="k")) == ["answer 0"]


def test_missing_key_and_unknown_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is sent: a missing key names its variable, an unknown model its near matches."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(LLMUnavailableError, match="set the environment variable OPENAI_API_KEY"):
        open_llm("openai/gpt-4o")
    with pytest.raises(LLMUnavailableError, match="set the environment variable ANTHROPIC_API_KEY"):
        open_llm("anthropic/claude-sonnet-4-5")
    with pytest.raises(LLMUnavailableError, match=r"unknown model 'gpt4o': did you mean .*gpt-4o"):
        open_llm("gpt4o")


def test_call_cap_is_never_passed(llm_server: Any) -> None:
    """With room for 3 calls, 3 of 8 samples are asked for; the next request is not sent."""
    llm = open_llm("openai/gpt-4o", caps=Caps(calls=3))
    completion = llm.complete(ASK, n=8, key="k")
    assert len(completion.answers) == 3 and len(llm_server.requests) == 3
    assert any("limit of 3 language-model calls" in f for f in completion.failures)
    with pytest.raises(BudgetExceededError, match="limit of 3"):
        llm.complete(ASK, key="k2")
    assert len(llm_server.requests) == 3


def test_usd_cap_stops_before_it_is_passed(llm_server: Any, reply: Any) -> None:
    """Whatever the answers cost, the total stays below the cap, and requests wait for each other to make use of it."""
    llm_server.respond(lambda body, i: reply.text("x", prompt_tokens=20, completion_tokens=100, delay_s=0.02))
    cap = 0.02
    llm = open_llm("openai/gpt-4o", config=LLMConfig(max_tokens=500), caps=Caps(cost_usd=cap))
    completion = llm.complete(ASK, n=40, key="k")
    each = 20 * PROMPT_USD + 100 * COMPLETION_USD
    worst = 500 * COMPLETION_USD + 200 * PROMPT_USD
    assert len(completion.answers) * each <= cap
    assert len(completion.answers) * each > cap - worst - each
    assert any("limit of $0.02" in f for f in completion.failures)


def test_token_cap_counts_prompt_and_answer(llm_server: Any) -> None:
    """A cap on tokens below one request's worst case sends nothing."""
    llm = open_llm("openai/gpt-4o", config=LLMConfig(max_tokens=1000), caps=Caps(tokens=900))
    with pytest.raises(BudgetExceededError, match="limit of 900 tokens"):
        llm.complete(ASK, key="k")
    assert llm_server.requests == []
