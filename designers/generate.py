"""Generate: sample reward programs from a conversation."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from envreward.errors import BudgetExceededError, ConfigError, LLMError
from envreward.llm import LLM, Message, bearable, gather
from envreward.studies.designer import Context
from envreward.studies.records import Proposal

GENERATE = "independent samples of one conversation"
"""What `generate` does, for a designer's `Composition`."""


def generate(
    context: Context,
    messages: Sequence[Message],
    *,
    temperature: float,
    parents: tuple[str, ...] = (),
    stage: str = "samples",
    n: int | None = None,
) -> list[Proposal]:
    """Ask for independent answers to one conversation; each becomes a proposal, fewer when fewer came.

    Args:
        context: The iteration.
        messages: The conversation.
        temperature: Sampling temperature.
        parents: Ids of the candidates that the conversation shows.
        stage: Name of this request among those of the iteration.
        n: How many; ``None``: ``context.samples``.

    Raises:
        LLMError: No answer came.
        BudgetExceededError: No answer came, for lack of budget.
    """
    completion = model(context).complete(
        messages,
        n=context.samples if n is None else n,
        temperature=temperature,
        key=f"iteration-{context.iteration}/{stage}",
    )
    return [
        Proposal(
            answer=answer.text,
            parents=parents,
            origin=f"sample {index}" + (", cut at the token limit" if answer.finish_reason == "length" else ""),
        )
        for index, answer in enumerate(completion.answers)
    ]


@dataclass(frozen=True, kw_only=True)
class Question:
    """A conversation that one program is asked for."""

    messages: Sequence[Message]
    stage: str
    """Name of the request among those of the iteration."""
    parents: tuple[str, ...] = ()
    """Ids of the candidates that it shows."""
    origin: str
    """How its program is made, a few words."""


def generate_each(
    context: Context, questions: Sequence[Question], *, temperature: float
) -> list[tuple[Question, Proposal]]:
    """Ask one program of each question, all at once as far as the model allows; those without an answer are left out.

    Args:
        context: The iteration.
        questions: In the order of the proposals, each of a stage of its own.
        temperature: Sampling temperature.

    Raises:
        LLMUnavailableError: The model cannot be asked any more.
        LLMError: No answer came to any.
        BudgetExceededError: No answer came to any, for lack of budget.
    """
    by_stage = {question.stage: question for question in questions}

    def ask(stage: str) -> list[Proposal]:
        question = by_stage[stage]
        return generate(context, question.messages, temperature=temperature, parents=question.parents, stage=stage, n=1)

    came: dict[str, list[Proposal]] = {}
    trouble: LLMError | BudgetExceededError | None = None
    for stage, result in gather(ask, [*by_stage], model(context).concurrency):
        if isinstance(result, BaseException):
            trouble = bearable(result)
        else:
            came[stage] = result
    if not came and trouble is not None:
        raise trouble
    answered: list[tuple[Question, Proposal]] = []
    for question in questions:
        for proposal in came.get(question.stage, ()):
            origin = question.origin + proposal.origin.partition("sample 0")[2]  # whether it was cut
            answered.append((question, dataclasses.replace(proposal, origin=origin)))
    return answered


def model(context: Context) -> LLM:
    """Return the study's language model.

    Raises:
        ConfigError: It has none.
    """
    if context.llm is None:
        raise ConfigError("this designer needs a language model: name one with --llm, e.g. --llm openai/gpt-4o")
    return context.llm
