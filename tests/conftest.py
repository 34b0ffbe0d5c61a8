"""Fixtures for every test."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType


def _load(name: str) -> ModuleType:
    # The tests are no package, so that they never shadow one; helpers are loaded by path.
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def pytest_configure() -> None:
    """Let Ctrl-C interrupt the processes that tests start, also where the tests themselves run with it ignored.

    A shell starts what it puts into the background that way, and processes inherit it: they would never be stopped.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


_load("counter_worlds")  # so that tests can import it


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Return a folder that one of the processes that run tests has filled, while the others wait. Not to be written."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def make(name: str, fill: Callable[[Path], None]) -> Path:
        folder, draft = root / name, root / f"{name}.draft"
        with open(root / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                shutil.rmtree(draft, ignore_errors=True)
                draft.mkdir()
                fill(draft)
                draft.rename(folder)
        return folder

    return make


@pytest.fixture
def llm_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A running `LLMServer` (see llm_server.py) that ``openai/...`` models speak to; answers ``answer 0`` and so on."""
    server = _load("llm_server").LLMServer()
    server.start()
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef0123")
    yield server
    server.stop()


@pytest.fixture
def reply() -> Any:
    """The module llm_server: `text` and `error` make the answers that the server is told to give."""
    return _load("llm_server")
