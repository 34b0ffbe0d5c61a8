"""The Docker engine as EnvReward uses it: connecting, locked-down containers, and what is left of dead processes.

A container holds nothing that is worth keeping: its root is read-only, what it writes lies in memory or in a mounted
folder, its output goes to whoever started it and to no log. Its first process ends when its input does, and the
engine removes it then; so the end of the process that started it, however violent, takes it along. Should the engine
itself have been down at that moment, `sweep` removes it later, by the labels that every container carries.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envreward.errors import MissingExtraError, SandboxError

if TYPE_CHECKING:
    from docker import DockerClient

SETUP = "python -m envreward.sandboxes.docker_setup"
"""The command that starts an engine and builds the base image."""
LABEL = "envreward"
"""Label of every container: ``<pid>-<token>`` of the process that started it."""
DEFAULT_PIDS = 4096
API_TIMEOUT_S = 30.0
_POLL_S = 0.02
_HOST_LABEL, _BORN_LABEL = "envreward.host", "envreward.born"
_TOKEN = secrets.token_hex(4)


def connect(timeout_s: float = API_TIMEOUT_S) -> DockerClient:
    """Return a client of the engine that ``DOCKER_HOST`` names, or this machine's; close it when done.

    Args:
        timeout_s: How long any single request may take.

    Raises:
        MissingExtraError: The Docker SDK is not installed.
        SandboxError: No engine answers; the message says how to start one.
    """
    try:
        import docker
        import docker.errors
    except ImportError as error:
        raise MissingExtraError("Docker", "docker") from error
    where = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    try:
        _knock(where, timeout_s)
        return docker.from_env(timeout=timeout_s)
    except (docker.errors.DockerException, OSError) as error:
        if "ermission denied" in str(error):
            raise SandboxError(f"no permission to use Docker at {where}: run `usermod -aG docker $USER`") from error
        fix = "start one with `systemctl start docker`"
        if shutil.which("dockerd") is None:
            fix = "install one (`apt-get install docker.io`) and start it"
        raise SandboxError(f"no Docker daemon answers at {where}: {fix}, or as root with `{SETUP}`") from error


def _knock(url: str, timeout_s: float) -> None:
    """Connect to a local engine's socket and no more; where that fails, the SDK would leave a socket open.

    Raises:
        OSError: Nobody listens there.
    """
    if url.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as knocking:
            knocking.settimeout(timeout_s)
            knocking.connect(url.removeprefix("unix://"))


@contextlib.contextmanager
def engine_errors(what: str) -> Iterator[None]:
    """Turn every error of the SDK and of the connection under it into a `SandboxError` that begins with ``what``."""
    import docker.errors
    import requests
    import urllib3

    try:
        yield
    except docker.errors.ImageNotFound as error:
        raise SandboxError(f"{what}: the image is missing; build it with `{SETUP}`") from error
    except docker.errors.APIError as error:
        raise SandboxError(f"{what}: {' '.join(str(error.explanation or error).split())}") from error
    except (
        docker.errors.DockerException,
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
        OSError,
    ) as error:
        raise SandboxError(f"{what}: the Docker daemon does not answer ({type(error).__name__})") from error


@dataclass(frozen=True, kw_only=True)
class Container:
    """What a container may do and see; everything else is forbidden.

    Always: no network, no capability and no way to gain one, the engine's seccomp filter, a read-only root, no log,
    removal at its end.
    """

    image: str
    command: Sequence[str]
    user: str
    """``uid:gid``."""
    memory_bytes: int
    """Of all processes and of files in memory; there is no swap beyond it."""
    cpus: float
    pids: int
    shm_bytes: int
    tmpfs: Mapping[str, str]
    """Folders in memory: path to mount options."""
    readonly: Mapping[str, str] = field(default_factory=dict)
    """Read-only mounts: path inside to path on the machine of the engine."""
    writable: Mapping[str, str] = field(default_factory=dict)
    devices: Sequence[str] = ()
    """Device files to pass in, under their own paths."""
    workdir: str = "/"
    env: Mapping[str, str] = field(default_factory=dict)


def create(client: DockerClient, container: Container) -> str:
    """Create a container, not yet started, and return its id.

    Raises:
        SandboxError: The engine refused, does not answer, or lacks the image.
    """
    from docker.types import LogConfig, Mount

    mounts = [Mount(inside, outside, type="bind", read_only=True) for inside, outside in container.readonly.items()]
    mounts += [Mount(inside, outside, type="bind") for inside, outside in container.writable.items()]
    with engine_errors("cannot create a container"):
        host = client.api.create_host_config(
            auto_remove=True,
            cap_drop=["ALL"],
            devices=[f"{path}:{path}:rw" for path in container.devices],
            ipc_mode="private",
            log_config=LogConfig(type="none"),
            mem_limit=container.memory_bytes,
            memswap_limit=container.memory_bytes,
            mounts=mounts,
            nano_cpus=round(container.cpus * 1e9),
            network_mode="none",
            pids_limit=container.pids,
            read_only=True,
            security_opt=["no-new-privileges:true"],
            shm_size=container.shm_bytes,
            # System V and POSIX queues and the like outlive the processes that made them and count nowhere.
            sysctls={"kernel.shmmni": 0, "kernel.msgmni": 0, "kernel.sem": "0 0 0 0", "fs.mqueue.queues_max": 0},
            tmpfs=dict(container.tmpfs),
        )
        made = client.api.create_container(
            container.image,
            list(container.command),
            environment=dict(container.env),
            host_config=host,
            hostname="sandbox",
            labels=labels(),
            network_disabled=True,
            stdin_open=True,
            user=container.user,
            working_dir=container.workdir,
        )
    return str(made["Id"])


def remove(client: DockerClient, container_id: str) -> None:
    """Kill and remove a container and return once it is gone; one that is gone already is fine.

    Raises:
        SandboxError: The engine does not answer.
    """
    import docker.errors

    with engine_errors("cannot remove a container"):
        try:
            client.api.remove_container(container_id, force=True)
        except docker.errors.NotFound:
            return
        except docker.errors.APIError as error:
            if error.status_code != 409:  # its removal is under way
                raise
            _await_removal(client, container_id)


def _await_removal(client: DockerClient, container_id: str) -> None:
    """Return once a container is gone; the engine's own way of waiting misses an end that has just come."""
    import docker.errors

    deadline = time.monotonic() + API_TIMEOUT_S
    with contextlib.suppress(docker.errors.NotFound):
        while time.monotonic() < deadline:
            client.api.inspect_container(container_id)
            time.sleep(_POLL_S)
        raise SandboxError(f"a container was not removed within {API_TIMEOUT_S:g} s")


def labels() -> dict[str, str]:
    """Return the labels by which a container is known to be of this process."""
    return {LABEL: f"{os.getpid()}-{_TOKEN}", _HOST_LABEL: _host(), _BORN_LABEL: str(_born(os.getpid()))}


def sweep(client: DockerClient) -> list[str]:
    """Remove the containers of processes of this machine that have ended; returns their ids.

    Raises:
        SandboxError: The engine does not answer.
    """
    with engine_errors("cannot list containers"):
        found = client.api.containers(all=True, filters={"label": [LABEL, f"{_HOST_LABEL}={_host()}"]})
    stale = [entry["Id"] for entry in found if not _lives(entry["Labels"])]
    for container_id in stale:
        remove(client, container_id)
    return stale


def own_containers(client: DockerClient) -> list[str]:
    """Return the ids of this process's containers.

    Raises:
        SandboxError: The engine does not answer.
    """
    wanted = [f"{key}={value}" for key, value in labels().items()]
    with engine_errors("cannot list containers"):
        return [entry["Id"] for entry in client.api.containers(all=True, filters={"label": wanted})]


def _lives(of: Mapping[str, Any]) -> bool:
    pid = str(of[LABEL]).partition("-")[0]
    return pid.isdigit() and str(_born(int(pid))) == of.get(_BORN_LABEL)


def _born(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; a later process of the same number differs in it."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None


def _host() -> str:
    """Return a name for where process numbers mean what they mean here: this boot and this process namespace."""
    parts = [os.uname().nodename]
    with contextlib.suppress(OSError):
        parts += [Path("/proc/sys/kernel/random/boot_id").read_text(), os.readlink("/proc/self/ns/pid")]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]
