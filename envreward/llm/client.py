"""LiteLLMClient: any provider that litellm speaks to, local servers included.

litellm translates between providers; retries, time limits, concurrency and accounting are ours, because its own retries
do not know the caps.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

from envreward.errors import ConfigError, LLMError, LLMUnavailableError

from .base import NO_USAGE, Answer, Completion, Message, ToolCall, Tools, Usage, sample_keys
from .config import LLMConfig
from .failure import Failure, understand
from .fanout import complete_each, within
from .meter import Caps, Meter
from .models import ModelEntry, import_litellm, tool_options

logger = logging.getLogger("envreward.llm")

_MESSAGE_OVERHEAD_TOKENS = 32  # role names and separators that a chat template adds to each message
_THIS_REQUEST = (400, 413, 422)
"""HTTP statuses that refuse one conversation: too long, or a call in it that the provider finds malformed."""


class LiteLLMClient:
    """A chat model behind litellm."""

    def __init__(self, model: str, config: LLMConfig, caps: Caps, spent: Usage = NO_USAGE) -> None:
        """Look the model up; nothing is sent yet.

        Args:
            model: In litellm's words: ``openai/gpt-4o``, ``anthropic/claude-sonnet-4-5``, ``ollama/llama3``, ...
            config: How requests are sent.
            caps: Hard limits.
            spent: What the study has used in earlier sessions.

        Raises:
            LLMUnavailableError: No such provider, or its key is not set.
            ConfigError: There is a cap on USD and the price of the model is not known.
        """
        self.model, self.concurrency, self._config = model, config.concurrency, config
        self._entry = ModelEntry(model, config)
        if not self._entry.price_known:
            if caps.cost_usd is not None:
                raise ConfigError(
                    f"cannot keep the limit of ${caps.cost_usd:g}: the price of {model} is not known; "
                    "limit tokens or calls instead, or give price_usd_per_mtok"
                )
            logger.warning("the price of %s is not known: its cost will be reported as unknown", model)
        self._meter = Meter(caps, spent)
        self._unavailable: LLMUnavailableError | None = None
        self.parameters: Mapping[str, Any] = {"max_tokens": self._entry.max_tokens}

    @property
    def spent(self) -> Usage:
        """What has been used so far, earlier sessions included."""
        return self._meter.spent

    def complete(
        self, messages: Sequence[Message], *, n: int = 1, temperature: float = 1.0, key: str, tools: Tools = ()
    ) -> Completion:
        """Sample ``n`` answers, one request each; see `LLM.complete`.

        Raises:
            LLMUnavailableError: Asking again cannot help.
            LLMError: Every sample kept failing.
            BudgetExceededError: The caps left room for no sample.
        """

        def ask(sample: str) -> Completion:
            return self._sample(messages, temperature, tools)

        return complete_each(ask, sample_keys(key, n), self.concurrency)

    def _sample(self, messages: Sequence[Message], temperature: float, tools: Tools) -> Completion:
        """Ask once, again after passing failures; the usage includes lost attempts that may have been billed."""
        worst = self._worst_case(messages, tools)
        lost = NO_USAGE
        attempt = 0
        while True:
            attempt += 1
            if self._unavailable is not None:
                raise self._unavailable
            self._meter.reserve(worst)
            charged = worst  # unless it turns out otherwise: a request cut off in any way may have been billed
            try:
                completion = self._request(messages, temperature, tools, worst)
                charged = completion.usage
                return dataclasses.replace(completion, usage=lost + completion.usage)
            except _RequestFailed as failed:
                failure = failed.failure
                charged = worst if failure.maybe_billed else NO_USAGE
            finally:
                self._meter.settle(worst, charged)
            lost += charged
            if tools and failure.permanent and failure.status in _THIS_REQUEST:  # other conversations can go on
                raise LLMError(f"{self.model}: {failure.text}")
            time.sleep(self._wait_s(failure, attempt))

    def _request(self, messages: Sequence[Message], temperature: float, tools: Tools, worst: Usage) -> Completion:
        """Send one request.

        Raises:
            _RequestFailed: No answer came of it.
        """
        timeout_s = self._config.timeout_s
        try:
            response = within(lambda: self._send(messages, temperature, tools), timeout_s)
        except TimeoutError as error:
            raise _RequestFailed(Failure(f"no answer within {timeout_s:g} s", maybe_billed=True)) from error
        except Exception as error:  # litellm raises its own tree, openai's, httpx's and bare Exception
            raise _RequestFailed(understand(error)) from error
        if not response.choices:
            raise _RequestFailed(Failure("the answer holds no choices", maybe_billed=True))
        choice = response.choices[0]
        text = choice.message.content or ""
        calls = tuple(map(_tool_call, getattr(choice.message, "tool_calls", None) or ()))
        return Completion(
            answers=(Answer(text=text, finish_reason=choice.finish_reason or "stop", tool_calls=calls),),
            usage=self._usage(response, text + "".join(call.name + call.arguments for call in calls), worst),
            model=self.model,
        )

    def _send(self, messages: Sequence[Message], temperature: float, tools: Tools) -> Any:
        # One action at a time: what the second of two calls is about, the first may have changed.
        offered = {"tools": list(tools), "parallel_tool_calls": False, **tool_options()} if tools else {}
        return import_litellm().completion(
            model=self.model,
            messages=list(messages),
            temperature=temperature,
            max_tokens=self._entry.max_tokens,
            timeout=self._config.timeout_s,
            max_retries=0,
            drop_params=True,  # models that think take no temperature: it is then left out
            api_base=self._entry.address,
            api_key=self._entry.placeholder_key,
            **offered,
        )

    def _wait_s(self, failure: Failure, attempt: int) -> float:
        """Return how long to wait before the next attempt.

        Raises:
            LLMUnavailableError: The failure is permanent.
            LLMError: The allowed attempts are used up, or the server asks for more patience than is allowed.
        """
        config = self._config
        if failure.permanent:
            self._unavailable = LLMUnavailableError(f"{self.model}: {failure.text}{self._entry.advice(failure.status)}")
            raise self._unavailable
        if attempt >= (config.attempts if failure.connected else min(config.attempts, config.connect_attempts)):
            where = f" at {self._entry.address}" if self._entry.address else ""
            hint = "" if failure.connected else f" (nothing answers{where}: is the server running, the network up?)"
            raise LLMError(f"{self.model}: no answer after {attempt} attempts: {failure.text}{hint}")
        if failure.retry_after_s is not None:
            if failure.retry_after_s > config.max_wait_s:
                raise LLMError(f"{self.model}: asks to wait {failure.retry_after_s:.0f} s: {failure.text}")
            return failure.retry_after_s
        backoff = min(config.backoff_s * 2.0 ** (attempt - 1), config.max_wait_s)
        # Half fixed, half random ("equal jitter"): samples that failed together do not come back together.
        return backoff * (0.5 + 0.5 * random.random())

    def _worst_case(self, messages: Sequence[Message], tools: Tools) -> Usage:
        # Byte-level tokenizers make no more tokens than there are bytes; the provider's own are not at hand.
        prompt = sum(len(m["content"].encode()) + _MESSAGE_OVERHEAD_TOKENS for m in messages)
        called = [m["tool_calls"] for m in messages if "tool_calls" in m]
        prompt += len(json.dumps([*tools, *called]).encode()) if tools or called else 0
        return self._entry.usage(prompt, self._entry.max_tokens)

    def _usage(self, response: Any, text: str, worst: Usage) -> Usage:
        told = getattr(response, "usage", None)
        if told is None or (text and not told.completion_tokens):  # some local servers do not count
            return self._entry.usage(worst.prompt_tokens, min(len(text.encode()), self._entry.max_tokens))
        return self._entry.usage(told.prompt_tokens, told.completion_tokens, response)


def _tool_call(raw: Any) -> ToolCall:
    """Read a call in which some servers leave out parts, or give the arguments as an object instead of as text."""
    function = getattr(raw, "function", None)
    arguments = getattr(function, "arguments", None)
    text = arguments if isinstance(arguments, str) else "" if arguments is None else json.dumps(arguments)
    return ToolCall(id=getattr(raw, "id", None) or "", name=getattr(function, "name", None) or "", arguments=text)


class _RequestFailed(Exception):
    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.text)
