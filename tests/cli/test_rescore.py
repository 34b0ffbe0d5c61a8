"""``envreward rescore``: what it prints and returns, for the task's rewards and for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envreward import registry

Cli = Callable[..., Any]

COUNTER = f"{Path(__file__).parents[1] / 'counter_worlds.py'}:counter"


@pytest.fixture
def rollouts(cli: Cli, tmp_path: Path) -> str:
    """Random episodes of the counter family."""
    path = tmp_path / "r.jsonl"
    args = ["--env", COUNTER, "--policy", "random", "--episodes", "8", "--out", str(path)]
    assert cli("agent", *args).code == 0
    return str(path)


@pytest.fixture(scope="module")
def sandbox() -> str:
    """The default sandbox where it works."""
    return "bubblewrap" if registry.find("sandboxes", "bubblewrap")().unavailable() is None else "process"


def test_the_tasks_own_reward(cli: Cli, rollouts: str) -> None:
    """Each episode has its line, and the whole says how return tells success."""
    said = cli("rescore", rollouts, "--reward", "sparse")
    assert said.code == 0, said.err
    assert "sparse over 8 episodes of random in" in said.out.replace("\n", " ")
    outcomes = [line.split()[1] for line in said.out.splitlines() if line.split()[0].isdigit()]
    assert len(outcomes) == 8 and set(outcomes) == {"success", "truncated"}
    assert "AUC 1.000" in said.out and "Pearson 1.000, Spearman 1.000" in said.out
    assert "reward is not zero" in said.out


def test_a_program_as_json(cli: Cli, rollouts: str, sandbox: str, tmp_path: Path) -> None:
    """A program, or a model's answer that holds one, is run in the sandbox; JSON has the reward of every step."""
    code = "def compute_reward(value, target):\n    gap = (target - value).abs()\n    return -gap, {'gap': -gap}\n"
    answer = f"Here:\n```python\n{code}```\n"
    (tmp_path / "answer.md").write_text(answer)
    said = cli("rescore", rollouts, "--reward", str(tmp_path / "answer.md"), "--sandbox", sandbox, "--json")
    assert said.code == 0, said.err
    result = json.loads(said.out)
    assert len(result["episodes"]) == 8 == result["overall"]["episodes"]
    for episode in result["episodes"]:
        assert len(episode["rewards"]) == episode["steps"]
        assert (
            episode["return"] == pytest.approx(sum(episode["rewards"])) == pytest.approx(episode["components"]["gap"])
        )
        assert episode["success"] == (episode["rewards"][-1] == 0.0)
    assert result["overall"]["auc"] > 0.5


@pytest.mark.parametrize(
    ("reward", "code", "words"),
    [
        ("def compute_reward(valu):\n    return valu, {}\n", 3, "Did you mean value"),
        ("def compute_reward(success):\n    return success * 1.0, {}\n", 3, "`success` is not a field"),
        ("def compute_reward(shown):\n    return shown, {}\n", 3, "holds text"),
        ("import os\n", 3, "no program was found"),
        ("def compute_reward(value):\n    return value[:, 0], {}\n", 3, "scalar field is [N]"),
    ],
)
def test_programs_that_cannot_be_used(
    cli: Cli, rollouts: str, sandbox: str, tmp_path: Path, reward: str, code: int, words: str
) -> None:
    """What is wrong with a program is one line with the way to mend it."""
    (tmp_path / "reward.py").write_text(reward)
    said = cli("rescore", rollouts, "--reward", str(tmp_path / "reward.py"), "--sandbox", sandbox)
    last = said.err.splitlines()[-1]
    assert said.code == code and last.startswith("envreward: error: ") and words in last


def test_mistakes_are_one_line(cli: Cli, rollouts: str, tmp_path: Path) -> None:
    """No such file, no such reward, no expert, no sandbox, nothing recorded: one line each."""
    (tmp_path / "reward.py").write_text("def compute_reward(value):\n    return value, {}\n")
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00\x01")
    lines = Path(rollouts).read_text().splitlines(keepends=True)
    (tmp_path / "begun.jsonl").write_text("".join(lines[:2]))
    for args, code, words in (
        ([str(tmp_path / "none.jsonl"), "--reward", "sparse"], 2, "no such file"),
        ([str(tmp_path / "reward.py"), "--reward", "sparse"], 2, "is not a rollouts file"),
        ([str(tmp_path / "begun.jsonl"), "--reward", "sparse"], 2, "no episode that has ended"),
        ([rollouts, "--reward", "spars"], 2, "neither a file nor one of expert, sparse"),
        ([rollouts, "--reward", "expert"], 2, "no published expert reward"),
        ([rollouts, "--reward", "none"], 2, "pays nothing"),
        ([rollouts, "--reward", str(tmp_path / "binary.py")], 2, "not a text file"),
        ([rollouts, "--reward", str(tmp_path / "reward.py"), "--sandbox", "bublewrap"], 2, "'bubblewrap'"),
    ):
        said = cli("rescore", *args)
        assert said.code == code and words in said.err and said.err.count("\n") == 1, said.err
