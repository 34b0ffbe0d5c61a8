"""The peers that `benchmarks.throughput` steps beside our environments, and what each family is measured on."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np

WARM_UP_STEPS = 20


def actions(space: gym.spaces.Box, num_envs: int) -> list[np.ndarray]:
    """Return 16 batches of uniformly random actions, float32 ``[num_envs, A]``."""
    rng = np.random.default_rng(0)
    return [rng.uniform(space.low, space.high, (num_envs, *space.shape)).astype(np.float32) for _ in range(16)]


class Peer:
    """Somebody else's vector environment behind a function that steps it once."""

    def __init__(self, name: str, num_envs: int, step: Callable[[int], Any], close: Callable[[], Any]) -> None:
        self.name, self.num_envs, self.step, self.close = name, num_envs, step, close
        for i in range(WARM_UP_STEPS):
            step(i)


@dataclass(frozen=True, kw_only=True)
class Family:
    """What is measured of one family of environments, and the bars."""

    tasks: tuple[str, ...]
    prefix: str = ""
    """What comes before a task's name in its id."""
    gymnasium: Callable[[str, str, int], Peer]
    """Returns the official environment in Gymnasium's ``sync`` or ``async`` vector environment."""
    envpool: Callable[[str], tuple[str, ...]]
    """Returns EnvPool's ids of a task, best first."""
    bare_bar: float
    gymnasium_bar: float
    gymnasium_bars: Mapping[str, float] = field(default_factory=dict)
    """Where a task has a bar of its own."""
    over_all: bool = False
    """Whether the geometric mean over all tasks is held against the bar too."""


def robot_peer(robot: str, kind: str, num_envs: int) -> Peer:
    """Gymnasium's ``sync`` or ``async`` vector environment of its own MuJoCo task."""
    env = gym.make_vec(f"{robot}-v5", num_envs=num_envs, vectorization_mode=kind)
    env.reset(seed=0)
    batches = actions(env.single_action_space, num_envs)
    return Peer(kind, num_envs, lambda i: env.step(batches[i % len(batches)]), env.close)


class OfficialMetaWorld(gym.Wrapper[Any, Any, Any, Any]):
    """Meta-World's own class with a new draw in each episode; its first episode is shortened by ``elapsed`` steps."""

    def __init__(self, task: str, seed: int, elapsed: int) -> None:
        from metaworld.env_dict import ENV_CLS_MAP
        from metaworld.sawyer_xyz_env import SawyerMocapBase

        SawyerMocapBase.reset_mocap_welds = _reset_welds
        env = ENV_CLS_MAP[f"{task}-v3"]()
        env.seeded_rand_vec, env._freeze_rand_vec, env._set_task_called = True, False, True
        env._partially_observable = False
        del env.sawyer_observation_space
        env.observation_space = env.sawyer_observation_space
        env.seed(seed)
        super().__init__(env)
        self._elapsed = elapsed

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        obs, info = self.env.reset()
        self.env.unwrapped.curr_path_length, self._elapsed = self._elapsed, 0
        return obs, info


def _reset_welds(env: Any) -> None:
    # MuJoCo keeps 12 entries per constraint since 3.17; the package (3.0.0) writes 11
    model = env.model
    for i in np.flatnonzero(model.eq_type == mujoco.mjtEq.mjEQ_WELD):
        model.eq_data[i, :11] = (0, 0, 0, 0, 0, 0, -1, 0, 0, 0, 5)


def metaworld_peer(task: str, kind: str, num_envs: int) -> Peer:
    """Meta-World's environments in Gymnasium's ``sync`` or ``async`` vector environment, their resets spread out."""
    cls = gym.vector.SyncVectorEnv if kind == "sync" else gym.vector.AsyncVectorEnv
    make = [functools.partial(OfficialMetaWorld, task, i, i * 500 // num_envs) for i in range(num_envs)]
    env = cls(make, autoreset_mode=gym.vector.AutoresetMode.SAME_STEP)
    env.reset()
    batches = actions(env.single_action_space, num_envs)
    return Peer(kind, num_envs, lambda i: env.step(batches[i % len(batches)]), env.close)


def envpool_peers(ids: tuple[str, ...], threads: int) -> Iterator[Peer]:
    """EnvPool's environments of the same task, where it is installed and has it."""
    try:
        import envpool  # type: ignore[import-not-found]
    except ImportError:
        return
    known = [name for name in ids if name in envpool.list_all_envs()]
    for num_envs in (64, 256) if known else ():
        env = envpool.make(known[0], env_type="gymnasium", num_envs=num_envs, num_threads=threads, seed=0)
        env.reset()
        batches = actions(env.action_space, num_envs)
        double = [b.astype(env.action_space.dtype) for b in batches]
        yield Peer(f"envpool{num_envs}", num_envs, lambda i, e=env, d=double: e.step(d[i % len(d)]), env.close)


FAMILIES: Mapping[str, Family] = {
    "locomotion": Family(
        tasks=("HalfCheetah", "Hopper", "Walker2d", "Ant", "Humanoid"),
        gymnasium=robot_peer,
        envpool=lambda robot: (f"{robot}-v5", f"{robot}-v4"),
        bare_bar=0.9,
        gymnasium_bar=2.3,
        gymnasium_bars={"HalfCheetah": 3.0},
    ),
    "manipulation": Family(
        tasks=(
            "reach", "push", "pick-place", "door-open", "drawer-open", "drawer-close", "button-press-topdown",
            "peg-insert-side", "window-open", "window-close",
        ),
        prefix="MetaWorld-",
        gymnasium=metaworld_peer,
        envpool=lambda task: (f"MetaWorld/{task.title().replace('-', '')}-v3",),
        bare_bar=0.8,
        gymnasium_bar=6.0,
        over_all=True,
    ),
}  # fmt: skip
"""What is measured, by family."""
