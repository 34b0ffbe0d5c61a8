"""Runners in Linux namespaces: every command gets a fresh set of them, the repository lies on an overlay mount.

As root, a repository is copied once (see `Copies`) and every runner mounts an overlay over the copy, whose upper layer,
like the scratch space, is a file system in memory of bounded size: opening and resetting a runner cost the same few
milliseconds for a small and for a large repository, and no command can fill the disk. The mounts belong to a thread of
the runner (see `mounts`). Anyone else, and root where overlays cannot be mounted, gets plain files, compared and
repaired at a reset; then only the size of each file is limited.

Every command runs by ``bwrap`` with its own user, process, network, IPC, host name and cgroup namespaces, without
capabilities, under the project's seccomp filter, with limits on address space and processes, as a user that no system
hands out (as root) or the own one. It sees the system's programs and this interpreter, read-only, and can write the
repository and the scratch space. When it has ended, or its time is over, the kernel ends what is left in its process
namespace before `exec` returns.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from envreward import seccomp
from envreward.errors import ActionError, InfraError
from envreward.sandboxes.bubblewrap import ETC, INNER_UID, SYSTEM

from ..runner import MAX_FILE, MAX_OUTPUT, ExecResult
from . import tree
from .base import (
    ROOT,
    SCRATCH,
    SHELL,
    RunnerLimits,
    check_command,
    check_content,
    check_path,
    environment,
    python_mounts,
)
from .copies import Copies, Copy
from .output import Clip
from .space import UID, Space, can_mount, owner

DEFAULT_LIMITS = RunnerLimits()
TIMED_OUT = 124
_CHUNK = 65536
_END_S = 10.0
_PROGRAMS = ("bwrap", "prlimit", "setpriv")
_PYTHON = "/run/python"
_PASSWD = f"agent:x:{INNER_UID}:{INNER_UID}::{SCRATCH}:/bin/bash\n"
_NAMESPACES = (
    *("--unshare-user", "--uid", INNER_UID, "--gid", INNER_UID, "--unshare-ipc", "--unshare-pid", "--unshare-net"),
    *("--unshare-uts", "--unshare-cgroup-try", "--die-with-parent", "--new-session", "--hostname", "sandbox"),
)
T = TypeVar("T")


class BubblewrapRunners:
    """Opens runners in namespaces. A `RunnerFactory`."""

    name = "bubblewrap"

    def __init__(self, limits: RunnerLimits = DEFAULT_LIMITS, *, overlay: bool | None = None) -> None:
        """Nothing is started yet.

        Args:
            limits: What each runner may use.
            overlay: Whether to mount overlays; ``None``: where that works.
        """
        self._limits, self._wanted = limits, overlay
        self._copies: Copies | None = None
        self._open: set[BubblewrapRunner] = set()
        self._count = 0

    def unavailable(self) -> str | None:
        """Return why runners of this kind cannot be used here and how to mend that, or ``None`` when they can."""
        if sys.platform != "linux":
            return "bubblewrap runs on Linux only."
        if missing := [name for name in _PROGRAMS if shutil.which(name) is None]:
            return f"{', '.join(missing)} not found: run `apt-get install bubblewrap util-linux`."
        who = _as_nobody() if os.geteuid() == 0 else []
        probe = [*who, "bwrap", *_NAMESPACES, "--ro-bind", "/", "/", "--proc", "/proc", "true"]
        ended = subprocess.run(probe, capture_output=True, text=True, check=False)
        if ended.returncode == 0:
            return None
        return f"bwrap fails here ({' '.join(ended.stderr.split())}): allow user namespaces to users other than root."

    def open(self, repository: Path, *, python_path: tuple[Path, ...] = ()) -> BubblewrapRunner:
        """Return a runner on a private copy of the folder ``repository``; see `RunnerFactory.open`.

        Raises:
            InfraError: It could not be started.
        """
        if (missing := [name for name in _PROGRAMS if shutil.which(name) is None]) or sys.platform != "linux":
            raise InfraError(str(self.unavailable()) if missing else "bubblewrap runs on Linux only.")
        if self._copies is None:
            overlay = can_mount() if self._wanted is None else self._wanted
            self._copies = Copies(on_disk=overlay, owner=owner())
            (self._copies.folder / "passwd").write_text(_PASSWD)
        self._count += 1
        home = self._copies.folder / f"runner-{self._count}"
        mounted = python_mounts(python_path)
        runner = BubblewrapRunner(home, self._copies, repository, mounted, self._limits, self._open.discard)
        self._open.add(runner)
        return runner

    def close(self) -> None:
        """Close every runner that was opened, and forget the copies."""
        for runner in list(self._open):
            runner.close()
        if self._copies is not None:
            self._copies.close()
            self._copies = None


class BubblewrapRunner:
    """One repository. A `Runner`."""

    def __init__(
        self,
        home: Path,
        copies: Copies,
        repository: Path,
        python_path: Mapping[str, Path],
        limits: RunnerLimits,
        on_close: Callable[[BubblewrapRunner], None],
    ) -> None:
        """Copy or mount the repository below ``home``, a new folder.

        Raises:
            InfraError: The repository cannot be read or mounted.
        """
        self._copies, self._limits = copies, limits
        self._python_path, self._on_close = python_path, on_close
        self._seccomp = _in_memory(seccomp.sandbox_filter(links=True))
        self._cancel_read, self._cancel = os.pipe()
        self._closed = False
        self._copy: Copy = copies.take(repository)
        readable = {str(path): path for path in _python_prefixes()} | dict(python_path)
        self._space = Space(home, self._copy, limits.disk_bytes, readable)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="runner")
        try:
            self._do(self._space.prepare)
        except BaseException:
            self.close()
            raise

    def exec(self, command: str, *, timeout_s: float = 60.0, env: Mapping[str, str] | None = None) -> ExecResult:
        """Run a shell command in the repository's folder; see `Runner.exec`.

        Raises:
            ActionError: The command cannot be handed to a shell.
            InfraError: The runner broke.
        """
        check_command(command)
        return self._do(self._exec, command, timeout_s, env)

    def read(self, path: str) -> bytes:
        """Return a file's content; see `Runner.read`.

        Raises:
            ActionError: There is no such file in the repository, or it is too large.
            InfraError: The runner broke.
        """
        return self._do(tree.read_file, self._space.repository, check_path(path), MAX_FILE)

    def write(self, path: str, data: bytes) -> None:
        """Write a file, and the folders above it; see `Runner.write`.

        Raises:
            ActionError: The path is no file in the repository, or the content is too large.
            InfraError: The runner broke.
        """
        check_content(path, data)
        self._do(tree.write_file, self._space.repository, check_path(path), data, owner())

    def reset(self) -> None:
        """Put everything back as it was at the beginning.

        Raises:
            InfraError: The runner broke.
        """
        self._do(self._space.clear)

    def close(self) -> None:
        """Leave nothing behind: no process, mount or file. A command that still runs is ended."""
        if self._closed:
            return
        self._closed = True
        os.write(self._cancel, b"x")
        with contextlib.suppress(InfraError):  # never mounted, or half
            self._thread.submit(self._space.remove).result()
        self._thread.shutdown()
        for descriptor in (self._cancel, self._cancel_read, self._seccomp):
            if descriptor is not None:
                os.close(descriptor)
        self._copies.give_back(self._copy)
        self._on_close(self)

    def _do(self, call: Callable[..., T], *arguments: Any) -> T:
        """Call from the thread to which the mounts belong."""
        if self._closed:
            raise InfraError("the runner is closed")
        try:
            return self._thread.submit(call, *arguments).result()
        except tree.Refused as refusal:
            raise ActionError(str(refusal)) from None
        except OSError as error:
            raise InfraError(f"the runner broke: {error}") from error

    def _exec(self, command: str, timeout_s: float, env: Mapping[str, str] | None) -> ExecResult:
        start = time.monotonic()
        status_read, status_write = os.pipe()
        passed = [status_write]
        if self._seccomp is not None:
            os.lseek(self._seccomp, 0, os.SEEK_SET)
            passed.append(self._seccomp)
        try:
            process = subprocess.Popen(
                self._argv(command, status_write),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=environment(_search_path(), self._python_path, env),
                pass_fds=passed,
                start_new_session=True,
                bufsize=0,
            )
        except BaseException:
            os.close(status_read)
            raise
        finally:
            os.close(status_write)
        with process, os.fdopen(status_read, "rb", buffering=0) as status:
            clip = Clip(MAX_OUTPUT)
            try:
                ended = self._watch(process, clip, start + timeout_s)
            finally:
                report = _end(process, status.fileno(), clip)
        data, clipped = clip.result()
        output, wall_s = data.decode(errors="replace"), time.monotonic() - start
        if not ended:
            return ExecResult(TIMED_OUT, output, clipped, True, wall_s)
        if "exit-code" not in report:
            raise InfraError(f"bwrap could not run the command: {' '.join(output.split())[-300:]}")
        return ExecResult(report["exit-code"], output, clipped, False, wall_s)

    def _watch(self, process: subprocess.Popen[bytes], clip: Clip, deadline: float) -> bool:
        """Collect output until the process ends; ``False`` when its time is over.

        Raises:
            InfraError: The runner was closed meanwhile.
        """
        assert process.stdout is not None
        output, exited = process.stdout.fileno(), os.pidfd_open(process.pid)
        poll = select.poll()
        for descriptor in (output, exited, self._cancel_read):
            poll.register(descriptor, select.POLLIN)
        try:
            while (left := deadline - time.monotonic()) > 0:
                ready = [descriptor for descriptor, _ in poll.poll(math.ceil(1000 * left))]
                if self._cancel_read in ready:
                    raise InfraError("the runner was closed while a command ran")
                if output in ready:
                    data = os.read(output, _CHUNK)
                    clip.add(data)
                    if not data:
                        poll.unregister(output)
                elif exited in ready:
                    return True
        finally:
            os.close(exited)
        return False

    def _argv(self, command: str, status: int) -> list[str]:
        limits = self._limits
        argv = _as_nobody() if os.geteuid() == 0 else []
        argv += ["bwrap", *_NAMESPACES, "--cap-drop", "ALL", "--json-status-fd", str(status)]
        if self._seccomp is not None:
            argv += ["--seccomp", str(self._seccomp)]
        argv += self._file_system
        argv += ["--chdir", ROOT, "--", "prlimit", f"--as={limits.memory_bytes}", f"--nproc={limits.processes + 1}"]
        if not self._space.overlay:
            argv += [f"--fsize={limits.disk_bytes}"]
        return [*argv, "--core=0", "--", *SHELL, command]

    @functools.cached_property
    def _file_system(self) -> list[str]:
        """The arguments that build the file system; later ones lie on top of earlier ones."""
        argv = [*_system(), "--ro-bind", str(self._copies.folder / "passwd"), "/etc/passwd"]
        argv += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--size", str(self._limits.scratch_bytes)]
        argv += ["--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
        for name in ("python", "python3"):
            argv += ["--symlink", _interpreter(), f"{_PYTHON}/{name}"]
        argv += ["--bind", self._space.scratch, SCRATCH]
        for inside, place in self._space.readable.items():
            for parent in reversed(Path(inside).parents[:-1]):  # which bwrap would make with no access for others
                if not any(parent.is_relative_to(other) for other in self._space.readable):
                    argv += ["--perms", "0755", "--dir", str(parent)]
            argv += ["--ro-bind", str(place), inside]
        return [*argv, "--bind", self._space.repository, ROOT, "--remount-ro", "/"]


def _end(process: subprocess.Popen[bytes], status: int, clip: Clip) -> dict[str, int]:
    """End a command's whole process namespace, take the last of its output, and return what bwrap reported."""
    assert process.stdout is not None
    process.kill()  # its first child dies with it, and all others with that one
    process.wait()
    os.set_blocking(status, False)
    report: dict[str, int] = {}
    with contextlib.suppress(BlockingIOError):  # a process inside still holds the other end
        for line in os.read(status, _CHUNK).splitlines():
            report.update(json.loads(line))
    if "child-pid" in report:
        with contextlib.suppress(ProcessLookupError):  # it is gone
            first = os.pidfd_open(report["child-pid"])
            try:
                poll = select.poll()
                poll.register(first, select.POLLIN)
                if not poll.poll(1000 * _END_S):
                    raise InfraError(f"a command's processes did not end within {_END_S:g} s")
            finally:
                os.close(first)
    while data := os.read(process.stdout.fileno(), _CHUNK):  # all that could write to it are gone
        clip.add(data)
    return report


def _as_nobody() -> list[str]:
    return ["setpriv", "--reuid", str(UID), "--regid", str(UID), "--clear-groups", "--"]


def _in_memory(data: bytes | None) -> int | None:
    """Return a descriptor of a file without a name that holds ``data``."""
    if data is None:
        return None
    descriptor = os.memfd_create("seccomp")
    os.write(descriptor, data)
    return descriptor


@functools.cache
def _system() -> tuple[str, ...]:
    """Return the arguments for the system's programs and libraries."""
    arguments: list[str] = []
    for system in map(Path, SYSTEM):
        if system.is_symlink():
            arguments += ["--symlink", os.readlink(system), str(system)]
        elif system.exists():
            arguments += ["--ro-bind", str(system), str(system)]
    for name in ETC:
        arguments += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return tuple(arguments)


def _interpreter() -> str:
    """Return the interpreter that lies below every virtual environment."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def _python_prefixes() -> list[Path]:
    """Return the folders that the interpreter is read from, beyond those of the system."""
    wanted = {Path(sys.base_prefix), Path(sys.base_exec_prefix), Path(_interpreter()).parent.parent}
    outside = sorted(path.resolve() for path in wanted if not path.resolve().is_relative_to("/usr"))
    return [path for path in dict.fromkeys(outside) if not any(other in path.parents for other in outside)]


def _search_path() -> str:
    return f"{_PYTHON}:{os.path.dirname(_interpreter())}:/usr/local/bin:/usr/bin:/bin"
