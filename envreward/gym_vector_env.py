"""N worlds of any Gymnasium environment as the worlds of a task.

The worlds step in Gymnasium's own `SyncVectorEnv` (in this process) or `AsyncVectorEnv` (one process each); the
fields, time limit, autoreset, seeds and rewards are those of every other task (see `TaskVectorEnv`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from numpy.typing import NDArray
from torch import Tensor

from envreward import noise
from envreward.errors import ConfigError
from envreward.fields import Field, torch_dtype
from envreward.gym_worlds import Worlds, tensor, tensors
from envreward.task_vector_env import TaskVectorEnv
from envreward.wrapping import WrappedTask


class GymVectorEnv(TaskVectorEnv):
    """N worlds of a wrapped Gymnasium environment."""

    task: WrappedTask

    def __init__(self, task: WrappedTask, num_envs: int, **kwargs: Any) -> None:
        """Create the worlds.

        Args:
            task: From `envreward.wrap`.
            num_envs: N.
            **kwargs: As for `TaskVectorEnv`.
        """
        super().__init__(task, num_envs, **kwargs)
        factory: Callable[[], gym.Env[Any, Any]] = functools.partial(task.make, render_mode=self.render_mode)
        kind: Any = AsyncVectorEnv if task.processes else SyncVectorEnv
        self._envs: VectorEnv[Any, Any, Any] = kind([factory] * num_envs, autoreset_mode=AutoresetMode.DISABLED)
        self._raw_space = self._envs.single_observation_space
        self._cut_short = torch.zeros(num_envs, dtype=torch.bool)
        action = tensor(np.zeros((num_envs, *(task.action_space.shape or ())), dtype=task.action_space.dtype))
        self.worlds = Worlds(self._envs, action)
        self.metadata["render_fps"] = self._envs.metadata.get("render_fps", 30)
        none = np.zeros(num_envs, dtype=np.uint64)
        self._start(torch.arange(num_envs), noise.keys(none, none))  # fields can be read only once there is a state
        self.request_reward()

    def _start(self, ids: Tensor, keys: noise.UInt64) -> None:
        rows = np.zeros(self.num_envs, dtype=np.bool_)
        rows[ids.numpy()] = True
        seeds: list[int | None] = [None] * self.num_envs
        for world, key in zip(ids.tolist(), keys, strict=True):
            seeds[world] = int(key >> np.uint64(33))  # 31 bits: what every environment takes
        obs, info = self._envs.reset(seed=seeds, options={"reset_mask": rows})  # type: ignore[arg-type]
        worlds = self.worlds
        worlds.obs = tensors(obs)
        worlds.merge_info(info, rows)
        worlds.action[ids] = 0
        worlds.reward[ids] = 0.0
        worlds.terminated[ids] = False
        worlds.steps[ids] = 0
        self._cut_short[ids] = False

    def _simulate(self, action: Tensor) -> Tensor:
        worlds, space = self.worlds, self.single_action_space
        worlds.action = action.detach().to(worlds.action.dtype, copy=True)
        obs, reward, terminated, truncated, info = self._envs.step(worlds.action.numpy().astype(space.dtype))
        before = worlds.obs
        worlds.obs = tensors(obs)
        worlds.reward = torch.from_numpy(np.asarray(reward, dtype=np.float64))
        worlds.terminated = torch.from_numpy(terminated)
        worlds.steps = worlds.steps + 1
        worlds.merge_info(info, np.ones(self.num_envs, dtype=np.bool_))
        self._cut_short = torch.from_numpy(truncated)
        return self._broken(before)

    def _broken(self, before: Any) -> Tensor:
        """Return the worlds that gave non-finite numbers, and put back the observation they had before."""
        broken = ~torch.isfinite(self.worlds.reward)
        for leaf in _leaves(self.worlds.obs):
            if leaf.is_floating_point():
                broken |= torch.isnan(leaf).flatten(1).any(1)
        if broken.any():
            self.worlds.reward[broken] = 0.0
            for leaf, old in zip(_leaves(self.worlds.obs), _leaves(before), strict=True):
                leaf[broken] = old[broken]
        return broken

    def _out_of_time(self) -> Tensor:
        return super()._out_of_time() | self._cut_short

    def _observe(self) -> Tensor:
        if isinstance(self._raw_space, gym.spaces.Box):
            return self.worlds.obs.clone()  # type: ignore[no-any-return]
        return flatten(self._raw_space, self.worlds.obs)

    def _read(self, name: str) -> Any:
        field = self.task.fields[name]
        assert field.read is not None, name  # `wrap` refuses fields that have none
        return _checked(name, field, field.read(self.worlds), self.num_envs)

    def frame(self, world: int = 0, *, width: int = 480, height: int = 480) -> NDArray[np.uint8]:
        """Return the environment's own picture of one world, uint8 ``[h, w, 3]``; its size is the environment's.

        Raises:
            ConfigError: The environment was not made with ``render_mode="rgb_array"``, or cannot draw.
        """
        frames = self.render()
        if frames is None or frames[world] is None:
            raise ConfigError(f"{self.task.spec.id} does not render: make it with render_mode='rgb_array'")
        return np.asarray(frames[world], dtype=np.uint8)

    def render(self) -> tuple[Any, ...] | None:
        """Return the environment's picture of each world in ``rgb_array`` mode, else ``None``."""
        return None if self.render_mode is None else tuple(self._envs.render() or ())

    def close_extras(self, **kwargs: Any) -> None:
        """Close the environments."""
        self._envs.close(**kwargs)


def flatten(space: gym.spaces.Space[Any], value: Any) -> Tensor:
    """Return observations as `gymnasium.spaces.flatten` would, batched: float32 ``[N, D]``.

    Raises:
        ConfigError: The space has no fixed number of entries (text, sequences, graphs).
    """
    if isinstance(space, gym.spaces.Dict):
        return torch.cat([flatten(part, value[name]) for name, part in space.spaces.items()], dim=1)
    if isinstance(space, gym.spaces.Tuple):
        return torch.cat([flatten(part, entry) for part, entry in zip(space.spaces, value, strict=True)], dim=1)
    if isinstance(space, gym.spaces.Discrete):
        return torch.nn.functional.one_hot(value - int(space.start), int(space.n)).to(torch.float32)
    if isinstance(space, gym.spaces.MultiDiscrete):
        entries = (value - torch.as_tensor(space.start)).flatten(1).unbind(1)
        counts = space.nvec.reshape(-1).tolist()
        return torch.cat([torch.nn.functional.one_hot(e, n) for e, n in zip(entries, counts, strict=True)], dim=1).to(
            torch.float32
        )
    if isinstance(space, (gym.spaces.Box, gym.spaces.MultiBinary)):
        return torch.as_tensor(value).flatten(1).to(torch.float32)
    raise ConfigError(f"observations of type {type(space).__name__} cannot be flattened for a policy network")


def _leaves(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _leaves(part)
    elif isinstance(value, tuple):
        for part in value:
            yield from _leaves(part)


def _checked(name: str, field: Field, value: Any, num_envs: int) -> Any:
    """Return what a field's ``read`` gave as its declared type, or say how the two differ."""
    if field.dtype == "str":
        if not isinstance(value, list) or len(value) != num_envs:
            raise ConfigError(f"field {name}: read returned {type(value).__name__}, not a list of {num_envs} strings")
        return value
    try:
        tensor = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"field {name}: read returned no numbers but {type(value).__name__}") from error
    wanted = (num_envs, *field.shape)
    if tuple(tensor.shape) != wanted:
        raise ConfigError(
            f"field {name}: read returned shape {list(tensor.shape)}, declared is {list(wanted)} for {num_envs} worlds"
        )
    dtype = torch_dtype(field.dtype)
    if dtype.is_floating_point:
        return tensor if tensor.is_floating_point() else tensor.to(dtype)
    if tensor.is_floating_point():
        raise ConfigError(f"field {name}: read returned {tensor.dtype}, declared is {field.dtype}")
    return tensor.to(dtype)
