"""Tool calls, over real HTTP: offered, called, counted, recorded and played back."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from envreward.errors import BudgetExceededError, ConfigError, LLMError, LLMUnavailableError
from envreward.llm import Caps, Exchange, LLMConfig, Message, ToolCall, open_llm

TOOLS = [{"type": "function", "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}}}]
ASK: list[Message] = [{"role": "user", "content": "Look around."}]
QUICK = LLMConfig(backoff_s=0.01, timeout_s=100.0, attempts=2)

# litellm's own types, when a part of it is first imported
pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")


@pytest.fixture(autouse=True)
def quiet_client() -> None:
    """Let the client's own remarks go to the log alone."""
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)


def test_calls_arrive_as_they_were_written(llm_server: Any, reply: Any) -> None:
    """Tools are offered as given, one call at a time is asked for, and nothing of a call is changed or checked."""
    llm_server.script(reply.calls(("look", '{"at": '), ("", ""), content="Let me see."))
    answer = open_llm("openai/gpt-4o", config=QUICK).complete(ASK, key="k", tools=TOOLS).answers[0]
    assert answer.text == "Let me see." and answer.finish_reason == "tool_calls"
    assert answer.tool_calls == (
        ToolCall(id="call_0", name="look", arguments='{"at": '),
        ToolCall(id="call_1", name="", arguments=""),
    )
    (body,) = llm_server.requests
    assert body["tools"] == TOOLS and body["parallel_tool_calls"] is False
    assert "_skip_mcp_handler" not in body


def test_requests_without_tools_say_nothing_of_them(llm_server: Any) -> None:
    """Where no tools are offered, requests are as they always were."""
    open_llm("openai/gpt-4o", config=QUICK).complete(ASK, key="k")
    assert not {"tools", "parallel_tool_calls", "_skip_mcp_handler"} & llm_server.requests[0].keys()


def test_calls_and_results_are_sent_back(llm_server: Any, reply: Any) -> None:
    """A conversation with calls and their results reaches the server in OpenAI's format."""
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    talk: list[Message] = [
        *ASK,
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "A wall.", "tool_call_id": "c1"},
    ]
    open_llm("openai/gpt-4o", config=QUICK).complete(talk, key="k", tools=TOOLS)
    sent = llm_server.requests[0]["messages"]
    assert sent[1]["tool_calls"] == [call] and (sent[2]["tool_call_id"], sent[2]["content"]) == ("c1", "A wall.")


def test_tools_and_calls_count_against_caps(llm_server: Any) -> None:
    """The worst case of a request holds the tools' own text: a cap below it sends nothing."""
    big = [{"type": "function", "function": {"name": "look", "description": "x" * 5_000, "parameters": {}}}]
    llm = open_llm("openai/gpt-4o", config=LLMConfig(max_tokens=100), caps=Caps(tokens=3_000))
    with pytest.raises(BudgetExceededError, match="limit of 3,000 tokens"):
        llm.complete(ASK, key="k", tools=big)
    assert not llm_server.requests


def test_servers_that_do_not_count_are_counted_with_their_calls(llm_server: Any, reply: Any) -> None:
    """Without usage in the answer, the text of calls is counted from above."""
    body = reply.calls(("look", '{"at": "the wall"}')).body.replace('"usage"', '"ignored"')
    llm_server.script(reply.Reply(body=body))
    usage = open_llm("openai/gpt-4o", config=QUICK).complete(ASK, key="k", tools=TOOLS).usage
    assert usage.completion_tokens == len("look" + '{"at": "the wall"}')


def test_a_refused_conversation_is_not_a_refused_model(llm_server: Any, reply: Any) -> None:
    """With tools, a 400 concerns that conversation: others are still asked; without, it ends all as ever."""
    llm_server.script(reply.error(400, "maximum context length exceeded"))
    llm = open_llm("openai/gpt-4o", config=QUICK)
    with pytest.raises(LLMError, match="maximum context length") as caught:
        llm.complete(ASK, key="k", tools=TOOLS)
    assert not isinstance(caught.value, LLMUnavailableError) and len(llm_server.requests) == 1
    assert llm.complete(ASK, key="k2", tools=TOOLS).answers
    llm_server.script(reply.error(400, "bad request"))
    with pytest.raises(LLMUnavailableError, match="bad request"):
        llm.complete(ASK, key="k3")


def test_record_and_replay(llm_server: Any, reply: Any, tmp_path: Path) -> None:
    """Calls are kept in recordings, without keys, and played back to the same conversation alone."""
    file = tmp_path / "session.jsonl"
    llm_server.script(reply.calls(("look", '{"key": "sk-test-0123456789abcdef0123"}')))
    first = open_llm(f"record:{file}=openai/gpt-4o", config=QUICK).complete(ASK, key="k", tools=TOOLS)
    assert "sk-test" not in file.read_text()
    again = open_llm(f"replay:{file}").complete(ASK, key="k", tools=TOOLS)
    assert again.answers == first.answers and again.answers[0].tool_calls[0].name == "look"
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    kept = json.loads(file.read_text().splitlines()[-1])
    kept["messages"] = [{"role": "assistant", "content": "", "tool_calls": [call]}]
    exchange = Exchange.from_json(json.dumps(kept))
    assert exchange.fits([{"role": "assistant", "content": "", "tool_calls": [call]}])
    other = {**call, "function": {"name": "look", "arguments": '{"at": 1}'}}
    assert not exchange.fits([{"role": "assistant", "content": "", "tool_calls": [other]}])
    with file.open("a") as recording:
        recording.write(exchange.to_json().replace('"k#0"', '"m#0"') + "\n")
    with pytest.raises(LLMUnavailableError, match=r"message 1 \(assistant\) called other tools"):
        open_llm(f"replay:{file}").complete([{"role": "assistant", "content": "", "tool_calls": [other]}], key="m")


def test_a_chat_window_calls_no_tools() -> None:
    """manual says so instead of leaving the tools out."""
    with pytest.raises(ConfigError, match="cannot call tools"):
        open_llm("manual").complete(ASK, key="k", tools=TOOLS)
