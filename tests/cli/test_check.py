"""``envreward check``: what it says of good and of bad programs, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from envreward import registry
from envreward.cli.main import main
from envreward.fields import readable_fields
from envreward.registry import make_task

ENV = "InvertedPendulum"


@pytest.fixture(scope="module")
def field() -> str:
    """A readable scalar field of the task."""
    fields = readable_fields(make_task(ENV).fields)
    return next(n for n, f in fields.items() if f.shape == () and f.dtype == "float32" and n != "time")


@pytest.fixture(scope="module")
def sandbox() -> str:
    """The default sandbox where it works."""
    return "bubblewrap" if registry.find("sandboxes", "bubblewrap")().unavailable() is None else "process"


def _check(path: Path, source: str, *options: str) -> int:
    path.write_text(source)
    return main(["check", str(path), "--env", ENV, *options])


def test_good_program(tmp_path: Path, field: str, sandbox: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A usable program is described: what it reads and returns, and how long a call takes. Exit code 0."""
    source = f'def compute_reward({field}):\n    return -{field}.abs(), {{"upright": -{field}.abs()}}\n'
    assert _check(tmp_path / "reward.py", source, "--sandbox", sandbox) == 0
    out = capsys.readouterr().out
    assert out.startswith("ok: ")
    assert f"reads       {field}" in out
    assert "components  upright" in out
    assert "ms per call on 1024 states" in out


def test_every_breach_with_its_line(tmp_path: Path, field: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A program that breaks rules is answered with each line, the reason and the fix. Exit code 3, and no sandbox."""
    source = f"import os\ndef compute_reward({field}, nonsense):\n    y = torch.load('x')\n    return y, {{}}\n"
    assert _check(tmp_path / "reward.py", source, "--sandbox", "no-such-sandbox-needed") == 3
    out = capsys.readouterr().out
    assert "rejected: " in out
    assert "line 1: `import os` is not allowed." in out
    assert "   1 | import os" in out
    assert "line 2: `nonsense` is not a field" in out
    assert "   3 |     y = torch.load('x')" in out
    assert out.count("fix: ") == 3


def test_failing_program(tmp_path: Path, field: str, sandbox: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A program that fails on real states is answered with its own line and the fix. Exit code 3."""
    source = f"def compute_reward({field}):\n    x = {field}\n    return x[:, 0], {{}}\n"
    assert _check(tmp_path / "reward.py", source, "--sandbox", sandbox, "--json") == 3
    verdict = json.loads(capsys.readouterr().out)
    assert (verdict["status"], verdict["line"]) == ("failed", 3)
    assert "scalar field is [N]" in verdict["reason"]


def test_bad_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing, an unreadable and an empty file, and an unknown environment, are one-line errors."""
    assert main(["check", str(tmp_path / "none.py"), "--env", ENV]) == 1
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00\x01")
    assert main(["check", str(tmp_path / "binary.py"), "--env", ENV]) == 2
    assert main(["check", str(tmp_path / "binary.py"), "--env", "InvertedPendulun"]) == 2
    assert _check(tmp_path / "empty.py", "") == 3
    captured = capsys.readouterr()
    assert "unparsed" in captured.out
    assert captured.err.count("\n") == 3
