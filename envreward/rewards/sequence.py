"""Rewards that remember: they see T steps of N worlds in time order, and where episodes begin and end.

A plain `RewardFunction` sees one state at a time; with ``prev_`` fields that is enough for differences. What it cannot
do is pay a thing once per episode, hold rewards back until the end, or end a potential at zero. A `SequenceReward` can:
between calls it keeps tensors per world, its memory, that whoever steps the worlds stores for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from torch import Tensor

from .function import RewardFunction, RewardOutput


class Flow(NamedTuple):
    """Where episodes begin and end in T steps of N worlds; bool ``[T, N]`` each."""

    first: Tensor
    """The step is its episode's first."""
    terminated: Tensor
    """The episode ended in the step by itself."""
    truncated: Tensor
    """The episode was cut off after the step."""
    cut_short: Tensor | None = None
    """The episode ended in the step and was never to have its whole time, so that its sums do not compare with those of
    others; ``None``: none."""

    @property
    def last(self) -> Tensor:
        """The step is its episode's last, for either reason."""
        return self.terminated | self.truncated

    def each(self, change: Callable[[Tensor], Tensor]) -> Flow:
        """Return the same with ``change`` applied to each tensor."""
        cut_short = None if self.cut_short is None else change(self.cut_short)
        return Flow(change(self.first), change(self.terminated), change(self.truncated), cut_short)


Memory: TypeAlias = dict[str, Tensor]
"""What a reward remembers of N running episodes, by name, ``[N, ...]`` each; written in place."""


@runtime_checkable
class SequenceReward(Protocol):
    """Maps T steps of N worlds to rewards, in time order."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads."""
        ...

    def new_memory(self, num_worlds: int) -> Memory:
        """Return the memory with which N worlds begin."""
        ...

    def over(self, flow: Flow, memory: Memory, **state: Tensor) -> RewardOutput:
        """Compute the rewards ``[T, N]`` of states ``[T, N, ...]`` and bring ``memory`` up to date.

        Splitting a sequence in two and calling twice gives the same rewards as calling once.
        """
        ...


AnyReward: TypeAlias = RewardFunction | SequenceReward


def evaluate_over(reward: AnyReward, flow: Flow, memory: Memory, state: dict[str, Tensor]) -> RewardOutput:
    """Compute the rewards ``[T, N]`` of either kind of reward over states ``[T, N, ...]``.

    Text fields are T lists of N strings.
    """
    if isinstance(reward, SequenceReward):
        return reward.over(flow, memory, **state)
    steps, worlds = flow.first.shape
    output = reward(**{name: _joined(values) for name, values in state.items()})
    components = {name: values.view(steps, worlds) for name, values in output.components.items()}
    return RewardOutput(output.total.view(steps, worlds), components)


def _joined(values: Any) -> Any:
    return values.flatten(0, 1) if isinstance(values, Tensor) else [text for step in values for text in step]


def new_memory(reward: AnyReward, num_worlds: int) -> Memory:
    """Return the memory with which N worlds begin; empty for rewards that remember nothing."""
    return reward.new_memory(num_worlds) if isinstance(reward, SequenceReward) else {}
