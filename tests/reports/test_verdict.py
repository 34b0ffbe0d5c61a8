"""The verdict claims what the numbers carry, no more."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from envreward.reports.data import Arm, ReportData
from envreward.reports.verdict import judge, percent
from envreward.studies.records import Evaluation, Status

Change = Callable[..., ReportData]


def arms(**scores: list[float]) -> tuple[Arm, ...]:
    """Return arms whose runs have these scores."""
    return tuple(
        Arm(
            name=name,  # type: ignore[arg-type]
            evaluations=tuple(
                Evaluation(member=f"{name}-{i}", seed=i, episodes=20, success=0.5, fitness=s, episode_length=100.0)
                for i, s in enumerate(runs)
            ),
        )
        for name, runs in scores.items()
    )


@pytest.mark.parametrize(
    ("winner", "expert", "outcome", "words"),
    [
        ([10, 11, 12, 13, 14], [1, 2, 3, 4, 5], "better", "beats the expert reward"),
        ([1, 2, 3, 4, 5], [10, 11, 12, 13, 14], "worse", "falls short of the expert reward"),
        ([1, 5, 9, 4, 6], [2, 4, 8, 6, 5], "unclear", "No clear difference"),
        ([10, 11, 12], [1, 2, 3], "better", "beats the expert reward"),
        ([0.1, 37, 51], [-6, 1, 9], "unclear", "No clear difference"),  # the bootstrap alone says 2 to 50
        ([10, 11], [1, 2], "unconfirmed", "Too few seeds"),
        ([10], [1, 2, 3], "unconfirmed", "Too few seeds"),
    ],
)
def test_a_difference_is_claimed_only_where_it_is_clear(
    change: Change, winner: list[float], expert: list[float], outcome: str, words: str
) -> None:
    """Better and worse need an interval of the difference without zero, and a permutation test that agrees."""
    verdict = judge(change(arms=arms(winner=winner, expert=expert, sparse=[0.0, 0.1, 0.2])))
    assert verdict.outcome == outcome and words in verdict.headline


def test_the_evidence_is_in_the_words_and_the_table(report_data: ReportData) -> None:
    """Mean, interval, seeds, success, both comparisons; HNS is Eureka's: (2797 - 297) / |2277 - 297| = 1.26."""
    verdict = judge(report_data)
    text = " ".join(verdict.sentences)
    assert "5 fresh seeds" in text and "2797" in text and "95% interval" in text and "93%" in text
    assert "expert reward under the same budget reaches 2277: a difference of +520" in text
    winner, expert, sparse = verdict.rows
    assert winner.mean == pytest.approx(2797.16) and winner.iqm == pytest.approx((2710.0 + 2822.1 + 2904.5) / 3)
    assert winner.normalised == pytest.approx((2797.16 - 297.16) / (2277.16 - 297.16))
    assert (expert.normalised, sparse.normalised) == (1.0, 0.0)
    assert winner.chance is None and expert.chance == 1.0


def test_without_an_expert_the_sparse_reward_is_the_measure(change: Change) -> None:
    """No published reward: said so, no human-normalised score, and the comparison is with sparse."""
    data = change(
        arms=(
            *arms(winner=[5, 6, 7], sparse=[1, 2, 3]),
            Arm(name="expert", absent="no human-written reward is published"),
        )
    )
    verdict = judge(data)
    assert "beats the sparse reward" in verdict.headline
    assert any(
        "Not compared with the expert reward: no human-written reward is published." in s for s in verdict.sentences
    )
    assert all(row.normalised is None for row in verdict.rows)


def test_a_winner_without_fresh_seeds_is_not_confirmed(change: Change) -> None:
    """A score from the search alone is called what it is."""
    verdict = judge(change(arms=(), state="interrupted", stop_reason="the power went"))
    assert verdict.outcome == "unconfirmed" and "not yet confirmed" in verdict.headline
    assert "flatters" in verdict.sentences[0] and "the power went" in verdict.sentences[-1]
    assert all(row.mean is None for row in verdict.rows)


def test_no_winner_says_how_the_candidates_ended(change: Change, report_data: ReportData) -> None:
    """When nothing could be trained, the counts by status are the news."""
    lost = [dataclasses.replace(c, status=Status.REJECTED, evaluations=()) for c in report_data.candidates[:3]]
    lost += [dataclasses.replace(report_data.candidates[3], status=Status.TIMED_OUT, evaluations=())]
    verdict = judge(change(candidates=tuple(lost), winner_id=None, arms=()))
    assert verdict.outcome == "none"
    assert verdict.sentences[0] == "None of 4 candidates was evaluated: 3 rejected, 1 timed out."
    assert judge(change(candidates=(), winner_id=None, arms=())).headline == "No reward yet"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "running"}, "still running"),
        ({"state": "interrupted"}, "interrupted"),
        ({"state": "finished", "stop_reason": "limit on tokens used up"}, "ended early: limit on tokens used up"),
    ],
)
def test_an_unfinished_study_is_called_unfinished(change: Change, changes: dict[str, Any], words: str) -> None:
    """Numbers of a study that has not run to its end never stand there as final."""
    assert words in judge(change(**changes)).sentences[-1]


def test_percentages_do_not_round_up_to_certainty() -> None:
    """100% means all, 0% means none."""
    assert [percent(p) for p in (0.0, 0.004, 0.5, 0.996, 1.0, None)] == [
        "0%",
        "<1%",
        "50%",
        ">99%",
        "100%",
        "not measured",
    ]
