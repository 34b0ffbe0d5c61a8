"""Rewards that are learned while a policy trains on them, from the named components of a reward program: its factors.

The learner lives in the trusted training process, one per member; the program stays in its own. What it has learned is
part of the member's state: it is checkpointed, moves with the member, and depends on nothing but the member itself.

`LareConfig` redistributes the sparse reward's return over the steps of an episode; `HeronConfig` learns from
preferences that a ranking of the factors induces. `NoveltyConfig` leaves a reward as it is and adds what is new.
"""

from __future__ import annotations

from .config import HeronConfig, LareConfig, NoveltyConfig, parse_learning
from .learner import Learner, make_learner
from .novelty import NovelSource, require_fields
from .source import LearnedSource

__all__ = [
    "HeronConfig",
    "LareConfig",
    "LearnedSource",
    "Learner",
    "NovelSource",
    "NoveltyConfig",
    "make_learner",
    "parse_learning",
    "require_fields",
]
