"""N worlds of a ManiSkill task on a GPU: one official environment whose simulator steps them all.

PhysX's GPU simulation (``sim_backend="physx_cuda"``) steps all worlds together; ManiSkill's own code observes and
rewards them, and its tensors are used as they are, without leaving the device. What differs from the CPU's worlds
(`envreward.envs.manipulation.maniskill.worlds`):

- ManiSkill draws the starts of all worlds that begin in the same step from the seed of the first: where a world starts
  depends on which others start with it, as well as on its seed.
- The simulation is not exactly repeatable, and worlds cannot be saved.
- PegInsertionSide's pegs and holes differ between worlds but not between the episodes of one: scenes on a GPU cannot be
  built anew one by one.
- A world that diverges is put back to the state before, and not built anew at its next reset.

With one world the same code runs on the CPU's simulator, which is how it is tested without a GPU. No GPU has run it
yet.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from envreward.errors import ConfigError

from .official import building, load, make_world


def backend(device: torch.device) -> str:
    """Return what ManiSkill calls the simulator of a device: ``physx_cpu``, ``physx_cuda`` or ``physx_cuda:1``."""
    if device.type == "cpu":
        return "physx_cpu"
    return "physx_cuda" if device.index is None else f"physx_cuda:{device.index}"


class ManiSkillGpuWorlds:
    """N worlds of one ManiSkill task; what it offers is what `ManiSkillWorlds` does, but for single worlds' states.

    Attributes:
        view: The official environment; readers of fields take it from here.
        action: The action just applied, float32 ``[N, A]``; zero right after a reset.
        info: What ManiSkill's ``evaluate`` says of the present state: name to tensor ``[N, ...]``.
        reward: ManiSkill's dense reward of the present state, float32 ``[N]``.
        seeds: Of the running episodes, one per world.
    """

    def __init__(
        self, name: str, num_worlds: int, per_world: Iterable[str] = (), device: torch.device | str = "cuda"
    ) -> None:
        """Build the worlds.

        Args:
            name: Id of the official environment, e.g. ``PickCube-v1``.
            num_worlds: N.
            per_world: Its attributes that differ between worlds or remember something.
            device: Where they live; on the CPU there can be one world only.

        Raises:
            MissingExtraError: ManiSkill is not installed.
            ConfigError: PhysX cannot simulate on the device; the message says why.
        """
        self.device = torch.device(device)
        self.view: Any = _make(name, num_worlds, self.device)
        self._per_world = tuple(per_world)
        self._rebuilds = self.view.reconfiguration_freq != 0
        self._spoilt = torch.zeros(num_worlds, dtype=torch.bool, device=self.device)
        self.seeds = [0] * num_worlds
        self.action = torch.zeros((num_worlds, self.view.single_action_space.shape[0]), device=self.device)
        self.info: dict[str, Tensor] = {}
        self.reward = torch.zeros(num_worlds, device=self.device)
        self._look()

    @property
    def dt_s(self) -> float:
        """Seconds per step."""
        return float(self.view.control_timestep)

    @property
    def observation(self) -> Tensor:
        """ManiSkill's ``state`` observation of all worlds, float32 ``[N, D]``."""
        obs: Tensor = self.view.get_obs(self.info)
        return obs

    def reset(self, rows: Sequence[int], seeds: Sequence[int]) -> None:
        """Begin an episode in each of the worlds ``rows`` (ascending), from seeds in [0, 2**31)."""
        for row, seed in zip(rows, seeds, strict=True):
            self.seeds[row] = seed
        ids = torch.tensor([*rows], dtype=torch.int64, device=self.device)
        if self._rebuilds:
            with building():
                self.view.reset(seed=[*seeds])
        else:
            self.view.reset(seed=[*seeds], options={"env_idx": ids})
        self._spoilt[ids] = False
        self.action = self.action.clone()
        self.action[ids] = 0.0
        self._look()

    def step(self, action: Tensor) -> Tensor:
        """Apply ``action`` ``[N, A]`` for one step.

        A world whose action or state is not finite shows the state before, until its next reset.

        Returns:
            Which worlds those are, bool ``[N]``.
        """
        view = self.view
        before = view.get_state()
        action = action.to(torch.float32)
        spoilt = self._spoilt | ~torch.isfinite(action).all(1)
        self.action = torch.where(spoilt[:, None], 0.0, action)
        _, self.reward, _, _, self.info = view.step(self.action)
        self._spoilt = spoilt | ~torch.isfinite(view.get_state()).all(1)
        if self._spoilt.any():
            ids = self._spoilt.nonzero().squeeze(1)
            view.set_state(before[ids], ids)
            self._look()
        return self._spoilt.clone()

    def set_velocities(self, body: Any, linear: Tensor, angular: Tensor) -> None:
        """Give a body of the view velocities ``[N, 3]`` (m/s and rad/s, world frame) in all worlds."""
        body.set_linear_velocity(linear)
        body.set_angular_velocity(angular)
        if self.view.gpu_sim_enabled:
            self.view.scene._gpu_apply_all()
            self.view.scene._gpu_fetch_all()

    def close(self) -> None:
        """Release the scene."""
        self.view.scene = self.view.agent = None

    def _look(self) -> None:
        """Evaluate the present state; the reward's own memory stays as it is."""
        view = self.view
        memory = {name: getattr(view, name) for name in self._per_world}
        kept: Mapping[str, Tensor] = {n: value.clone() for n, value in memory.items() if isinstance(value, Tensor)}
        self.info = view.evaluate()
        self.reward = view.compute_dense_reward(None, self.action, self.info)
        for name, value in kept.items():
            setattr(view, name, value)


def _make(name: str, num_worlds: int, device: torch.device) -> Any:
    if device.type == "cpu":
        return make_world(name)
    load()
    try:
        importlib.import_module("sapien.physx").enable_gpu()
    except Exception as error:  # of whatever kind: it downloads a library, unpacks it and loads it
        raise ConfigError(
            f"PhysX cannot simulate on {str(device)!r} ({error}): its library for GPUs, which is downloaded to "
            "~/.sapien/physx when it is first needed, cannot be loaded; use device 'cpu' without it"
        ) from error
    return make_world(name, num_envs=num_worlds, sim_backend=backend(device))
