"""Conversations with agents stay within their budget, and stay well-formed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envreward.agents.conversation import Conversation, clean, cut_middle, message_tokens, tokens
from envreward.llm import Answer, Message, ToolCall


def call(number: int) -> Answer:
    return Answer(text="", tool_calls=(ToolCall(id=f"c{number}", name="look", arguments="{}"),))


def size(messages: list[Message]) -> int:
    return sum(map(message_tokens, messages))


def well_formed(messages: list[Message]) -> bool:
    """Return whether each call is answered right after it, and nothing else is."""
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if not waiting or message["tool_call_id"] != waiting.pop(0):
                return False
            continue
        if waiting:
            return False
        waiting = [c["id"] for c in message.get("tool_calls", [])]
    return not waiting and [m["role"] for m in messages[:2]] == ["system", "user"]


def test_short_conversations_are_sent_whole() -> None:
    """Within the budget nothing is changed, and each request begins with all of the one before."""
    talk = Conversation("Act.", "Do it.", "start", budget_tokens=1000)
    before = talk.messages()
    for step in range(5):
        talk.add(call(step), f"Step {step}.", f"seen {step}")
        now = talk.messages()
        assert now[: len(before)] == before and well_formed(now)
        before = now
    assert before[-1]["content"] == "Step 4.\nseen 4"


def test_oldest_observations_are_shortened_first() -> None:
    """Over the budget, old observations shrink while what was done and the newest observation stay."""
    talk = Conversation("Act.", "Do it.", "s" * 1500, budget_tokens=2000)
    for step in range(4):
        talk.add(call(step), f"Step {step}.", f"{step}" * 1500)
    messages = talk.messages()
    assert size(messages) <= 2000 and well_formed(messages) and len(messages) == 10
    assert "shortened: 1,500 characters" in messages[1]["content"] and "Do it." in messages[1]["content"]
    assert messages[-1]["content"].endswith("3" * 1500)


def test_then_the_oldest_turns_go() -> None:
    """A conversation that is long by its number of turns forgets the oldest ones and says so; the task stays."""
    talk = Conversation("Act.", "Do it.", "start", budget_tokens=1200)
    for step in range(300):
        talk.add(call(step), f"Step {step}.", "x" * 300)
        messages = talk.messages()
        assert size(messages) <= 1200 and well_formed(messages)
    assert "Do it." in messages[1]["content"] and "earlier steps are left out here" in messages[1]["content"]
    assert messages[-1]["content"].startswith("Step 299.")


def test_room_is_made_seldom() -> None:
    """What is shortened is shortened for several steps to come, so that providers can cache the beginning."""
    talk = Conversation("Act.", "Do it.", "start", budget_tokens=3000)
    changed, before = 0, talk.messages()
    for step in range(100):
        talk.add(call(step), f"Step {step}.", "x" * 900)
        now = talk.messages()
        changed += now[: len(before)] != before
        before = now
    assert 5 < changed < 50


def test_a_giant_observation_is_cut_in_its_middle() -> None:
    """An observation that no budget holds keeps its beginning and its end."""
    talk = Conversation("Act.", "Do it.", "A" + "b" * 100_000 + "C", budget_tokens=1000)
    messages = talk.messages()
    assert size(messages) <= 1000 and "Do it.\nA" in messages[1]["content"] and messages[1]["content"].endswith("C")
    assert "characters left out" in messages[1]["content"]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3000)), max_size=25), st.integers(600, 4000))
def test_any_conversation_fits_and_is_well_formed(turns: list[tuple[int, int]], budget: int) -> None:
    """Whatever was said and seen, requests keep to the budget and answer every call once."""
    talk = Conversation("Act.", "Do it.", "start", budget_tokens=budget)
    for number, (count, length) in enumerate(turns):
        calls = tuple(ToolCall(id=f"c{number}-{i}", name="look", arguments="{}") for i in range(count))
        talk.add(Answer(text="Hm.", tool_calls=calls), "Done.", "é" * length)
        messages = talk.messages()
        assert well_formed(messages) and size(messages) <= budget


def test_texts_that_cannot_be_encoded_are_mended() -> None:
    """Half characters, which JSON escapes can bring, never reach a request."""
    talk = Conversation("Act.", "Do \ud800it.", "\udfff", budget_tokens=1000)
    talk.add(Answer(text="\ud800"), "\ud800", "\ud800")
    for message in talk.messages():
        message["content"].encode()
    assert clean("a\ud800b") == "a?b" and tokens("\ud800") == 1


@pytest.mark.parametrize("length", [0, 400, 401, 1000, 5000])
def test_cut_middle(length: int) -> None:
    """A cut text is no longer than asked, but for the least that is always kept."""
    assert len(cut_middle("x" * 3000, length)) <= max(length, 400)
    assert cut_middle("x" * 100, length) == "x" * 100
