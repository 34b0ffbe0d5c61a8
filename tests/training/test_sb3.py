"""Stable-Baselines3 as trainer: the same folder format, the same policies, failures stay with their member."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from envreward.errors import MissingExtraError
from envreward.registry import make_task
from envreward.training.config import MemberResult
from envreward.training.metrics import read_rows
from envreward.training.policy_io import load_policy
from envreward.training.reward_opening import open_reward
from envreward.training.runner import run_training
from envreward.training.sb3 import require, train_member

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning")


@pytest.mark.parametrize("trainer", ["sb3:ppo", "sb3:sac", "sb3:td3"])
def test_policy_acts_as_sb3_would(  # type: ignore[no-untyped-def]
    trainer: str, make_job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The policy that is written gives the actions of SB3's own `predict`, normalisation and squashing included.

    SB3 leaves no folder in the temporary directory.
    """
    from envreward.training.sb3_learner import Sb3Learner

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    job = make_job(trainer=trainer, total_steps=256)
    task = make_task(job.env_id)
    source = open_reward(job.members[0], job, tmp_path, task, Sb3Learner.num_worlds(job))
    learner = Sb3Learner(job, job.members[0], tmp_path, source, lambda: 0.0)
    learner.learn()
    learner.save_policy()
    obs = np.random.default_rng(0).normal(size=(20, 11))
    seen = learner._normalizer.normalize_obs(obs) if learner._normalizer is not None else obs
    expected, _ = learner._model.predict(seen, deterministic=True)
    action = load_policy(tmp_path / "members" / "m0").act(torch.from_numpy(obs))
    np.testing.assert_allclose(action.numpy(), expected, atol=1e-5)
    assert not [*scratch.glob("SB3*")]
    rows = read_rows(tmp_path)
    assert rows[-1].step == 256
    assert sum(rows[-1].components.values()) == pytest.approx(rows[-1].reward_mean, abs=1e-5)
    assert rows[-1].fitness is not None and rows[-1].episode_return is not None


def test_ppo_spreads_its_starts_and_counts_what_broke(make_job, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Episodes cut short to spread the starts are not scored, as with our PPO; broken physics are counted."""
    from envreward.training.sb3_learner import Sb3Learner

    ppo = {"rollout_steps": 250, "minibatch_size": 1000, "epochs": 1, "spread_starts": True}
    job = make_job(trainer="sb3:ppo", env_id="HalfCheetah", total_steps=5000, ppo=ppo)
    source = open_reward(job.members[0], job, tmp_path, make_task(job.env_id), Sb3Learner.num_worlds(job))
    learner = Sb3Learner(job, job.members[0], tmp_path, source, lambda: 0.0)
    simulate, calls = learner._env._simulate, []

    def breaking(action: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        broken = simulate(action).clone()
        broken[1] |= len(calls) == 100  # the second world's first episode, which was to end after 750 steps
        return broken

    learner._env._simulate = breaking  # type: ignore[method-assign]
    learner.learn()
    rows = read_rows(tmp_path)
    assert [row.broken for row in rows] == [1, 0, 0, 0, 0]
    assert [row.episodes for row in rows] == [0, 0, 0, 1, 2]  # the second world's next episode ends after step 1,100
    assert [row.episode_length for row in rows] == [None, None, None, 1000, 1000]


def test_in_the_sandbox(make_job, process_sandbox, write_program, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Programs as rewards work as with the population; one that fails loses its own member alone."""
    rewards = {
        "good": write_program("good"),
        "bad": write_program("bad", ("return x_velocity +", "return torch.log(x_velocity - 99.0) +")),
    }
    results = run_training(make_job(rewards, trainer="sb3:ppo", processes=2), tmp_path, process_sandbox)
    assert {key: r.status for key, r in results.items()} == {"good": "trained", "bad": "failed"}
    assert results["good"].steps == 1280 and "not finite" in results["bad"].reason


def test_discrete_actions_need_ppo(make_job, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """SAC on a task with discrete actions ends its member with what to use instead."""
    import envreward
    from envreward.training.plan import Plan
    from envreward.training.shard import run_shard

    envreward.wrap(
        "CartPole-v1",
        id="Test/Cart-v0",
        instruction="Up.",
        fields={"x": envreward.Field("Position.", read=lambda w: w.obs[:, 0])},
        success=lambda w: w.steps > 10,
    )
    job = make_job({"a": "sparse"}, env_id="Test/Cart-v0", trainer="sb3:sac")
    run_shard(job, tmp_path, Plan(stage=0, until=1, shards=(("a",),)), 0, lambda: 0.0)
    result = MemberResult.load(tmp_path, "a")
    assert result is not None and result.status == "failed" and "use ppo or sb3:ppo" in result.reason


def test_missing_sb3_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Stable-Baselines3 the error holds the pip line."""
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    with pytest.raises(MissingExtraError, match=r'pip install "envreward\[sb3\]"'):
        require("sb3:sac")


def test_failed_program_is_not_started(make_job, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """A program that breaks a rule ends its member before any training."""
    (tmp_path / "bad.py").write_text("import os\n")
    job = make_job({"a": "bad.py"}, trainer="sb3:ppo")
    train_member(job, job.members[0], tmp_path, make_task("Hopper"), lambda: 0.0)
    result = MemberResult.load(tmp_path, "a")
    assert result is not None and result.status == "failed" and result.steps == 0
