"""text2reward: staged rewards from a class description, mended until they run (Xie et al. 2023, arXiv:2309.11489).

ICLR 2024. The environment is described as Python classes, the model is asked for a staged dense reward, zero-shot or
after an expert's example of another task, and the program is sent back until it runs. Where a person takes part, each
program is trained, the person says what the policy does and what should change, and the model revises it with the whole
exchange before it. Values are the paper's; where the release (github.com/xlang-ai/text2reward, commit e7f57ef of
December 2024) differs, the option says so and both are there.
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

from .abstraction import class_abstraction
from .experts import nearest_experts
from .generate import GENERATE, Question, generate, generate_each
from .mend import Mending, mend, workshop
from .prompt import opening, render
from .reflect import said, turn

MendRule = Literal["paper", "released"]
Feedback = Literal["none", "person"]


@dataclass(frozen=True, kw_only=True)
class Text2Reward:
    """The designer; its fields are its options.

    Left out of the method as published: class descriptions written by hand (they are made from the fields, see
    `abstraction`), and with them the rewriting of the classes' symbols into the environment's.
    """

    needs_llm: ClassVar[bool] = True
    default_samples: ClassVar[int] = 1
    """One program, trained on several seeds (section 3); the interactive runs draw 3, each a chain of its own (3.4)."""
    default_iterations: ClassVar[int] = 1
    """1 without a person. With one, an iteration more than there are rounds of feedback: 3 (figure 7)."""

    shots: int = 0
    """Experts' examples of other tasks that are shown, the closest by TF-IDF of the instructions. 0: zero-shot.
    Few-shot takes 1 (section 2.2; ``k_examples=1`` in few_shot_exp.py), chosen there by sentence embeddings."""
    temperature: float = 0.7
    """Sampling temperature; appendix A. The release passes none in its zero-shot code."""
    mend_rule: MendRule = "paper"
    """What is asked for again. ``paper`` (section 2.2): a program that cannot be read, breaks a rule or fails when it
    is run, with its error. ``released`` (zero_shot/generation.py): only an answer without code, with no error shown."""
    mends: int = 10
    """How often, at most; paper and release set no limit."""
    feedback: Feedback = "none"
    """``person``: from the second iteration on, a person is shown the policy of each program and says in words what it
    does and what to change (sections 2.3 and 3.4); the program is revised. ``none``: each iteration begins anew."""

    def __post_init__(self) -> None:
        for option, choices in (("mend_rule", MendRule), ("feedback", Feedback)):
            if getattr(self, option) not in get_args(choices):
                raise UnknownNameError(f"text2reward {option}", str(getattr(self, option)), get_args(choices))
        if min(self.shots, self.temperature, self.mends) < 0:
            raise ConfigError("text2reward: shots, temperature and mends cannot be negative")

    @property
    def asks_person(self) -> bool:
        """Whether a person gives feedback."""
        return self.feedback == "person"

    def ask(self, context: Context) -> list[Proposal]:
        """Return the programs of one iteration; see `Designer.ask`.

        Raises:
            LLMError: No answer came.
            BudgetExceededError: No answer came, for lack of budget.
            ConfigError: A person is to be asked and nobody is there.
        """
        start = self.messages(context)
        heads = self._heads(context)
        if not heads:
            proposals = generate(context, start, temperature=self.temperature)
            conversations: list[list[Message]] = [start] * len(proposals)
        else:
            questions = [self._revision(context, place, head) for place, head in enumerate(heads)]
            answered = generate_each(context, questions, temperature=self.temperature)
            proposals = [proposal for _, proposal in answered]
            conversations = [[*question.messages] for question, _ in answered]
        return mend(context, conversations, proposals, self._mending, temperature=self.temperature)

    def tell(self, context: Context, candidates: Sequence[Candidate]) -> None:
        """Do nothing: all that is needed is in the history."""

    def messages(self, context: Context) -> list[Message]:
        """Return the conversation's beginning: role and contract, then task, classes, stages and examples."""
        brief = context.brief
        abstraction = class_abstraction(brief.fields)
        examples = nearest_experts(brief, self.shots)
        return opening(brief, task="text2reward_task", abstraction=abstraction, examples=examples)

    def composition(self, samples: int) -> Composition:
        """Return what it does in each stage; see `Composed.composition`."""
        asks = self.asks_person
        shots = f", {self.shots} experts' examples of the closest other tasks" if self.shots else ""
        return Composition(
            prompt="role, contract of programs, task, fields as Python classes, stages of a dense reward" + shots,
            generate=GENERATE + (", then one revision of each" if asks else ""),
            mend=self._mending.words(),
            score="nothing: programs are not compared",
            feedback="a person's words on the film of the policy" if asks else "none",
            select="every program of the iteration before" if asks else "none: each iteration begins anew",
            memory="each program's whole exchange" if asks else "nothing",
            person="what each policy does, and what to change" if asks else "nobody",
            calls=Calls(samples, samples * (1 + self.mends)),
        )

    @property
    def _mending(self) -> Mending:
        released = self.mend_rule == "released"
        return Mending(rounds=self.mends, check="parse" if released else "run", blind=released)

    def _heads(self, context: Context) -> list[Candidate]:
        """Return the programs to be revised: with a person, those of the latest iteration that has any."""
        if self.feedback == "none" or not context.history:
            return []
        last = max(c.iteration for c in context.history)
        return context.of_iteration(last)[: context.samples]

    def _revision(self, context: Context, place: int, head: Candidate) -> Question:
        """Return the question that revises a program: its chain from the first program on, each with what was said."""
        turns = [message for c in self._chain(context, head) for message in self._turn(context, c)]
        return Question(
            messages=[*self.messages(context), *turns],
            stage=f"chain-{place}",
            parents=(head.id,),
            origin=f"revision of {head.id}",
        )

    def _chain(self, context: Context, head: Candidate) -> list[Candidate]:
        """Return a program with those it was revised from, the first one first."""
        known = {c.id: c for c in context.history}
        chain = [head]
        while chain[0].parents:
            chain.insert(0, known[chain[0].parents[0]])
        return chain

    def _turn(self, context: Context, candidate: Candidate) -> list[Message]:
        """Return the two messages that show a program: its answer, and what the person or the error says of it."""
        if not candidate.evaluations:
            return turn(candidate, context.brief)
        film = workshop(context).film(candidate)
        curve = _curve(candidate)
        key = f"iteration-{candidate.iteration}/feedback-{candidate.id}"
        about = f"Task: {context.brief.instruction}\nFilm of the policy trained with {candidate.id}: {film}\n" + (
            f"Success rate over the training: {curve}\n" if curve else ""
        )
        ask = workshop(context).ask_person
        seen = ask(f"{key}/seen", f"{about}What does it do?", _not_empty)
        wanted = ask(f"{key}/wanted", f"What should the reward of {candidate.id} change?", _not_empty)
        text = render("text2reward_feedback", seen=seen, wanted=wanted, curve=curve)
        return [said(candidate.answer), Message(role="user", content=text)]


def _curve(candidate: Candidate) -> str:
    """Return the success rate at the times of the training at which it is known; empty where it never is."""
    success = candidate.traces.success if candidate.traces else ()
    return ", ".join(f"{value:.0%}" for value in success if value is not None)


def _not_empty(answer: str) -> str | None:
    return None if answer.strip() else "say it in a few words"
