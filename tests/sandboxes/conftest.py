"""Sandboxes that work on this machine, and a short way to run Python in them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from envreward import registry
from envreward.sandbox import Limits, Sandbox

Run = Callable[..., "Ended"]


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    log: str
    timed_out: bool


def run_in(sandbox: Sandbox, workdir: Path) -> Run:
    """Return a function that runs Python code in a sandbox and waits for its end."""

    def run(
        code: str, *, env: Mapping[str, str] | None = None, readonly: Sequence[Path] = (), **limits: float | int
    ) -> Ended:
        process = sandbox.start(
            [sys.executable, "-c", code],
            workdir=workdir,
            readonly=readonly,
            limits=Limits(**{"wall_s": 30.0, **limits}),  # type: ignore[arg-type]
            env=env,
        )
        return Ended(process.wait(60.0), process.log_tail(), process.timed_out)

    return run


def usable(name: str) -> Sandbox:
    """Return the sandbox called ``name``, or skip the test where it does not work."""
    sandbox: Sandbox = registry.find("sandboxes", name)()
    if (reason := sandbox.unavailable()) is not None:
        pytest.skip(reason)
    return sandbox


@pytest.fixture(params=["bubblewrap", "docker", "process"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """Each sandbox in turn: what holds for all of them."""
    return usable(request.param)


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    """An empty folder for a command."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def run(sandbox: Sandbox, workdir: Path) -> Run:
    """Run Python code in each sandbox in turn."""
    return run_in(sandbox, workdir)


@pytest.fixture(params=["as started", "user namespace"])
def bubblewrap(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The sandbox that isolates, in both its ways: real root changes user, anyone else gets a user namespace."""
    if request.param == "user namespace":
        if os.geteuid() != 0:
            pytest.skip("that is how it is started anyway")
        monkeypatch.setattr("envreward.sandboxes.bubblewrap._is_root", lambda: False)
    return usable("bubblewrap")


@pytest.fixture
def isolated(bubblewrap: Sandbox, workdir: Path) -> Run:
    """Run Python code in the sandbox that isolates."""
    return run_in(bubblewrap, workdir)
