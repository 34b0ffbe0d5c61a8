"""`envreward report` and `envreward video` from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from envreward.cli.main import main
from envreward.studies import StudyConfig
from envreward.studies.store import StudyStore


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study that has only just begun, in the folder where runs are looked for."""
    monkeypatch.setenv("ENVREWARD_RUNS", str(tmp_path))
    StudyStore.create(tmp_path / "mine", StudyConfig(env_id="EnvReward/Hopper-v0", instruction="Hop."), {}).close()
    return tmp_path / "mine"


def test_report_prints_where_it_is(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run is found by its name; the one line printed is the report's path."""
    assert main(["report", "mine", "--no-video"]) == 0
    assert capsys.readouterr().out == f"{run / 'report.html'}\n"
    assert "No reward yet" in (run / "report.html").read_text()


def test_report_of_nothing_is_one_line(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown run: near matches, an exit code, nothing written."""
    assert main(["report", "mime"]) == 2
    said = capsys.readouterr().err
    assert "did you mean 'mine'?" in said and len(said.splitlines()) == 1


def test_video_says_what_it_lacks(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No policy in a folder, no winner in a run, a file that is no film."""
    assert main(["video", str(run)]) == 7 and "no policy of a winner" in capsys.readouterr().err
    assert main(["video", str(run.parent)]) == 2 and "no policy in" in capsys.readouterr().err
    assert main(["video", str(run.parent), "--out", "film.avi"]) == 2
    assert ".mp4 or .gif" in capsys.readouterr().err
    assert main(["video", str(run.parent), "--width", "7"]) == 2
