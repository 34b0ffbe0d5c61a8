"""The training itself: `main` is a process inside a sandbox, started by `runner`.

The process that is started coordinates: it forks one shard per core (one torch thread each: more threads than cores
is the one thing that makes small networks slow), waits for them, compares members at the rungs of a race, and hands
the survivors out again. A shard that dies is started once more from its last checkpoint; if it dies again, only its
own members are lost.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from envreward.registry import make_task

from .checkpoint import FOLDER, checkpoint_path
from .config import Member, MemberResult, TrainingJob
from .member_state import MemberState
from .metrics import read_rows, repair
from .plan import Plan
from .racing import group_fitness, recent_fitness, rungs, spread, survivors
from .shard import Clock, die_with_parent, restore, run_shard, save_member, unfinished
from .tensorboard import EventMirror

_MIRROR_EVERY_S = 5.0
_ATTEMPTS = 2


def main(where: str) -> None:
    """Train the job in a folder, or go on with it."""
    die_with_parent()
    torch.set_num_threads(1)
    folder = Path(where)
    job = TrainingJob.load(folder)
    plan = Plan.load(folder) or first_plan(job)
    plan.save(folder)
    repair(folder)
    base_s = max((row.wall_s for row in read_rows(folder)), default=0.0)
    start = time.monotonic()

    def clock() -> float:
        return base_s + time.monotonic() - start

    mirror = EventMirror(folder) if job.tensorboard else None
    while True:
        _run_stage(job, folder, plan, clock, mirror)
        following = next_plan(job, folder, plan, clock)
        if following is None:
            break
        following.save(folder)
        for path in [checkpoint_path(folder, plan.stage - 1, s) for s in range(plan.previous_shards)]:
            path.unlink(missing_ok=True)
        plan = following
    if mirror is not None:
        mirror.update()
    shutil.rmtree(folder / FOLDER)


def processes(job: TrainingJob) -> int:
    """Return over how many processes a job is split: members on a GPU share it in one."""
    if not job.on_cpu:
        return 1
    return job.processes or len(os.sched_getaffinity(0))


def first_plan(job: TrainingJob) -> Plan:
    """Return the plan with which a training begins."""
    racing = job.racing if job.population else None
    return Plan(stage=0, until=rungs(job.total_updates, racing)[0], shards=_keys(job.members, processes(job)))


def next_plan(job: TrainingJob, folder: Path, plan: Plan, clock: Clock) -> Plan | None:
    """Retire the losers of the stage that has ended and return the plan of the next, or ``None`` after the last."""
    running = unfinished(job.members, folder)
    if job.racing is None or plan.until >= job.total_updates or not running:
        return None
    fitness = group_fitness(running, recent_fitness(read_rows(folder)))
    going_on = survivors(fitness, job.racing)
    states: dict[str, MemberState] = {}
    for shard in range(len(plan.shards)):
        states |= restore(folder, plan, shard).states or {}
    ranking = sorted(fitness, key=lambda g: -float("inf") if (f := fitness[g]) is None else f, reverse=True)
    steps = plan.until * job.steps_per_update
    task = make_task(job.env_id)
    for member in [m for m in running if m.group not in going_on]:
        score = fitness[member.group]
        shown = "no episode had ended" if score is None else f"fitness {score:.4g}"
        reason = (
            f"pruned at {steps} of {job.total_steps} steps: {shown}, rank {ranking.index(member.group) + 1} of "
            f"{len(ranking)}, {len(going_on)} went on"
        )
        save_member(job, member, folder, task, states[member.key], "pruned", reason, steps, clock())
    left = [m for m in running if m.group in going_on]
    until = min(u for u in rungs(job.total_updates, job.racing) if u > plan.until)
    shards = _keys(left, processes(job))
    return Plan(stage=plan.stage + 1, until=until, shards=shards, previous_shards=len(plan.shards))


def _run_stage(job: TrainingJob, folder: Path, plan: Plan, clock: Clock, mirror: EventMirror | None) -> None:
    """Run all shards of a stage to their ends."""
    running = {shard: _start(job, folder, plan, shard, clock) for shard in range(len(plan.shards))}
    attempts = dict.fromkeys(running, 1)
    mirrored_at = clock()
    while running:
        connection.wait([process.sentinel for process in running.values()], timeout=_MIRROR_EVERY_S)
        for shard, process in list(running.items()):
            if process.is_alive():
                continue
            process.join()
            del running[shard]
            if process.exitcode and attempts[shard] < _ATTEMPTS:
                attempts[shard] += 1
                running[shard] = _start(job, folder, plan, shard, clock)
            elif process.exitcode:
                _give_up(job, folder, plan, shard, process.exitcode, clock)
        if mirror is not None and clock() - mirrored_at >= _MIRROR_EVERY_S:
            mirror.update()
            mirrored_at = clock()


def _start(job: TrainingJob, folder: Path, plan: Plan, shard: int, clock: Clock) -> BaseProcess:
    # forked, not spawned: torch and the simulator are loaded, and no thread has been started in this process
    process = multiprocessing.get_context("fork").Process(target=run_shard, args=(job, folder, plan, shard, clock))
    process.start()
    return process


def _give_up(job: TrainingJob, folder: Path, plan: Plan, shard: int, exitcode: int, clock: Clock) -> None:
    how = f"by {signal.Signals(-exitcode).name}" if exitcode < 0 else f"with exit code {exitcode}"
    reason = f"the training process ended {how}, {_ATTEMPTS} times; its log says more"
    for member in unfinished(plan.members(job, shard), folder):
        MemberResult(key=member.key, status="crashed", reason=reason, wall_s=clock()).save(folder)


def _keys(members: list[Member] | tuple[Member, ...], count: int) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(m.key for m in part) for part in spread(members, count))
