"""ReportData: all that a report shows, as plain data. Whatever was not measured is ``None`` or empty, and said so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from envreward.studies.budget import Spent
from envreward.studies.config import StudyConfig
from envreward.studies.records import Candidate, Evaluation, Status, Traces

if TYPE_CHECKING:
    from .judged import Judged

ArmName: TypeAlias = Literal["winner", "expert", "sparse"]
ARMS: tuple[ArmName, ...] = ("winner", "expert", "sparse")
StudyState: TypeAlias = Literal["finished", "running", "interrupted"]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One reward trained from scratch on fresh seeds, all arms under the same budget."""

    name: ArmName
    evaluations: tuple[Evaluation, ...] = ()
    """Clean-room scores, one per seed."""
    curves: tuple[Traces, ...] = ()
    """Learning curves, one per seed."""
    broken: int = 0
    """Episodes of all these trainings that ended because the physics broke."""
    absent: str = ""
    """Why there are no evaluations, e.g. ``no human reward is published for this task``."""

    @property
    def fitness(self) -> list[float]:
        """Fitness of each seed's policy, a mean over its episodes."""
        return [e.fitness for e in self.evaluations]

    @property
    def success(self) -> list[float]:
        """Success rate of each seed's policy."""
        return [e.success for e in self.evaluations]


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """One study as the report shows it."""

    name: str
    """The run folder's name."""
    config: StudyConfig
    state: StudyState = "finished"
    stop_reason: str = ""
    """Why it is not ``finished``, or ended before its last iteration."""
    started: str = ""
    """When, for people: ``2026-11-20 11:02 UTC``."""
    fitness_doc: str = ""
    """What fitness measures, and its unit."""
    expert_doc: str = ""
    """Where the expert reward comes from."""
    candidates: tuple[Candidate, ...] = ()
    winner_id: str | None = None
    arms: tuple[Arm, ...] = ()
    spent: Spent | None = None
    phases_s: Mapping[str, float] = field(default_factory=dict)
    """Wall-clock seconds by phase of the study."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of what the study ran with, by name."""
    commands: Mapping[str, str] = field(default_factory=dict)
    """Command lines by what they are for: ``go on with it``, ``run it again offline``, ..."""
    video_mp4: bytes | None = None
    """H.264 in an MP4 container."""
    video_note: str = ""
    """What the video shows, or why there is none."""
    call_s: float | None = None
    """Seconds per call of the winner's program on 1,024 states, from its verification."""
    judged: Judged | None = None
    """What judging the winner on episodes came to."""
    judged_note: str = ""
    """Why it was not judged on episodes."""
    notes: tuple[str, ...] = ()
    """More of what a reader must know before trusting the numbers."""

    @property
    def winner(self) -> Candidate | None:
        """The candidate chosen by the search, if any."""
        return self.candidate(self.winner_id) if self.winner_id is not None else None

    def candidate(self, candidate_id: str) -> Candidate | None:
        """Return the candidate of that id, or ``None``."""
        return next((c for c in self.candidates if c.id == candidate_id), None)

    def arm(self, name: ArmName) -> Arm:
        """Return the arm called ``name``; an empty one where the study holds none."""
        found = next((a for a in self.arms if a.name == name), None)
        return found or Arm(name=name, absent="not run")

    def status_counts(self) -> dict[Status, int]:
        """Return how many candidates ended in each status that occurs, in the order of `Status`."""
        counts = {status: sum(c.status is status for c in self.candidates) for status in Status}
        return {status: n for status, n in counts.items() if n}
