"""LLMConfig: how requests to a language model are sent."""

from __future__ import annotations

from dataclasses import dataclass

from envreward.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class LLMConfig:
    """How requests are sent; the same for every provider."""

    max_tokens: int | None = None
    """Longest answer, in tokens. ``None``: 4,096, or 16,384 for models that think before they answer. Never more than
    the model can give."""
    timeout_s: float = 300.0
    """Longest wait for one answer; then the request is given up and sent again."""
    attempts: int = 6
    """How often a request is sent before its sample counts as failed."""
    connect_attempts: int = 3
    """The same where nothing listens at the address: a server that is not running seldom starts meanwhile."""
    backoff_s: float = 1.0
    """Wait before the second attempt; doubles with each, with jitter. A server's ``Retry-After`` goes before it."""
    max_wait_s: float = 120.0
    """Longest wait between attempts; a server that asks for more is given up."""
    concurrency: int = 8
    """Requests under way at once."""
    base_url: str | None = None
    """Address of an OpenAI-compatible server, e.g. ``http://localhost:8000/v1``; ``None``: the provider's own, or what
    ``OPENAI_BASE_URL`` says."""
    price_usd_per_mtok: tuple[float, float] | None = None
    """Price of a million prompt and a million completion tokens; ``None``: as litellm's price list has it."""

    def __post_init__(self) -> None:
        for name in ("timeout_s", "attempts", "connect_attempts", "max_wait_s", "concurrency"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ConfigError(f"max_tokens must be at least 1, got {self.max_tokens}")
        if self.price_usd_per_mtok is not None and min(self.price_usd_per_mtok) < 0:
            raise ConfigError("price_usd_per_mtok cannot be negative")
