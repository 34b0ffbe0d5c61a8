"""Shard: the part of a population that one process trains, from its last checkpoint to the end of a stage."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from envreward.errors import EnvRewardError, InfraError, RewardError
from envreward.registry import make_task
from envreward.task import Task

from .checkpoint import CheckpointWriter, checkpoint_path, load_parts, open_checkpoint
from .config import Member, MemberResult, MemberStatus, TrainingJob
from .member_state import MemberState
from .metrics import MetricWriter
from .peaks import peak_policy
from .plan import Plan
from .policy_io import save_policy
from .population import Population
from .reward_opening import open_reward
from .reward_source import RewardSource
from .trainers import make_algorithm

_PR_SET_PDEATHSIG = 1

Clock = Callable[[], float]
"""Returns the wall-clock seconds that the job has taken, earlier sessions included."""


def run_shard(job: TrainingJob, folder: Path, plan: Plan, shard: int, clock: Clock) -> None:
    """Train a shard's members to the end of the plan's stage; at the end of the last one write their policies.

    Meant to be the life of a process: it sets the number of threads and dies with its parent.
    """
    die_with_parent()
    torch.set_num_threads(1)
    members = unfinished(plan.members(job, shard), folder)
    task = make_task(job.env_id)
    try:
        if not job.population:
            from .sb3 import train_member

            for member in members:
                train_member(job, member, folder, task, clock)
            return
        algorithm = make_algorithm(job, task)
    except EnvRewardError as error:
        _fail(members, folder, error, clock)
        return
    states, updates, parts = restore(folder, plan, shard)
    if states is not None:
        for member in members:
            states[member.key] |= load_parts(folder, member.key, parts.get(member.key, ()))
    members, sources = _open_rewards(job, members, folder, task, clock)
    try:
        population = Population(job, members, sources, states=states, updates=updates)
    except EnvRewardError as error:  # the worlds cannot be made here
        _fail(members, folder, error, clock)
        return
    states = None  # the population has its own
    writer = CheckpointWriter(checkpoint_path(folder, plan.stage, shard), algorithm.memory, parts, updates)
    try:
        _train(population, folder, task, plan.until, writer, clock)
    except InfraError as error:
        _fail(members, folder, error, clock)
    finally:
        population.close()


def _fail(members: Sequence[Member], folder: Path, error: EnvRewardError, clock: Clock) -> None:
    """End the members that have no result yet."""
    for member in unfinished(members, folder):
        MemberResult(key=member.key, status="failed", reason=str(error), wall_s=clock()).save(folder)


def _train(
    population: Population, folder: Path, task: Task, until: int, writer: CheckpointWriter, clock: Clock
) -> None:
    job, metrics, saved_at = population.job, MetricWriter(folder), clock()
    while population.active and population.updates < until:
        rows, retired = population.train_once(clock())
        metrics.write(replace(row, reward_s=population.reward_s) for row in rows)
        for r in retired:
            save_member(job, r.member, folder, task, r.state, r.status, r.reason, population.steps, clock())
        if clock() - saved_at > job.checkpoint_every_s:
            writer.save(population.save(writer.saved), population.updates, clock())
            saved_at = clock()
    if until < job.total_updates:
        writer.save(population.save(writer.saved), population.updates, clock())
        return
    states = population.save(population.updates)
    for member in population.active:
        save_member(job, member, folder, task, states[member.key], "trained", "", population.steps, clock())


def save_member(
    job: TrainingJob,
    member: Member,
    folder: Path,
    task: Task,
    state: MemberState,
    status: MemberStatus,
    reason: str,
    steps: int,
    wall_s: float,
) -> None:
    """Write a member's policy, the one that its job wants, and then the result that says it is there."""
    form, tensors = make_algorithm(job, task).policy(state)
    save_policy(folder / "members" / member.key, form, peak_policy(state) or tensors)
    MemberResult(key=member.key, status=status, reason=reason, steps=steps, wall_s=wall_s).save(folder)


def unfinished(members: Sequence[Member], folder: Path) -> list[Member]:
    """Return the members that have no result yet."""
    return [m for m in members if MemberResult.load(folder, m.key) is None]


class Restored(NamedTuple):
    """From where a shard goes on."""

    states: dict[str, MemberState] | None
    """Of its members, and of others that trained with them, without their experience; ``None`` to start anew."""
    updates: int
    """Updates that they have done."""
    parts: dict[str, list[str]]
    """Names of the parts of each one's experience."""


def restore(folder: Path, plan: Plan, shard: int) -> Restored:
    """Return from where a shard goes on."""
    own = open_checkpoint(folder, plan.stage, shard)
    if own is not None:
        return Restored(own.states(), own.updates, own.parts)
    if plan.stage == 0:
        return Restored(None, 0, {})
    states: dict[str, MemberState] = {}
    parts: dict[str, list[str]] = {}
    updates = 0
    for checkpoint in plan.earlier_checkpoints(folder):
        if set(checkpoint.members) & set(plan.shards[shard]):
            states |= checkpoint.states()
            parts |= checkpoint.parts
            updates = checkpoint.updates
    return Restored(states, updates, parts)


def _open_rewards(
    job: TrainingJob, members: Sequence[Member], folder: Path, task: Task, clock: Clock
) -> tuple[list[Member], Mapping[str, RewardSource]]:
    """Open the members' rewards; a program that cannot be opened ends its member.

    Programs come first: they are forked off, and what the others reserve on a GPU must not be there yet.
    """
    sources: dict[str, RewardSource] = {}
    for member in sorted(members, key=lambda m: not (folder / m.reward).is_file()):
        try:
            sources[member.key] = open_reward(member, job, folder, task, job.steps_per_update)
        except RewardError as error:
            MemberResult(key=member.key, status="failed", reason=str(error), wall_s=clock()).save(folder)
    return [m for m in members if m.key in sources], sources


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends, however it ends."""
    parent = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended in between
        os.kill(os.getpid(), signal.SIGKILL)
