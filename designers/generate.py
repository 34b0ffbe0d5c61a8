"""Generate: sample reward programs from a conversation."""

from __future__ import annotations

from collections.abc import Sequence

from envreward.errors import ConfigError
from envreward.llm import LLM, Message
from envreward.studies.designer import Context
from envreward.studies.records import Proposal


def generate(
    context: Context,
    messages: Sequence[Message],
    *,
    temperature: float,
    parents: tuple[str, ...] = (),
    stage: str = "samples",
) -> list[Proposal]:
    """Ask for ``context.samples`` independent answers; each becomes a proposal, fewer when fewer came.

    Args:
        context: The iteration.
        messages: The conversation.
        temperature: Sampling temperature.
        parents: Ids of the candidates that the conversation shows.
        stage: Name of this request among those of the iteration.

    Raises:
        LLMError: No answer came.
        BudgetExceededError: No answer came, for lack of budget.
    """
    completion = model(context).complete(
        messages, n=context.samples, temperature=temperature, key=f"iteration-{context.iteration}/{stage}"
    )
    return [
        Proposal(
            answer=answer.text,
            parents=parents,
            origin=f"sample {index}" + (", cut at the token limit" if answer.finish_reason == "length" else ""),
        )
        for index, answer in enumerate(completion.answers)
    ]


def model(context: Context) -> LLM:
    """Return the study's language model.

    Raises:
        ConfigError: It has none.
    """
    if context.llm is None:
        raise ConfigError("this designer needs a language model: name one with --llm, e.g. --llm openai/gpt-4o")
    return context.llm
