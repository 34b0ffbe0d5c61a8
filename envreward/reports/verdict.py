"""Verdict: what the study shows, in words that claim no more than its numbers.

A reward counts as better than another only where two things hold: the 95% bootstrap interval of the difference of
their mean fitness leaves out zero, and an exact permutation test finds so large a difference in at most 5% of the
ways to deal the runs to the two. The second is needed because a bootstrap from a handful of runs is too sure of
itself; three runs on either side pass it only when they do not overlap.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Literal, TypeAlias

from envreward.studies.records import Status

from .charts import short
from .data import ARMS, Arm, ArmName, ReportData
from .statistics import Interval, bootstrap_interval, difference_interval, human_normalised_score, iqm, permutation_p
from .statistics import probability_of_improvement as chance_to_beat

Outcome: TypeAlias = Literal["better", "worse", "unclear", "unconfirmed", "none"]
NAMES: dict[ArmName, str] = {"winner": "designed reward", "expert": "expert reward", "sparse": "sparse reward"}

ALPHA = 0.05


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table under the verdict."""

    arm: Arm
    mean: float | None = None
    iqm: float | None = None
    interval: Interval | None = None
    success: float | None = None
    normalised: float | None = None
    """Eureka's human-normalised score of the arm's mean."""
    chance: float | None = None
    """Probability that a run with the designed reward beats a run with this one."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The report's first words and the numbers behind them."""

    outcome: Outcome
    headline: str
    sentences: tuple[str, ...]
    """The evidence, one fact each."""
    rows: tuple[Row, ...]


def judge(data: ReportData) -> Verdict:
    """Return what ``data`` lets one say about its winner."""
    rows = _rows(data)
    outcome, headline, sentences = _words(data)
    return Verdict(outcome=outcome, headline=headline, sentences=(*sentences, *_state_words(data)), rows=rows)


def _rows(data: ReportData) -> tuple[Row, ...]:
    arms = [data.arm(name) for name in ARMS]
    means = {a.name: statistics.fmean(a.fitness) if a.evaluations else None for a in arms}
    rows = []
    for arm in arms:
        if not arm.evaluations:
            rows.append(Row(arm=arm))
            continue
        rows.append(
            Row(
                arm=arm,
                mean=means[arm.name],
                iqm=float(iqm(arm.fitness)),
                interval=bootstrap_interval(arm.fitness),
                success=statistics.fmean(arm.success),
                normalised=human_normalised_score(means[arm.name], means["sparse"], means["expert"]),
                chance=None if arm.name == "winner" else chance_to_beat(data.arm("winner").fitness, arm.fitness),
            )
        )
    return tuple(rows)


def _words(data: ReportData) -> tuple[Outcome, str, list[str]]:
    winner = data.winner
    if winner is None:
        return _no_winner(data)
    arm = data.arm("winner")
    if not arm.evaluations:
        lead = f"{winner.id} leads the search"
        known = f" with a fitness of {short(winner.fitness)}" if winner.fitness is not None else ""
        return (
            "unconfirmed",
            f"{lead}, not yet confirmed",
            [
                f"{lead}{known} on the seeds it was selected with. Such a score flatters: the best of "
                f"{len(data.candidates)} is partly luck. Training it on fresh seeds: {arm.absent or 'not run'}."
            ],
        )
    name: ArmName = "expert" if data.arm("expert").evaluations else "sparse"
    outcome = _compare(arm, data.arm(name))
    sentences = [_measured(arm)]
    sentences += [_against(arm, data.arm(other)) for other in ARMS[1:] if data.arm(other).evaluations]
    sentences += [
        f"Not compared with the {NAMES[other]}: {data.arm(other).absent or 'not run'}."
        for other in ARMS[1:]
        if not data.arm(other).evaluations
    ]
    if not data.arm(name).evaluations:
        return "unconfirmed", f"A designed reward with fitness {short(statistics.fmean(arm.fitness))}", sentences
    headline = {
        "better": f"The designed reward beats the {NAMES[name]}",
        "worse": f"The designed reward falls short of the {NAMES[name]}",
        "unclear": f"No clear difference between the designed and the {NAMES[name]}",
        "unconfirmed": f"Too few seeds to tell the designed from the {NAMES[name]}",
    }[outcome]
    return outcome, headline, sentences


def _compare(one: Arm, other: Arm) -> Outcome:
    interval = difference_interval(one.fitness, other.fitness)
    smallest_p = 1 / math.comb(len(one.fitness) + len(other.fitness), len(one.fitness))
    if interval is None or smallest_p > ALPHA:
        return "unconfirmed"
    if interval.low > 0 and permutation_p(one.fitness, other.fitness) <= ALPHA:
        return "better"
    if interval.high < 0 and permutation_p(other.fitness, one.fitness) <= ALPHA:
        return "worse"
    return "unclear"


def _no_winner(data: ReportData) -> tuple[Outcome, str, list[str]]:
    if not data.candidates:
        return "none", "No reward yet", ["The study holds no candidates."]
    waiting = data.status_counts().get(Status.PROPOSED, 0)
    if data.state != "finished" and waiting:
        return "none", "No reward yet", [f"{waiting} of {len(data.candidates)} candidates are not finished."]
    ended = ", ".join(f"{n} {status.replace('_', ' ')}" for status, n in data.status_counts().items())
    return "none", "No usable reward was found", [f"None of {len(data.candidates)} candidates was evaluated: {ended}."]


def _measured(arm: Arm) -> str:
    interval = bootstrap_interval(arm.fitness)
    seeds, episodes = len(arm.evaluations), arm.evaluations[0].episodes
    spread = f" (95% interval {span(interval)})" if interval else ""
    return (
        f"Trained from scratch on {seeds} fresh {'seed' if seeds == 1 else 'seeds'}, it reaches a mean fitness of "
        f"{short(statistics.fmean(arm.fitness))}{spread} and succeeds in {percent(statistics.fmean(arm.success))} of "
        f"episodes ({episodes} per policy)."
    )


def _against(arm: Arm, other: Arm) -> str:
    gap = statistics.fmean(arm.fitness) - statistics.fmean(other.fitness)
    interval = difference_interval(arm.fitness, other.fitness)
    sign = "+" if gap > 0 else ""
    if interval is None:
        known = "no interval: it takes two seeds on either side"
    else:
        above, below = (arm.fitness, other.fitness) if gap >= 0 else (other.fitness, arm.fitness)
        known = f"95% interval {span(interval)}, permutation test p = {permutation_p(above, below):.2g}"
    return (
        f"The {NAMES[other.name]} under the same budget reaches {short(statistics.fmean(other.fitness))}: "
        f"a difference of {sign}{short(gap)} ({known})."
    )


def _state_words(data: ReportData) -> list[str]:
    if data.state == "running":
        return ["The study is still running: everything here is provisional."]
    if data.state == "interrupted":
        return [f"The study was interrupted{': ' + data.stop_reason if data.stop_reason else ''}. It can be resumed."]
    return [f"The search ended early: {data.stop_reason}."] if data.stop_reason else []


def span(interval: Interval) -> str:
    """Return an interval in words: ``1.2 to 3.4``."""
    return f"{short(interval.low)} to {short(interval.high)}"


def percent(share: float | None) -> str:
    """Return a share of 1 as a whole percentage; 0% and 100% only where it is exactly that."""
    if share is None:
        return "not measured"
    if 0 < share < 0.01:
        return "<1%"
    return ">99%" if 0.99 < share < 1 else f"{share:.0%}"
