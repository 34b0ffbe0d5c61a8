"""The record of exchanges: each sample is kept the moment it arrives, so that no answer is ever paid for twice.

`RecordedLLM` puts a store in front of a model. The same wrapper serves the study (its store is the study's database)
and ``record:FILE`` (its store is a file). Samples are named, ``iteration-2/samples#3``; a sample that is in the store
and was asked with the same messages is not asked again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from envreward.errors import BudgetExceededError, LLMError, LLMUnavailableError

from .base import LLM, Answer, Completion, Message, ToolCall, Tools, Usage, sample_keys
from .fanout import complete_each
from .redact import redact_known

logger = logging.getLogger("envreward.llm")


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One sample: what was asked, what was answered, what it cost. Holds no key of any provider."""

    key: str
    """Name of the sample in its study, e.g. ``iteration-2/samples#3``."""
    model: str
    messages: tuple[Message, ...] | None
    """The conversation. ``None`` in recordings written by hand: the answer then fits whatever was asked."""
    answer: Answer
    usage: Usage = field(default_factory=Usage)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Temperature, token limit and the like."""
    latency_s: float | None = None
    """Seconds until the answer was there, retries included; ``None`` when it was not measured."""

    def fits(self, messages: Sequence[Message]) -> bool:
        """Return whether it answers exactly this conversation."""
        return self.messages is None or messages_hash(self.messages) == messages_hash(messages)

    def to_json(self) -> str:
        """Return it as one line of JSON."""
        plain = dataclasses.asdict(self)
        if not self.answer.tool_calls:
            del plain["answer"]["tool_calls"]
        return json.dumps(plain, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> Exchange:
        """Read what `to_json` wrote.

        Raises:
            LLMError: The text is not an exchange.
        """
        try:
            raw: dict[str, Any] = json.loads(line)
            calls = tuple(ToolCall(**call) for call in raw["answer"].pop("tool_calls", ()))
            raw["answer"] = Answer(**raw["answer"], tool_calls=calls)
            raw["usage"] = Usage(**raw.get("usage", {}))
            messages = raw.setdefault("messages", None)
            if messages is not None:
                raw["messages"] = tuple(map(_message, messages))
            return cls(**raw)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise LLMError(f"not a recorded exchange ({error!r}): {line.strip()[:60]}") from error


class ExchangeStore(Protocol):
    """Where exchanges are kept. Only threads that called `RecordedLLM.complete` call it."""

    def get(self, key: str) -> Exchange | None:
        """Return the exchange kept under ``key``, or ``None``."""
        ...

    def put(self, key: str, exchange: Exchange) -> None:
        """Keep ``exchange`` for good; it is on disk when this returns. A key is put once."""
        ...


class RecordedLLM:
    """A model with a store in front: what the store holds is not asked again, what is asked is stored at once.

    ``Completion.usage`` covers what was asked now; what the whole study has cost is the sum over the store.
    """

    def __init__(self, llm: LLM, store: ExchangeStore) -> None:
        self._llm, self._store = llm, store
        self.model, self.concurrency, self.parameters = llm.model, llm.concurrency, llm.parameters

    def complete(
        self, messages: Sequence[Message], *, n: int = 1, temperature: float = 1.0, key: str, tools: Tools = ()
    ) -> Completion:
        """Answer from the store where it can, else ask; see `LLM.complete`.

        Raises:
            LLMUnavailableError: Asking again cannot help.
            LLMError: No answer is there and none came.
            BudgetExceededError: No answer is there and none could be asked for.
        """
        keys = sample_keys(key, n)
        known = {k: e.answer for k in keys if (e := self._recorded(k, messages)) is not None}
        missing = [k for k in keys if k not in known]
        started: dict[str, float] = {}

        def ask(sample: str) -> Completion:
            started[sample] = time.monotonic()
            return self._llm.complete(messages, n=1, temperature=temperature, key=sample, tools=tools)

        def arrived(sample: str, completion: Completion) -> None:
            for answer in completion.answers:
                calls = tuple(dataclasses.replace(c, arguments=redact_known(c.arguments)) for c in answer.tool_calls)
                known[sample] = dataclasses.replace(answer, text=redact_known(answer.text), tool_calls=calls)
                exchange = Exchange(
                    key=sample,
                    model=completion.model or self.model,
                    messages=tuple(messages),
                    answer=known[sample],
                    usage=completion.usage,
                    parameters={"temperature": temperature, **self.parameters},
                    latency_s=round(time.monotonic() - started[sample], 3),
                )
                self._store.put(self._free_key(sample, messages), exchange)

        asked = Completion(answers=())
        try:
            if missing:
                asked = complete_each(ask, missing, self.concurrency, arrived)
        except LLMUnavailableError:
            raise
        except (LLMError, BudgetExceededError) as error:
            if not known:
                raise
            asked = Completion(answers=(), failures=(str(error),))
        answers = tuple(known[k] for k in keys if k in known)
        return dataclasses.replace(asked, answers=answers, model=asked.model or self.model)

    def _recorded(self, key: str, messages: Sequence[Message]) -> Exchange | None:
        for name in (key, _variant(key, messages)):
            exchange = self._store.get(name)
            if exchange is not None and exchange.fits(messages):
                return exchange
        return None

    def _free_key(self, key: str, messages: Sequence[Message]) -> str:
        """Return ``key``, or a variant of it when the store keeps an answer to other messages there.

        That is so after an upgrade which changed a prompt in the middle of an iteration: stores only append, so the
        old answer stays where it is.
        """
        if self._store.get(key) is None:
            return key
        logger.warning("%s was recorded with another prompt; asked again", key)
        return _variant(key, messages)


_CALL_PARTS: tuple[Literal["tool_calls", "tool_call_id"], ...] = ("tool_calls", "tool_call_id")


def _message(raw: Mapping[str, Any]) -> Message:
    message = Message(role=raw["role"], content=raw["content"])
    for part in _CALL_PARTS:
        if part in raw:
            message[part] = raw[part]
    return message


def messages_hash(messages: Sequence[Message]) -> str:
    """Return the SHA-256 (hex) of a conversation's roles, texts and tool calls."""
    plain: list[list[Any]] = [[message["role"], message["content"]] for message in messages]
    for row, message in zip(plain, messages, strict=True):
        row.extend(message[part] for part in _CALL_PARTS if part in message)
    return hashlib.sha256(json.dumps(plain, ensure_ascii=False).encode()).hexdigest()


def _variant(key: str, messages: Sequence[Message]) -> str:
    return f"{key}~{messages_hash(messages)[:12]}"
