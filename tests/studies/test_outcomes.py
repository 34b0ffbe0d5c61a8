"""From results to the ends of candidates: each ends in one status, its gravest seed's, with that seed's reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from envreward.rewards.verify import Verdict
from envreward.studies import Candidate, Status, StudyConfig
from envreward.studies.outcomes import search_job, search_members, training_failures, verdicts
from envreward.training.config import MemberResult, MetricRow


def _candidate(name: str) -> Candidate:
    return Candidate(id=name, iteration=0, index=0, answer="", source="s")


def _row(key: str, step: int) -> MetricRow:
    base: dict[str, Any] = dict.fromkeys(MetricRow.__dataclass_fields__, 0.0)
    return MetricRow(**base | {"key": key, "step": step, "components": {}})


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (("trained", "trained"), None),
        (("trained", "pruned"), Status.PRUNED),
        (("pruned", "failed"), Status.FAILED),
        (("failed", "timed_out"), Status.TIMED_OUT),
        (("crashed", "timed_out"), Status.CRASHED),
    ],
)
def test_the_gravest_seed_decides(
    make_config: Callable[..., StudyConfig], statuses: tuple[str, str], expected: Status | None
) -> None:
    """A reward that fails on one seed has failed; only one trained on all seeds goes on to be scored."""
    job = search_job(make_config(seeds=2), [_candidate("c004")])
    assert [(m.key, m.group, m.seed, m.reward) for m in job.members] == [
        ("c004-s0", "c004", 0, "rewards/c004.py"),
        ("c004-s1", "c004", 1, "rewards/c004.py"),
    ]
    results = {
        f"c004-s{i}": MemberResult(key=f"c004-s{i}", status=status, reason=f"why {status}", steps=10, wall_s=i)  # type: ignore[arg-type]
        for i, status in enumerate(statuses)
    }
    members = search_members("i000", job, results, [])
    ends = training_failures(members, [_row("c004-s0", 10)])
    if expected is None:
        assert ends == []
    else:
        (end,) = ends
        assert (end.candidate, end.status, end.reason, end.wall_s) == ("c004", expected, f"why {expected}", 1)
        assert end.traces is not None and end.traces.steps == (10,)


def test_a_policy_without_a_result_was_stopped_by_the_clock(make_config: Callable[..., StudyConfig]) -> None:
    """A training cut by the time limit records the steps taken so far and says what cut it."""
    job = search_job(make_config(), [_candidate("c000")])
    (member,) = search_members("i000", job, {}, [_row("c000-s0", 512), _row("c000-s0", 1024)])
    assert (member.status, member.steps) == ("pruned", 1024)
    assert "wall-clock" in member.reason


def test_verdicts_keep_status_reason_and_program() -> None:
    """A verdict becomes either a verified program or the candidate's end, word for word."""
    found = {
        "a": Verdict(status="ok", source="src", components=("x",), time_per_call_s=0.1),
        "b": Verdict(status="timed_out", reason="line 3: slow. Fix: be quick.", source="src"),
    }
    passed, refused = verdicts([_candidate("a"), _candidate("b")], found)
    assert [(v.candidate, v.source, v.components, v.time_per_call_s) for v in passed] == [("a", "src", ("x",), 0.1)]
    assert [(o.candidate, o.status, o.reason) for o in refused] == [
        ("b", Status.TIMED_OUT, "line 3: slow. Fix: be quick.")
    ]
