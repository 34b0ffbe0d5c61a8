"""Reward functions and reward programs: parsing, rules, isolation, verification."""

from __future__ import annotations

from .function import FunctionReward, RewardFunction, RewardOutput

__all__ = ["FunctionReward", "RewardFunction", "RewardOutput"]
