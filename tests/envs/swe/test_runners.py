"""What every runner promises, in each of its kinds: overlay mounts, plain files, Docker containers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from envreward.envs.swe.runner import MAX_FILE, MAX_OUTPUT, Runner, RunnerFactory
from envreward.envs.swe.runners.base import MAX_COMMAND, RunnerLimits
from envreward.envs.swe.runners.bubblewrap import BubblewrapRunners
from envreward.envs.swe.runners.docker import DockerRunners
from envreward.errors import ActionError, ConfigError, InfraError
from envreward.sandboxes import docker_engine

MIB = 1024**2
LIMITS = RunnerLimits(memory_bytes=256 * MIB, processes=40, disk_bytes=32 * MIB, scratch_bytes=8 * MIB)
KINDS: dict[str, Callable[[], RunnerFactory]] = {
    "overlay": lambda: BubblewrapRunners(LIMITS, overlay=True),
    "plain": lambda: BubblewrapRunners(LIMITS, overlay=False),
    "docker": lambda: DockerRunners(LIMITS, warm=1),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of runner in turn."""
    if request.param == "overlay" and os.geteuid() != 0:
        pytest.skip("only root can mount overlays")
    return str(request.param)


@pytest.fixture(scope="module")
def factory(kind: str) -> Iterator[RunnerFactory]:
    """Opens runners of one kind."""
    made = KINDS[kind]()
    assert made.unavailable() is None
    yield made
    made.close()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with all that can lie in one."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "package" / "deep").mkdir(parents=True)
    (folder / "package" / "code.py").write_text("VALUE = 1\n")
    (folder / "package" / "deep" / "data.bin").write_bytes(bytes(range(256)))
    (folder / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link.py").symlink_to("package/code.py")
    (folder / "odd näme\nof file").write_text("odd")
    return folder


@pytest.fixture(scope="module")
def shared(factory: RunnerFactory, repository: Path) -> Iterator[Runner]:
    """One runner of each kind, for all tests of this module."""
    opened = factory.open(repository)
    yield opened
    opened.close()


@pytest.fixture
def runner(shared: Runner) -> Runner:
    """A runner as if just opened."""
    shared.reset()
    return shared


def _output(runner: Runner, command: str, **settings: Any) -> str:
    ended = runner.exec(command, **settings)
    assert ended.exit_code == 0, ended
    return ended.output


def _python(runner: Runner, code: str, **settings: Any) -> str:
    runner.write("script.py", code.encode())
    return _output(runner, "python3 script.py", **settings)


def _state(runner: Runner) -> str:
    """Return all that can be seen of the repository's files."""
    return _output(
        runner,
        "find . -printf '%p %y %m %s %n %l ' -a \\( -type f -printf '%T@ ' -exec sha1sum -b {} + \\) -o -print | sort",
    )


def _sleepers(mark: str) -> list[int]:
    """Return the processes of this machine that sleep for ``mark`` seconds."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if entry.read_bytes().split(b"\0")[:2] == [b"sleep", mark.encode()]:
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("true", 0),
        ("exit 7", 7),
        ("kill -9 $$", 137),
        ("kill -SEGV $$", 139),
        ("no-such-program", 127),
        ("./package/code.py", 126),
        ("if then", 2),
    ],
)
def test_exit_codes(runner: Runner, command: str, code: int) -> None:
    """A command's exit code is the shell's."""
    ended = runner.exec(command)
    assert (ended.exit_code, ended.timed_out, ended.clipped) == (code, False, False), ended
    assert 0 < ended.wall_s < 30


def test_output(runner: Runner) -> None:
    """Standard output and error come in the order of writing; what is no text is replaced; there is no input."""
    assert _output(runner, "echo a; echo b >&2; echo c; cat") == "a\nb\nc\n"
    assert _output(runner, r"printf 'x\377\000y'") == "x�\0y"


def test_repository_is_there(runner: Runner) -> None:
    """Commands start in the repository, which holds what it held, links and permissions included."""
    assert _output(runner, "pwd; ./run.sh; readlink link.py; cat link.py") == "/repo\nran\npackage/code.py\nVALUE = 1\n"
    assert runner.read("package/deep/data.bin") == bytes(range(256))
    assert runner.read("odd näme\nof file") == b"odd"


def test_each_command_is_a_new_shell(runner: Runner) -> None:
    """Neither folder nor variables of one command reach the next; its files do, scratch files included."""
    _output(runner, "cd package; export X=1; echo kept > /tmp/kept; echo here > here")
    assert _output(runner, 'pwd; echo "${X-unset}"; cat /tmp/kept package/here') == "/repo\nunset\nkept\nhere\n"


def test_programs(runner: Runner) -> None:
    """Python with its whole library, and git, which works in the repository, are there."""
    assert "ok" in _output(runner, "python3 -c 'import unittest, sqlite3, ctypes, venv; print(\"ok\")'; python -V")
    log = "git init -q . && git add -A && git commit -qm first && git status --short && git log --format=%s"
    assert _output(runner, log) == "first\n"


def test_environment(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables are a fixed few and those asked for; none of this process reaches a command."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    text = _output(runner, "env; cat /proc/*/environ 2>/dev/null; true", env={"GIVEN": "yes", "TZ": "Asia/Tokyo"})
    assert "sk-secret" not in text
    assert {"GIVEN=yes", "TZ=Asia/Tokyo", "HOME=/tmp", "PYTHONHASHSEED=0"} <= set(text.splitlines())


def test_python_path(factory: RunnerFactory, repository: Path, tmp_path: Path) -> None:
    """Folders for Python's path are read where they are, and cannot be written."""
    (tmp_path / "helper.py").write_text("NAME = 'helped'\n")
    tmp_path.chmod(0o700)
    with pytest.raises(InfraError, match="chmod"):
        factory.open(repository, python_path=(tmp_path,))
    tmp_path.chmod(0o755)
    opened = factory.open(repository, python_path=(tmp_path,))
    try:
        assert _output(opened, "python3 -c 'import helper; print(helper.NAME)'") == "helped\n"
        assert opened.exec("touch /opt/python-path/0/new").exit_code != 0
    finally:
        opened.close()
    assert [path.name for path in tmp_path.iterdir()] == ["helper.py"]


def test_writing(runner: Runner) -> None:
    """A file is written with the folders above it, keeps its permissions, and commands can change it."""
    runner.write("a/b/new.bin", b"\0\xff\n")
    assert runner.read("a/b/new.bin") == b"\0\xff\n"
    runner.write("run.sh", b"#!/bin/sh\necho other\n")
    assert _output(runner, "./run.sh; echo more >> a/b/new.bin; chmod 600 a/b/new.bin; touch a/b/c") == "other\n"
    assert runner.read("a/b/new.bin") == b"\0\xff\nmore\n"
    runner.write("link.py", b"VALUE = 2\n")
    assert _output(runner, "cat package/code.py; test -L link.py") == "VALUE = 2\n"


@pytest.mark.parametrize(
    "path",
    ["", ".", "..", "../outside", "/etc/passwd", "package/../../etc/passwd", "no/such", "package", "package/code.py/x"],
)
def test_paths_that_are_no_file(runner: Runner, path: str) -> None:
    """What is no file of the repository is neither read nor written, and nothing changes."""
    before = _state(runner)
    with pytest.raises(ActionError):
        runner.read(path)
    if path != "no/such":
        with pytest.raises(ActionError):
            runner.write(path, b"x")
    assert _state(runner) == before


@pytest.mark.parametrize("path", ["a\0b", "\ud800", "x" * 300, "x/" * 3000 + "y"])
def test_paths_that_cannot_be(runner: Runner, path: str) -> None:
    """Paths that no file system takes are refused in words."""
    for use in (lambda: runner.read(path), lambda: runner.write(path, b"x")):
        with pytest.raises(ActionError):
            use()
    assert _output(runner, "echo works") == "works\n"


def test_links_out(runner: Runner) -> None:
    """Over no link, however made, is anything outside read or written; a link that stays inside works."""
    _output(
        runner,
        "ln -s /etc/passwd file; ln -s / root; ln -s ../.. up; ln -s /tmp scratch; ln -s up chain; ln -s loop loop;"
        "ln -s package inside; mkdir d; ln -s ../../tmp/x d/dangling; echo secret > /tmp/x",
    )
    paths = ["file", "root/etc/passwd", "up/etc/passwd", "scratch/x", "chain/etc/passwd", "loop", "d/dangling"]
    for path in [*paths, "/proc/self/environ", "root/proc/1/environ"]:
        with pytest.raises(ActionError):
            runner.read(path)
        with pytest.raises(ActionError):
            runner.write(path, b"evil")
    assert _output(runner, "cat /tmp/x") == "secret\n"
    assert runner.read("inside/code.py") == b"VALUE = 1\n"


def test_what_is_no_regular_file(runner: Runner) -> None:
    """Pipes, sockets and devices are refused at once instead of being waited for."""
    _output(runner, "mkfifo pipe; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"socket\")'")
    start = time.monotonic()
    for path in ("pipe", "socket"):
        with pytest.raises(ActionError, match="regular"):
            runner.read(path)
        with pytest.raises(ActionError, match="regular"):
            runner.write(path, b"x")
    assert time.monotonic() - start < 10


def test_sizes(runner: Runner) -> None:
    """Files beyond the limit are neither read nor written; one just at it is."""
    largest = bytes(MAX_FILE)
    runner.write("largest", largest)
    assert runner.read("largest") == largest
    with pytest.raises(ActionError, match="at most"):
        runner.write("larger", bytes(MAX_FILE + 1))
    _output(runner, f"truncate -s {MAX_FILE + 1} larger")
    with pytest.raises(ActionError, match="at most"):
        runner.read("larger")


def test_commands_that_cannot_be(runner: Runner) -> None:
    """Commands that no shell can take are refused in words; the longest that can be, works."""
    for command in ("echo \0", "echo \ud800", "#" * (MAX_COMMAND + 1)):
        with pytest.raises(ActionError):
            runner.exec(command)
    assert _output(runner, "echo yes #".ljust(MAX_COMMAND, "x")) == "yes\n"


def test_reset(runner: Runner) -> None:
    """Whatever a command did to the files, a reset undoes: nothing of it is left, nothing is missing."""
    before = _state(runner)
    runner.write("script.py", b"""
import mmap, os
stat = os.stat("package/code.py")
with open("package/code.py", "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
    memory[8:9] = b"7"                                # same size,
os.utime("package/code.py", ns=(stat.st_atime_ns, stat.st_mtime_ns))   # same time
os.unlink("run.sh"); os.mkdir("run.sh")               # another kind of file
os.link("package/deep/data.bin", "second-name")
os.unlink("link.py"); os.symlink("/etc/passwd", "link.py")
os.chmod("odd n\\xe4me\\nof file", 0)
os.mkfifo("pipe")
os.makedirs("new/folder"); open("new/folder/file", "w").write("new"); os.chmod("new", 0)
try:
    os.setxattr("package/deep/data.bin", "user.note", b"kept for later")
except OSError:
    pass
os.makedirs("/tmp/scratch/deep")
for path in "deepest", "/tmp/deepest":
    os.mkdir(path); here = os.getcwd(); os.chdir(path)
    for _ in range(300):
        os.mkdir("d" * 20); os.chdir("d" * 20)
    os.chdir(here)
os.chmod("package/deep", 0)
""")  # fmt: skip
    _output(runner, "python3 script.py && git init -q . && git add run.sh", timeout_s=60)
    runner.reset()
    assert _state(runner) == before
    assert runner.read("package/code.py") == b"VALUE = 1\n"
    assert _output(
        runner, "ls -A /tmp /dev/shm | grep -v : ; python3 -c 'import os; print(os.listxattr(\"run.sh\"))'"
    ) in (
        "\n[]\n",
        "[]\n",
    )


def test_stragglers_end_with_the_command(runner: Runner) -> None:
    """Daemons that a command leaves behind, detached from it in every way, are gone when it has returned."""
    mark = f"1100.{os.getpid()}"
    command = f"(setsid nohup sleep {mark} >/dev/null 2>&1 &); sleep {mark} & disown; echo done"
    assert _output(runner, command) == "done\n"
    assert _sleepers(mark) == []
    assert mark not in _output(runner, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")


def test_time_limit(runner: Runner) -> None:
    """A command that hangs, deaf to every signal, ends at its limit with all it started; its output is kept."""
    mark, start = f"1200.{os.getpid()}", time.monotonic()
    ended = runner.exec(f"trap '' TERM INT HUP; echo before; sleep {mark} & sleep {mark}", timeout_s=1.0)
    assert (ended.exit_code, ended.timed_out, ended.output) == (124, True, "before\n")
    assert 1.0 <= ended.wall_s <= time.monotonic() - start < 15
    assert _sleepers(mark) == []
    assert _output(runner, "echo next") == "next\n"


def test_flood(runner: Runner) -> None:
    """Of a flood the beginning and the end are kept, and nothing of it grows with its length."""
    ended = runner.exec("seq 1 300000")
    assert ended.clipped and ended.exit_code == 0
    assert ended.output.startswith("1\n2\n") and ended.output.endswith("299999\n300000\n")
    assert "bytes left out" in ended.output
    assert MAX_OUTPUT * 0.9 < len(ended.output) <= MAX_OUTPUT
    before = psutil.Process().memory_info().rss
    endless = runner.exec("cat /dev/zero", timeout_s=1.0)
    assert endless.timed_out and endless.clipped and len(endless.output) <= MAX_OUTPUT
    assert psutil.Process().memory_info().rss - before < 32 * MIB


def test_processes_are_limited(runner: Runner) -> None:
    """A fork bomb meets its limit, costs nobody else anything, and is gone afterwards."""
    count = """
import os, time
children = 0
try:
    while children < 200:
        if os.fork() == 0:
            time.sleep(60); os._exit(0)
        children += 1
except OSError:
    pass
print(children)
"""
    assert 10 < int(_python(runner, count)) < LIMITS.processes
    runner.exec(":(){ :|:& };: ; sleep 1", timeout_s=2.0)
    assert _output(runner, "echo works") == "works\n"


def test_memory_is_limited(runner: Runner, kind: str) -> None:
    """Memory beyond the limit is not to be had: in Docker its taker is killed with 137, elsewhere refused."""
    ended = runner.exec("exec python3 -c 'x = b\"x\" * (400 * 1024 ** 2)'")
    assert ended.exit_code == (137 if kind == "docker" else 1), ended
    assert _output(runner, "echo works") == "works\n"


def test_disk_is_limited(runner: Runner, kind: str) -> None:
    """A command cannot fill the disk; where it has filled its share, that is said, and a reset makes room again."""
    ended = runner.exec("cat /dev/zero > full; cat /dev/zero > /tmp/full; echo stopped")
    assert "stopped" in ended.output
    assert int(_output(runner, "stat -c %s full")) <= LIMITS.disk_bytes
    if kind != "plain":
        with pytest.raises(ActionError, match="no room"):
            runner.write("package/code.py", bytes(MIB))
        assert runner.read("package/code.py") == b"VALUE = 1\n"
        runner.exec("for i in $(seq 20000); do : > f$i; done", timeout_s=2.0)
    runner.reset()
    runner.write("package/code.py", bytes(MIB))


def test_no_network(runner: Runner) -> None:
    """There is no network but an own loopback."""
    code = """
import socket
print([name for _, name in socket.if_nameindex() if not name.startswith(("tunl", "sit", "ip6", "gre", "erspan"))])
for address in (("127.0.0.1", %d), ("8.8.8.8", 53)):
    try:
        socket.create_connection(address, 2); print("REACHED")
    except OSError:
        print("refused")
"""
    with socket.create_server(("127.0.0.1", 0)) as server:
        text = _python(runner, code % server.getsockname()[1])
    assert text == "['lo']\nrefused\nrefused\n"


def test_privileges(runner: Runner) -> None:
    """A command has no capability, can gain none, is not root, and is filtered."""
    status = dict(line.split(":", 1) for line in _output(runner, "cat /proc/self/status").splitlines())
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == 0
    assert (status["NoNewPrivs"].strip(), status["Seccomp"].strip()) == ("1", "2")
    assert "0" not in status["Uid"].split() + status["Gid"].split()
    for attempt in ("unshare -Ur true", "mount -t tmpfs none /mnt", "chroot / true", "su -c true", "mknod x b 8 0"):
        assert runner.exec(attempt).exit_code != 0, attempt


def test_only_own_folders_can_be_written(runner: Runner) -> None:
    """Beyond the repository and the scratch folders nothing can be written."""
    find = "find / -xdev -writable -not -type l 2>/dev/null | grep -vE '^/(repo|tmp|proc|dev)(/|$)'; true"
    assert _output(runner, find) == ""
    for path in ("/x", "/etc/x", "/usr/x", "/usr/bin/python3", "/dev/x", "/proc/sys/kernel/hostname", "/sys/x"):
        assert runner.exec(f"echo x >> {path}").exit_code != 0, path


def test_other_processes_are_hidden(runner: Runner) -> None:
    """A command sees none of the machine's processes and cannot look into or end the one that watches it."""
    assert str(os.getpid()) not in _output(runner, "ls /proc | grep -E '^[0-9]+$'").split()
    runner.exec("kill -9 -1; kill -9 1; kill -STOP 1; cat /proc/1/mem; echo x > /proc/1/fd/1; echo x > /proc/1/fd/0")
    assert _output(runner, "echo works") == "works\n"


def test_repository_is_never_changed(factory: RunnerFactory, repository: Path) -> None:
    """Runners on one repository see neither one another's changes nor change it."""
    first, second = factory.open(repository), factory.open(repository)
    try:
        first.write("package/code.py", b"VALUE = 5\n")
        first.exec("rm -r package/deep; touch /tmp/mine")
        assert second.read("package/code.py") == b"VALUE = 1\n"
        assert _output(second, "ls package; ls /tmp") == "code.py\ndeep\n"
    finally:
        first.close()
        second.close()
    assert (repository / "package/code.py").read_text() == "VALUE = 1\n"
    assert (repository / "package/deep/data.bin").exists()


def test_a_changed_repository_is_copied_anew(factory: RunnerFactory, tmp_path: Path) -> None:
    """A runner opened after a change has it; one opened before does not, and its reset does not bring it."""
    (tmp_path / "file").write_text("old")
    before = factory.open(tmp_path)
    (tmp_path / "file").write_text("new")
    after = factory.open(tmp_path)
    try:
        before.reset()
        assert (before.read("file"), after.read("file")) == (b"old", b"new")
    finally:
        before.close()
        after.close()


def test_missing_repository(factory: RunnerFactory, tmp_path: Path) -> None:
    """A repository that is not there is said to be so."""
    with pytest.raises(InfraError, match="none"):
        factory.open(tmp_path / "none")


def test_closed(factory: RunnerFactory, repository: Path) -> None:
    """A closed runner says so; closing it again does nothing; a command under way ends with it."""
    opened = factory.open(repository)
    outcomes: list[BaseException] = []

    def hang() -> None:
        try:
            opened.exec("sleep 1300", timeout_s=60)
        except InfraError as error:
            outcomes.append(error)

    thread = threading.Thread(target=hang)
    thread.start()
    time.sleep(0.5)
    start = time.monotonic()
    opened.close()
    thread.join(20)
    assert len(outcomes) == 1 and time.monotonic() - start < 20
    opened.close()
    for use in (lambda: opened.exec("true"), lambda: opened.read("run.sh"), opened.reset):
        with pytest.raises(InfraError):
            use()


def test_in_parallel(factory: RunnerFactory, repository: Path) -> None:
    """Runners work side by side, each opened, used and closed by its own thread."""

    def work(number: int) -> str:
        opened = factory.open(repository)
        try:
            opened.write("n", str(number).encode())
            return _output(opened, "cat n; sleep 0.2")
        finally:
            opened.close()

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(work, range(6))) == [str(number) for number in range(6)]


def _left(kind: str) -> dict[str, Any]:
    """Return what could be left behind."""
    left: dict[str, Any] = {
        "mounts": [
            line for line in Path("/proc/self/mounts").read_text().splitlines() if tempfile.gettempdir() in line
        ],
        "temporary": os.listdir(tempfile.gettempdir()),
        "processes": sorted(child.pid for child in psutil.Process().children(recursive=True)),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": sorted(thread.name for thread in threading.enumerate()),
    }
    if kind == "docker":
        client = docker_engine.connect()
        left["containers"] = docker_engine.own_containers(client)
        client.close()
    return left


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files that no other process of this machine uses."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o711)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def test_nothing_is_left_behind(kind: str, repository: Path, temporary: Path) -> None:
    """Opening and closing, again and again, leaves no process, container, mount, thread, descriptor or file."""

    def cycles(count: int) -> None:
        made = KINDS[kind]()
        for _ in range(count):
            opened = made.open(repository)
            opened.exec("sleep 1400 & echo x > x")
            opened.close()
        made.open(repository)  # closed by its factory
        made.close()

    cycles(1)
    before = _left(kind)
    cycles(15 if kind == "docker" else 50)
    assert _left(kind) == before
    assert os.listdir(temporary) == []


def test_nothing_survives_a_kill(kind: str, repository: Path) -> None:
    """A process that is killed in the middle of a command leaves no process, mount or container; files go later."""
    mark = f"1500.{os.getpid()}"
    script = f"""
import sys
from pathlib import Path
from envreward.envs.swe.runners.bubblewrap import BubblewrapRunners
from envreward.envs.swe.runners.docker import DockerRunners
kind = {kind!r}
made = DockerRunners(warm=0) if kind == "docker" else BubblewrapRunners(overlay=kind == "overlay")
made.open(Path({str(repository)!r})).exec("sleep {mark} & sleep {mark}", timeout_s=120)
"""
    process = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 60
    while len(_sleepers(mark)) < 2:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    while _sleepers(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _sleepers(mark) == []
    assert "envreward-runners" not in Path("/proc/mounts").read_text()
    client = docker_engine.connect()
    while kind == "docker" and time.monotonic() < deadline:
        labels = [c["Labels"]["envreward"] for c in client.api.containers(all=True, filters={"label": "envreward"})]
        if not any(label.startswith(f"{process.pid}-") for label in labels):
            break
        time.sleep(0.05)
    client.close()
    assert time.monotonic() < deadline


def test_limits_must_be_positive() -> None:
    """A limit of nothing is a mistake and is called one."""
    with pytest.raises(ConfigError, match="processes"):
        RunnerLimits(processes=0)
