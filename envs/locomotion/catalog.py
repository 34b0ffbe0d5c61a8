"""The locomotion tasks, light to import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envreward.task_spec import TaskSpec

_ON_ONE_LEG_OR_TWO = {
    "ppo": {"rollout_steps": 128, "gamma": 0.995, "gae_lambda": 0.97, "init_log_std": -0.5},
}
"""What pays for robots that fall: longer rollouts and a longer view (measured by `benchmarks.training`)."""


def _spec(
    name: str,
    entry_point: str,
    instruction: str,
    horizon: int = 1000,
    training: Mapping[str, Mapping[str, Any]] | None = None,
) -> TaskSpec:
    return TaskSpec(
        id=f"EnvReward/{name}-v0",
        family="locomotion",
        instruction=instruction,
        horizon=horizon,
        entry_point=f"envreward.envs.locomotion.{entry_point}",
        training=training or {},
    )


PUBLISHED: tuple[TaskSpec, ...] = (
    _spec("Hopper", "hopper:Hopper", "Hop forward as fast as possible without falling.", training=_ON_ONE_LEG_OR_TWO),
    _spec("HalfCheetah", "half_cheetah:HalfCheetah", "Run forward as fast as possible."),
    _spec(
        "Walker2d",
        "walker2d:Walker2d",
        "Walk forward as fast as possible without falling.",
        training=_ON_ONE_LEG_OR_TWO,
    ),
    _spec("Ant", "ant:Ant", "Walk forward as fast as possible without tipping over."),
    _spec("Humanoid", "humanoid:Humanoid", "Walk forward on two legs as fast as possible without falling."),
    _spec("InvertedPendulum", "inverted_pendulum:InvertedPendulum", "Keep the pole upright by moving the cart."),
)
"""Gymnasium's MuJoCo v5 tasks."""

INSTRUCTED: tuple[TaskSpec, ...] = (
    _spec(
        "HopperFrontFlip",
        "hopper_tasks:HopperFrontFlip",
        "Do a front flip: turn a full somersault forwards in the air and land upright on the foot.",
        400,
    ),
    _spec(
        "HopperBackFlip",
        "hopper_tasks:HopperBackFlip",
        "Do a back flip: turn a full somersault backwards in the air and land upright on the foot.",
        400,
    ),
    _spec(
        "HalfCheetahRunBackward",
        "half_cheetah_tasks:HalfCheetahRunBackward",
        "Run backward (in the negative x direction) as fast as possible.",
    ),
    _spec(
        "HalfCheetahFlip",
        "half_cheetah_tasks:HalfCheetahFlip",
        "Flip over: turn a full somersault, forwards or backwards, and end up standing on the feet.",
        200,
    ),
    _spec("AntLieDown", "ant_tasks:AntLieDown", "Lie down flat on the belly and keep still.", 100),
    _spec(
        "AntWaveLeg",
        "ant_tasks:AntWaveLeg",
        "Stand on three legs, lift the front left leg off the floor and wave it from side to side.",
        200,
    ),
    _spec("AntSpin", "ant_tasks:AntSpin", "Turn on the spot: make a full turn, either way, without walking away.", 400),
    _spec(
        "HumanoidStandUp",
        "humanoid_tasks:HumanoidStandUp",
        "Stand up from lying on the back, and stay standing.",
    ),
    _spec("HumanoidKneel", "humanoid_tasks:HumanoidKneel", "Kneel down on both knees with the torso upright.", 500),
)
"""Tasks with a goal of their own on the same robots."""

TASKS: tuple[TaskSpec, ...] = (*PUBLISHED, *INSTRUCTED)
