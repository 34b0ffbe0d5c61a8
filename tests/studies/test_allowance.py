"""The allowance of a running study: what is set aside, and the alarm that ends waiting when time is over."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envreward.errors import BudgetExceededError
from envreward.studies import Budget, StudyConfig, TrainedMember
from envreward.studies.allowance import WALL_MARGIN_S, Allowance
from envreward.studies.store import StudyStore


@pytest.fixture
def allow(tmp_path: Path, make_config: Callable[..., StudyConfig]) -> Callable[..., tuple[Allowance, StudyStore]]:
    """Return a maker of allowances that set six final policies aside, with their records."""

    def make(budget: Budget, **settings: Any) -> tuple[Allowance, StudyStore]:
        config = make_config(budget=budget, **settings)
        store = StudyStore.create(tmp_path / f"run{len(list(tmp_path.iterdir()))}", config, {})
        return Allowance(config, store, final_policies=6), store

    return make


def test_the_comparison_is_set_aside(allow: Callable[..., tuple[Allowance, StudyStore]]) -> None:
    """Candidates get what is left beside the comparison, counted with all their seeds; the comparison gets the rest."""
    allowance, store = allow(Budget(trainings=11), seeds=2)
    assert allowance.candidates(8)[0] == 2  # (11 - 6) // 2
    assert allowance.final_policies(12, 0)[0] == 11
    assert allowance.final_policies(12, 9)[0] == 2
    store.close()


def test_time_needed_is_judged_by_the_speed_so_far(allow: Callable[..., tuple[Allowance, StudyStore]]) -> None:
    """Once the study knows its speed, a candidate that would take too long is not begun."""
    allowance, store = allow(Budget(wall_s=1000.0), steps=1000)
    assert allowance.candidates(8) == (8, None), "no speed is known yet"
    time.sleep(0.2)
    store.tick("training")
    member = TrainedMember(
        key="x-s0", role="search", candidate=None, training="i000", seed=0, status="trained", steps=2000
    )
    store.end_training([member])
    rate = store.steps_per_s()
    assert rate is not None and 1000 < rate <= 10_000
    assert allowance.candidates(8)[0] == 8
    slow, slow_store = allow(Budget(wall_s=WALL_MARGIN_S + 1.0), steps=1000)
    time.sleep(0.5)
    slow_store.tick("training")
    slow_store.end_training([TrainedMember(**{**vars(member), "steps": 1000})])  # 0.5 s each: seven do not fit
    fits, limit = slow.candidates(8)
    assert fits == 0 and limit is not None and "wall-clock" in limit
    store.close()
    slow_store.close()


def test_a_training_stops_early_enough_for_the_comparison(allow: Callable[..., tuple[Allowance, StudyStore]]) -> None:
    """The search's training must stop when what is left is what the comparison takes; the comparison's own goes on."""
    allowance, store = allow(Budget(wall_s=100.0), steps=1000)
    assert not allowance.time_is_over(1000.0, final=False)  # 6 s set aside
    assert allowance.time_is_over(50.0, final=False)  # 120 s set aside
    assert not allowance.time_is_over(50.0, final=True)
    assert not allowance.time_is_over(0.0, final=False), "no speed is known yet"
    store.close()


def test_the_alarm_ends_waiting(allow: Callable[..., tuple[Allowance, StudyStore]]) -> None:
    """A language model that does not answer cannot hold a study past its time; the alarm is gone afterwards."""
    allowance, store = allow(Budget(wall_s=0.5))
    began = time.monotonic()
    with pytest.raises(BudgetExceededError, match="wall-clock"), allowance.alarm():
        time.sleep(30)
    assert time.monotonic() - began < 5
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL
    store.close()
