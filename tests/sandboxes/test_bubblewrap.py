"""What the isolating sandbox withholds: network, files, processes, privileges."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from envreward.sandbox import Sandbox
from envreward.sandboxes import bubblewrap as module

Run = Callable[..., Any]


@pytest.fixture
def server() -> Iterator[int]:
    """A server on this machine's loopback that answers whoever connects; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20.0)

        def answer() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        port = listener.getsockname()[1]
        yield port
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        thread.join()


def test_devices_are_passed_in_by_path(workdir: Path) -> None:
    """A device file is there when it is asked for, at its own path and as itself, and not otherwise."""
    usual = {"full", "null", "ptmx", "random", "tty", "urandom", "zero", "console"}
    found = [p for p in sorted(Path("/dev").iterdir()) if p.is_char_device() and p.name not in usual]
    device = next(iter(found), Path("/dev/null"))
    code = f"import os; print(os.path.exists({str(device)!r}) and os.stat({str(device)!r}).st_rdev)"
    rdev = str(device.stat().st_rdev)
    for devices, expected in ((), "False" if found else rdev), ((device,), rdev):
        process = module.Bubblewrap().start([sys.executable, "-c", code], workdir=workdir, devices=devices)
        assert process.wait(60.0) == 0, process.log_tail()
        assert process.log_tail().strip() == expected


def test_no_network(isolated: Run, server: int) -> None:
    """A server on this machine cannot be reached, nor any outside, nor a name be resolved."""
    ended = isolated(
        f"""
import socket
for address in (("127.0.0.1", {server}), ("8.8.8.8", 53), ("1.1.1.1", 443)):
    try:
        socket.create_connection(address, 2.0)
        print("REACHED", address)
    except OSError:
        print("refused")
try:
    socket.getaddrinfo("example.com", 80)
    print("RESOLVED")
except OSError:
    print("refused")
print([name for _, name in socket.if_nameindex()])
"""
    )
    assert ended.log == "refused\n" * 4 + "['lo']\n"


def test_no_writing_outside(isolated: Run, tmp_path: Path) -> None:
    """Nothing outside the folder can be written: not beside it, not the installation, not the system."""
    beside, new = tmp_path / "beside.txt", tmp_path / "new"
    beside.write_text("untouched")
    package = Path(module.__file__).parent
    targets = [
        package / "evil.py",
        package / "bubblewrap.py",
        *map(Path, (f"{sys.prefix}/e", "/usr/e", "/e", "/etc/e")),
    ]
    ended = isolated(
        f"""
for path in {[str(t) for t in [*targets, beside, new]]}:
    try:
        open(path, "a").write("evil")
        print("written")
    except OSError as error:
        print("refused")
"""
    )
    assert ended.log.split()[: len(targets)] == ["refused"] * len(targets)
    assert beside.read_text() == "untouched"  # what was written there, if anything, was in a private /tmp
    assert not new.exists()


def test_no_reading_of_secrets(isolated: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Home directories, files beside the folder, password files and other processes' variables are not there."""
    secret = Path.home() / ".envreward-test-secret"
    beside = tmp_path / "other-run.db"
    beside.write_text("secret-of-another-run")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    secret.write_text("secret-of-home")
    try:
        ended = isolated(
            f"""
import os
for path in ({str(secret)!r}, {str(beside)!r}, "/etc/passwd", "/etc/shadow", "/proc/{os.getpid()}/environ",
             "/root/.ssh", "/etc/hostname", "/var/log", "/sys/class"):
    try:
        print("READ", path, os.listdir(path) if os.path.isdir(path) else open(path).read()[:100])
    except OSError:
        print("refused")
for pid in [p for p in os.listdir("/proc") if p.isdigit()]:
    try:
        text = open(f"/proc/{{pid}}/environ").read()
    except OSError:
        continue
    print("KEY" if "sk-" in text else "clean")
"""
        )
    finally:
        secret.unlink()
    assert ended.code == 0, ended.log
    assert set(ended.log.split()) == {"refused", "clean"}


def test_no_other_process_is_visible(isolated: Run) -> None:
    """The command sees itself and the sandbox's first process, and can signal nothing else."""
    ended = isolated("import os; print(sorted(int(p) for p in os.listdir('/proc') if p.isdigit()))")
    assert len(ended.log.split(",")) <= 3
    assert isolated(f"import os; os.kill({os.getpid()}, 0)").code != 0


@pytest.mark.parametrize(
    "attempt",
    [
        "libc.unshare(0x10000000)",  # a user namespace
        "libc.unshare(0x00020000)",  # a mount namespace
        "libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)",
        "libc.ptrace(16, 1, 0, 0)",
        "libc.syscall(425, 8, 0)",  # io_uring
        "libc.syscall(250, 0, -3, 0)" if os.uname().machine == "x86_64" else "libc.syscall(219, 0, -3, 0)",  # keyctl
        "libc.setuid(0)",
        "libc.chroot(b'.')",
        "libc.symlink(b'/etc/passwd', b'link')",
        "libc.mkfifo(b'pipe', 0o600)",
    ],
)
def test_privileged_calls_are_refused(attempt: str, isolated: Run) -> None:
    """Namespaces, mounts, tracing, keys, other users, links and pipes are refused by the kernel."""
    ended = isolated(
        f"""
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
result = {attempt}
print("refused" if result == -1 else f"DONE {{result}}", os.getuid() == 0)
"""
    )
    if "setuid" in attempt and os.geteuid() != 0:
        return
    assert ended.log.startswith("refused"), ended


def test_no_capabilities(isolated: Run) -> None:
    """The command holds no capability and can gain none."""
    ended = isolated("print(open('/proc/self/status').read())")
    status = dict(line.split(":", 1) for line in ended.log.splitlines() if ":" in line)
    assert int(status["CapEff"], 16) == 0
    assert int(status["CapPrm"], 16) == 0
    assert int(status["CapAmb"], 16) == 0
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start commands as another user")
@pytest.mark.parametrize("bubblewrap", ["as started"], indirect=True)
def test_root_is_given_up(isolated: Run, workdir: Path) -> None:
    """Started by root, the command runs as a user that owns nothing but its folder, the same at every start."""
    uids = {isolated("import os; print(os.getuid(), os.getgid(), os.getgroups())").log for _ in range(2)}
    assert len(uids) == 1
    uid, gid = map(int, uids.pop().split()[:2])
    assert uid == gid >= module.FIRST_UID
    assert workdir.stat().st_uid == uid


@pytest.mark.parametrize("bubblewrap", ["as started"], indirect=True)
def test_fork_bomb(isolated: Run) -> None:
    """Processes beyond the limit are refused, and those there are end with the command."""
    ended = isolated(
        """
import os, time
count = 0
try:
    while count < 500:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        count += 1
except OSError:
    pass
print(count)
""",
        processes=32,
    )
    assert ended.code == 0
    assert 0 < int(ended.log) < 40


def test_scratch_space_is_bounded_and_private(isolated: Run) -> None:
    """``/tmp`` and ``/dev/shm`` start empty, can be written, and cannot fill the machine's memory."""
    ended = isolated(
        f"""
import errno, os, shutil
try:
    open("/dev/x", "w")
except OSError as error:
    assert error.errno in (errno.EROFS, errno.EACCES), error
else:
    print("/dev can be written")
print(os.listdir("/dev/shm"), [shutil.disk_usage(p).total <= {module.TMP_BYTES} for p in ("/tmp", "/dev/shm")])
open("/tmp/x", "w").write("x")
"""
    )
    assert (ended.code, ended.log) == (0, "[] [True, True]\n")
    assert not Path("/tmp/x").exists()


def test_readonly_paths(isolated: Run, tmp_path: Path) -> None:
    """More paths can be made readable, under their own names, and stay read-only."""
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "data.txt").write_text("data")
    ended = isolated(
        f"""
print(open({str(extra / "data.txt")!r}).read())
try:
    open({str(extra / "new")!r}, "w")
except OSError:
    print("refused")
""",
        readonly=[extra],
    )
    assert ended.log == "data\nrefused\n"


def test_checkout_is_not_exposed(isolated: Run) -> None:
    """Of an editable installation only the packages are readable, not what lies beside them."""
    root = Path(module.__file__).resolve().parents[1]
    names = {"envreward", "envs", "designers", "sandboxes", "tests", ".git", "README.md"}
    ended = isolated(f"import os; print(sorted(set(os.listdir({str(root)!r})) & {names}))")
    assert "tests" not in ended.log
    assert ".git" not in ended.log


def test_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, bubblewrap: Sandbox) -> None:
    """Where bwrap is not installed, the exact command that installs it is named."""
    monkeypatch.setenv("PATH", "/nowhere")
    assert "apt-get install bubblewrap" in str(bubblewrap.unavailable())


def test_says_why_it_fails(monkeypatch: pytest.MonkeyPatch, bubblewrap: Sandbox, tmp_path: Path) -> None:
    """Where bwrap is there but the system forbids it, its own words and a remedy are given."""
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    reason = str(bubblewrap.unavailable())
    assert "setting up uid map" in reason
    assert "container" in reason or "sysctl" in reason or "process" in reason
