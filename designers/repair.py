"""Repair: show a model what is wrong with its program, found without running it, and take the mended one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from envreward.errors import LLMError, LLMUnavailableError, RewardError, RewardParseError
from envreward.llm import Message, gather
from envreward.rewards.program import RewardProgram
from envreward.studies.designer import Context
from envreward.studies.records import Proposal, Status

from .generate import model
from .reflect import failure_feedback, said


def repair(
    context: Context, messages: Sequence[Message], proposals: Sequence[Proposal], *, rounds: int, temperature: float
) -> list[Proposal]:
    """Return the proposals with those that break a rule mended, each asked for up to ``rounds`` times.

    The check reads programs and never runs them. One that cannot be mended stays as it was answered last: its study
    records why it is of no use.

    Args:
        context: The iteration.
        messages: The conversation that led to the proposals.
        proposals: Answers to it.
        rounds: Attempts for each; 0 leaves all as they are.
        temperature: Sampling temperature.

    Raises:
        LLMUnavailableError: The model cannot be asked any more.
        BudgetExceededError: A limit is reached.
    """

    def one(index: str) -> Proposal:
        return _repair(context, messages, proposals[int(index)], int(index), rounds, temperature)

    mended = [*proposals]
    for index, result in gather(one, [str(i) for i in range(len(proposals))], model(context).concurrency):
        if isinstance(result, BaseException):
            raise result
        mended[int(index)] = result
    return mended


def described(rounds: int) -> str:
    """Return what `repair` does, for a designer's `Composition`."""
    if not rounds:
        return "not at all: a program that cannot be used ends with its reason"
    return f"what breaks a rule is sent back with its error, up to {rounds} times"


def _repair(
    context: Context, messages: Sequence[Message], proposal: Proposal, index: int, rounds: int, temperature: float
) -> Proposal:
    for attempt in range(rounds):
        error = static_error(proposal, context)
        if error is None:
            break
        status = Status.UNPARSED if isinstance(error, RewardParseError) else Status.REJECTED
        turn = [said(proposal.answer), Message(role="user", content=failure_feedback(status, str(error)))]
        key = f"iteration-{context.iteration}/repair-{index}-{attempt}"
        try:
            completion = model(context).complete([*messages, *turn], temperature=temperature, key=key)
        except LLMUnavailableError:
            raise
        except LLMError:
            break  # this one stays as it is; the others may still be mended
        if completion.answers:
            origin = f"{proposal.origin.partition(', mended')[0]}, mended {attempt + 1}x"
            proposal = dataclasses.replace(proposal, answer=completion.answers[0].text, origin=origin)
    return proposal


def static_error(proposal: Proposal, context: Context) -> RewardError | None:
    """Return the first rule that a proposal's program breaks, or ``None``; nothing is run."""
    try:
        RewardProgram.from_answer(proposal.source or proposal.answer, context.brief.fields)
    except RewardError as error:
        return error
    return None
