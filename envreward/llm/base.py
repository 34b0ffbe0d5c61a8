"""LLM: the one way in which designers speak to language models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypedDict


class Message(TypedDict):
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


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


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One sampled answer."""

    text: str
    finish_reason: str = "stop"
    """``"length"`` when it was cut at the token limit."""


@dataclass(frozen=True, kw_only=True)
class Completion:
    """The answers to one request."""

    answers: tuple[Answer, ...]
    """May be fewer than asked for, even none; never padded."""
    usage: Usage = field(default_factory=Usage)
    model: str = ""


class LLM(Protocol):
    """A chat model."""

    model: str

    def complete(self, messages: Sequence[Message], *, n: int = 1, temperature: float = 1.0, key: str) -> Completion:
        """Sample ``n`` answers to ``messages``, concurrently where the provider allows.

        Args:
            messages: The conversation.
            n: Number of answers wanted.
            temperature: Sampling temperature.
            key: Name of this request in the study, unique in it and the same on every resume, e.g.
                ``iteration-2/samples``. A request whose key has finished is answered from the record.

        Raises:
            LLMUnavailableError: Asking again cannot help (no key, wrong key, unknown model).
            LLMError: It kept failing within the allowed retries.
            BudgetExceededError: The request could pass a cap on calls, tokens or USD; it was not sent.
        """
        ...
