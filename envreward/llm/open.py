"""`open_llm`: from the words a user writes to a language model."""

from __future__ import annotations

import logging
from pathlib import Path

from envreward.errors import ConfigError, UnknownNameError, near_matches

from .base import LLM, NO_USAGE, Usage
from .config import LLMConfig
from .manual import ManualFilesLLM, ManualLLM
from .meter import Caps, Meter
from .record import RecordedLLM
from .recording import RecordingFile, ReplayLLM

logger = logging.getLogger("envreward.llm")

_CONFIG, _NO_CAPS = LLMConfig(), Caps()
_KINDS = ("record", "replay", "replay-any", "manual")

SPECS = """\
PROVIDER/MODEL      any model litellm knows: openai/gpt-4o, anthropic/claude-sonnet-4-5, gemini/..., ollama/llama3;
                    keys come from the provider's usual variable (OPENAI_API_KEY, ...); OPENAI_BASE_URL points
                    openai/... at a server of your own
record:FILE=MODEL   ask MODEL (any of these) and keep each exchange in FILE; what FILE holds is not asked again
replay:FILE         play FILE back: no network, no key; refuses answers that were given to another prompt
replay-any:FILE     the same, but takes the answers whatever the prompt
manual              print each prompt, paste each answer: works with any chat window
manual:FOLDER       write each prompt to FOLDER, wait for the answers as files there"""
"""The forms of ``spec``, for help texts."""


def open_llm(spec: str, *, config: LLMConfig = _CONFIG, caps: Caps = _NO_CAPS, spent: Usage = NO_USAGE) -> LLM:
    """Return the language model that ``spec`` names; nothing is asked yet.

    Args:
        spec: ``PROVIDER/MODEL``, ``record:FILE=MODEL``, ``replay:FILE``, ``replay-any:FILE``, ``manual`` or
            ``manual:FOLDER``; see `SPECS`.
        config: How requests are sent.
        caps: Hard limits, ``spent`` included.
        spent: What earlier sessions of the study have used.

    Raises:
        UnknownNameError: What stands before the colon is a misspelt kind.
        ConfigError: The spec is malformed, a recording cannot be read, or a cap on USD cannot be kept.
        LLMUnavailableError: No such model, or its key is not set.
        OSError: A recording or folder cannot be written.
    """
    kind, _, rest = spec.strip().partition(":")
    if kind == "record":
        file, _, model = rest.partition("=")
        if not file or not model:
            raise ConfigError("record: needs a file and a model, e.g. --llm record:session.jsonl=openai/gpt-4o")
        inner = open_llm(model, config=config, caps=caps, spent=spent)
        store = RecordingFile(Path(file).expanduser())
        if len(store):
            logger.warning("%s holds %d answers already: the same requests are answered from it", file, len(store))
        return RecordedLLM(inner, store)
    if kind in ("replay", "replay-any"):
        if not rest:
            raise ConfigError(f"{kind}: needs a file, e.g. --llm {kind}:session.jsonl")
        return ReplayLLM(Path(rest).expanduser(), Meter(caps, spent), match_messages=kind == "replay")
    if kind == "manual":
        meter = Meter(caps, spent)
        return ManualFilesLLM(Path(rest).expanduser(), meter) if rest else ManualLLM(meter)
    if not spec.strip():
        raise ConfigError("which language model? e.g. --llm openai/gpt-4o, --llm ollama/llama3, --llm manual")

    if rest and "/" not in kind and (near := near_matches(kind, _KINDS, n=1)):
        raise UnknownNameError("kind of language model", kind, _KINDS, hint=f"(as in {near[0]}:FILE)")

    from .client import LiteLLMClient

    return LiteLLMClient(spec.strip(), config, caps, spent)
