"""lare: a model writes latent factors, a decoder learns what they are worth (Qu et al. 2025, arXiv:2412.11120, AAAI).

The model writes no reward but a function of several factors that evaluate a step from different sides. *Latent reward
self-verification*: several drafts are drawn and the model sums them up into one function (self-prompting), which is run
on real states and sent back with its error until it works (pre-verification). While a policy trains, a small network
redistributes the episode's return over the steps, from the factors alone: see `envreward.training.learned`.

Values are those of the release (github.com/thu-rllab/LaRe, mujoco/reward_model/chat_with_gpt.py, commit 87704c5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from envreward.errors import ConfigError, UnknownNameError
from envreward.llm import Message
from envreward.studies.composition import Calls, Composition
from envreward.studies.designer import Context
from envreward.studies.records import Candidate, Proposal

from .generate import model
from .mend import workshop
from .prompt import opening, render
from .reflect import said

Loss = Literal["rrd", "rd"]


@dataclass(frozen=True, kw_only=True)
class LaRe:
    """The designer; its fields are its options.

    It draws nothing from how earlier programs did: each sample of each iteration is a function of its own.
    """

    needs_llm: ClassVar[bool] = True
    default_samples: ClassVar[int] = 1
    """One function per run; chat_with_gpt.py."""
    default_iterations: ClassVar[int] = 1

    drafts: int = 5
    """Drafts that are summed up (``llm_n``, main.py); 1: the first one is used as it is, as in the release."""
    temperature: float = 1.0
    """Of the drafts (``init_temperature``)."""
    summary_temperature: float = 0.3
    """Of the summary, and of what is written after an error (``check_temperature``)."""
    rechecks: int = 5
    """How often a function is run and, where it fails, sent back (``range(5)``)."""
    loss: Loss = "rrd"
    """What the decoder minimises: ``rrd`` from 64 random steps of an episode, unbiased (LaRe_RRDu of the release's
    README), ``rd`` from all steps (LaRe_RD)."""

    def __post_init__(self) -> None:
        if self.loss not in get_args(Loss):
            raise UnknownNameError("lare loss", str(self.loss), get_args(Loss))
        if self.drafts < 1 or min(self.temperature, self.summary_temperature, self.rechecks) < 0:
            raise ConfigError("lare: drafts must be at least 1, temperatures and rechecks cannot be negative")

    def ask(self, context: Context) -> list[Proposal]:
        """Return the factor functions of one iteration; see `Designer.ask`.

        Raises:
            LLMError: No answer came.
            BudgetExceededError: No answer came, for lack of budget.
            SandboxError: The sandbox broke.
        """
        return [proposal for place in range(context.samples) for proposal in self._function(context, place)]

    def tell(self, context: Context, candidates: Sequence[Candidate]) -> None:
        """Do nothing: nothing is made of it."""

    def composition(self, samples: int) -> Composition:
        """Return what it does in each stage; see `Composed.composition`."""
        drafts = f"{self.drafts} drafts of a function of factors, summed up by the model" if self.drafts > 1 else "one"
        return Composition(
            prompt="role of an evaluator, contract of programs, task, fields as a list",
            generate=f"{drafts}; the reward is decoded from the factors by return decomposition ({self.loss})",
            mend=f"what fails when it is run is sent back with its error, up to {self.rechecks} times",
            feedback="none",
            select="none: each iteration begins anew",
            memory="nothing",
            calls=Calls(samples * self._asked, samples * (self._asked + self.rechecks)),
        )

    @property
    def _asked(self) -> int:
        return self.drafts + (self.drafts > 1)

    def _function(self, context: Context, place: int) -> list[Proposal]:
        """Return one factor function, or none where no answer came."""
        llm, key = model(context), f"iteration-{context.iteration}/function-{place}"
        messages = opening(context.brief, system="lare_system", task="lare_task")
        found = llm.complete(messages, n=self.drafts, temperature=self.temperature, key=f"{key}/drafts")
        answers = [answer.text for answer in found.answers]
        if not answers:
            return []
        answer, origin = answers[0], "one draft"
        if self.drafts > 1:
            drafts = "\n\n".join(f"Draft {number}:\n\n{text.strip()}" for number, text in enumerate(answers, 1))
            turn = Message(role="user", content=render("lare_summary", drafts=len(answers)))
            messages = [*messages, said(drafts), turn]
            summed = llm.complete(messages, temperature=self.summary_temperature, key=f"{key}/summary")
            if not summed.answers:
                return []
            answer, origin = summed.answers[0].text, f"{len(answers)} drafts summed up"
        answer, rechecked = self._verified(context, messages, answer, key)
        if rechecked:
            origin += f", rewritten {rechecked}x"
        return [Proposal(answer=answer, origin=origin, learning=f"lare:loss={self.loss}")]

    def _verified(self, context: Context, messages: Sequence[Message], answer: str, key: str) -> tuple[str, int]:
        """Return an answer whose function works, if one came in time, and how often it was written again.

        As in the release only the latest error is shown: it takes the place of the one before.
        """
        for attempt in range(self.rechecks):
            verdict = workshop(context).verify({"function": answer})["function"]
            reason = verdict.reason if verdict.status != "ok" else "" if verdict.components else _NO_FACTORS
            if not reason:
                return answer, attempt
            turn = [said(answer), Message(role="user", content=render("lare_error", reason=reason.strip()))]
            found = model(context).complete(
                [*messages, *turn], temperature=self.summary_temperature, key=f"{key}/recheck-{attempt}"
            )
            if not found.answers:
                return answer, attempt
            answer = found.answers[0].text
        return answer, self.rechecks


_NO_FACTORS = "It returns no factors: the dictionary is empty."
