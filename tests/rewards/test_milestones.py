"""Milestones."""

from __future__ import annotations

import pytest
import torch

from envreward.errors import ConfigError
from envreward.rewards import Flow, FunctionReward, Milestones, RewardOutput


def flow_of(first: list[int]) -> Flow:
    """One world; each episode is cut off before the next begins."""
    begun = torch.tensor(first, dtype=torch.bool).unsqueeze(1)
    last = torch.cat([begun[1:], torch.zeros_like(begun[:1])])
    return Flow(begun, torch.zeros_like(last), last)


FLAGS = torch.tensor([[1, 0], [1, 1], [0, 1], [1, 1], [1, 0]], dtype=torch.bool).unsqueeze(1)


def test_each_pays_once_per_episode() -> None:
    """The first sight pays, repeats and relapses do not, and a new episode begins anew."""
    reward = Milestones(weights=(1.0, 0.25))
    flow = flow_of([1, 0, 0, 1, 0])
    output = reward.over(flow, reward.new_memory(1), milestones=FLAGS)
    assert output.total[:, 0].tolist() == [1.0, 0.25, 0.0, 1.25, 0.0]


def test_what_was_paid_before_a_call_is_remembered() -> None:
    """A milestone that the memory holds as paid pays again only after the episode has ended."""
    reward = Milestones(weights=(1.0, 0.25))
    memory = reward.new_memory(1)
    memory["paid"][0, 1] = True
    output = reward.over(flow_of([0, 0, 0, 1, 0]), memory, milestones=FLAGS)
    assert output.total[:, 0].tolist() == [1.0, 0.0, 0.0, 1.25, 0.0]
    assert memory["paid"].tolist() == [[True, True]]


def test_float_flags_count_above_a_half() -> None:
    """Flags may be floats of 0 and 1, as recorded rollouts hold them."""
    reward = Milestones(field="slots", weights=(1.0, 0.25))
    output = reward.over(flow_of([1, 0, 0, 1, 0]), reward.new_memory(1), slots=FLAGS.float())
    assert output.total[:, 0].tolist() == [1.0, 0.25, 0.0, 1.25, 0.0]


def test_misuse_costs_each_time_and_the_base_is_added() -> None:
    """Penalties are per step and not remembered; all parts are among the components."""
    base = FunctionReward(("paid",), lambda paid: RewardOutput(paid, {"paid": paid}))
    reward = Milestones(weights=(1.0, 0.25), base=base, misuse={"action_failed": -0.5, "repeats": -0.125})
    assert reward.parameters == ("milestones", "action_failed", "repeats", "paid")
    output = reward.over(
        flow_of([1, 0, 0, 1, 0]),
        reward.new_memory(1),
        milestones=FLAGS,
        action_failed=torch.tensor([[0], [1], [1], [0], [0]], dtype=torch.bool),
        repeats=torch.tensor([[0], [0], [2], [0], [0]]),
        paid=torch.tensor([[0.0], [0.0], [0.0], [0.0], [8.0]]),
    )
    assert output.total[:, 0].tolist() == [1.0, -0.25, -0.75, 1.25, 8.0]
    assert output.components["misuse"][:, 0].tolist() == [0.0, -0.5, -0.75, 0.0, 0.0]
    assert set(output.components) == {"paid", "milestones", "misuse"}


def test_weights_must_fit_the_field() -> None:
    """A field of another size is refused in words, and so is a reward with no milestones."""
    reward = Milestones(weights=(1.0, 1.0, 1.0))
    with pytest.raises(ConfigError, match=r"shape \[2\] per world: 3 weights need \[3\]"):
        reward.over(flow_of([1, 0, 0, 1, 0]), reward.new_memory(1), milestones=FLAGS)
    with pytest.raises(ConfigError, match="at least one weight"):
        Milestones(weights=())
