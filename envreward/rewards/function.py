"""RewardFunction: anything that maps a batch of states to a reward and its named components."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor


class RewardOutput(NamedTuple):
    """The rewards of one batch."""

    total: Tensor
    """Reward of each world, float ``[N]``."""
    components: dict[str, Tensor]
    """Named parts, float ``[N]`` each, for feedback and plots; they need not add up to ``total``."""


@runtime_checkable
class RewardFunction(Protocol):
    """Maps field values to rewards. Pure: same inputs, same outputs, inputs left alone."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads."""
        ...

    def __call__(self, **state: Tensor) -> RewardOutput:
        """Compute the rewards of N states given as field values ``[N, ...]``."""
        ...


@dataclass(frozen=True)
class FunctionReward:
    """A trusted Python function over fields as a reward function; published and sparse rewards are these."""

    parameters: tuple[str, ...]
    """Names of the fields it reads; private ones are allowed, as this is not a generated program."""
    function: Callable[..., RewardOutput]
    doc: str = ""
    """Where the formula comes from."""

    def __call__(self, **state: Tensor) -> RewardOutput:
        """Compute the rewards of N states given as field values ``[N, ...]``."""
        return self.function(**{name: state[name] for name in self.parameters})
