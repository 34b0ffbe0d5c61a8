"""The first process of a sandbox's container: starts the command, reaps, reports how it ended, and takes all along.

Started as ``python -I -S -c <this file> <launcher> <settings as JSON> <argv...>``, so that it needs nothing but the
standard library and no file of its own. The command writes to standard error; standard output is for the report
alone, one line with the exit code (a signal as its negative number). It ends when its input does: whoever started the
container is gone. No process of the same user can look into it, as it is not dumpable, or end it, as it is the first of
its namespace.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys


def main() -> None:
    """Run the command to its end."""
    if os.getpid() != 1:
        raise SystemExit("this runs as the first process of a container only")
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
    wake, write = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(write, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    launcher, settings, *argv = sys.argv[1:]
    command = os.fork()
    if command == 0:
        _become([sys.executable, "-I", "-S", "-c", launcher, settings, *argv])
    status = None
    while status is None:
        ready, _, _ = select.select([0, wake], [], [])
        if 0 in ready and not os.read(0, 1):
            os._exit(1)
        if wake in ready:
            os.read(wake, 4096)
            status = _reap(os.WNOHANG).get(command)
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    _reap(0)
    os.write(1, b"%d\n" % (-os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)))
    os._exit(0)


def _become(argv: list[str]) -> None:
    try:
        os.setsid()
        os.dup2(2, 1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.execv(argv[0], argv)
    finally:
        os._exit(126)


def _reap(flags: int) -> dict[int, int]:
    """Return the wait status of processes that have ended, or, without flags, of all once they have."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, flags)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = status


if __name__ == "__main__":
    main()
