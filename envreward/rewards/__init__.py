"""Reward functions and reward programs: parsing, rules, isolation, verification; rewards with memory for agents.

Imported by their own names: `envreward.rewards.judge`, which asks a language model and needs more than torch, and
what learns or has a language of its own: `barfi`, `machines`, `novelty`, `preferences`. `catalog` lists all forms.
"""

from __future__ import annotations

from .bounded import Clip, PreferenceAsReward
from .ensemble import Ensemble, WeightedSum
from .function import FunctionReward, RewardFunction, RewardOutput
from .gated import GatedAccumulation, Level, gate_in_hindsight
from .milestones import Milestones
from .process import Delta, MinForm, delta_in_hindsight, min_form_in_hindsight
from .products import KinestheticCombination, PenalisedProgress
from .sequence import AnyReward, Flow, Memory, SequenceReward
from .shaping import Potential, PotentialShaping
from .verpo import VeRPO

__all__ = [
    "AnyReward",
    "Clip",
    "Delta",
    "Ensemble",
    "Flow",
    "FunctionReward",
    "GatedAccumulation",
    "KinestheticCombination",
    "Level",
    "Memory",
    "Milestones",
    "MinForm",
    "PenalisedProgress",
    "Potential",
    "PotentialShaping",
    "PreferenceAsReward",
    "RewardFunction",
    "RewardOutput",
    "SequenceReward",
    "VeRPO",
    "WeightedSum",
    "delta_in_hindsight",
    "gate_in_hindsight",
    "min_form_in_hindsight",
]
