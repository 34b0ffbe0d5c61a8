"""What every runner has in common: where things lie inside, what may be used, and what commands are told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from envreward.errors import ActionError, ConfigError, InfraError

from ..runner import MAX_FILE

ROOT = "/repo"
"""Where the repository lies inside."""
SCRATCH = "/tmp"
"""Where commands may write besides."""
PYTHON_PATH = "/opt/python-path"
"""Where folders for Python's path lie: by number, so that no text of a command depends on this machine."""
MAX_COMMAND = 100_000
"""Longest command, bytes; the kernel takes no argument beyond 128 KiB."""
SHELL = ("/bin/bash", "--noprofile", "--norc", "-c")


@dataclass(frozen=True, kw_only=True)
class RunnerLimits:
    """What one runner may use."""

    memory_bytes: int = 1024**3
    """Docker: of all its processes and of its files, which lie in memory. Bubblewrap: address space per process."""
    processes: int = 128
    """Processes and threads at once."""
    cpus: float = 1.0
    """Cores' worth of time. Docker only."""
    disk_bytes: int = 256 * 1024**2
    """Space for the repository (Docker) or for what is changed in it (Bubblewrap)."""
    scratch_bytes: int = 64 * 1024**2
    """Space for scratch files; with Bubblewrap they share ``disk_bytes``."""

    def __post_init__(self) -> None:
        for name in ("memory_bytes", "processes", "cpus", "disk_bytes", "scratch_bytes"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} must be positive, not {getattr(self, name)}")


def python_mounts(python_path: Sequence[Path]) -> dict[str, Path]:
    """Return where each folder for Python's path shall lie inside, and where it is, free of links.

    Raises:
        InfraError: One is missing, or the user that commands run as could not read it.
    """
    folders = [path.resolve() for path in python_path]
    for folder in folders:
        if not folder.is_dir():
            raise InfraError(f"no such folder for Python's path: {folder}")
        if folder.stat().st_mode & 0o005 != 0o005:
            raise InfraError(f"commands could not read {folder}: run `chmod -R a+rX {folder}`")
    return {f"{PYTHON_PATH}/{number}": folder for number, folder in enumerate(folders)}


def check_command(command: str) -> bytes:
    """Return the command as the shell will get it.

    Raises:
        ActionError: It is too long, or holds what no argument can.
    """
    data = _encoded(command, "a command")
    if len(data) > MAX_COMMAND:
        raise ActionError(f"the command has {len(data):,} bytes; at most {MAX_COMMAND:,}: write a file and run that")
    return data


def check_path(path: str) -> str:
    """Return a path that can be handed on.

    Raises:
        ActionError: It holds what no path can.
    """
    _encoded(path, "a path")
    return path


def check_content(path: str, data: bytes) -> None:
    """Check what is to be written to ``path``.

    Raises:
        ActionError: It is too large.
    """
    if len(data) > MAX_FILE:
        raise ActionError(f"{path[:200]!r} would have {len(data):,} bytes; at most {MAX_FILE:,} can be written")


def _encoded(text: str, what: str) -> bytes:
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise ActionError(f"{what} cannot hold the character {error.object[error.start]!r}") from error
    if b"\0" in data:
        raise ActionError(f"{what} cannot hold a NUL character")
    return data


def environment(path: str, python_path: Iterable[str], extra: Mapping[str, str] | None) -> dict[str, str]:
    """Return a command's whole environment; nothing of this process's own is passed on, so that no key can leak.

    Args:
        path: Folders of programs.
        python_path: Folders for Python's path.
        extra: Variables that are set on top.
    """
    fixed = {
        "GIT_CONFIG_COUNT": "4",
        "GIT_CONFIG_KEY_0": "safe.directory",  # whoever owns the repository's folder
        "GIT_CONFIG_VALUE_0": "*",
        "GIT_CONFIG_KEY_1": "gc.auto",  # no process in the background
        "GIT_CONFIG_VALUE_1": "0",
        "GIT_CONFIG_KEY_2": "user.name",
        "GIT_CONFIG_VALUE_2": "agent",
        "GIT_CONFIG_KEY_3": "user.email",
        "GIT_CONFIG_VALUE_3": "agent@localhost",
        "GIT_TERMINAL_PROMPT": "0",
        "HOME": SCRATCH,
        "LANG": "C.UTF-8",
        "LOGNAME": "agent",
        "PAGER": "cat",
        "PATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",  # or every test run changes the repository
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONPATH": ":".join(python_path),
        "TERM": "dumb",
        "TMPDIR": SCRATCH,
        "TZ": "UTC",
        "USER": "agent",
    }
    return {**fixed, **(extra or {})}
