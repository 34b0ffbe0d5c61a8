"""Process rewards that pay changes: Delta and the min-form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from envreward.errors import ConfigError
from envreward.rewards import Delta, Flow, MinForm, SequenceReward, delta_in_hindsight, min_form_in_hindsight

scores_of_episodes = st.lists(st.lists(st.floats(-3, 3), min_size=1, max_size=6), min_size=1, max_size=4)


def flow_of(lengths: list[int]) -> Flow:
    """One world; episodes of these lengths, each of which terminates."""
    last = torch.cat([torch.tensor([False] * (n - 1) + [True]) for n in lengths]).unsqueeze(1)
    return Flow(torch.cat([torch.ones(1, 1, dtype=torch.bool), last[:-1]]), last, torch.zeros_like(last))


def column(episodes: list[list[float]]) -> Tensor:
    return torch.tensor([score for episode in episodes for score in episode], dtype=torch.float64).unsqueeze(1)


def paid(reward: SequenceReward, episodes: list[list[float]]) -> list[list[float]]:
    """What each episode's steps are paid, back to back in one world."""
    lengths = [*map(len, episodes)]
    total = reward.over(flow_of(lengths), reward.new_memory(1), score=column(episodes)).total[:, 0]
    return [part.tolist() for part in total.split(lengths)]


def test_delta_worked_by_hand() -> None:
    """Each step pays the rise since the last; a new episode starts from `start` again."""
    assert paid(Delta(base="score", start=1.0), [[2.0, 5.0, 4.0], [0.5]]) == [[1.0, 3.0, -1.0], [-0.5]]


@given(episodes=scores_of_episodes, start=st.floats(-3, 3))
def test_delta_telescopes(episodes: list[list[float]], start: float) -> None:
    """An episode's sum is its last score minus the start, however many steps it had."""
    for rewards, scores in zip(paid(Delta(base="score", start=start), episodes), episodes, strict=True):
        assert sum(rewards) == pytest.approx(scores[-1] - start, abs=1e-9)


def test_the_papers_delta_worked_by_hand() -> None:
    """Of K steps, the last gets 0, the last but one its score, those before the difference to the next."""
    episodes = [[0.9, 0.4, 0.7, 0.2], [0.5], [0.3, 0.8]]
    rewards = delta_in_hindsight(column(episodes), flow_of([4, 1, 2]))[:, 0].tolist()
    assert rewards == pytest.approx([0.5, -0.3, 0.7, 0.0, 0.0, 0.3, 0.0])


@given(episodes=scores_of_episodes)
def test_the_papers_delta_is_worth_its_own_score_from_each_step_on(episodes: list[list[float]]) -> None:
    """The return from every step but the last is that step's score: what repeating good steps cannot change."""
    lengths = [*map(len, episodes)]
    rewards = delta_in_hindsight(column(episodes), flow_of(lengths))[:, 0].split(lengths)
    for paid_out, scores in zip(rewards, episodes, strict=True):
        for t, score in enumerate(scores[:-1]):
            assert float(paid_out[t:].sum()) == pytest.approx(score, abs=1e-9)


def softmin(scores: list[float], temperature: float) -> float:
    """The mean of the scores under weights exp(-score / temperature), in NumPy."""
    cold = -np.array(scores) / temperature
    weights = np.exp(cold - cold.max())
    return float((weights * scores).sum() / weights.sum())


def test_min_form_worked_by_hand() -> None:
    """Temperature 1 / ln 2, so that a reward of 1 weighs half as much as one of 0: 1, then (1/2 + 0) / 1.5, ..."""
    rewards = paid(MinForm(base="score", temperature=1 / math.log(2)), [[1.0, 0.0, 1.0]])[0]
    running = [1.0, (0.5 * 1 + 1 * 0) / 1.5, (0.5 * 1 + 1 * 0 + 0.5 * 1) / 2.0]
    assert rewards == pytest.approx([running[0], running[1] - running[0], running[2] - running[1]])


@given(episodes=scores_of_episodes, temperature=st.sampled_from([1e-9, 1e-3, 0.1, 1.0, 30.0]))
@settings(max_examples=60, deadline=None)
def test_an_episode_is_worth_its_soft_minimum(episodes: list[list[float]], temperature: float) -> None:
    """Paid while acting or in hindsight, each episode's sum is the soft minimum, and that comes near the minimum.

    As x * exp(-x / T) is at most T / e, it is within T (n - 1) / e of the minimum of n steps.
    """
    lengths = [*map(len, episodes)]
    running = paid(MinForm(base="score", temperature=temperature), episodes)
    hindsight = min_form_in_hindsight(column(episodes), flow_of(lengths), temperature)[:, 0].split(lengths)
    for rewards, weighted, scores in zip(running, hindsight, episodes, strict=True):
        expected = softmin(scores, temperature)
        assert sum(rewards) == pytest.approx(expected, abs=1e-9)
        assert float(weighted.sum()) == pytest.approx(expected, abs=1e-9)
        above = sum(rewards) - min(scores)
        assert -1e-9 <= above <= temperature * (len(scores) - 1) / math.e + 1e-9


def test_hindsight_weights_are_pures() -> None:
    """r*_i = exp(-r_i / T) / sum_j exp(-r_j / T) * r_i within an episode and a world, not across them."""
    rewards = torch.tensor([[0.2, 1.0], [0.6, -1.0], [0.9, 0.5]], dtype=torch.float64)
    last = torch.tensor([[False, False], [True, False], [False, False]])
    first = torch.tensor([[True, False], [False, False], [True, False]])
    flow = Flow(first, last, torch.zeros_like(last))
    ours = min_form_in_hindsight(rewards, flow, 0.5).numpy()
    two = np.exp(-np.array([0.2, 0.6]) / 0.5)
    three = np.exp(-np.array([1.0, -1.0, 0.5]) / 0.5)
    assert ours[:2, 0] == pytest.approx(two / two.sum() * [0.2, 0.6])
    assert ours[2, 0] == pytest.approx(0.9)
    assert ours[:, 1] == pytest.approx(three / three.sum() * [1.0, -1.0, 0.5])


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_bad_temperatures(temperature: float) -> None:
    """A temperature is positive and finite."""
    with pytest.raises(ConfigError, match="temperature must be positive"):
        MinForm(base="score", temperature=temperature)
    with pytest.raises(ConfigError, match="temperature must be positive"):
        min_form_in_hindsight(torch.zeros(1, 1), flow_of([1]), temperature)


def test_bad_start() -> None:
    """The score before the first step is a number."""
    with pytest.raises(ConfigError, match="start must be finite"):
        Delta(base="score", start=math.nan)
