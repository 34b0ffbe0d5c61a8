"""Robots that move freely in space: Ant and Humanoid."""

from __future__ import annotations

import functools

import mujoco
import torch
from torch import Tensor

from envreward.fields import Field
from envreward.sims import Sim

from .base import SHARED_FIELDS, LocomotionTask, asset_path, joint_fields

_XYZ = ("x", "y", "z")


class SpatialTask(LocomotionTask):
    """A robot whose first joint is free, with contact forces in its observation."""

    @functools.cached_property
    def model(self) -> mujoco.MjModel:
        """Gymnasium's model with a force sensor, switched off; it lets `Sim.external_forces` be computed."""
        spec = mujoco.MjSpec.from_file(str(asset_path(self.asset)))
        spec.bodies[1].add_site(name="force")
        spec.add_sensor(
            name="force", type=mujoco.mjtSensor.mjSENS_FORCE, objtype=mujoco.mjtObj.mjOBJ_SITE, objname="force"
        )
        model = spec.compile()
        model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_SENSOR)
        return model

    def bind(self, sim: Sim) -> None:
        """Attach to a simulator and switch its contact forces on."""
        super().bind(sim)
        self.external_forces = sim.external_forces()
        """``cfrc_ext``, a live view, ``[N, nbody, 6]``."""


def up_axis_height(quat: Tensor) -> Tensor:
    """Return the z component, ``[N]``, of the z axis of a body turned by ``quat`` ``[N, 4]`` (w, x, y, z; unit)."""
    return 1.0 - 2.0 * (quat[:, 1].square() + quat[:, 2].square())


def heading(quat: Tensor) -> Tensor:
    """Return the direction, ``[N]``, rad in (-pi, pi], in which the x axis of a body points, seen from above."""
    w, x, y, z = quat.unbind(-1)
    return torch.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y.square() + z.square()))


def _unit_quat(task: LocomotionTask) -> Tensor:
    return torch.nn.functional.normalize(task.sim.qpos[:, 3:7], dim=-1)


def spatial_fields(joints: tuple[str, ...], moving: str) -> dict[str, Field]:
    """Return the fields that every free robot has.

    Args:
        joints: Names of the hinges in the order of ``qpos``.
        moving: What ``x_velocity`` and ``y_velocity`` are measured on, e.g. ``"torso"``.
    """
    return {
        **SHARED_FIELDS,
        "torso_position": Field(
            "Position of the torso's centre; x is forward, y left, z up.",
            shape=(3,),
            unit="m",
            frame="world",
            names=_XYZ,
            role="position",
            read=lambda t: t.sim.qpos[:, :3],
        ),
        "torso_height": Field(
            "Height of the torso's centre above the floor.",
            unit="m",
            frame="world",
            role="position",
            read=lambda t: t.sim.qpos[:, 2],
        ),
        "torso_quat": Field(
            "Orientation of the torso as a unit quaternion; (1, 0, 0, 0) is upright and facing +x.",
            shape=(4,),
            frame="world",
            names=("w", "x", "y", "z"),
            role="orientation",
            read=_unit_quat,
        ),
        "uprightness": Field(
            "Cosine of the torso's tilt: 1 upright, 0 lying on a side, -1 upside down.",
            role="orientation",
            read=lambda t: up_axis_height(_unit_quat(t)),
        ),
        "heading": Field(
            "Direction the torso faces, seen from above, in (-pi, pi]: 0 is +x, pi/2 is +y.",
            unit="rad",
            frame="world",
            role="angle",
            read=lambda t: heading(_unit_quat(t)),
        ),
        "x_velocity": Field(
            f"Mean forward velocity of the {moving} over the last step.",
            unit="m/s",
            frame="world",
            role="velocity",
            read=lambda t: t.velocity(0),
        ),
        "y_velocity": Field(
            f"Mean sideways (left) velocity of the {moving} over the last step.",
            unit="m/s",
            frame="world",
            role="velocity",
            read=lambda t: t.velocity(1),
        ),
        "torso_velocity": Field(
            "Linear velocity of the torso.",
            shape=(3,),
            unit="m/s",
            frame="world",
            names=_XYZ,
            role="velocity",
            read=lambda t: t.sim.qvel[:, :3],
        ),
        "torso_angular_velocity": Field(
            "Angular velocity of the torso about its own axes: roll, pitch and yaw rates.",
            shape=(3,),
            unit="rad/s",
            frame="torso",
            names=_XYZ,
            role="angular_velocity",
            read=lambda t: t.sim.qvel[:, 3:6],
        ),
        **joint_fields(joints, 7, 6),
    }
