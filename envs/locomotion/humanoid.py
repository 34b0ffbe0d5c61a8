"""Humanoid: seventeen motors. Published task: Gymnasium's Humanoid-v5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward
from envreward.sims import Sim
from envreward.task import Behaviour

from .base import FORWARD_FIELDS, FORWARD_FITNESS_DOC, SPARSE_PROGRESS, published
from .behaviours import NULL, slide
from .feet import GeomHeights, foot_fields
from .spatial import SpatialTask, spatial_fields

_LEG = ("hip_x", "hip_z", "hip_y", "knee")
_ARM = ("shoulder1", "shoulder2", "elbow")
_LIMBS = (
    *(f"{side}_{joint}" for side in ("right", "left") for joint in _LEG),
    *(f"{side}_{joint}" for side in ("right", "left") for joint in _ARM),
)
_JOINTS = ("abdomen_z", "abdomen_y", "abdomen_x", *_LIMBS)
_MOTORS = ("abdomen_y", "abdomen_z", "abdomen_x", *_LIMBS)
_SIDES = ("right", "left")
_XYZ = ("x", "y", "z")
_BODIES = 13


def _height_field(doc: str, geom: str) -> Field:
    return Field(doc, unit="m", frame="world", role="position", read=lambda t: t.sim.geom_xpos[:, t.geoms[geom], 2])


def _pair_field(doc: str, geoms: tuple[str, str]) -> Field:
    return Field(
        f"{doc} Rows: right, left.",
        shape=(2, 3),
        unit="m",
        frame="world",
        names=_XYZ,
        role="position",
        read=lambda t: t.sim.geom_xpos[:, [t.geoms[name] for name in geoms]],
    )


class Humanoid(SpatialTask):
    """Walk forward; dynamics, observation, reward, termination and reset of gymnasium/envs/mujoco/humanoid_v5.py.

    Success at 12 m (0.8 m/s for a full episode of 15 s): Gymnasium registers no reward threshold, so this is ours.
    """

    asset = "humanoid.xml"
    frame_skip = 5
    reset_noise = 0.01
    body_fields: ClassVar[Mapping[str, Field]] = {
        **spatial_fields(_JOINTS, "whole body's centre of mass"),
        "head_height": _height_field("Height of the head's centre.", "head"),
        "pelvis_height": _height_field("Height of the pelvis's centre.", "butt"),
        "knee_height": Field(
            "Height of each knee joint's body origin, the top of the shin.",
            shape=(2,),
            unit="m",
            frame="world",
            names=_SIDES,
            role="position",
            read=lambda t: t.sim.xpos[:, t.shins, 2],
        ),
        "hand_position": _pair_field("Position of each hand.", ("right_hand", "left_hand")),
        "foot_position": _pair_field("Position of each foot's centre.", ("right_foot", "left_foot")),
        **foot_fields(_SIDES),
        "contact_forces": Field(
            "External torque (first three, N m) and force (last three, N) on each body from contacts.",
            shape=(_BODIES, 6),
            frame="world",
            role="force",
            read=lambda t: t.external_forces[:, 1:],
        ),
        "action": Field(
            "The action just applied: torque of each joint's motor as a share of its gear, in [-0.4, 0.4].",
            shape=(17,),
            names=_MOTORS,
            role="action",
            read=lambda t: t.action,
        ),
    }
    fields: Mapping[str, Field] = {**body_fields, **FORWARD_FIELDS}
    expert: FunctionReward | None = published(
        ("x_velocity", "action", "failure", "contact_forces"),
        forward_weight=1.25,
        ctrl_weight=0.1,
        survive=5.0,
        contact_weight=5e-7,
        max_contact_cost=10.0,
    )
    sparse = SPARSE_PROGRESS
    fitness_doc = FORWARD_FITNESS_DOC
    success_distance_m = 12.0
    success_doc = "At some step the centre of mass is 12 m or more in front (towards +x) of where it started."
    behaviours: tuple[Behaviour, ...] = (slide(1.0), NULL)

    @property
    def observation_size(self) -> int:
        """Entries of one world's observation."""
        return int(self.model.nq - 2 + self.model.nv + (10 + 6 + 6) * _BODIES + self.model.nv - 6)

    def bind(self, sim: Sim) -> None:
        """Attach to a simulator."""
        share = sim.qpos.new_tensor(self.model.body_mass / self.model.body_mass.sum())
        self._to_centre = torch.kron(share[:, None], torch.eye(3, 2, dtype=share.dtype, device=share.device))
        """Takes the bodies' centres ``[N, nbody * 3]`` to x and y of the whole's."""
        self._centres, self._height = sim.xipos.flatten(1), sim.qpos[:, 2]
        super().bind(sim)
        self._observed = (  # views: all bodies but the world, all joints but the free one
            sim.qpos[:, 2:],
            sim.qvel,
            sim.cinert.flatten(1)[:, 10:],
            sim.cvel.flatten(1)[:, 6:],
            sim.qfrc_actuator[:, 6:],
            self.external_forces.flatten(1)[:, 6:],
        )
        self.geoms = {name: self.model.geom(name).id for name in ("head", "butt", "right_hand", "left_hand")}
        self.geoms |= {name: self.model.geom(name).id for name in ("right_foot", "left_foot")}
        self.shins = [self.model.body(f"{side}_shin").id for side in _SIDES]
        self.feet = GeomHeights(self.model, ("right_foot", "left_foot"), sim)

    def position(self) -> Tensor:
        """Return x and y of the centre of mass as the last substep left it, a fresh tensor ``[N, 2]``, m."""
        return self._centres @ self._to_centre

    def observe(self) -> Tensor:
        """Return Gymnasium's: ``qpos`` without x and y, ``qvel``, ``cinert``, ``cvel``, motor and contact forces."""
        return torch.cat(self._observed, dim=1)

    def healthy(self) -> Tensor:
        """Height of the torso between 1 and 2 m."""
        return (self._height > 1.0) & (self._height < 2.0)
