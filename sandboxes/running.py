"""A sandboxed command as seen from outside: its end, its time limit, its last words.

One thread per command starts it, reads its output, watches the clock and reaps it. The same thread does all of
that because "die with your parent" means the parent *thread*: were the command started by a caller's thread, it
would die when that thread ends.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from envreward.errors import SandboxError

LOG_BYTES = 64 * 1024
_POLL_S = 0.05
_GROUP_S = 5.0


class Running:
    """A `SandboxProcess`."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        wall_s: float | None,
        pass_fds: Sequence[int] = (),
        handshake: socket.socket | None = None,
        kill_tree: Callable[[subprocess.Popen[bytes]], None],
        exit_code: Callable[[int], int] = lambda code: code,
    ) -> None:
        """Start the command.

        Args:
            argv: Program and arguments, the sandbox's own in front.
            cwd: Where to start it.
            env: Its whole environment.
            wall_s: Seconds until it is killed.
            pass_fds: File descriptors it inherits; closed here once it has them.
            handshake: Where the launcher says that it is ready and waits for the word to go on; closed here.
            kill_tree: Ends all its processes and returns when they are gone; also called after it has ended by itself.
            exit_code: Turns the started program's exit code into the command's.

        Raises:
            SandboxError: It could not be started.
        """
        self._argv, self._cwd, self._env = list(argv), cwd, dict(env)
        self._wall_s, self._pass_fds = wall_s, tuple(pass_fds)
        self._handshake = handshake
        self._kill_tree, self._exit_code = kill_tree, exit_code
        self._log: deque[bytes] = deque()
        self._log_bytes = 0
        self._lock = threading.Lock()
        self._started, self._ended = threading.Event(), threading.Event()
        self._stop = threading.Event()
        self._code: int | None = None
        self._timed_out = False
        self._failure: OSError | None = None
        self._wake_read, self._wake_write = os.pipe()
        threading.Thread(target=self._run, name="sandbox", daemon=True).start()
        self._started.wait()
        if self._failure is not None:
            raise SandboxError(f"cannot start {argv[0]}: {self._failure.strerror}") from self._failure

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
        self._stop.set()
        with self._lock:
            if not self._ended.is_set():
                os.write(self._wake_write, b"x")
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
            process = subprocess.Popen(
                self._argv,
                cwd=self._cwd,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=self._pass_fds,
            )
        except OSError as error:
            self._failure = error
            os.close(self._wake_read)
            os.close(self._wake_write)
            if self._handshake is not None:
                self._handshake.close()
            return
        finally:
            for descriptor in self._pass_fds:
                os.close(descriptor)
            self._started.set()
        try:
            self._watch(process)
        finally:
            self._kill_tree(process)
            code = process.wait()
            self._drain(process)
            self._code = self._exit_code(code)
            with self._lock:  # against a `kill` that is about to write
                os.close(self._wake_read)
                os.close(self._wake_write)
                self._ended.set()

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Collect output until the process ends, its time is over, or `kill` is called."""
        assert process.stdout is not None
        deadline = None if self._wall_s is None else time.monotonic() + self._wall_s
        with contextlib.ExitStack() as stack:
            selector = stack.enter_context(selectors.DefaultSelector())
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(self._wake_read, selectors.EVENT_READ)
            ended = _pidfd(process.pid)
            if ended is not None:
                stack.callback(os.close, ended)
                selector.register(ended, selectors.EVENT_READ)
            if self._handshake is not None:
                stack.enter_context(self._handshake)
                selector.register(self._handshake, selectors.EVENT_READ)
            while not self._stop.is_set():
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    self._timed_out = True
                    return
                if ended is None:
                    left = _POLL_S if left is None else min(left, _POLL_S)
                for key, _ in selector.select(left):
                    if key.fileobj is process.stdout and not self._collect(process.stdout.fileno()):
                        selector.unregister(process.stdout)
                    elif key.fileobj is self._handshake:
                        selector.unregister(self._handshake)
                        self._answer(self._handshake)
                if process.poll() is not None:
                    return

    @staticmethod
    def _answer(handshake: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it has ended already
            if handshake.recv(1):
                handshake.send(b"g")

    def _drain(self, process: subprocess.Popen[bytes]) -> None:
        """Read what is left in the pipe; all writers are gone, or are not waited for."""
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        with contextlib.suppress(BlockingIOError):
            while self._collect(process.stdout.fileno()):
                pass
        process.stdout.close()

    def _collect(self, descriptor: int) -> bool:
        data = os.read(descriptor, LOG_BYTES)
        with self._lock:
            self._log.append(data)
            self._log_bytes += len(data)
            while self._log_bytes - len(self._log[0]) > LOG_BYTES:
                self._log_bytes -= len(self._log.popleft())
        return bool(data)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and its whole group, and wait until none of them runs."""
    deadline = time.monotonic() + _GROUP_S
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        while _runs(process.pid) and time.monotonic() < deadline:
            time.sleep(0.005)
    process.wait()


def _runs(group: int) -> bool:
    """Return whether a process of the group is there and is not merely waiting to be reaped."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            state, _, of_group = entry.read_text().rpartition(")")[2].split()[:3]
            if int(of_group) == group and state not in "ZX":
                return True
    return False


def _pidfd(pid: int) -> int | None:
    """Return a descriptor that becomes readable when ``pid`` ends, where the system has such (Linux 5.3)."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
