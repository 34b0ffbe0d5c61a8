"""What fields, success and fitness of a wrapped Gymnasium environment read: N worlds of it, in torch, batched."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from torch import Tensor

from envreward.errors import ConfigError, UnknownNameError

_REQUIRED = object()


class Worlds:
    """N worlds of a Gymnasium environment as fields, success and fitness read them, in torch, batched.

    Attributes:
        obs: What the environment observed: a tensor ``[N, *obs_shape]``, or a dict or tuple of such tensors where its
            observation space is one. Text is a list of N strings.
        action: The action just applied ``[N, *action_shape]``; zero right after a reset.
        reward: The environment's own reward in the last step, float64 ``[N]``; zero right after a reset.
        terminated: Whether the environment ended the episode itself, bool ``[N]``.
        steps: Steps taken in the running episode, int64 ``[N]``.
    """

    def __init__(self, envs: VectorEnv[Any, Any, Any], action: Tensor) -> None:
        num = envs.num_envs
        self.obs: Any = None
        self.action = action
        self.reward = torch.zeros(num, dtype=torch.float64)
        self.terminated = torch.zeros(num, dtype=torch.bool)
        self.steps = torch.zeros(num, dtype=torch.int64)
        self._envs = envs
        self._info: dict[str, Any] = {}

    def info(self, key: str, default: Any = _REQUIRED) -> Any:
        """Return ``info[key]`` of every world: a tensor ``[N, ...]`` for numbers, else a list of N objects.

        Args:
            key: As the environment's ``step`` and ``reset`` return it.
            default: Stands for worlds whose last ``info`` has no such key; many environments give none after a reset.

        Raises:
            UnknownNameError: No world has such a key, and there is no default.
            ConfigError: Some worlds have it and others do not, and there is no default.
        """
        given = self._info.get("_" + key)
        if given is None or not given.any():
            if default is _REQUIRED:
                known = [name for name in self._info if not name.startswith("_")]
                raise UnknownNameError("info key", key, known, hint="(give info() a default if it is missing at times)")
            return tensor(np.full(len(self.steps), default))
        values = self._info[key]
        if isinstance(values, dict):
            return tensors({name: part for name, part in values.items() if not name.startswith("_")})
        if not given.all():
            if default is _REQUIRED:
                raise ConfigError(f"info has no {key!r} in world {int(np.argmin(given))}: give info() a default")
            values = values.copy()
            values[~given] = default
        return tensor(values)

    def attribute(self, name: str) -> list[Any]:
        """Return the attribute ``name`` of every world's environment (dots reach inside), as a list of N."""
        return list(self._envs.get_attr(name))  # type: ignore[attr-defined]

    def merge_info(self, info: dict[str, Any], rows: NDArray[np.bool_]) -> None:
        """Replace the info of ``rows`` by what is new."""
        for key, mask in self._info.items():
            if key.startswith("_"):
                mask[rows] = False
        for key, values in info.items():
            if key.startswith("_") or "_" + key not in info:
                continue
            if key not in self._info or isinstance(values, dict):
                self._info[key], self._info["_" + key] = values, info["_" + key].copy()
            else:
                self._info[key][rows] = values[rows]
                self._info["_" + key][rows] = info["_" + key][rows]


def tensors(value: Any) -> Any:
    """Return `tensor` of each part of a dict or tuple, as Gymnasium batches such observations."""
    if isinstance(value, dict):
        return {name: tensors(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return list(value) if value and isinstance(value[0], str) else tuple(tensors(part) for part in value)
    return tensor(value)


def tensor(array: Any) -> Any:
    """Return N values as a tensor ``[N, ...]`` that shares their memory, or, if they are no numbers, as a list."""
    array = np.asarray(array)
    return torch.from_numpy(array) if array.dtype.kind in "biuf" else array.tolist()
