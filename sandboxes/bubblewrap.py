"""The ``bubblewrap`` sandbox: Linux namespaces through Debian's ``bwrap``; the default.

Inside there is no network (an own, empty network namespace), no other process (own pid namespace; when its first
process dies the kernel kills the rest), and a file system made of: system libraries, this Python and this
installation, all read-only; a small private ``/tmp``, ``/dev`` and ``/proc``; and the command's own folder, the only
place that can be written. Home directories, other runs, keys and ``/etc`` are not there at all.

On top come a seccomp filter (no namespaces, mounts, tracing, kernel keys, symbolic links), resource limits,
no capabilities, and no way to get any. Started by root, the command runs as a user of its own that owns
nothing but its folder; started by anyone else, as that user inside a user namespace. (Root whose installation only root
can read stays root without capabilities; the limit on processes, from which the kernel exempts root, is then void.)
Of devices there is what every program expects and what is passed in by path: a GPU, to a command that trains on one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from envreward import seccomp
from envreward.errors import SandboxError
from envreward.sandbox import Limits

from . import launch
from .limits import NO_LIMITS, resource_limits
from .running import Running
from .surroundings import environment, python_paths, readable_by_all

TMP_BYTES = 512 * 1024**2
"""Size of ``/tmp`` and of ``/dev/shm`` inside."""
FIRST_UID = 1_800_000_000
"""Commands started by root run as a user from here on, which no system hands out; one per folder."""
INNER_UID = "1000"
"""What the user who started a command is called inside a user namespace."""
SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin", "/nix/store", "/gnu/store")
"""Folders of the system's programs and libraries; some are links, some exist on few systems."""
ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "glvnd", "fonts", "nsswitch.conf")
"""What of ``/etc`` programs need and holds nothing of this machine's own."""


class Bubblewrap:
    """Runs commands without network, in their own view of the machine. A `Sandbox`."""

    name = "bubblewrap"

    def unavailable(self) -> str | None:
        """Return why it cannot be used on this machine and how to mend that, or ``None`` when it works."""
        if sys.platform != "linux":
            return "bubblewrap runs on Linux only."
        if shutil.which("bwrap") is None:
            return "bubblewrap is not installed: run `apt-get install bubblewrap` (`dnf install bubblewrap` on Fedora)."
        probe = subprocess.run(
            ["bwrap", *_namespaces(), "--ro-bind", "/", "/", "--proc", "/proc", "true"], capture_output=True, text=True
        )
        if probe.returncode == 0:
            return None
        return f"bwrap fails here ({' '.join(probe.stderr.split())}): {_remedy()}"

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
        """Start ``argv`` with ``workdir`` as its current and only writable folder; see `Sandbox.start`.

        Raises:
            SandboxError: ``bwrap`` is missing, or ``workdir`` does not exist.
        """
        bwrap = shutil.which("bwrap")
        if bwrap is None:
            raise SandboxError(str(self.unavailable()))
        workdir = workdir.resolve()
        if not workdir.is_dir():
            raise SandboxError(f"the sandbox's folder does not exist: {workdir}")
        paths, extra = python_paths(), [p.resolve() for p in readonly]
        # An installation that only root can read is read by root, without capabilities.
        uid = own_uid(workdir) if _is_root() and readable_by_all([*paths, *extra]) else None
        if uid is not None:
            give(workdir, uid)
        ours, theirs = socket.socketpair()
        settings = {
            "parent": None,
            "handshake": theirs.fileno(),
            "uid": uid,
            "folder": str(workdir),
            "limits": resource_limits(limits),
        }
        info_read, info_write = os.pipe()
        fds = [info_write, theirs.detach()]
        command = [bwrap, *_namespaces(), "--info-fd", str(info_write)]
        program = seccomp.sandbox_filter()
        if program is not None:
            fds.append(_readable(program))
            command += ["--seccomp", str(fds[-1])]
        command += ["--cap-drop", "ALL"]
        if uid is not None:  # the launcher needs these to change its user, and loses them by doing so
            command += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        command += _file_system(paths, extra, workdir, devices)
        launcher = Path(launch.__file__).read_text()
        command += ["--", sys.executable, "-I", "-S", "-c", launcher, json.dumps(settings), *argv]
        return Running(
            command,
            cwd=Path("/"),
            env=environment(env),
            wall_s=limits.wall_s,
            pass_fds=fds,
            handshake=ours,
            kill_tree=_Namespace(info_read).kill,
            exit_code=lambda code: 128 - code if 128 < code <= 192 else code,
        )


class _Namespace:
    """The pid namespace of one sandbox, known by its first process."""

    def __init__(self, info: int) -> None:
        self._info = info

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill every process inside; returns once the kernel has reaped them all."""
        with os.fdopen(self._info, "rb") as file:
            ready, _, _ = select.select([file], [], [], 0 if process.poll() is not None else 5.0)
            text = file.read() if ready else b""
        if text:
            with contextlib.suppress(OSError):  # it has ended already
                first = os.pidfd_open(json.loads(text)["child-pid"])
                try:
                    signal.pidfd_send_signal(first, signal.SIGKILL)
                    select.select([first], [], [])
                finally:
                    os.close(first)
        process.kill()
        process.wait()


def _namespaces() -> list[str]:
    """Return the arguments for namespaces of its own; real root can change user only without a user namespace."""
    user = [] if _is_root() else ["--unshare-user", "--uid", INNER_UID, "--gid", INNER_UID]
    names = ("ipc", "pid", "net", "uts", "cgroup-try")
    return [
        *user,
        *(f"--unshare-{name}" for name in names),
        "--die-with-parent",
        "--new-session",
        "--hostname",
        "sandbox",
    ]


def _is_root() -> bool:
    """Return whether this process is root with the capabilities of root; in many containers root is not."""
    if os.geteuid() != 0:
        return False
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    needed = 1 << 21 | 1 << 7 | 1 << 6 | 1  # CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID, CAP_CHOWN
    return int(status["CapEff"], 16) & needed == needed


def _file_system(
    paths: Sequence[Path], readonly: Sequence[Path], workdir: Path, devices: Sequence[Path] = ()
) -> list[str]:
    """Return the arguments that build the file system; later ones lie on top of earlier ones."""
    arguments: list[str] = []
    for system in map(Path, SYSTEM):
        if system.is_symlink():  # /lib -> usr/lib and the like
            arguments += ["--symlink", os.readlink(system), str(system)]
        elif system.exists():
            arguments += ["--ro-bind", str(system), str(system)]
    for name in ETC:
        arguments += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    arguments += ["--proc", "/proc", "--dev", "/dev"]
    for device in devices:
        arguments += ["--dev-bind", str(device), str(device)]
    for scratch in ("/tmp", "/dev/shm"):
        arguments += ["--perms", "1777", "--size", str(TMP_BYTES), "--tmpfs", scratch]
    arguments += ["--remount-ro", "/dev"]  # else it is memory without a limit, to whoever owns it
    binds = [path for path in (*paths, *readonly) if not path.is_relative_to("/usr")]
    # Made explicitly, as bwrap would make these with no access for others.
    for folder in sorted({parent for path in (*binds, workdir) for parent in path.parents if parent != Path("/")}):
        if not any(folder.is_relative_to(path) for path in binds) and folder != Path("/tmp"):
            arguments += ["--perms", "0755", "--dir", str(folder)]
    for path in binds:
        arguments += ["--ro-bind", str(path), str(path)]
    return [*arguments, "--bind", str(workdir), str(workdir), "--remount-ro", "/", "--chdir", "/"]


def _readable(data: bytes) -> int:
    """Return a descriptor from which ``data`` can be read."""
    read, write = os.pipe()
    os.write(write, data)  # a filter is far smaller than a pipe's buffer
    os.close(write)
    return read


def own_uid(workdir: Path) -> int:
    """Return the user id of a folder's commands: the same at every start, so that its files stay its own."""
    return FIRST_UID + int.from_bytes(hashlib.sha256(os.fsencode(workdir)).digest()[:3], "big")


def give(folder: Path, uid: int) -> None:
    """Make ``uid`` the owner of a folder and all in it."""
    for parent, folders, files in os.walk(folder):
        for path in [parent, *(os.path.join(parent, name) for name in [*folders, *files])]:
            if os.lstat(path).st_uid != uid:
                os.chown(path, uid, uid, follow_symlinks=False)


def _remedy() -> str:
    """Say what usually keeps bwrap from working, going by what this machine shows."""
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        return "start the container with `--privileged`, or `--security-opt seccomp=unconfined apparmor=unconfined`."
    for name, value in (("apparmor_restrict_unprivileged_userns", "0"), ("unprivileged_userns_clone", "1")):
        setting = Path("/proc/sys/kernel") / name
        if setting.exists() and setting.read_text().strip() != value:
            return f"allow user namespaces with `sysctl -w kernel.{name}={value}` (as root)."
    return "this system does not allow namespaces; run as root, or choose `--sandbox process`, which does not isolate."
