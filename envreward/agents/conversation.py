"""A conversation with an agent, kept within a budget of tokens.

What an agent saw long ago matters less than what it did: where the conversation grows too long, the oldest observations
are shortened first, then the oldest turns left out, and at last the newest observation is cut in its middle. Shortening
goes on below the budget, to three quarters of it, so that the beginning of the conversation, which providers cache,
changes seldom.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from envreward.llm import Answer, Message, Tools

from .calls import as_message

BYTES_PER_TOKEN = 3
"""Bytes of UTF-8 that a token holds at least, on average over code, markup and prose: English has about four."""
_OVERHEAD_TOKENS = 8
"""Of a message, for its role and separators."""
_KEPT = 160
"""Characters kept of a shortened observation."""
_LEAST = 400
"""Characters that the newest observation keeps however small the budget is."""
_ROOM = 0.75


@dataclass
class _Turn:
    """What the agent said, and what it was shown thereupon."""

    said: Message | None
    head: str
    observation: str
    call_ids: tuple[str, ...]

    def messages(self, observation: str | None = None) -> list[Message]:
        shown = self.observation if observation is None else observation
        content = f"{self.head}\n{shown}".strip()
        reply: list[Message] = [{"role": "tool", "tool_call_id": name, "content": content} for name in self.call_ids]
        if len(reply) > 1:  # each call must be answered; one answer says it all
            for message in reply[:-1]:
                message["content"] = "Not carried out."
        return [*([self.said] if self.said else []), *(reply or [{"role": "user", "content": content}])]


class Conversation:
    """Messages to and from an agent."""

    def __init__(self, system: str, task: str, observation: str, *, budget_tokens: int, tools: Tools = ()) -> None:
        """Begin.

        Args:
            system: What the agent is to know first.
            task: What it is to do.
            observation: What it sees.
            budget_tokens: Longest conversation, in tokens as estimated from bytes.
            tools: What is sent along with each request and counts against the budget.
        """
        self._system: Message = {"role": "system", "content": clean(system)}
        self._turns = [_Turn(None, clean(task), clean(observation), ())]
        self._left_out = 0
        self._budget = budget_tokens - tokens(json.dumps([*tools])) - message_tokens(self._system)

    def add(self, answer: Answer, head: str, observation: str) -> None:
        """Add a turn.

        Args:
            answer: What the agent said and called.
            head: What became of it.
            observation: What it sees now.
        """
        said: Message = {"role": "assistant", "content": clean(answer.text) or "(no answer)"}
        ids: tuple[str, ...] = ()
        if answer.tool_calls:
            calls = as_message(answer.tool_calls, f"call-{self._left_out + len(self._turns)}")
            said = {"role": "assistant", "content": clean(answer.text), "tool_calls": calls}
            ids = tuple(call["id"] for call in calls)
        self._turns.append(_Turn(said, clean(head), clean(observation), ids))

    def messages(self) -> list[Message]:
        """Return the conversation as it is to be sent now; what is shortened for it stays so."""
        if self._size() > self._budget:
            self._shrink(int(self._budget * _ROOM))
        return self._messages()

    def _messages(self) -> list[Message]:
        first, *others = self._turns
        opening = first.messages()
        if self._left_out:
            note = f"({self._left_out} earlier steps are left out here.)"
            opening[0]["content"] += f"\n\n{note}"
        return [self._system, *opening, *(message for turn in others for message in turn.messages())]

    def _shrink(self, target: int) -> None:
        for turn in self._turns[:-1]:
            if self._size() <= target:
                return
            turn.observation = _shortened(turn.observation)
        while len(self._turns) > 2 and self._size() > target:
            del self._turns[1]
            self._left_out += 1
        newest = self._turns[-1]
        excess = (self._size() - target) * BYTES_PER_TOKEN
        if excess > 0:
            newest.observation = cut_middle(newest.observation, len(newest.observation) - excess)

    def _size(self) -> int:
        return sum(message_tokens(message) for message in self._messages()[1:])


def message_tokens(message: Message) -> int:
    """Return about how many tokens a message takes, rather too many than too few."""
    calls: Sequence[Any] = message.get("tool_calls", ())
    return tokens(message["content"]) + _OVERHEAD_TOKENS + (tokens(json.dumps(calls)) if calls else 0)


def tokens(text: str) -> int:
    """Return about how many tokens a text takes, rather too many than too few."""
    return -(-len(text.encode(errors="replace")) // BYTES_PER_TOKEN)


def cut_middle(text: str, length: int) -> str:
    """Return a text with what is too much of it left out from its middle; about ``length`` characters, `_LEAST` at
    least.
    """
    length = max(length, _LEAST)
    if len(text) <= length:
        return text
    half = (length - 60) // 2
    return f"{text[:half]}\n... ({len(text) - 2 * half:,} characters left out) ...\n{text[-half:]}"


def clean(text: str) -> str:
    """Return a text without what UTF-8 cannot hold: half characters, as escapes in JSON can bring."""
    return text.encode(errors="replace").decode()


def _shortened(text: str) -> str:
    if len(text) <= 2 * _KEPT:
        return text
    return f"{text[:_KEPT]}... (shortened: {len(text):,} characters were shown here)"
