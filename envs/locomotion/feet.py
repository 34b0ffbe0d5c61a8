"""Heights and contacts of the geoms a robot stands on, from their poses: no contact list is needed."""

from __future__ import annotations

import mujoco
import torch
from torch import Tensor

from envreward.fields import Field
from envreward.sims import Sim

CONTACT_MARGIN_M = 2e-3
"""A foot within this of where MuJoCo makes contact with the floor counts as touching it: a resting foot trembles."""


class GeomHeights:
    """Height of the lowest point of each of some capsules and spheres, and whether MuJoCo has them touch the floor."""

    def __init__(self, model: mujoco.MjModel, names: tuple[str, ...], sim: Sim) -> None:
        ids = [model.geom(name).id for name in names]
        capsule = [model.geom_type[i] == mujoco.mjtGeom.mjGEOM_CAPSULE for i in ids]
        self._ids = torch.tensor(ids, device=sim.device)
        self._radius = sim.qpos.new_tensor(model.geom_size[ids, 0])
        self._half_length = sim.qpos.new_tensor(model.geom_size[ids, 1] * capsule)
        # MuJoCo makes contact, which carries force, below the sum of both margins: Ant's feet rest 2 cm above the floor
        margin = model.geom_margin[ids] + model.geom_margin[model.geom("floor").id]
        self._touching = sim.qpos.new_tensor(margin + CONTACT_MARGIN_M)

    def read(self, sim: Sim) -> Tensor:
        """Return the heights above z = 0, ``[N, len(names)]``, m."""
        centre = sim.geom_xpos[:, self._ids, 2]
        slope = sim.geom_xmat.view(len(centre), -1, 9)[:, self._ids, 8]  # z component of the capsule's axis
        lowest: Tensor = centre - slope.abs() * self._half_length - self._radius
        return lowest

    def touching(self, sim: Sim) -> Tensor:
        """Return whether each is in contact with the floor, bool ``[N, len(names)]``."""
        return self.read(sim) < self._touching


def foot_fields(names: tuple[str, ...]) -> dict[str, Field]:
    """Return the fields ``foot_height`` and ``foot_contact`` of a robot that has ``feet: GeomHeights``."""
    return {
        "foot_height": Field(
            "Height of the lowest point of each foot above the floor.",
            shape=(len(names),),
            unit="m",
            frame="world",
            names=names,
            role="position",
            read=lambda t: t.feet.read(t.sim),
        ),
        "foot_contact": Field(
            "Whether each foot touches the floor.",
            shape=(len(names),),
            names=names,
            dtype="bool",
            role="flag",
            read=lambda t: t.feet.touching(t.sim),
        ),
    }
