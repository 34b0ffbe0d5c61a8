"""Clock: puts the time that a study takes into its record, phase by phase, and says when it is over."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias

from .allowance import Allowance
from .store import StudyStore
from .watch import Watcher

Phase: TypeAlias = Literal["asking", "verifying", "training", "evaluating", "telling", "comparing"]

_TICK_S = 5.0  # at most so much time is missing from the record of a killed study


class Clock:
    """Times the phases of one study."""

    def __init__(self, store: StudyStore, allowance: Allowance, watcher: Watcher) -> None:
        self._store, self._allowance, self._watcher = store, allowance, watcher

    @contextlib.contextmanager
    def phase(self, phase: Phase, iteration: int | None = None) -> Iterator[None]:
        """Announce a phase, and record how long it took however it ends."""
        self._store.tick("between")
        self._watcher.phase(phase, iteration)
        try:
            yield
        finally:
            self._store.tick(phase)

    def over(self, phase: Phase, *, final: bool) -> Callable[[float], bool]:
        """Return what a training of ``phase`` asks at short intervals, with its speed: must it stop?"""
        last_s = time.monotonic()

        def over(rate: float) -> bool:
            nonlocal last_s
            if time.monotonic() - last_s > _TICK_S:
                last_s = time.monotonic()
                self._store.tick(phase)
            return self._allowance.time_is_over(rate, final=final)

        return over
