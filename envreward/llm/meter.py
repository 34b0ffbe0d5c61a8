"""Meter: what a language model has cost, and the caps that no request may pass.

Before a request is sent, the most it can cost is set aside: its prompt holds no more tokens than bytes, its answer no
more than ``max_tokens``. When the answer has come, what it really cost takes that place. A request whose worst case
does not fit beside what others under way have set aside waits for them; one that could not fit even alone is not sent.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from envreward.errors import BudgetExceededError, ConfigError

from .base import NO_USAGE, Usage


@dataclass(frozen=True, kw_only=True)
class Caps:
    """Hard limits on what a language model may cost; ``None`` is no limit."""

    calls: int | None = None
    """Answers asked for. A request that the provider refused does not count; one that may have been billed does."""
    tokens: int | None = None
    """Prompt and completion tokens together."""
    cost_usd: float | None = None


class Meter:
    """Counts usage against caps, for any number of threads."""

    def __init__(self, caps: Caps, spent: Usage = NO_USAGE) -> None:
        """Start at what the study has already ``spent``.

        Raises:
            ConfigError: There is a cap on USD and what was spent so far has no known price.
        """
        if caps.cost_usd is not None and spent.cost_usd is None:
            raise ConfigError("cannot keep a limit in USD: earlier calls of this study have no known price")
        self._caps, self._spent = caps, spent
        self._reserved: list[Usage] = []
        self._changed = threading.Condition()

    @property
    def spent(self) -> Usage:
        """What has been used so far, earlier sessions included. An upper bound where a provider did not say."""
        with self._changed:
            return self._spent

    def reserve(self, worst: Usage) -> None:
        """Set ``worst`` aside for a request about to be sent; waits while others under way stand in the way.

        Raises:
            BudgetExceededError: The request could pass a cap.
        """
        with self._changed:
            while (obstacle := self._obstacle(worst, self._reserved)) is not None:
                if not self._reserved or self._obstacle(worst, []) is not None:
                    raise BudgetExceededError(obstacle)
                self._changed.wait()
            self._reserved.append(worst)

    def settle(self, worst: Usage, actual: Usage) -> None:
        """Replace what was set aside for a request by what it has cost."""
        with self._changed:
            self._reserved.remove(worst)
            self._spent += actual
            self._changed.notify_all()

    def _obstacle(self, worst: Usage, reserved: list[Usage]) -> str | None:
        before = sum(reserved, self._spent)
        after = before + worst
        caps = self._caps
        if caps.calls is not None and after.calls > caps.calls:
            return f"limit of {caps.calls} language-model calls reached"
        tokens = after.prompt_tokens + after.completion_tokens
        if caps.tokens is not None and tokens > caps.tokens:
            used = before.prompt_tokens + before.completion_tokens
            return f"limit of {caps.tokens:,} tokens: {used:,} used, the next call could take up to {tokens - used:,}"
        if caps.cost_usd is not None and (after.cost_usd is None or after.cost_usd > caps.cost_usd):
            could = "cost an unknown amount" if worst.cost_usd is None else f"cost up to ${worst.cost_usd:.4f}"
            return f"limit of ${caps.cost_usd:g}: ${before.cost_usd or 0.0:.4f} spent, the next call could {could}"
        return None
