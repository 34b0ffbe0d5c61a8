"""auto_mc_reward: designer, critic and trajectory analyzer (Li et al. 2024, arXiv:2312.09238, CVPR 2024).

Three roles of one model. The *Reward Designer* writes a sparse and a dense function, of which only the signs are paid
and the dense one may remember (see `signed`). The *Reward Critic* checks them for syntax, meaning and self-consistency
and sends them back, at most three times. After the training the *Trajectory Analyzer* looks at episodes that failed and
says why in words, and the designer writes the next functions with that. No code of the method was found; what is the
paper's is cited, the rest is ours and says so.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from envreward.errors import ConfigError, LLMError, LLMUnavailableError, RewardParseError
from envreward.fields import describe
from envreward.llm import Message
from envreward.studies.composition import Calls, Composition
from envreward.studies.designer import Context
from envreward.studies.records import Candidate, Proposal

from .generate import generate, model
from .mend import workshop
from .prompt import opening, render
from .reflect import failure_feedback, said, scores
from .select import best_by, final_score, nearest_miss
from .signed import signed_program
from .trajectories import failures, show

_VERDICT = re.compile(r"[\W_]*(PASS(?:ED)?|REVISE)(?![^\W_])", re.IGNORECASE)
"""The critic's first word, in bold or not; words after it decide nothing ("REVISE: it does not pass")."""


@dataclass(frozen=True, kw_only=True)
class AutoMCReward:
    """The designer; its fields are its options.

    Left out of the method as published: Minecraft, its observation files and its imitation-learned agents; the fields
    of any task stand in their place.
    """

    needs_llm: ClassVar[bool] = True
    default_samples: ClassVar[int] = 1
    """One reward function is refined; figure 1."""
    default_iterations: ClassVar[int] = 3
    """Ours: how often failures are analysed depends on the paper's task."""

    critic_rounds: int = 3
    """How often the critic may send functions back; the last ones stand."""
    temperature: float = 1.0
    """Of the designer; ours."""
    judge_temperature: float = 0.0
    """Of critic and analyzer; ours."""
    episodes: int = 10
    """Episodes in which the trained policy is watched; ours."""
    failures_shown: int = 3
    """Failed episodes that the analyzer sees, at most; ours."""
    steps_shown: int = 12
    """Steps of each: two thirds spread over it, the others its last; ours."""

    def __post_init__(self) -> None:
        if min(self.critic_rounds, self.temperature, self.judge_temperature) < 0:
            raise ConfigError("auto_mc_reward: critic_rounds and temperatures cannot be negative")
        if min(self.episodes, self.failures_shown, self.steps_shown) < 1:
            raise ConfigError("auto_mc_reward: episodes, failures_shown and steps_shown must be at least 1")

    def ask(self, context: Context) -> list[Proposal]:
        """Return the programs of one iteration; see `Designer.ask`.

        Raises:
            LLMError: No answer came.
            BudgetExceededError: No answer came, for lack of budget.
            SandboxError: The sandbox broke.
        """
        parent = self.parent(context)
        messages = self.messages(context, parent)
        parents = (parent.id,) if parent is not None else ()
        drafts = generate(context, messages, temperature=self.temperature, parents=parents)
        return [self._reviewed(context, messages, draft, place) for place, draft in enumerate(drafts)]

    def tell(self, context: Context, candidates: Sequence[Candidate]) -> None:
        """Do nothing: all that is needed is in the history."""

    def parent(self, context: Context) -> Candidate | None:
        """Return the candidate to be refined: the best so far, else the one that came closest to working."""
        return best_by(context.history, final_score) or nearest_miss(context.history)

    def messages(self, context: Context, parent: Candidate | None) -> list[Message]:
        """Return the conversation: the task, then the parent's functions and what became of them."""
        start = opening(context.brief, system="auto_mc_system", task="auto_mc_task")
        if parent is None:
            return start
        if parent.evaluations:
            text = render("auto_mc_next", measured=scores(parent), analysis=self._analysis(context, parent))
        else:
            text = failure_feedback(parent.status, parent.reason)
        return [*start, said(parent.answer), Message(role="user", content=text)]

    def composition(self, samples: int) -> Composition:
        """Return what it does in each stage; see `Composed.composition`."""
        return Composition(
            prompt="role, contract of a sparse and a dense function with memory, task, fields as a list",
            generate="independent samples of one conversation; paid by the signs, 1 sparse and 0.1 dense",
            mend=f"what fails when it is run, or a critic objects to, is sent back, up to {self.critic_rounds} times",
            feedback="an analyzer's words on failed episodes of the trained policy",
            select="best candidate of all iterations",
            memory="nothing but the parent",
            calls=Calls(samples, samples * (1 + 2 * self.critic_rounds) + 1),
        )

    def _reviewed(self, context: Context, messages: Sequence[Message], draft: Proposal, place: int) -> Proposal:
        """Return a proposal that has been through the critic; its origin says so where the critic did not answer."""
        proposal, sent_back, silent = draft, 0, ""
        for attempt in range(self.critic_rounds + 1):
            key = f"iteration-{context.iteration}/critic-{place}-{attempt}"
            source, error = _put_together(proposal.answer)
            if attempt == self.critic_rounds:
                break
            objection = error or self._failure(context, source) or self._objection(context, proposal.answer, key)
            if objection is None:
                silent = ", critic did not answer"
            if not objection:
                break
            text = render("auto_mc_revise", reason=objection)
            turn = [said(proposal.answer), Message(role="user", content=text)]
            answer = _ask(context, [*messages, *turn], f"{key}/revised", self.temperature)
            if answer is None:
                silent = ", no revision came"
                break
            sent_back += 1
            proposal = dataclasses.replace(proposal, answer=answer)
        origin = draft.origin + (f", sent back {sent_back}x" if sent_back else "") + silent
        if not source:  # nothing to verify: the two functions could not even be put together
            return dataclasses.replace(proposal, origin=origin, filtered=error)
        return dataclasses.replace(proposal, origin=origin, source=source)

    def _failure(self, context: Context, source: str) -> str:
        """Return how a program fails on real states; empty where it does not."""
        verdict = workshop(context).verify({"program": source})["program"]
        return "" if verdict.status == "ok" else verdict.reason

    def _objection(self, context: Context, answer: str, key: str) -> str | None:
        """Return what the critic has against the functions of an answer; ``None`` where it does not answer.

        Empty where it lets them pass, which its first word says. Whatever begins otherwise is an objection as a whole.
        """
        brief = context.brief
        text = render(
            "auto_mc_critic",
            instruction=brief.instruction.strip(),
            fields=describe(brief.fields),
            source=signed_program(answer).partition("def compute_reward(")[0].strip(),
        )
        words = (_ask(context, [Message(role="user", content=text)], key, self.judge_temperature) or "").strip()
        verdict = _VERDICT.match(words)
        if not words:
            return None
        if verdict is None:
            return words
        return "" if verdict[1].upper() != "REVISE" else (words[verdict.end() :].lstrip("*_:.,; \t\n") or words)

    def _analysis(self, context: Context, parent: Candidate) -> str:
        """Return why the parent's policy fails, in the analyzer's words; empty where it never did."""
        brief = context.brief
        rollouts = workshop(context).rollouts(parent, episodes=self.episodes)
        failed = failures(rollouts)
        if not failed:
            return ""
        spread = max(self.steps_shown * 2 // 3, 1)
        text = render(
            "auto_mc_analysis",
            instruction=brief.instruction.strip(),
            fields=describe(brief.fields),
            played=len(rollouts.episodes),
            failed=len(failed),
            episodes=[
                show(episode, brief.fields, spread=spread, last=self.steps_shown - spread)
                for episode in failed[: self.failures_shown]
            ],
        )
        key = f"iteration-{context.iteration}/analysis"
        return (_ask(context, [Message(role="user", content=text)], key, self.judge_temperature) or "").strip()


def _put_together(answer: str) -> tuple[str, str]:
    """Return the program of an answer's two functions, and why there is none where it is empty."""
    try:
        return signed_program(answer), ""
    except RewardParseError as error:
        return "", str(error)


def _ask(context: Context, messages: Sequence[Message], key: str, temperature: float) -> str | None:
    """Return one answer, or ``None`` when none came to this question."""
    try:
        completion = model(context).complete(messages, temperature=temperature, key=key)
    except LLMUnavailableError:
        raise
    except LLMError:
        return None
    return completion.answers[0].text if completion.answers else None
