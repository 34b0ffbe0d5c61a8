"""What a study remembers of each candidate, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from envreward.evaluation import Evaluation as Evaluation  # part of the record
from envreward.training.config import MemberStatus


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
    """Sorted out before training: by the designer, or because a limit of the study left no room for it."""
    PRUNED = "pruned"
    """Retired during training: by racing, or because the study's time was over."""
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
    learning: str = ""
    """How a reward is learned from the program's components while a policy trains: ``lare``, ``heron``, with settings
    as in ``heron:pairs=steps`` (see `envreward.training.learned`). Empty: its total is the reward."""
    filtered: str = ""
    """Why it is not to be trained, where the designer has sorted it out itself; it is recorded all the same, and does
    not count among the proposals asked for."""


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
    learning: str = ""
    """How its reward is learned from the program's components; empty for a program whose total is the reward."""
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


Role = Literal["search", "winner", "expert", "sparse"]
"""What a policy was trained for: to rank a candidate, or as one of the three arms of the final comparison."""


@dataclass(frozen=True, kw_only=True)
class TrainedMember:
    """One policy that a study trained, or took from the baselines kept by earlier studies."""

    key: str
    """Unique in the study: ``c007-s0`` in the search; ``c007-r0``, ``expert-r0``, ``sparse-r0`` in the comparison."""
    role: Role
    candidate: str | None
    """Id of the candidate whose reward it was trained with; ``None`` for a baseline."""
    training: str
    """The training it belongs to, whose folder is ``trainings/<training>`` in the run folder."""
    seed: int
    status: MemberStatus
    reason: str = ""
    steps: int = 0
    """Environment steps it took."""
    wall_s: float = 0.0
    reused: bool = False
    """Kept by an earlier study under the same settings; it cost this one nothing."""
    evaluation: Evaluation | None = None
    """Its clean-room scores; their ``seed`` is the one that the policy was trained with."""


@dataclass(frozen=True, kw_only=True)
class Verified:
    """A program that passed the verification."""

    candidate: str
    source: str
    time_per_call_s: float | None
    components: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The one final status of a candidate."""

    candidate: str
    status: Status
    reason: str = ""
    traces: Traces | None = None
    wall_s: float | None = None


def best(candidates: list[Candidate]) -> Candidate | None:
    """Return the evaluated candidate of highest fitness, the earlier one at a tie, or ``None``.

    It is a study's winner by fitness also where the designer ranks by something else, as ``era`` does by success.
    """
    scored = [(c.fitness, c) for c in candidates if c.fitness is not None]
    return max(scored, key=lambda pair: pair[0])[1] if scored else None


def wanted(proposals: Sequence[Proposal], samples: int) -> list[Proposal]:
    """Return the first ``samples`` proposals, and every one that its designer has filtered, in their order."""
    kept, open_places = [], samples
    for proposal in proposals:
        if proposal.filtered or open_places:
            kept.append(proposal)
            open_places -= not proposal.filtered
    return kept


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
