"""Mend: have programs that cannot be used written again, before the iteration goes on.

Where `repair` reads programs only, this runs them as well, in the study's sandbox, and can send a program back with its
error or ask the same question once more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from envreward.errors import BudgetExceededError, ConfigError, RewardError
from envreward.llm import Completion, Message, bearable, gather
from envreward.rewards.verify import Verdict, check_statically
from envreward.studies.designer import Context
from envreward.studies.records import Proposal, Status
from envreward.studies.workshop import Workshop

from .generate import model
from .reflect import failure_feedback, said

Check = Literal["parse", "rules", "run"]
_WORDS: Mapping[Check, str] = {
    "parse": "no program can be read from",
    "rules": "breaks a rule",
    "run": "breaks a rule or fails on real states",
}


@dataclass(frozen=True, kw_only=True)
class Mending:
    """How programs are mended."""

    rounds: int
    """How often each is asked for again; 0: not at all."""
    check: Check = "run"
    """What counts as unusable: ``parse``, that no program can be read from the answer; ``rules``, that or a broken rule
    of reward programs; ``run``, that or an error on real states of the task."""
    blind: bool = False
    """Ask the same question again, instead of showing the answer and its error."""
    program: Callable[[str], str] | None = None
    """Makes a program of an answer, or raises `RewardError`; ``None``: the program stands in the answer."""
    feedback: str = ""
    """What the name of the template begins with in which errors are told; see `reflect.reflection`."""

    def words(self) -> str:
        """Return what is done, for a designer's `Composition`."""
        if not self.rounds:
            return "not at all: a program that cannot be used ends with its reason"
        how = "asked for again" if self.blind else "sent back with its error"
        return f"what {_WORDS[self.check]} is {how}, up to {self.rounds} times"


def mend(
    context: Context,
    conversations: Sequence[Sequence[Message]],
    proposals: Sequence[Proposal],
    mending: Mending,
    *,
    temperature: float,
) -> list[Proposal]:
    """Return the proposals with those that cannot be used written again.

    One that stays of no use remains as it was answered last: its study records why. Where `Mending.program` makes the
    programs, each comes with its own, or is filtered with why there is none.

    Args:
        context: The iteration.
        conversations: What led to each proposal.
        proposals: Answers to them.
        mending: How to go about it.
        temperature: Sampling temperature.

    Raises:
        LLMUnavailableError: The model cannot be asked any more.
        BudgetExceededError: A limit is reached.
        SandboxError: The sandbox broke.
    """
    mended = [_with_program(proposal, mending) for proposal in proposals]
    doubtful = [*range(len(mended))]
    for attempt in range(mending.rounds):
        verdicts = _verdicts(context, {i: mended[i] for i in doubtful}, mending.check)
        wrong, doubtful = [i for i in doubtful if verdicts[i].status != "ok"], []
        asked: dict[str, Sequence[Message]] = {}
        for i in wrong:
            turn = [] if mending.blind else _turn(mended[i], verdicts[i], mending.feedback)
            asked[f"mend-{i}-{attempt}"] = [*conversations[i], *turn]
        answers = _ask(context, asked, temperature)
        for i in wrong:
            answer = answers.get(f"mend-{i}-{attempt}")
            if answer is not None:
                origin = f"{mended[i].origin.partition(', mended')[0]}, mended {attempt + 1}x"
                again = dataclasses.replace(mended[i], answer=answer, source=None, origin=origin)
                mended[i] = _with_program(again, mending)
                doubtful.append(i)
        if not doubtful:
            break
    return mended


def workshop(context: Context) -> Workshop:
    """Return the study's workshop.

    Raises:
        ConfigError: There is none: the designer is asked outside a study.
    """
    if context.workshop is None:
        raise ConfigError("this designer needs a study's workshop: run it with envreward design")
    return context.workshop


def _with_program(proposal: Proposal, mending: Mending) -> Proposal:
    """Return a proposal with the program that is made of its answer, or filtered where none can be made."""
    if mending.program is None:
        return proposal
    try:
        return dataclasses.replace(proposal, source=mending.program(proposal.answer), filtered="")
    except RewardError as error:
        return dataclasses.replace(proposal, source=None, filtered=str(error))


def _verdicts(context: Context, proposals: Mapping[int, Proposal], check: Check) -> dict[int, Verdict]:
    """Return what is to be said of each proposal; of one without a program, why it has none."""
    verdicts = {i: Verdict(status="unparsed", reason=p.filtered) for i, p in proposals.items() if p.filtered}
    answers = {str(i): p.source or p.answer for i, p in proposals.items() if not p.filtered}
    if check == "run":
        found = workshop(context).verify(answers) if answers else {}
    else:
        found = {key: check_statically(answer, context.brief.fields) for key, answer in answers.items()}
    for key, verdict in found.items():
        sound = check == "parse" and verdict.status == "rejected"
        verdicts[int(key)] = dataclasses.replace(verdict, status="ok") if sound else verdict
    return verdicts


def _turn(proposal: Proposal, verdict: Verdict, words: str) -> list[Message]:
    feedback = failure_feedback(Status(verdict.status), verdict.reason, words=words)
    return [said(proposal.answer), Message(role="user", content=feedback)]


def _ask(context: Context, asked: Mapping[str, Sequence[Message]], temperature: float) -> dict[str, str]:
    """Return the answers to conversations, by the stage that names each; one that got none is left out."""

    def ask(stage: str) -> Completion:
        key = f"iteration-{context.iteration}/{stage}"
        return model(context).complete(asked[stage], temperature=temperature, key=key)

    answers: dict[str, str] = {}
    for stage, result in gather(ask, [*asked], model(context).concurrency):
        if isinstance(result, BaseException):
            if isinstance(bearable(result), BudgetExceededError):
                raise result
        elif result.answers:
            answers[stage] = result.answers[0].text
    return answers
