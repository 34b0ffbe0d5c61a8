"""From a language model's answer to one action: whatever else it holds becomes an error that the model is told."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from envreward.errors import ActionError
from envreward.llm import Answer, ToolCall
from envreward.worlds import MAX_ARGUMENTS, Tool, parse_call

_MAX_KEPT = 2_000
"""Characters kept of arguments that are too long to be looked at."""
_MAX_STARTS = 200
"""Places in a text at which a JSON object is looked for."""
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")


class Choice(NamedTuple):
    """What an answer comes to."""

    action: Any
    """The action, or ``None`` where there is an error."""
    error: str
    """Why no action can be taken, in words for the model; empty where one can."""
    record: dict[str, Any]
    """The call as it was written, for the record: ``{"tool": ..., "arguments": ...}``, empty where there was none."""


def choose(answer: Answer, tools: Sequence[Tool], *, text_calls: bool = False) -> Choice:
    """Read the one action that an answer should hold.

    Args:
        answer: The answer.
        tools: What may be called.
        text_calls: Calls are written into the text as JSON, instead of being the provider's own tool calls.
    """
    calls = _written_calls(answer.text) if text_calls else answer.tool_calls
    if len(calls) != 1:
        return Choice(None, _not_one(answer, len(calls), tools, text_calls), {})
    (call,) = calls
    record = {"tool": call.name[:_MAX_KEPT], "arguments": _plain(call.arguments)}
    try:
        return Choice(parse_call(tools, call.name, call.arguments), "", record)
    except ActionError as error:
        reason = str(error)
        if answer.finish_reason == "length":
            reason = f"the answer was cut off at the limit of its length; {reason}"
        return Choice(None, reason, record)


def as_message(calls: Sequence[ToolCall], fallback_id: str) -> list[dict[str, Any]]:
    """Return tool calls as a later request may quote them.

    Providers refuse whole conversations for a name or for arguments in a form of their model's own making, so names are
    reduced to what OpenAI's format allows and arguments that are no JSON object are wrapped in one.
    """
    message: list[dict[str, Any]] = []
    for index, call in enumerate(calls):
        own = call.id and all(call.id != earlier["id"] for earlier in message)
        function = {
            "name": _NOT_IN_NAMES.sub("_", call.name)[:64] or "unknown",
            "arguments": _as_object(call.arguments),
        }
        message.append({"id": call.id if own else f"{fallback_id}-{index}", "type": "function", "function": function})
    return message


def _not_one(answer: Answer, number: int, tools: Sequence[Tool], text_calls: bool) -> str:
    names = ", ".join(tool.name for tool in tools)
    how = 'write one JSON object {"tool": NAME, "arguments": {...}}' if text_calls else "call one tool"
    if number > 1:
        return f"{number} calls in one answer, of which none was carried out: {how} at a time"
    if answer.finish_reason == "length":
        return f"the answer was cut off at the limit of its length before it called a tool: {how} sooner ({names})"
    if not answer.text.strip():
        return f"the answer was empty: {how} ({names})"
    return f"the answer called no tool: {how} ({names})"


def _written_calls(text: str) -> list[ToolCall]:
    """Return the calls that a text holds as JSON objects with a ``tool``."""
    decoder = json.JSONDecoder()
    calls = []
    position = text.find("{")
    for _ in range(_MAX_STARTS):
        if position < 0:
            break
        end = position + 1
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            pass
        else:
            if isinstance(value, dict) and isinstance(value.get("tool"), str):
                calls.append(ToolCall(id="", name=value["tool"], arguments=json.dumps(value.get("arguments", {}))))
        position = text.find("{", end)
    return calls


def _plain(arguments: str) -> Any:
    """Return arguments as JSON values where they are some, else as the text they are."""
    if len(arguments) > MAX_ARGUMENTS:
        return f"{arguments[:_MAX_KEPT]}... ({len(arguments):,} characters)"
    try:
        return json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return arguments


def _as_object(arguments: str) -> str:
    if isinstance(_plain(arguments), dict):
        return arguments or "{}"
    return json.dumps({"malformed": arguments[:_MAX_KEPT]})
