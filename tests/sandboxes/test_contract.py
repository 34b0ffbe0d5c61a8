"""What every sandbox promises."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envreward import registry
from envreward.errors import SandboxError
from envreward.sandbox import Limits, Sandbox, SandboxProcess

Run = Callable[..., Any]

CHILDREN = """
import os, subprocess, sys, time
for i in range(3):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep({mark})"])
print("started", flush=True)
time.sleep({mark})
"""


def _mark(number: int) -> str:
    """Return a time to sleep that no other test process of this machine uses, by which sleepers are found."""
    return f"{number}.{os.getpid()}1"


def _running(mark: str) -> list[int]:
    """Return the processes of this machine whose command line holds ``mark``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark in entry.read_text() and f"sleep({mark})" in entry.read_text():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


def _start(sandbox: Sandbox, workdir: Path, code: str, **limits: float) -> SandboxProcess:
    return sandbox.start([sys.executable, "-c", code], workdir=workdir, limits=Limits(**limits))  # type: ignore[arg-type]


def _wait_for(process: SandboxProcess, text: str) -> None:
    deadline = time.monotonic() + 20.0
    while text not in process.log_tail():
        assert process.poll() is None, process.log_tail()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("pass", 0),
        ("raise SystemExit(7)", 7),
        ("raise ValueError", 1),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL),
        ("import os; os.kill(os.getpid(), 11)", -signal.SIGSEGV),
    ],
)
def test_exit_codes(code: str, expected: int, run: Run) -> None:
    """Exit codes come through, and signals as negative numbers, as with subprocess."""
    ended = run(code)
    assert ended.code == expected, ended.log
    assert not ended.timed_out


def test_missing_program(sandbox: Sandbox, workdir: Path) -> None:
    """A program that does not exist ends with 127 and says so, as in a shell."""
    process = sandbox.start(["no-such-program"], workdir=workdir)
    assert process.wait(30.0) == 127
    assert "no-such-program" in process.log_tail()


def test_missing_folder(sandbox: Sandbox, tmp_path: Path) -> None:
    """A folder that does not exist is a clear error."""
    with pytest.raises(SandboxError, match="does not exist"):
        sandbox.start(["true"], workdir=tmp_path / "none")


def test_folder_is_current_and_writable(run: Run, workdir: Path) -> None:
    """The command works in its folder, under the folder's own path, and what it writes stays."""
    (workdir / "sub").mkdir()
    (workdir / "sub" / "old.txt").write_text("old")
    ended = run(
        "import os; print(os.getcwd()); open('new.txt', 'w').write('new'); open('sub/old.txt', 'a').write('er')"
    )
    assert (ended.code, ended.log.strip()) == (0, str(workdir))
    assert (workdir / "new.txt").read_text() == "new"
    assert (workdir / "sub" / "old.txt").read_text() == "older"


def test_folder_can_be_used_again(run: Run, workdir: Path) -> None:
    """A second command goes on with the first one's files, as a resumed training does."""
    assert run("open('a', 'w').write('1')").code == 0
    assert run("open('a', 'a').write('2')").code == 0
    (workdir / "b").write_text("from outside")
    assert run("open('b', 'a').write('!')").code == 0
    assert (workdir / "a").read_text() == "12"


def test_installation_is_there(run: Run) -> None:
    """This Python and this installation work inside, entry points included."""
    ended = run("import envreward, sys; from envreward import registry; print(registry.names('sandboxes'), sys.prefix)")
    assert ended.code == 0, ended.log
    assert "bubblewrap" in ended.log
    assert sys.prefix in ended.log


def test_environment_is_clean(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable is passed on but a fixed harmless few and those asked for: never a key."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("SOMETHING", "private")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    ended = run("import os; print(dict(os.environ))", env={"GIVEN": "yes"})
    assert "sk-secret" not in ended.log
    assert "private" not in ended.log
    assert "'GIVEN': 'yes'" in ended.log
    assert "'OMP_NUM_THREADS': '3'" in ended.log
    assert "'HOME': '/tmp'" in ended.log


def test_log_keeps_the_end(run: Run) -> None:
    """Of however much output the end is kept, standard output and error in order of writing."""
    ended = run(
        "import sys\nfor i in range(100000): print(i)\nprint('last', flush=True)\nprint('words', file=sys.stderr)"
    )
    assert ended.log.endswith("last\nwords\n")
    assert len(ended.log) == 4000


def test_wall_clock_limit(sandbox: Sandbox, workdir: Path) -> None:
    """A command that hangs is ended at its limit together with its children, and is known to have timed out."""
    start = time.monotonic()
    process = _start(sandbox, workdir, CHILDREN.format(mark=_mark(1234)), wall_s=2.0)
    code = process.wait(30.0)
    assert (code, process.timed_out) == (-signal.SIGKILL, True)
    assert 2.0 <= time.monotonic() - start < 12.0
    assert _running(_mark(1234)) == []


def test_kill_ends_every_process(sandbox: Sandbox, workdir: Path) -> None:
    """After kill returns, nothing that the command started is left; killing again does nothing."""
    process = _start(sandbox, workdir, CHILDREN.format(mark=_mark(2345)))
    _wait_for(process, "started")
    deadline = time.monotonic() + 20.0
    while len(_running(_mark(2345))) < 4 and time.monotonic() < deadline:  # the last child may still be starting
        time.sleep(0.02)
    assert len(_running(_mark(2345))) >= 4
    process.kill()
    assert _running(_mark(2345)) == []
    assert process.poll() == -signal.SIGKILL
    assert not process.timed_out
    process.kill()


def test_stragglers_end_with_the_command(sandbox: Sandbox, workdir: Path) -> None:
    """Children that outlive the command are ended when it ends, and do not keep it waiting."""
    process = _start(sandbox, workdir, CHILDREN.format(mark=_mark(3456)).rpartition("time.sleep")[0])
    assert process.wait(30.0) == 0
    assert _running(_mark(3456)) == []


def test_wait_gives_up(sandbox: Sandbox, workdir: Path) -> None:
    """Waiting with a limit raises, and leaves the command running."""
    process = _start(sandbox, workdir, "import time; time.sleep(60)")
    with pytest.raises(TimeoutError):
        process.wait(0.2)
    assert process.poll() is None
    process.kill()


def test_memory_limit(run: Run) -> None:
    """A command that takes more memory than allowed fails."""
    assert run("x = bytearray(2 * 1024**3)", memory_bytes=1024**3).code != 0
    assert run("x = bytearray(2**20)", memory_bytes=1024**3).code == 0


def test_file_size_limit(run: Run, workdir: Path) -> None:
    """A file cannot grow beyond its limit."""
    assert run("open('big', 'wb').write(bytes(2**21))", file_bytes=2**20).code != 0
    assert (workdir / "big").stat().st_size <= 2**20


def test_started_from_a_thread_that_ends(sandbox: Sandbox, workdir: Path) -> None:
    """A command outlives the thread that started it; it dies with the process, not with a thread."""
    processes: list[SandboxProcess] = []
    code = "import time; time.sleep(1); raise SystemExit(5)"
    thread = threading.Thread(target=lambda: processes.append(_start(sandbox, workdir, code)))
    thread.start()
    thread.join()
    assert processes[0].wait(30.0) == 5


def test_dies_with_its_parent(sandbox: Sandbox, workdir: Path) -> None:
    """When the process that started it is killed, a command does not stay behind."""
    script = f"""
import sys, time
from pathlib import Path
from envreward import registry
sandbox = registry.find("sandboxes", {sandbox.name!r})()
code = "import time; time.sleep({_mark(4567)})"
process = sandbox.start([sys.executable, "-c", code], workdir=Path({str(workdir)!r}))
print("started", flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "started\n"
    parent.stdout.close()
    deadline = time.monotonic() + 20.0
    while not (pids := [p for p in _running(_mark(4567)) if p != parent.pid]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert pids
    parent.kill()
    parent.wait()
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _running(_mark(4567)) == []


def test_descriptors_do_not_leak(sandbox: Sandbox, workdir: Path, run: Run) -> None:
    """Starting and ending commands leaves no descriptor open here, and none of ours open there."""
    run("pass")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        run("pass")
    assert len(os.listdir("/proc/self/fd")) == before
    kept = os.open("/etc/passwd", os.O_RDONLY)
    os.set_inheritable(kept, True)
    try:
        ended = run("import os; print([os.readlink(f'/proc/self/fd/{f}') for f in os.listdir('/proc/self/fd')[:-1]])")
    finally:
        os.close(kept)
    assert "passwd" not in ended.log


def test_all_installed_sandboxes_are_tested() -> None:
    """Every sandbox that EnvReward offers goes through these tests."""
    assert registry.names("sandboxes") == ["bubblewrap", "docker", "process"]
