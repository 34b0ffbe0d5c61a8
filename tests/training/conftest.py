"""Small jobs and helpers for the tests of training."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from envreward.registry import find, make_task
from envreward.training.config import Member, PPOConfig, SACConfig, TrainingJob
from envreward.training.population import Population
from envreward.training.reward_opening import open_reward

SMALL = PPOConfig(num_worlds=4, rollout_steps=32, minibatch_size=64, epochs=2, hidden_sizes=(16, 16))
SMALL_SAC = SACConfig(
    num_worlds=4, rollout_steps=16, replay_size=512, learning_starts=128, updates_per_step=1 / 16, batch_size=40,
    hidden_sizes=(24, 16),
)  # fmt: skip

PROGRAM = """
import torch
from torch import Tensor

def compute_reward(x_velocity: Tensor, healthy: Tensor, action: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    alive = healthy.to(x_velocity.dtype)
    effort = 0.001 * action.square().sum(-1)
    return x_velocity + alive - effort, {"speed": x_velocity, "alive": alive}
"""
"""Gymnasium's reward of Hopper, as a language model might write it."""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Train with one torch thread, as shards do."""
    torch.set_num_threads(1)


@pytest.fixture
def make_job() -> Callable[..., TrainingJob]:
    """Make a small job; ``rewards`` gives each member's reward, by key."""

    def make(rewards: Mapping[str, str] | None = None, *, env_id: str = "Hopper", **settings: Any) -> TrainingJob:
        ppo = dataclasses.replace(SMALL, **settings.pop("ppo", {}))
        sac = dataclasses.replace(SMALL_SAC, **settings.pop("sac", {}))
        members = tuple(
            Member(key=key, group=key.partition("-")[0], reward=reward, seed=i)
            for i, (key, reward) in enumerate((rewards or {"m0": "expert"}).items())
        )
        return TrainingJob(
            env_id=env_id, members=members, ppo=ppo, sac=sac,
            **{"total_steps": 1280, "tensorboard": False} | settings,
        )  # fmt: skip

    return make


@pytest.fixture
def make_population(tmp_path: Path) -> Iterator[Callable[..., Population]]:
    """Make a population of a job's members (all by default), closed after the test."""
    made: list[Population] = []

    def make(job: TrainingJob, keys: str | None = None, **state: Any) -> Population:
        task = make_task(job.env_id)
        members = [m for m in job.members if keys is None or m.key in keys.split()]
        sources = {m.key: open_reward(m, job, tmp_path, task, job.steps_per_update) for m in members}
        made.append(Population(job, members, sources, **state))
        return made[-1]

    yield make
    for population in made:
        population.close()


@pytest.fixture
def write_program(tmp_path: Path) -> Callable[..., str]:
    """Write a reward program below the test's folder, with replacements, and return its path relative to it."""

    def write(name: str, *replacements: tuple[str, str]) -> str:
        source = PROGRAM
        for old, new in replacements:
            assert old in source
            source = source.replace(old, new)
        (tmp_path / "rewards").mkdir(exist_ok=True)
        (tmp_path / "rewards" / f"{name}.py").write_text(source)
        return f"rewards/{name}.py"

    return write


@pytest.fixture
def process_sandbox() -> Any:
    """The sandbox without walls, which works on every machine."""
    return find("sandboxes", "process")()


@pytest.fixture
def timeless() -> Callable[[Any], list[dict[str, Any]]]:
    """Return metric rows as mappings without their wall-clock times, sorted by member and step."""

    def strip(rows: Any) -> list[dict[str, Any]]:
        plain = [dataclasses.asdict(row) | {"wall_s": math.nan} for row in rows]
        for row in plain:
            del row["wall_s"], row["reward_s"]
        return sorted(plain, key=lambda row: (row["key"], row["step"]))

    return strip
