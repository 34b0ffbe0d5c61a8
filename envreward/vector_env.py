"""Tasks as Gymnasium vector environments: `make_vector_env` makes N worlds of any task."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch

from envreward.errors import ConfigError
from envreward.gym_vector_env import GymVectorEnv
from envreward.registry import make_task
from envreward.rewards.choice import RewardChoice
from envreward.sim_vector_env import SimVectorEnv
from envreward.task import SimTask, Task
from envreward.task_vector_env import TaskVectorEnv
from envreward.world_task import WorldTask
from envreward.world_vector_env import WorldVectorEnv
from envreward.wrapping import WrappedTask


@runtime_checkable
class _MakesWorlds(Protocol):
    def vector_env(self, num_envs: int, **kwargs: Any) -> TaskVectorEnv: ...


def make_vector_env(
    env_id: str | Task,
    num_envs: int = 1,
    *,
    reward: RewardChoice = None,
    num_threads: int = 1,
    max_episode_steps: int | None = None,
    autoreset: bool = True,
    render_mode: str | None = None,
    device: torch.device | str = "cpu",
    simulator: str | None = None,
) -> TaskVectorEnv:
    """Create N worlds of a task.

    On a CUDA device, all that `TaskVectorEnv.step` takes and returns lives there, in float32; resets of MuJoCo's tasks
    draw the same numbers as on the CPU.

    Args:
        env_id: ``EnvReward/Hopper-v0``; namespace and version may be left out. Or a task in hand, from `envreward.wrap`
            or a class of your own.
        num_envs: N.
        reward: See `envreward.rewards.choice`; ``None``: the expert reward where one is published, else the sparse one.
        num_threads: Threads that step the physics on the CPU; 0: one per CPU.
        max_episode_steps: Steps after which an episode is truncated; ``None``: the task's own horizon.
        autoreset: Whether worlds that ended begin a new episode in the same step.
        render_mode: ``"rgb_array"`` to render with `gymnasium.vector.VectorEnv.render`.
        device: ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.
        simulator: ``"mujoco"`` (float64, on CPU threads) or ``"mujoco_warp"`` (float32, made for CUDA devices; it also
            runs on the CPU, slowly, which is for tests); ``None``: the device's usual one. Of MuJoCo's tasks only.

    Raises:
        UnknownNameError: No such task or simulator; the message lists near matches.
        ConfigError: An argument cannot work, or this machine has no such device.
        MissingExtraError: The task's family or the simulator needs a pip extra that is not installed.
    """
    task = env_id if isinstance(env_id, Task) else make_task(env_id)
    shared: dict[str, Any] = {
        "reward": reward,
        "max_episode_steps": max_episode_steps,
        "autoreset": autoreset,
        "render_mode": render_mode,
        "device": find_task_device(task, device),
    }
    if isinstance(task, SimTask):
        return SimVectorEnv(task, num_envs, num_threads=num_threads, simulator=simulator, **shared)
    if simulator is not None:
        raise ConfigError(f"{task.spec.id} brings its own worlds: leave simulator {simulator!r} out")
    if isinstance(task, WorldTask):
        return WorldVectorEnv(task, num_envs, **shared)
    if isinstance(task, WrappedTask):
        return GymVectorEnv(task, num_envs, **shared)
    assert isinstance(task, _MakesWorlds), task  # whoever brings worlds of another kind brings their environment
    return task.vector_env(num_envs, **shared)


def find_task_device(task: Task, device: torch.device | str) -> torch.device:
    """Return the device that worlds of a task shall live on; ``"cuda"`` alone means the current CUDA device.

    Raises:
        ConfigError: This machine has no such device, or the task's worlds cannot live on it.
    """
    if str(device) == "cpu":
        return torch.device("cpu")
    from envreward.sims import find_device  # loads MuJoCo, which most tasks without a simulator never need

    found = find_device(device)
    if found.type not in task.devices:
        raise ConfigError(f"the worlds of {task.spec.id} run on the CPU only: leave device {str(device)!r} out")
    return found
