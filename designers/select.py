"""Select: which earlier candidates the next ones are made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from envreward.studies.records import Candidate, Status

Score = Literal["final", "peak"]
"""``final``: clean-room fitness of the trained policy. ``peak``: the highest fitness met during its training."""

_CLOSENESS = (Status.UNPARSED, Status.REJECTED, Status.CRASHED, Status.TIMED_OUT, Status.FAILED)


def final_score(candidate: Candidate) -> float | None:
    """Return the clean-room fitness of the final policy, or ``None`` when there is none."""
    return candidate.fitness


def peak_score(candidate: Candidate) -> float | None:
    """Return the highest fitness during training, or ``None`` when none was measured.

    It is what eureka/eureka.py of the release ranks by (``max`` of ``consecutive_successes``). A maximum over noisy
    values flatters: it is for choosing parents, never for reporting.
    """
    values = [v for v in candidate.traces.fitness if v is not None] if candidate.traces else []
    return max(values) if values else None


SCORES: dict[Score, Callable[[Candidate], float | None]] = {"final": final_score, "peak": peak_score}


def best_by(candidates: Iterable[Candidate], score: Callable[[Candidate], float | None]) -> Candidate | None:
    """Return the candidate with the highest score, the earliest at a tie; ``None`` when none has one."""
    scored = [(value, c) for c in candidates if (value := score(c)) is not None]
    return max(scored, key=lambda pair: pair[0])[1] if scored else None


def best_of_iterations(history: Sequence[Candidate], score: Callable[[Candidate], float | None]) -> list[Candidate]:
    """Return the best candidate of each iteration that has a scored one, oldest first."""
    iterations = sorted({c.iteration for c in history})
    found = (best_by([c for c in history if c.iteration == i], score) for i in iterations)
    return [c for c in found if c is not None]


def nearest_miss(candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the failed candidate that came closest to being trained, the earliest of them, or ``None``."""
    failed = [c for c in candidates if c.status in _CLOSENESS]
    return max(failed, key=lambda c: _CLOSENESS.index(c.status)) if failed else None
