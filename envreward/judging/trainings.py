"""The trainings in a run's folder that were with one of the rewards judged."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from envreward.errors import ConfigError
from envreward.rewards.program import RewardProgram
from envreward.studies.database import FILE_NAME
from envreward.studies.folder import RunFolder
from envreward.studies.store import StudyStore
from envreward.training.config import Member, MetricRow, TrainingJob
from envreward.training.metrics import read_rows

from .divergence import curves_of, divergence
from .findings import Divergence
from .scoring import Subject

JOB = "job.json"


def read_trainings(run: Path, subjects: Sequence[Subject], env_id: str) -> list[Divergence]:
    """Return the courses of the trainings in ``run`` that were with one of ``subjects``.

    Those that learned a reward from its components, or were paid a bonus beside it, are left out: their returns are not
    its own (see `Member.learning`).

    Args:
        run: A study's folder, or that of a single training.
        subjects: Rewards by whose names, for programs by whose text, trainings are known.
        env_id: The task's full id.

    Raises:
        ConfigError: The folder holds neither a study nor a training, or one of another task.
        StudyError: The study cannot be read.
    """
    found = []
    for folder, job, rows in _trainings(run):
        if job.env_id != env_id:
            raise ConfigError(f"{folder} holds trainings on {job.env_id}, not on {env_id}")
        rewards = {member.key: _name(folder, member, subjects) for member in job.members}
        for curve in curves_of([row for row in rows if rewards.get(row.key)]):
            found.append(dataclasses.replace(divergence(curve), reward=rewards[curve.training]))
    return found


def _trainings(run: Path) -> Iterator[tuple[Path, TrainingJob, list[MetricRow]]]:
    if (run / FILE_NAME).is_file():
        folder = RunFolder(run)
        with StudyStore.open(run) as store:
            jobs = store.trainings()
        for key, job in jobs.items():
            yield folder.training(key), job, folder.rows(key)
    elif (run / JOB).is_file():
        yield run, TrainingJob.load(run), read_rows(run)
    else:
        raise ConfigError(f"{run} holds neither a search ({FILE_NAME}) nor a training ({JOB})")


def _name(folder: Path, member: Member, subjects: Sequence[Subject]) -> str:
    """Return which of the subjects a member was trained with; empty for another reward, or one that was learned."""
    if member.learning:
        return ""
    file = folder / member.reward
    source = file.read_text(encoding="utf-8").strip() if member.reward.endswith(".py") and file.is_file() else None
    for subject in subjects:
        if isinstance(subject.reward, RewardProgram):
            if source is not None and subject.reward.source.strip() == source:
                return subject.name
        elif member.reward == subject.name:
            return subject.name
    return ""
