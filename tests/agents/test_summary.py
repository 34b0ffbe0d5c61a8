"""Summaries of episodes: everything is counted, and only what was measured is averaged."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest
import torch

from envreward.agents.rollouts import Episode
from envreward.agents.summary import summarize, wilson_interval
from envreward.llm import Usage


def episode(seed: int, outcome: Any, steps: int, errors: int = 0, usd: float | None = 0.5) -> Episode:
    none = torch.zeros(steps, dtype=torch.bool)
    return Episode(
        seed=seed,
        instruction="Go.",
        outcome=outcome,
        reason="",
        fitness=None if outcome == "lost" else float(outcome == "success"),
        usage=Usage(calls=steps, prompt_tokens=10 * steps, completion_tokens=steps, cost_usd=usd),
        facts={},
        terminated=none,
        truncated=none,
        actions=[0] * steps,
        state_hash=[""] * (steps + 1),
        action_error=["no"] * errors + [""] * (steps - errors),
        infra_error=[""] * steps,
    )


def test_lost_and_unfinished_episodes_are_counted_and_not_scored() -> None:
    """Every episode asked for is in one count; rates and means are over those that were not lost."""
    played = [
        episode(0, "success", 2),
        episode(1, "failed", 4, 3),
        episode(2, "lost", 9, 1),
        episode(3, "truncated", 6),
    ]
    summary = summarize([*played, episode(99, "success", 1)], range(6))
    assert summary.outcomes == {"success": 1, "failed": 1, "truncated": 1, "lost": 1} and summary.unfinished == 2
    assert summary.asked == 6 == sum(summary.outcomes.values()) + summary.unfinished
    assert summary.success == summary.fitness == pytest.approx(1 / 3) and summary.mean_steps == 4.0
    assert (summary.steps, summary.action_errors) == (21, 4)
    assert summary.usage == Usage(calls=21, prompt_tokens=210, completion_tokens=21, cost_usd=2.0)


def test_without_a_score_there_is_none() -> None:
    """Where all episodes were lost, the success rate is unknown, not zero; an unknown price stays unknown."""
    summary = summarize([episode(0, "lost", 1, usd=None)], [0])
    assert summary.success is summary.success_interval is summary.fitness is summary.mean_steps is None
    assert summary.usage.cost_usd is None


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 1), (0, 20), (7, 20), (20, 20), (333, 1000)])
def test_wilson_interval(successes: int, trials: int) -> None:
    """Its ends are the proportions from which the one observed is just z standard errors away, within [0, 1]."""
    z = statistics.NormalDist().inv_cdf(0.975)
    share = successes / trials
    low, high = wilson_interval(successes, trials)
    assert 0 <= low <= share <= high <= 1
    for end in (low, high):
        assert abs(share - end) == pytest.approx(z * math.sqrt(end * (1 - end) / trials), abs=1e-6)


def test_wilson_interval_as_published() -> None:
    """81 of 263, the example of Newcombe (Statistics in Medicine 17, 1998, table I): 0.2553 to 0.3662."""
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
