"""N worlds of a ManiSkill task on the CPU: official episodes, stepped together.

Resets are ManiSkill's own, world by world, each from its own seed, so that a world never depends on its neighbours.
Steps and all that is read from them run once for all worlds (see `envreward.envs.manipulation.maniskill.batch`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from .batch import Batch, Body
from .official import building, make_world


class ManiSkillWorlds:
    """N worlds of one ManiSkill task.

    Attributes:
        view: ManiSkill's environment as its task code sees it, with all N worlds; readers of fields take it from here.
        action: The action just applied, float32 ``[N, A]``; zero right after a reset.
        info: What ManiSkill's ``evaluate`` says of the present state: name to tensor ``[N, ...]``.
        reward: ManiSkill's dense reward of the present state, float32 ``[N]``.
        seeds: Of the running episodes, one per world.
    """

    def __init__(self, name: str, num_worlds: int, per_world: Iterable[str] = ()) -> None:
        """Build the worlds.

        Args:
            name: Id of the official environment, e.g. ``PickCube-v1``.
            num_worlds: N.
            per_world: Its attributes that differ between worlds or remember something.

        Raises:
            MissingExtraError: ManiSkill is not installed.
        """
        self.name = name
        self._envs = [make_world(name) for _ in range(num_worlds)]
        self._batch = Batch(self._envs, per_world)
        self._substeps: int = self._envs[0]._sim_steps_per_control
        self._rebuilds = self._envs[0].reconfiguration_freq != 0
        self._spoilt = torch.zeros(num_worlds, dtype=torch.bool)
        self.seeds = [0] * num_worlds
        self.view: Any = self._batch.view
        self.action = torch.zeros((num_worlds, self._envs[0].action_space.shape[0]))
        self.info: dict[str, Tensor] = {}
        self.reward = torch.zeros(num_worlds)
        self._look(remember=False)

    @property
    def dt_s(self) -> float:
        """Seconds per step."""
        return float(self._envs[0].control_timestep)

    @property
    def observation(self) -> Tensor:
        """ManiSkill's ``state`` observation of all worlds, float32 ``[N, D]``."""
        obs: Tensor = self.view.get_obs(self.info)
        return obs

    def reset(self, rows: Sequence[int], seeds: Sequence[int]) -> None:
        """Begin an episode in each of the worlds ``rows`` (ascending), from its seed in [0, 2**31)."""
        for row, seed in zip(rows, seeds, strict=True):
            self.seeds[row] = seed
            anew = bool(self._spoilt[row])
            if anew or self._rebuilds:
                with building():
                    self._envs[row].reset(seed=seed, options={"reconfigure": True})
            else:
                self._envs[row].reset(seed=seed)
        self._spoilt[list(rows)] = False
        self._batch.restart(rows)
        self.action = self.action.clone()
        self.action[list(rows)] = 0.0
        self._look(remember=False)

    def step(self, action: Tensor, rows: Sequence[int] | None = None) -> Tensor:
        """Apply ``action`` ``[N, A]`` for one step, in the worlds ``rows`` alone if given.

        A world whose action or state is not finite shows the state before, and is built anew at its next reset.

        Returns:
            Which worlds those are, bool ``[N]``.
        """
        batch = self._batch
        if rows is None:
            rows, self.action = range(len(self.seeds)), action.to(torch.float32)
        else:
            self.action = self.action.clone()
            self.action[list(rows)] = action[list(rows)].to(torch.float32)
        spoilt = self._spoilt | ~torch.isfinite(self.action).all(1)
        if spoilt.any():
            self.action = self.action.masked_fill(spoilt[:, None], 0.0)
            rows = [row for row in rows if not spoilt[row]]
        state, poses = batch.state, batch.poses
        batch.step(self.action, self._substeps, rows)
        diverged = ~(torch.isfinite(batch.state).all(1) & torch.isfinite(batch.poses).flatten(1).all(1))
        if diverged.any():
            batch.state[diverged], batch.poses[diverged] = state[diverged], poses[diverged]
        self._spoilt = spoilt | diverged
        self._look(remember=True)
        return self._spoilt.clone()

    def set_velocities(self, body: Body, linear: Tensor, angular: Tensor) -> None:
        """Give a body of the view velocities ``[N, 3]`` (m/s and rad/s, world frame) in all worlds."""
        body.set_velocities(linear, angular)

    def packed(self, row: int) -> bytes:
        """Return one world's PhysX state, for `sapien.physx.PhysxCpuSystem.unpack` of a world of the same shape."""
        state: bytes = self._batch.worlds[row].px.pack()
        return state

    def close(self) -> None:
        """Release the scenes."""
        for env in self._envs:
            env.scene = env.agent = None

    def _look(self, *, remember: bool) -> None:
        """Evaluate the present state; the reward's own memory moves on only with a step."""
        view = self.view
        memory = {} if remember else self._batch.memory()
        self.info = view.evaluate()
        self.reward = view.compute_dense_reward(None, self.action, self.info)
        self._batch.remember(memory)
