"""RunLock: one process at a time works on a study.

The kernel drops the lock with the process, however it ends, so a killed run never leaves a stale one. Where it
matters, the operating system's advisory lock is the truth; the text in the file only names the holder.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from envreward.errors import StudyError

FILE_NAME = "study.lock"


class RunLock:
    """Exclusive lock on a run folder, held from construction until `release`.

    Raises:
        StudyError: Another process holds it.
        OSError: The folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        # Python opens descriptors close-on-exec, so trainings started from here do not keep the lock alive.
        self._fd = os.open(folder / FILE_NAME, os.O_RDWR | os.O_CREAT, 0o644)
        for pause_s in (0.05, 0.2, None):  # `is_locked` elsewhere may hold it for an instant
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if pause_s is not None:
                    time.sleep(pause_s)
                    continue
                holder = os.pread(self._fd, 64, 0).decode(errors="replace").strip() or "unknown"
                os.close(self._fd)
                raise StudyError(f"{folder} is in use by process {holder}: wait for it to end, or stop it") from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Give the lock back; safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> RunLock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.release()


def is_locked(folder: Path) -> bool:
    """Return whether some process works on the study in ``folder`` now."""
    try:
        fd = os.open(folder / FILE_NAME, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
