"""Access to language models: the protocol, the client, recording and replay."""

from .base import LLM, Answer, Completion, Message, Usage

__all__ = ["LLM", "Answer", "Completion", "Message", "Usage"]
