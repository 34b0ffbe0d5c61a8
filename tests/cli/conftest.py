"""Fixtures for the tests of the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from envreward.cli.main import main


class Said(NamedTuple):
    """What a command returned and printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Said]:
    """Run a command in this process, with runs and kept baselines in the test's own folder."""
    monkeypatch.setenv("ENVREWARD_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("ENVREWARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "160")

    def run(*args: str) -> Said:
        code = main(args)
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run
