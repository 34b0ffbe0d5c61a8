"""Potential-based shaping: a dense reward that leaves the optimal policies as they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from envreward.errors import ConfigError
from envreward.fields import PREV

from .function import RewardOutput
from .parts import as_float, evaluate_part, part_memory, united
from .sequence import AnyReward, Flow, Memory


@dataclass(frozen=True, kw_only=True)
class Potential:
    """A potential computed from several fields."""

    parameters: tuple[str, ...]
    """Names of the fields it reads; neither ``action`` nor ``prev_`` names, as it is a function of one state."""
    function: Callable[..., Tensor]
    """Takes the fields by name, ``[..., *shape]``, and returns the potential ``[...]``."""

    def __post_init__(self) -> None:
        for name in self.parameters:
            if name == "action" or name.startswith(PREV):
                raise ConfigError(f"a potential is a function of one state: it cannot read {name!r}")


@dataclass(frozen=True, kw_only=True)
class PotentialShaping:
    """Adds ``F = gamma * Phi(s') - Phi(s)`` to a reward, with ``Phi`` zero where an episode terminates.

    Source: Ng, Harada & Russell, *Policy invariance under reward transformations* (ICML 1999), Theorem 1: this form,
    and in general only this form, changes no optimal policy, whatever the potential ``Phi``. That a terminal state's
    potential must count as zero in episodic tasks: Grzes, *Reward shaping in episodic reinforcement learning* (AAMAS
    2017). The potential of a state in which an episode is merely cut off stays: the learner adds ``gamma * V(s')``
    there, and that ``V`` contains ``-Phi(s')``. Over an episode the discounted sum telescopes to
    ``gamma^T Phi(s_T) - Phi(s_0)``, or to ``-Phi(s_0)`` where it terminates.

    When to use it: there is a field that grows with progress (matched goal slots, share of tests passed, minus the
    distance to go), and reaching it quickly is what counts. Nothing can be gained by running in circles.

    Known failures: the guarantee is about optimal policies, not about learning speed; a potential that first has to
    fall (putting a wrong item back) can teach a small policy never to begin. It holds only if ``gamma`` is the
    learner's own. The sum over an episode that terminates does not depend on what was done in it, so the shaping alone
    teaches nothing: a ``base`` that pays for success belongs to it.
    """

    potential: str | Potential
    """A scalar field, or a function of several."""
    gamma: float = 0.99
    """The learner's discount factor."""
    scale: float = 1.0
    """Multiplies the potential."""
    base: AnyReward | None = None
    """The reward to be shaped; ``None``: the shaping alone."""
    doc: str = dataclasses.field(
        default="Ng, Harada & Russell 1999, Theorem 1; zero at terminal states: Grzes 2017.", init=False
    )
    """Where the formula comes from."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.gamma <= 1.0:
            raise ConfigError(f"gamma must be within [0, 1], got {self.gamma}")
        if isinstance(self.potential, str):
            Potential(parameters=(self.potential,), function=as_float)  # the same check of its name

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads, those of the state before the step included."""
        names = (self.potential,) if isinstance(self.potential, str) else self.potential.parameters
        return united(names, (PREV + name for name in names), self.base.parameters if self.base else ())

    def new_memory(self, num_worlds: int) -> Memory:
        """Return the memory with which N worlds begin: that of the base; ``prev_`` fields make its own superfluous."""
        return part_memory("base", self.base, num_worlds)

    def over(self, flow: Flow, memory: Memory, **state: Tensor) -> RewardOutput:
        """Compute the rewards ``[T, N]``; see `SequenceReward.over`."""
        after = self._phi("", state).masked_fill(flow.terminated, 0.0)
        shaping = self.scale * (self.gamma * after - self._phi(PREV, state))
        if self.base is None:
            return RewardOutput(shaping, {"shaping": shaping})
        total, components = evaluate_part("base", self.base, flow, memory, state)
        return RewardOutput(total + shaping, {**components, "shaping": shaping})

    def _phi(self, prefix: str, state: dict[str, Tensor]) -> Tensor:
        if isinstance(self.potential, str):
            return as_float(state[prefix + self.potential])
        values = {name: state[prefix + name] for name in self.potential.parameters}
        return as_float(torch.as_tensor(self.potential.function(**values)))
