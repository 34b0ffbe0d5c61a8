"""Digests: what a study found, short enough to share and exact enough to tell whether a replay found the same.

Times, costs and paths are left out, as they differ between runs that find the same. Numbers go into a digest with nine
digits: curves are means over seeds, whose order is that in which their processes happened to write.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from envreward.training.config import MetricRow

from .folder import RunFolder
from .records import Candidate, TrainedMember
from .traces import traces_of

_DIGITS = 16


class Ended(NamedTuple):
    """How a candidate ended. What is ``None`` is not known, as in files of earlier versions."""

    status: str
    fitness: float | None
    success: float | None = None
    program: str | None = None
    """Digest of its source, and of how a reward is learned from it."""
    course: str | None = None
    """Digest of its curves in training and of what its policies did in each episode."""


class Scored(NamedTuple):
    """What a policy of the final comparison did. What is ``None`` is not known, as in files of earlier versions."""

    fitness: float | None
    success: float | None = None
    course: str | None = None
    """Digest of its curves in training and of each of its episodes."""


class Found(NamedTuple):
    """A verdict that judging the winner came to."""

    headline: str
    evidence: str
    """Digest of all that it is based on."""


def ended(candidate: Candidate) -> Ended:
    """Return how a candidate ended."""
    known = candidate.traces is not None or candidate.evaluations
    traces = dataclasses.asdict(candidate.traces) if candidate.traces is not None else None
    episodes = [dataclasses.asdict(evaluation) for evaluation in candidate.evaluations]
    return Ended(
        status=candidate.status.value,
        fitness=candidate.fitness,
        success=candidate.success,
        program=None if candidate.source is None else digest([candidate.source, candidate.learning]),
        course=digest([traces, episodes]) if known else None,
    )


def scored(member: TrainedMember, rows: Sequence[MetricRow]) -> Scored:
    """Return what a policy did, of whose training these are the rows."""
    evaluation = member.evaluation
    if evaluation is None:
        return Scored(fitness=None)
    curves = dataclasses.asdict(traces_of(rows)) if rows else None
    return Scored(
        fitness=evaluation.fitness,
        success=evaluation.success,
        course=digest([curves, dataclasses.asdict(evaluation)]),
    )


def judgement(folder: RunFolder, winner: Candidate) -> dict[str, Found]:
    """Return what judging the winner on episodes came to, by what each verdict is about; nothing where it was not."""
    try:
        raw = json.loads(folder.judgement.read_text(encoding="utf-8"))
        if raw["candidate"] != winner.id:
            return {}
        return {
            verdict["about"]: Found(verdict["headline"], digest([raw["policies"], verdict]))
            for verdict in (raw["own"], *raw["others"])
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def digest(content: Any) -> str:
    """Return a digest (hex) of what can be written as JSON."""
    return hashlib.sha256(json.dumps(_rounded(content), sort_keys=True).encode()).hexdigest()[:_DIGITS]


def _rounded(content: Any) -> Any:
    if isinstance(content, float):
        return f"{content:.9g}"
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    return [_rounded(value) for value in content] if isinstance(content, (list, tuple)) else content
