"""Opening the reward of a member: the task's own, a program in its process, or one that is learned from either."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from envreward.rewards.choice import choose_reward
from envreward.rewards.program import RewardProgram
from envreward.rewards.worker import RewardWorker
from envreward.task import Task

from .config import Member, TrainingJob
from .learned import LearnedSource, NovelSource, NoveltyConfig, make_learner, parse_learning
from .member_state import reward_generator
from .reward_source import ProgramSource, RewardSource, TrustedSource


def open_reward(
    member: Member, job: TrainingJob, folder: Path, task: Task, capacity: int, num_worlds: int | None = None
) -> RewardSource:
    """Open a member's reward for rollouts of up to ``capacity`` transitions of ``num_worlds`` worlds.

    By default there are as many worlds as the population's algorithm has. Programs are forked off here: call it before
    the environment is created. Where the member learns its reward, the reward's components are what it learns from;
    or what is learned is novelty, and paid beside the reward.

    Raises:
        RewardError: The program breaks a rule of reward programs.
        ConfigError: The task has no such reward, or there is no such way of learning one.
    """
    num_worlds = num_worlds or job.algorithm.num_worlds
    if not member.learning:
        return _open(member, job, folder, task, capacity, num_worlds)
    settings, generator = parse_learning(member.learning), reward_generator(member)
    factors = _open(member, dataclasses.replace(job, device="cpu"), folder, task, capacity, num_worlds)
    if isinstance(settings, NoveltyConfig):
        return NovelSource(factors, settings, task.fields, capacity, generator.initial_seed())
    if job.trainer == "sac":  # what is drawn from the replay is paid anew, so its factors are kept as long
        replayed = min(job.sac.replay_size, job.total_steps)
        settings = dataclasses.replace(settings, capacity=max(settings.capacity, replayed))
    learner = make_learner(settings, task.spec.horizon, generator)
    sparse = TrustedSource(task.sparse, task.fields, capacity, num_worlds)
    return LearnedSource(factors, sparse, learner)


def _open(member: Member, job: TrainingJob, folder: Path, task: Task, capacity: int, num_worlds: int) -> RewardSource:
    if member.reward in ("sparse", "expert") or member.reward in task.rewards:
        function = choose_reward(task, member.reward)
        assert function is not None
        return TrustedSource(function, task.fields, capacity, num_worlds, job.device)
    program = RewardProgram.from_source((folder / member.reward).read_text(), task.fields)
    worker = RewardWorker(program, task.fields, capacity, memory_bytes=job.reward_memory_bytes)
    return ProgramSource(worker, num_worlds)
