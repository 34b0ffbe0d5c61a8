"""What a population leaves to its algorithm: how members act, learn, and become policies."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import gymnasium as gym
import numpy as np
from torch import Tensor

from envreward.errors import ConfigError
from envreward.task import Task

from .config import Member
from .member_state import MemberState
from .policy_io import PolicyForm
from .rollout import Actor, Rollout
from .running import Running


class Learned(NamedTuple):
    """What the metrics say of one member's update; ``None`` where the algorithm has no such thing (see `MetricRow`)."""

    learning_rate: float
    entropy: float | None = None
    kl: float | None = None
    clip_fraction: float | None = None
    value_loss: float | None = None
    explained_variance: float | None = None
    alpha: float | None = None
    value_mean: float | None = None


class Learner(Actor, Protocol):
    """M members that act and learn together."""

    def begin(self, updates: int) -> None:
        """Draw what is random in the rollout that comes after ``updates`` updates."""
        ...

    def learn(self, rollout: Rollout, rewards: Tensor, updates: int) -> list[Learned]:
        """Learn from a rollout.

        Args:
            rollout: Of all members.
            rewards: Float32 ``[M, T, N]``; 0 where the machinery failed.
            updates: Updates done before this one.
        """
        ...

    def finite(self) -> list[bool]:
        """Return, for each member, whether what it has learned is made of numbers."""
        ...

    def silence(self, row: int) -> None:
        """Make a member harmless that stays in the batch and counts no more."""
        ...

    def save(self) -> dict[str, Tensor]:
        """Return the algorithm's own part of the members' states, stacked."""
        ...

    def experience(self, row: int, since: int | None) -> MemberState:
        """Return a member's ``replay.*``; nothing for an algorithm that forgets.

        Args:
            row: The member.
            since: Updates before which experience is left out; ``None``: all, not copied, for another learner in this
                process that takes it over.
        """
        ...


class Algorithm(Protocol):
    """An algorithm with a job's settings on a task."""

    obs_size: int
    memory: int
    """Updates whose experience a member keeps."""

    def fresh(self, member: Member) -> MemberState:
        """Return the algorithm's own part of the state of a member that has not trained yet."""
        ...

    def learner(self, state: Mapping[str, Tensor], running: Running, experience: Sequence[MemberState]) -> Learner:
        """Return a learner that goes on from stacked states.

        Args:
            state: What `fresh` or `Learner.save` returned, on the device of the worlds; kept and written to.
            running: The members' statistics.
            experience: The members' ``replay.*``, by row; empty mappings for those that have none yet.
        """
        ...

    def policy(self, state: MemberState) -> tuple[PolicyForm, dict[str, Tensor]]:
        """Return a member's policy: its form and its tensors."""
        ...


def vector_size(name: str, task: Task) -> int:
    """Return the number of entries of a task's observation.

    Raises:
        ConfigError: It is no array of numbers; the message says that the algorithm ``name`` needs one.
    """
    if not isinstance(task.observation_space, gym.spaces.Box):
        raise ConfigError(
            f"{task.spec.id}: {name} needs observations that are arrays of numbers, got {task.observation_space}"
        )
    return int(np.prod(task.observation_space.shape))


def check_settings(
    name: str,
    config: object,
    *,
    at_least_1: Sequence[str],
    above_0: Sequence[str],
    not_negative: Sequence[str],
    shares: Sequence[str],
) -> None:
    """Check that settings lie where they mean something, and that no number is infinite or none at all.

    Args:
        name: Of the algorithm.
        config: A dataclass, its settings.
        at_least_1: Settings of which each is 1 or more.
        above_0: Settings of which each is more than 0.
        not_negative: Settings of which each is 0 or more.
        shares: Settings of which each is from 0 to 1.

    Raises:
        ConfigError: One does not; the message calls it ``name.setting``.
    """
    assert dataclasses.is_dataclass(config)
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{name}.{field.name} must be a finite number, got {value}")
    rules: tuple[tuple[Sequence[str], str, Callable[[float], bool]], ...] = (
        (at_least_1, "be at least 1", lambda value: value >= 1),
        (above_0, "be above 0", lambda value: value > 0),
        (not_negative, "not be negative", lambda value: value >= 0),
        (shares, "be from 0 to 1", lambda value: 0 <= value <= 1),
    )
    for settings, words, holds in rules:
        for setting in settings:
            if not holds(getattr(config, setting)):
                raise ConfigError(f"{name}.{setting} must {words}, got {getattr(config, setting)}")
