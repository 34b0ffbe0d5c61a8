"""Do the trainers learn the published tasks from the published rewards? Success, steps and time to it, task by task.

    python -m benchmarks.expert --family manipulation [--tasks MetaWorld-reach ...] [--trainer sac] [--steps 250000]
    python -m benchmarks.expert --family manipulation --trainer sb3:sac --tasks MetaWorld-reach ...   # the peer

Each task is one training with the expert reward, a member per seed, over all cores. A member's success rate while it
trains (exploration and all) is taken over windows of episodes; 50 % and 90 % are reached at the end of the first
window that shows them. The final success rate is that of the policies without exploration, in a clean process, over
episodes that training never saw. Raw results lie in ``benchmarks/results/raw`` and are not measured again while they
are there; the table is made of all that are there.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import tyro

from envreward.evaluation import evaluate
from envreward.registry import find, find_task_spec
from envreward.training.config import Member, MetricRow, TrainerName, TrainingJob
from envreward.training.metrics import read_rows
from envreward.training.runner import run_training
from envreward.training.task_settings import task_settings

RESULTS = Path(__file__).parent / "results"
RAW = RESULTS / "raw"
BAR = 0.9
WINDOW = 30
"""Episodes of one member over which its success rate is taken while it trains."""
_EASY = (
    "reach", "button-press-topdown", "drawer-close", "drawer-open", "window-open", "window-close", "door-close",
    "handle-press",
)  # fmt: skip
_OTHERS = (
    "push", "pick-place", "door-open", "peg-insert-side", "button-press", "door-unlock", "handle-press-side",
    "sweep-into",
)  # fmt: skip
BARRED = {"manipulation": tuple(f"MetaWorld-{name}" for name in _EASY)}
"""Tasks of each family on which the bar must be reached."""
TASKS = {"manipulation": (*BARRED["manipulation"], *(f"MetaWorld-{name}" for name in _OTHERS))}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Train with the expert rewards of a family."""

    family: Literal["manipulation"] = "manipulation"
    tasks: tuple[str, ...] = ()
    """Tasks; none: all that are measured."""
    trainer: TrainerName = "sac"
    """With the settings that the task's catalog has for it."""
    steps: int = 250_000
    """Environment steps per member."""
    seeds: int = 2
    episodes: int = 50
    """Episodes of the final evaluation, per member."""
    part: Literal["all", "table"] = "all"
    """``table`` only writes the table anew."""


def main() -> int:
    """Measure what is not there yet and write the table; return 0 if the bar is met, else 1."""
    settings = tyro.cli(Settings, description=__doc__)
    torch.set_num_threads(1)
    RAW.mkdir(parents=True, exist_ok=True)
    for task in () if settings.part == "table" else settings.tasks or TASKS[settings.family]:
        path = RAW / f"expert-{settings.trainer.replace(':', '-')}-{task}.json"
        if not path.exists():
            sys.stdout.write(f"{path.stem} ...\n")
            sys.stdout.flush()
            draft = path.with_suffix(".draft")
            draft.write_text(json.dumps(measure(task, settings), indent=1) + "\n")
            draft.replace(path)
    text, met = table(settings.family)
    (RESULTS / f"expert-{settings.family}.md").write_text(text)
    sys.stdout.write(text)
    return 0 if met else 1


def measure(task: str, settings: Settings) -> dict[str, Any]:
    """Train one task; return its curves, times and final success rates."""
    members = tuple(
        Member(key=f"s{seed}", group=f"s{seed}", reward="expert", seed=seed) for seed in range(settings.seeds)
    )
    spec = find_task_spec(task)
    job = TrainingJob(
        env_id=spec.id, members=members, total_steps=settings.steps, trainer=settings.trainer, tensorboard=False,
        **task_settings(spec)._asdict(),
    )  # fmt: skip
    load, begun = os.getloadavg()[0], time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="expert-") as scratch:
        folder = Path(scratch)
        results = run_training(job, folder, find("sandboxes", "bubblewrap")())
        wall_s = time.perf_counter() - begun
        failed = {key: result.reason for key, result in results.items() if result.status != "trained"}
        if failed:
            raise SystemExit(f"{task}: {failed}")
        rows: dict[str, list[MetricRow]] = {member.key: [] for member in members}
        for row in read_rows(folder):
            rows[row.key].append(row)
        scores = evaluate(task, {key: folder / "members" / key for key in rows}, episodes=settings.episodes, seed=12345)
    return {
        "task": task,
        "trainer": settings.trainer,
        "config": dataclasses.asdict(job.algorithm) if settings.trainer in ("ppo", "sac") else None,
        "steps": settings.steps,
        "wall_s": wall_s,
        "members": {
            key: {
                "success": scores[key].success,
                "reached": {str(share): reached(history, share) for share in (0.5, 0.9)},
                "curve": curve(history),
            }
            for key, history in rows.items()
        },
        "load": load,
        "machine": {"cores": len(os.sched_getaffinity(0)), "python": platform.python_version()},
    }


def curve(rows: Sequence[MetricRow]) -> list[tuple[int, float, float]]:
    """Return ``(step, wall_s, success rate)`` over windows of at least `WINDOW` episodes.

    A row's success is a mean over the episodes that ended in its rollout; how many those were follows from the steps
    they took.
    """
    points, successes, episodes, before = [], 0.0, 0.0, 0
    for row in rows:
        if row.success is None or row.episode_length is None:
            continue
        count = (row.step - before) / row.episode_length
        before = row.step
        successes += row.success * count
        episodes += count
        if episodes >= WINDOW:
            points.append((row.step, row.wall_s, successes / episodes))
            successes = episodes = 0.0
    return points


def reached(rows: Sequence[MetricRow], share: float) -> dict[str, float] | None:
    """Return the step and time at which the success rate first was ``share``, or ``None``."""
    return next(({"step": step, "wall_s": wall_s} for step, wall_s, rate in curve(rows) if rate >= share), None)


def table(family: str) -> tuple[str, bool]:
    """Return the report on all raw results of a family as Markdown, and whether the bar is met."""
    found = [json.loads(path.read_text()) for path in sorted(RAW.glob("expert-*.json"))]
    found = [result for result in found if result["task"] in TASKS[family]]
    found.sort(key=lambda r: (TASKS[family].index(r["task"]), r["trainer"]))
    head = (
        "task",
        "trainer",
        "steps",
        "success at the end",
        "steps to 50 %",
        "to 90 %",
        "minutes to 90 %",
        "in all",
        "bar",
    )
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    passed = set()
    for result in found:
        members = result["members"].values()
        mean = statistics.fmean(m["success"] for m in members)
        each = ", ".join(f"{m['success']:.2f}" for m in members)
        met = mean >= BAR
        barred = result["task"] in BARRED[family] and not result["trainer"].startswith("sb3")
        if met and barred:
            passed.add(result["task"])
        lines.append(
            f"| {result['task']} | {result['trainer']} | {result['steps']:,} | {mean:.2f} ({each}) | "
            f"{_when(members, '0.5', 'step', 1)} | {_when(members, '0.9', 'step', 1)} | "
            f"{_when(members, '0.9', 'wall_s', 60)} | {result['wall_s'] / 60:.1f} | "
            f"{('met' if met else 'missed') if barred else ''} |"
        )
    note = (
        f"Expert reward, {len(next(iter(found), {'members': ()})['members'])} seeds at once on 2 cores. Success at the "
        f"end: mean (each seed), without exploration, over episodes that training never saw. Steps and minutes: when "
        f"the success rate of a training's own episodes, {WINDOW} at a time, first came to 50 % and 90 %, each seed; "
        f"never: -. Bar: a final success rate of {BAR:.0%} on the tasks that have an entry in the last column, with "
        "either of our trainers."
    )
    command = f"Command: `python -m benchmarks.expert --family {family}`"
    return "\n".join(
        [f"# Learning from the expert reward: {family}", "", note, "", *lines, "", command, ""]
    ), passed == {*BARRED[family]}


def _when(members: Any, share: str, what: str, divisor: float) -> str:
    marks = [m["reached"][share] for m in members]
    form = "{:,.0f}" if divisor == 1 else "{:.1f}"
    return ", ".join("-" if mark is None else form.format(mark[what] / divisor) for mark in marks)


if __name__ == "__main__":
    sys.exit(main())
