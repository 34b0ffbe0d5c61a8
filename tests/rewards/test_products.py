"""Multiplied rewards: CaRL's penalised progress and the kinesthetic combination."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from envreward.errors import ConfigError, RewardRuntimeError
from envreward.rewards import Delta, Flow, KinestheticCombination, PenalisedProgress, RewardOutput, SequenceReward


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1)


def evaluate(reward: SequenceReward, terminated: list[int] | None = None, **state: Tensor) -> RewardOutput:
    """One world's steps; an episode begins with the first and after each termination."""
    steps = len(next(iter(state.values())))
    ended = torch.tensor(terminated or [0] * steps, dtype=torch.bool).unsqueeze(1)
    first = torch.cat([torch.ones(1, 1, dtype=torch.bool), ended[:-1]])
    return reward.over(Flow(first, ended, torch.zeros_like(ended)), reward.new_memory(1), **state)


def test_carl_worked_by_hand() -> None:
    """Progress in percent, halved near a collision, gone outside the lanes, scaled by speed; infractions cost 1."""
    reward = PenalisedProgress(
        progress=Delta(base="route_percent"),
        factors={"near_collision": 0.5, "outside_lanes": 0.0},
        multipliers=("speed_factor",),
        terminal=-1.0,
        infraction="infraction",
    )
    output = evaluate(
        reward,
        terminated=[0, 0, 0, 1, 1],
        route_percent=column(2, 6, 9, 10, 4),
        near_collision=column(0, 1, 0, 1, 0),
        outside_lanes=torch.tensor([[False], [False], [True], [False], [False]]),
        speed_factor=column(1, 1, 1, 0.8, 1),
        infraction=column(0, 1, 0, 1, 0),  # the second flag does not end the episode, the last end is none
    )
    assert output.total[:, 0].tolist() == pytest.approx([2, 4 * 0.5, 0, 1 * 0.5 * 0.8 - 1, 4])
    assert output.components["penalty"][:, 0].tolist() == pytest.approx([0, -2, -3, -0.6, 0])
    assert output.components["terminal"][:, 0].tolist() == [0, 0, 0, -1, 0]


def test_every_termination_costs_unless_a_flag_tells() -> None:
    """Without an infraction flag, all terminations are bad ends."""
    reward = PenalisedProgress(progress="progress", terminal=-2.0)
    assert evaluate(reward, terminated=[0, 1], progress=column(1, 1)).total[:, 0].tolist() == [1, -1]


@given(
    progress=st.floats(0, 100),
    flags=st.lists(st.booleans(), min_size=2, max_size=2),
    factors=st.lists(st.floats(0, 1), min_size=2, max_size=2),
    soft=st.floats(0, 1),
)
def test_penalised_progress_stays_within_it(
    progress: float, flags: list[bool], factors: list[float], soft: float
) -> None:
    """Progress that is not negative is paid somewhere between not at all and in full."""
    reward = PenalisedProgress(
        progress="progress", factors=dict(zip(("a", "b"), factors, strict=True)), multipliers=("soft",)
    )
    state = {"a": column(flags[0]), "b": column(flags[1]), "soft": column(soft)}
    total = float(evaluate(reward, progress=column(progress), **state).total)
    assert 0.0 <= total <= progress
    kept = math.prod(factor if flag else 1.0 for factor, flag in zip(factors, flags, strict=True))
    assert total == pytest.approx(progress * kept * soft, abs=1e-12)


@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_a_multiplier_out_of_range_stops(value: float) -> None:
    """Nothing is clipped: the message names the field and what it was."""
    with pytest.raises(RewardRuntimeError, match=r"multiplier 0 \(soft\) ranges from"):
        evaluate(
            PenalisedProgress(progress="progress", multipliers=("soft",)),
            progress=column(1, 1),
            soft=column(0.5, value),
        )


def test_kinesthetic_worked_by_hand() -> None:
    """sgn * (|a| |b| |c|)^(1/3), positive only where all are."""
    reward = KinestheticCombination(parts={"a": "a", "b": "b", "c": "c"})
    state = {"a": column(1, -1, -8, 0.5), "b": column(8, 8, -1, 0), "c": column(27, 1, 27, 3)}
    assert evaluate(reward, **state).total[:, 0].tolist() == pytest.approx([6, -2, -6, 0])


@given(parts=st.lists(st.floats(0.01, 100), min_size=2, max_size=5), sign=st.sampled_from([1.0, -1.0]))
def test_kinesthetic_is_a_signed_mean(parts: list[float], sign: float) -> None:
    """Its size lies between the smallest and the largest part's; one negative part makes it negative."""
    names = [f"part{i}" for i in range(len(parts))]
    state = {name: column(value) for name, value in zip(names, parts, strict=True)}
    state["part0"] = sign * state["part0"]
    total = float(evaluate(KinestheticCombination(parts={name: name for name in names}), **state).total)
    assert math.copysign(1.0, total) == sign
    assert min(parts) * (1 - 1e-9) <= abs(total) <= max(parts) * (1 + 1e-9)
    assert abs(total) == pytest.approx(math.exp(sum(map(math.log, parts)) / len(parts)))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"factors": {"flag": 1.1}}, r"factor of flag must be within \[0, 1\]"),
        ({"terminal": 1.0}, "zero or negative"),
        ({"terminal": -math.inf}, "finite"),
    ],
)
def test_bad_progress_settings(bad: dict[str, Any], message: str) -> None:
    """Factors that amplify, bad ends that pay."""
    with pytest.raises(ConfigError, match=message):
        PenalisedProgress(progress="progress", **bad)


@pytest.mark.parametrize(
    ("parts", "message"), [({"a": "a"}, "two rewards"), ({"a": "a", "b.c": "b"}, "without dots, got 'b.c'")]
)
def test_bad_parts(parts: dict[str, str], message: str) -> None:
    """Too few parts, names that would clash in the memory."""
    with pytest.raises(ConfigError, match=message):
        KinestheticCombination(parts=parts)
