"""The published tasks against Gymnasium's own environments, world by world."""

import gymnasium as gym
import mujoco
import numpy as np
import pytest
import torch

from envreward.sims.messages import collect_messages
from envreward.vector_env import make_vector_env

STEPS = 200
# worlds 0 and 1 act at random, with full and small amplitude; 2 swings its joints; 3 holds one action
WORLDS = 4


def actions(low, high, seed):
    rng = np.random.default_rng(seed)
    middle, reach = (high + low) / 2, (high - low) / 2
    phase = rng.uniform(0, 2 * np.pi, len(low))
    held = rng.uniform(-1, 1, len(low))
    for t in range(STEPS):
        share = np.stack(
            [
                rng.uniform(-1, 1, len(low)),
                rng.uniform(-0.1, 0.1, len(low)),
                np.sin(0.3 * t + phase),
                held,
            ]
        )
        yield (middle + reach * share).astype(np.float32)


def put(reference, env, world):
    """Put Gymnasium's environment into the state of one of our worlds, as if after a reset; return its observation."""
    mujoco.mj_resetData(reference.model, reference.data)
    reference.set_state(env.sim.qpos[world].numpy(), env.sim.qvel[world].numpy())
    return reference._get_obs()


@pytest.mark.parametrize("seed", [0, 1])
def test_same_states_and_actions_give_gymnasiums_numbers(robot, seed):
    """Observation, reward, each component and termination equal Gymnasium v5's to 1e-6, over resets, for 200 steps.

    Humanoid's contact forces reach 1e4 N; there the observation agrees to 1e-6 or 1e-9 relative, whichever is larger.
    """
    with collect_messages():  # Gymnasium's HalfCheetah file uses a deprecated attribute
        references = [gym.make(f"{robot}-v5").unwrapped for _ in range(WORLDS)]
    env = make_vector_env(robot, WORLDS)
    obs, _ = env.reset(seed=seed)
    for world, reference in enumerate(references):
        np.testing.assert_array_equal(obs[world].numpy(), put(reference, env, world))
    ended, largest_force = 0, 0.0
    low, high = env.single_action_space.low, env.single_action_space.high
    for action in actions(low.astype(float), high.astype(float), seed):
        obs, reward, terminated, truncated, info = env.step(torch.from_numpy(action))
        final = info.get("final_obs", obs)
        for world, reference in enumerate(references):
            their_obs, their_reward, their_end, _, their_info = reference.step(action[world])
            np.testing.assert_allclose(final[world].numpy(), their_obs, atol=1e-6, rtol=1e-9)
            assert abs(reward[world].item() - their_reward) < 1e-6
            assert terminated[world].item() == their_end and not truncated[world].item()
            for name, component in info["reward_components"].items():
                assert abs(component[world].item() - their_info[name]) < 1e-6, name
            assert set(info["reward_components"]) == {n for n in their_info if n.startswith("reward_")}
            largest_force = max(largest_force, np.abs(reference.data.cfrc_ext).max())
            if their_end:
                ended += 1
                np.testing.assert_array_equal(obs[world].numpy(), put(reference, env, world))
    if robot != "HalfCheetah":
        assert ended >= 2
    if robot in ("Ant", "Humanoid"):
        assert largest_force > 50.0


def test_spaces_are_gymnasiums(robot):
    """Observation and action spaces have Gymnasium's bounds, shapes and dtypes."""
    with collect_messages():
        reference = gym.make(f"{robot}-v5")
    env = make_vector_env(robot, 2)
    assert env.single_observation_space == reference.observation_space
    assert env.single_action_space == reference.action_space
    assert env.horizon == gym.spec(f"{robot}-v5").max_episode_steps


def test_resets_follow_gymnasiums_distribution(robot):
    """Noise of the initial state has the bounds, mean and spread of Gymnasium's, each within five standard errors."""
    scale = {"HalfCheetah": 0.1, "Ant": 0.1, "Humanoid": 0.01, "InvertedPendulum": 0.01}.get(robot, 0.005)
    env = make_vector_env(robot, 1000)
    env.reset(seed=0)
    qpos = env.sim.qpos - torch.from_numpy(env.sim.model.qpos0)
    qvel = env.sim.qvel
    spread = {"qpos": scale / 3**0.5, "qvel": scale if robot in ("HalfCheetah", "Ant") else scale / 3**0.5}
    for name, value in (("qpos", qpos), ("qvel", qvel)):
        standard_error = spread[name] / value.numel() ** 0.5
        assert abs(value.mean().item()) < 5 * standard_error
        assert abs(value.std().item() - spread[name]) < 5 * standard_error
    assert qpos.abs().max() <= scale
    assert (qvel.abs().max() <= scale) == (robot not in ("HalfCheetah", "Ant"))
