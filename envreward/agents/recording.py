"""Recording what policies do in any task's vector environment: trained ones, oracles, random ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from envreward.errors import ConfigError
from envreward.fields import PREV
from envreward.world_task import WorldTask
from envreward.world_vector_env import WorldVectorEnv

from .rollout_file import EpisodeLog, RolloutFile
from .rollouts import Header, Outcome

if TYPE_CHECKING:
    from envreward.episodes import Transition
    from envreward.task_vector_env import TaskVectorEnv

Act: TypeAlias = Callable[[Tensor], Tensor]
"""Maps observations ``[N, *obs_shape]`` to actions ``[N, *action_shape]``."""

_STREAM = 0xAC7  # keeps random actions apart from all else that is drawn from a seed


@runtime_checkable
class SeededAct(Protocol):
    """A policy whose actions are drawn: it is told the seed of each world's episode when episodes begin."""

    def begin(self, seeds: Sequence[int]) -> None:
        """Begin episodes of these seeds, one per world."""
        ...

    def __call__(self, obs: Tensor) -> Tensor:
        """Return an action per world."""
        ...


def rollouts_header(env: TaskVectorEnv, actor: str, settings: Mapping[str, Any] | None = None) -> Header:
    """Return the header of rollouts in ``env``.

    Args:
        env: The environment.
        actor: Who acts in it.
        settings: What else decides how episodes go, as plain JSON values.
    """
    task = env.task
    values = {name: env._read(name) for name in task.fields}
    stored: dict[str, Any] = {
        name: str(value.dtype).removeprefix("torch.") if isinstance(value, Tensor) else "str"
        for name, value in values.items()
    }
    return Header(
        env_id=task.spec.id,
        actor=actor,
        settings=settings or {},
        horizon=env.horizon,
        fitness_reduce=task.fitness_reduce,
        fields=task.fields,
        stored=stored,
    )


def record_rollouts(
    env: TaskVectorEnv,
    act: Act,
    file: RolloutFile,
    seeds: Sequence[int],
    ended: Callable[[int, Outcome], None] = lambda seed, outcome: None,
) -> None:
    """Let a policy play one episode from each seed, N at a time, and record every step.

    A seed gives the same episode whatever else is played beside it. A world whose episode has ended goes on unrecorded
    until the last of the N has ended.

    Args:
        env: N worlds, with autoreset; its own reward is not computed.
        act: The policy.
        file: Where to record; made with `rollouts_header`.
        seeds: Of the episodes.
        ended: Called with the seed and outcome of each episode as it ends.

    Raises:
        OSError: The file cannot be written; what is in it stays.
    """
    names = [*env.task.fields]
    env.request([*names, *(PREV + name for name in names if name != "action")], dtype=None)
    if isinstance(env, WorldVectorEnv):
        env.reporting = True
    for start in range(0, len(seeds), env.num_envs):
        wave = [*seeds[start : start + env.num_envs]]
        _record_wave(env, act, file, wave, ended)


def _record_wave(
    env: TaskVectorEnv, act: Act, file: RolloutFile, wave: list[int], ended: Callable[[int, Outcome], None]
) -> None:
    seeds = wave + wave[:1] * (env.num_envs - len(wave))
    obs, _ = env.reset(seed=seeds)
    if isinstance(act, SeededAct):
        act.begin(seeds)
    playing = set(range(len(wave)))
    for world, error in enumerate(_errors_at_reset(env)[: len(wave)]):
        if error:
            playing.remove(world)
            log = file.begin(wave[world], instruction=env.task.spec.instruction, facts=None)
            ended(wave[world], log.end(lost=error))
    openings = {world: _opening(env, world) for world in playing}
    logs: dict[int, EpisodeLog] = {}
    while playing:
        action = act(obs)
        transition = env.advance(action)
        obs = transition.obs
        state = transition.state
        columns = {name: value.tolist() if isinstance(value, Tensor) else value for name, value in state.items()}
        taken = action.tolist()
        for world in sorted(playing):
            if world not in logs:
                before = {n.removeprefix(PREV): column[world] for n, column in columns.items() if n.startswith(PREV)}
                logs[world] = file.begin(wave[world], facts=before, **openings[world])
            now = {name: column[world] for name, column in columns.items() if not name.startswith(PREV)}
            if (outcome := _record_step(env, transition, world, logs[world], now, taken[world])) is not None:
                playing.remove(world)
                ended(wave[world], outcome)


def _errors_at_reset(env: TaskVectorEnv) -> list[str]:
    """Return why each world could not be reset; empty where it could."""
    return list(env.worlds.infra_error) if isinstance(env, WorldVectorEnv) else []


def _opening(env: TaskVectorEnv, world: int) -> dict[str, str]:
    if not isinstance(env, WorldVectorEnv):
        return {"instruction": env.task.spec.instruction}
    return {"instruction": env.worlds.instruction(world), "state_hash": env.worlds.state_hash(world)}


def _record_step(
    env: TaskVectorEnv, transition: Transition, world: int, log: EpisodeLog, facts: dict[str, Any], action: Any
) -> Outcome | None:
    """Record one world's step; return the outcome of its episode if it has ended."""
    terminated, truncated = bool(transition.terminated[world]), bool(transition.truncated[world])
    reports: dict[str, Any] = {}
    if isinstance(env, WorldVectorEnv):
        reports = {name: texts[world] for name, texts in env.reports.items()}
    log.step(facts=facts, action=action, terminated=terminated, truncated=truncated, **reports)
    if not (terminated or truncated):
        return None
    if transition.faulted is not None and transition.faulted[world]:
        return log.end(lost=reports.get("infra_error") or env.fault_reason or "the machinery under it failed")
    return log.end(reason="the physics broke" if transition.broken[world] else "")


def oracle_policy(env: TaskVectorEnv) -> Act:
    """Return the task's own way to succeed as a policy for ``env``.

    Raises:
        ConfigError: The task has none that acts, or it plays one world at a time and ``env`` has more.
    """
    for behaviour in env.task.behaviours:
        oracle = behaviour.act
        if not behaviour.succeeds or oracle is None:
            continue
        if isinstance(env, WorldVectorEnv):
            worlds = env.worlds
            return lambda obs: oracle(worlds, 0)
        if env.num_envs > 1:
            raise ConfigError(f"the oracle of {env.task.spec.id} plays one world at a time, not {env.num_envs}")
        bound = getattr(env, "worlds", env.task)
        return lambda obs: oracle(bound, int(env.elapsed[0]))
    raise ConfigError(f"{env.task.spec.id} has no oracle that acts in it; take another policy")


class RandomPolicy:
    """Uniformly random actions, of those that make sense where the task tells; a function of each episode's seed."""

    def __init__(self, env: TaskVectorEnv) -> None:
        space, task = env.single_action_space, env.task
        self._choices = task.candidate_shape if isinstance(task, WorldTask) else None
        if not isinstance(space, (gym.spaces.Box, gym.spaces.Discrete)):
            raise ConfigError(f"{task.spec.id}: no random actions for the action space {space}")
        if isinstance(space, gym.spaces.Box) and not space.is_bounded():
            raise ConfigError(f"{task.spec.id}: no uniformly random actions, as its action space has no bounds")
        self._space = space
        self._random: list[np.random.Generator] = []

    def begin(self, seeds: Sequence[int]) -> None:
        """Begin episodes of these seeds, one per world."""
        self._random = [np.random.default_rng([seed % 2**64, _STREAM]) for seed in seeds]

    def __call__(self, obs: Tensor) -> Tensor:
        """Return an action per world."""
        space = self._space
        if isinstance(space, gym.spaces.Box):
            drawn = [random.uniform(space.low, space.high) for random in self._random]
            return torch.from_numpy(np.stack(drawn).astype(space.dtype))
        if self._choices is None:
            return torch.tensor([int(random.integers(space.n)) + int(space.start) for random in self._random])
        shape = self._choices
        masks = obs[:, shape.context : shape.context + shape.choices].numpy()
        return torch.tensor([int(r.choice(np.flatnonzero(m))) for r, m in zip(self._random, masks, strict=True)])
