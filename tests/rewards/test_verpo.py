"""VeRPO."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from envreward.errors import ConfigError
from envreward.rewards import Flow, VeRPO


def flow_of(steps: int, worlds: int, *, ends: bool = True) -> Flow:
    """Episodes of exactly ``steps`` steps, or ones that go on."""
    first, last = torch.zeros(2, steps, worlds, dtype=torch.bool)
    first[0] = True
    last[-1] = ends
    return Flow(first, last, torch.zeros_like(last))


def rewards(reward: VeRPO, flow: Flow, passed: Tensor, **state: Tensor) -> Tensor:
    steps, worlds = flow.first.shape
    state.setdefault("success", torch.zeros(steps, worlds))
    if reward.ran is not None:
        state.setdefault(reward.ran, torch.ones_like(passed))
    return reward.over(flow, reward.new_memory(worlds), test_status=passed, **state).total


def by_hand(rates: list[float], alpha: float, delta: float) -> list[float]:
    """Eqs. 7 to 9 in plain Python, one test after the other."""
    mean = math.fsum(rates) / len(rates)
    sigma = math.sqrt(math.fsum((rate - mean) ** 2 for rate in rates) / len(rates)) / 2
    weights = []
    for rate in rates:
        density = math.fsum(math.exp(-((rate - other) ** 2) / (2 * sigma**2)) for other in rates)
        weights.append(math.exp(-alpha * rate) / (density + delta))
    return weights


# Four turns of a group: test 0 always passes, 1 and 2 in three, 3 in one; pass rates 1, 3/4, 3/4, 1/4.
GROUP = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 1, 0]], dtype=torch.bool)
RATES = [1.0, 0.75, 0.75, 0.25]


def test_weights_are_the_papers() -> None:
    """Pass rates, Gaussian density with half a standard deviation, exponential difficulty: number by number."""
    for alpha, delta in ((1.0, 0.0), (2.0, 0.1)):
        reward = VeRPO(tests=4, alpha=alpha, delta=delta)
        weights, rate = reward.weights(GROUP.double().sum(0, keepdim=True), torch.full((1, 4), 4.0).double())
        assert rate[0].tolist() == RATES
        assert weights[0].tolist() == pytest.approx(by_hand(RATES, alpha, delta), rel=1e-12)


def test_a_number_on_paper() -> None:
    """Two tests with pass rates 0 and 1: sigma = 1/4, density 1 + exp(-8), weights 1 and exp(-1) over it."""
    weights, _ = VeRPO(tests=2, delta=0.0).weights(torch.tensor([[0.0, 2.0]]).double(), torch.tensor([[2.0, 2.0]]))
    density = 1 + math.exp(-8)
    assert weights[0].tolist() == pytest.approx([1 / density, math.exp(-1) / density])


def test_a_group_in_one_step_is_paid_as_in_the_paper() -> None:
    """Four worlds are the group: each is paid the weights of the tests it passed (Eq. 10)."""
    weights = by_hand(RATES, 1.0, 1e-6)
    total = rewards(VeRPO(tests=4), flow_of(1, 4), GROUP.unsqueeze(0))
    expected = [math.fsum(w for w, passed in zip(weights, row, strict=True) if passed) for row in GROUP.tolist()]
    assert total[0].tolist() == pytest.approx(expected)


def test_without_decay_the_last_turn_has_the_weights_of_all() -> None:
    """One world that takes four turns: statistics run along, so the last is weighted by the whole group."""
    total = rewards(VeRPO(tests=4, decay=1.0), flow_of(4, 1), GROUP.unsqueeze(1))
    weights = by_hand(RATES, 1.0, 1e-6)
    assert float(total[-1, 0]) == pytest.approx(weights[0] + weights[2])


def test_hard_tests_pay_more_and_common_ones_less() -> None:
    """Of equally common tests the harder pays more; of equally hard ones those in a crowd pay less each."""
    turns = torch.full((1, 6), 10.0).double()
    weights = VeRPO(tests=6).weights(torch.tensor([[9.0, 9.0, 9.0, 9.0, 5.0, 1.0]]).double(), turns)[0][0]
    assert weights[5] > weights[4] > 3 * weights[0]
    assert weights[0] == weights[3]


def test_equal_rates_divide_nothing_by_zero() -> None:
    """Where all tests are equally hard (at the start: none passes) each is as common as all, and none is favoured."""
    for passes in (0.0, 3.0):
        counts = torch.full((1, 5), passes).double()
        weights, rate = VeRPO(tests=5, delta=0.0).weights(counts, torch.full((1, 5), 3.0).double())
        assert weights[0].tolist() == pytest.approx([math.exp(-passes / 3) / 5] * 5)
        assert rate[0].tolist() == [passes / 3] * 5


def test_tests_that_do_not_run_take_part_in_nothing() -> None:
    """Padding and tests left out weigh nothing, pay nothing and do not count as common."""
    padded = torch.cat([GROUP, torch.ones(4, 3, dtype=torch.bool)], 1).unsqueeze(0)
    ran = torch.cat([torch.ones(4, 4, dtype=torch.bool), torch.zeros(4, 3, dtype=torch.bool)], 1).unsqueeze(0)
    plain = rewards(VeRPO(tests=4), flow_of(1, 4), GROUP.unsqueeze(0))
    torch.testing.assert_close(rewards(VeRPO(tests=7), flow_of(1, 4), padded, test_mask=ran), plain)
    nothing = rewards(VeRPO(tests=7), flow_of(1, 4), padded, test_mask=torch.zeros_like(ran))
    assert nothing.tolist() == [[0.0] * 4]


def test_status_of_more_than_two_values() -> None:
    """Passed is 1; failed may be 0 or -1, as families of worlds state it."""
    status = torch.where(GROUP, 1.0, -1.0).unsqueeze(0)
    plain = rewards(VeRPO(tests=4), flow_of(1, 4), GROUP.unsqueeze(0))
    torch.testing.assert_close(rewards(VeRPO(tests=4), flow_of(1, 4), status), plain)
    status[status < 0] = 0.0
    torch.testing.assert_close(rewards(VeRPO(tests=4), flow_of(1, 4), status), plain)


def test_the_outcome_comes_at_the_end_and_loses_with_each_turn() -> None:
    """Eqs. 11 and 14: outcome times gamma to the number of turns, once, plus beta times the local reward."""
    success = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    none = torch.zeros(3, 2, 2, dtype=torch.bool)
    reward = VeRPO(tests=2, gamma=0.5)
    assert rewards(reward, flow_of(3, 2), none, success=success).tolist() == [[0, 0], [0, 0], [0.125, 0]]
    assert rewards(reward, flow_of(3, 2, ends=False), none, success=success).tolist() == [[0.0, 0.0]] * 3
    heavy = rewards(VeRPO(tests=4, beta=3.0), flow_of(1, 4), GROUP.unsqueeze(0), success=torch.ones(1, 4))
    light = rewards(VeRPO(tests=4, beta=0.0), flow_of(1, 4), GROUP.unsqueeze(0), success=torch.ones(1, 4))
    local = rewards(VeRPO(tests=4), flow_of(1, 4), GROUP.unsqueeze(0))
    assert light.tolist() == [[1.0] * 4]
    torch.testing.assert_close(heavy, 1.0 + 3.0 * local)


def test_centred_rewards_have_mean_zero_over_the_group() -> None:
    """Eqs. 4, 5 and 12: what is subtracted is the group's mean of the local reward."""
    plain = rewards(VeRPO(tests=4), flow_of(1, 4), GROUP.unsqueeze(0))
    centred = rewards(VeRPO(tests=4, centred=True), flow_of(1, 4), GROUP.unsqueeze(0))
    torch.testing.assert_close(centred, plain - plain.mean())


def test_problems_keep_to_themselves() -> None:
    """Each problem has statistics of its own, as if its worlds were alone."""
    passed = torch.cat([GROUP, ~GROUP]).unsqueeze(0)
    problem = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1]])
    together = rewards(VeRPO(tests=4, group="problem", groups=2), flow_of(1, 8), passed, problem=problem)
    for rows in (slice(0, 4), slice(4, 8)):
        alone = rewards(VeRPO(tests=4), flow_of(1, 4), passed[:, rows])
        torch.testing.assert_close(together[:, rows], alone)


def test_statistics_outlive_episodes_and_fade() -> None:
    """A new episode finds the pass rates of the ones before; decay lets the recent past count more."""
    worlds, two = 1, torch.tensor([[[1, 0]], [[0, 1]]], dtype=torch.bool)
    flow = Flow(torch.ones(2, 1, dtype=torch.bool), *torch.ones(2, 2, 1, dtype=torch.bool))
    for decay in (1.0, 0.5):
        reward = VeRPO(tests=2, ran=None, decay=decay)
        memory = reward.new_memory(worlds)
        reward.over(flow, memory, test_status=two, success=torch.zeros(2, 1))
        assert memory["passes"][0, 0].tolist() == [decay, 1.0]
        assert memory["turns"][0, 0].tolist() == [1 + decay, 1 + decay]
        assert memory["taken"].tolist() == [1]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"tests": 0}, "at least 1"),
        ({"tests": 2, "groups": 3}, "need the field that tells them apart"),
        ({"tests": 2, "decay": 0.0}, "decay must be within"),
        ({"tests": 2, "gamma": 1.5}, "gamma must be within"),
        ({"tests": 2, "beta": -1.0}, "cannot be negative"),
    ],
)
def test_bad_settings(bad: dict[str, float], message: str) -> None:
    """Settings that cannot work are refused when the reward is made."""
    with pytest.raises(ConfigError, match=message):
        VeRPO(**bad)  # type: ignore[arg-type]


def test_bad_fields() -> None:
    """Fields of another size and problems out of range are refused in words."""
    with pytest.raises(ConfigError, match=r"field test_status must have 3 entries per world, got \[4\]"):
        rewards(VeRPO(tests=3), flow_of(1, 4), GROUP.unsqueeze(0))
    with pytest.raises(ConfigError, match="field problem must be within 0 and 1"):
        reward = VeRPO(tests=4, group="problem", groups=2)
        rewards(reward, flow_of(1, 4), GROUP.unsqueeze(0), problem=torch.tensor([[0, 1, 2, 1]]))
