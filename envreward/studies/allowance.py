"""Allowance: what a running study may still do within its budget, with the final comparison set aside."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from envreward.errors import BudgetExceededError

from .budget import Cost, affordable, check_llm, limit_in_the_way
from .config import StudyConfig
from .store import StudyStore

WALL_MARGIN_S = 3.0
"""Trainings are stopped this long before the wall-clock limit: what they hold must be ended and recorded within it."""


class Allowance:
    """Answers what still fits. The record says what was used, so a resumed study gets the same answers."""

    def __init__(self, config: StudyConfig, store: StudyStore, final_policies: int) -> None:
        """Set aside the training of ``final_policies`` policies for the final comparison."""
        self._budget, self._store = config.budget, store
        self._steps, self._seeds = config.steps, config.seeds
        self._final_policies = final_policies

    def candidates(self, wanted: int) -> tuple[int, str | None]:
        """Return how many of ``wanted`` candidates can be trained, and the limit that keeps out the next one."""
        rate = self._store.steps_per_s()
        each = _training(self._steps, rate).times(self._seeds)
        reserve = _training(self._steps, rate).times(self._final_policies)
        return affordable(self._budget, self._store.spent(), each, reserve + self._margin(), wanted)

    def final_policies(self, wanted: int, planned: int) -> tuple[int, str | None]:
        """Return how many of ``wanted`` policies can be trained for the comparison beside ``planned`` others."""
        each = _training(self._steps, self._store.steps_per_s())
        return affordable(self._budget, self._store.spent(), each, each.times(planned) + self._margin(), wanted)

    def require_candidate(self) -> None:
        """Check that it makes sense to ask the designer: at least one of its candidates could be trained.

        Raises:
            BudgetExceededError: Not one more fits.
        """
        check_llm(self._budget, self._store.spent())
        fits, limit = self.candidates(1)
        if not fits:
            raise BudgetExceededError(limit)

    def time_is_over(self, rate: float | None = None, *, final: bool) -> bool:
        """Return whether a training must stop now; ``rate`` is its speed, environment steps per second.

        Trainings of the search leave the time that the final comparison takes at that speed.
        """
        reserve = Cost() if final or not rate else _training(self._steps, rate).times(self._final_policies)
        time_only = Cost(wall_s=reserve.wall_s) + self._margin()
        over = limit_in_the_way(self._budget, self._store.spent(), time_only)
        return over is not None and self._budget.wall_s is not None

    @contextlib.contextmanager
    def alarm(self) -> Iterator[None]:
        """Interrupt what runs within when the wall-clock limit is reached. Only the main thread can be interrupted.

        Raises:
            BudgetExceededError: It was.
        """
        limit_s = self._budget.wall_s
        if limit_s is None or threading.current_thread() is not threading.main_thread():
            yield
            return

        def ring(signum: int, frame: FrameType | None) -> None:
            raise BudgetExceededError(f"limit on wall-clock seconds ({limit_s:,.0f}) reached")

        previous = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, max(limit_s - self._store.wall_s(), 1e-3))
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)

    def _margin(self) -> Cost:
        return Cost(wall_s=WALL_MARGIN_S)


def _training(steps: int, rate: float | None) -> Cost:
    return Cost(env_steps=steps, trainings=1, wall_s=steps / rate if rate else 0.0)
