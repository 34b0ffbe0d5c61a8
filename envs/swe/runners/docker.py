"""Runners in Docker containers, from a warm pool.

A container runs one process of ours, the guest (see `guest`), to which this side speaks over the container's own
standard streams: a command costs the start of a shell, an edit a message, and neither needs the engine to start
anything. The repository is sent over the same way and lies in memory, so nothing of it touches a disk and its size is
bounded; at a reset the guest compares every file with what was sent and mends what differs. Works with engines on
other machines too, unless ``python_path`` is used, whose folders are mounted.

Containers are started ahead of need and serve one runner only. A container that is lost (killed, out of memory as a
whole, its engine gone) costs its runner an `InfraError`; the runner's next reset takes another one from the pool.
"""

from __future__ import annotations

import atexit
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envreward.errors import ActionError, EnvRewardError, InfraError, SandboxError
from envreward.sandboxes import docker_engine, docker_image
from envreward.sandboxes.docker_stream import STDOUT, Stream

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
from .bootstrap import guest_command
from .guest import PREFIX

if TYPE_CHECKING:
    from docker import DockerClient

DEFAULT_LIMITS = RunnerLimits()
ANSWER_S = 30.0
"""How long the guest may take for anything but a command."""
_PATH = "/usr/local/bin:/usr/bin:/bin"
_USER = 1000
_FILES = 200_000
_LAST_WORDS = 500


class Vessel:
    """A started container with a guest that answers."""

    def __init__(
        self, client: DockerClient, image: str, limits: RunnerLimits, mounts: Mapping[str, Path], answer_s: float
    ) -> None:
        """Start it.

        Raises:
            InfraError: The engine refused, does not answer, or the guest did not start.
        """
        self._client, self._answer_s = client, answer_s
        self._stream: Stream | None = None
        self._said: deque[bytes] = deque(maxlen=8)
        self._received = bytearray()
        settings = f"rw,exec,nosuid,nodev,nr_inodes={_FILES},uid={_USER},gid={_USER}"
        container = docker_engine.Container(
            image=image,
            command=guest_command(ROOT, [SCRATCH, "/dev/shm"]),
            user=f"{_USER}:{_USER}",
            memory_bytes=limits.memory_bytes,
            cpus=limits.cpus,
            pids=limits.processes + 1,
            shm_bytes=limits.scratch_bytes,
            tmpfs={
                ROOT: f"{settings},size={limits.disk_bytes},mode=0755",
                SCRATCH: f"{settings},size={limits.scratch_bytes},mode=1777",
            },
            readonly={inside: str(path) for inside, path in mounts.items()},
            env={"PATH": _PATH},
        )
        try:
            self.id = docker_engine.create(client, container)
            self._stream = Stream(client, self.id)
            with docker_engine.engine_errors("cannot start a container"):
                client.api.start(self.id)
            self.ask({"do": "hello"})
        except SandboxError as error:
            self.close()
            raise InfraError(str(error)) from error
        except BaseException:
            self.close()
            raise

    def ask(self, request: Mapping[str, Any], body: bytes = b"", extra_s: float = 0.0) -> tuple[dict[str, Any], bytes]:
        """Send a request and return the guest's answer.

        Raises:
            ActionError: The guest refused it.
            InfraError: The container is lost, or its guest did not answer in time or could not do it.
        """
        stream = self._stream
        if stream is None:
            raise InfraError("the container is gone")
        deadline = time.monotonic() + self._answer_s + extra_s
        text = json.dumps(request).encode()
        try:
            stream.send(PREFIX.pack(len(text), len(body)) + text + body, self._answer_s)
            sizes = PREFIX.unpack(self._take(stream, PREFIX.size, deadline))
            answer, payload = (self._take(stream, size, deadline) for size in sizes)
        except OSError as error:
            words = b"".join(self._said).decode(errors="replace")[-_LAST_WORDS:].split()
            self.close()
            why = " ".join([str(error) or "the connection broke", *words])
            raise InfraError(f"the container was lost: {why}") from error
        reply: dict[str, Any] = json.loads(answer)
        if "refused" in reply:
            raise ActionError(reply["refused"])
        if "failed" in reply:
            raise InfraError(f"the container could not {request['do']}: {reply['failed']}")
        return reply, payload

    def _take(self, stream: Stream, size: int, deadline: float) -> bytes:
        """Return the next ``size`` bytes of what the guest says."""
        while len(self._received) < size:
            frame = stream.receive(deadline)
            if frame is None:
                raise ConnectionError("its first process ended")
            if frame.stream == STDOUT:
                self._received += frame.data
            else:
                self._said.append(frame.data)
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def alive(self) -> bool:
        """Return whether the guest answers."""
        try:
            self.ask({"do": "hello"})
        except InfraError:
            return False
        return True

    def close(self) -> None:
        """Remove the container; an engine that does not answer removes it when it comes back, or `sweep` does."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        if hasattr(self, "id"):
            try:
                docker_engine.remove(self._client, self.id)
            except SandboxError:
                return


class DockerRunner:
    """One repository in one container. A `Runner`."""

    def __init__(self, pool: DockerRunners, repository: Path, mounts: dict[str, Path]) -> None:
        """Take a container and bring the repository there.

        Raises:
            InfraError: There is no container, or the repository cannot be read or does not fit.
        """
        self._pool, self._mounts = pool, mounts
        self._closed = False
        try:
            self._packed = tree.pack(tree.take(str(repository)))
        except OSError as error:
            raise InfraError(f"cannot read the repository {repository}: {error.strerror}") from error
        self._vessel = self._loaded()

    def _loaded(self) -> Vessel:
        vessel = self._pool.take(self._mounts)
        try:
            vessel.ask({"do": "load"}, self._packed)
        except BaseException:
            vessel.close()
            raise
        return vessel

    @property
    def container_id(self) -> str:
        """The id of the container that serves this runner now."""
        return self._vessel.id

    def exec(self, command: str, *, timeout_s: float = 60.0, env: Mapping[str, str] | None = None) -> ExecResult:
        """Run a shell command in the repository's folder; see `Runner.exec`.

        Raises:
            ActionError: The command cannot be handed to a shell.
            InfraError: The container is lost.
        """
        check_command(command)
        request = {
            "do": "exec",
            "argv": [*SHELL, command],
            "env": environment(_PATH, self._mounts, env),
            "timeout_s": timeout_s,
            "limit": MAX_OUTPUT,
        }
        reply, output = self._ask(request, extra_s=timeout_s)
        return ExecResult(output=output.decode(errors="replace"), **reply)

    def read(self, path: str) -> bytes:
        """Return a file's content; see `Runner.read`.

        Raises:
            ActionError: There is no such file in the repository, or it is too large.
            InfraError: The container is lost.
        """
        return self._ask({"do": "read", "path": check_path(path), "limit": MAX_FILE})[1]

    def write(self, path: str, data: bytes) -> None:
        """Write a file, and the folders above it; see `Runner.write`.

        Raises:
            ActionError: The path is no file in the repository, or the content is too large.
            InfraError: The container is lost.
        """
        check_content(path, data)
        self._ask({"do": "write", "path": check_path(path)}, data)

    def reset(self) -> None:
        """Put everything back as it was at the beginning; in another container where this one is lost.

        Raises:
            InfraError: There is no other container either.
        """
        try:
            self._ask({"do": "reset"})
        except InfraError:
            if self._closed:
                raise
            self._vessel.close()
            self._vessel = self._loaded()

    def close(self) -> None:
        """Leave nothing behind: no process, container or file."""
        self._closed = True
        self._vessel.close()
        self._pool.forget(self)

    def _ask(self, request: Mapping[str, Any], body: bytes = b"", extra_s: float = 0.0) -> tuple[dict[str, Any], bytes]:
        if self._closed:
            raise InfraError("the runner is closed")
        return self._vessel.ask(request, body, extra_s)


class DockerRunners:
    """Opens runners in containers and keeps some containers warm. A `RunnerFactory`; any thread may use it."""

    name = "docker"

    def __init__(
        self,
        limits: RunnerLimits = DEFAULT_LIMITS,
        *,
        image: str | None = None,
        warm: int = 2,
        answer_s: float = ANSWER_S,
    ) -> None:
        """Nothing is started yet.

        Args:
            limits: What each runner may use.
            image: Image with a Python 3.8 or later, bash and git; ``None``: the base image.
            warm: Containers to keep ready beyond those in use.
            answer_s: How long the engine or a guest may take to answer before a container counts as lost.
        """
        self._limits, self._warm, self._answer_s = limits, warm, answer_s
        self._image = image or docker_image.base_tag()
        self._client: DockerClient | None = None
        self._lock = threading.Condition()
        self._ready: dict[tuple[Path, ...], deque[Vessel]] = {}
        self._starting: Counter[tuple[Path, ...]] = Counter()
        self._closed = False
        self._open: set[DockerRunner] = set()

    def unavailable(self) -> str | None:
        """Return why runners of this kind cannot be used here and how to mend that, or ``None`` when they can."""
        return docker_image.unavailable(self._image)

    def open(self, repository: Path, *, python_path: tuple[Path, ...] = ()) -> DockerRunner:
        """Return a runner on a private copy of the folder ``repository``; see `RunnerFactory.open`.

        Raises:
            InfraError: It could not be started.
        """
        runner = DockerRunner(self, repository, python_mounts(python_path))
        with self._lock:
            self._open.add(runner)
        return runner

    def forget(self, runner: DockerRunner) -> None:
        """Say that a runner was closed."""
        with self._lock:
            self._open.discard(runner)

    def take(self, mounts: Mapping[str, Path]) -> Vessel:
        """Return a container that answers and has these mounts, warm where there is one, and have its place filled.

        Raises:
            InfraError: None could be started.
        """
        while True:
            with self._lock:
                if self._closed:
                    raise InfraError("the runners are closed")
                client = self._connected()
                ready = self._ready.setdefault(tuple(mounts.values()), deque())
                vessel = ready.popleft() if ready else None
                self._fill(client, mounts)
            if vessel is None:
                return Vessel(client, self._image, self._limits, mounts, self._answer_s)
            if vessel.alive():
                return vessel
            vessel.close()

    def close(self) -> None:
        """Close every runner that was opened and every warm container."""
        with self._lock:
            self._closed = True
            self._lock.wait_for(lambda: self._starting.total() == 0, timeout=2 * self._answer_s)
            warm = [vessel for ready in self._ready.values() for vessel in ready]
            self._ready.clear()
        for runner in list(self._open):
            runner.close()
        for vessel in warm:
            vessel.close()
        if self._client is not None:
            self._client.close()
            self._client = None
        atexit.unregister(self.close)

    def _connected(self) -> DockerClient:
        if self._client is None:
            try:
                client = docker_engine.connect(self._answer_s)
                docker_engine.sweep(client)
            except EnvRewardError as error:
                raise InfraError(str(error)) from error
            self._client = client
            atexit.register(self.close)
        return self._client

    def _fill(self, client: DockerClient, mounts: Mapping[str, Path]) -> None:
        """Start, in the background, what is missing of the warm containers; called with the lock held."""
        key = tuple(mounts.values())
        for _ in range(self._warm - len(self._ready[key]) - self._starting[key]):
            self._starting[key] += 1
            threading.Thread(target=self._start, args=(client, mounts), name="warm-container", daemon=True).start()

    def _start(self, client: DockerClient, mounts: Mapping[str, Path]) -> None:
        key, vessel = tuple(mounts.values()), None
        try:
            vessel = Vessel(client, self._image, self._limits, mounts, self._answer_s)
        except InfraError:
            pass  # whoever needs a container will start one and learn why it fails
        finally:
            with self._lock:
                if vessel is not None:
                    self._ready.setdefault(key, deque()).append(vessel)
                self._starting[key] -= 1
                self._lock.notify_all()
