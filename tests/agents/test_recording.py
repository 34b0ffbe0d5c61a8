"""Recording policies in vector environments: every task, every field, one episode per seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from counter_worlds import Counter, CounterTask

from envreward.agents.episode import world_seed
from envreward.agents.recording import RandomPolicy, oracle_policy, record_rollouts, rollouts_header
from envreward.agents.rollout_file import RolloutFile
from envreward.agents.rollouts import Rollouts, read_rollouts
from envreward.errors import ConfigError, InfraError
from envreward.registry import find_task_spec, task_specs
from envreward.task_vector_env import TaskVectorEnv
from envreward.vector_env import make_vector_env
from envreward.world_vector_env import WorldVectorEnv
from envreward.worlds import EachWorld

CARTPOLE = f"{Path(__file__).parents[1] / 'examples' / 'cartpole.py'}:cartpole"
COUNTER = f"{Path(__file__).parents[1] / 'counter_worlds.py'}:counter"


def record(path: Path, env: TaskVectorEnv, act: Any, seeds: Any) -> Rollouts:
    with RolloutFile(path, rollouts_header(env, "test")) as file:
        record_rollouts(env, act, file, [*seeds])
    env.close()
    return read_rollouts(path)


def test_oracle_of_worlds(tmp_path: Path) -> None:
    """Each seed is one episode, with every fact before and after each action, hashes and instruction."""
    env = make_vector_env(COUNTER, 3, reward="none")
    episodes = record(tmp_path / "r.jsonl", env, oracle_policy(env), range(8)).episodes
    assert [e.seed for e in episodes] == [*range(8)] and {e.outcome for e in episodes} == {"success"}
    for e in episodes:
        target = int(e.facts["target"][0])  # type: ignore[arg-type]
        assert e.instruction == f"Bring the counter to {target}." and e.steps == target
        assert e.facts["value"].tolist() == [*range(target + 1)]  # type: ignore[union-attr]
        assert list(e.state_hash) == [f"{value}/{target}" for value in range(target + 1)]
        assert [bool(flag) for flag in e.terminated] == [False] * (target - 1) + [True]


def test_random_actions_depend_on_the_seed_alone(tmp_path: Path) -> None:
    """An episode of random actions is the same whatever is played beside it, and never takes what is not offered."""
    crowd = make_vector_env(COUNTER, 4, reward="none")
    together = record(tmp_path / "a.jsonl", crowd, RandomPolicy(crowd), range(9)).episodes
    alone = make_vector_env(COUNTER, 1, reward="none")
    single = record(tmp_path / "b.jsonl", alone, RandomPolicy(alone), [5]).episodes[0]
    assert together[5].actions == single.actions and together[5].state_hash == single.state_hash
    assert len({tuple(e.actions) for e in together}) > 3
    assert all(not error or "room" in error for e in together for error in e.action_error)
    assert any(e.outcome == "truncated" and e.steps == 12 for e in together)


def test_physics_is_recorded_in_its_own_precision(tmp_path: Path) -> None:
    """Values of a simulator come back bit for bit, with those before the first action, in every world."""
    env = make_vector_env("InvertedPendulum", 2, reward="none", max_episode_steps=20)
    policy = RandomPolicy(env)
    rollouts = record(tmp_path / "r.jsonl", env, policy, [7, 8, 9])
    again = make_vector_env("InvertedPendulum", 1, reward="none", max_episode_steps=20)
    again.request(again.task.fields, dtype=None)
    again.reset(seed=8)
    episode = rollouts.episodes[1]
    name = next(n for n, kind in rollouts.header.stored.items() if kind == "float64")
    assert episode.facts[name][0].equal(again._read(name)[0])  # type: ignore[arg-type, union-attr]
    for step, action in enumerate(episode.actions):
        transition = again.advance(torch.tensor([action]))
        for field, values in transition.state.items():
            assert episode.facts[field][step + 1].equal(values[0]), field  # type: ignore[union-attr]
        assert bool(transition.terminated[0]) == bool(episode.terminated[step])
    again.close()


@pytest.mark.parametrize("env_id", [next(iter(task_specs())), COUNTER, CARTPOLE])
def test_every_family_can_be_recorded(tmp_path: Path, env_id: str) -> None:
    """Random episodes of any task are read back with every field it declares."""
    env = make_vector_env(env_id, 2, reward="none", max_episode_steps=4)
    rollouts = record(tmp_path / "r.jsonl", env, RandomPolicy(env), range(3))
    assert len(rollouts.episodes) == 3 and rollouts.header.env_id == find_task_spec(env_id).id
    assert all(set(e.facts) == set(env.task.fields) for e in rollouts.episodes)


def test_lost_episodes_are_recorded_as_lost(tmp_path: Path) -> None:
    """Where the machinery fails under a world, its episode ends as lost with the reason; its neighbours go on."""
    task = CounterTask()
    task.faults = (2,)
    env = WorldVectorEnv(task, 2, reward="none")
    lost, other, third = record(tmp_path / "r.jsonl", env, oracle_policy(env), [2, 3, 4]).episodes
    assert (lost.outcome, lost.fitness, lost.steps) == ("lost", None, 2) and "spring broke" in lost.reason
    assert "spring broke" in lost.infra_error[1] and lost.state_hash[2] == ""
    assert (other.outcome, third.outcome) == ("lost", "success")


def test_worlds_that_cannot_be_reset(tmp_path: Path) -> None:
    """An episode that cannot begin is lost without a step, and with no facts of another; its neighbours are played."""

    class Down(Counter):
        def reset(self, seed: int) -> None:
            if seed == down:
                raise InfraError("no daemon answers")
            super().reset(seed)

    class Partly(CounterTask):
        def open(self, num_worlds: int) -> Any:
            return EachWorld([Down() for _ in range(num_worlds)])

    down = world_seed(1)
    env = WorldVectorEnv(Partly(), 2, reward="none")
    first, lost, third = record(tmp_path / "r.jsonl", env, oracle_policy(env), range(3)).episodes
    assert (lost.outcome, lost.steps, lost.reason, lost.facts) == ("lost", 0, "no daemon answers", {})
    assert first.outcome == third.outcome == "success"


def test_policies_that_there_are_not(tmp_path: Path) -> None:
    """No oracle, an oracle that plays one world, and action spaces without uniform numbers are one-line errors."""
    env = make_vector_env(COUNTER, 1, reward="none")
    env.task.behaviours = ()
    with pytest.raises(ConfigError, match="no oracle that acts"):
        oracle_policy(env)
    env.close()
    locomotion = make_vector_env("InvertedPendulum", 2, reward="none")
    with pytest.raises(ConfigError, match="one world at a time"):
        oracle_policy(locomotion)
    locomotion.close()
    for space in (gym.spaces.Box(-np.inf, np.inf, (2,)), gym.spaces.MultiDiscrete([2, 2])):
        locomotion.single_action_space = space
        with pytest.raises(ConfigError, match=r"no .*random actions"):
            RandomPolicy(locomotion)
