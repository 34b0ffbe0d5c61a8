"""heron: factors are ranked by importance, a reward is learned from what that prefers (Bukharin et al. 2023).

HERON (arXiv:2309.02632, ICML 2025; its first version called the preferences *weak*) asks for no weights, only for an
order of the factors by which a behaviour is judged. The order is a decision tree that compares trajectories: the most
important factor decides if it differs enough, else the next. A reward model is fitted to these comparisons while a
policy trains on it: see `envreward.training.learned`.

There the factors come with the environment. Here a language model writes them as the components of a program, and ranks
them, or a person does. Values are those of the release's robots (github.com/abukharin3/HERON, robots/, commit 677beb5).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal, get_args

from envreward.errors import ConfigError, UnknownNameError
from envreward.llm import Message
from envreward.rewards.program import RewardProgram
from envreward.rewards.verify import Verdict
from envreward.studies.composition import Calls, Composition
from envreward.studies.designer import Context
from envreward.studies.records import Candidate, Proposal

from .generate import generate, model
from .mend import Mending, mend, workshop
from .prompt import opening, render
from .ranking import complaint, in_order, read_ranking
from .reflect import said

Ranker = Literal["model", "person"]
Pairs = Literal["episodes", "steps"]


@dataclass(frozen=True, kw_only=True)
class Heron:
    """The designer; its fields are its options."""

    needs_llm: ClassVar[bool] = True
    default_samples: ClassVar[int] = 1
    """One set of factors in one order."""
    default_iterations: ClassVar[int] = 1

    ranker: Ranker = "model"
    """Who says which factor matters most: the ``model`` that wrote them, or a ``person``, as in the paper."""
    pairs: Pairs = "episodes"
    """What is compared: whole ``episodes``, as in the paper, or single ``steps``, as the release's robots do."""
    margin: float = 0.1
    """Difference, in standard deviations, from which on a factor decides; robots/run_files use 0.1 to 0.5."""
    temperature: float = 1.0
    """Of the factors' sampling; ours."""
    mends: int = 3
    """How often factors that cannot be used are sent back; ours."""
    attempts: int = 3
    """How often the model is asked for its ranking until it names each factor once; ours."""

    def __post_init__(self) -> None:
        for option, choices in (("ranker", Ranker), ("pairs", Pairs)):
            if getattr(self, option) not in get_args(choices):
                raise UnknownNameError(f"heron {option}", str(getattr(self, option)), get_args(choices))
        if min(self.margin, self.temperature, self.mends) < 0 or self.attempts < 1:
            raise ConfigError("heron: margin, temperature and mends cannot be negative, attempts must be at least 1")

    @property
    def asks_person(self) -> bool:
        """Whether a person ranks the factors."""
        return self.ranker == "person"

    def ask(self, context: Context) -> list[Proposal]:
        """Return the ranked factors of one iteration; see `Designer.ask`.

        Raises:
            LLMError: No answer came.
            BudgetExceededError: No answer came, for lack of budget.
            ConfigError: A person is to be asked and nobody is there.
            SandboxError: The sandbox broke.
        """
        start = opening(context.brief, system="heron_system", task="heron_task")
        drafts = generate(context, start, temperature=self.temperature)
        mending = Mending(rounds=self.mends)
        mended = mend(context, [start] * len(drafts), drafts, mending, temperature=self.temperature)
        verdicts = workshop(context).verify({str(i): proposal.answer for i, proposal in enumerate(mended)})
        return [self._ranked(context, start, p, verdicts[str(i)], i) for i, p in enumerate(mended)]

    def tell(self, context: Context, candidates: Sequence[Candidate]) -> None:
        """Do nothing: nothing is made of it."""

    def composition(self, samples: int) -> Composition:
        """Return what it does in each stage; see `Composed.composition`."""
        person = self.asks_person
        return Composition(
            prompt="role of a judge, contract of programs, task, fields as a list",
            generate=f"factors in an order; the reward is learned from preferences by that order over {self.pairs}",
            mend=Mending(rounds=self.mends).words(),
            feedback="none",
            select="none: each iteration begins anew",
            memory="nothing",
            person="which factors matter more than which" if person else "nobody",
            calls=Calls(samples * (2 - person), samples * (1 + self.mends + (0 if person else self.attempts))),
        )

    def _ranked(
        self, context: Context, start: Sequence[Message], proposal: Proposal, verdict: Verdict, place: int
    ) -> Proposal:
        """Return a proposal with its factors in the order of their importance."""
        learning = f"heron:pairs={self.pairs},margin={self.margin}"
        proposal = dataclasses.replace(proposal, learning=learning)
        if verdict.status != "ok" or verdict.source is None:
            return proposal  # the study records what is wrong with it
        if not verdict.components:
            return dataclasses.replace(proposal, filtered="it names no factor: there is nothing to be ranked")
        ask = self._person_ranks if self.asks_person else self._model_ranks
        order, wrong = ask(context, start, proposal, verdict, place)
        if not order:
            return dataclasses.replace(proposal, filtered=f"its factors were not ranked: {wrong}")
        program = RewardProgram.from_source(verdict.source, context.brief.fields)
        origin = f"{proposal.origin}, ranked {' > '.join(order)}"
        return dataclasses.replace(proposal, source=in_order(program, order), origin=origin)

    def _person_ranks(
        self, context: Context, start: Sequence[Message], proposal: Proposal, verdict: Verdict, place: int
    ) -> tuple[list[str], str]:
        names = verdict.components
        question = render("heron_person", instruction=context.brief.instruction.strip(), names=names)
        key = f"iteration-{context.iteration}/ranking-{place}"
        answer = workshop(context).ask_person(key, question, partial(complaint, names=names))
        return read_ranking(answer, names), ""

    def _model_ranks(
        self, context: Context, start: Sequence[Message], proposal: Proposal, verdict: Verdict, place: int
    ) -> tuple[list[str], str]:
        """Return the model's order; none, and what was wrong with it, where it named no proper one."""
        names = verdict.components
        messages = [*start, said(proposal.answer), Message(role="user", content=render("heron_rank", names=names))]
        wrong = ""
        for attempt in range(self.attempts):
            key = f"iteration-{context.iteration}/ranking-{place}-{attempt}"
            found = model(context).complete(messages, temperature=0.0, key=key)
            answer = found.answers[0].text if found.answers else ""
            wrong = complaint(answer, names) or ""
            if not wrong:
                return read_ranking(answer, names), ""
            text = f"That is no order of all factors: {wrong}. Give the last line again."
            messages = [*messages, said(answer), Message(role="user", content=text)]
        return [], wrong
