"""Bonuses for what an episode has not seen yet."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from envreward.errors import ConfigError, RewardRuntimeError
from envreward.rewards import Flow, RewardOutput, SequenceReward
from envreward.rewards.novelty import EpisodicCount, EpisodicElliptical


def evaluate(reward: SequenceReward, episodes: list[np.ndarray], **more: torch.Tensor) -> RewardOutput:
    """One world's episodes, back to back; field ``pos``."""
    last = torch.cat([torch.tensor([False] * (len(e) - 1) + [True]) for e in episodes]).unsqueeze(1)
    flow = Flow(torch.cat([torch.ones(1, 1, dtype=torch.bool), last[:-1]]), last, torch.zeros_like(last))
    return reward.over(flow, reward.new_memory(1), pos=torch.from_numpy(np.concatenate(episodes)).unsqueeze(1), **more)


@given(seed=st.integers(0, 2**32), lengths=st.lists(st.integers(1, 12), min_size=1, max_size=3))
@settings(max_examples=50, deadline=None)
def test_counts_are_those_of_a_dictionary(seed: int, lengths: list[int]) -> None:
    """scale / sqrt(N), N the visits of the cell floor(pos / width) in the episode so far, the present one included."""
    rng = np.random.default_rng(seed)
    episodes = [rng.uniform(-1.0, 1.0, size=(n, 2)) for n in lengths]
    expected = []
    for episode in episodes:
        visits: Counter[tuple[int, ...]] = Counter()
        for pos in episode:
            cell = tuple(int(x) for x in np.floor(pos / 0.5))
            visits[cell] += 1
            expected.append(2.0 / math.sqrt(visits[cell]))
    reward = EpisodicCount(fields=("pos",), cell=0.5, scale=2.0, buckets=1 << 16)
    assert evaluate(reward, episodes).total[:, 0].tolist() == pytest.approx(expected)


def test_the_hash_spreads_neighbouring_cells() -> None:
    """10 000 cells of a grid around the origin meet no more often in a table than thrown dice would."""
    grid = np.stack(np.meshgrid(np.arange(-50.0, 50.0), np.arange(-50.0, 50.0)), -1).reshape(-1, 2)
    bonus = evaluate(EpisodicCount(fields=("pos",), buckets=1 << 20), [grid]).total
    met = int((bonus < 1.0).sum())
    # Pairs that share a bucket: 10 000^2 / 2 / 2^20 = 48 on average, standard deviation about 7.
    assert 15 <= met <= 90


@given(seed=st.integers(0, 2**32), lengths=st.lists(st.integers(1, 8), min_size=1, max_size=3))
@settings(max_examples=50, deadline=None)
def test_elliptical_bonus_is_the_one_of_the_inverse(seed: int, lengths: list[int]) -> None:
    """f^T (ridge I + sum f f^T)^-1 f over the steps before in the episode, solved by NumPy each time anew."""
    rng = np.random.default_rng(seed)
    width = np.array([1.0, 2.0, 0.5])
    episodes = [rng.normal(size=(n, 3)) for n in lengths]
    expected = []
    for episode in episodes:
        covariance = 0.1 * np.eye(3)
        for feature in episode / width:
            expected.append(0.5 * feature @ np.linalg.solve(covariance, feature))
            covariance += np.outer(feature, feature)
    reward = EpisodicElliptical(fields=("pos",), size=3, width=tuple(width), scale=0.5)
    assert evaluate(reward, episodes).total[:, 0].tolist() == pytest.approx(expected, rel=1e-6)


def test_one_hot_features_are_counted() -> None:
    """With one-hot features the bonus is 1 / (ridge + n) after n earlier visits."""
    visited = [0, 1, 0, 0, 2, 1]
    earlier = [0, 0, 1, 2, 0, 1]
    reward = EpisodicElliptical(fields=("pos",), size=3, ridge=0.5)
    bonus = evaluate(reward, [np.eye(3)[visited]]).total[:, 0].tolist()
    assert bonus == pytest.approx([1 / (0.5 + n) for n in earlier])


def test_fields_are_joined_in_order() -> None:
    """Scalars, flags and vectors together are one feature vector."""
    reward = EpisodicElliptical(fields=("flag", "pos"), size=3, ridge=1.0)
    output = evaluate(reward, [np.array([[2.0, 3.0]])], flag=torch.tensor([[True]]))
    assert output.total.tolist() == [[pytest.approx(1 + 4 + 9)]]


def test_states_that_are_not_finite_stop() -> None:
    """A broken state is not counted as a place; the message names the field."""
    for reward in (EpisodicCount(fields=("pos",)), EpisodicElliptical(fields=("pos",), size=2)):
        with pytest.raises(RewardRuntimeError, match="field pos is not finite"):
            evaluate(reward, [np.array([[0.0, math.nan]])])


@pytest.mark.parametrize(
    ("kind", "bad", "message"),
    [
        (EpisodicCount, {"fields": ()}, "at least one field"),
        (EpisodicCount, {"cell": 0.0}, "positive, finite width"),
        (EpisodicCount, {"buckets": 0}, "at least one bucket"),
        (EpisodicElliptical, {"size": 0}, "and its size"),
        (EpisodicElliptical, {"size": 2, "width": (1.0,)}, "2 positive numbers"),
        (EpisodicElliptical, {"size": 2, "ridge": 0.0}, "ridge must be positive"),
    ],
)
def test_bad_settings(kind: Any, bad: dict[str, Any], message: str) -> None:
    """Settings that cannot work are refused."""
    with pytest.raises(ConfigError, match=message):
        kind(**{"fields": ("pos",), **bad})


def test_wrong_size() -> None:
    """A size that is not the fields' is told with both numbers."""
    with pytest.raises(ConfigError, match="pos have 2 numbers, not size=3"):
        evaluate(EpisodicElliptical(fields=("pos",), size=3), [np.zeros((1, 2))])
