"""N worlds of a `SimTask` on a simulator as a vector environment: on the CPU or a CUDA device, by the same code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector.utils import batch_space
from torch import Tensor

from envreward import noise
from envreward.task import SimTask
from envreward.task_vector_env import TaskVectorEnv

if TYPE_CHECKING:
    from envreward.sims import Sim

_BELOW_ONE = 1.0 - 2.0**-24  # the largest float32 below 1, to which nothing in [0, 1) may be rounded up


class SimVectorEnv(TaskVectorEnv):
    """N worlds of a `SimTask` on a `Sim`."""

    task: SimTask

    def __init__(
        self,
        task: SimTask,
        num_envs: int,
        *,
        num_threads: int = 1,
        device: torch.device | str = "cpu",
        simulator: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Create the worlds.

        Args:
            task: The task; it is bound to the new simulator.
            num_envs: N.
            num_threads: Threads that step the physics on the CPU; 0: one per CPU.
            device: Where everything of the worlds lives.
            simulator: As for `envreward.vector_env.make_vector_env`.
            **kwargs: As for `TaskVectorEnv`.
        """
        from envreward.sims import choose_simulator, make_sim  # MuJoCo is loaded by the first world that needs it

        found, simulator = choose_simulator(device, simulator)
        super().__init__(task, num_envs, device=found, **kwargs)
        self.sim: Sim = make_sim(
            task.build_model(), num_envs, device=found, simulator=simulator, num_threads=num_threads
        )
        if self.sim.dtype == torch.float32:
            self.single_observation_space = _in_float32(self.single_observation_space)
            self.observation_space = batch_space(self.single_observation_space, num_envs)
        task.bind(self.sim)
        dt_s = self.sim.model.opt.timestep * task.frame_skip
        self.metadata["render_fps"] = round(1.0 / dt_s)
        self._renderer: Any = None
        self.request_reward()

    def _start(self, ids: Tensor, keys: noise.UInt64) -> None:
        uniform, normal = noise.uniform_and_normal(keys, self.task.reset_noise_size)
        if self.sim.dtype == torch.float32:
            np.minimum(uniform, _BELOW_ONE, out=uniform)
        drawn = (torch.from_numpy(numbers).to(self.device, self.sim.dtype) for numbers in (uniform, normal))
        self.task.reset(ids, *drawn)

    def _simulate(self, action: Tensor) -> Tensor:
        self.task.apply(action)
        self.task.step()
        self.task.update()
        return self.sim.failed

    def _observe(self) -> Tensor:
        return self.task.observe()

    def _read(self, name: str) -> Tensor:
        return self.task.read(name)

    can_save = True

    def _save(self) -> dict[str, Tensor]:
        memory = {f"task.{name}": getattr(self.task, name).clone() for name in self.task.memory}
        return memory | {f"sim.{name}": rows for name, rows in self.sim.save().items()}

    def _load(self, saved: Mapping[str, Tensor]) -> None:
        self.sim.load({n.removeprefix("sim."): rows for n, rows in saved.items() if n.startswith("sim.")})
        for name in self.task.memory:
            setattr(self.task, name, saved[f"task.{name}"].to(self.device, copy=True))

    def frame(self, world: int = 0, *, width: int = 480, height: int = 480) -> np.ndarray:
        """Return a picture of one world from the task's tracking camera, uint8 ``[height, width, 3]``.

        Raises:
            ConfigError: This machine cannot render; the message says what to install.
        """
        from envreward.rendering import Renderer

        if self._renderer is None or self._renderer.size != (width, height):
            self._close_renderer()
            self._renderer = Renderer(self.sim.model, width, height, getattr(self.task, "camera", {}))
        picture: np.ndarray = self._renderer.render(self.sim.data(world))
        return picture

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Return a picture of each world in ``rgb_array`` mode, else ``None``."""
        if self.render_mode is None:
            return None
        return tuple(self.frame(world) for world in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Release the renderer and the worlds."""
        self._close_renderer()
        self.sim.close()

    def _close_renderer(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


def _in_float32(space: gym.spaces.Space[Any]) -> gym.spaces.Space[Any]:
    if not isinstance(space, gym.spaces.Box):
        return space
    return gym.spaces.Box(space.low.astype(np.float32), space.high.astype(np.float32), dtype=np.float32)
