"""``envreward compare``: verdicts in words, the same as JSON, and mistakes in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envreward import registry
from envreward.registry import make_task
from envreward.training.config import Member, MetricRow, TrainingJob
from envreward.training.metrics import append_rows

Cli = Callable[..., Any]

COUNTER = f"{Path(__file__).parents[1] / 'counter_worlds.py'}:shaped"
AWAY = "def compute_reward(value, target):\n    gap = (target - value).abs()\n    return gap, {'gap': gap}\n"


@pytest.fixture(scope="module")
def sandbox() -> str:
    """The default sandbox where it works."""
    return "bubblewrap" if registry.find("sandboxes", "bubblewrap")().unavailable() is None else "process"


def training(folder: Path, env_id: str, reward: str) -> Path:
    """A training in which return rose while fitness fell."""
    folder.mkdir()
    TrainingJob(env_id=env_id, members=(Member(key="m-s0", group="m", reward=reward, seed=0),), total_steps=3000).save(
        folder
    )
    append_rows(
        folder,
        [
            MetricRow(
                key="m-s0",
                step=100 * i,
                wall_s=0.0,
                success=0.0,
                fitness=1.0 - i / 100,
                episode_return=float(i),
                episode_length=12.0,
                components={},
                reward_mean=0.0,
                entropy=None,
                kl=None,
                clip_fraction=None,
                value_loss=None,
                explained_variance=None,
                learning_rate=0.0,
            )
            for i in range(1, 31)
        ],
    )
    return folder


def test_a_bad_program_and_the_sparse_reward(cli: Cli, sandbox: str, tmp_path: Path) -> None:
    """Walking away from the target: distrusted, opposite to success, with exploits, trainings and JSON beside it."""
    (tmp_path / "away.py").write_text(AWAY)
    (tmp_path / "exploits").mkdir()
    cheat = tmp_path / "exploits" / "random.jsonl"
    assert cli("agent", "--env", COUNTER, "--policy", "random", "--episodes", "4", "--out", str(cheat)).code == 0
    run = training(tmp_path / "t", make_task(COUNTER).spec.id, "sparse")
    args = ["--env", COUNTER, "--episodes", "6", "--sandbox", sandbox, "--exploits", str(cheat.parent)]
    more = ["--rollouts", str(cheat), "--training", str(run), "--json", str(tmp_path / "found.json")]
    said = cli("compare", "sparse", str(tmp_path / "away.py"), *args, *more)
    assert said.code == 0, said.err
    assert "away.py: do not trust it" in said.out and "failures are paid more" in said.out
    assert "sparse: do not trust it" in said.out and "In training m-s0 its return rose while fitness fell" in said.out
    assert "sparse and away.py" in said.out and "STARC distance" in said.out and "EPIC distance" in said.out
    assert "Exploit random.jsonl (4 episodes of random" in said.out
    assert "Fitness: 1 if the counter ends at its target, else 0." in said.out
    raw = json.loads((tmp_path / "found.json").read_text())
    found, verdicts = raw["judgement"], raw["verdicts"]
    assert [(p["policy"], p["kind"], p["episodes"]) for p in found["policies"]] == [
        ("oracle", "reference", 6),
        ("null", "null", 6),
        ("random", "random", 6),
        ("random (2)", "recorded", 4),
    ]
    assert [r["name"] for r in found["rewards"]] == ["sparse", "away.py"]
    assert found["rewards"][1]["cost_s"] > 0 and found["pairs"][0]["starc_val"] > 0.5
    assert found["trainings"][0]["course"] == "misaligned" and found["trainings"][0]["reward"] == "sparse"
    assert verdicts["rewards"][0]["level"] == "distrust"
    assert all(len(remark) == 2 for v in verdicts["rewards"] for remark in v["remarks"])


def test_mistakes_are_one_line(cli: Cli, tmp_path: Path) -> None:
    """No such reward, file, folder, run, environment or sandbox; a program against the rules; a reward named twice."""
    (tmp_path / "away.py").write_text(AWAY)
    (tmp_path / "private.py").write_text("def compute_reward(success):\n    return success * 1.0, {}\n")
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.jsonl").write_text("{}\n")
    env = ["--env", COUNTER]
    for args, code, words in (
        (env, 2, "at least one reward"),
        (["spars", *env], 2, "neither a file nor a reward of"),
        (["expert", *env], 2, "no published expert reward"),
        (["sparse", "sparse", *env], 2, "named twice"),
        (["sparse", "--env", "Hoper"], 2, "Hopper"),
        (["sparse", *env, "--policies", str(tmp_path / "empty")], 2, "holds no policy"),
        (["sparse", *env, "--rollouts", str(tmp_path / "none.jsonl")], 2, "no such file"),
        (["sparse", *env, "--rollouts", str(tmp_path / "text.jsonl")], 2, "is not a rollouts file"),
        (["sparse", *env, "--exploits", str(tmp_path / "empty")], 2, "holds no rollouts"),
        (["sparse", *env, "--training", str(tmp_path / "empty")], 7, "no study in"),
        (["sparse", *env, "--episodes", "0"], 2, "episodes must be at least 1"),
        ([str(tmp_path / "away.py"), *env, "--sandbox", "bublewrap"], 2, "'bubblewrap'"),
        ([str(tmp_path / "private.py"), *env, "--sandbox", "process"], 3, "`success` is not a field"),
        ([str(tmp_path / "binary.py"), *env, "--sandbox", "process"], 2, "not a text file"),
    ):
        said = cli("compare", *args)
        assert said.code == code and words in said.err and said.err.count("\n") == 1, (args, said.err)
