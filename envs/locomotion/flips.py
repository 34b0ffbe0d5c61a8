"""Somersaults of the planar robots: turn over once and land."""

from __future__ import annotations

import abc
import math
from typing import ClassVar, Literal

import torch
from torch import Tensor

from .goals import PoseTask
from .planar import PlanarTask

FULL_TURN = 2.0 * math.pi


class FlipTask(PoseTask, PlanarTask):
    """A full turn about the axis across the robot, then a landing: upright for some time, from a touch of a foot on.

    The torso's pitch is the angle of a hinge and is not wrapped, so the net turn since the start is simply its
    value: rocking there and back adds up to nothing.
    """

    direction: ClassVar[Literal[-1, 0, 1]]
    """1: forwards (pitch grows, the top of the body goes towards +x); -1: backwards; 0: either."""
    tolerance_rad: ClassVar[float]
    """How far from upright still counts as upright."""

    @abc.abstractmethod
    def clear(self) -> Tensor:
        """Return whether the body is off the floor as it is when the robot stands, bool ``[N]``."""

    def turned(self) -> Tensor:
        """Return the net turn since the start in the wanted direction, ``[N]``, rad."""
        pitch = self.sim.qpos[:, 2]
        return pitch * self.direction if self.direction else pitch.abs()

    def in_pose(self) -> Tensor:
        """Return whether it has turned over, is upright and is on, or since it landed was on, a foot."""
        turned = self.turned()
        tilt = (torch.remainder(turned + math.pi, FULL_TURN) - math.pi).abs()
        upright = (turned > FULL_TURN - self.tolerance_rad) & (tilt < self.tolerance_rad) & self.clear()
        return upright & ((self.held > 0) | self.feet.touching(self.sim).any(1))

    def approach(self) -> Tensor:
        """Return the share of a full turn that is done."""
        return (self.turned() / (FULL_TURN - self.tolerance_rad)).clamp(0.0, 1.0)
