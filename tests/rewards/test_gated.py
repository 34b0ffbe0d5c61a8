"""Gated Reward Accumulation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from envreward.errors import ConfigError
from envreward.rewards import Flow, GatedAccumulation, Level, gate_in_hindsight

OUTCOME = Level(name="outcome", reward="outcome", gate=0.5)
FORMAT = Level(name="format", reward="format")


def column(*values: float) -> Tensor:
    return torch.tensor(values).unsqueeze(1)


def flow_of(*lengths: int) -> Flow:
    """One world; episodes of these lengths, each of which terminates."""
    last = torch.cat([torch.tensor([False] * (n - 1) + [True]) for n in lengths]).unsqueeze(1)
    first = torch.cat([torch.ones(1, 1, dtype=torch.bool), last[:-1]])
    return Flow(first, last, torch.zeros_like(last))


def paid(reward: GatedAccumulation, flow: Flow, **state: Tensor) -> list[float]:
    total: list[float] = reward.over(flow, reward.new_memory(flow.first.shape[1]), **state).total[:, 0].tolist()
    return total


def test_an_outcome_at_the_end_worked_by_hand() -> None:
    """As in the paper: the outcome comes last; step rewards count only in the episode in which it is good enough."""
    flow = flow_of(3, 3)
    state = {"outcome": column(0, 0, 1, 0, 0, -1), "format": column(0.25, 0.25, 0.5, 0.25, 0.25, 0.5)}
    assert paid(GatedAccumulation(levels=(OUTCOME, FORMAT)), flow, **state) == [0, 0, 2.0, 0, 0, -1]
    kept = gate_in_hindsight([state["outcome"], state["format"]], [0.5], flow)
    assert kept[0][:, 0].tolist() == [0, 0, 1, 0, 0, -1]
    assert kept[1][:, 0].tolist() == [0.25, 0.25, 0.5, 0, 0, 0]


def test_a_gate_that_opens_midway_pays_arrears_and_then_at_once() -> None:
    """What was collected is paid in the opening step; later rewards in their own; the gate stays open though its
    level falls; a new episode finds it closed and nothing left over.
    """
    flow = flow_of(4, 2)
    state = {"outcome": column(0, 0.5, 0, 0, 0, 0), "format": column(1, 2, 4, 8, 16, 32)}
    assert paid(GatedAccumulation(levels=(OUTCOME, FORMAT)), flow, **state) == [0, 3.5, 4, 8, 0, 0]
    assert paid(GatedAccumulation(levels=(OUTCOME, FORMAT), paid="at_end"), flow, **state) == [0, 0.5, 0, 15, 0, 0]


def test_three_levels_and_weights() -> None:
    """A level counts only if all above it have reached their gates, and gates see rewards before weights."""
    levels = (
        Level(name="solved", reward="solved", gate=1.0, weight=10.0),
        Level(name="changed", reward="changed", gate=1.0, weight=0.5),
        Level(name="format", reward="format", weight=0.25),
    )
    flow = flow_of(4)
    state = {"solved": column(0, 0, 1, 0), "changed": column(2, 0, 0, 2), "format": column(4, 4, 4, 4)}
    # Solved opens in the third step, where "changed" has long reached its own gate: both levels pay their arrears.
    assert paid(GatedAccumulation(levels=levels), flow, **state) == [0, 0, 10 + 1 + 3, 1 + 1]
    # Nothing was changed: the lowest level stays shut although the highest is open.
    state["changed"] = column(0, 0.5, 0, 0)
    assert paid(GatedAccumulation(levels=levels), flow, **state) == [0, 0, 10.25, 0]
    # Not solved: nothing below counts, whatever was changed.
    state |= {"solved": column(0, 0, 0, 0), "changed": column(2, 2, 2, 2)}
    assert paid(GatedAccumulation(levels=levels), flow, **state) == [0, 0, 0, 0]


@given(seed=st.integers(0, 2**32), lengths=st.lists(st.integers(1, 6), min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_all_three_ways_of_paying_have_the_same_return(seed: int, lengths: list[int]) -> None:
    """Episode by episode, level by level: sum over steps of what is paid = what the paper's form leaves."""
    generator = torch.Generator().manual_seed(seed)
    flow = flow_of(*lengths)
    state = {name: torch.rand(sum(lengths), 1, generator=generator, dtype=torch.float64) for name in "abc"}
    levels = (
        Level(name="a", reward="a", gate=0.8),
        Level(name="b", reward="b", gate=0.7),
        Level(name="c", reward="c"),
    )
    kept = gate_in_hindsight([state["a"], state["b"], state["c"]], [0.8, 0.7], flow)
    ways: tuple[Any, ...] = ("on_opening", "at_end")
    for way in ways:
        reward = GatedAccumulation(levels=levels, paid=way)
        components = reward.over(flow, reward.new_memory(1), **state).components
        for name, expected in zip("abc", kept, strict=True):
            for ours, theirs in zip(components[name].split(lengths), expected.split(lengths), strict=True):
                assert float(ours.sum()) == pytest.approx(float(theirs.sum()))


def test_hindsight_does_not_cross_episodes() -> None:
    """An open gate works backwards to the beginning of its own episode, and forwards to its end, no further."""
    flow = flow_of(2, 3, 1)
    kept = gate_in_hindsight([column(0, 0, 0, 1, 0, 0), torch.ones(6, 1)], [1.0], flow)[1]
    assert kept[:, 0].tolist() == [0, 0, 1, 1, 1, 0]


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ((OUTCOME,), "two levels or more"),
        ((FORMAT, OUTCOME), "level format stands above others and needs a gate"),
        ((OUTCOME, OUTCOME), "different names"),
        ((Level(name="a.b", reward="outcome", gate=1.0), FORMAT), "without dots"),
    ],
)
def test_bad_levels(levels: tuple[Level, ...], message: str) -> None:
    """Too few levels, a missing gate and doubtful names are refused."""
    with pytest.raises(ConfigError, match=message):
        GatedAccumulation(levels=levels)


def test_bad_choices() -> None:
    """An unknown way of paying and a wrong number of gates are refused."""
    with pytest.raises(ConfigError, match="'on_opening' or 'at_end'"):
        GatedAccumulation(levels=(OUTCOME, FORMAT), paid="now")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="2 levels need 1 gates, got 2"):
        gate_in_hindsight([torch.zeros(1, 1)] * 2, [1.0, 1.0], flow_of(1))
