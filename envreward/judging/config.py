"""How much evidence a judgement is based on."""

from __future__ import annotations

from dataclasses import dataclass

from envreward.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class JudgingConfig:
    """Settings of a judgement."""

    episodes: int = 8
    """Episodes per policy, the same for all."""
    seed: int = 0
    """Seeds episodes, random policies and samples."""
    random_policies: int = 6
    """Policies of random linear weights beside the task's own behaviours, where observations are vectors."""
    gamma: float = 0.99
    """Discount per step of the distances."""
    transitions: int = 4096
    """Transitions at most on which STARC compares, drawn evenly from all policies."""
    coverage: int = 512
    """Transitions at most on which EPIC compares."""
    expectation: int = 128
    """Pairs of action and next state over which EPIC takes its means."""
    sensitivity: int = 1024
    """Transitions on which the influence of each field is measured; fewer are taken several times."""
    resamples: int = 2000
    """Of the bootstrap over policies."""

    def __post_init__(self) -> None:
        for name in ("episodes", "transitions", "coverage", "expectation", "sensitivity", "resamples"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.random_policies < 0:
            raise ConfigError(f"random_policies must not be negative, got {self.random_policies}")
        if not 0.0 <= self.gamma < 1.0:
            raise ConfigError(f"gamma must be within [0, 1), got {self.gamma}")
