"""What rewards that are built on other rewards share: a field as a reward, memories inside memories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from envreward.errors import ConfigError

from .function import RewardOutput
from .sequence import AnyReward, Flow, Memory, evaluate_over, new_memory


@dataclass(frozen=True)
class FieldReward:
    """The value of a scalar field as a reward; flags count as 0 and 1."""

    field: str

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads."""
        return (self.field,)

    def __call__(self, **state: Tensor) -> RewardOutput:
        """Compute the rewards of N states given as field values ``[N]``."""
        value = as_float(state[self.field])
        return RewardOutput(value, {self.field: value})


def as_float(values: Tensor) -> Tensor:
    """Return flags and whole numbers as float32, floating-point values as they are."""
    return values if values.is_floating_point() else values.to(torch.float32)


def as_reward(reward: str | AnyReward) -> AnyReward:
    """Return the reward that is meant: a name stands for the value of that scalar field."""
    return FieldReward(reward) if isinstance(reward, str) else reward


def is_set(values: Tensor) -> Tensor:
    """Return flags, given as bool or as the floats 0 and 1, as bool; any value above one half counts as set."""
    return values if values.dtype == torch.bool else values > 0.5


def united(*groups: Iterable[str]) -> tuple[str, ...]:
    """Return the names of several rewards' fields, each once, in order."""
    return tuple(dict.fromkeys(name for group in groups for name in group))


def part_memory(prefix: str, reward: AnyReward | None, num_worlds: int) -> Memory:
    """Return the memory with which N worlds begin, of a reward inside another; its names begin with ``prefix``."""
    if reward is None:
        return {}
    return {f"{prefix}.{name}": values for name, values in new_memory(reward, num_worlds).items()}


def check_part_names(names: Iterable[str]) -> None:
    """Check that parts can be told apart in a memory and among components.

    Raises:
        ConfigError: A name is empty or has a dot.
    """
    if dotted := [name for name in names if "." in name or not name]:
        raise ConfigError(f"parts need names without dots, got {dotted[0]!r}")


def parts_parameters(parts: Mapping[str, str | AnyReward]) -> tuple[str, ...]:
    """Return the names of the fields that several rewards, or fields, read."""
    return united(*(as_reward(part).parameters for part in parts.values()))


def parts_memory(parts: Mapping[str, str | AnyReward], num_worlds: int) -> Memory:
    """Return the memory with which N worlds begin, of several rewards inside another."""
    memory: Memory = {}
    for name, part in parts.items():
        memory |= part_memory(name, as_reward(part), num_worlds)
    return memory


def evaluate_part(prefix: str, reward: AnyReward, flow: Flow, memory: Memory, state: dict[str, Tensor]) -> RewardOutput:
    """Compute the rewards ``[T, N]`` of a reward inside another; its part of ``memory`` is brought up to date."""
    start = f"{prefix}."
    # The inner reward writes into these tensors in place, so the outer memory needs nothing written back.
    own = {name.removeprefix(start): values for name, values in memory.items() if name.startswith(start)}
    return evaluate_over(reward, flow, own, {name: state[name] for name in reward.parameters})
