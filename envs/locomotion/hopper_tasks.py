"""Instruction tasks on Hopper: front flip and back flip, after Text2Reward (Xie et al. 2024, arXiv:2309.11489).

There a person judged success on videos; here success is a test.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.sims import Sim
from envreward.task import Behaviour

from .behaviours import NULL, hopper_flip, trained
from .feet import GeomHeights
from .flips import FlipTask
from .goals import GOAL_FIELDS, hold_doc, pose_fitness_doc
from .hopper import Hopper

_STANDING = "upright within 0.4 rad with the torso's centre above 0.7 m, from a touch of the foot on"


class HopperFlip(FlipTask, Hopper):
    """A flip in the air: the episode ends when the torso touches the floor.

    The height for standing is that of Gymnasium's own health test (0.7 m); its tilt (0.2 rad) is doubled.
    """

    hold_s = 0.2
    tolerance_rad = 0.4
    fields: Mapping[str, Field] = {
        **Hopper.body_fields,
        "torso_clearance": Field(
            "Height of the torso's lowest point above the floor; the episode ends when it touches.",
            unit="m",
            frame="world",
            role="position",
            read=lambda t: t.torso.read(t.sim)[:, 0],
        ),
        **GOAL_FIELDS,
    }
    fitness_doc = pose_fitness_doc("the share of a full turn in the wanted direction, net")

    def bind(self, sim: Sim) -> None:
        """Attach to a simulator."""
        super().bind(sim)
        self.torso = GeomHeights(self.model, ("torso_geom",), sim)

    def clear(self) -> Tensor:
        """Return whether the torso's centre is above 0.7 m."""
        return self.sim.qpos[:, 1] > 0.7

    def failed(self) -> Tensor:
        """Return whether the torso touches the floor."""
        return self.torso.touching(self.sim)[:, 0]


class HopperFrontFlip(HopperFlip):
    """Net turn of +2 pi: the top of the body goes forwards, towards +x. No expert reward is published."""

    direction = 1
    success_doc = hold_doc(f"After a net forward turn of 2 pi, without the torso touching the floor: {_STANDING}", 0.2)
    behaviours: tuple[Behaviour, ...] = (
        hopper_flip(1),
        hopper_flip(-1)._replace(succeeds=False),
        NULL,
    )


def _back_flip(
    pitch_velocity: Tensor, torso_height: Tensor, torso_x_velocity: Tensor, joint_velocities: Tensor, action: Tensor
) -> RewardOutput:
    power = (action * joint_velocities.clamp(-10.0, 10.0)).sum(-1)
    roll = -pitch_velocity.clamp(-10.0, 10.0)
    backslide = -torso_x_velocity.clamp(-10.0, 10.0)
    total = roll * (1.0 + 0.3 * torso_height + 0.1 * power + 0.05 * backslide)
    return RewardOutput(total, {"backroll": roll, "height": torso_height, "vel_act": power, "backslide": backslide})


class HopperBackFlip(HopperFlip):
    """Net turn of -2 pi: the top of the body goes backwards, towards -x."""

    direction = -1
    fields: Mapping[str, Field] = {
        **HopperFlip.fields,
        "torso_x_velocity": Field(
            "Forward velocity of the torso at the end of the step.",
            unit="m/s",
            frame="world",
            role="velocity",
            read=lambda t: t.sim.qvel[:, 0],
        ),
    }
    expert: FunctionReward | None = FunctionReward(
        ("pitch_velocity", "torso_height", "torso_x_velocity", "joint_velocities", "action"),
        _back_flip,
        doc=(
            "The hand-written reward that OpenAI published with Christiano et al. 2017 (arXiv:1706.03741): "
            "openai.com/index/learning-from-human-preferences, velocities clipped to +-10 as in Hopper's observation"
        ),
    )
    success_doc = hold_doc(f"After a net backward turn of 2 pi, without the torso touching the floor: {_STANDING}", 0.2)
    behaviours: tuple[Behaviour, ...] = (
        trained("back flip, trained", "hopper_back_flip"),
        hopper_flip(-1),
        hopper_flip(1)._replace(succeeds=False),
        NULL,
    )
