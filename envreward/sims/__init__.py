"""Simulators of N worlds behind one interface."""

from .base import Sim
from .mujoco_batch import MujocoBatch

__all__ = ["MujocoBatch", "Sim"]
