"""Traces: numbers worked out by hand."""

from __future__ import annotations

from typing import Any

from envreward.studies.traces import traces_of
from envreward.training.config import MetricRow


def _row(key: str, step: int, **values: Any) -> MetricRow:
    base: dict[str, Any] = {
        "key": key,
        "step": step,
        "wall_s": 0.0,
        "success": None,
        "fitness": None,
        "episode_return": None,
        "episode_length": None,
        "components": {},
        "reward_mean": 0.0,
        "entropy": 0.0,
        "kl": 0.0,
        "clip_fraction": 0.0,
        "value_loss": 0.0,
        "explained_variance": None,
        "learning_rate": 0.0,
    }
    return MetricRow(**base | values)


def test_ten_stretches_average_rows_and_seeds() -> None:
    """20 rollouts of two seeds become ten checkpoints, each the mean over two rollouts and both seeds."""
    rows = [
        _row(key, 100 * i, fitness=float(i) + shift, components={"reach": 2.0 * i})
        for key, shift in (("c000-s0", 0.0), ("c000-s1", 1.0))
        for i in range(1, 21)
    ]
    traces = traces_of(rows)
    assert traces.steps == tuple(200 * i for i in range(1, 11))
    # rollouts 1 and 2 with shifts 0 and 1: (1 + 2 + 2 + 3) / 4; then 2 more each time
    assert traces.fitness == tuple(2.0 + 2 * i for i in range(10))
    assert traces.components == {"reach": tuple(3.0 + 4 * i for i in range(10))}
    assert traces.success == (None,) * 10


def test_missing_is_none_and_never_zero() -> None:
    """A stretch without finished episodes has no value; a stretch with some is the mean of those alone."""
    rows = [
        _row("a", 10, success=None),
        _row("a", 20, success=1.0),
        _row("b", 10, success=None, components={"late": 1.0}),
        _row("b", 20, success=None),
    ]
    traces = traces_of(rows, checkpoints=2)
    assert traces.steps == (10, 20)
    assert traces.success == (None, 1.0)
    assert traces.components == {"late": (1.0, None)}


def test_fewer_rows_than_checkpoints() -> None:
    """A short training gives as many checkpoints as it had rollouts, one each, and none gives none."""
    traces = traces_of([_row("a", step, fitness=float(step)) for step in (2048, 4096, 6144)])
    assert traces.steps == (2048, 4096, 6144)
    assert traces.fitness == (2048.0, 4096.0, 6144.0)
    assert traces_of([]).steps == ()


def test_a_seed_that_was_retired_early_counts_while_it_lived() -> None:
    """After a seed ends, the means are over the others."""
    rows = [_row("a", 10, fitness=1.0), _row("a", 20, fitness=2.0), _row("b", 10, fitness=3.0)]
    assert traces_of(rows).fitness == (2.0, 2.0)
