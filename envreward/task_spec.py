"""TaskSpec: what a catalog says of a task. Importing it loads neither torch nor physics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """One task as its family's catalog lists it."""

    id: str
    """Gymnasium id, e.g. ``EnvReward/HopperFrontFlip-v0``."""
    family: str
    instruction: str
    """What the agent should do, one sentence: the only description of the goal that a designer gets."""
    horizon: int
    """Steps after which an episode is truncated."""
    entry_point: str
    """``module:Class`` of the `Task`."""
    extra: str | None = None
    """The pip extra it needs, if any."""
    packages: tuple[str, ...] = ()
    """Packages of that extra, by the names they are imported under, without which its worlds cannot be made."""
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of the task's class."""
    training: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings with which a trainer (``ppo``, ``sac``) is known to learn it, in place of the trainer's defaults."""
