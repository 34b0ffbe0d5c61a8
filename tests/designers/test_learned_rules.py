"""What defines lare, heron and era beyond their conversations: redistribution, the tree of factors, the peak.

Each is worked out by hand from the published formula; that trainings follow them is in tests/training.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from envreward.designers.era import Era
from envreward.rewards.sequence import Flow
from envreward.training.learned import make_learner, parse_learning
from envreward.training.learned.losses import (
    decomposition_loss,
    prefer,
    preference_loss,
    sampled_decomposition_loss,
)
from envreward.training.peaks import Peak, peak_policy

LENGTH, WORLDS = 20, 8


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Learn with one torch thread, as shards do."""
    torch.set_num_threads(1)


def whole_episodes(seed: int) -> tuple[Tensor, Flow]:
    """Return random factors of whole episodes, ``[T, N, 2]``."""
    factors = torch.rand(LENGTH, WORLDS, 2, generator=torch.Generator().manual_seed(seed))
    first, last = torch.zeros(2, LENGTH, WORLDS, dtype=torch.bool)
    first[0], last[-1] = True, True
    return factors, Flow(first, last, torch.zeros_like(last))


def test_fidelity_lare_redistribution_by_hand() -> None:
    """Returns 6 and -1 over 4 and 2 steps: what adds up costs nothing however it is spread, else the error per step.

    LaRe's mujoco/reward_model/RD.py: ``mean((sum_t r - R) / T)^2``. Rewards 1 1 1 1 for the return 6 miss it by 2 in 4
    steps, 1 1 for -1 by 3 in 2.
    """
    kept, returns = torch.tensor([[True] * 4, [True, True, False, False]]), torch.tensor([6.0, -1.0])
    even = torch.tensor([[1.5, 1.5, 1.5, 1.5], [-0.5, -0.5, 7.0, 7.0]])
    late = torch.tensor([[0.0, 0.0, 0.0, 6.0], [1.0, -2.0, 7.0, 7.0]])
    assert float(decomposition_loss(even, kept, returns)) == float(decomposition_loss(late, kept, returns)) == 0.0
    found = decomposition_loss(torch.ones(2, 4), kept, returns)
    assert float(found) == pytest.approx(((-2 / 4) ** 2 + (3 / 2) ** 2) / 2)


def test_fidelity_lare_redistribution_from_some_steps_by_hand() -> None:
    """RRD, unbiased (rrd.py of the release): 0 4 2 drawn of 6 steps, return 3: (2 - 1/2)^2 - (1 - 3/6) 4 / 3."""
    rewards, kept = torch.tensor([[0.0, 4.0, 2.0]]), torch.ones(1, 3, dtype=torch.bool)
    found = sampled_decomposition_loss(rewards, kept, torch.tensor([6]), torch.tensor([3.0]))
    assert float(found) == pytest.approx(1.5**2 - 0.5 * 4.0 / 3.0)


@pytest.mark.parametrize("loss", ["rd", "rrd"])
def test_fidelity_lare_redistributes_over_steps_by_their_factors(loss: str) -> None:
    """From returns at the end alone, steps get what they were worth: 1 where the first factor is above 0.7, else 0."""
    text = f"lare:loss={loss},hidden=32,updates_per_step=0.25,learning_rate=0.003"
    learner = make_learner(parse_learning(text), LENGTH, torch.Generator().manual_seed(0))
    for seed in range(22):
        factors, flow = whole_episodes(seed)
        worth = (factors[..., 0] > 0.7).float()
        at_the_end = torch.zeros_like(worth)
        at_the_end[-1] = worth.sum(0)
        rewards = learner.rewards(factors, at_the_end, flow)
    assert float(rewards[worth > 0].mean()) == pytest.approx(1.0, abs=0.2)
    assert float(rewards[worth == 0].mean()) == pytest.approx(0.0, abs=0.1)


def test_fidelity_heron_tree_by_hand() -> None:
    """Three levels with margins 2, 1, 0: a level decides beyond its margin; else the next; a tie at the last, nobody.

    Section 3 of arXiv:2309.02632: ``first`` leads by 3 at the top; trails by 3; leads by 2, which is not beyond 2, and
    then trails by 1.5; 1 and 1 decide nothing, then 0.1 does; nothing differs.
    """
    margins = torch.tensor([2.0, 1.0, 0.0])
    first = torch.tensor([[3.0, 0.0, 0.0], [0.0, 9.0, 9.0], [2.0, 0.0, 9.0], [1.0, 1.0, 0.1], [4.0, 4.0, 4.0]])
    second = torch.tensor([[0.0, 9.0, 9.0], [3.0, 0.0, 0.0], [0.0, 1.5, 0.0], [0.0, 0.0, 0.0], [4.0, 4.0, 4.0]])
    assert prefer(first, second, margins).tolist() == [1, -1, -1, 1, 0]
    assert prefer(second, first, margins).tolist() == [-1, 1, 1, -1, 0]


def test_fidelity_heron_bradley_terry_by_hand() -> None:
    """Winners that are ln 3 ahead have probability 3/4, those ln 3 behind 1/4: the mean of -ln 3/4 and -ln 1/4."""
    first, second = torch.tensor([math.log(3.0), 0.0, 9.0]), torch.tensor([0.0, -math.log(3.0), 0.0])
    loss = preference_loss(first, second, torch.tensor([1, -1, 0]))
    assert float(loss) == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)


@pytest.mark.parametrize("pairs", ["episodes", "steps"])
def test_fidelity_heron_learns_the_order_of_the_factors(pairs: str) -> None:
    """The reward that is fitted puts the first factor before the second, and the second where the first is equal."""
    text = f"heron:pairs={pairs},margin=0.2,hidden=32,updates_per_step=0.25"
    learner = make_learner(parse_learning(text), LENGTH, torch.Generator().manual_seed(0))
    for seed in range(22):
        factors, flow = whole_episodes(seed)
        learner.rewards(factors, torch.zeros(LENGTH, WORLDS), flow)
    asked = torch.tensor([[0.9, 0.0], [0.1, 1.0], [0.5, 0.9], [0.5, 0.1]] * 2).expand(LENGTH, -1, -1)
    running = torch.zeros(LENGTH, WORLDS, dtype=torch.bool)
    rewards = learner.rewards(asked, torch.zeros(LENGTH, WORLDS), Flow(running, running, running))
    high, low, more, less = rewards[0, :4].tolist()
    assert high > low and more > less


def test_fidelity_era_keeps_the_policy_of_its_own_highest_return() -> None:
    """The candidate's own return decides, smoothed: returns 2 8 5 -7 30 give means 2 5 5 2 7.6, so the fifth is kept.

    ``checkpoint_selection: best_own_return`` of configs/hillclimb/v4_peak.yaml. Before it the second was kept: the
    third ties with it, and the earliest stays. What was kept is a copy.
    """
    assert Era().default_checkpoint == "peak_return"
    peak, kept = Peak({}), []
    for number, own_return in enumerate([2.0, 8.0, 5.0, None, -7.0, 30.0]):
        policy = {"weight": torch.full((2,), float(number))}
        if peak.hear(own_return):
            peak.keep(policy)
        policy["weight"] += 100.0
        kept.append(float(peak_policy(peak.save())["weight"][0]))
    assert kept == [0.0, 1.0, 1.0, 1.0, 1.0, 5.0]
