"""N worlds of a ManiSkill task as a vector environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from envreward import noise
from envreward.errors import ConfigError
from envreward.task_vector_env import TaskVectorEnv

from .base import OfficialTask
from .gpu_worlds import ManiSkillGpuWorlds
from .pictures import Pictures
from .worlds import ManiSkillWorlds


def episode_seed(key: np.uint64) -> int:
    """Return the seed, 31 bits, that ManiSkill's ``reset`` gets for an episode's key (see `envreward.noise.keys`)."""
    return int(key >> np.uint64(33))


def make_worlds(task: OfficialTask, num_worlds: int, device: torch.device) -> ManiSkillWorlds | ManiSkillGpuWorlds:
    """Return N worlds on a device.

    Raises:
        MissingExtraError: ManiSkill is not installed.
        ConfigError: PhysX cannot simulate on the device.
    """
    if device.type == "cpu":
        return ManiSkillWorlds(task.official, num_worlds, task.per_world)
    return ManiSkillGpuWorlds(task.official, num_worlds, task.per_world, device)


class ManiSkillVectorEnv(TaskVectorEnv):
    """N worlds of an `OfficialTask`: each in a scene of its own on the CPU, all in one on a GPU.

    On the CPU, worlds are saved as their episode's seed and the actions since, and loaded by playing these again: PhysX
    keeps contacts and impulses of the last step that its state does not show, so that a state put back is not exact.
    On a GPU, actions played again do not lead to the same state, and worlds cannot be saved.
    """

    task: OfficialTask

    def __init__(self, task: OfficialTask, num_envs: int, **kwargs: Any) -> None:
        """Create the worlds.

        Args:
            task: The task.
            num_envs: N.
            **kwargs: As for `TaskVectorEnv`.

        Raises:
            MissingExtraError: ManiSkill is not installed.
            ConfigError: PhysX cannot simulate on the device.
        """
        super().__init__(task, num_envs, **kwargs)
        self.worlds = make_worlds(task, num_envs, self.device)
        self.metadata["render_fps"] = round(1.0 / self.worlds.dt_s)
        self._pictures: Pictures | None = None
        shape = (num_envs, self.horizon if self.can_save else 0, *(task.action_space.shape or ()))
        self._history = torch.zeros(shape)
        self.request_reward()

    can_save = property(lambda self: isinstance(self.worlds, ManiSkillWorlds))

    def _start(self, ids: Tensor, keys: noise.UInt64) -> None:
        self.worlds.reset(ids.tolist(), [episode_seed(key) for key in keys])

    def _simulate(self, action: Tensor) -> Tensor:
        if self.can_save:
            steps = self.elapsed
            if int(steps.max()) >= self._history.shape[1]:  # without autoreset, episodes may go on
                self._history = torch.cat((self._history, torch.zeros_like(self._history)), dim=1)
            self._history[torch.arange(self.num_envs), steps] = action.to(self._history.dtype)
        return self.worlds.step(action)

    def _observe(self) -> Tensor:
        return self.worlds.observation

    def _read(self, name: str) -> Any:
        reader = self.task.fields[name].read
        assert reader is not None, name
        return reader(self.worlds)

    def _save(self) -> dict[str, Tensor]:
        seeds = torch.tensor(self.worlds.seeds, dtype=torch.int64)
        return {"seed": seeds, "steps": self.elapsed.clone(), "actions": self._history.clone()}

    def _load(self, saved: Mapping[str, Tensor]) -> None:
        assert isinstance(self.worlds, ManiSkillWorlds)  # `can_save` says so
        self._history, steps = saved["actions"].clone(), saved["steps"]
        self.worlds.reset(range(self.num_envs), saved["seed"].tolist())
        for step in range(int(steps.max())):
            self.worlds.step(self._history[:, step], (steps > step).nonzero().squeeze(1).tolist())

    def frame(self, world: int = 0, *, width: int = 480, height: int = 480) -> NDArray[np.uint8]:
        """Return a picture of one world from ManiSkill's own camera for people, uint8 ``[height, width, 3]``.

        Raises:
            ConfigError: This machine cannot render, and the message says what to install; or the worlds are on a GPU.
        """
        if not isinstance(self.worlds, ManiSkillWorlds):
            raise ConfigError(f"{self.task.spec.id} is drawn from worlds on the CPU: leave device {self.device} out")
        if self._pictures is None or self._pictures.size != (width, height):
            self._close_pictures()
            self._pictures = Pictures(self.task.official, width, height)
        return self._pictures.draw(self.worlds.seeds[world], self.worlds.packed(world))

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Return a picture of each world in ``rgb_array`` mode, else ``None``."""
        return None if self.render_mode is None else tuple(self.frame(world) for world in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Release the worlds and what draws them."""
        self._close_pictures()
        self.worlds.close()

    def _close_pictures(self) -> None:
        if self._pictures is not None:
            self._pictures.close()
            self._pictures = None
