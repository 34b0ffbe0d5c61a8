"""Calls that a model writes into its text, and calls as they are quoted back to providers."""

from __future__ import annotations

import json

import pytest
from counter_worlds import Add, counter

from envreward.agents.calls import as_message, choose
from envreward.llm import Answer, ToolCall


@pytest.mark.parametrize(
    "text",
    [
        '{"tool": "add", "arguments": {"amount": 1}}',
        'I think {maybe} so:\n```json\n{"tool": "add", "arguments": {"amount": 1}}\n```\nDone.',
        'Not {"amount": 1} alone. {"tool": "add", "arguments": {"amount": 1}}',
    ],
)
def test_a_call_in_a_text(text: str) -> None:
    """The one JSON object with a tool is the call, whatever stands around it."""
    choice = choose(Answer(text=text), counter.tools, text_calls=True)
    assert choice.action == Add(1) and not choice.error
    assert choice.record == {"tool": "add", "arguments": {"amount": 1}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"tool": "add", "arguments": {"amount": 1}} {"tool": "add"}', "2 calls in one answer"),
        ('{"tool": "add"}', "missing argument 'amount'"),
        ('{"tool": 3}', "the answer called no tool"),
        ("{" * 5_000, "the answer called no tool"),
        ('{"a":' * 5_000, "the answer called no tool"),
        ("[" * 50_000 + "{", "the answer called no tool"),
        ("  ", "the answer was empty"),
    ],
)
def test_texts_without_a_proper_call(text: str, words: str) -> None:
    """All else is an error that says how to call."""
    choice = choose(Answer(text=text), counter.tools, text_calls=True)
    assert choice.action is None and words in choice.error


def test_calls_are_quoted_in_a_form_that_providers_take() -> None:
    """Names are of OpenAI's characters and length, arguments a JSON object, each id there and its own."""
    good = ToolCall(id="x", name="add", arguments='{"amount": 1}')
    calls = [ToolCall(id="", name="äh? " * 40, arguments=""), ToolCall(id="", name="", arguments="[1"), good, good]
    quoted = as_message(calls, "call-3")
    assert [q["id"] for q in quoted] == ["call-3-0", "call-3-1", "x", "call-3-3"]
    assert all(q["function"]["name"].isascii() and 0 < len(q["function"]["name"]) <= 64 for q in quoted)
    assert [json.loads(q["function"]["arguments"]) for q in quoted] == [
        {},
        {"malformed": "[1"},
        {"amount": 1},
        {"amount": 1},
    ]
