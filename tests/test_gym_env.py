import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from envreward.gym_env import make_env
from envreward.vector_env import make_vector_env

PUBLISHED = ("Hopper", "HalfCheetah", "Walker2d", "Ant", "Humanoid", "InvertedPendulum")


# Gymnasium's own MuJoCo environments draw the same warnings: unbounded observations, and the action bounds of
# Humanoid (0.4) and InvertedPendulum (3), which the published tasks fix.
@pytest.mark.filterwarnings("ignore:.*A Box observation space (minimum|maximum) value is:UserWarning")
@pytest.mark.filterwarnings("ignore:.*For Box action spaces, we recommend:UserWarning")
@pytest.mark.parametrize("name", PUBLISHED)
def test_gymnasiums_checker_passes(name):
    """Gymnasium's environment checker finds nothing wrong, seeding and rendering included."""
    env = gym.make(f"EnvReward/{name}-v0", render_mode="rgb_array")
    check_env(env.unwrapped)
    env.close()


def test_single_world_is_the_batch_of_one():
    """Observations, rewards and ends are the numbers of the vector environment, as NumPy and Python values."""
    env, batch = make_env("Hopper"), make_vector_env("Hopper", 1, autoreset=False)
    obs, _ = env.reset(seed=4)
    their_obs, _ = batch.reset(seed=4)
    assert isinstance(obs, np.ndarray) and np.array_equal(obs, their_obs[0].numpy())
    rng = np.random.default_rng(0)
    for _ in range(100):
        action = rng.uniform(-1, 1, 3).astype(np.float32)
        obs, reward, terminated, truncated, info = env.step(action)
        their_obs, their_reward, their_end, _, theirs = batch.step(torch.from_numpy(action)[None])
        assert np.array_equal(obs, their_obs[0].numpy()) and reward == their_reward.item()
        assert type(reward) is float and type(terminated) is bool and type(truncated) is bool
        assert terminated == their_end.item()
        assert info["fitness"] == theirs["fitness"].item()
        assert info["reward_ctrl"] == theirs["reward_components"]["reward_ctrl"].item()
        if terminated:
            break
    assert terminated
    assert not np.array_equal(obs, env.reset()[0])


def test_time_limits_of_task_and_of_gymnasium():
    """The task's own horizon truncates; `gymnasium.make` may set an earlier one."""
    env = gym.make("EnvReward/HalfCheetah-v0", max_episode_steps=3)
    env.reset(seed=0)
    assert [env.step(np.zeros(6, np.float32))[3] for _ in range(3)] == [False, False, True]
    own = make_env("HalfCheetah", max_episode_steps=2)
    own.reset(seed=0)
    assert [own.step(np.zeros(6, np.float32))[3] for _ in range(2)] == [False, True]


def test_render_shows_the_robot_where_it_is():
    """Pictures have the size asked for, show more than sky, change as the robot moves, and follow it as it goes far."""
    env = make_env("HalfCheetah", render_mode="rgb_array")
    env.reset(seed=0)
    first = env.render()
    assert first.shape == (480, 480, 3) and first.dtype == np.uint8
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 100
    for _ in range(20):
        env.step(np.ones(6, np.float32))
    assert np.abs(env.render().astype(int) - first).max() > 50
    batch = env.vector_env
    small = batch.frame(0, width=160, height=120)
    assert small.shape == (120, 160, 3)
    batch.sim.qpos[0, 0] += 7.0
    far = batch.frame(0, width=160, height=120)
    robot = lambda picture: (picture[..., 0].astype(int) - picture[..., 2] > 40).mean()  # noqa: E731 - orange
    assert robot(far) == pytest.approx(robot(small), rel=0.2) and robot(small) > 0.01
    env.close()


def test_without_render_mode_nothing_is_rendered():
    """No picture without ``render_mode``, and no OpenGL needed."""
    env = make_env("Hopper")
    env.reset(seed=0)
    assert env.render() is None
    env.close()
