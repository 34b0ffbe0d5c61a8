"""LLM: the one way in which designers speak to language models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, Protocol, TypeAlias, TypedDict


class Message(TypedDict):
    """One chat message."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: NotRequired[list[dict[str, Any]]]
    """Of an assistant: what it called, in OpenAI's format."""
    tool_call_id: NotRequired[str]
    """Of a tool: which call it answers."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What calls have cost; sums with ``+``."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = 0.0
    """``None`` when the provider's price is not known: an unknown price is not a free one."""

    def __add__(self, other: Usage) -> Usage:
        known = self.cost_usd is not None and other.cost_usd is not None
        return Usage(
            calls=self.calls + other.calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cost_usd=(self.cost_usd or 0.0) + (other.cost_usd or 0.0) if known else None,
        )


NO_USAGE = Usage()

Tools: TypeAlias = Sequence[Mapping[str, Any]]
"""Descriptions of tools in OpenAI's format, as in ``{"type": "function", "function": {"name": ..., ...}}``."""


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """One call of a tool, as the model wrote it: nothing of it is checked."""

    id: str
    """The provider's name of the call; empty where it gave none."""
    name: str
    arguments: str
    """JSON text, or what was written in its place."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One sampled answer."""

    text: str
    finish_reason: str = "stop"
    """``"length"`` when it was cut at the token limit."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Calls of the tools that were offered."""


@dataclass(frozen=True, kw_only=True)
class Completion:
    """The answers to one request."""

    answers: tuple[Answer, ...]
    """May be fewer than asked for, even none; never padded."""
    usage: Usage = field(default_factory=Usage)
    """What this call has cost now; answers taken from a study's record cost nothing again."""
    model: str = ""
    """The model that answered, as the provider names it."""
    failures: tuple[str, ...] = ()
    """Why answers are missing, each reason once."""


class LLM(Protocol):
    """A chat model; may be called from several threads."""

    model: str
    concurrency: int
    """How many requests may be under way at once."""
    parameters: Mapping[str, Any]
    """What goes into each request beside messages and temperature, for the record; never a key."""

    def complete(
        self, messages: Sequence[Message], *, n: int = 1, temperature: float = 1.0, key: str, tools: Tools = ()
    ) -> Completion:
        """Sample ``n`` answers to ``messages``, concurrently where the provider allows.

        Args:
            messages: The conversation.
            n: Number of answers wanted.
            temperature: Sampling temperature.
            key: Name of this request in the study, unique in it and the same on every resume, e.g.
                ``iteration-2/samples``. A request whose key has finished is answered from the record. Its samples are
                numbered ``iteration-2/samples#0`` and on; a key that already has its ``#`` names that one sample.
            tools: What the model may call, in OpenAI's format.

        Raises:
            LLMUnavailableError: Asking again cannot help (no key, wrong key, unknown model).
            LLMError: No answer came: each sample kept failing within the allowed retries.
            BudgetExceededError: No answer came: a request that could pass a cap on calls, tokens or USD is not sent.
        """
        ...


def sample_keys(key: str, n: int) -> tuple[str, ...]:
    """Return the names of the ``n`` samples of the request ``key``; a key that names one sample stands for itself.

    Raises:
        ValueError: ``key`` names one sample and more than one is wanted.
    """
    if "#" not in key:
        return tuple(f"{key}#{index}" for index in range(n))
    if n != 1:
        raise ValueError(f"{key!r} names a single sample, {n} are wanted")
    return (key,)
