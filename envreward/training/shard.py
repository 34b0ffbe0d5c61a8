"""Shard: the part of a population that one process trains, from its last checkpoint to the end of a stage."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from envreward.errors import EnvRewardError, InfraError, RewardError
from envreward.registry import make_task
from envreward.task import Task

from .checkpoint import checkpoint_path, open_checkpoint, save_checkpoint
from .config import Member, MemberResult, MemberStatus, TrainingJob
from .member_state import MemberState, network_spec
from .metrics import MetricWriter
from .networks import named_weights
from .plan import Plan
from .policy_io import action_bounds, network_form, save_policy
from .population import Population, total_updates
from .reward_source import RewardSource, open_reward

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
        if job.trainer != "ppo":
            from .sb3 import train_member

            for member in members:
                train_member(job, member, folder, task, clock)
            return
        network_spec(task, job.ppo)
    except EnvRewardError as error:
        for member in unfinished(members, folder):
            MemberResult(key=member.key, status="failed", reason=str(error), wall_s=clock()).save(folder)
        return
    states, updates = restore(folder, plan, shard)
    members, sources = _open_rewards(job, members, folder, task, clock)
    population = Population(job, members, sources, states=states, updates=updates)
    try:
        _train(population, folder, task, plan, shard, clock)
    except InfraError as error:
        for member in unfinished(members, folder):
            MemberResult(key=member.key, status="failed", reason=str(error), wall_s=clock()).save(folder)
    finally:
        population.close()


def _train(population: Population, folder: Path, task: Task, plan: Plan, shard: int, clock: Clock) -> None:
    job, until, path = population.job, plan.until, checkpoint_path(folder, plan.stage, shard)
    metrics, saved_at = MetricWriter(folder), clock()
    while population.active and population.updates < until:
        rows, retired = population.train_once(clock())
        metrics.write(replace(row, reward_s=population.reward_s) for row in rows)
        for r in retired:
            save_member(job, r.member, folder, task, r.state, r.status, r.reason, population.steps, clock())
        if clock() - saved_at > job.checkpoint_every_s:
            save_checkpoint(path, population.save(), population.updates, clock())
            saved_at = clock()
    states = population.save()
    if until < total_updates(job):
        save_checkpoint(path, states, population.updates, clock())
        return
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
    """Write a member's policy, and then the result that says it is there."""
    spec = network_spec(task, job.ppo)
    tensors = named_weights(spec, state["weights"])
    if job.ppo.normalize_obs:
        tensors |= {"obs_mean": state["obs.mean"], "obs_scale": (state["obs.var"] + 1e-8).rsqrt()}
    tensors |= action_bounds(task.action_space)
    form = network_form(job.env_id, spec, tuple(task.observation_space.shape or ()), job.ppo.obs_clip)
    save_policy(folder / "members" / member.key, form, tensors)
    MemberResult(key=member.key, status=status, reason=reason, steps=steps, wall_s=wall_s).save(folder)


def unfinished(members: Sequence[Member], folder: Path) -> list[Member]:
    """Return the members that have no result yet."""
    return [m for m in members if MemberResult.load(folder, m.key) is None]


def restore(folder: Path, plan: Plan, shard: int) -> tuple[dict[str, MemberState] | None, int]:
    """Return the states from which a shard goes on, and the updates they have done; ``None`` and 0 to start anew."""
    own = open_checkpoint(folder, plan.stage, shard)
    if own is not None:
        return own.states(), own.updates
    if plan.stage == 0:
        return None, 0
    states: dict[str, MemberState] = {}
    updates = 0
    for checkpoint in plan.earlier_checkpoints(folder):
        if set(checkpoint.members) & set(plan.shards[shard]):
            states |= checkpoint.states()
            updates = checkpoint.updates
    return states, updates


def _open_rewards(
    job: TrainingJob, members: Sequence[Member], folder: Path, task: Task, clock: Clock
) -> tuple[list[Member], Mapping[str, RewardSource]]:
    """Open the members' rewards; a program that cannot be opened ends its member."""
    sources: dict[str, RewardSource] = {}
    for member in members:
        try:
            capacity = job.ppo.num_worlds * job.ppo.rollout_steps
            sources[member.key] = open_reward(member, job, folder, task, capacity)
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
