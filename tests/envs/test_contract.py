"""Every installed task keeps what tasks promise; the checks are `envreward.contract`'s."""

from __future__ import annotations

import re

import gymnasium as gym
import pytest

from envreward import contract
from envreward.registry import task_specs

# Worlds that need a browser, real HTML or a sandbox for every step, and those with a simulator of their own, are
# checked by their families' own tests, fewer of them and with fewer worlds.
LIGHT = [
    env_id
    for env_id, spec in task_specs().items()
    if spec.kwargs.get("backend", "tree") == "tree" and not re.search("/(MiniWoB|SWERepo|SWEMutant|ManiSkill)", env_id)
]


@pytest.mark.parametrize("env_id", LIGHT)
@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_task(check, env_id: str) -> None:
    """Each promise (the check's own docstring states it) is kept by each task."""
    check(env_id)


# The published robots' own: Humanoid's actions are in [-0.4, 0.4], InvertedPendulum's in [-3, 3].
@pytest.mark.filterwarnings("ignore:.*symmetric and normalized Box action space")
@pytest.mark.parametrize("env_id", LIGHT)
def test_stable_baselines3_accepts(env_id: str) -> None:
    """Stable-Baselines3's environment checker passes without a warning."""
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    env = gym.make(env_id)
    checker.check_env(env, warn=True, skip_render_check=True)
    env.close()


@pytest.mark.parametrize("env_id", LIGHT)
def test_vectorised_by_gymnasium(env_id: str) -> None:
    """`gymnasium.make_vec` gives the native batch, with the shapes that its spaces declare."""
    env = gym.make_vec(env_id, num_envs=2)
    obs, _ = env.reset(seed=0)
    assert tuple(obs.shape) == env.observation_space.shape
    obs, reward, terminated, truncated, _ = env.step(env.action_space.sample())
    assert tuple(obs.shape) == env.observation_space.shape
    assert all(tuple(value.shape) == (2,) for value in (reward, terminated, truncated))
    env.close()
