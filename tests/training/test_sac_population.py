"""SAC in a population: the same promises as PPO's, with a replay that must move and come back with its member."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import envreward
from envreward.errors import ConfigError
from envreward.evaluation import evaluate
from envreward.fields import Field
from envreward.registry import make_task
from envreward.training.config import MetricRow, RacingConfig, SACConfig, TrainingJob
from envreward.training.metrics import read_rows
from envreward.training.policy_io import load_policy
from envreward.training.population import Population
from envreward.training.replay import FAULTED, FIRST, TERMINATED, TRUNCATED
from envreward.training.rollout import Cutoff, Rollout
from envreward.training.runner import check_job, run_training, start_training
from envreward.training.sac_learner import SAC, _chunks
from envreward.training.trainers import make_algorithm

MIXED = {"a-s0": "expert", "b-s0": "sparse", "c-s0": "expert", "d-s0": "expert"}


def train(population: Population, updates: int) -> list[MetricRow]:
    return [row for _ in range(updates) for row in population.train_once(0.0)[0]]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Compare all but fields that only another member's reward reads."""
    unshared = a.keys() ^ b.keys()
    assert all(name.startswith(("env.previous.", "env.world.sim.")) for name in unshared), unshared
    return all(torch.equal(a[name], b[name]) for name in a.keys() & b.keys())


@pytest.mark.parametrize(("env_id", "n_step"), [("Hopper", 1), ("InvertedPendulum", 3)])
def test_alone_as_in_a_crowd(env_id: str, n_step: int, make_job, make_population) -> None:  # type: ignore[no-untyped-def]
    """Networks, temperature, replay, worlds and curves are bit for bit the same alone and among three others."""
    job = make_job(MIXED, env_id=env_id, trainer="sac", sac={"n_step": n_step})
    crowd = make_population(job)
    rows = train(crowd, 12)
    assert rows[-1].alpha is not None and rows[-1].entropy is not None
    for key in ("a-s0", "b-s0"):
        alone = make_population(job, key)
        assert train(alone, 12) == [row for row in rows if row.key == key]
        assert same(alone.save()[key], crowd.save()[key])


def test_saved_and_loaded_it_goes_on_as_if_nothing_had_been(make_job, make_population) -> None:  # type: ignore[no-untyped-def]
    """Taken apart after its replay has turned, and put together in another order, members end as without that."""
    job = make_job(MIXED, trainer="sac", sac={"replay_size": 256})
    whole = make_population(job)
    train(whole, 6)
    states = whole.save()
    rows = train(whole, 4)
    part = make_population(job, "d-s0 b-s0", states=states, updates=6)
    assert train(part, 4) == [row for row in rows if row.key in ("b-s0", "d-s0")]
    for key in ("b-s0", "d-s0"):
        assert same(part.save()[key], whole.save()[key])


def test_a_bad_program_takes_out_its_own_member_alone(  # type: ignore[no-untyped-def]
    make_job, make_population, write_program: Callable[..., str]
) -> None:
    """A program that fails after a while ends its member; the others go on with their replays as without it."""
    bad = write_program("bad", ("return x_velocity +", "return 1.0 / (healthy.sum() > 63).float() * x_velocity +"))
    job = make_job({"a": "expert", "bad": bad, "c": write_program("good")}, trainer="sac")
    population = make_population(job)
    retired = []
    for _ in range(8):
        retired += population.train_once(0.0)[1]
    assert [(r.member.key, r.status) for r in retired] == [("bad", "failed")]
    assert 0 < retired[0].state["obs.count"] < 8 * 64
    alone = make_population(job, "a c")
    train(alone, 8)
    for key in ("a", "c"):
        assert same(alone.save()[key], population.save()[key])


def test_a_member_that_diverges_is_taken_out(make_job, make_population, write_program: Callable[..., str]) -> None:  # type: ignore[no-untyped-def]
    """Rewards too large for the critics end their member with what happened; the other's curves are as without it."""
    huge = write_program("huge", ("return x_velocity +", "return 1e25 * x_velocity +"))
    job = make_job({"a": "expert", "huge": huge}, trainer="sac", sac={"normalize_reward": False})
    population = make_population(job)
    rows, retired = [], []
    for _ in range(6):
        new, gone = population.train_once(0.0)
        rows, retired = rows + new, retired + gone
    assert [(r.member.key, r.status) for r in retired] == [("huge", "failed")]
    assert "diverged" in retired[0].reason and "not finite after" in retired[0].reason
    assert train(make_population(job, "a"), 6) == [row for row in rows if row.key == "a"]


def test_killed_and_resumed(make_job, process_sandbox, tmp_path: Path, timeless) -> None:  # type: ignore[no-untyped-def]
    """Killed in the middle, a training ends with the policies and curves of one left alone, replay included."""
    job = make_job({"a": "expert", "b": "sparse"}, trainer="sac", processes=2, total_steps=3200, checkpoint_every_s=0.1)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run_training(job, whole, process_sandbox)
    handle = start_training(job, broken, process_sandbox)
    while handle.steps_done < 0.4 * handle.steps_total:
        assert not handle.poll()
    handle.kill()
    parts = [*(broken / "checkpoint" / "replay").glob("*/*.safetensors")]
    assert parts  # what they lived through is on disk, and the oldest of it, which no one can draw any more, is not
    assert not any(p.stem.startswith("000000000-") for p in parts)
    run_training(job, broken, process_sandbox)
    for key in ("a", "b"):
        found, expected = (load_policy(folder / "members" / key).tensors for folder in (broken, whole))
        assert all(torch.equal(found[name], values) for name, values in expected.items())
    assert timeless(read_rows(broken)) == timeless(read_rows(whole))


def test_racing_and_splitting_change_nothing(make_job, process_sandbox, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Members that win a race, moved between processes with their replays, end as if they had trained alone."""
    rewards = {f"{group}-s0": "expert" for group in "abc"}
    job = make_job(rewards, trainer="sac", processes=2, total_steps=2560, racing=RacingConfig(rungs=1))
    results = run_training(job, tmp_path / "race", process_sandbox)
    assert sorted(r.status for r in results.values()) == ["pruned", "trained", "trained"]
    run_training(dataclasses.replace(job, racing=None, processes=1), tmp_path / "all", process_sandbox)
    for key in (k for k, r in results.items() if r.status == "trained"):
        found, expected = (load_policy(tmp_path / run / "members" / key).tensors for run in ("race", "all"))
        assert all(torch.equal(found[name], values) for name, values in expected.items())


def make_pendulum() -> None:
    envreward.wrap(
        "Pendulum-v1",
        id="Test/Pendulum-v0",
        instruction="Swing the pendulum up.",
        fields={
            "height": Field("Of the tip, 1 is upright.", unit="1", role="distance", read=lambda w: w.obs[:, 0]),
            "rate": Field("Of the angle.", unit="rad/s", role="angular_velocity", read=lambda w: w.obs[:, 2]),
        },
        success=lambda w: w.obs[:, 0] > 0.99,
        fitness=lambda w: w.obs[:, 0],
    )


def test_worlds_that_cannot_move_start_anew(make_job, make_population) -> None:  # type: ignore[no-untyped-def]
    """In a foreign environment, a member that goes on in new worlds has the episodes of the old ones cut off."""
    make_pendulum()
    job = make_job({"a": "sparse"}, env_id="Test/Pendulum-v0", trainer="sac")
    first = make_population(job)
    train(first, 4)
    states = first.save()
    assert "next_obs" not in states["a"]
    resumed = make_population(job, states=states, updates=4)
    before = resumed._learner._replays[0].read(0)
    assert not (before.flags & TRUNCATED).any()
    train(resumed, 1)
    after = resumed._learner._replays[0].read(0)
    assert ((after.flags & TRUNCATED) > 0).nonzero()[:, 0].tolist() == [63] * 4
    assert torch.equal(after.finals, before.next_obs)


def test_policy_acts_as_the_members_mean(make_job, process_sandbox, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """The policy that is written gives the squashed mean of the member's Gaussian, scaled to the action space."""
    job = make_job(env_id="InvertedPendulum", trainer="sac", total_steps=640)
    task = make_task(job.env_id)
    run_training(job, tmp_path, process_sandbox)
    policy = load_policy(tmp_path / "members" / "m0")
    assert policy.form.squash
    tensors = policy.tensors
    obs = torch.from_numpy(np.random.default_rng(0).normal(size=(20, 4)))
    x = ((obs - tensors["obs_mean"]) * tensors["obs_scale"]).clamp(-10, 10).float()
    for layer in range(3):
        x = x @ tensors[f"actor.{layer}.weight"] + tensors[f"actor.{layer}.bias"]
        x = x if layer == 2 else x.relu()
    assert float(task.action_space.high[0]) == 3.0
    torch.testing.assert_close(policy.act(obs), 3.0 * torch.tanh(x), rtol=1e-5, atol=1e-5)
    (score,) = evaluate(job.env_id, {"m0": tmp_path / "members" / "m0"}, episodes=2, seed=0).values()
    assert score.episode_length > 1


def test_exploration_covers_the_action_space(make_job, make_population) -> None:  # type: ignore[no-untyped-def]
    """Before it may learn a member acts uniformly at random within the bounds, afterwards by its policy."""
    population = make_population(make_job(env_id="HalfCheetah", trainer="sac", sac={"learning_starts": 64}))
    random = population._collect()
    assert random.action.abs().max() <= 1 and random.action.std() == pytest.approx(3**-0.5, rel=0.1)
    train(population, 1)
    assert not torch.equal(population._collect().action, random.action)


def test_gradient_steps_add_up(make_job) -> None:  # type: ignore[no-untyped-def]
    """There are ``updates_per_step`` gradient steps per environment step from when a member may learn on."""
    job = make_job(trainer="sac", sac={"updates_per_step": 0.3, "learning_starts": 100})
    algorithm = make_algorithm(job, make_task("Hopper"))
    assert isinstance(algorithm, SAC)
    counts = [algorithm.gradient_steps(n) for n in range(50)]
    assert counts[0] == 0 and sum(counts) == int((50 * 64 - 100) * 0.3)
    assert set(counts[2:]) <= {19, 20}


def test_rollouts_become_chunks() -> None:
    """Each member's replay gets its own steps, flags, faults and final observations, in order of step and world."""
    members, steps, worlds = 2, 3, 2
    obs = torch.arange(24.0, dtype=torch.float64).view(members, steps, worlds, 2)
    flags = torch.zeros(3, members, steps, worlds, dtype=torch.bool)
    ended, first, truncated = flags
    first[:, 0] = True
    ended[0, 0, 1] = True  # by itself
    truncated[0, 1, 0] = truncated[1, 1, 1] = truncated[0, 2] = True
    ended |= truncated
    faulted = torch.zeros_like(ended)
    faulted[0, 2, 1] = True
    cutoffs = [Cutoff(t, 100.0 * t + torch.arange(8.0).view(4, 2), truncated[:, t]) for t in (1, 2)]
    rollout = Rollout(
        raw_obs=obs, action=torch.ones(members, steps, worlds, 1), ended=ended, cutoffs=cutoffs, first=first,
        truncated=truncated, faulted=faulted, broken=[], success=[], fitness=[], length=[], next_obs=torch.zeros(4, 2),
    )  # fmt: skip
    mine, other = _chunks(rollout, torch.ones(members, steps, worlds))
    assert mine.flags.tolist() == [[FIRST, FIRST + TERMINATED], [TRUNCATED, 0], [TRUNCATED, TRUNCATED + FAULTED]]
    assert other.flags.tolist() == [[FIRST, FIRST], [0, TRUNCATED], [0, 0]]
    assert mine.finals.tolist() == [[100.0, 101.0], [200.0, 201.0], [202.0, 203.0]]
    assert other.finals.tolist() == [[106.0, 107.0]]
    assert torch.equal(mine.obs, obs[0].float()) and torch.equal(other.obs, obs[1].float())


def test_rewards_are_scaled_when_they_are_drawn(make_job, make_population) -> None:  # type: ignore[no-untyped-def]
    """What is stored is the reward itself; what is learned from is divided by the present spread of the returns."""
    population = make_population(make_job(trainer="sac", sac={"reward_scale": 3.0, "n_step": 1}))
    train(population, 3)
    learner = population._learner
    stored = learner._replays[0].read(0).reward
    (drawn,) = learner._batches(1, [None])
    factor = 3.0 / population._running.scaler.moments.var.sqrt()
    assert drawn.reward.max() <= float(stored.max() * factor) * (1 + 1e-5)
    scaled = (stored * factor).float().flatten()
    nearest = (drawn.reward[0].unsqueeze(1) - scaled).abs().amin(1)
    assert nearest.max() < 1e-5


def test_learns(make_job, make_population) -> None:  # type: ignore[no-untyped-def]
    """On InvertedPendulum the episode length passes 150 steps within 12,000, from under 15."""
    settings = {
        "num_worlds": 8, "replay_size": 20_000, "learning_starts": 1000, "updates_per_step": 1 / 8, "batch_size": 256,
        "hidden_sizes": (64, 64), "learning_rate": 1e-3, "init_alpha": 0.2, "reward_scale": 1.0, "n_step": 1,
    }  # fmt: skip
    job = make_job({"a": "expert"}, env_id="InvertedPendulum", total_steps=12_000, trainer="sac", sac=settings)
    rows = train(make_population(job), 94)
    assert rows[0].episode_length is not None and rows[0].episode_length < 15
    assert max(row.episode_length or 0 for row in rows) > 150
    alphas = [row.alpha for row in rows if row.alpha is not None]
    assert alphas[-1] < 0.5 * alphas[0]  # the temperature falls as the policy makes up its mind


def test_what_cannot_work_is_refused_before_it_starts(make_job) -> None:  # type: ignore[no-untyped-def]
    """Discrete actions, candidates and impossible settings are refused in one line that says what to do."""
    envreward.wrap(
        "CartPole-v1", id="Test/SacCart-v0", instruction="Keep the pole up.",
        fields={"angle": Field("0 is upright.", unit="rad", role="angle", read=lambda w: w.obs[:, 2])},
        success=lambda w: w.steps >= 195,
    )  # fmt: skip
    job: TrainingJob = make_job({"a": "sparse"}, trainer="sac")
    counter = str(Path(__file__).parents[1] / "counter_worlds.py") + ":shaped"
    for env_id in ("Test/SacCart-v0", counter):
        with pytest.raises(ConfigError, match="SAC needs continuous actions; use --trainer ppo"):
            check_job(dataclasses.replace(job, env_id=env_id))
    for change, message in (
        ({"num_worlds": 0}, r"sac\.num_worlds must be at least 1"),
        ({"replay_size": 10}, r"sac\.replay_size must hold a rollout, 64 transitions"),
        ({"updates_per_step": 0.0}, r"sac\.updates_per_step must be above 0"),
        ({"obs_min_std": 0.0}, r"sac\.obs_min_std must be above 0"),
        ({"tau": 1.5}, r"sac\.tau must be above 0 and at most 1"),
        ({"hidden_sizes": ()}, r"sac\.hidden_sizes"),
        ({"hidden_sizes": (64, 20)}, r"sac\.hidden_sizes must be multiples of 8"),
        ({"batch_size": 100}, r"sac\.batch_size must be a multiple of 8, got 100"),
        ({"num_worlds": 5}, r"sac\.num_worlds must be 1 or even, got 5"),
        ({"learning_starts": -1}, r"sac\.learning_starts"),
        ({"alpha_learning_rate": -1.0}, r"sac\.alpha_learning_rate"),
        ({"gamma": 1.5}, r"sac\.gamma must be from 0 to 1, got 1\.5"),
        ({"obs_clip": 0.0}, r"sac\.obs_clip must be above 0"),
        ({"target_entropy": float("nan")}, r"sac\.target_entropy must be a finite number"),
        ({"obs_min_std": float("inf")}, r"sac\.obs_min_std must be a finite number"),
    ):
        with pytest.raises(ConfigError, match=message):
            check_job(dataclasses.replace(job, sac=dataclasses.replace(job.sac, **change)))
    check_job(job)


def test_job_survives_the_trip(make_job, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """A job of SAC written is read back equal, and one from before there was SAC is read with its defaults."""
    import json

    job = make_job(trainer="sac", sac={"hidden_sizes": (8, 16), "target_entropy": -2.5})
    job.save(tmp_path)
    assert TrainingJob.load(tmp_path) == job
    old = json.loads((tmp_path / "job.json").read_text())
    del old["sac"]
    assert TrainingJob.from_json(json.dumps(old)).sac == SACConfig()
