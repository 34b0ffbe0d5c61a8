"""Settings, small parts around the training, and what is missing."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console

from envreward.errors import ConfigError, MissingExtraError, RewardRuntimeError
from envreward.registry import make_task
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.rewards.sequence import Flow
from envreward.training.config import RacingConfig, TrainingJob
from envreward.training.plan import Plan
from envreward.training.progress import TrainingProgress
from envreward.training.reward_source import TrustedSource
from envreward.training.runner import check_job, start_training
from envreward.training.track import WandbMirror


def test_job_survives_the_trip(make_job, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """A job written is read back equal, racing and network sizes included."""
    job = make_job({"a-s0": "expert", "b-s0": "rewards/b.py"}, racing=RacingConfig(keep=0.25))
    job.save(tmp_path)
    assert TrainingJob.load(tmp_path) == job


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, r"ppo\.epochs must be at least 1, got 0"),
        ({"gamma": 2.0}, r"ppo\.gamma must be from 0 to 1, got 2\.0"),
        ({"clip_range": -1.0}, r"ppo\.clip_range must be above 0"),
        ({"entropy_coef": -0.1}, r"ppo\.entropy_coef must not be negative"),
        ({"init_log_std": float("nan")}, r"ppo\.init_log_std must be a finite number"),
        ({"lr_schedule": "adaptive"}, r"adaptive needs ppo\.target_kl"),
    ],
)
def test_settings_of_ppo_that_mean_nothing_are_refused(make_job, change: dict[str, object], message: str) -> None:  # type: ignore[no-untyped-def]
    """Before anything starts, with the setting's name and what it was."""
    with pytest.raises(ConfigError, match=message):
        check_job(make_job(ppo=change))


def test_plan_survives_the_trip(tmp_path: Path) -> None:
    """A plan written is read back equal; a training that has not begun has none."""
    plan = Plan(stage=1, until=20, shards=(("a", "b"), ("c",)), previous_shards=2)
    assert Plan.load(tmp_path) is None
    plan.save(tmp_path)
    assert Plan.load(tmp_path) == plan


def test_trusted_reward_that_is_not_finite_is_an_error() -> None:
    """A NaN in a trusted reward too is found, with the number of rows."""
    fields = make_task("Hopper").fields
    source = TrustedSource(
        FunctionReward(("x_velocity",), lambda x_velocity: RewardOutput(x_velocity.log(), {})), fields, 8, 2
    )
    flow = Flow(*(torch.zeros(3, 2, dtype=torch.bool) for _ in range(3)))
    source.inputs["x_velocity"][:] = torch.tensor([1.0, -1.0, 2.0, -2.0, 1.0, 1.0, -9.0, -9.0])
    source.submit(flow)
    with pytest.raises(RewardRuntimeError, match="2 of 6 rewards"):
        source.result(1.0)
    source.inputs["x_velocity"][:] = 1.0
    source.submit(flow)
    assert source.result(1.0).total.tolist() == [0.0] * 6


def test_tracking_without_wandb_says_how_to_install_it(make_job, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    """Without Weights & Biases, --track is refused with the pip line."""
    import sys

    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtraError, match=r'pip install "envreward\[track\]"'):
        WandbMirror(make_job(), "run")


def test_progress_shows_share_rate_and_score(make_job, process_sandbox, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """On a terminal the bar ends at 100% with steps per second and the members' mean fitness."""
    import time

    screen = io.StringIO()
    handle = start_training(make_job(), tmp_path, process_sandbox)
    with TrainingProgress(handle, Console(file=screen, force_terminal=True, width=120)) as progress:
        while not handle.poll():
            progress.update(handle.rows())
            time.sleep(0.05)
        progress.update(handle.rows())
    text = screen.getvalue()
    assert "100%" in text and "steps/s" in text and "fitness" in text
