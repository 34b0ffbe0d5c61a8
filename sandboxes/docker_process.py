"""A sandboxed command in a container, as seen from outside: its end, its time limit, its last words."""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from envreward.errors import SandboxError

from . import docker_engine
from .docker_stream import STDOUT, Stream

if TYPE_CHECKING:
    from docker import DockerClient

LOG_BYTES = 64 * 1024
_FRAME_S = 30.0


class DockerProcess:
    """A `SandboxProcess`: one thread reads what the container says, watches the clock and removes the container."""

    def __init__(self, client: DockerClient, container_id: str, wall_s: float | None) -> None:
        """Start a created container; the client is closed when the command has ended.

        Raises:
            SandboxError: The engine refused or does not answer.
        """
        self._client, self._id = client, container_id
        self._log: deque[bytes] = deque()
        self._log_bytes = 0
        self._report = bytearray()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._code: int | None = None
        self._timed_out = False
        self._stream = Stream(client, container_id)
        try:
            with docker_engine.engine_errors("cannot start a container"):
                client.api.start(container_id)
        except SandboxError:
            self._stream.close()
            raise
        self._deadline = None if wall_s is None else time.monotonic() + wall_s
        self._wake_read, self._wake = os.pipe()
        threading.Thread(target=self._run, name="docker-sandbox", daemon=True).start()

    def poll(self) -> int | None:
        """Return the exit code, or ``None`` while it runs. A signal is its negative number."""
        return self._code if self._ended.is_set() else None

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the exit code.

        Raises:
            TimeoutError: It still runs after ``timeout_s``.
        """
        if not self._ended.wait(timeout_s):
            raise TimeoutError(f"still running after {timeout_s:g} s")
        assert self._code is not None
        return self._code

    def kill(self) -> None:
        """End the command and every process it started; returns once they are gone."""
        with self._lock:
            if not self._ended.is_set():
                os.write(self._wake, b"x")
        self._ended.wait()

    @property
    def timed_out(self) -> bool:
        """Whether it was ended because its wall-clock limit had passed."""
        return self._timed_out

    def log_tail(self, max_chars: int = 4000) -> str:
        """Return the end of what it wrote to standard output and error."""
        with self._lock:
            text = b"".join(self._log)
        return text.decode(errors="replace")[-max_chars:]

    def _run(self) -> None:
        try:
            with contextlib.suppress(OSError):  # the connection broke: the container, or its engine, is gone
                self._watch()
        finally:
            self._stream.close()
            with contextlib.suppress(SandboxError):  # `sweep` removes it once the engine answers again
                docker_engine.remove(self._client, self._id)
            self._client.close()
            # No report: killed from outside, by the limit on memory among others, or by its time.
            self._code = int(self._report) if self._report.endswith(b"\n") else -signal.SIGKILL
            with self._lock:  # against a `kill` that is about to write
                os.close(self._wake)
                os.close(self._wake_read)
                self._ended.set()

    def _watch(self) -> None:
        """Collect output until the container's streams end, its time is over, or `kill` is called."""
        poll, stream = select.poll(), self._stream.fileno()
        for descriptor in (stream, self._wake_read):
            poll.register(descriptor, select.POLLIN)
        while True:
            left = None if self._deadline is None else self._deadline - time.monotonic()
            if left is not None and left <= 0:
                self._timed_out = True
                return
            ready = [descriptor for descriptor, _ in poll.poll(None if left is None else math.ceil(1000 * left))]
            if self._wake_read in ready:
                return
            while stream in ready:
                frame = self._stream.receive(time.monotonic() + _FRAME_S)
                if frame is None:
                    return
                if frame.stream == STDOUT:
                    self._report += frame.data
                else:
                    self._collect(frame.data)
                if not self._stream.buffered:
                    break

    def _collect(self, data: bytes) -> None:
        with self._lock:
            self._log.append(data)
            self._log_bytes += len(data)
            while self._log_bytes - len(self._log[0]) > LOG_BYTES:
                self._log_bytes -= len(self._log.popleft())
