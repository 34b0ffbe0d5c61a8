"""Runners in containers: the pool, lost containers, engines that die or hang, and what containers are forbidden."""

from __future__ import annotations

import contextlib
import gc
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from envreward.envs.swe.runners.base import RunnerLimits
from envreward.envs.swe.runners.docker import DockerRunner, DockerRunners
from envreward.errors import InfraError
from envreward.sandboxes import docker_engine, docker_image

LIMITS = RunnerLimits(memory_bytes=256 * 1024**2, processes=40)
ENGINE = "/var/run/docker.sock"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of one file."""
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "file").write_text("first\n")
    return tmp_path / "repository"


@pytest.fixture(scope="module")
def factory() -> Iterator[DockerRunners]:
    """Opens runners; keeps one container warm."""
    made = DockerRunners(LIMITS, warm=1)
    assert made.unavailable() is None
    yield made
    made.close()


@pytest.fixture
def runner(factory: DockerRunners, repository: Path) -> Iterator[DockerRunner]:
    """A runner."""
    opened = factory.open(repository)
    yield opened
    opened.close()


def _kill(container_id: str) -> None:
    client = docker_engine.connect()
    client.api.kill(container_id)
    client.close()


class Relay:
    """A socket that passes everything on to the engine, until it is told to break or to fall silent."""

    def __init__(self, path: Path) -> None:
        self.url = f"unix://{path}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._pairs: list[socket.socket] = []
        self.silent = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(ENGINE)
                self._pairs += [near, far]
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not self.silent:
                    target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def stop(self) -> None:
        """Break every connection and take no new ones, as when the engine dies."""
        for end in (self._listener, *self._pairs):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """An engine that can be stopped without stopping the machine's."""
    made = Relay(tmp_path / "engine.sock")
    monkeypatch.setenv("DOCKER_HOST", made.url)
    yield made
    made.stop()
    gc.collect()  # sockets that the SDK leaves open where connecting fails, while their warnings are ignored


def test_warm_containers_are_used(factory: DockerRunners, repository: Path) -> None:
    """With a warm container at hand, opening a runner does not wait for one to start."""
    times = []
    for _ in range(4):
        deadline = time.monotonic() + 30
        while not any(factory._ready.values()) and time.monotonic() < deadline:
            factory.open(repository).close()
            time.sleep(0.2)
        start = time.monotonic()
        opened = factory.open(repository)
        times.append(time.monotonic() - start)
        assert opened.read("file") == b"first\n"
        opened.close()
    assert min(times) < 0.1


def test_a_lost_container(runner: DockerRunner) -> None:
    """A container killed from outside is lost to its runner at once, until a reset brings another one."""
    runner.write("file", b"second\n")
    lost = runner.container_id
    _kill(lost)
    start = time.monotonic()
    with pytest.raises(InfraError, match="lost"):
        runner.exec("cat file")
    with pytest.raises(InfraError):
        runner.read("file")
    assert time.monotonic() - start < 10
    runner.reset()
    assert runner.container_id != lost
    assert runner.exec("cat file").output == "first\n"


def test_a_container_lost_during_a_command(runner: DockerRunner) -> None:
    """A command whose container is killed is an error of the machinery, not a result."""
    timer = threading.Timer(0.5, _kill, [runner.container_id])
    timer.start()
    start = time.monotonic()
    with pytest.raises(InfraError, match="lost"):
        runner.exec("sleep 100", timeout_s=90.0)
    assert time.monotonic() - start < 20
    timer.join()


def test_a_lost_warm_container(factory: DockerRunners, repository: Path) -> None:
    """A warm container that was lost while it waited is replaced without anyone noticing."""
    factory.open(repository).close()
    deadline = time.monotonic() + 30
    while not (waiting := [vessel for ready in factory._ready.values() for vessel in ready]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for vessel in waiting:
        _kill(vessel.id)
    opened = factory.open(repository)
    assert opened.exec("cat file").output == "first\n"
    opened.close()


def test_memory_of_all_processes(runner: DockerRunner) -> None:
    """Memory is counted over all processes and files; a command that takes too much of it is killed, nobody else."""
    each = "python3 -c 'import time; x = b\"x\" * (90 << 20); time.sleep(30)' &"
    together = runner.exec(f"{each} {each} {each} {each} wait -n; echo code $?", timeout_s=20.0)
    assert "code 137" in together.output, together
    alone = runner.exec("python3 -c 'x = b\"x\" * (300 << 20)'; echo code $?", timeout_s=20.0)
    assert "code 137" in alone.output, alone
    assert runner.exec("cat file").output == "first\n"


def test_nothing_outlives_processes(runner: DockerRunner) -> None:
    """Shared memory, queues and semaphores of the old kind, which no process owns, cannot be made."""
    for kind in ("-M 1000", "-Q", "-S 1"):
        assert runner.exec(f"ipcmk {kind}").exit_code != 0
    runner.exec("echo x > /dev/shm/kept")
    runner.reset()
    assert runner.exec("ls /dev/shm").output == ""


def test_a_reply_cannot_be_forged(runner: DockerRunner) -> None:
    """Whatever a command prints or opens, what it says is its output and nothing else."""
    reply = json.dumps({"exit_code": 0}).encode()
    forged = (len(reply).to_bytes(4, "big") + bytes(4) + reply).hex()
    code = f"""
import os
data = bytes.fromhex("{forged}")
for number in range(256):
    try:
        os.write(number, data)
    except OSError:
        pass
for path in ("/proc/1/fd/1", "/proc/1/fd/3", "/proc/1/fd/4", "/dev/console", "/dev/stdout"):
    try:
        open(path, "wb").write(data)
    except OSError:
        pass
raise SystemExit(9)
"""
    runner.write("forge.py", code.encode())
    ended = runner.exec("python3 forge.py")
    assert ended.exit_code == 9 and "exit_code" in ended.output
    assert runner.read("file") == b"first\n"


def test_limits_are_set(runner: DockerRunner) -> None:
    """The engine was told everything that a container is forbidden."""
    client = docker_engine.connect()
    found = client.api.inspect_container(runner.container_id)
    client.close()
    host = found["HostConfig"]
    assert (host["NetworkMode"], host["ReadonlyRootfs"], host["CapDrop"]) == ("none", True, ["ALL"])
    assert (host["Memory"], host["MemorySwap"]) == (LIMITS.memory_bytes, LIMITS.memory_bytes)
    assert (host["PidsLimit"], host["NanoCpus"]) == (LIMITS.processes + 1, 1_000_000_000)
    assert (host["SecurityOpt"], host["Privileged"], host["AutoRemove"]) == (["no-new-privileges:true"], False, True)
    assert (host["Binds"] or [], host.get("Mounts") or [], host["LogConfig"]["Type"]) == ([], [], "none")
    assert found["Config"]["User"] == "1000:1000"


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_stopped_engine(relay: Relay, repository: Path) -> None:
    """An engine that dies costs each use one error within a bounded time, and close goes through."""
    made = DockerRunners(LIMITS, warm=0, answer_s=5.0)
    opened = made.open(repository)
    relay.stop()
    start = time.monotonic()
    for use in (lambda: opened.exec("true"), opened.reset, lambda: made.open(repository)):
        with pytest.raises(InfraError):
            use()
    made.close()
    assert time.monotonic() - start < 20
    assert "no Docker daemon answers" in str(made.unavailable())


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_silent_engine(relay: Relay, repository: Path) -> None:
    """An engine that answers nothing any more is waited for only so long."""
    made = DockerRunners(LIMITS, warm=0, answer_s=1.0)
    opened = made.open(repository)
    relay.silent = True
    start = time.monotonic()
    with pytest.raises(InfraError, match="lost"):
        opened.exec("true", timeout_s=1.0)
    with pytest.raises(InfraError):
        opened.reset()
    made.close()
    assert time.monotonic() - start < 25


def test_a_repository_that_does_not_fit(repository: Path) -> None:
    """A repository larger than the space for it is refused in words, and leaves nothing."""
    (repository / "large").write_bytes(bytes(3 * 1024**2))
    made = DockerRunners(RunnerLimits(disk_bytes=1024**2), warm=0)
    client = docker_engine.connect()
    before = set(docker_engine.own_containers(client))
    with pytest.raises(InfraError, match="No space left"):
        made.open(repository)
    assert set(docker_engine.own_containers(client)) <= before
    client.close()
    made.close()


def test_a_missing_image(repository: Path) -> None:
    """An image that is not there is named, with the command that makes it where it is ours."""
    made = DockerRunners(image="envreward/none:1", warm=0)
    assert "envreward/none:1 is missing" in str(made.unavailable())
    with pytest.raises(InfraError, match="image is missing"):
        made.open(repository)
    made.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(docker_image, "PACKAGES", ("another",))
        assert "docker_setup" in str(DockerRunners().unavailable())


def test_containers_of_dead_processes_are_swept(repository: Path) -> None:
    """A container whose process ended without it being removed goes with the next start; those of the living stay."""
    script = """
import os
from envreward.sandboxes import docker_engine, docker_image
client = docker_engine.connect()
container = docker_engine.Container(image=docker_image.base_tag(), command=["sleep", "1000"], user="1000:1000",
    memory_bytes=2**26, cpus=1, pids=10, shm_bytes=2**20, tmpfs={})
made = docker_engine.create(client, container)
client.api.start(made)
print(made, flush=True)
os.kill(os.getpid(), 9)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    stale = ended.stdout.strip()
    assert len(stale) == 64, ended.stderr
    made = DockerRunners(LIMITS, warm=0)
    opened = made.open(repository)
    client = docker_engine.connect()
    names = {entry["Id"] for entry in client.api.containers(all=True)}
    client.close()
    assert stale not in names
    assert opened.container_id in names
    assert opened.exec("cat file").exit_code == 0
    made.close()
