"""What all vector environments share: torch in, torch out, all worlds in one call.

`TaskVectorEnv` holds everything that does not depend on where the physics comes from: which fields are read, the
values before the action (``prev_*``), time limits, autoreset, seeds, the reward. Its kinds add worlds: those of a `Sim`
(`envreward.sim_vector_env`), of their own making (`envreward.world_vector_env`), or of a foreign Gymnasium environment
(`envreward.gym_vector_env`). `envreward.vector_env.make_vector_env` makes the kind that a task needs.

Two ways to step it. `TaskVectorEnv.step` is Gymnasium's and pays the environment's reward. `TaskVectorEnv.advance`
is for training: it computes no reward but returns the fields that were asked for with `TaskVectorEnv.request`, so
that rewards can be evaluated once per rollout over all stored states.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from torch import Tensor

from envreward import noise
from envreward.episodes import Transition
from envreward.errors import ConfigError
from envreward.fields import PREV, resolve
from envreward.rewards.choice import RewardChoice, choose_reward
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.rewards.sequence import Flow, SequenceReward, new_memory
from envreward.task import Task

_PRIVATE = ("failure", "success", "fitness")


class TaskVectorEnv(gym.vector.VectorEnv[Any, Any, Any], abc.ABC):
    """N worlds of one task. Autoreset is ``SAME_STEP``, or ``DISABLED`` with ``autoreset=False``."""

    def __init__(
        self,
        task: Task,
        num_envs: int,
        *,
        reward: RewardChoice = None,
        max_episode_steps: int | None = None,
        autoreset: bool = True,
        render_mode: str | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        if num_envs < 1:
            raise ConfigError(f"num_envs must be at least 1, got {num_envs}")
        if render_mode not in (None, "rgb_array"):
            raise ConfigError(f"render_mode must be 'rgb_array' or None, got {render_mode!r}")
        self.task = task
        self.num_envs = num_envs
        self.device = torch.device(device)
        self.horizon = task.spec.horizon if max_episode_steps is None else max_episode_steps
        self.render_mode = render_mode
        self.metadata = {
            "autoreset_mode": AutoresetMode.SAME_STEP if autoreset else AutoresetMode.DISABLED,
            "render_modes": ["rgb_array"],
        }
        self.single_observation_space = task.observation_space
        self.single_action_space = task.action_space
        self.observation_space = batch_space(task.observation_space, num_envs)
        self.action_space = batch_space(task.action_space, num_envs)
        self.reward_function = choose_reward(task, reward)
        memory = new_memory(self.reward_function, num_envs) if self.reward_function else {}
        self._memory = {name: value.to(self.device) for name, value in memory.items()}
        self.elapsed = torch.zeros(num_envs, dtype=torch.int64, device=self.device)
        """Steps taken in the running episode, int64 ``[N]``."""
        self.cut = torch.zeros(num_envs, dtype=torch.int64, device=self.device)
        """Steps by which the running episode ends before its time, int64 ``[N]``; 0 again from the next one on. Such
        episodes are marked (``Transition.cut_short``), so that nobody compares their sums with those of whole ones."""
        self._autoreset = autoreset
        self._seeds = np.zeros(0, dtype=np.uint64)
        self._episode = np.zeros(num_envs, dtype=np.uint64)
        self._names: tuple[str, ...] = ()
        self._previous_names: tuple[str, ...] = ()
        self._previous: dict[str, Any] = {}
        self._dtype: torch.dtype | None = None
        self._live: dict[str, bool] = {}

    # What a concrete environment provides.

    @abc.abstractmethod
    def _start(self, ids: Tensor, keys: noise.UInt64) -> None:
        """Begin an episode in the worlds ``ids`` (sorted int64 ``[k]``), drawing from ``keys`` ``[k]`` alone."""

    @abc.abstractmethod
    def _simulate(self, action: Tensor) -> Tensor:
        """Advance all worlds by one step; return bool ``[N]``, the worlds whose physics broke."""

    @abc.abstractmethod
    def _observe(self) -> Tensor:
        """Return the observation of all worlds ``[N, *obs_shape]``, a fresh tensor."""

    @abc.abstractmethod
    def _read(self, name: str) -> Any:
        """Return a declared field's present value ``[N, *shape]``."""

    # What it may provide.

    fault_reason = ""
    """What failed last under a world; empty while nothing did."""

    def _faults(self) -> Tensor | None:
        """Return the worlds whose machinery failed in the last `_simulate`, bool ``[N]``; ``None`` where none did."""
        return None

    can_save = False
    """Whether `save` and `load` work."""

    def _save(self) -> dict[str, Tensor]:
        raise NotImplementedError(f"{type(self).__name__} cannot save its worlds")

    def _load(self, saved: Mapping[str, Tensor]) -> None:
        raise NotImplementedError(f"{type(self).__name__} cannot load worlds")

    # What every environment does.

    def request(self, names: Iterable[str], dtype: torch.dtype | None = torch.float32) -> None:
        """Choose the fields that `advance` returns in ``Transition.state``, instead of those chosen before.

        Args:
            names: Fields of the task, private ones and ``prev_`` names included.
            dtype: Floating-point fields are cast to it; ``None`` keeps the simulator's own (float64; float32 on a GPU).

        Raises:
            UnknownNameError: A name is not a field of the task; the message lists near matches.
        """
        names = tuple(dict.fromkeys(names))
        for name in names:
            resolve(name, self.task.fields)
        declared = self.task.fields
        self._names = names
        self._previous_names = tuple(n.removeprefix(PREV) for n in names if n not in declared)
        self._dtype = dtype
        read = {name if name in declared else name.removeprefix(PREV) for name in names}
        self._live = {name: self._is_live(name) for name in read.union(_PRIVATE)}
        self._previous = self._values(self._previous_names)

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """Begin a new episode in every world.

        Args:
            seed: World i's seed is ``seed + i``, or ``seed[i]``; its whole future of resets depends on that alone.
                ``None`` goes on with the seeds in use, or draws some at the first reset.
            options: Not used.
        """
        if seed is None and len(self._seeds):
            self._episode += np.uint64(1)
        else:
            if isinstance(seed, Sequence):
                if len(seed) != self.num_envs:
                    raise ConfigError(f"seed: expected {self.num_envs} numbers, one per world, got {len(seed)}")
                seeds = [*seed]
            else:
                super().reset(seed=seed)
                first = int(self.np_random.integers(2**31)) if seed is None else seed
                seeds = [first + i for i in range(self.num_envs)]
            self._seeds = np.array([s % 2**64 for s in seeds], dtype=np.uint64)
            self._episode[:] = 0
        self._begin(torch.arange(self.num_envs, device=self.device))
        return self._observe(), {}

    def advance(self, action: Tensor) -> Transition:
        """Apply ``action`` ``[N, *action_shape]`` (float32 or float64, used as it is: clip it yourself) for one step.

        No reward is computed.

        Raises:
            gymnasium.error.ResetNeeded: `reset` was never called.
        """
        if not len(self._seeds):
            raise gym.error.ResetNeeded("call reset() before the first step")
        broken = self._simulate(action)
        first = self.elapsed == 0
        self.elapsed += 1
        state = self._values(name for name in self._names if name in self.task.fields)
        for name in self._previous_names:
            state[PREV + name] = self._previous[name]
        self._previous = {n: state[n] if n in state else self._value(n) for n in self._previous_names}
        failure, success, fitness = (state[n] if n in state else self._value(n) for n in _PRIVATE)
        terminated = failure > broken  # of flags, a > b is "a and not b", in one operation
        faulted = self._faults()
        if faulted is not None:
            terminated = terminated > faulted
            broken_off = broken | faulted
        else:
            broken_off = broken
        truncated = (self._out_of_time() | broken_off) > terminated
        obs = final_obs = self._observe()
        cut_short = None
        if self._autoreset:
            ids = (terminated | truncated).nonzero().squeeze(1)
            if len(ids):
                if self.cut[ids].any():
                    cut_short = (self.cut > 0) & (terminated | truncated)
                self._episode[ids.cpu().numpy()] += np.uint64(1)
                self._begin(ids)
                obs = self._observe()
        flags = (success, fitness, broken, first, faulted, cut_short)
        return Transition(obs, final_obs, terminated, truncated, state, *flags)

    def spread_starts(self, period: int) -> None:
        """Let the running episodes end early, each of ``period`` neighbours at another time.

        So the worlds of one training are in all phases of an episode at once. Call it after `reset`.
        """
        self.cut.copy_(torch.arange(self.num_envs, device=self.device) % period * self.horizon // period)

    def save(self) -> dict[str, Tensor]:
        """Return copies of all that decides how the worlds go on, one row per world ``[N, ...]``.

        Raises:
            NotImplementedError: The environment cannot do this (`can_save` is false).
        """
        own = {"elapsed": self.elapsed.clone(), "cut": self.cut.clone()}
        own |= {"seed": torch.from_numpy(self._seeds.view(np.int64).copy())}
        own |= {"episode": torch.from_numpy(self._episode.view(np.int64).copy())}
        own |= {f"previous.{name}": value.clone() for name, value in self._previous.items()}
        own |= {f"reward.{name}": value.clone() for name, value in self._memory.items()}
        return own | {f"world.{name}": rows for name, rows in self._save().items()}

    def load(self, saved: Mapping[str, Tensor]) -> None:
        """Go on from what `save` returned, bit for bit, after the same `request`.

        The rows may come from several environments of the same task: a world does not know its neighbours.

        Raises:
            NotImplementedError: The environment cannot do this (`can_save` is false).
        """
        self._load({name.removeprefix("world."): rows for name, rows in saved.items() if name.startswith("world.")})
        self.elapsed.copy_(saved["elapsed"])
        self.cut.copy_(saved["cut"])
        self._seeds = saved["seed"].numpy().view(np.uint64).copy()
        self._episode = saved["episode"].numpy().view(np.uint64).copy()
        own = {name: saved[f"previous.{name}"] for name in self._previous_names}
        self._previous = {name: value.to(self.device, copy=True) for name, value in own.items()}
        self._memory = {name: saved[f"reward.{name}"].to(self.device, copy=True) for name in self._memory}

    def step(self, action: Any) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """Gymnasium's step, with the environment's reward ``[N]``.

        ``info`` holds ``success`` (bool ``[N]``), ``fitness`` (float ``[N]``), ``broken`` (bool ``[N]``),
        ``reward_components`` (name to float ``[N]``) and, when worlds were reset, ``final_obs`` with the mask
        ``_final_obs``.
        """
        transition = self.advance(torch.as_tensor(action, device=self.device))
        reward, components = self.rewards(transition)
        info: dict[str, Any] = {
            "success": transition.success,
            "fitness": transition.fitness,
            "broken": transition.broken,
            "reward_components": components,
        }
        if transition.final_obs is not transition.obs:
            info["final_obs"] = transition.final_obs
            info["_final_obs"] = transition.terminated | transition.truncated
        return transition.obs, reward, transition.terminated, transition.truncated, info

    def rewards(self, transition: Transition) -> RewardOutput:
        """Return the environment's own reward of a transition whose fields have been requested."""
        reward = self.reward_function
        if reward is None:
            return RewardOutput(torch.zeros(self.num_envs, dtype=torch.float64, device=self.device), {})
        wanted = reward.parameters
        missing = [name for name in wanted if name not in transition.state]
        if missing:
            raise ConfigError(f"request() left out {', '.join(missing)}, which the environment's reward reads")
        state = {name: transition.state[name] for name in wanted}
        if not isinstance(reward, SequenceReward):
            return reward(**state)
        flow = Flow(*(flags.unsqueeze(0) for flags in (transition.first, transition.terminated, transition.truncated)))
        rows: dict[str, Any] = {n: v.unsqueeze(0) if isinstance(v, Tensor) else [v] for n, v in state.items()}
        total, components = reward.over(flow, self._memory, **rows)
        return RewardOutput(total[0], {name: value[0] for name, value in components.items()})

    def request_reward(self) -> None:
        """Request exactly what the environment's own reward reads: what `step` needs, and the state after creation."""
        reward = self.reward_function
        trusted = isinstance(reward, (FunctionReward, SequenceReward))
        self.request(reward.parameters if reward else (), None if trusted else torch.float32)

    def _out_of_time(self) -> Tensor:
        """Return the worlds whose episode has reached its time limit, bool ``[N]``."""
        return self.elapsed + self.cut >= self.horizon

    def _begin(self, ids: Tensor) -> None:
        rows = ids.cpu().numpy()
        self._start(ids, noise.keys(self._seeds[rows], self._episode[rows]))
        self.elapsed[ids] = 0
        self.cut[ids] = 0
        self._previous = self._values(self._previous_names)

    def _values(self, names: Iterable[str]) -> dict[str, Any]:
        return {name: self._value(name) for name in names}

    def _value(self, name: str) -> Any:
        value = self._read(name)
        if not isinstance(value, Tensor):
            return list(value)
        if self._dtype is not None and value.is_floating_point() and value.dtype != self._dtype:
            return value.to(self._dtype)
        return value.clone() if self._live[name] else value

    def _is_live(self, name: str) -> bool:
        """Return whether reading a field gives memory that later steps write to; reading also makes a `Sim` bind it."""
        first, second = self._read(name), self._read(name)
        return not isinstance(first, Tensor) or first.data_ptr() == second.data_ptr()
