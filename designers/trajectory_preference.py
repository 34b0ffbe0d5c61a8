"""Trajectory preference: does a reward put successful trajectories above failing ones? Answered without training.

CARD's Trajectory Preference Evaluation (TPE; Sun et al. 2024, arXiv:2410.14660). A reward preserves the order of
trajectories when every successful one is worth more to it than every failing one (Definition 4.1). A reward passes when
at least a share delta of the successful ones is worth more than the best failing one; delta = 1 is the definition
itself, section 5.1 takes 0.8. What a trajectory is worth differs: see `trajectory_value`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Rule = Literal["released", "paper"]
"""What a trajectory is worth: its mean reward per step, or its discounted return."""
Verdict = Literal["passed", "refused", "cannot_tell"]

THRESHOLD = 0.8
"""delta of section 5.1, ``--threshold`` in code_generation/self_reflection/metaworld_exp_one_step.py."""
DISCOUNT = 0.99
"""gamma of the trainings in the paper and in metaworld_exp_one_step.py; Definition 4.1 gives no number of its own."""


def trajectory_value(rewards: Sequence[float], rule: Rule, *, discount: float = DISCOUNT) -> float:
    """Return what a trajectory is worth to a reward.

    Args:
        rewards: Of each step, in order; at least one.
        rule: ``released``: the mean over the steps, as ``trajectories_return_check`` in
            code_generation/self_reflection/utils.py of the release computes it. ``paper``: the discounted return of
            Definition 4.1, with the first step undiscounted. Where every step pays, the return favours long
            trajectories, and successful ones are short where they end with their success; the mean does not.
        discount: Factor per step.

    Raises:
        ValueError: There is no step.
    """
    if not rewards:
        raise ValueError("a trajectory without a step is worth nothing that could be compared")
    if rule == "released":
        return math.fsum(rewards) / len(rewards)
    return math.fsum(reward * discount**step for step, reward in enumerate(rewards))


@dataclass(frozen=True, kw_only=True)
class Ordering:
    """What the trajectories of both classes are worth to one reward.

    Raises:
        ValueError: A value is not finite.
    """

    successes: tuple[float, ...]
    failures: tuple[float, ...]

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (*self.successes, *self.failures))):
            raise ValueError("trajectories can only be ordered by finite values")

    @property
    def correct(self) -> int | None:
        """Successful trajectories that are worth more than the best failing one; ``None`` without both classes.

        Equal is not more, so a reward that is constant has none.
        """
        if not self.successes or not self.failures:
            return None
        bar = max(self.failures)
        return sum(value > bar for value in self.successes)

    @property
    def accuracy(self) -> float | None:
        """Their share of the successful ones; ``None`` without both classes."""
        return None if self.correct is None else self.correct / len(self.successes)

    @property
    def wrong_pairs(self) -> int:
        """Pairs of a successful and a failing trajectory of which the failing one is worth at least as much."""
        return sum(failure >= success for success in self.successes for failure in self.failures)

    @property
    def pairs(self) -> int:
        """All pairs of a successful and a failing trajectory."""
        return len(self.successes) * len(self.failures)

    def verdict(self, threshold: float = THRESHOLD) -> Verdict:
        """Return whether the reward passes.

        The release lets every reward pass while one class is empty; here that is said: nothing can be told.

        Args:
            threshold: Least share of successful trajectories that must be worth more than the best failing one.
        """
        accuracy = self.accuracy
        if accuracy is None:
            return "cannot_tell"
        return "passed" if accuracy >= threshold else "refused"
