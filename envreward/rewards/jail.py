"""Locks up a forked process for good, before it runs a reward program."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Sequence

from envreward import seccomp

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4


def lock_up(parent: int, keep: Sequence[int], memory_bytes: int | None) -> None:
    """Take from the calling process all that a reward program does not need.

    It dies with its parent; holds no file but ``keep`` (standard streams become ``/dev/null``); may add
    ``memory_bytes`` of address space to what it has; and may no longer make a system call that opens a file for writing
    or a socket, starts or signals a process, or changes a limit. Where the kernel offers no filters
    (not Linux on x86-64 or AArch64) the last of these is left to the sandbox around it.

    Args:
        parent: Process id of the parent.
        keep: File descriptors to keep open.
        memory_bytes: Address space that may be added, counted from now; ``None`` for no limit.
    """
    _quiet_streams()
    _close_others(keep)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's affair
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes is not None:
        limit = _address_space_bytes() + memory_bytes
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = min([limit, *(value for value in (soft, hard) if value != resource.RLIM_INFINITY)])
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)
        program = seccomp.compute_filter()
        if program is not None:
            seccomp.install(program)


def _quiet_streams() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)


def _close_others(keep: Sequence[int]) -> None:
    low = 3
    for descriptor in sorted(keep):
        os.closerange(low, descriptor)
        low = descriptor + 1
    highest = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    os.closerange(low, 2**20 if highest == resource.RLIM_INFINITY else highest)


def _address_space_bytes() -> int:
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:  # no /proc: count from a generous guess of torch's own mappings
        return 8 * 1024**3
