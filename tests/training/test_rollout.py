"""Rollouts: what is recorded of each step, and how episodes end."""

from __future__ import annotations

import gymnasium as gym
import torch

from envreward.training.population import Population
from envreward.training.rollout import ActionMap, Cutoff, bootstrap, ended_returns


def test_actions_are_clipped_for_the_environment_only() -> None:
    """Continuous actions reach the environment within its bounds; discrete ones as they are."""
    box = ActionMap(gym.spaces.Box(-0.4, 0.4, (2,)))
    torch.testing.assert_close(
        box(torch.tensor([[[3.0, -0.1]], [[-9.0, 0.4]]])), torch.tensor([[0.4, -0.1], [-0.4, 0.4]])
    )
    assert ActionMap(gym.spaces.Discrete(3))(torch.tensor([[2, 0], [1, 1]])).tolist() == [2, 0, 1, 1]


def test_bootstrap_adds_the_discounted_value_where_cut_off() -> None:
    """A world cut off by the time limit gets gamma V(final observation), others in the same step nothing."""
    rewards = torch.ones(3, 1, 2)
    cut = Cutoff(1, torch.zeros(2, 4), torch.tensor([[True, False]]))
    bootstrap(rewards, cut, torch.tensor([[10.0, float("nan")]]), 0.9)
    assert rewards.tolist() == [[[1.0, 1.0]], [[10.0, 1.0]], [[1.0, 1.0]]]


def test_returns_run_over_rollouts() -> None:
    """An episode's return is the sum of all its rewards, those of earlier rollouts included."""
    running = torch.zeros(1, 2, dtype=torch.float64)
    ended = torch.tensor([[[False, True], [False, False]]])
    rewards = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    assert ended_returns(rewards, ended, running) == [[2.0]]
    assert running.tolist() == [[4.0, 4.0]]
    assert ended_returns(rewards, torch.tensor([[[True, False], [False, True]]]), running) == [[5.0, 10.0]]
    assert running.tolist() == [[3.0, 0.0]]


def test_time_limit_and_fall_are_told_apart(make_job, make_population) -> None:  # type: ignore[no-untyped-def]
    """HalfCheetah, which never falls, is cut off at step 1000 with its last observation; Hopper falls instead."""
    long = {"num_worlds": 2, "rollout_steps": 1001}
    cheetah: Population = make_population(make_job(env_id="HalfCheetah", ppo=long))
    rollout = cheetah._collect()
    assert rollout.ended[0].nonzero().tolist() == [[999, 0], [999, 1]]
    (cut,) = rollout.cutoffs
    assert cut.t == 999 and cut.truncated.all()
    assert rollout.length == [[1000, 1000]]
    start = rollout.raw_obs[0, 1000]  # the next episode begins near the default pose, the last one ended elsewhere
    assert not torch.allclose(cut.final_obs, start, atol=0.3)
    hopper = make_population(make_job(ppo={"num_worlds": 2, "rollout_steps": 200}))._collect()
    assert hopper.ended.any() and not hopper.cutoffs
