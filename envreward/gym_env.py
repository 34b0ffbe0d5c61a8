"""One world of a task as a plain Gymnasium environment: NumPy in, NumPy out, the same code with N = 1."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from envreward.rewards.choice import RewardChoice
from envreward.task_vector_env import TaskVectorEnv
from envreward.vector_env import make_vector_env


class TaskEnv(gym.Env[Any, Any]):
    """The single world of a `TaskVectorEnv` without autoreset."""

    def __init__(self, vector_env: TaskVectorEnv) -> None:
        self.vector_env = vector_env
        self.task = vector_env.task
        self.observation_space = vector_env.single_observation_space
        self.action_space = vector_env.single_action_space
        self.render_mode = vector_env.render_mode
        self.metadata = {**vector_env.metadata}
        self.metadata.pop("autoreset_mode")

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Begin an episode; see `TaskVectorEnv.reset`."""
        super().reset(seed=seed)
        obs, _ = self.vector_env.reset(seed=seed, options=options)
        return obs[0].cpu().numpy(), {}

    def step(self, action: Any) -> tuple[NDArray[Any], float, bool, bool, dict[str, Any]]:
        """Apply ``action`` as it is.

        ``info`` holds success, fitness, broken and each reward component by name, and what else `TaskVectorEnv.step` of
        the task's kind of worlds tells, e.g. ``state_hash``.
        """
        batch = torch.as_tensor(np.asarray(action))[None]
        obs, reward, terminated, truncated, info = self.vector_env.step(batch)
        components = {name: float(value[0]) for name, value in info.pop("reward_components").items()}
        scalars = {n: value[0].item() if isinstance(value, Tensor) else value[0] for n, value in info.items()}
        return (
            obs[0].cpu().numpy(),
            float(reward[0]),
            bool(terminated[0]),
            bool(truncated[0]),
            {**scalars, **components},
        )

    def render(self) -> NDArray[np.uint8] | None:
        """Return a picture, uint8 ``[480, 480, 3]``, in ``rgb_array`` mode, else ``None``."""
        frames: Any = self.vector_env.render()
        return None if frames is None else np.asarray(frames[0])

    def close(self) -> None:
        """Release the world and its renderer."""
        self.vector_env.close()


def make_env(
    env_id: str,
    *,
    reward: RewardChoice = None,
    max_episode_steps: int | None = None,
    render_mode: str | None = None,
    device: torch.device | str = "cpu",
    simulator: str | None = None,
) -> TaskEnv:
    """Create one world of a task; the arguments are those of `make_vector_env`."""
    return TaskEnv(
        make_vector_env(
            env_id,
            1,
            reward=reward,
            max_episode_steps=max_episode_steps,
            autoreset=False,
            render_mode=render_mode,
            device=device,
            simulator=simulator,
        )
    )
