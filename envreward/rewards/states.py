"""Real states of a task, from random actions, to try reward programs on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from envreward.vector_env import make_vector_env

NUM_WORLDS = 32


class States(NamedTuple):
    """T steps of N worlds, one step after another."""

    values: dict[str, Tensor]
    """Fields by name, ``[T * N, *shape]`` each, in the field's dtype."""
    first: Tensor
    """Whether a row is its episode's first step, bool ``[T * N]``."""
    worlds: int
    """N."""


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
    return {name: values[:num] for name, values in collect_steps(env_id, names, num, seed=seed).values.items()}


def collect_steps(env_id: str, names: Iterable[str], num: int = 1024, *, seed: int = 0) -> States:
    """Return at least ``num`` transitions as `collect_states` does, whole steps of the worlds that they come from."""
    names = tuple(names)
    worlds = min(NUM_WORLDS, num)
    env = make_vector_env(env_id, worlds, reward="none")
    try:
        env.request(names)
        env.reset(seed=seed)
        env.action_space.seed(seed)
        rows: dict[str, list[Tensor]] = {name: [] for name in names}
        first = []
        for _ in range(-(-num // worlds)):
            transition = env.advance(_sample(env.action_space))
            first.append(transition.first.cpu().clone())
            for name in names:
                rows[name].append(transition.state[name].clone())
        return States({name: torch.cat(values) for name, values in rows.items()}, torch.cat(first), worlds)
    finally:
        env.close()


def _sample(space: gym.Space[np.ndarray]) -> Tensor:
    return torch.as_tensor(np.asarray(space.sample()))
