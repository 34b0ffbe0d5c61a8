"""Sandbox: where code that a language model wrote may run. Concrete ones live in ``envreward.sandboxes``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one sandboxed command may use; reaching a limit ends it."""

    wall_s: float | None = None
    """Wall-clock seconds until the command and all its children are killed."""
    memory_bytes: int | None = None
    """Address space of each process in the sandbox."""
    processes: int | None = None
    """Processes and threads that may exist at once."""
    file_bytes: int | None = None
    """Largest file that may be written."""


class SandboxProcess(Protocol):
    """A command running in a sandbox."""

    def poll(self) -> int | None:
        """Return the exit code, or ``None`` while it runs. A signal is its negative number, as in `subprocess`."""
        ...

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the exit code.

        Raises:
            TimeoutError: It still runs after ``timeout_s``.
        """
        ...

    def kill(self) -> None:
        """End the command and every process it started; returns once they are gone."""
        ...

    @property
    def timed_out(self) -> bool:
        """Whether it was ended because ``Limits.wall_s`` had passed."""
        ...

    def log_tail(self, max_chars: int = 4000) -> str:
        """Return the end of what it wrote to standard output and error."""
        ...


class Sandbox(Protocol):
    """Runs commands that cannot reach the network, write outside their folder, or outlive their limits."""

    name: str

    def unavailable(self) -> str | None:
        """Return why it cannot be used on this machine and how to mend that, or ``None`` when it works."""
        ...

    def start(
        self,
        argv: Sequence[str],
        *,
        workdir: Path,
        readonly: Sequence[Path] = (),
        devices: Sequence[Path] = (),
        limits: Limits = Limits(),
        env: Mapping[str, str] | None = None,
    ) -> SandboxProcess:
        """Start ``argv`` with ``workdir`` as its current and only writable folder.

        Args:
            argv: Program and arguments. ``sys.executable`` and this installation are readable inside.
            workdir: Existing folder, mounted writable under its own path.
            readonly: More paths to make readable under their own paths.
            devices: Device files to pass in under their own paths, as those of a GPU. Without, there are only those
                that every program expects (``/dev/null``, ``/dev/urandom`` and the like).
            limits: What it may use.
            env: Environment variables to set; nothing else is passed on but a minimal safe set (never keys).

        Raises:
            SandboxError: The sandbox cannot be used here.
        """
        ...
