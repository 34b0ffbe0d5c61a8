"""The docker sandbox: what it withholds, what it says where it cannot be used; and making Docker usable."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envreward.errors import MissingExtraError, SandboxError
from envreward.sandbox import Limits
from envreward.sandboxes import docker_engine, docker_image, docker_setup
from envreward.sandboxes.bubblewrap import FIRST_UID
from envreward.sandboxes.docker import Docker


@pytest.fixture(scope="module")
def docker() -> Docker:
    """The sandbox."""
    sandbox = Docker(memory_bytes=512 * 1024**2, cpus=1.0)
    assert sandbox.unavailable() is None
    return sandbox


def _run(docker: Docker, workdir: Path, code: str, **limits: Any) -> tuple[int, str]:
    process = docker.start([sys.executable, "-c", code], workdir=workdir, limits=Limits(**{"wall_s": 60.0, **limits}))
    return process.wait(90.0), process.log_tail(20000)


def test_what_is_withheld(docker: Docker, workdir: Path, tmp_path: Path) -> None:
    """No network, capability, root, other process or secret is there, and nothing but the folder can be written."""
    secret = tmp_path / "secret"
    secret.write_text("of another run")
    code = f"""
import json, os, socket
found = {{"status": dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())}}
found["uid"], found["pids"] = os.getuid(), sum(name.isdigit() for name in os.listdir("/proc"))
found["reached"], found["read"], found["written"] = [], [], []
for address in (("127.0.0.1", 22), ("8.8.8.8", 53), ("172.17.0.1", 22)):
    try:
        socket.create_connection(address, 2); found["reached"].append(address)
    except OSError as error:
        if isinstance(error, ConnectionRefusedError) and address[0] != "127.0.0.1":
            found["reached"].append(address)
hidden = ("/etc/shadow", "/root/.ssh", "/home", "/var/run/docker.sock", "/proc/1/environ", "/proc/1/fd")
for path in ({str(secret)!r}, *hidden):
    try:
        os.listdir(path) if os.path.isdir(path) else open(path).read(); found["read"].append(path)
    except OSError:
        pass
for path in ("/x", "/etc/x", "/usr/x", "/dev/x", "/sys/x", {sys.prefix + "/x"!r}, "/proc/sys/kernel/hostname"):
    try:
        open(path, "w").write("x"); found["written"].append(path)
    except OSError:
        pass
print(json.dumps(found))
"""
    code_, log = _run(docker, workdir, code)
    assert code_ == 0, log
    found = json.loads(log)
    status = {key: value.strip() for key, value in found["status"].items()}
    assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {0}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert (found["reached"], found["read"], found["written"]) == ([], [], [])
    assert found["pids"] <= 3
    if os.geteuid() == 0:
        assert found["uid"] >= FIRST_UID
        assert workdir.stat().st_uid == found["uid"]


def test_devices_are_passed_in_by_path(docker: Docker, workdir: Path) -> None:
    """A device file is there when it is asked for, at its own path and as itself, and not otherwise."""
    usual = {"full", "null", "ptmx", "random", "tty", "urandom", "zero", "console"}
    found = [p for p in sorted(Path("/dev").iterdir()) if p.is_char_device() and p.name not in usual]
    device = next(iter(found), Path("/dev/null"))
    rdev = str(device.stat().st_rdev)
    code = f"import os; print(os.path.exists({str(device)!r}) and os.stat({str(device)!r}).st_rdev)"
    for devices, expected in ((), "False" if found else rdev), ((device,), rdev):
        process = docker.start([sys.executable, "-c", code], workdir=workdir, devices=devices)
        assert process.wait(90.0) == 0, process.log_tail()
        assert process.log_tail().strip() == expected


def test_fork_bomb(docker: Docker, workdir: Path) -> None:
    """Processes beyond the limit are refused, and those there are end with the command."""
    code = """
import os, time
count = 0
try:
    while count < 500:
        if os.fork() == 0:
            time.sleep(60); os._exit(0)
        count += 1
except OSError:
    pass
print(count)
"""
    ended, log = _run(docker, workdir, code, processes=32)
    assert ended == 0, log
    assert 0 < int(log) <= 32


def test_memory_of_all_processes(docker: Docker, workdir: Path) -> None:
    """Memory is counted over all processes together; whoever takes too much is killed."""
    code = """
import os, time
for _ in range(3):
    if os.fork() == 0:
        x = b"x" * (250 << 20); time.sleep(20); os._exit(0)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    assert _run(docker, workdir, code) == (0, "-9\n")
    assert _run(docker, workdir, "x = b'x' * (1 << 30)")[0] == -9


def test_containers_are_removed(docker: Docker, workdir: Path) -> None:
    """However a command ends, its container is gone when that is known."""
    process = docker.start(["sleep", "1000"], workdir=workdir)
    with contextlib.closing(docker_engine.connect()) as client:
        running = docker_engine.own_containers(client)
        process.kill()
        assert len(docker_engine.own_containers(client)) == len(running) - 1
        assert _run(docker, workdir, "raise SystemExit(3)")[0] == 3
        with pytest.raises(TimeoutError):
            docker.start(["sleep", "1000"], workdir=workdir, limits=Limits(wall_s=2.0)).wait(0.1)
        late = docker.start(["sleep", "1000"], workdir=workdir, limits=Limits(wall_s=0.5))
        assert (late.wait(30.0), late.timed_out) == (-9, True)
        assert len(docker_engine.own_containers(client)) <= len(running)


def test_a_killed_container(docker: Docker, workdir: Path) -> None:
    """A container that is killed from outside ends its command as a kill does."""
    process = docker.start(["sleep", "1000"], workdir=workdir)
    with contextlib.closing(docker_engine.connect()) as client:
        newest = client.api.containers(filters={"label": "envreward"}, limit=1)
        (mine,) = [c for c in docker_engine.own_containers(client) if c == newest[0]["Id"]]
        client.api.kill(mine)
    assert process.wait(20.0) == -9
    assert not process.timed_out


def test_no_daemon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where no engine answers, it is said where one was looked for and how to start one."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    reason = str(Docker().unavailable())
    assert "none.sock" in reason and "docker_setup" in reason
    ready, text = docker_setup.examine()
    assert not ready and text == reason
    with pytest.raises(SandboxError, match="no Docker daemon"):
        Docker().start(["true"], workdir=tmp_path)


def test_no_sdk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the SDK is not installed, the line that installs it is given."""
    monkeypatch.setitem(sys.modules, "docker", None)
    assert 'pip install "envreward[docker]"' in str(Docker().unavailable())
    with pytest.raises(MissingExtraError, match="pip install"):
        Docker().start(["true"], workdir=tmp_path)


@pytest.fixture
def slow_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An engine that knows three requests and stores images by copying them whole."""
    answers = {
        "/version": {"ApiVersion": "1.41", "Version": "1.2.3"},
        "/info": {"Driver": "vfs"},
        "/images/json": [{"Id": "1"}],
    }
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "slow.sock"))
    listener.listen()

    def answer() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    request = connection.recv(65536).decode()
                    if not request:
                        continue
                    path = request.split()[1].partition("?")[0]
                    body = json.dumps(next(v for k, v in answers.items() if path.endswith(k))).encode()
                    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                    connection.sendall(head.encode() + b"Connection: close\r\n\r\n" + body)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/slow.sock")
    yield
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def test_a_slow_storage_driver(slow_engine: None, caplog: pytest.LogCaptureFixture) -> None:
    """An engine on vfs can be used; that it is slow, and what helps, is said."""
    assert docker_image.unavailable(docker_image.base_tag()) is None
    assert "overlay2" in caplog.text
    ready, text = docker_setup.examine()
    assert ready and "vfs" in text and "overlay2" in text


def test_set_up_again(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all is there, setting up says so and does nothing; where it cannot help, it says why in one line."""
    assert docker_setup.main() == 0
    said = capsys.readouterr().out.splitlines()
    assert said == ["a Docker daemon answers", f"the image {docker_image.base_tag()} is there"]
    ready, text = docker_setup.examine()
    assert ready and "base image there" in text
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert docker_setup.main() == SandboxError.exit_code
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_set_up_without_a_daemon_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no dockerd to start, the package that has it is named."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SandboxError, match=r"apt-get install -y docker\.io"):
        docker_setup.start_daemon()


def test_the_base_image_is_imported_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cached tarball is imported; one that is broken is removed, so that the next try makes a new one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(docker_image, "PACKAGES", (f"test-{os.getpid()}",))
    tag, archive = docker_image.base_tag(), docker_image.cache_file()
    assert archive.is_relative_to(tmp_path / "envreward")
    root, said = tmp_path / "root", list[str]()
    (root / "etc").mkdir(parents=True)
    (root / "usr/local/bin").mkdir(parents=True)
    (root / "usr/share/doc/x").mkdir(parents=True)
    archive.parent.mkdir(parents=True)
    docker_image._pack(root, archive)
    listed = subprocess.run(["tar", "-tzf", archive], capture_output=True, text=True, check=True).stdout.split()
    assert "./etc/passwd" in listed and "./usr/local/bin/python" in listed and "./usr/share/doc/x" not in listed
    with contextlib.closing(docker_engine.connect()) as client:
        try:
            docker_image.ensure_base(client, said.append)
            assert docker_image.has_image(client, tag) and len(said) == 1
            docker_image.ensure_base(client, said.append)
            assert len(said) == 1
        finally:
            client.api.remove_image(tag)
        archive.write_bytes(b"no tarball")
        with pytest.raises(SandboxError):
            docker_image.ensure_base(client, said.append)
        assert not archive.exists()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "sources.list",
            "# deb http://no/debian x\ndeb [arch=amd64] http://mirror/debian/ x main\n",
            "http://mirror/debian",
        ),
        ("sources.list.d/a.sources", "Types: deb\nURIs: https://other/debian\nSuites: x\n", "https://other/debian"),
        ("sources.list.d/a.list", "deb http://other/repository x main\n", docker_image.MIRROR),
        ("sources.list.d/a.save", "deb http://old/debian x main\n", docker_image.MIRROR),
    ],
)
def test_apt_mirror(name: str, text: str, expected: str, tmp_path: Path) -> None:
    """Debian's mirror is read from apt's settings, in both their formats."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    assert docker_image.apt_mirror(tmp_path) == expected
