"""Simulators of N worlds behind one interface."""

from ._warp import WarpStatus, find_device, warp_status
from .base import Sim, Stage
from .choice import Simulator, choose_simulator, make_sim
from .mujoco_batch import MujocoBatch
from .mujoco_warp import MujocoWarp

__all__ = [
    "MujocoBatch",
    "MujocoWarp",
    "Sim",
    "Simulator",
    "Stage",
    "WarpStatus",
    "choose_simulator",
    "find_device",
    "make_sim",
    "warp_status",
]
