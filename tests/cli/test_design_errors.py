"""Bad input to ``design`` and ``resume``: one line, what, where, fix; a non-zero exit; nothing begun, nothing lost."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envreward.studies import StudyConfig
from envreward.studies.store import StudyStore

Cli = Callable[..., Any]


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A run that has begun and proposed nothing yet."""
    folder = tmp_path / "runs" / "mine"
    config = StudyConfig(env_id="EnvReward/InvertedPendulum-v0", instruction="Balance.", sandbox="process")
    StudyStore.create(folder, config, {}).close()
    return folder


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--env", "Hoper"], 2, ["unknown environment 'Hoper'", "'Hopper'"]),
        (["--env", "Hopper", "--designer", "eureca"], 2, ["unknown designer 'eureca'", "'eureka'"]),
        (["--env", "Hopper", "--sandbox", "bublewrap"], 2, ["unknown sandbox 'bublewrap'", "'bubblewrap'"]),
        (["--env", "Hopper", "--designer", "eureka"], 2, ["name one with --llm", "replay:FILE", "evolve"]),
        (["--env", "Hopper", "--llm", "openai/gpt-4o"], 2, ["evolve asks no language model"]),
        (
            ["--env", "Hopper", "--designer", "eureka", "--llm", "manual", "--option", "temprature=1"],
            2,
            ["unknown option of designer eureka 'temprature'", "'temperature'"],
        ),
        (["--env", "Hopper", "--option", "temperature"], 2, ["--option takes NAME=VALUE"]),
        (["--env", "Hopper", "--samples", "0"], 2, ["samples must be at least 1"]),
        (["--env", "Hopper", "--max-usd", "-1"], 2, ["US dollars must be positive"]),
        (["--env", "Hopper", "--instruction", " "], 2, ["instruction is empty"]),
        (["--env", "Hopper", "--device", "tpu"], 2, ["no such device: 'tpu'", "'cuda'"]),
        (["--env", "Hopper", "--device", "cuda", "--processes", "2"], 2, ["one process trains on a GPU"]),
        (["--env", "Hopper", "--name", "a/b"], 2, ["leave out slashes"]),
        (["--env", "Hopper", "--max-env-steps", "1000"], 6, ["does not hold one candidate", "allow "]),
        (
            ["--env", "Hopper", "--designer", "eureka", "--llm", "replay:/nowhere.jsonl"],
            2,
            ["/nowhere.jsonl"],
        ),
    ],
)
def test_a_mistake_is_one_line_and_begins_nothing(
    cli: Cli, tmp_path: Path, args: list[str], code: int, words: list[str]
) -> None:
    """Each mistake names what is wrong and what would be right, and leaves no run behind."""
    said = cli("design", *args, *([] if "--sandbox" in args else ["--sandbox", "process"]))
    assert said.code == code, said.err
    assert said.err.startswith("envreward: error: ") and said.err.count("\n") == 1
    for word in words:
        assert word in said.err
    assert not (tmp_path / "runs").exists()


def test_a_missing_key_is_said_at_once(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A model whose provider's key is not set is refused before a run is begun; the line names the variable."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    said = cli("design", "--env", "Hopper", "--designer", "eureka", "--llm", "openai/gpt-4o", "--sandbox", "process")
    assert said.code == 5 and "OPENAI_API_KEY" in said.err and said.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_no_usable_sandbox_is_no_silent_downgrade(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where bubblewrap cannot be used, the study does not begin and the line says how to mend that."""
    monkeypatch.setenv("PATH", "/nowhere")
    said = cli("design", "--env", "Hopper")
    assert said.code == 4 and "sandbox bubblewrap cannot be used here" in said.err
    assert "bubblewrap" in said.err.split("cannot be used here")[1]
    assert not (tmp_path / "runs").exists()


def test_an_unwritable_folder_is_named(cli: Cli, tmp_path: Path) -> None:
    """A runs folder that cannot be made is an error with its path."""
    (tmp_path / "runs").write_text("a file")
    said = cli("design", "--env", "InvertedPendulum", "--sandbox", "process")
    assert said.code == 1 and str(tmp_path / "runs") in said.err and said.err.count("\n") == 1


def test_a_taken_name_says_how_to_go_on(cli: Cli, begun: Path) -> None:
    """Beginning a run where one is refuses and names the command that resumes it."""
    said = cli("design", "--env", "InvertedPendulum", "--sandbox", "process", "--name", "mine")
    assert said.code == 7 and f"envreward resume {begun}" in said.err


def test_resume_of_an_unknown_run_offers_near_matches(cli: Cli, begun: Path) -> None:
    """A mistyped run lists the ones that resemble it."""
    said = cli("resume", "mien")
    assert said.code == 2 and "unknown run 'mien'" in said.err and "'mine'" in said.err


def test_resume_while_it_runs(cli: Cli, begun: Path) -> None:
    """A run that another process works on is refused with that process's number."""
    with StudyStore.open(begun, versions={}):
        said = cli("resume", str(begun))
    assert said.code == 7 and f"in use by process {os.getpid()}" in said.err and said.err.count("\n") == 1


@pytest.mark.parametrize("verb", ["resume", "show"])
def test_damaged_and_foreign_records(cli: Cli, begun: Path, verb: str) -> None:
    """A damaged record and another program's database are each one line, not a traceback."""
    for side in ("-wal", "-shm"):
        (begun / f"study.db{side}").unlink(missing_ok=True)
    (begun / "study.db").write_bytes(b"scribble" * 1000)
    said = cli(verb, "mine")
    assert said.code == 7 and "damaged" in said.err and said.err.count("\n") == 1
    (begun / "study.db").unlink()
    connection = sqlite3.connect(begun / "study.db")
    connection.execute("CREATE TABLE t (a)")
    connection.commit()
    connection.close()
    said = cli(verb, "mine")
    assert said.code == 7 and "not an EnvReward study" in said.err and said.err.count("\n") == 1


def test_a_folder_that_is_no_run(cli: Cli, tmp_path: Path) -> None:
    """Naming a folder without a study says which file is missing."""
    said = cli("resume", str(tmp_path))
    assert said.code == 7 and "study.db" in said.err
