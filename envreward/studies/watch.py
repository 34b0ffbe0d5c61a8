"""Watcher: how a study tells whoever looks on what it is doing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from envreward.training.config import MetricRow

from .records import Candidate


@dataclass(frozen=True, kw_only=True)
class TrainingProgress:
    """How far a training has come."""

    key: str
    members: int
    steps_done: int
    """Environment steps of all members together."""
    steps_total: int
    steps_per_s: float
    """Environment steps of all members per second."""
    rows: Sequence[MetricRow]
    """New since the last report."""


class Watcher(Protocol):
    """Is told of a study's progress, in the order in which things happen. Its calls must return soon."""

    def phase(self, text: str, iteration: int | None) -> None:
        """Something begins: asking, verifying, training, evaluating, comparing."""
        ...

    def candidates(self, candidates: Sequence[Candidate]) -> None:
        """The candidates of the present iteration, as they now stand."""
        ...

    def training(self, progress: TrainingProgress) -> None:
        """A training goes on; called a few times a second."""
        ...

    def note(self, text: str) -> None:
        """Something worth a line: a limit that was reached, a baseline that was reused."""
        ...


class Silent:
    """The watcher that looks away."""

    def phase(self, text: str, iteration: int | None) -> None:
        """Do nothing."""

    def candidates(self, candidates: Sequence[Candidate]) -> None:
        """Do nothing."""

    def training(self, progress: TrainingProgress) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""
