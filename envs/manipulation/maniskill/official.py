"""ManiSkill's own environments, made one world at a time and as they are."""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import itertools
import logging
import warnings
from collections.abc import Iterator
from typing import Any

from envreward.errors import MissingExtraError

from .physics_only import physics_only

CONTROL_MODE = "pd_joint_delta_pos"
"""ManiSkill's choice for PPO on states (examples/baselines/ppo/ppo.py, ``control_mode``): each arm joint moves by up to
0.1 rad a step from where it is, and the fingers go to a commanded opening."""

_COLLECT_EVERY = 50
_BUILDINGS = itertools.count(1)


@functools.cache
def load() -> None:
    """Import ManiSkill, which takes seconds.

    Raises:
        MissingExtraError: ManiSkill is not installed.
    """
    try:
        with warnings.catch_warnings():  # of a machine without an NVIDIA driver, and of the packages it imports
            warnings.simplefilter("ignore")
            importlib.import_module("mani_skill.envs")
    except ModuleNotFoundError as error:
        raise MissingExtraError("ManiSkill", "maniskill") from error


@contextlib.contextmanager
def building() -> Iterator[None]:
    """Surround what builds a scene: no visual shapes where none can be, no advice to authors of tasks, and quickly.

    ManiSkill runs Python's garbage collector over the whole process before each scene, 0.24 s of 0.28 s with torch
    loaded. Objects that are frozen meanwhile are not looked at. A scene that was replaced, 0.6 MB, waits for one in
    `_COLLECT_EVERY` times, when nothing is frozen.
    """
    freeze = not gc.get_freeze_count() and next(_BUILDINGS) % _COLLECT_EVERY > 0
    logger: logging.Logger = importlib.import_module("mani_skill").logger
    level = logger.level
    logger.setLevel(logging.ERROR)
    if freeze:
        gc.freeze()
    try:
        with warnings.catch_warnings(), physics_only():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        if freeze:
            gc.unfreeze()


def make_world(name: str, **options: Any) -> Any:
    """Return the official environment ``name``, e.g. ``PickCube-v1``, unwrapped, with one world on the CPU.

    Args:
        name: Its id with Gymnasium.
        **options: More of its arguments, or others than those of a world that is stepped and never drawn.

    Raises:
        MissingExtraError: ManiSkill is not installed.
    """
    load()
    gym = importlib.import_module("gymnasium")
    own = {
        "obs_mode": "state",
        "control_mode": CONTROL_MODE,
        "reward_mode": "dense",
        "sim_backend": "physx_cpu",
        "render_backend": "none",
    }
    with building():
        return gym.make(name, disable_env_checker=True, **{**own, **options}).unwrapped
