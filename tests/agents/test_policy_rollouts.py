"""Rollouts of trained policies and reference behaviours."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from envreward.agents.policy_rollouts import (
    NULL,
    RANDOM,
    behaviour_policy,
    behaviours,
    play_behaviours,
    play_policies,
)
from envreward.agents.recording import SeededAct
from envreward.agents.rollouts import Rollouts
from envreward.errors import ConfigError, UnknownNameError
from envreward.evaluation import evaluate
from envreward.registry import make_task
from envreward.task import Behaviour
from envreward.training.policy_io import PolicyForm, save_policy
from envreward.vector_env import make_vector_env

ENV = "EnvReward/InvertedPendulum-v0"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A policy of random weights, in the form in which trainings leave theirs."""
    form = PolicyForm(
        env_id=ENV,
        obs_shape=(4,),
        action_shape=(1,),
        action_size=1,
        layers=(8,),
        activation="tanh",
        head="gaussian",
        candidates=None,
        obs_clip=10.0,
    )
    random = torch.Generator().manual_seed(3)
    shapes = {"actor.0.weight": (4, 8), "actor.0.bias": (8,), "actor.1.weight": (8, 1), "actor.1.bias": (1,)}
    tensors = {name: torch.randn(shape, generator=random) for name, shape in shapes.items()}
    tensors |= {"obs_mean": torch.zeros(4), "obs_scale": torch.ones(4)}
    tensors |= {"action_low": torch.full((1,), -3.0), "action_high": torch.full((1,), 3.0)}
    save_policy(tmp_path / "policy", form, tensors)
    return tmp_path / "policy"


def test_a_policy_plays_the_episodes_it_is_scored_on(policy: Path, tmp_path: Path) -> None:
    """Fitness, success and length of the recorded episodes are those of the clean-room evaluation, one by one."""
    played = play_policies(ENV, {"p": policy}, episodes=5, seed=7, folder=tmp_path / "rollouts")["p"]
    scores = evaluate(ENV, {"p": policy}, episodes=5, seed=7)["p"]
    assert sorted(e.fitness for e in played.episodes) == sorted(scores.episode_fitness)  # type: ignore[type-var]
    assert sum(bool(e.success) for e in played.episodes) == sum(scores.episode_success)
    assert sum(e.steps for e in played.episodes) / 5 == scores.episode_length
    assert (played.header.actor, played.unfinished) == ("p", ())


def test_what_was_played_is_read_instead_of_played_again(policy: Path, tmp_path: Path) -> None:
    """A file that is there is used even when the policy is gone; one of other episodes is refused, not mixed up."""
    folder = tmp_path / "rollouts"
    first = play_policies(ENV, {"p": policy}, episodes=2, seed=7, folder=folder)["p"]
    again = play_policies(ENV, {"p": tmp_path / "gone"}, episodes=2, seed=7, folder=folder)["p"]
    assert [e.actions for e in again.episodes] == [e.actions for e in first.episodes]
    with pytest.raises(ConfigError, match="choose another folder"):
        play_policies(ENV, {"p": policy}, episodes=2, seed=8, folder=folder)


def test_behaviours_differ_and_are_repeatable(tmp_path: Path) -> None:
    """Every task can be played by its own behaviours, by nobody and at random, on the same episodes each time."""
    known = behaviours(make_task(ENV))
    assert {NULL, RANDOM} < set(known)
    one = play_behaviours(ENV, episodes=3, seed=1, folder=tmp_path / "one")
    assert set(one) == set(known)
    two = play_behaviours(ENV, [RANDOM], episodes=3, seed=1, folder=tmp_path / "two")
    assert [e.actions for e in one[RANDOM].episodes] == [e.actions for e in two[RANDOM].episodes]
    assert all(not any(map(any, e.actions)) for e in one[NULL].episodes)

    def starts(rollouts: Rollouts) -> torch.Tensor:
        values = [e.facts["pole_angle"] for e in rollouts.episodes]
        return torch.stack([v[0] for v in values if isinstance(v, torch.Tensor)])

    assert torch.equal(starts(one[NULL]), starts(one[RANDOM]))


def test_a_scripted_behaviour_succeeds_in_each_of_many_worlds(tmp_path: Path) -> None:
    """It does what it does alone, whatever wave and world it plays in."""
    env_id = "EnvReward/MetaWorld-drawer-close-v0"
    good = next(b.name for b in make_task(env_id).behaviours if b.succeeds and b.act is not None)
    played = play_behaviours(env_id, [good], episodes=34, seed=2, folder=tmp_path)[good]
    assert [e.success for e in played.episodes] == [True] * 34


def test_behaviours_are_told_how_old_their_episodes_are() -> None:
    """The step's number counts from 0 in every wave of episodes, and goes on by one."""
    told: list[int] = []

    def act(task: object, step: int) -> torch.Tensor:
        told.append(step)
        return torch.zeros(2, 1)

    env = make_vector_env(ENV, 2, reward="none")
    env.task.behaviours = (Behaviour("counts", False, "Counts.", act),)
    policy = behaviour_policy(env, "counts")
    assert isinstance(policy, SeededAct)
    for steps in (3, 2):
        policy.begin([0, 1])
        for _ in range(steps):
            policy(torch.zeros(2, 4))
    env.close()
    assert told == [0, 1, 2, 0, 1]


def test_bad_requests_are_one_line(policy: Path, tmp_path: Path) -> None:
    """Unknown behaviours, no policy, another task's policy: told, and no file is left."""
    folder = tmp_path / "rollouts"
    with pytest.raises(UnknownNameError, match="random"):
        play_behaviours(ENV, ["randon"], episodes=1, seed=0, folder=folder)
    with pytest.raises(ConfigError, match="holds no policy"):
        play_policies(ENV, {"p": tmp_path / "none"}, episodes=1, seed=0, folder=folder)
    with pytest.raises(ConfigError, match="does not fit EnvReward/Hopper-v0"):
        play_policies("EnvReward/Hopper-v0", {"p": policy}, episodes=1, seed=0, folder=folder)
    with pytest.raises(ConfigError, match="episodes must be at least 1"):
        play_policies(ENV, {"p": policy}, episodes=0, seed=0, folder=folder)
    assert not list(folder.glob("*.jsonl"))
