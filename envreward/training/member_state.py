"""Member states: all that a member is, as a flat mapping of tensors that stack over members and go into checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from envreward.errors import ConfigError
from envreward.task import Task

from .config import Member, PPOConfig
from .networks import NetworkSpec, initial_weights

MemberState: TypeAlias = dict[str, Tensor]
"""``weights``, ``adam.*``, ``obs.*``, ``return.*``, ... and, per world, ``episode.*`` and ``env.*``."""

_WEIGHTS, _EXPLORATION, _WORLDS = range(3)
"""Streams of random numbers that are drawn from a member's seed."""


def network_spec(task: Task, config: PPOConfig) -> NetworkSpec:
    """Return the form of the networks for a task.

    Raises:
        ConfigError: The task's observations are no vectors, or its actions neither a vector nor one choice of several.
    """
    obs, action = task.observation_space, task.action_space
    if not isinstance(obs, gym.spaces.Box):
        raise ConfigError(f"{task.spec.id}: PPO needs observations that are arrays of numbers, got {obs}")
    if isinstance(action, gym.spaces.Discrete):
        size, discrete = int(action.n), True
    elif isinstance(action, gym.spaces.Box) and len(action.shape) == 1:
        size, discrete = int(action.shape[0]), False
    else:
        raise ConfigError(f"{task.spec.id}: PPO needs a vector or a single discrete choice as action, got {action}")
    candidates = getattr(task, "candidate_shape", None)
    if candidates is not None and (not config.hidden_sizes or min(config.hidden_sizes) < 2):
        raise ConfigError(f"{task.spec.id}: choosing among candidates needs hidden layers of 2 units or more")
    return NetworkSpec(
        obs_size=int(np.prod(obs.shape)),
        action_size=size,
        hidden_sizes=config.hidden_sizes,
        activation=config.activation,
        head="categorical" if discrete else "gaussian",
        candidates=candidates,
    )


def fresh_state(member: Member, spec: NetworkSpec, config: PPOConfig) -> MemberState:
    """Return the state of a member that has not trained yet; its worlds are yet to be reset."""
    f64 = torch.float64
    weights = initial_weights(spec, config.init_log_std, _generator(member, _WEIGHTS))
    return {
        "weights": weights,
        "adam.first": torch.zeros_like(weights),
        "adam.second": torch.zeros_like(weights),
        "adam.steps": torch.zeros(1, dtype=f64),
        "learning_rate": torch.full((1,), config.learning_rate, dtype=f64),
        "generator": _generator(member, _EXPLORATION).get_state(),
        "obs.mean": torch.zeros(spec.obs_size, dtype=f64),
        "obs.var": torch.ones(spec.obs_size, dtype=f64),
        "obs.count": torch.zeros(1, dtype=f64),
        "return.mean": torch.zeros(1, dtype=f64),
        "return.var": torch.ones(1, dtype=f64),
        "return.count": torch.zeros(1, dtype=f64),
        "return.running": torch.zeros(config.num_worlds, dtype=f64),
        "returns": torch.zeros(config.num_worlds, dtype=f64),
    }


def stack_states(members: Sequence[Member], states: Mapping[str, MemberState]) -> MemberState:
    """Return the members' states as one, each tensor with a leading dimension M.

    Members that come from different processes may have had different fields of their worlds in use: each those that the
    rewards there read. Fields that a member never had are zero; its own reward does not read them.
    """
    examples = {name: tensor for m in members for name, tensor in states[m.key].items()}
    return {
        name: torch.stack([states[m.key].get(name, torch.zeros_like(example)) for m in members])
        for name, example in examples.items()
    }


def subset(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the entries under ``prefix`` without it, their leading dimensions M and N joined."""
    return {n.removeprefix(prefix): rows.flatten(0, 1) for n, rows in state.items() if n.startswith(prefix)}


def unjoined(rows: Tensor, num_members: int) -> Tensor:
    """Return rows of all members' worlds ``[M * N, ...]`` as ``[M, N, ...]``."""
    return rows.view(num_members, -1, *rows.shape[1:])


def world_seeds(member: Member, count: int, updates: int) -> list[int]:
    """Return the seeds of a member's worlds when they begin after ``updates`` updates."""
    stream = np.random.SeedSequence([member.seed, _WORLDS, updates])
    return [int(s) for s in stream.generate_state(count, np.uint64)]


def _generator(member: Member, stream: int) -> torch.Generator:
    seed = int(np.random.SeedSequence([member.seed, stream]).generate_state(1, np.uint64)[0] >> np.uint64(1))
    return torch.Generator().manual_seed(seed)
