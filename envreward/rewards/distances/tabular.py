"""A decision process of few states and actions, on which distances between rewards are exact."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from envreward.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class TabularMDP:
    """Transition probabilities and a discount factor; S states, A actions."""

    transitions: Tensor
    """Probability of the next state, float64 ``[S, A, S]``; the last dimension sums to 1."""
    gamma: float
    """Discount per step, in [0, 1)."""

    def __post_init__(self) -> None:
        shape = tuple(self.transitions.shape)
        if len(shape) != 3 or shape[0] != shape[2]:
            raise ConfigError(f"transitions must be of shape [S, A, S], got {list(shape)}")
        if not 0.0 <= self.gamma < 1.0:
            raise ConfigError(f"gamma must be within [0, 1), got {self.gamma}")
        off = float((self.transitions.sum(-1) - 1).abs().max())
        if float(self.transitions.min()) < 0 or not off < 1e-9:
            raise ConfigError("transitions must be probabilities that sum to 1 over the next state")

    @property
    def states(self) -> int:
        """S."""
        return int(self.transitions.shape[0])

    @property
    def actions(self) -> int:
        """A."""
        return int(self.transitions.shape[1])

    def reward(self, values: Tensor) -> Tensor:
        """Return a reward as float64 ``[S, A, S]``; one of the state and the action alone is spread over the next.

        Raises:
            ConfigError: It is of another shape, or not finite.
        """
        shape = (self.states, self.actions, self.states)
        table = values.double()
        if tuple(table.shape) == shape[:2]:
            table = table.unsqueeze(-1).expand(shape)
        if tuple(table.shape) != shape:
            raise ConfigError(f"a reward on this process has shape {list(shape)}, not {list(values.shape)}")
        if not bool(torch.isfinite(table).all()):
            raise ConfigError("the reward is not finite everywhere")
        return table

    def expected(self, reward: Tensor) -> Tensor:
        """Return the mean reward over the next state, float64 ``[S, A]``."""
        return (self.transitions.double() * self.reward(reward)).sum(-1)

    def value(self, reward: Tensor, policy: Tensor | None = None) -> Tensor:
        """Return the value of each state under a policy, float64 ``[S]``: ``V = (I - gamma P_pi)^-1 r_pi``.

        Args:
            reward: ``[S, A, S]`` or ``[S, A]``.
            policy: Probability of each action, ``[S, A]``; uniform by default.

        Raises:
            ConfigError: Something is of another shape.
        """
        chosen = torch.full((self.states, self.actions), 1 / self.actions, dtype=torch.float64)
        if policy is not None:
            chosen = policy.double()
            if tuple(chosen.shape) != (self.states, self.actions):
                raise ConfigError(f"a policy on this process has shape {[self.states, self.actions]}")
        step = torch.einsum("sa,sat->st", chosen, self.transitions.double())
        mean = (chosen * self.expected(reward)).sum(-1)
        identity = torch.eye(self.states, dtype=torch.float64)
        value: Tensor = torch.linalg.solve(identity - self.gamma * step, mean)
        return value
