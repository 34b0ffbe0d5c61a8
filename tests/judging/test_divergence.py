"""The course of a training: own return against fitness."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from envreward.judging import Curve, divergence
from envreward.judging.divergence import curves_of
from envreward.training.config import MetricRow

TIME = np.linspace(0, 1, 100)
UP, DOWN, FLAT = TIME, 1 - TIME, 0 * TIME
HILL = np.where(TIME < 0.5, 2 * TIME, 2 - 2 * TIME)


def curve(own: NDArray[np.float64], fitness: NDArray[np.float64], noise: float = 0.02, seed: int = 0) -> Curve:
    rng = np.random.default_rng(seed)
    return Curve(
        training="t",
        steps=[100 * (i + 1) for i in range(len(own))],
        own=(5 * own + noise * rng.normal(size=len(own))).tolist(),
        fitness=(fitness + noise * rng.normal(size=len(own))).tolist(),
    )


@pytest.mark.parametrize(
    ("own", "fitness", "course"),
    [
        (UP, UP, "aligned"),
        (UP, HILL, "hacked"),
        (UP, DOWN, "misaligned"),
        (UP, FLAT, "indifferent"),
        (HILL, HILL, "collapsed"),
        (FLAT, FLAT, "flat"),
        (FLAT, UP, "flat"),
    ],
)
def test_courses(own: NDArray[np.float64], fitness: NDArray[np.float64], course: str) -> None:
    """Each course is called what it is, whatever the noise, of which there is more than one draw."""
    for seed in range(10):
        assert divergence(curve(own, fitness, seed=seed)).course == course


def test_the_numbers_of_a_hacked_training() -> None:
    """Fitness peaks in the middle, return goes on; up to the peak the two are all but proportional."""
    found = divergence(curve(UP, HILL))
    assert found.points == 100 and found.correlation is not None and found.correlation > 0.95
    assert found.start is not None and found.peak is not None and found.end is not None
    assert (found.start.step, found.end.step) == (1000, 10_000) and found.peak.step in (5000, 6000)
    assert found.end.own == pytest.approx(5 * TIME[-10:].mean(), abs=0.03)
    assert found.peak.fitness > found.end.fitness + 0.5 > found.start.fitness


@pytest.mark.parametrize("points", [16, 20, 50, 400])
def test_noise_alone_accuses_nobody(points: int) -> None:
    """Of 200 trainings without any trend, long or short, at most 1% are called hacked or misaligned."""
    flat = np.zeros(points)
    courses = [divergence(curve(flat, flat, noise=1.0, seed=seed)).course for seed in range(200)]
    assert sum(c in ("hacked", "misaligned") for c in courses) <= 2


@settings(max_examples=40, deadline=None)
@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-100, 100), seed=st.integers(0, 100))
def test_units_do_not_matter(scale: float, shift: float, seed: int) -> None:
    """Another unit or zero point of return or fitness leaves the course as it is."""
    for own, fitness in ((UP, HILL), (UP, UP), (UP, DOWN)):
        plain = curve(own, fitness, seed=seed)
        other = dataclasses.replace(
            plain,
            own=[scale * v + shift for v in plain.own if v is not None],
            fitness=[v / scale - shift for v in plain.fitness if v is not None],
        )
        assert divergence(other).course == divergence(plain).course


@pytest.mark.parametrize(("lost", "course"), [(0.1, "aligned"), (0.4, "hacked")])
def test_a_small_loss_is_no_hacking(lost: float, course: str) -> None:
    """Fitness that ends a little below its best is one that was learnt; it must lose a fifth of what it ever moved."""
    fitness = np.where(TIME < 0.5, 2 * TIME, 1 - lost * (2 * TIME - 1))
    assert divergence(curve(UP, fitness, noise=0.005)).course == course


def test_rollouts_without_episodes_do_not_count() -> None:
    """Missing is left out, and too few are no course."""
    plain = curve(UP, UP)
    gaps = dataclasses.replace(plain, fitness=[v if i % 2 else None for i, v in enumerate(plain.fitness)])
    assert divergence(gaps).points == 50 and divergence(gaps).course == "aligned"
    short = dataclasses.replace(plain, fitness=[v if i < 15 else None for i, v in enumerate(plain.fitness)])
    found = divergence(short)
    assert (found.course, found.points, found.start, found.correlation) == ("unclear", 15, None, None)


def row(key: str, step: int, own: float | None, fitness: float | None) -> MetricRow:
    return MetricRow(
        key=key,
        step=step,
        wall_s=0.0,
        success=None,
        fitness=fitness,
        episode_return=own,
        episode_length=None,
        components={},
        reward_mean=0.0,
        entropy=None,
        kl=None,
        clip_fraction=None,
        value_loss=None,
        explained_variance=None,
        learning_rate=0.0,
    )


def test_rows_become_one_curve_per_member() -> None:
    """Lines of members that train side by side are mixed."""
    found = curves_of([row("a", 1, 1.0, 2.0), row("b", 1, 3.0, None), row("a", 2, None, 4.0)])
    assert [(c.training, list(c.steps), list(c.own), list(c.fitness)) for c in found] == [
        ("a", [1, 2], [1.0, None], [2.0, 4.0]),
        ("b", [1], [3.0], [None]),
    ]
