"""Which algorithm a job's trainer is."""

from __future__ import annotations

from envreward.task import Task

from .algorithm import Algorithm
from .config import TrainingJob
from .ppo_learner import PPO
from .sac_learner import SAC


def make_algorithm(job: TrainingJob, task: Task) -> Algorithm:
    """Return the algorithm of a population.

    Raises:
        ConfigError: It cannot work on the task, or not with these settings.
    """
    return SAC(job, task) if job.trainer == "sac" else PPO(job, task)
