"""Rewards learned from preferences between pairs of segments."""

from __future__ import annotations

from .importance import ImportanceConfig, attention_importance
from .learned import LearnedReward
from .losses import bradley_terry_loss, deterministic_regret, partial_return, redistribution_loss
from .pairs import Preference, PreferenceReport, Segment, check_preferences
from .trainer import PreferenceConfig, PreferenceFit, accuracy, fit_preferences

__all__ = [
    "ImportanceConfig",
    "LearnedReward",
    "Preference",
    "PreferenceConfig",
    "PreferenceFit",
    "PreferenceReport",
    "Segment",
    "accuracy",
    "attention_importance",
    "bradley_terry_loss",
    "check_preferences",
    "deterministic_regret",
    "fit_preferences",
    "partial_return",
    "redistribution_loss",
]
