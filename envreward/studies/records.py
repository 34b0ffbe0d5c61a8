"""What a study remembers of each candidate, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Status(StrEnum):
    """How far a candidate came. Each ends in exactly one of these."""

    PROPOSED = "proposed"
    """Recorded, not yet looked at; never a final status."""
    UNPARSED = "unparsed"
    """No program could be read from the answer."""
    REJECTED = "rejected"
    """It breaks a rule of reward programs."""
    FAILED = "failed"
    """It raised, or gave something unusable, in the dry run or in training."""
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    """Its process died."""
    FILTERED = "filtered"
    """The designer sorted it out before training."""
    PRUNED = "pruned"
    """Racing retired it."""
    TRAINED = "trained"
    """Trained, not evaluated (the study stopped in between)."""
    EVALUATED = "evaluated"


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What a designer asks the study to try."""

    answer: str
    """The text it came from: a language model's answer, or the program itself."""
    source: str | None = None
    """The program, where the designer has it already; else it is parsed from ``answer``."""
    parents: tuple[str, ...] = ()
    """Ids of the candidates it was made from."""
    origin: str = ""
    """How it was made, a few words: ``sample 3``, ``mutation: scale of reach``, ..."""


@dataclass(frozen=True, kw_only=True)
class Traces:
    """Curves over one candidate's training, averaged over its seeds, at evenly spaced checkpoints."""

    steps: tuple[int, ...] = ()
    components: dict[str, tuple[float | None, ...]] = field(default_factory=dict)
    success: tuple[float | None, ...] = ()
    fitness: tuple[float | None, ...] = ()
    episode_return: tuple[float | None, ...] = ()
    episode_length: tuple[float | None, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Clean-room scores of one trained policy."""

    member: str
    seed: int
    episodes: int
    success: float
    """Share of episodes with success at some step."""
    fitness: float
    """Mean over episodes."""
    episode_length: float
    episode_fitness: tuple[float, ...] = ()
    episode_success: tuple[bool, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One reward program of a study and all that became of it."""

    id: str
    """``c000``, ``c001``, ... in order of proposal."""
    iteration: int
    index: int
    """Place among the iteration's proposals."""
    answer: str
    source: str | None
    parents: tuple[str, ...] = ()
    origin: str = ""
    status: Status = Status.PROPOSED
    reason: str = ""
    """Why it did not become ``evaluated``: line, reason and fix as the designer may show it to its model."""
    traces: Traces | None = None
    evaluations: tuple[Evaluation, ...] = ()
    wall_s: float | None = None

    @property
    def fitness(self) -> float | None:
        """Mean fitness over the evaluated seeds, or ``None`` when it was not evaluated."""
        return _mean([e.fitness for e in self.evaluations])

    @property
    def success(self) -> float | None:
        """Mean success rate over the evaluated seeds, or ``None`` when it was not evaluated."""
        return _mean([e.success for e in self.evaluations])


def best(candidates: list[Candidate]) -> Candidate | None:
    """Return the evaluated candidate of highest fitness, the earlier one at a tie, or ``None``."""
    scored = [(c.fitness, c) for c in candidates if c.fitness is not None]
    return max(scored, key=lambda pair: pair[0])[1] if scored else None


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


