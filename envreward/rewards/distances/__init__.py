"""Distances between rewards: EPIC and STARC, exact on tabular decision processes and sampled over recorded transitions.

Two rewards that order all policies alike can look very different: one may be a multiple of the other, or have potential
shaping added. A distance that is to tell whether rewards ask for the same thing takes such differences out first
(*canonicalises* both rewards), brings the rest to one scale, and compares.

- EPIC: Gleave, Dennis, Legg, Russell & Leike, *Quantifying Differences in Reward Functions* (ICLR 2021,
  arXiv:2006.13900).
- STARC: Skalse, Farnik, Motwani, Jenner, Gleave & Abate, *STARC: A General Framework For Quantifying Differences
  Between Reward Functions* (ICLR 2024, arXiv:2309.15257).
"""

from __future__ import annotations

from .epic import EpicSample, epic_canonical, epic_distance
from .metrics import Norm, pearson_distance, standardised_distance
from .starc import (
    Canonicalisation,
    StarcSample,
    canonicalise,
    minimal_canonical,
    minimal_potential_canonical,
    starc_distance,
    val_canonical,
    val_potential_canonical,
)
from .tabular import TabularMDP
from .transitions import StateFeatures, Transitions

__all__ = [
    "Canonicalisation",
    "EpicSample",
    "Norm",
    "StarcSample",
    "StateFeatures",
    "TabularMDP",
    "Transitions",
    "canonicalise",
    "epic_canonical",
    "epic_distance",
    "minimal_canonical",
    "minimal_potential_canonical",
    "pearson_distance",
    "standardised_distance",
    "starc_distance",
    "val_canonical",
    "val_potential_canonical",
]
