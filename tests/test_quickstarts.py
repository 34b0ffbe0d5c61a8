"""The quickstart page of each family of environments: what it says runs."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest
import tyro

from envreward.cli.main import VERBS, main
from envreward.registry import task_specs

ENVS = Path(__file__).resolve().parents[1] / "envs"
FAMILIES = sorted({spec.family for spec in task_specs().values()})
SMALLER = {"--steps": "600", "--episodes": "2"}
"""What the test makes smaller, so that a training takes seconds."""


def page(family: str) -> str:
    return (ENVS / family / "README.md").read_text()


def commands(family: str) -> list[list[str]]:
    """The page's command lines, without the program's name."""
    lines = re.findall(r"^    envreward (.+)$", page(family), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_python_of_a_quickstart_runs(family: str) -> None:
    """The code from ``gym.make_vec`` to the first rewards runs as it stands."""
    [code] = re.findall(r"^```python\n(.*?)^```$", page(family), re.MULTILINE | re.DOTALL)
    assert "gym.make_vec(" in code
    exec(compile(code, f"{family}/README.md", "exec"), {})


@pytest.mark.parametrize("family", FAMILIES)
def test_the_commands_of_a_quickstart_are_understood(family: str) -> None:
    """Each command line parses, and the environment that it names exists."""
    lines = commands(family)
    assert {"train", "video"} <= {line[0] for line in lines}
    for verb, *options in lines:
        assert verb in VERBS
        command = importlib.import_module(f"envreward.cli.{verb}").Command
        parsed = tyro.cli(command, args=options, config=(tyro.conf.AvoidSubcommands,))
        named = getattr(parsed, "env", None) or getattr(parsed, "id", None)
        if named is not None:
            assert f"EnvReward/{named}-v0" in task_specs()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_quickstart_leads_to_a_film(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first training of the page and the film of its policy work as they are written, with fewer steps."""
    monkeypatch.chdir(tmp_path)
    lines = commands(family)
    train = next(line for line in lines if line[0] == "train")
    video = next(line for line in lines if line[0] == "video")
    for option, value in SMALLER.items():
        if option in train:
            train[train.index(option) + 1] = value
        else:
            train += [option, value]
    assert main(train) == 0, capsys.readouterr().err
    assert main([*video, "--seconds", "0.5", "--width", "64", "--height", "64"]) == 0, capsys.readouterr().err
    film = tmp_path / video[video.index("--out") + 1]
    assert film.stat().st_size > 1000
