"""Meter and fan-out: caps under concurrency."""

from __future__ import annotations

import random
import threading
import time

import pytest

from envreward.errors import BudgetExceededError, ConfigError
from envreward.llm import Answer, Caps, Completion, Usage
from envreward.llm.fanout import complete_each, within
from envreward.llm.meter import Meter


def test_random_load_never_passes_a_cap() -> None:
    """Many threads with random costs below their worst case: the total stays below the caps and ends close to them."""
    caps = Caps(calls=10_000, tokens=20_000, cost_usd=3.0)
    meter = Meter(caps)
    worst = Usage(calls=1, prompt_tokens=100, completion_tokens=400, cost_usd=0.05)
    over: list[Usage] = []

    def work(seed: int) -> None:
        rng = random.Random(seed)
        while True:
            try:
                meter.reserve(worst)
            except BudgetExceededError:
                return
            spent = Usage(
                calls=1, prompt_tokens=100, completion_tokens=rng.randint(1, 400), cost_usd=rng.uniform(0, 0.05)
            )
            meter.settle(worst, spent)
            total = meter.spent
            if total.prompt_tokens + total.completion_tokens > 20_000 or (total.cost_usd or 0) > 3.0:
                over.append(total)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert not over
    total = meter.spent
    assert total.prompt_tokens + total.completion_tokens > 20_000 - 500 or (total.cost_usd or 0) > 3.0 - 0.05


def test_requests_wait_for_room() -> None:
    """A request that does not fit beside one under way waits, and goes when that one turned out cheaper."""
    meter = Meter(Caps(tokens=1000))
    worst = Usage(calls=1, prompt_tokens=100, completion_tokens=700)
    meter.reserve(worst)
    thread = threading.Thread(target=meter.reserve, args=(worst,))
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    meter.settle(worst, Usage(calls=1, prompt_tokens=100, completion_tokens=50))
    thread.join(5)
    assert not thread.is_alive()


def test_unknown_earlier_cost() -> None:
    """A USD cap cannot be kept over earlier calls of unknown price, and says so."""
    with pytest.raises(ConfigError, match="no known price"):
        Meter(Caps(cost_usd=1.0), Usage(cost_usd=None))
    Meter(Caps(tokens=10), Usage(cost_usd=None))


def test_answers_keep_the_order_of_their_keys() -> None:
    """Whichever answer comes first, the result is ordered by sample; each is reported the moment it arrives."""
    arrived: list[str] = []

    def ask(key: str) -> Completion:
        time.sleep(0.15 if key == "a" else 0.01)
        return Completion(answers=(Answer(text=key),), usage=Usage(calls=1))

    completion = complete_each(ask, ["a", "b", "c"], 3, lambda key, _: arrived.append(key))
    assert [a.text for a in completion.answers] == ["a", "b", "c"]
    assert arrived[-1] == "a" and completion.usage.calls == 3


def test_programming_errors_are_not_swallowed() -> None:
    """An error that is none of ours comes out as it is, from one thread or many."""

    def ask(key: str) -> Completion:
        raise ZeroDivisionError

    for concurrency in (1, 3):
        with pytest.raises(ZeroDivisionError):
            complete_each(ask, ["a", "b"], concurrency)


def test_within() -> None:
    """Work in time gives its value or its own error; late work is given up."""
    assert within(lambda: 3, 5) == 3
    with pytest.raises(KeyError):
        within(lambda: {}["x"], 5)
    with pytest.raises(TimeoutError):
        within(lambda: time.sleep(1), 0.05)
