"""Rollouts of trained policies and of reference behaviours, played in a clean process that loads no reward.

That process, `main`, reads a request from standard input and writes one rollouts file per
actor. Actors that are asked for together play the same episodes: those of the same seeds, which for trained policies
are the episodes that `envreward.evaluation` scores them on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import gymnasium as gym
import torch
from torch import Tensor

from envreward import child
from envreward.errors import ConfigError, EnvRewardError, UnknownNameError
from envreward.evaluation import episode_seeds
from envreward.registry import make_task
from envreward.task import SimTask
from envreward.world_task import WorldTask

from .recording import Act, RandomPolicy, record_rollouts, rollouts_header
from .rollout_file import RolloutFile
from .rollouts import Rollouts, read_rollouts

if TYPE_CHECKING:
    from envreward.task import Behaviour, Task
    from envreward.task_vector_env import TaskVectorEnv

Kind: TypeAlias = Literal["policy", "behaviour"]

NULL, RANDOM = "null", "random"
"""Behaviours that every task has: the zero action, and uniformly random ones."""

_MOST_WORLDS = 32
"""Episodes played at a time."""


def play_policies(
    env_id: str, policies: Mapping[str, Path], *, episodes: int, seed: int, folder: Path
) -> dict[str, Rollouts]:
    """Let trained policies play, without exploration, the episodes on which `evaluate` scores them.

    Args:
        env_id: The task.
        policies: Folders with ``policy.safetensors`` and ``policy.json``, by a name of your choice.
        episodes: Episodes per policy.
        seed: Seeds the episodes, the same for all policies.
        folder: Where ``NAME.jsonl`` is written; made if need be. A file that is there already is read instead.

    Raises:
        ConfigError: A policy cannot be read or does not fit the task, or a file that is there is of other rollouts.
        UnknownNameError: No such environment.
        OSError: A file cannot be written.
    """
    return _play(env_id, "policy", {n: str(p.resolve()) for n, p in policies.items()}, episodes, seed, folder)


def play_behaviours(
    env_id: str, names: Sequence[str] | None = None, *, episodes: int, seed: int, folder: Path
) -> dict[str, Rollouts]:
    """Let reference behaviours of a task play; see `play_policies`.

    Args:
        env_id: The task.
        names: Which of `behaviours`; all by default.
        episodes: Episodes per behaviour.
        seed: Seeds the episodes, the same for all.
        folder: Where ``NAME.jsonl`` is written.

    Raises:
        UnknownNameError: No such environment or behaviour.
        OSError: A file cannot be written.
    """
    known = behaviours(make_task(env_id))
    for name in names or ():
        if name not in known:
            raise UnknownNameError(f"behaviour of {env_id}", name, known)
    return _play(env_id, "behaviour", {name: name for name in names or known}, episodes, seed, folder)


def behaviours(task: Task) -> tuple[str, ...]:
    """Return the behaviours that can be played: the task's own that act in its physics, `NULL` and `RANDOM`.

    A playback of poses is none: what it shows is not reached by actions.
    """
    own = [b.name for b in task.behaviours if b.act is not None and b.name not in (NULL, RANDOM)]
    return (*own, NULL, RANDOM)


def _play(
    env_id: str, kind: Kind, actors: Mapping[str, str], episodes: int, seed: int, folder: Path
) -> dict[str, Rollouts]:
    if episodes < 1:
        raise ConfigError(f"episodes must be at least 1, got {episodes}")
    files = {name: folder / f"{name}.jsonl" for name in actors}
    missing = [name for name, file in files.items() if not file.is_file()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        drafts = {name: files[name].with_suffix(".draft") for name in missing}
        for draft in drafts.values():
            draft.unlink(missing_ok=True)  # of a process that was killed
        request = {
            "env_id": env_id,
            "kind": kind,
            "actors": [[name, actors[name], str(drafts[name].resolve())] for name in missing],
            "seeds": episode_seeds(seed, episodes),
        }
        _run(request)
        for name in missing:
            drafts[name].replace(files[name])
    found = {name: read_rollouts(file) for name, file in files.items()}
    for name, rollouts in found.items():
        _check(rollouts, env_id, name, episode_seeds(seed, episodes))
    return found


def _check(rollouts: Rollouts, env_id: str, name: str, seeds: list[int]) -> None:
    header = rollouts.header
    wanted = make_task(env_id).spec.id
    if header.env_id != wanted or header.actor != name or {e.seed for e in rollouts.episodes} != set(seeds):
        raise ConfigError(f"{rollouts.path} holds other rollouts than {name}'s on {wanted}; choose another folder")


def _run(request: Mapping[str, Any]) -> None:
    process = subprocess.run(
        child.command(__name__),
        input=json.dumps(request),
        env=os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = process.stderr.strip().splitlines()[-1:] or ["no output"]
    if process.returncode == ConfigError.exit_code:
        raise ConfigError(said[0])
    if process.returncode:
        raise EnvRewardError(f"the process that plays rollouts ended with exit code {process.returncode}: {said[0]}")


def _answer(env_id: str, kind: Kind, actors: Sequence[tuple[str, str, str]], seeds: list[int]) -> None:
    from envreward.vector_env import make_vector_env

    # the behaviours of a foreign environment act in one world, those of other tasks in all at once
    at_once = kind == "policy" or isinstance(make_task(env_id), (SimTask, WorldTask))
    env = make_vector_env(env_id, min(len(seeds), _MOST_WORLDS) if at_once else 1, reward="none", num_threads=0)
    try:
        for name, what, path in actors:
            act = _policy(env, Path(what)) if kind == "policy" else behaviour_policy(env, what)
            with RolloutFile(Path(path), rollouts_header(env, name)) as file:
                record_rollouts(env, act, file, seeds)
    finally:
        env.close()


def _policy(env: TaskVectorEnv, folder: Path) -> Act:
    from envreward.training.policy_io import load_policy

    policy = load_policy(folder)
    form, task = policy.form, env.task
    fits = tuple(env.single_observation_space.shape or ()) == form.obs_shape
    if not fits or tuple(env.single_action_space.shape or ()) != form.action_shape:
        raise ConfigError(f"the policy in {folder} was trained on {form.env_id} and does not fit {task.spec.id}")
    return policy.act


def behaviour_policy(env: TaskVectorEnv, name: str) -> Act:
    """Return a behaviour of `behaviours` as a policy for ``env``."""
    if name == RANDOM:
        return RandomPolicy(env)
    if name == NULL:
        idle = torch.zeros((env.num_envs, *(env.single_action_space.shape or ())), dtype=_action_dtype(env))
        return lambda obs: idle
    return _Behaviour(env, next(b for b in env.task.behaviours if b.name == name))


def _action_dtype(env: TaskVectorEnv) -> torch.dtype:
    return torch.float32 if isinstance(env.single_action_space, gym.spaces.Box) else torch.int64


class _Behaviour:
    """A task's own behaviour, which is told how many steps its episodes, which begin together, are old."""

    def __init__(self, env: TaskVectorEnv, behaviour: Behaviour) -> None:
        assert behaviour.act is not None
        self._act, self._step = behaviour.act, 0
        self._bound = getattr(env, "worlds", env.task)

    def begin(self, seeds: Sequence[int]) -> None:
        """Begin episodes of these seeds, one per world."""
        self._step = 0

    def __call__(self, obs: Tensor) -> Tensor:
        action = self._act(self._bound, self._step)
        self._step += 1
        return action


def main() -> None:
    """Record what the request on standard input asks for; an error of the user is one line on standard error."""
    torch.set_num_threads(1)
    request = json.loads(sys.stdin.read())
    try:
        with torch.inference_mode():
            _answer(**request)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(ConfigError.exit_code)
