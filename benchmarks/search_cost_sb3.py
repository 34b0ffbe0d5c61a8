"""The peer of `benchmarks.search_cost`: what a step of training costs Stable-Baselines3 on official environments."""

from __future__ import annotations

import time
from typing import Any, Literal

import gymnasium as gym
import torch

from benchmarks.throughput_peers import OfficialMetaWorld

_METAWORLD = "MetaWorld-"


def steps_per_cpu_s(algorithm: Literal["ppo", "sac"], env: str, steps: int) -> float:
    """Return the environment steps that a training takes per second of processor time, its start left out.

    Args:
        algorithm: Which of Stable-Baselines3's.
        env: Ours of the same task: one of Gymnasium's robots or a task of Meta-World.
        steps: How many are timed, at least; PPO goes on to the end of a rollout.
    """
    from stable_baselines3 import PPO, SAC
    from stable_baselines3.common.logger import Logger

    torch.set_num_threads(1)
    official: gym.Env[Any, Any]
    if env.startswith(_METAWORLD):
        official = gym.wrappers.TimeLimit(OfficialMetaWorld(env.removeprefix(_METAWORLD), 0, 0), 500)
    else:
        official = gym.make(f"{env}-v5")
    with official:
        model = {"ppo": PPO, "sac": SAC}[algorithm]("MlpPolicy", official, device="cpu")
        model.set_logger(Logger(None, []))
        model.learn(200)  # SAC's first hundred steps learn nothing
        before, begun_s = model.num_timesteps, time.process_time()
        model.learn(steps, reset_num_timesteps=False)
        return float((model.num_timesteps - before) / (time.process_time() - begun_s))
