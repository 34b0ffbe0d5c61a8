"""``envreward train`` and ``envreward evaluate``, as a person calls them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from envreward.cli.main import main
from envreward.registry import find_task_spec
from envreward.training.config import PPOConfig

SMALL = [
    *("--ppo.num-worlds", "4", "--ppo.rollout-steps", "32", "--ppo.epochs", "1"),
    *("--processes", "1", "--episodes", "2", "--sandbox", "process"),
]


def test_train_then_evaluate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A training ends with a table of scores and says where the policies lie; evaluating one prints its scores."""
    out = tmp_path / "run"
    arguments = ["--env", "Hopper", "--steps", "256", "--seeds", "2", "--seed", "5", "--out", str(out), *SMALL]
    assert main(["train", *arguments]) == 0
    printed = capsys.readouterr().out
    for word in ("s5", "s6", "trained", "fitness", "envreward video", str(out)):
        assert word in printed
    assert main(["evaluate", str(out / "members" / "s5"), "--episodes", "3"]) == 0
    printed = capsys.readouterr().out
    for word in ("EnvReward/Hopper-v0", "3 episodes", "success", "fitness", "episode length"):
        assert word in printed


def test_a_tasks_own_settings_are_the_defaults(tmp_path: Path) -> None:
    """What is not given on the command line is as the task's catalog says; what is given stays."""
    out = tmp_path / "run"
    assert main(["train", "--env", "Hopper", "--steps", "128", "--out", str(out), *SMALL, "--ppo.gamma", "0.9"]) == 0
    settings = json.loads((out / "job.json").read_text())["ppo"]
    catalog = find_task_spec("Hopper").training["ppo"]
    assert settings["init_log_std"] == catalog["init_log_std"] != PPOConfig().init_log_std
    assert settings["gae_lambda"] == catalog["gae_lambda"] != PPOConfig().gae_lambda
    assert (settings["gamma"], settings["rollout_steps"]) == (0.9, 32)


@pytest.mark.parametrize("verb", ["train", "design"])
def test_help_shows_the_tasks_own_settings(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With a task named, wherever and however, the help tells its defaults; of several the last one counts."""
    own = f"(default: {find_task_spec('MetaWorld-reach').training['ppo']['obs_min_std']})"
    given = (["--help", "--env", "MetaWorld-reach"], ["--env=Hopper", "--env=MetaWorld-reach", "-h"])
    for args, shown in ((given[0], True), (given[1], True), (["--env", "Hopper", "--help"], False)):
        with pytest.raises(SystemExit) as end:
            main([verb, *args])
        text = capsys.readouterr().out
        after = text[text.index("--ppo.obs-min-std") :].split("--", 2)[1]
        assert end.value.code == 0 and (own in " ".join(after.replace("│", " ").split())) == shown


def test_own_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program that fails in training ends with its status, its reason and exit code 3."""
    program = tmp_path / "mine.py"
    program.write_text(
        "import torch\ndef compute_reward(x_velocity: torch.Tensor):\n"
        "    speed = torch.log(x_velocity - 99.0)\n    return speed, {'speed': speed}\n"
    )
    arguments = ["--env", "Hopper", "--reward", str(program), "--steps", "256", "--out", str(tmp_path / "run"), *SMALL]
    assert main(["train", *arguments]) == 3
    printed = capsys.readouterr().out
    assert "failed" in printed and "not finite" in printed


def test_learned_reward(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --learning the program's components are factors, and the reward is what a decoder makes of them."""
    program, out = tmp_path / "factors.py", tmp_path / "run"
    program.write_text(
        "def compute_reward(x_velocity, uprightness):\n"
        "    return 0.0 * x_velocity, {'speed': x_velocity, 'upright': uprightness}\n"
    )
    arguments = ["--env", "Hopper", "--reward", str(program), "--steps", "512", "--out", str(out), *SMALL]
    assert main(["train", *arguments, "--learning", "lare"]) == 0
    assert "trained" in capsys.readouterr().out
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    returns = [row["episode_return"] for row in rows if row["episode_return"] is not None]
    assert any(value != 0.0 for value in returns), "the program's own total, which is zero, is not what is paid"


def test_broken_physics_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """The summary says in how many episodes of which policy the physics broke, and nothing where they held."""
    from envreward.training import metrics

    read = metrics.read_rows
    monkeypatch.setattr(metrics, "read_rows", lambda out: [dataclasses.replace(row, broken=2) for row in read(out)])
    arguments = ["train", "--env", "Hopper", "--steps", "512", "--out", str(tmp_path / "run"), *SMALL]
    assert main(arguments) == 0
    rows = len(read(tmp_path / "run"))
    assert f"the physics broke in {2 * rows:,} of its episodes" in capsys.readouterr().out
    monkeypatch.undo()
    assert main(arguments) == 0 and "physics broke" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--env", "Hopper", "--learning", "lara"], 2, "lare"),
        (["--env", "Hoppr"], 2, "did you mean"),
        (["--env", "Hopper", "--reward", "nothing.py"], 2, "neither a file nor one of expert, sparse"),
        (["--env", "Hopper", "--seeds", "0"], 2, "--seeds must be at least 1"),
        (["--env", "Hopper", "--steps", "0"], 2, "total_steps must be at least 1"),
        (["--env", "Hopper", "--sandbox", "proces"], 2, "did you mean 'process'"),
        (["--env", "Hopper", "--device", "cuda", "--trainer", "sb3:ppo"], 2, "sb3:ppo trains on the CPU only"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What cannot work is said in one line, with a non-zero exit, and leaves no folder behind."""
    monkeypatch.chdir(tmp_path)
    assert main(["train", *arguments]) == code
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not [*tmp_path.iterdir()]


def test_program_that_breaks_a_rule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program that the static check refuses is not trained: line and reason, exit code 3."""
    program = tmp_path / "bad.py"
    program.write_text("import os\ndef compute_reward(x_velocity):\n    return x_velocity, {}\n")
    assert main(["train", "--env", "Hopper", "--reward", str(program), "--out", str(tmp_path / "run"), *SMALL]) == 3
    assert "line 1" in capsys.readouterr().err


def test_evaluate_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without a policy is refused."""
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "holds no policy" in capsys.readouterr().err
