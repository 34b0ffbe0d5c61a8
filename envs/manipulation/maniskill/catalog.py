"""The ManiSkill tasks, light to import."""

from __future__ import annotations

from collections.abc import Mapping

from envreward.task_spec import TaskSpec


def _spec(name: str, instruction: str, horizon: int = 50) -> TaskSpec:
    return TaskSpec(
        id=f"EnvReward/ManiSkill-{name}-v0",
        family="manipulation",
        instruction=instruction,
        horizon=horizon,
        entry_point=f"envreward.envs.manipulation.maniskill.tasks:{name}",
        extra="maniskill",
        packages=("mani_skill",),
    )


TASKS: tuple[TaskSpec, ...] = (
    _spec("LiftPegUpright", "Lift the peg that lies on the table and stand it upright on the table."),
    _spec("PegInsertionSide", "Pick up the peg and insert its head halfway into the hole in the side of the box.", 100),
    _spec("PickCube", "Grasp the cube, carry it to the goal position in the air and hold it there without moving."),
    _spec("PokeCube", "Poke the cube with the peg until it is in the goal region, then keep still."),
    _spec("PullCube", "Pull the cube towards the robot onto the goal region."),
    _spec("PushCube", "Push the cube away from the robot into the goal region."),
    _spec("RollBall", "Push the ball so that it rolls to the goal region at the other end of the table.", 80),
    _spec("StackCube", "Pick up the red cube, put it on top of the green cube and let go of it."),
)
"""Horizons are the steps that ManiSkill registers, 0.05 s each."""

_FAUCETS = (
    "its faucets (PartNet-Mobility) are not in the package; ManiSkill downloads them, and has no dense reward for it"
)
_CABINETS = "its cabinets (PartNet-Mobility) are not in the package; ManiSkill downloads them"

UNAVAILABLE: Mapping[str, str] = {
    "EnvReward/ManiSkill-OpenCabinetDoor-v0": _CABINETS,
    "EnvReward/ManiSkill-OpenCabinetDrawer-v0": _CABINETS,
    "EnvReward/ManiSkill-TurnFaucet-v0": _FAUCETS,
}
"""Tasks of ManiSkill that are not offered, each with its reason."""
