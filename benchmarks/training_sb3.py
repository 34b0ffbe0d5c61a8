"""The peer of `benchmarks.training`: Stable-Baselines3 PPO on Gymnasium's own robots, one training after another.

Hyper-parameters are those of RL Baselines3 Zoo (``hyperparams/ppo.yml``, commit 00128b5, section "Tuned, 10 mujoco
envs"), the reference for what SB3 PPO reaches in one million steps; its ``-v3`` robots are today's ``-v5``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from envreward.training.config import PPOConfig

ROBOTS = ("Hopper", "HalfCheetah", "Walker2d")

ZOO: dict[str, dict[str, Any]] = {
    "Hopper": dict(
        batch_size=32, n_steps=512, gamma=0.999, learning_rate=9.80828e-05, ent_coef=0.00229519, clip_range=0.2,
        n_epochs=5, gae_lambda=0.99, max_grad_norm=0.7, vf_coef=0.835671,
    ),
    "HalfCheetah": dict(
        batch_size=64, n_steps=512, gamma=0.98, learning_rate=2.0633e-05, ent_coef=0.000401762, clip_range=0.1,
        n_epochs=20, gae_lambda=0.92, max_grad_norm=0.8, vf_coef=0.58096,
    ),
    "Walker2d": dict(
        batch_size=32, n_steps=512, gamma=0.99, learning_rate=5.05041e-05, ent_coef=0.000585045, clip_range=0.1,
        n_epochs=20, gae_lambda=0.95, max_grad_norm=1.0, vf_coef=0.871923,
    ),
}  # fmt: skip
"""PPO keyword arguments; all share ReLU networks of 2 x 256, ``log_std_init=-2``, no orthogonal initialisation."""

PUBLISHED = {"Hopper": 2410.0, "HalfCheetah": 5819.0, "Walker2d": 3479.0}
"""Mean return of the zoo's own PPO agents after as many steps, one each (its ``benchmark.md``, the ``-v3`` robots)."""


def zoo_return(robot: str, seed: int, steps: int, episodes: int) -> dict[str, Any]:
    """Train SB3 PPO as the zoo does and score the final deterministic policy on fresh episodes.

    Args:
        robot: ``Hopper``, ``HalfCheetah`` or ``Walker2d``.
        seed: Seed of networks, exploration and resets.
        steps: Environment steps.
        episodes: Episodes of the final evaluation.

    Returns:
        ``returns`` of the final episodes, the training ``curve`` as ``[step, mean return of the last 100 episodes]``,
        and ``wall_s`` of the training alone.
    """
    import gymnasium as gym
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    class Curve(BaseCallback):
        def __init__(self) -> None:
            super().__init__()
            self.rows: list[tuple[int, float]] = []

        def _on_step(self) -> bool:
            return True

        def _on_rollout_end(self) -> None:
            infos = self.model.ep_info_buffer
            if infos and (not self.rows or self.num_timesteps - self.rows[-1][0] >= 10_000):
                self.rows.append((self.num_timesteps, float(np.mean([info["r"] for info in infos]))))

    torch.set_num_threads(1)
    venv = VecNormalize(DummyVecEnv([lambda: Monitor(gym.make(f"{robot}-v5"))]), gamma=ZOO[robot]["gamma"])
    policy_kwargs = dict(
        log_std_init=-2.0, ortho_init=False, activation_fn=torch.nn.ReLU, net_arch=dict(pi=[256, 256], vf=[256, 256])
    )
    model = PPO("MlpPolicy", venv, seed=seed, device="cpu", policy_kwargs=policy_kwargs, **ZOO[robot])
    model.set_logger(Logger(None, []))  # its own would leave a folder in the temporary directory
    curve, start = Curve(), time.perf_counter()
    model.learn(steps, callback=curve)
    wall_s = time.perf_counter() - start

    def act(obs: NDArray[Any]) -> NDArray[Any]:
        return model.predict(venv.normalize_obs(obs[None]), deterministic=True)[0][0]

    returns = episode_returns(robot, act, episodes)
    return {"returns": returns, "final_return": float(np.mean(returns)), "curve": curve.rows, "wall_s": wall_s}


def episode_returns(robot: str, act: Callable[[NDArray[Any]], NDArray[Any]], episodes: int) -> list[float]:
    """Return the undiscounted returns of ``episodes`` episodes of Gymnasium's own environment, reset seeds 10000 on."""
    import gymnasium as gym

    env, returns = gym.make(f"{robot}-v5"), []
    for episode in range(episodes):
        obs, _ = env.reset(seed=10_000 + episode)
        total, done = 0.0, False
        while not done:
            obs, reward, terminated, truncated, _ = env.step(act(obs))
            total, done = total + float(reward), terminated or truncated
        returns.append(total)
    env.close()
    return returns


class Rate(NamedTuple):
    """How fast a training went."""

    steps_per_s: float
    """Environment steps per second of wall-clock, without the start."""
    steps: int
    """Steps measured."""
    start_s: float
    """Seconds until the first metrics."""


def sb3_rate(config: PPOConfig, minibatch_size: int, steps: int, torch_threads: int = 1) -> Rate:
    """Measure SB3 PPO on HalfCheetah with our network, worlds, rollout and epochs, and the given minibatch.

    One torch thread by default. With other work on the two cores, two threads were 4 to 70 times slower (three rounds,
    8 worlds, minibatches of 64 and 128); on an idle machine this was not measured.
    """
    import gymnasium as gym
    from stable_baselines3 import PPO
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    torch.set_num_threads(torch_threads)
    start = time.perf_counter()
    venv = VecNormalize(DummyVecEnv([lambda: gym.make("HalfCheetah-v5")] * config.num_worlds), gamma=config.gamma)
    model = PPO(
        "MlpPolicy",
        venv,
        n_steps=config.rollout_steps,
        batch_size=minibatch_size,
        n_epochs=config.epochs,
        learning_rate=config.learning_rate,
        gamma=config.gamma,
        gae_lambda=config.gae_lambda,
        device="cpu",
        policy_kwargs={"net_arch": [*config.hidden_sizes], "activation_fn": torch.nn.Tanh},
    )
    one = config.num_worlds * config.rollout_steps
    model.set_logger(Logger(None, []))
    model.learn(one)
    begun = time.perf_counter()
    model.learn(steps, reset_num_timesteps=False)
    taken = model.num_timesteps - one
    rate = taken / (time.perf_counter() - begun)
    venv.close()
    return Rate(rate, taken, begun - start)
