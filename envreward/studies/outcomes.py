"""What verification, training and evaluation make of candidates: pure functions from results to the record's rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from envreward.rewards.verify import Verdict
from envreward.training.config import Member, MemberResult, MetricRow, TrainingJob

from .config import StudyConfig
from .jobs import make_job
from .records import Candidate, Evaluation, Outcome, Status, Traces, TrainedMember, Verified
from .traces import traces_of

# The status of a candidate whose seeds ended differently is the first of these that one of them has.
_GRAVEST_FIRST = (Status.CRASHED, Status.TIMED_OUT, Status.FAILED, Status.PRUNED)


def verdicts(candidates: Sequence[Candidate], found: Mapping[str, Verdict]) -> tuple[list[Verified], list[Outcome]]:
    """Return the programs that passed the verification, and the ends of those that did not."""
    passed, refused = [], []
    for candidate in candidates:
        verdict = found[candidate.id]
        if verdict.status == "ok" and verdict.source is not None:
            passed.append(
                Verified(
                    candidate=candidate.id,
                    source=verdict.source,
                    time_per_call_s=verdict.time_per_call_s,
                    components=tuple(verdict.components),
                )
            )
        else:
            refused.append(Outcome(candidate=candidate.id, status=Status(verdict.status), reason=verdict.reason))
    return passed, refused


def search_job(config: StudyConfig, candidates: Sequence[Candidate]) -> TrainingJob:
    """Return the job that trains each candidate on each of the search's seeds."""
    members = tuple(
        Member(key=f"{c.id}-s{i}", group=c.id, reward=f"rewards/{c.id}.py", seed=seed, learning=c.learning)
        for c in candidates
        for i, seed in enumerate(config.search_seeds())
    )
    return make_job(config, members, racing=True)


def search_members(
    training: str, job: TrainingJob, results: Mapping[str, MemberResult], rows: Sequence[MetricRow]
) -> list[TrainedMember]:
    """Return how each policy of a search's training ended; one without a result was stopped because time was over."""
    reached = {row.key: row.step for row in rows}
    members = []
    for member in job.members:
        result = results.get(member.key) or MemberResult(
            key=member.key,
            status="pruned",
            reason="stopped in training: the study's limit on wall-clock seconds was reached",
            steps=reached.get(member.key, 0),
        )
        members.append(
            TrainedMember(
                key=member.key,
                role="search",
                candidate=member.group,
                training=training,
                seed=member.seed,
                status=result.status,
                reason=result.reason,
                steps=result.steps,
                wall_s=result.wall_s,
            )
        )
    return members


def training_failures(members: Sequence[TrainedMember], rows: Sequence[MetricRow]) -> list[Outcome]:
    """Return the ends of the candidates of which a seed was not trained to its end, with the traces up to there."""
    ends = []
    for candidate, own in _by_candidate(members).items():
        statuses = [Status(member.status) for member in own]
        if (status := next((s for s in _GRAVEST_FIRST if s in statuses), None)) is not None:
            reason = next(member.reason for member in own if member.status == status)
            ends.append(_end(candidate, status, own, rows, reason))
    return ends


def evaluated(
    candidates: Sequence[Candidate],
    members: Sequence[TrainedMember],
    scores: Mapping[str, Evaluation],
    rows: Sequence[MetricRow],
) -> tuple[list[Evaluation], list[Outcome]]:
    """Return the scores of the members, each with its training seed, and the ends of their candidates."""
    own = _by_candidate(members)
    ends = [_end(c.id, Status.EVALUATED, own[c.id], rows) for c in candidates]
    return [replace(scores[member.key], seed=member.seed) for member in members], ends


def left_out(candidate: Candidate, limit: str | None) -> Outcome:
    """Return the end of a candidate for which the budget has no room."""
    return Outcome(candidate=candidate.id, status=Status.FILTERED, reason=f"not trained: {limit}")


def not_evaluated(candidate: Candidate) -> Outcome:
    """Return the end of a trained candidate that the study has no time to evaluate."""
    return Outcome(
        candidate=candidate.id, status=Status.TRAINED, reason="not evaluated: limit on wall-clock seconds reached"
    )


def _by_candidate(members: Sequence[TrainedMember]) -> dict[str, list[TrainedMember]]:
    groups: dict[str, list[TrainedMember]] = {}
    for member in members:
        groups.setdefault(member.candidate or "", []).append(member)
    return groups


def _end(
    candidate: str, status: Status, members: Sequence[TrainedMember], rows: Sequence[MetricRow], reason: str = ""
) -> Outcome:
    keys = {member.key for member in members}
    traces: Traces = traces_of([row for row in rows if row.key in keys])
    return Outcome(
        candidate=candidate,
        status=status,
        reason=reason,
        traces=traces if traces.steps else None,
        wall_s=max(member.wall_s for member in members),
    )
