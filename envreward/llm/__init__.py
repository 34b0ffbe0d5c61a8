"""Access to language models: the protocol, the client, recording and replay."""

from .base import LLM, Answer, Completion, Message, ToolCall, Tools, Usage
from .config import LLMConfig
from .fanout import bearable, gather
from .meter import Caps
from .open import SPECS, open_llm
from .record import Exchange, ExchangeStore, RecordedLLM

__all__ = [
    "LLM",
    "SPECS",
    "Answer",
    "Caps",
    "Completion",
    "Exchange",
    "ExchangeStore",
    "LLMConfig",
    "Message",
    "RecordedLLM",
    "ToolCall",
    "Tools",
    "Usage",
    "bearable",
    "gather",
    "open_llm",
]
