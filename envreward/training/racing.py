"""Racing: successive halving of candidates on their training fitness (Jamieson & Talwalkar 2016, arXiv:1502.07943)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from .config import Member, MetricRow, RacingConfig

_WINDOW = 0.25
"""Share of the steps so far over which a member's fitness is averaged."""


def rungs(total_updates: int, racing: RacingConfig | None) -> list[int]:
    """Return the updates after which members are compared, rising, and at last ``total_updates`` itself.

    Rungs lie at ``total / 2^k``, so that each stage doubles what the one before has spent.
    """
    count = racing.rungs if racing else 0
    marks = {total_updates // 2**k for k in range(1, count + 1)} - {0}
    return [*sorted(marks), total_updates]


def recent_fitness(rows: Iterable[MetricRow]) -> dict[str, float]:
    """Return each member's mean training fitness over the last quarter of its steps, where it has one."""
    by_member: dict[str, list[tuple[int, float]]] = defaultdict(list)
    last: dict[str, int] = {}
    for row in rows:
        last[row.key] = row.step
        if row.fitness is not None:
            by_member[row.key].append((row.step, row.fitness))
    scores = {}
    for key, points in by_member.items():
        recent = [f for step, f in points if step > (1 - _WINDOW) * last[key]] or [points[-1][1]]
        scores[key] = math.fsum(recent) / len(recent)
    return scores


def group_fitness(members: Sequence[Member], scores: Mapping[str, float]) -> dict[str, float | None]:
    """Return the mean score of each group, in order of first appearance; ``None`` where no member has one."""
    groups: dict[str, list[float]] = {}
    for member in members:
        groups.setdefault(member.group, [])
        if member.key in scores:
            groups[member.group].append(scores[member.key])
    return {group: math.fsum(values) / len(values) if values else None for group, values in groups.items()}


def survivors(fitness: Mapping[str, float | None], racing: RacingConfig) -> set[str]:
    """Return the groups that go on: the best ``keep`` share, at least ``min_survivors``.

    A group without a score ranks last; at a tie the earlier one goes on.
    """
    count = min(len(fitness), max(racing.min_survivors, math.ceil(racing.keep * len(fitness)), 1))
    ranked = sorted(fitness, key=lambda group: -math.inf if (f := fitness[group]) is None else f, reverse=True)
    return set(ranked[:count])


def spread(members: Sequence[Member], processes: int) -> list[list[Member]]:
    """Divide members over processes as evenly as can be; no process is left without one."""
    count = max(1, min(processes, len(members)))
    return [list(members[i::count]) for i in range(count)]
