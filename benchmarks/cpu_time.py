"""The processor time of everything that a piece of work starts, sandboxes and what runs in them included.

What the operating system adds up for a parent leaves out what ran in namespaces of its own, as in `bubblewrap`; so the
whole tree of processes is looked at a few times a second. What lives for less than that is missed: the result is a
little too low, never too high.
"""

from __future__ import annotations

import resource
import threading
from types import TracebackType

import psutil

PERIOD_S = 0.25


class CpuTime:
    """Counts while it is entered."""

    def __init__(self) -> None:
        self._begun_s = 0.0
        self._seen: dict[tuple[int, float], float] = {}
        self._before: dict[tuple[int, float], float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def seconds(self) -> float:
        """Processor seconds so far, of this process and of all below it."""
        below = sum(spent - self._before.get(key, 0.0) for key, spent in [*self._seen.items()])
        return _own_s() - self._begun_s + below

    def __enter__(self) -> CpuTime:
        self._begun_s = _own_s()
        self._look()
        self._before = dict(self._seen)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(PERIOD_S):
            self._look()

    def _look(self) -> None:
        for process in psutil.Process().children(recursive=True):
            try:
                times = process.cpu_times()
                self._seen[process.pid, process.create_time()] = times.user + times.system
            except psutil.Error:  # it has just ended
                continue


def _own_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
