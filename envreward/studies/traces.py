"""Traces of a candidate: its seeds' metric rows, averaged over evenly spaced stretches of the training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envreward.training.config import MetricRow

from .records import Traces

CHECKPOINTS = 10
"""Eureka shows its model each component at ten points of the training (Ma et al. 2023, arXiv:2310.12931, appendix)."""


def traces_of(rows: Sequence[MetricRow], checkpoints: int = CHECKPOINTS) -> Traces:
    """Average rows of one candidate, of any number of seeds, over evenly spaced stretches of the training.

    A stretch's value is the mean over the rows in it that have one, hence over seeds as well; ``None`` where no row
    has one, e.g. no episode ended. ``steps`` holds the end of each stretch.
    """
    if not rows:
        return Traces()
    last = max(row.step for row in rows)
    count = min(checkpoints, len({row.step for row in rows}))
    stretches: list[list[MetricRow]] = [[] for _ in range(count)]
    for row in rows:
        # ceil(step * count / last) - 1: the stretch (i * last / count, (i + 1) * last / count] that holds the step
        stretches[max(0, -(-row.step * count // last) - 1)].append(row)
    filled = [(round(last * (i + 1) / count), group) for i, group in enumerate(stretches) if group]
    names = list(dict.fromkeys(name for row in rows for name in row.components))
    return Traces(
        steps=tuple(step for step, _ in filled),
        components={n: tuple(_mean(row.components.get(n) for row in group) for _, group in filled) for n in names},
        success=tuple(_mean(row.success for row in group) for _, group in filled),
        fitness=tuple(_mean(row.fitness for row in group) for _, group in filled),
        episode_return=tuple(_mean(row.episode_return for row in group) for _, group in filled),
        episode_length=tuple(_mean(row.episode_length for row in group) for _, group in filled),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
