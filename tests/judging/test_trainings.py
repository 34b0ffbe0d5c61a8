"""Finding a run's trainings with the rewards judged."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from envreward import registry
from envreward.errors import ConfigError
from envreward.judging import Subject
from envreward.judging.scoring import trusted_subject
from envreward.judging.trainings import read_trainings
from envreward.rewards.program import RewardProgram
from envreward.studies import StudyConfig
from envreward.studies.store import StudyStore
from envreward.training.config import Member, MetricRow, TrainingJob
from envreward.training.metrics import append_rows

ENV = "EnvReward/Hopper-v0"
SOURCE = "def compute_reward(x_velocity):\n    return 2 * x_velocity, {}\n"


def row(key: str, step: int) -> MetricRow:
    return MetricRow(
        key=key,
        step=step,
        wall_s=0.0,
        success=0.0,
        fitness=-float(step),
        episode_return=float(step),
        episode_length=10.0,
        components={},
        reward_mean=0.0,
        entropy=None,
        kl=None,
        clip_fraction=None,
        value_loss=None,
        explained_variance=None,
        learning_rate=0.0,
    )


def fill(folder: Path, env_id: str = ENV) -> TrainingJob:
    """A training of a program, another program and the expert, each ever better paid for ever worse fitness."""
    members = (
        Member(key="c000-s0", group="c000", reward="rewards/c000.py", seed=0),
        Member(key="c001-s0", group="c001", reward="rewards/c001.py", seed=0),
        Member(key="expert-r0", group="expert", reward="expert", seed=0),
    )
    job = TrainingJob(env_id=env_id, members=members, total_steps=3000)
    (folder / "rewards").mkdir(parents=True)
    (folder / "rewards" / "c000.py").write_text(SOURCE)
    (folder / "rewards" / "c001.py").write_text(SOURCE.replace("2", "3"))
    job.save(folder)
    append_rows(folder, [row(m.key, step) for step in range(100, 3100, 100) for m in members])
    return job


@pytest.fixture
def subjects() -> list[Subject]:
    """The first program and the expert."""
    task = registry.make_task("Hopper")
    program = RewardProgram.from_source(SOURCE, task.fields)
    return [Subject(name="mine.py", reward=program), trusted_subject(task, "expert")]


def test_a_training_folder(tmp_path: Path, subjects: list[Subject]) -> None:
    """Programs are known by their text, the task's own rewards by name; others are left out."""
    fill(tmp_path / "t")
    found = read_trainings(tmp_path / "t", subjects, ENV)
    assert [(d.training, d.reward, d.course, d.points) for d in found] == [
        ("c000-s0", "mine.py", "misaligned", 30),
        ("expert-r0", "expert", "misaligned", 30),
    ]
    assert read_trainings(tmp_path / "t", subjects[1:], ENV) == found[1:]


def test_what_was_learned_or_paid_beside_a_reward_is_not_its_return(tmp_path: Path, subjects: list[Subject]) -> None:
    """A learned reward goes by the program's text and a bonus by the reward's name; their returns are not its own."""
    job = fill(tmp_path / "t")
    ways = {"lare": "rewards/c000.py", "heron:pairs=steps": "rewards/c000.py", "rnd:fields=x_velocity": "expert"}
    learned = [
        Member(key=f"m{i}", group=f"m{i}", reward=reward, seed=0, learning=learning)
        for i, (learning, reward) in enumerate(ways.items())
    ]
    dataclasses.replace(job, members=(*job.members, *learned)).save(tmp_path / "t")
    append_rows(tmp_path / "t", [row(m.key, step) for step in range(100, 3100, 100) for m in learned])
    assert [d.training for d in read_trainings(tmp_path / "t", subjects, ENV)] == ["c000-s0", "expert-r0"]


def test_a_study(tmp_path: Path, subjects: list[Subject]) -> None:
    """All trainings of a search are looked through."""
    config = StudyConfig(env_id=ENV, instruction="Hop.")
    with StudyStore.create(tmp_path / "run", config, {"envreward": "0"}) as store:
        store.begin_training("i000", fill(tmp_path / "run" / "trainings" / "i000"))
    assert [d.reward for d in read_trainings(tmp_path / "run", subjects, ENV)] == ["mine.py", "expert"]


def test_bad_folders(tmp_path: Path, subjects: list[Subject]) -> None:
    """Neither a search nor a training, or one of another task: one line."""
    with pytest.raises(ConfigError, match="neither a search"):
        read_trainings(tmp_path, subjects, ENV)
    fill(tmp_path / "ant", "EnvReward/Ant-v0")
    with pytest.raises(ConfigError, match="trainings on EnvReward/Ant-v0, not on EnvReward/Hopper-v0"):
        read_trainings(tmp_path / "ant", subjects, ENV)
