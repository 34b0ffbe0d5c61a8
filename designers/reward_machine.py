"""reward_machine: a model writes the task as a reward machine and refines it (Toro Icarte et al. 2022, JAIR 73).

Reward machines are finite automata that say which reward counts when (Toro Icarte, Klassen, Valenzano & McIlraith, ICML
2018; the same, JAIR 73, 2022, arXiv:2010.03950). People wrote them there; ARM-FM (Castanyer et al. 2025,
arXiv:2510.14176) has models write them from a task's words. Here a model names facts about the task's fields, puts them
in an order and says what each transition pays; it can compute nothing, and whoever reads the machine sees what is paid
for. The conversation is eureka's (with ``parent_rule=best_so_far``), so that the two differ in their language of
rewards.

A machine is written out as a reward program with memory before anything is done with it, and takes the same way through
verification, training and comparison as every other (`envreward machine` does so with one that a person wrote).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from envreward.errors import ConfigError
from envreward.fields import Field
from envreward.llm import Message
from envreward.rewards.machines import extract_machine, machine_program, parse_machine
from envreward.studies.composition import Calls, Composition
from envreward.studies.designer import Context
from envreward.studies.records import Candidate, Proposal

from .generate import GENERATE, generate
from .mend import Mending, mend
from .prompt import opening
from .reflect import CHECKPOINTS, FEEDBACK, turn
from .select import best_by, final_score, nearest_miss

_WORDS = "machine_"
"""What the names of the templates begin with that speak of machines."""


@dataclass(frozen=True, kw_only=True)
class RewardMachineDesigner:
    """The designer; its fields are its options.

    Left out of the methods as published: policies that are told the machine's state, or one policy per state (the
    trained policy sees the environment alone, as with every reward program), counterfactual experiences, reward shaping
    from the machine (programs do not hear where an episode terminates), and of ARM-FM the facts written as code and the
    embeddings of states.
    """

    needs_llm: ClassVar[bool] = True
    default_samples: ClassVar[int] = 16
    """As eureka has, which it is to be compared with."""
    default_iterations: ClassVar[int] = 5
    """As eureka has."""

    temperature: float = 1.0
    """Sampling temperature, as eureka has."""
    mends: int = 3
    """How often a machine that cannot be read, or fails when it is run, is sent back; ours."""
    checkpoints: int = CHECKPOINTS
    """Times in training at which the reflection shows what each transition paid, as eureka has."""

    def __post_init__(self) -> None:
        if self.temperature < 0 or self.mends < 0 or self.checkpoints < 1:
            wrong = "temperature and mends cannot be negative, checkpoints must be at least 1"
            raise ConfigError(f"reward_machine: {wrong}")

    def ask(self, context: Context) -> list[Proposal]:
        """Return the machines of one iteration as programs; see `Designer.ask`. Unreadable ones come with their error.

        Raises:
            LLMError: No answer came.
            BudgetExceededError: No answer came, for lack of budget.
            SandboxError: The sandbox broke.
        """
        parent = self.parent(context)
        messages = self.messages(context, parent)
        parents = (parent.id,) if parent is not None else ()
        drafts = generate(context, messages, temperature=self.temperature, parents=parents)
        program = partial(_program, fields=context.brief.fields)
        mending = Mending(rounds=self.mends, program=program, feedback=_WORDS)
        return mend(context, [messages] * len(drafts), drafts, mending, temperature=self.temperature)

    def tell(self, context: Context, candidates: Sequence[Candidate]) -> None:
        """Do nothing: all that is needed is in the history."""

    def parent(self, context: Context) -> Candidate | None:
        """Return the candidate to be refined: the best so far, else the one that came closest to working."""
        return best_by(context.history, final_score) or nearest_miss(context.history)

    def messages(self, context: Context, parent: Candidate | None) -> list[Message]:
        """Return the conversation: form of machines and task, then the parent's machine and what became of it."""
        start = opening(context.brief, system="machine_system", task="machine_task")
        shown = [] if parent is None else turn(parent, context.brief, checkpoints=self.checkpoints, words=_WORDS)
        return [*start, *shown]

    def composition(self, samples: int) -> Composition:
        """Return what it does in each stage; see `Composed.composition`."""
        return Composition(
            prompt="role, form of reward machines, task, fields as a list, how to cut a task into stages",
            generate=f"{GENERATE}; each a reward machine, written out as a program",
            mend=Mending(rounds=self.mends).words(),
            feedback=FEEDBACK.format(self.checkpoints) + "; a component is what one transition pays",
            select="best candidate of all iterations",
            memory="nothing but the parent",
            calls=Calls(samples, samples * (1 + self.mends)),
        )


def _program(answer: str, fields: Mapping[str, Field]) -> str:
    """Return the program of the machine in an answer.

    Raises:
        RewardError: It cannot be read.
    """
    return machine_program(parse_machine(extract_machine(answer), fields), fields)
