"""Designer: the protocol through which every reward-design method speaks to the loop.

A designer holds no state that the study's record does not hold: `Designer.ask` is a function of the
brief, the history, the language model and a seed. That is why a killed study resumes by asking again: the
model's finished answers come from the record, so the same proposals come out.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from envreward.fields import Field
from envreward.llm import LLM
from envreward.training.config import CheckpointRule

from .records import Candidate, Proposal
from .workshop import Workshop


@dataclass(frozen=True, kw_only=True)
class Brief:
    """All that a designer is told of the task: nothing private, no source code."""

    env_id: str
    instruction: str
    fields: Mapping[str, Field]
    """Public fields by name, ``action`` included."""
    horizon: int
    """Steps of a full episode."""
    fitness_doc: str
    """What the ranking score measures, in words."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What `Designer.ask` works from."""

    brief: Brief
    iteration: int
    """0-based; the proposals asked for belong to it."""
    samples: int
    """How many proposals are wanted."""
    history: Sequence[Candidate]
    """All candidates of earlier iterations in order of proposal, each in its final status."""
    llm: LLM | None
    """``None`` for designers that need none."""
    rng: random.Random
    """Seeded from the study's seed and the iteration."""
    workshop: Workshop | None = None
    """What can be done beside the loop: rollouts of earlier policies, re-scoring, films, questions to a person. A study
    always has one."""

    def of_iteration(self, iteration: int) -> list[Candidate]:
        """Return the candidates of one iteration, in order."""
        return [c for c in self.history if c.iteration == iteration]


class Designer(Protocol):
    """One reward-design method; its class takes the method's options as keyword arguments.

    A class may say more, which no study needs: ``default_checkpoint`` (see `default_checkpoint`), and what it is made
    of, stage by stage (see `envreward.studies.composition`).
    """

    needs_llm: bool
    default_samples: int
    """Proposals per iteration unless the user says otherwise."""
    default_iterations: int

    @property
    def asks_person(self) -> bool:
        """Whether it asks a person with the options it has; the progress display then leaves the terminal alone."""
        return False

    def ask(self, context: Context) -> list[Proposal]:
        """Return the proposals of one iteration; fewer than ``context.samples`` is allowed."""
        ...

    def tell(self, context: Context, candidates: Sequence[Candidate]) -> None:
        """Hear how the proposals of ``context.iteration`` ended. Most designers read the history instead."""
        ...


def default_checkpoint(designer: Designer | type[Designer]) -> CheckpointRule:
    """Return which policy of a training a designer wants scored unless the user says otherwise.

    The last one, but where its class has a ``default_checkpoint``; see `envreward.training.peaks`.
    """
    checkpoint: CheckpointRule = getattr(designer, "default_checkpoint", "final")
    return checkpoint
