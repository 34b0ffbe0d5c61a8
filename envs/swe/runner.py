"""Runner: a place where a repository lies and commands run, and which forgets everything at `Runner.reset`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

MAX_OUTPUT = 64 * 1024
"""Bytes of a command's output that are kept, half from its beginning and half from its end."""
MAX_FILE = 4 * 1024**2
"""Largest file that `Runner.read` returns and `Runner.write` takes, bytes."""


class ExecResult(NamedTuple):
    """How a command ended."""

    exit_code: int
    """As a shell reports it; 124 where it ran out of time, 137 where it was killed for memory."""
    output: str
    """Standard output and error as they came, undecodable bytes replaced, clipped to `MAX_OUTPUT`."""
    clipped: bool
    """Whether some of the output was left out."""
    timed_out: bool
    wall_s: float


class Runner(Protocol):
    """One copy of one repository and the means to work in it. Used by one thread at a time."""

    def exec(self, command: str, *, timeout_s: float = 60.0, env: Mapping[str, str] | None = None) -> ExecResult:
        """Run a shell command in the repository's folder; everything that it started is gone when this returns.

        Raises:
            InfraError: The runner broke; the command itself failing, flooding or hanging is a result.
        """
        ...

    def read(self, path: str) -> bytes:
        """Return a file's content.

        Args:
            path: Relative to the repository; a path that leads out of it, over links too, is refused.

        Raises:
            ActionError: No such file, a folder, too large, or not in the repository.
            InfraError: The runner broke.
        """
        ...

    def write(self, path: str, data: bytes) -> None:
        """Write a file, and the folders above it.

        Raises:
            ActionError: Too large, a folder, no room left, or not in the repository.
            InfraError: The runner broke.
        """
        ...

    def reset(self) -> None:
        """Put everything back as it was at the beginning: files, processes, scratch space.

        Raises:
            InfraError: The runner broke.
        """
        ...

    def close(self) -> None:
        """Leave nothing behind: no process, mount, container or file."""
        ...


class RunnerFactory(Protocol):
    """Opens runners of one kind, and keeps some warm where starting one is slow."""

    name: str

    def unavailable(self) -> str | None:
        """Return why runners of this kind cannot be used here and how to mend that, or ``None`` when they can."""
        ...

    def open(self, repository: Path, *, python_path: tuple[Path, ...] = ()) -> Runner:
        """Return a runner on a private copy of the folder ``repository``.

        Args:
            repository: Folder to copy or mount below a writable layer; never changed.
            python_path: Folders to make readable inside and to put on Python's path, e.g. with pytest in them.

        Raises:
            InfraError: It could not be started.
        """
        ...

    def close(self) -> None:
        """Close every runner that was opened and what is kept warm."""
        ...
