"""The locomotion tasks, light to import."""

from __future__ import annotations

from envreward.task_spec import TaskSpec


def _spec(name: str, entry_point: str, instruction: str, horizon: int = 1000) -> TaskSpec:
    return TaskSpec(
        id=f"EnvReward/{name}-v0",
        family="locomotion",
        instruction=instruction,
        horizon=horizon,
        entry_point=f"envreward.envs.locomotion.{entry_point}",
    )


PUBLISHED: tuple[TaskSpec, ...] = (
    _spec("Hopper", "hopper:Hopper", "Hop forward as fast as possible without falling."),
    _spec("HalfCheetah", "half_cheetah:HalfCheetah", "Run forward as fast as possible."),
    _spec("Walker2d", "walker2d:Walker2d", "Walk forward as fast as possible without falling."),
    _spec("Ant", "ant:Ant", "Walk forward as fast as possible without tipping over."),
    _spec("Humanoid", "humanoid:Humanoid", "Walk forward on two legs as fast as possible without falling."),
    _spec("InvertedPendulum", "inverted_pendulum:InvertedPendulum", "Keep the pole upright by moving the cart."),
)
"""Gymnasium's MuJoCo v5 tasks."""

TASKS: tuple[TaskSpec, ...] = PUBLISHED
