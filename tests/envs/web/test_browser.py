"""The browser: one per process, which leaves nothing behind, and whose end costs an episode and not the batch."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from envreward.envs.web.kit import chromium
from envreward.envs.web.miniwob.actions import Wait
from envreward.envs.web.miniwob.batch import MiniWoBBatch
from envreward.envs.web.miniwob.games import GAMES
from envreward.errors import ConfigError, InfraError

WAIT_S = 20.0


@pytest.fixture(scope="module", autouse=True)
def browser() -> Iterator[None]:
    """Leave no browser behind."""
    yield
    chromium.close_shared()


def _gone(pids: list[int]) -> bool:
    """Whether all processes end within `WAIT_S`; those that nobody has waited for count as ended."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
            return True
        time.sleep(0.05)
    return False


def _family(browser: chromium.Chromium) -> list[int]:
    assert browser.pid is not None
    process = psutil.Process(browser.pid)
    return [process.pid, *(child.pid for child in process.children(recursive=True))]


def test_one_browser_serves_the_process_and_leaves_nothing() -> None:
    """`shared` launches once; closing ends every process of it and removes its profile."""
    first = chromium.shared()
    assert chromium.shared() is first
    pids, profile = _family(first), first.profile
    assert profile is not None and profile.is_dir()
    chromium.close_shared()
    assert _gone(pids)
    assert not profile.exists()
    assert not first.alive
    with pytest.raises(InfraError, match="closed"):
        first.run(asyncio.sleep(0))


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """An empty folder whose path is short enough for the sockets that Chromium makes in it (108 bytes)."""
    with tempfile.TemporaryDirectory(prefix="er", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


PROGRAM = """
import os, signal, sys
from envreward.envs.web.kit import chromium
print(chromium.shared().pid, flush=True)
if sys.argv[1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("end", ["exit", "killed"])
def test_a_process_takes_its_browser_with_it(end: str, short_folder: Path) -> None:
    """Whether it ends by itself or is killed, neither browser nor profile outlives the process that launched it."""
    environment = {**os.environ, "TMPDIR": str(short_folder)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, end], env=environment, stdout=subprocess.PIPE, check=False, timeout=120
    )
    assert done.returncode == (0 if end == "exit" else -signal.SIGKILL)
    assert _gone([int(done.stdout)])
    deadline = time.monotonic() + WAIT_S
    while list(short_folder.glob("playwright*profile*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not list(short_folder.glob("playwright*profile*"))


def test_it_may_be_used_inside_a_running_event_loop() -> None:
    """Worlds work wherever they are called from, a notebook's event loop included."""

    async def inside() -> None:
        batch = MiniWoBBatch("click-test", GAMES["click-test"], 1)
        batch.reset([0], [0])
        batch.act({0: batch.oracle(0)})
        assert batch.facts(0)["success"]
        batch.close()

    asyncio.run(inside())


def test_no_browser_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install or to set."""
    monkeypatch.setenv(chromium.VARIABLE, "/no/such/chromium")
    with pytest.raises(ConfigError, match=r"ENVREWARD_CHROMIUM=/no/such/chromium is not an executable file"):
        chromium.executable()
    monkeypatch.delenv(chromium.VARIABLE)
    monkeypatch.setenv("PATH", "/no/such/folder")
    with pytest.raises(ConfigError, match="no Chromium found: install it"):
        chromium.executable()


def test_a_browser_that_does_not_start_is_an_infra_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is no browser is reported with its path, and leaves no thread behind."""
    chromium.close_shared()
    monkeypatch.setenv(chromium.VARIABLE, "/bin/false")
    with pytest.raises(InfraError, match="/bin/false does not start"):
        chromium.shared()


def test_a_killed_browser_costs_the_episodes_and_no_more() -> None:
    """After `kill -9` all worlds report it; the next reset opens another browser, and the batch goes on."""
    batch = MiniWoBBatch("click-test-2", GAMES["click-test-2"], 2)
    batch.reset([0, 1], [0, 1])
    killed = chromium.shared()
    assert killed.pid is not None
    os.killpg(killed.pid, signal.SIGKILL)
    batch.act({0: Wait(), 1: Wait()})
    assert all("gone" in error for error in batch.infra_error), batch.infra_error
    batch.act({0: Wait(), 1: Wait()})  # nothing more happens to lost worlds
    batch.reset([0], [0])
    assert not batch.infra_error[0] and batch.infra_error[1]
    batch.reset([1], [1])
    batch.act({0: batch.oracle(0), 1: batch.oracle(1)})
    assert batch.facts(0)["success"] and batch.facts(1)["success"]
    assert chromium.shared() is not killed
    assert killed.profile is not None and not killed.profile.exists()
    batch.close()


def test_a_hanging_browser_is_killed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that does not answer is ended after the time limit and replaced."""
    batch = MiniWoBBatch("click-test", GAMES["click-test"], 1)
    batch.reset([0], [0])
    hanging = chromium.shared()
    assert hanging.pid is not None
    pids = _family(hanging)
    os.killpg(hanging.pid, signal.SIGSTOP)
    monkeypatch.setattr(chromium.Chromium.run, "__defaults__", (1.0,))
    batch.act({0: Wait()})
    assert "did not answer within 1 s" in batch.infra_error[0]
    assert _gone(pids)
    monkeypatch.undo()
    batch.reset([0], [0])
    batch.act({0: batch.oracle(0)})
    assert batch.facts(0)["success"]
    assert hanging.profile is not None and not hanging.profile.exists()
    batch.close()
