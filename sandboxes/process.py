"""The ``process`` sandbox: a plain subprocess with limits. Not a security boundary.

For machines without namespaces, and only when asked for by name. The command has a clean environment, resource
limits, a time limit, and dies with its parent; but it reads what its user may read, writes where its user may write,
and reaches the network. What still stands between a reward program and the machine are the static rules and the
locked-up process that each program runs in.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from envreward.errors import SandboxError
from envreward.sandbox import Limits

from . import launch
from .limits import NO_LIMITS, resource_limits
from .running import Running, kill_group
from .surroundings import environment


class Process:
    """Runs commands as subprocesses with limits, without isolating them. A `Sandbox` by interface only."""

    name = "process"

    def unavailable(self) -> str | None:
        """Return why it cannot be used on this machine, or ``None`` when it works."""
        return None if os.name == "posix" else "the process sandbox needs Linux or another POSIX system."

    def start(
        self,
        argv: Sequence[str],
        *,
        workdir: Path,
        readonly: Sequence[Path] = (),
        devices: Sequence[Path] = (),
        limits: Limits = NO_LIMITS,
        env: Mapping[str, str] | None = None,
    ) -> Running:
        """Start ``argv`` in ``workdir``; see `Sandbox.start`. ``readonly`` and ``devices`` change nothing.

        ``limits.processes`` counts on top of what the user runs already, and does not bind root.

        Raises:
            SandboxError: ``workdir`` does not exist.
        """
        if not workdir.is_dir():
            raise SandboxError(f"the sandbox's folder does not exist: {workdir}")
        numbers = resource_limits(limits)
        if "RLIMIT_NPROC" in numbers:
            numbers["RLIMIT_NPROC"] += _threads_of_user()
        settings = {
            "parent": os.getpid(),
            "handshake": None,
            "uid": None,
            "folder": str(workdir.resolve()),
            "limits": numbers,
        }
        launcher = Path(launch.__file__).read_text()
        return Running(
            [sys.executable, "-I", "-S", "-c", launcher, json.dumps(settings), *argv],
            cwd=Path("/"),
            env=environment(env),
            wall_s=limits.wall_s,
            kill_tree=kill_group,
        )


def _threads_of_user() -> int:
    """Return how many processes and threads this user runs, which the kernel's limit counts together."""
    count = 0
    for entry in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":", 1) for line in entry.read_text().splitlines())
        except OSError:  # it has ended
            continue
        if int(lines["Uid"].split()[0]) == os.getuid():
            count += int(lines["Threads"])
    return count
