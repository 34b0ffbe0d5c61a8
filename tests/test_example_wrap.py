"""The example of wrapping your own environment, as a stranger would run it."""

from __future__ import annotations

from pathlib import Path

import pytest

from envreward import contract
from envreward.cli.main import main
from envreward.evaluation import evaluate
from envreward.registry import find, find_task_spec
from envreward.training.config import Member, PPOConfig, TrainingJob
from envreward.training.runner import run_training

EXAMPLE = f"{Path(__file__).parent / 'examples' / 'cartpole.py'}:cartpole"
PROGRAM = """
def compute_reward(pole_angle, cart_position):
    up = torch.exp(-10.0 * pole_angle.square())
    middle = torch.exp(-cart_position.square())
    return up * middle, {"up": up, "middle": middle}
"""


def test_example_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    """`envreward envs FILE.py:NAME` shows the instruction, the fields and when it succeeds."""
    assert main(["envs", EXAMPLE]) == 0
    said = capsys.readouterr().out
    for words in ("Keep the pole upright", "pole_angle", "rad", "400 or more steps", "Discrete(2)"):
        assert words in said


@pytest.mark.parametrize("check", [c for c in contract.CHECKS if c is not contract.check_behaviours])
def test_example_keeps_the_contract(check) -> None:
    """The shipped checks pass on the example, by the name that a plugin's own test would use."""
    check(EXAMPLE)


def test_example_is_learned_in_the_sandbox(tmp_path: Path) -> None:
    """PPO (categorical actions) learns it in the sandbox from its own reward and from a program; evaluation agrees."""
    sandbox = find("sandboxes", "bubblewrap")()
    if sandbox.unavailable():
        sandbox = find("sandboxes", "process")()
    (tmp_path / "rewards").mkdir()
    (tmp_path / "rewards" / "program.py").write_text(PROGRAM)
    job = TrainingJob(
        env_id=find_task_spec(EXAMPLE).id,
        members=(
            Member(key="native", group="native", reward="expert", seed=0),
            Member(key="program", group="program", reward="rewards/program.py", seed=1),
        ),
        total_steps=30_000,
        ppo=PPOConfig(num_worlds=8, rollout_steps=128, minibatch_size=256, learning_rate=1e-3),
        processes=1,
        tensorboard=False,
    )
    results = run_training(job, tmp_path, sandbox)
    assert {key: result.status for key, result in results.items()} == {"native": "trained", "program": "trained"}
    scores = evaluate(job.env_id, {key: tmp_path / "members" / key for key in results}, episodes=8, seed=7)
    for score in scores.values():
        assert score.fitness > 300.0, score
