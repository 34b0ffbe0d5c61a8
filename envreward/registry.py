"""What is installed: task catalogs, designers and sandboxes, found by entry points and loaded when asked for.

A distribution offers them in its metadata; EnvReward's own are offered the same way, so that the engine
never imports a concrete environment, designer or sandbox:

    [project.entry-points."envreward.envs"]       family = "package.catalog:TASKS"     (a sequence of TaskSpec)
    [project.entry-points."envreward.designers"]  name   = "package.module:Designer"
    [project.entry-points."envreward.sandboxes"]  name   = "package.module:Sandbox"
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

from envreward.errors import ConfigError, MissingExtraError, UnknownNameError

if TYPE_CHECKING:
    from envreward.task import Task
    from envreward.task_spec import TaskSpec

NAMESPACE = "EnvReward"
_SINGULAR = {"designers": "designer", "sandboxes": "sandbox"}


@functools.cache
def _entry_points(group: str) -> dict[str, importlib.metadata.EntryPoint]:
    return {entry.name: entry for entry in importlib.metadata.entry_points(group=f"envreward.{group}")}


@functools.cache
def task_specs() -> dict[str, TaskSpec]:
    """Return every installed task's spec by its Gymnasium id, sorted by family as installed."""
    specs = {spec.id: spec for entry in _entry_points("envs").values() for spec in entry.load()}
    if not specs:
        raise ConfigError("no environments found: EnvReward is not installed here; run `pip install -e .`")
    return specs


def find_task_spec(env_id: str) -> TaskSpec:
    """Return the spec of ``env_id``; the ``EnvReward/`` namespace and the ``-v0`` suffix may be left out.

    Raises:
        UnknownNameError: No such task; the message lists near matches.
    """
    specs = task_specs()
    for candidate in (env_id, f"{NAMESPACE}/{env_id}", f"{NAMESPACE}/{env_id}-v0"):
        if candidate in specs:
            return specs[candidate]
    raise UnknownNameError("environment", env_id, [*specs], hint="(list them with `envreward envs`)")


def make_task(env_id: str) -> Task:
    """Load and build the task of ``env_id``.

    Raises:
        UnknownNameError: No such task.
        MissingExtraError: The task's family needs a pip extra that is not installed.
    """
    spec = find_task_spec(env_id)
    try:
        cls = _load(spec.entry_point)
    except ModuleNotFoundError as error:
        if spec.extra is None:
            raise
        raise MissingExtraError(spec.id, spec.extra) from error
    task: Task = cls(spec, **spec.kwargs)
    return task


def find(group: str, name: str) -> Any:
    """Load the ``group`` (``"designers"`` or ``"sandboxes"``) entry called ``name``.

    Raises:
        UnknownNameError: No such entry; the message lists near matches.
    """
    entries = _entry_points(group)
    if name not in entries:
        raise UnknownNameError(_SINGULAR[group], name, entries)
    return entries[name].load()


def names(group: str) -> list[str]:
    """Return the names of the installed entries of a group, sorted."""
    return sorted(_entry_points(group))


def register_gymnasium() -> None:
    """Register every installed task with Gymnasium, for `gymnasium.make` and `gymnasium.make_vec`."""
    import gymnasium as gym

    for spec in task_specs().values():
        if spec.id not in gym.registry:
            gym.register(
                spec.id,
                entry_point="envreward.gym_env:make_env",
                vector_entry_point="envreward.vector_env:make_vector_env",
                disable_env_checker=True,
                kwargs={"env_id": spec.id},
            )


def _load(entry_point: str) -> Any:
    module, _, attribute = entry_point.partition(":")
    return getattr(importlib.import_module(module), attribute)
