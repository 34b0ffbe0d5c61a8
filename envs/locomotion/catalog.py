"""The locomotion tasks, light to import."""

from __future__ import annotations

from envreward.task_spec import TaskSpec

TASKS: tuple[TaskSpec, ...] = (
    TaskSpec(
        id="EnvReward/Hopper-v0",
        family="locomotion",
        instruction="Hop forward as fast as possible without falling.",
        horizon=1000,
        entry_point="envreward.envs.locomotion.hopper:Hopper",
    ),
)
