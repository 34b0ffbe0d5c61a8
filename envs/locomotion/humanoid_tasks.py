"""Instruction tasks on Humanoid: stand up from lying, and kneel."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.task import Behaviour

from .behaviours import HUMANOID_KNEEL, HUMANOID_SIT, HUMANOID_SIT_UP, HUMANOID_STAND_UP, NULL
from .goals import GOAL_FIELDS, PoseTask, hold_doc, pose_fitness_doc
from .humanoid import Humanoid
from .spatial import up_axis_height

_TIMESTEP_S = 0.003  # of the model; Gymnasium divides the height by it


def _stand_up(torso_height: Tensor, action: Tensor, contact_forces: Tensor) -> RewardOutput:
    components = {
        "reward_linup": torso_height / _TIMESTEP_S,
        "reward_quadctrl": -0.1 * action.square().sum(-1),
        "reward_impact": -(0.5e-6 * contact_forces.square().sum((-2, -1))).clamp(max=10.0),
    }
    return RewardOutput(sum(components.values(), torch.ones_like(torso_height)), components)


def _axis(quat: Tensor, axis: int) -> Tensor:
    """Return axis 0, 1 or 2, in the world frame, ``[N, 3]``, of a body with orientation ``quat`` ``[N, 4]``."""
    w, x, y, z = torch.nn.functional.normalize(quat, dim=-1).unbind(-1)
    columns = (
        (1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y)),
        (2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x)),
        (2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y)),
    )
    return torch.stack(columns[axis], dim=-1)


def _chest_direction(task: Humanoid) -> Tensor:
    front = _axis(task.sim.qpos[:, 3:7], 2)
    return torch.atan2(front[:, 1], front[:, 0])


class HumanoidStandUp(PoseTask, Humanoid):
    """Stand up from lying on the back.

    Dynamics, observation, reset and expert reward of gymnasium/envs/mujoco/humanoidstandup_v5.py. Its model is built
    lying down: the torso's x axis points from head to feet and its z axis out of the chest.
    """

    asset = "humanoidstandup.xml"
    hold_s = 1.0
    head_m = 1.1
    fields: Mapping[str, Field] = {
        **Humanoid.body_fields,
        "torso_quat": Field(
            "Orientation of the torso as a unit quaternion; (1, 0, 0, 0) is on the back with the feet towards +x.",
            shape=(4,),
            frame="world",
            names=("w", "x", "y", "z"),
            role="orientation",
            read=lambda t: torch.nn.functional.normalize(t.sim.qpos[:, 3:7], dim=-1),
        ),
        "uprightness": Field(
            "Cosine of the torso's tilt: 1 upright, 0 lying, -1 upside down.",
            role="orientation",
            read=lambda t: -_axis(t.sim.qpos[:, 3:7], 0)[:, 2],
        ),
        "heading": Field(
            "Direction the chest faces, seen from above, in (-pi, pi]: 0 is +x, pi/2 is +y. Undefined while lying.",
            unit="rad",
            frame="world",
            role="angle",
            read=_chest_direction,
        ),
        "torso_angular_velocity": Field(
            "Angular velocity of the torso about its own axes: x runs from head to feet, y to the left, z out of "
            "the chest.",
            shape=(3,),
            unit="rad/s",
            frame="torso",
            names=("x", "y", "z"),
            role="angular_velocity",
            read=lambda t: t.sim.qvel[:, 3:6],
        ),
        **GOAL_FIELDS,
    }
    expert: FunctionReward | None = FunctionReward(
        ("torso_height", "action", "contact_forces"), _stand_up, doc="Gymnasium v5's reward of HumanoidStandup"
    )
    success_doc = hold_doc("Head above 1.1 m; standing straight it is at 1.35 m", 1.0)
    fitness_doc = pose_fitness_doc("the height of the head as a share of 1.1 m")
    behaviours: tuple[Behaviour, ...] = (HUMANOID_STAND_UP, HUMANOID_SIT_UP, NULL)

    def in_pose(self) -> Tensor:
        """Return whether the head is high enough."""
        return self.head() > self.head_m

    def approach(self) -> Tensor:
        """Return the head's height as a share of what is wanted."""
        return (self.head() / self.head_m).clamp(0.0, 1.0)

    def head(self) -> Tensor:
        """Return the height of the head's centre, ``[N]``, m."""
        return self.sim.geom_xpos[:, self.geoms["head"], 2]


class HumanoidKneel(PoseTask, Humanoid):
    """Kneel with an upright torso, from standing; upright on the knees or sitting back on the heels.

    The pelvis must be higher than when sitting on the floor. No expert reward is published: VLM-RM (Rocamonde et al.
    2024, arXiv:2310.12921) trains this task from CLIP's similarity to a sentence.
    """

    hold_s = 1.0
    knee_m = 0.15
    pelvis_m = 0.25
    upright = 0.8
    far_m = 0.45
    fields: Mapping[str, Field] = {**Humanoid.body_fields, **GOAL_FIELDS}
    success_doc = hold_doc(
        "Both knees lower than 0.15 m, the pelvis's centre higher than 0.25 m, the torso tilted under 37 degrees", 1.0
    )
    fitness_doc = pose_fitness_doc(
        "the product of three shares: how far the higher knee has come down from 0.45 m to 0.15 m, and uprightness and "
        "the pelvis's height, each as a share of what is wanted"
    )
    behaviours: tuple[Behaviour, ...] = (HUMANOID_KNEEL, HUMANOID_SIT, NULL)

    def in_pose(self) -> Tensor:
        """Return whether it kneels."""
        knees, pelvis, tilt = self._parts()
        return (knees < self.knee_m) & (pelvis > self.pelvis_m) & (tilt > self.upright)

    def approach(self) -> Tensor:
        """Return the product of the shares of the three conditions."""
        knees, pelvis, tilt = self._parts()
        down = ((self.far_m - knees) / (self.far_m - self.knee_m)).clamp(0.0, 1.0)
        return down * (pelvis / self.pelvis_m).clamp(0.0, 1.0) * (tilt / self.upright).clamp(0.0, 1.0)

    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the higher knee's and the pelvis's height (m) and the torso's uprightness, ``[N]`` each."""
        knees = self.sim.xpos[:, self.shins, 2].amax(1)
        pelvis = self.sim.geom_xpos[:, self.geoms["butt"], 2]
        return knees, pelvis, up_axis_height(torch.nn.functional.normalize(self.sim.qpos[:, 3:7], dim=-1))
