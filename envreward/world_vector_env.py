"""N worlds of a `WorldTask` as a vector environment, in the candidate codec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from envreward import noise
from envreward.errors import ConfigError
from envreward.task_vector_env import TaskVectorEnv
from envreward.world_task import FactBoard, WorldTask
from envreward.worlds import Candidates

_TRIES = 3
"""Resets of a world whose machinery fails, before its episode begins as a lost one."""


class WorldVectorEnv(TaskVectorEnv):
    """N worlds of a `WorldTask`.

    ``info`` of `step` has three more entries, lists of N strings: ``state_hash`` of the state that the action led to,
    ``action_error`` (why the action could not be taken, or empty) and ``infra_error`` (what failed under the world, or
    empty). An episode whose machinery fails ends as truncated.
    """

    task: WorldTask

    def __init__(self, task: WorldTask, num_envs: int, **kwargs: Any) -> None:
        """Create the worlds.

        Args:
            task: The task.
            num_envs: N.
            **kwargs: As for `TaskVectorEnv`.
        """
        super().__init__(task, num_envs, **kwargs)
        shape = task.candidate_shape
        self.worlds = task.open(num_envs)
        self.board = FactBoard(task.fields, num_envs)
        self._shape = shape
        self._offered: list[Candidates[Any]] = []
        self._rows = np.zeros((num_envs, shape.size), dtype=np.float32)
        self._context, rest = np.split(self._rows, [shape.context], axis=1)
        self._mask = rest[:, : shape.choices]
        self._features = rest[:, shape.choices :].reshape(num_envs, shape.choices, shape.features)
        assert np.shares_memory(self._features, self._rows)
        nothing = np.zeros((0, shape.features), np.float32)
        self._offered = [Candidates((), nothing, np.zeros(shape.context, np.float32)) for _ in range(num_envs)]
        self._keys = np.zeros(num_envs, dtype=np.uint64)
        self._history = np.full((num_envs, self.horizon if task.replayable else 0), -1, dtype=np.int64)
        self.reporting = False
        """Whether `advance`, too, fills in `reports`; `step` always does."""
        self.reports: dict[str, list[str]] = {}
        """What the last step's ``info`` adds: ``state_hash``, ``action_error`` and ``infra_error``, N strings each."""
        self.metadata["render_fps"] = 2
        self.request_reward()

    can_save = property(lambda self: self.task.replayable)

    def _start(self, ids: Tensor, keys: noise.UInt64) -> None:
        waiting = dict(zip(ids.tolist(), keys, strict=True))
        for world, key in waiting.items():
            self._keys[world] = key
        self._history[ids.numpy()] = -1
        for _ in range(_TRIES):
            self.worlds.reset(list(waiting), [int(key >> np.uint64(1)) for key in waiting.values()])
            waiting = {world: key for world, key in waiting.items() if self.worlds.infra_error[world]}
            if not waiting:
                break
        for world in ids.tolist():
            self._show(world, action=0, action_failed=False, steps_taken=0, steps_left=self.horizon)

    def _simulate(self, action: Tensor) -> Tensor:
        chosen = action.tolist()
        taken: dict[int, Any] = {}
        worlds = self.worlds
        for world, index in enumerate(chosen):
            offered = self._offered[world].actions
            if 0 <= index < len(offered):
                taken[world] = offered[index]
            else:
                worlds.refuse(world, _no_candidate(index, offered))
        worlds.act(taken)
        elapsed = self.elapsed.tolist()
        for world, index in enumerate(chosen):
            steps = elapsed[world] + 1
            if steps <= self._history.shape[1]:
                self._history[world, steps - 1] = index
            failed = bool(worlds.action_error[world])
            self._show(world, action=index, action_failed=failed, steps_taken=steps, steps_left=self.horizon - steps)
        if self.reporting:
            lost = worlds.infra_error
            hashes = ["" if lost[world] else worlds.state_hash(world) for world in range(self.num_envs)]
            self.reports = {
                "state_hash": hashes,
                "action_error": list(worlds.action_error),
                "infra_error": list(worlds.infra_error),
            }
        return torch.zeros(self.num_envs, dtype=torch.bool)

    def _show(self, world: int, **own: Any) -> None:
        """Read a world's facts and candidates; one whose machinery failed keeps those it had."""
        if self.worlds.infra_error[world]:
            self._mask[world] = 0.0
            self._mask[world, 0] = 1.0  # a policy must have something to choose
            return
        self.board.write(world, self.worlds.facts(world), **own)
        offered = self._offered[world] = self.worlds.candidates(world)
        count = len(offered.actions)
        if not 1 <= count <= self._shape.choices:
            raise ConfigError(
                f"{self.task.spec.id}: {count} candidates offered; 1 to {self._shape.choices} are possible"
            )
        self._context[world] = offered.context
        self._mask[world, :count] = 1.0
        self._mask[world, count:] = 0.0
        self._features[world, :count] = offered.features
        self._features[world, count:] = 0.0

    def _faults(self) -> Tensor | None:
        errors = self.worlds.infra_error
        if not any(errors):
            return None
        self.fault_reason = next(filter(None, errors))
        return torch.tensor([bool(error) for error in errors])

    def _observe(self) -> Tensor:
        return torch.from_numpy(self._rows.copy())

    def _read(self, name: str) -> Any:
        reader = self.task.fields[name].read
        assert reader is not None, name
        return reader(self.board)

    def step(self, action: Any) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """As `TaskVectorEnv.step`, with ``state_hash``, ``action_error`` and ``infra_error`` in ``info``."""
        before, self.reporting = self.reporting, True
        try:
            obs, reward, terminated, truncated, info = super().step(action)
        finally:
            self.reporting = before
        return obs, reward, terminated, truncated, {**info, **self.reports}

    def _save(self) -> dict[str, Tensor]:
        keys = torch.from_numpy(self._keys.view(np.int64).copy())
        return {"key": keys, "history": torch.from_numpy(self._history.copy())}

    def _load(self, saved: Mapping[str, Tensor]) -> None:
        keys, history = saved["key"].numpy().view(np.uint64), saved["history"].numpy().copy()
        self.elapsed.zero_()
        self._start(torch.arange(self.num_envs), keys.copy())
        lengths = (history >= 0).sum(1)
        for step in range(int(lengths.max(initial=0))):
            going = np.flatnonzero(lengths > step)
            offered = {w: self._offered[w].actions for w in going.tolist()}
            picks = {w: int(history[w, step]) for w in going.tolist()}
            for w, index in picks.items():
                if index >= len(offered[w]):
                    self.worlds.refuse(w, _no_candidate(index, offered[w]))
            self.worlds.act({w: offered[w][i] for w, i in picks.items() if i < len(offered[w])})
            for w, index in picks.items():
                failed = bool(self.worlds.action_error[w])
                left = self.horizon - step - 1
                self._show(w, action=index, action_failed=failed, steps_taken=step + 1, steps_left=left)
        self._history = history

    def frame(self, world: int = 0, *, width: int = 480, height: int = 480) -> NDArray[np.uint8]:
        """Return a picture of one world, uint8 ``[h, w, 3]``; its size is the world's own."""
        return self.worlds.frame(world)

    def render(self) -> tuple[Any, ...] | None:
        """Return a picture of each world in ``rgb_array`` mode, else ``None``."""
        return None if self.render_mode is None else tuple(self.frame(world) for world in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Release the worlds."""
        self.worlds.close()


def _no_candidate(index: int, offered: Sequence[Any]) -> str:
    return f"there is no candidate {index}: {len(offered)} are offered"
