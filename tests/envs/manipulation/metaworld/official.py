"""Meta-World's own environments, the oracle: metaworld 3.0.0's classes, made to run on this MuJoCo."""

from __future__ import annotations

import functools
from typing import Any

import mujoco
import numpy as np
import torch

from envreward.registry import make_task
from envreward.sim_vector_env import SimVectorEnv
from envreward.vector_env import make_vector_env


def _weld(env: Any) -> None:
    """What the class does, for the 12 entries that MuJoCo keeps since 3.17 instead of 11."""
    model = env.model
    for i in range(model.neq):
        if model.eq_type[i] == mujoco.mjtEq.mjEQ_WELD:
            model.eq_data[i, :11] = [0, 0, 0, 0, 0, 0, -1, 0, 0, 0, 5]


@functools.cache
def _classes() -> dict[str, Any]:
    from metaworld.env_dict import ENV_CLS_MAP
    from metaworld.sawyer_xyz_env import SawyerMocapBase

    SawyerMocapBase.reset_mocap_welds = _weld
    return dict(ENV_CLS_MAP)


class Official:
    """One official environment with a goal that shows in the observation and a draw that is given."""

    def __init__(self, name: str) -> None:
        self.env = _classes()[f"{name}-v3"]()
        self.env._partially_observable = False
        del self.env.sawyer_observation_space
        self.env._set_task_called = True
        self.env._freeze_rand_vec = True

    def reset(self, drawn: np.ndarray) -> np.ndarray:
        """Begin an episode with ``drawn`` as its random vector; return the observation ``[39]``."""
        self.env._last_rand_vec = np.array(drawn)
        obs, _ = self.env.reset()
        return obs

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool]:
        """Return the next observation, reward and success."""
        obs, reward, _, _, info = self.env.step(action)
        return obs, float(reward), bool(info["success"])

    def touching(self, geom: str) -> bool:
        """Return whether both fingers press on a geom."""
        return bool(self.env.touching_object(self.env.model.geom(geom).id))


def batch(name: str, count: int, seed: int = 0) -> tuple[SimVectorEnv, torch.Tensor]:
    """Return ``count`` worlds of ours that have begun an episode, and what each drew, float64 ``[count, R]``."""
    env = make_vector_env(f"MetaWorld-{name}", count, reward="expert", autoreset=False)
    assert isinstance(env, SimVectorEnv)
    task = make_task(f"MetaWorld-{name}")
    env.reset(seed=seed)
    uniform = torch.from_numpy(np.random.default_rng(seed).random((count, task.reset_noise_size)))
    drawn = env.task.draw(uniform)
    env.task.start(torch.arange(count), drawn)
    return env, drawn
