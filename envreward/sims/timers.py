"""MuJoCo's own timers, which read the clock around every part of every substep."""

from __future__ import annotations

import ctypes
import threading
from types import TracebackType

import mujoco

_CLOCK = ctypes.c_void_p.in_dll(ctypes.CDLL(mujoco._functions.__file__), "mjcb_time")


class Untimed:
    """While it is entered, MuJoCo computes without timing itself: ``MjData.timer`` stands still.

    Its Python package sets a clock when it is imported (``mjcb_time``), which costs 7% (Meta-World's models) to 16%
    (Hopper) of a step. It is set again when the last thread has left, since others in the process may want it.
    """

    _lock = threading.Lock()
    _inside = 0
    _clock: int | None = None

    def __enter__(self) -> None:
        with Untimed._lock:
            if Untimed._inside == 0:
                Untimed._clock, _CLOCK.value = _CLOCK.value, None
            Untimed._inside += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with Untimed._lock:
            Untimed._inside -= 1
            if Untimed._inside == 0:
                _CLOCK.value = Untimed._clock
