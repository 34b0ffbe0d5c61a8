"""Walker2d: two legs, six motors. Published task: Gymnasium's Walker2d-v5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from envreward.fields import Field
from envreward.rewards.function import FunctionReward
from envreward.task import Behaviour

from .base import FORWARD_FIELDS, FORWARD_FITNESS_DOC, SPARSE_PROGRESS, published
from .behaviours import NULL, slide
from .planar import PlanarTask, planar_fields

_JOINTS = ("right_thigh", "right_leg", "right_foot", "left_thigh", "left_leg", "left_foot")


class Walker2d(PlanarTask):
    """Walk forward; dynamics, observation, reward, termination and reset of gymnasium/envs/mujoco/walker2d_v5.py.

    Success at 22 m, as for Hopper: Gymnasium registers no reward threshold for Walker2d, so 2.8 m/s for 8 s is ours.
    """

    asset = "walker2d_v5.xml"
    frame_skip = 4
    reset_noise = 5e-3
    feet_geoms = ("foot_geom", "foot_left_geom")
    body_fields: ClassVar[Mapping[str, Field]] = planar_fields(
        _JOINTS, ("right", "left"), "0 is upright; positive leans forward (towards +x)."
    )
    fields: Mapping[str, Field] = {**body_fields, **FORWARD_FIELDS}
    expert: FunctionReward | None = published(("x_velocity", "action", "failure"), ctrl_weight=1e-3, survive=1.0)
    sparse = SPARSE_PROGRESS
    fitness_doc = FORWARD_FITNESS_DOC
    success_distance_m = 22.0
    success_doc = "At some step the torso is 22 m or more in front (towards +x) of where it started."
    behaviours: tuple[Behaviour, ...] = (slide(3.0), NULL)

    def healthy(self) -> Tensor:
        """Height between 0.8 and 2 m, pitch within 1 rad."""
        return (self.height > 0.8) & (self.height < 2.0) & (self.pitch.abs() < 1.0)
