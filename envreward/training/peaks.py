"""Peaks: of each member, the policy that earned most of its own reward, kept while it trains.

Training goes past its best now and then: a policy collapses, or learns to collect a component that the reward does not
mean. "A Bird's-Eye View of Iterative Reward Design" (Bhamidipaty et al. 2026; ``checkpoint_selection:
best_own_return`` of github.com/safety-research/bird) takes the checkpoint of the highest return under the candidate's
own reward instead of the last one; it was one of four choices out of thirty that clearly helped. Success and fitness
play no part in it, so nothing is selected on what is reported.

There, checkpoints play evaluation episodes. Here, each rollout is one: its return is the mean over the episodes that
ended in it, smoothed over rollouts because it is noisy, and the policy kept is the one that played the rollout at which
the smoothed return was highest, the earliest at a tie. That takes no environment step and no random number.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from .member_state import PEAK, MemberState

SMOOTHING = 0.1
"""Weight of a new return in the smoothed one; until ten have come it is their mean."""

_CURVE = f"{PEAK}curve"


class Peak:
    """The best policy of one member so far."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a member's state; from nothing where it holds no peak."""
        curve = state.get(_CURVE, torch.zeros(3, dtype=torch.float64))
        self._smoothed, self._count, self._best = curve.tolist()
        self._policy = {n.removeprefix(PEAK): rows.clone() for n, rows in state.items() if _is_policy(n)}

    def hear(self, episode_return: float | None) -> bool:
        """Take in the mean return of a rollout, ``None`` where no episode ended; return whether it is a new peak."""
        if episode_return is None:
            return False
        self._count += 1
        self._smoothed += (episode_return - self._smoothed) * max(SMOOTHING, 1 / self._count)
        if self._count > 1 and self._smoothed <= self._best:
            return False
        self._best = self._smoothed
        return True

    def keep(self, policy: Mapping[str, Tensor]) -> None:
        """Keep a copy of the policy that played the rollout."""
        self._policy = {name: rows.to("cpu", copy=True) for name, rows in policy.items()}

    def save(self) -> MemberState:
        """Return what belongs into the member's state."""
        curve = torch.tensor([self._smoothed, self._count, self._best], dtype=torch.float64)
        return {_CURVE: curve} | {PEAK + name: rows.clone() for name, rows in self._policy.items()}


def peak_policy(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of the policy that a member's state keeps; empty where it keeps none."""
    return {name.removeprefix(PEAK): rows for name, rows in state.items() if _is_policy(name)}


def _is_policy(name: str) -> bool:
    return name.startswith(PEAK) and name != _CURVE
