"""Bonuses for what is new: to an episode, or to all that has been learned from."""

from __future__ import annotations

from .episodic import EpisodicCount, EpisodicElliptical
from .rnd import RandomNetworkDistillation, RndConfig

__all__ = ["EpisodicCount", "EpisodicElliptical", "RandomNetworkDistillation", "RndConfig"]
