"""Real states of a task, from random actions, to try reward programs on."""

from __future__ import annotations

from collections.abc import Iterable

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from envreward.vector_env import make_vector_env

NUM_WORLDS = 32


def collect_states(env_id: str, names: Iterable[str], num: int = 1024, *, seed: int = 0) -> dict[str, Tensor]:
    """Return field values of ``num`` transitions under uniformly random actions, first steps of episodes among them.

    Args:
        env_id: The task.
        names: Fields to collect, ``prev_`` names included.
        num: Number of transitions.
        seed: Of resets and actions.

    Returns:
        Tensors ``[num, *shape]`` by name, in each field's dtype, in time order as in training.
    """
    names = tuple(names)
    worlds = min(NUM_WORLDS, num)
    env = make_vector_env(env_id, worlds, reward="none")
    try:
        env.request(names)
        env.reset(seed=seed)
        env.action_space.seed(seed)
        rows: dict[str, list[Tensor]] = {name: [] for name in names}
        for _ in range(-(-num // worlds)):
            state = env.advance(_sample(env.action_space)).state
            for name in names:
                rows[name].append(state[name].clone())
        return {name: torch.cat(values)[:num] for name, values in rows.items()}
    finally:
        env.close()


def _sample(space: gym.Space[np.ndarray]) -> Tensor:
    return torch.as_tensor(np.asarray(space.sample()))
