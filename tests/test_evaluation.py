"""Clean-room evaluation: fair episodes, the same for all, in a process that knows no reward."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from envreward.errors import ConfigError
from envreward.evaluation import evaluate, play
from envreward.registry import make_task
from envreward.training.config import PPOConfig
from envreward.training.networks import initial_weights, named_weights
from envreward.training.policy_io import action_bounds, load_policy, network_form, save_policy
from envreward.training.ppo_learner import network_spec
from envreward.vector_env import make_vector_env


def make_policy(folder: Path, env_id: str, scale: float = 1.0) -> Path:
    task = make_task(env_id)
    spec = network_spec(task, PPOConfig(hidden_sizes=(8,)))
    row = initial_weights(spec, 0.0, torch.Generator().manual_seed(0)) * scale
    form = network_form(task.spec.id, spec, tuple(task.observation_space.shape or ()), 10.0)
    save_policy(folder, form, named_weights(spec, row) | action_bounds(task.action_space))
    return folder


def test_one_episode_per_world_by_hand(tmp_path: Path) -> None:
    """Each score is that of one world's first episode, as a plain loop over single worlds finds it."""
    policy = load_policy(make_policy(tmp_path, "Hopper", 3.0))
    scores = play(policy, make_vector_env("Hopper", 5, reward="none"), "m", 7)
    import numpy as np

    seeds = np.random.SeedSequence([7, 0xE7A1]).generate_state(5, np.uint64)
    lengths = []
    for i, seed in enumerate(seeds):
        env = make_vector_env("Hopper", 1, reward="none")
        obs, _ = env.reset(seed=[int(seed)])
        steps, ended, transition = 0, False, None
        while not ended:
            transition = env.advance(policy.act(obs))
            obs, steps = transition.obs, steps + 1
            ended = bool(transition.terminated | transition.truncated)
        assert transition is not None
        assert scores.episode_fitness[i] == pytest.approx(float(transition.fitness), abs=1e-6)
        lengths.append(steps)
    assert scores.episode_length == pytest.approx(sum(lengths) / 5)
    assert scores.fitness == pytest.approx(sum(scores.episode_fitness) / 5)
    assert (scores.episodes, scores.seed, scores.member) == (5, 7, "m")
    assert len(set(lengths)) > 1  # or the test would not tell first episodes from later ones


def test_scores_are_the_same_for_all_and_repeat(tmp_path: Path) -> None:
    """Two copies of a policy get the same scores, again in another run, and others from other seeds."""
    folder = make_policy(tmp_path / "p", "Hopper", 3.0)
    policies = {"a": folder, "b": folder}
    first = evaluate("Hopper", policies, episodes=4, seed=1)
    assert first["a"].episode_fitness == first["b"].episode_fitness
    assert evaluate("Hopper", policies, episodes=4, seed=1) == first
    assert evaluate("Hopper", policies, episodes=4, seed=2)["a"].episode_fitness != first["a"].episode_fitness


def test_its_process_loads_no_reward(tmp_path: Path) -> None:
    """The process never imports what parses, checks or runs reward programs, nor the trainer."""
    request = {
        "env_id": "Hopper",
        "policies": {"a": str(make_policy(tmp_path / "p", "Hopper"))},
        "episodes": 1,
        "seed": 0,
        "device": "cpu",
        "answer": str(tmp_path / "answer.json"),
    }
    code = (
        "import sys; from envreward.evaluation import main; main(); "
        "print([m for m in sys.modules if m.startswith(('envreward.rewards.', 'envreward.training.'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(request), capture_output=True, text=True, check=True
    )
    loaded = done.stdout
    assert "envreward.training.policy_io" in loaded
    for name in ("rewards.program", "rewards.worker", "rewards.compiler", "training.population", "training.job"):
        assert f"envreward.{name}" not in loaded
    assert "scores" in json.loads((tmp_path / "answer.json").read_text())


def test_what_cannot_be_scored_is_refused(tmp_path: Path) -> None:
    """No policy, one for another robot, no episodes or no such device: an error that says so."""
    hopper = make_policy(tmp_path / "hopper", "Hopper")
    with pytest.raises(ConfigError, match="does not fit"):
        evaluate("HalfCheetah", {"a": hopper}, episodes=1, seed=0)
    with pytest.raises(ConfigError, match="holds no policy"):
        evaluate("Hopper", {"a": tmp_path / "nothing"}, episodes=1, seed=0)
    with pytest.raises(ConfigError, match="at least 1"):
        evaluate("Hopper", {"a": hopper}, episodes=0, seed=0)
    with pytest.raises(ConfigError, match="no such device: 'tpu'"):
        evaluate("Hopper", {"a": hopper}, episodes=1, seed=0, device="tpu")
    assert evaluate("Hopper", {}, episodes=1, seed=0) == {}
