"""The ``docker`` sandbox: containers of a local Docker engine, for where `bubblewrap` cannot be used.

Inside there is what the ``bubblewrap`` sandbox shows too: the machine's system libraries, this Python and this
installation, read-only, in an image that is otherwise empty; a private ``/tmp`` and ``/dev/shm``; the command's own
folder, the only place that can be written; no network. The engine adds limits that hold for all processes together
(memory, cores, number of processes), drops every capability, forbids gaining any, and applies its seccomp filter.
Started by root, the command runs as a user of its own that owns nothing but its folder; by anyone else, as that user.
(An installation that only root can read is read by root without capabilities.)

Folders are mounted, so the engine must be on this machine. A start takes a few tenths of a second.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from envreward.errors import EnvRewardError, SandboxError
from envreward.sandbox import Limits

from . import docker_engine, docker_image, docker_init, launch
from .bubblewrap import ETC, SYSTEM, TMP_BYTES, give, own_uid
from .docker_process import DockerProcess
from .limits import NO_LIMITS, resource_limits
from .surroundings import environment, python_paths, readable_by_all

_INIT_PIDS = 1
_MEMORY_SHARE = 0.8
_PROBE_S = 60.0


class Docker:
    """Runs commands in containers, without network, in their own view of the machine. A `Sandbox`."""

    name = "docker"

    def __init__(self, *, memory_bytes: int | None = None, cpus: float | None = None) -> None:
        """Nothing is started yet.

        Args:
            memory_bytes: What all processes of a command may use together; ``None``: four fifths of the machine's.
                (``Limits.memory_bytes`` bounds each process.)
            cpus: Cores' worth of time; ``None``: as many as this process may use.
        """
        self._swept = False
        self._memory_bytes, self._cpus = memory_bytes, cpus

    def unavailable(self) -> str | None:
        """Return why it cannot be used on this machine and how to mend that, or ``None`` when it works."""
        if sys.platform != "linux":
            return "the docker sandbox runs on Linux only: it mounts this machine's system into its containers."
        try:
            with contextlib.closing(docker_engine.connect()) as client:
                if (slow := docker_image.slow_driver(client)) is not None:
                    docker_image.logger.warning("%s", slow)
            with tempfile.TemporaryDirectory() as folder:
                argv = [sys.executable, "-c", "open('seen', 'w').close()"]
                process = self.start(argv, workdir=Path(folder), limits=Limits(wall_s=_PROBE_S))
                code = process.wait()
                if code == 0 and (Path(folder) / "seen").exists():
                    return None
        except EnvRewardError as error:
            return str(error)
        return f"a container ran but not as it should (exit code {code}): {process.log_tail(300)} Is the engine local?"

    def start(
        self,
        argv: Sequence[str],
        *,
        workdir: Path,
        readonly: Sequence[Path] = (),
        devices: Sequence[Path] = (),
        limits: Limits = NO_LIMITS,
        env: Mapping[str, str] | None = None,
    ) -> DockerProcess:
        """Start ``argv`` with ``workdir`` as its current and only writable folder; see `Sandbox.start`.

        Raises:
            MissingExtraError: The Docker SDK is not installed.
            SandboxError: No engine answers or it refused, or ``workdir`` does not exist.
        """
        workdir = workdir.resolve()
        if not workdir.is_dir():
            raise SandboxError(f"the sandbox's folder does not exist: {workdir}")
        paths = [*python_paths(), *(path.resolve() for path in readonly)]
        client = docker_engine.connect()
        try:
            if not self._swept:
                docker_engine.sweep(client)
                self._swept = True
            container = self._container(argv, workdir, paths, limits, env, docker_image.ensure_frame(client, *_frame()))
            container_id = docker_engine.create(client, replace(container, devices=tuple(map(str, devices))))
            try:
                return DockerProcess(client, container_id, limits.wall_s)
            except BaseException:
                docker_engine.remove(client, container_id)
                raise
        except BaseException:
            client.close()
            raise

    def _container(
        self,
        argv: Sequence[str],
        workdir: Path,
        paths: Sequence[Path],
        limits: Limits,
        env: Mapping[str, str] | None,
        image: str,
    ) -> docker_engine.Container:
        """Return the container for a command; its folder is given to the user that it will run as."""
        settings = {
            "parent": None,
            "handshake": None,
            "uid": None,
            "folder": str(workdir),
            "limits": {name: n for name, n in resource_limits(limits).items() if name != "RLIMIT_NPROC"},
        }
        init, launcher = Path(docker_init.__file__).read_text(), Path(launch.__file__).read_text()
        system = [path for path in map(Path, SYSTEM) if path.exists() and not path.is_symlink()]
        system += [path for name in ETC if (path := Path("/etc") / name).exists()]
        mounted = [*system, *(path for path in paths if not path.is_relative_to("/usr"))]
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        pids = docker_engine.DEFAULT_PIDS if limits.processes is None else limits.processes
        return docker_engine.Container(
            image=image,
            command=[sys.executable, "-I", "-S", "-c", init, launcher, json.dumps(settings), *argv],
            user=_user(workdir, paths),
            memory_bytes=self._memory_bytes or int(_MEMORY_SHARE * machine),
            cpus=self._cpus or len(os.sched_getaffinity(0)),
            pids=pids + _INIT_PIDS,
            shm_bytes=TMP_BYTES,
            tmpfs={"/tmp": f"rw,exec,nosuid,nodev,mode=1777,size={TMP_BYTES}"},
            readonly={str(path): str(path) for path in mounted},
            writable={str(workdir): str(workdir)},
            env=environment(env),
        )


def _user(workdir: Path, paths: Sequence[Path]) -> str:
    """Return the user of a command, who owns its folder."""
    if os.geteuid() != 0:
        return f"{os.getuid()}:{os.getgid()}"
    uid = own_uid(workdir) if readable_by_all(list(paths)) else 0
    give(workdir, uid)
    return f"{uid}:{uid}"


def _frame() -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Return the links of this machine's root, as of ``/lib`` to ``usr/lib``, and the folders that every root has."""
    links = tuple((system, os.readlink(system)) for system in SYSTEM if os.path.islink(system))
    return links, ("/dev", "/etc", "/proc", "/sys", "/tmp", "/usr")
