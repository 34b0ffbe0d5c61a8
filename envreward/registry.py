"""What is installed: task catalogs, designers and sandboxes, found by entry points and loaded when asked for.

A distribution offers them in its metadata; EnvReward's own are offered the same way, so that the engine
never imports a concrete environment, designer or sandbox:

    [project.entry-points."envreward.envs"]       family = "package.catalog:TASKS"     (a sequence of TaskSpec)
    [project.entry-points."envreward.omitted"]    family = "package.catalog:OMITTED"   (names to reasons)
    [project.entry-points."envreward.designers"]  name   = "package.module:Designer"
    [project.entry-points."envreward.sandboxes"]  name   = "package.module:Sandbox"

A task needs no distribution: ``FILE.py:NAME`` and ``package.module:NAME`` name one that a Python file or module holds
(see `envreward.wrap`).
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import importlib
import importlib.metadata
import importlib.util
import sys
import zlib
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from envreward.errors import ConfigError, MissingExtraError, UnknownNameError

if TYPE_CHECKING:
    from envreward.task import Task
    from envreward.task_spec import TaskSpec

NAMESPACE = "EnvReward"
_SINGULAR = {"designers": "designer", "sandboxes": "sandbox"}
_ADDED: dict[str, Task] = {}


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


@functools.cache
def omitted_tasks() -> dict[str, dict[str, str]]:
    """Return, by family, the official tasks that are not offered, each with its reason."""
    return {family: dict(entry.load()) for family, entry in sorted(_entry_points("omitted").items())}


def find_task_spec(env_id: str) -> TaskSpec:
    """Return the spec of ``env_id``; the ``EnvReward/`` namespace and the ``-v0`` suffix may be left out.

    The spec's own id is the one to keep and to hand to other processes: for ``FILE.py:NAME`` it holds the file's
    absolute path.

    Raises:
        UnknownNameError: No such task; the message lists near matches.
        ConfigError: ``FILE.py:NAME`` names no file, or something that is not a task.
    """
    if ":" in env_id:
        return _task_in_module(env_id).spec
    specs = {**task_specs(), **{name: task.spec for name, task in _ADDED.items()}}
    for candidate in (env_id, f"{NAMESPACE}/{env_id}", f"{NAMESPACE}/{env_id}-v0"):
        if candidate in specs:
            return specs[candidate]
    known = [*specs]
    if "/" not in env_id:  # a short name is closest to short names
        known = [name.removeprefix(f"{NAMESPACE}/").removesuffix("-v0") for name in specs]
    raise UnknownNameError("environment", env_id, known, hint="(list them with `envreward envs`)")


def make_task(env_id: str) -> Task:
    """Load and build the task of ``env_id``: an installed one, or ``FILE.py:NAME`` or ``package.module:NAME``.

    Raises:
        UnknownNameError: No such task.
        ConfigError: ``FILE.py:NAME`` names no file, or something that is not a task.
        MissingExtraError: The task's family needs a pip extra that is not installed.
    """
    if ":" in env_id:
        return _task_in_module(env_id)
    spec = find_task_spec(env_id)
    if spec.id in _ADDED:
        return _ADDED[spec.id]
    try:
        cls = _load(spec.entry_point)
    except ModuleNotFoundError as error:
        if spec.extra is None:
            raise
        raise MissingExtraError(spec.id, spec.extra) from error
    task: Task = cls(spec, **spec.kwargs)
    return task


def require_packages(spec: TaskSpec) -> None:
    """Check, without importing them, that the packages are installed which the worlds of a task need.

    Raises:
        MissingExtraError: One is not; the message has the pip line.
    """
    if spec.extra is not None and not all(importlib.util.find_spec(name) for name in spec.packages):
        raise MissingExtraError(spec.id, spec.extra)


def add_task(task: Task) -> None:
    """Make a task known by its spec's id in this process, to EnvReward and to Gymnasium; it replaces one of that id."""
    import gymnasium as gym

    _ADDED[task.spec.id] = task
    gym.registry.pop(task.spec.id, None)
    _register(gym, task.spec.id)


def task_files(env_id: str) -> tuple[Path, ...]:
    """Return the file that holds the task ``FILE.py:NAME`` or ``package.module:NAME``; none for an installed task.

    A sandboxed process must be able to read it, and what is trained on the task depends on it.
    """
    where, _, _ = env_id.rpartition(":")
    if where.endswith(".py"):
        return (Path(where).expanduser().resolve(),)
    spec = importlib.util.find_spec(where) if where else None
    return (Path(spec.origin),) if spec is not None and spec.origin is not None else ()


def _task_in_module(env_id: str) -> Task:
    """Load the task ``FILE.py:NAME`` or ``package.module:NAME``; its spec's id names it from any folder."""
    from envreward.task import Task

    where, _, name = env_id.rpartition(":")
    if where.endswith(".py"):
        path = Path(where).expanduser().resolve()
        where, module = str(path), _import_file(path)
    else:
        try:
            module = importlib.import_module(where)
        except ModuleNotFoundError as error:
            raise ConfigError(f"{env_id}: no module {error.name!r}; a file is named as FILE.py:NAME") from error
    if not hasattr(module, name):
        tasks = [key for key, value in vars(module).items() if isinstance(value, Task)]
        raise UnknownNameError("task", name, tasks, hint=f"(looked in {where})")
    found = getattr(module, name)
    task = copy.copy(found) if isinstance(found, Task) else found() if callable(found) else None
    if not isinstance(task, Task):
        raise ConfigError(f"{env_id} is no task but {type(found).__name__}: make one with envreward.wrap(...)")
    task.spec = dataclasses.replace(task.spec, id=f"{where}:{name}")
    return task


def _import_file(path: Path) -> ModuleType:
    name = f"envreward_file_{path.stem}_{zlib.crc32(bytes(path)):x}"
    if name in sys.modules:
        return sys.modules[name]
    if not path.is_file():
        raise ConfigError(f"no such file: {path}")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, path  # a name that ends in .py always has a loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


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
            _register(gym, spec.id)


def _register(gym: Any, env_id: str) -> None:
    gym.register(
        env_id,
        entry_point="envreward.gym_env:make_env",
        vector_entry_point="envreward.vector_env:make_vector_env",
        disable_env_checker=True,
        kwargs={"env_id": env_id},
    )


def _load(entry_point: str) -> Any:
    module, _, attribute = entry_point.partition(":")
    return getattr(importlib.import_module(module), attribute)
