"""Reward functions and reward programs: parsing, rules, isolation, verification; rewards with memory for agents.

`envreward.rewards.judge`, which asks a language model, is imported by its own name: it needs more than torch.
"""

from __future__ import annotations

from .function import FunctionReward, RewardFunction, RewardOutput
from .gated import GatedAccumulation, Level, gate_in_hindsight
from .milestones import Milestones
from .sequence import AnyReward, Flow, Memory, SequenceReward
from .shaping import Potential, PotentialShaping
from .verpo import VeRPO

__all__ = [
    "AnyReward",
    "Flow",
    "FunctionReward",
    "GatedAccumulation",
    "Level",
    "Memory",
    "Milestones",
    "Potential",
    "PotentialShaping",
    "RewardFunction",
    "RewardOutput",
    "SequenceReward",
    "VeRPO",
    "gate_in_hindsight",
]
