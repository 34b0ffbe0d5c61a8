"""The first process of a container: runs commands, reads and writes files, and puts the repository back.

It answers requests on its standard input, one at a time, on its standard output. A request and a reply are each two
lengths (unsigned 32 bits, big-endian), a JSON object and as many bytes of payload; as the replies are counted and
commands write to a pipe of their own, no output of a command can pass for a reply. Being the first process of a
process namespace, it can end every other one with a single call, adopts what commands leave behind, and cannot be
signalled by them; as it is not dumpable, they cannot look into it or take over its descriptors although they run as
the same user. When its input ends (whoever started it is gone), it ends, and everything in the container with it.

Started by `bootstrap`'s text, with nothing but the standard library of Python 3.8 or later.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import struct
import sys
import time
from typing import Any

from . import tree
from .output import Clip

PREFIX = struct.Struct(">II")
CHUNK = 65536
_TIMED_OUT = 124


class Guest:
    """Serves one repository."""

    def __init__(self, root: str, scratch: list[str], channel: int) -> None:
        """Serve the repository in ``root``; commands may also write in ``scratch``; replies go to ``channel``."""
        self._root, self._scratch, self._channel = root, scratch, channel
        self._wanted: tree.Snapshot = {"": tree.Entry("d", 0o755, 0, b"")}
        self._wake, write = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(write, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Answer until the input ends."""
        while True:
            prefix = _read_exactly(0, PREFIX.size)
            if prefix is None:
                return
            head, body = (_read_exactly(0, length) for length in PREFIX.unpack(prefix))
            if head is None or body is None:
                return
            request = json.loads(head)
            try:
                reply, payload = getattr(self, "on_" + request.pop("do"))(body, **request)
            except tree.Refused as refusal:
                reply, payload = {"refused": str(refusal)}, b""
            except (OSError, MemoryError) as error:  # of the container, e.g. no room for the repository itself
                reply, payload = {"failed": str(error) or type(error).__name__}, b""
            text = json.dumps(reply).encode()
            _write_all(self._channel, PREFIX.pack(len(text), len(payload)) + text + payload)

    def on_hello(self, body: bytes) -> tuple[dict[str, Any], bytes]:
        """Say who answers."""
        return {"python": sys.version.split()[0], "pid": os.getpid()}, b""

    def on_load(self, body: bytes) -> tuple[dict[str, Any], bytes]:
        """Take the packed snapshot ``body`` as what the repository shall be, and make it that."""
        self._wanted = tree.unpack(body)
        return self.on_reset(b"")

    def on_reset(self, body: bytes) -> tuple[dict[str, Any], bytes]:
        """Put everything back."""
        _end_all()
        for folder in self._scratch:
            tree.empty(folder)
        tree.restore(self._root, self._wanted)
        return {}, b""

    def on_read(self, body: bytes, path: str, limit: int) -> tuple[dict[str, Any], bytes]:
        """Return a file's content."""
        return {}, tree.read_file(self._root, path, limit)

    def on_write(self, body: bytes, path: str) -> tuple[dict[str, Any], bytes]:
        """Write ``body`` to a file."""
        tree.write_file(self._root, path, body)
        return {}, b""

    def on_exec(
        self, body: bytes, argv: list[str], env: dict[str, str], timeout_s: float, limit: int
    ) -> tuple[dict[str, Any], bytes]:
        """Run a command; whatever it started is gone afterwards."""
        start, clip = time.monotonic(), Clip(limit)
        read, write = os.pipe()
        try:
            pid = os.fork()
            if pid == 0:
                _become(argv, env, self._root, write)
            os.close(write)
            status = self._watch(pid, read, clip, start + timeout_s)
            _end_all()
            while data := os.read(read, CHUNK):  # all that could write to it are gone
                clip.add(data)
        finally:
            os.close(read)
        output, clipped = clip.result()
        code, wall_s = _exit_code(status), time.monotonic() - start
        return {"exit_code": code, "clipped": clipped, "timed_out": status is None, "wall_s": wall_s}, output

    def _watch(self, pid: int, read: int, clip: Clip, deadline: float) -> int | None:
        """Collect output until ``pid`` has ended, and return how; ``None`` when its time is over."""
        sources = [0, read, self._wake]
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select(sources, [], [], left)
            if 0 in ready:  # nobody asks anything before this is answered, so the input has ended
                os._exit(0)
            if read in ready:
                data = os.read(read, CHUNK)
                clip.add(data)
                if not data:
                    sources.remove(read)
            if self._wake in ready:
                os.read(self._wake, CHUNK)
                status = _reap().get(pid)
                if status is not None:
                    return status
        return None


def _become(argv: list[str], env: dict[str, str], folder: str, output: int) -> None:
    """In a new process: become the command."""
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, source in enumerate((nothing, output, output)):
            os.dup2(source, number)
        _set_dumpable(True)
        with open("/proc/self/oom_score_adj", "w") as file:  # where memory runs out, a command goes before the guest
            file.write("1000")
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(ignored, signal.SIG_DFL)
        os.chdir(folder)
        os.execve(argv[0], argv, env)
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(126)


def _set_dumpable(dumpable: bool) -> None:
    """Say whether processes of the same user may look into this one."""
    ctypes.CDLL(None).prctl(4, int(dumpable), 0, 0, 0)  # PR_SET_DUMPABLE


def _reap() -> dict[int, int]:
    """Return the wait status of every process that has ended."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = status


def _end_all() -> None:
    """End every process but this one; returns once none is left."""
    if os.getpid() != 1:
        raise RuntimeError("only the first process of a namespace may end all others")
    while True:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:  # what a command started is a child of this process by now, or gone
            return


def _exit_code(status: int | None) -> int:
    """Return a wait status as a shell reports it; ``None``: its time was over."""
    if status is None:
        return _TIMED_OUT
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _read_exactly(descriptor: int, size: int) -> bytes | None:
    """Return ``size`` bytes, or ``None`` where the input ends before."""
    parts = []
    while size:
        data = os.read(descriptor, min(size, 1 << 20))
        if not data:
            return None
        parts.append(data)
        size -= len(data)
    return b"".join(parts)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def main(settings: dict[str, Any]) -> None:
    """Serve as the first process of a container until the input ends."""
    if os.getpid() != 1:
        raise SystemExit("the guest runs as the first process of a container only")
    _set_dumpable(False)
    channel = os.dup(1)
    os.dup2(2, 1)
    Guest(settings["root"], settings["scratch"], channel).serve()
