"""What is known of a model before it is asked: its provider, its key, its limits, its price."""

from __future__ import annotations

import atexit
import functools
import importlib.util
import os
from typing import Any

import httpx

from envreward.errors import LLMUnavailableError, near_matches

from .base import Usage
from .config import LLMConfig

_MAX_TOKENS, _MAX_TOKENS_REASONING = 4096, 16384
_FREE = ("ollama", "ollama_chat", "lm_studio", "llamafile")  # run on the user's own machine


def import_litellm() -> Any:
    """Import litellm, quietly and without network. It takes seconds, so this happens when a model is opened."""
    # The price list that comes with the package: without this, importing it fetches one from the network.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    litellm.suppress_debug_info = True  # else it prints advertisements on errors
    litellm.telemetry = False
    if litellm.client_session is None:
        litellm.client_session = _Connections(follow_redirects=True)
    return litellm


@functools.cache
def tool_options() -> dict[str, Any]:
    """Return what litellm must be told where tools are offered.

    Its later versions look for tools that servers of the Model Context Protocol offer, and for that need a package that
    does not come with them; ours never are such.
    """
    looks = importlib.util.find_spec("litellm.responses.mcp.chat_completions_handler") is not None
    return {"_skip_mcp_handler": True} if looks else {}


class _Connections(httpx.Client):
    """One pool of connections for the process; without it, threads that start together each make and leak their own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        atexit.register(super().close)

    def close(self) -> None:
        """Do nothing: litellm closes clients that it drops from its cache, and all share these connections."""


class ModelEntry:
    """One model as litellm's list has it; models that the list lacks (local ones, new ones) are fine."""

    def __init__(self, model: str, config: LLMConfig) -> None:
        """Look ``model`` up.

        Raises:
            LLMUnavailableError: No such provider, or its key is not set.
        """
        self._litellm = import_litellm()
        self._model, self._config = model, config
        listed: dict[str, dict[str, Any]] = self._litellm.model_cost
        try:
            name, self.provider, _, _ = self._litellm.get_llm_provider(model)
        except self._litellm.BadRequestError as error:
            near = near_matches(model, listed)
            hint = f"did you mean {' or '.join(near)}?" if near else "write PROVIDER/MODEL, as in openai/gpt-4o"
            raise LLMUnavailableError(f"unknown model {model!r}: {hint}") from error
        entries = (listed[n] for n in (model, name) if n in listed)
        # The same name may be served by others at other prices.
        self._info = next((e for e in entries if e.get("litellm_provider") == self.provider), {})
        self._check_key()

    @property
    def address(self) -> str | None:
        """The server's address where it is not the provider's own."""
        if self._config.base_url is not None or self.provider != "openai":
            return self._config.base_url
        return os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_BASE")

    @property
    def placeholder_key(self) -> str | None:
        """A stand-in for servers of the user's own, where OpenAI's client insists on a key; else ``None``."""
        needs_none = self.provider == "openai" and self.address is not None and not os.environ.get("OPENAI_API_KEY")
        return "none" if needs_none else None

    @property
    def max_tokens(self) -> int:
        """Longest answer to ask for."""
        wanted = self._config.max_tokens
        if wanted is None:
            wanted = _MAX_TOKENS_REASONING if self._info.get("supports_reasoning") else _MAX_TOKENS
        return min(wanted, self._info.get("max_output_tokens") or wanted)

    @property
    def price_known(self) -> bool:
        """Whether what a call costs can be told."""
        return self._config.price_usd_per_mtok is not None or self.provider in _FREE or self._listed_price

    def usage(self, prompt_tokens: int, completion_tokens: int, response: Any = None) -> Usage:
        """Return the usage of one call; the ``response``, where there is one, may tell of discounts."""
        cost: float | None = None
        if self._config.price_usd_per_mtok is not None:
            per_prompt, per_completion = self._config.price_usd_per_mtok
            cost = (prompt_tokens * per_prompt + completion_tokens * per_completion) / 1e6
        elif self.provider in _FREE:
            cost = 0.0
        elif self._listed_price and response is not None:
            cost = float(self._litellm.completion_cost(completion_response=response, model=self._model))
        elif self._listed_price:
            both = self._litellm.cost_per_token(
                model=self._model, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens
            )
            cost = float(sum(both))
        return Usage(calls=1, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens, cost_usd=cost)

    def advice(self, status: int | None) -> str:
        """Return what to look at after a refusal with HTTP ``status``, in brackets, or nothing."""
        if status in (401, 403):
            return f" (is the key of {self.provider} right, and may it use this model?)"
        if status != 404:
            return ""
        siblings = [n for n, info in self._litellm.model_cost.items() if info.get("litellm_provider") == self.provider]
        name = self._model.partition("/")[2] or self._model
        near = [n for n in near_matches(name, siblings) if n not in (name, self._model)]
        return f" (did you mean {' or '.join(near)}?)" if near else ""

    @property
    def _listed_price(self) -> bool:
        return None not in (self._info.get("input_cost_per_token"), self._info.get("output_cost_per_token"))

    def _check_key(self) -> None:
        if self.address is not None:
            return
        missing = self._litellm.validate_environment(self._model)["missing_keys"]
        # A provider that misses several variables can often do without (Azure by token, Bedrock by the machine's role).
        if len(missing) == 1 and missing[0].endswith("_API_KEY"):
            raise LLMUnavailableError(f"no key for {self._model}: set the environment variable {missing[0]}")
