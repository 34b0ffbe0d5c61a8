"""Preference as reward, and the clip mechanism."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from envreward.errors import ConfigError
from envreward.rewards import Clip, Flow, FunctionReward, PreferenceAsReward, RewardOutput, SequenceReward

numbers = st.floats(-50, 50)


def paid(reward: SequenceReward, **state: list[float]) -> list[float]:
    """The rewards of one world's steps within one episode."""
    values = {name: torch.tensor(column, dtype=torch.float64).unsqueeze(1) for name, column in state.items()}
    shape = next(iter(values.values())).shape
    flow = Flow(*(torch.zeros(shape, dtype=torch.bool) for _ in range(3)))
    total: list[float] = reward.over(flow, reward.new_memory(1), **values).total[:, 0].tolist()
    return total


def test_par_worked_by_hand() -> None:
    """The mean over references of 1 / (1 + exp(-(r - r_ref))): a number, a field and a reward as references."""
    twice = FunctionReward(("other",), lambda other: RewardOutput(2 * other, {}))
    reward = PreferenceAsReward(base="score", references=(1.0, "other", twice))
    assert reward.parameters == ("score", "other")
    expected = [
        sum(1 / (1 + math.exp(-(score - reference))) for reference in (1.0, other, 2 * other)) / 3
        for score, other in [(0.0, 0.5), (2.0, -1.0), (-3.0, 4.0)]
    ]
    assert paid(reward, score=[0.0, 2.0, -3.0], other=[0.5, -1.0, 4.0]) == pytest.approx(expected, rel=1e-12)


@given(scores=st.lists(numbers, min_size=2, max_size=8), references=st.lists(numbers, min_size=1, max_size=4))
def test_par_is_bounded_and_monotone(scores: list[float], references: list[float]) -> None:
    """Whatever the base pays, the reward lies within [0, 1], and a higher base reward is never worth less."""
    rewards = paid(PreferenceAsReward(base="score", references=tuple(references)), score=sorted(scores))
    assert all(0.0 <= reward <= 1.0 for reward in rewards)
    assert rewards == sorted(rewards)


@given(score=numbers, reference=numbers, shift=numbers)
def test_par_is_centred(score: float, reference: float, shift: float) -> None:
    """Only the difference from the reference counts; at the reference it is one half, or nothing where it is signed."""
    plain = PreferenceAsReward(base="score", references=(reference,))
    moved = PreferenceAsReward(base="score", references=(reference + shift,))
    assert paid(moved, score=[score + shift]) == pytest.approx(paid(plain, score=[score]), abs=1e-9)
    assert paid(plain, score=[reference]) == [0.5]
    signed = PreferenceAsReward(base="score", references=(reference,), signed=True, sharpness=3.0)
    assert paid(signed, score=[reference]) == [0.0]


def test_par_keeps_the_unbounded_reward_in_sight() -> None:
    """The base reward stays among the components: where it runs off, the base is being gamed."""
    reward = PreferenceAsReward(base="score", references=(0.0,))
    flags = torch.zeros(1, 1, dtype=torch.bool)
    output = reward.over(Flow(flags, flags, flags), {}, score=torch.tensor([[1e6]]))
    assert output.components["unbounded"].tolist() == [[1e6]] and output.total.tolist() == [[1.0]]


def test_clip_worked_by_hand() -> None:
    """min(r - threshold, 0)."""
    assert paid(Clip(base="score", threshold=0.5), score=[0.25, 0.5, 1.0, -1.0]) == [-0.25, 0.0, 0.0, -1.5]


@given(scores=st.lists(numbers, min_size=1, max_size=8), threshold=numbers)
def test_clip_pays_nothing(scores: list[float], threshold: float) -> None:
    """No step, and so no number of steps, earns anything."""
    assert max(paid(Clip(base="score", threshold=threshold), score=scores)) <= 0.0


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"references": ()}, "at least one reference"),
        ({"references": (math.nan,)}, "references must be finite"),
        ({"references": (0.0,), "sharpness": 0.0}, "sharpness must be positive"),
    ],
)
def test_bad_settings(bad: dict[str, Any], message: str) -> None:
    """No reference, one that is no number, a flat sigmoid."""
    with pytest.raises(ConfigError, match=message):
        PreferenceAsReward(base="score", **bad)


def test_bad_threshold() -> None:
    """An infinite threshold would make every step infinitely bad."""
    with pytest.raises(ConfigError, match="threshold must be finite"):
        Clip(base="score", threshold=math.inf)


def test_flags_count_as_numbers() -> None:
    """A flag as base is 0 or 1."""
    flags = torch.tensor([[True], [False]])
    flow = Flow(*[torch.zeros(2, 1, dtype=torch.bool)] * 3)
    total: Tensor = Clip(base="done", threshold=1.0).over(flow, {}, done=flags).total
    assert total.tolist() == [[0.0], [-1.0]]
