"""Weighted sums and ensembles."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from envreward.errors import ConfigError
from envreward.rewards import Ensemble, Flow, FunctionReward, RewardOutput, WeightedSum
from envreward.rewards.ensemble import Combine

members = st.lists(st.floats(-10, 10), min_size=2, max_size=6)
STEP = Flow(*[torch.zeros(1, 1, dtype=torch.bool)] * 3)


def combined(values: list[float], combine: Combine, penalty: float = 1.0) -> float:
    """The reward of one step in which the members say these values."""
    names = tuple(f"m{i}" for i in range(len(values)))
    state = {name: torch.tensor([[value]], dtype=torch.float64) for name, value in zip(names, values, strict=True)}
    reward = Ensemble(members=names, combine=combine, penalty=penalty)
    output = reward.over(STEP, reward.new_memory(1), **state)
    assert float(output.components["disagreement"]) == pytest.approx(np.std(values), abs=1e-9)
    return float(output.total)


def test_worked_by_hand() -> None:
    """Members 1, 2 and 6: mean 3, variance (4 + 1 + 9) / 3."""
    values = [1.0, 2.0, 6.0]
    assert combined(values, "mean") == 3.0
    assert combined(values, "min") == 1.0
    assert combined(values, "mean_minus_variance", 0.5) == pytest.approx(3 - 0.5 * 14 / 3)
    assert combined(values, "mean_minus_std", 0.5) == pytest.approx(3 - 0.5 * (14 / 3) ** 0.5)


@given(values=members, penalty=st.floats(0, 5))
def test_caution_only_lowers(values: list[float], penalty: float) -> None:
    """The minimum and both penalised means are at most the mean, and equal to it where all members agree."""
    mean = combined(values, "mean")
    assert mean == pytest.approx(float(np.mean(values)), abs=1e-9)
    for combine in get_args(Combine):
        assert combined(values, combine, penalty) <= mean + 1e-9
        assert combined([values[0]] * len(values), combine, penalty) == pytest.approx(values[0], abs=1e-9)


def test_sum_worked_by_hand() -> None:
    """Weights default to 1, and components are the weighted parts, which add up."""
    bonus = FunctionReward(("b",), lambda b: RewardOutput(b * b, {}))
    reward = WeightedSum(parts={"task": "a", "bonus": bonus}, weights={"bonus": 0.5})
    output = reward.over(STEP, {}, a=torch.tensor([[2.0]]), b=torch.tensor([[4.0]]))
    assert float(output.total) == 10.0
    assert {name: float(part) for name, part in output.components.items()} == {"task": 2.0, "bonus": 8.0}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"members": ("a",)}, "two members or more"),
        ({"members": ("a", "b"), "combine": "max"}, "combine must be one of mean, min"),
        ({"members": ("a", "b"), "penalty": -1.0}, "cannot be negative"),
    ],
)
def test_bad_ensembles(bad: dict[str, Any], message: str) -> None:
    """One member, an unknown way, a penalty that would reward disagreement."""
    with pytest.raises(ConfigError, match=message):
        Ensemble(**bad)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"parts": {}}, "at least one reward"),
        ({"parts": {"a.b": "a"}}, "without dots"),
        ({"parts": {"a": "a"}, "weights": {"b": 1.0}}, "weight for b, which is not one of a"),
        ({"parts": {"a": "a"}, "weights": {"a": float("nan")}}, "weight of a must be finite"),
    ],
)
def test_bad_sums(bad: dict[str, Any], message: str) -> None:
    """Nothing to add, doubtful names, weights of nothing."""
    with pytest.raises(ConfigError, match=message):
        WeightedSum(**bad)
