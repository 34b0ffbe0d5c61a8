"""Do the trainers learn the published tasks from the published rewards? Success, steps and time to it, task by task.

    python -m benchmarks.expert --family manipulation [--tasks MetaWorld-reach ...] [--trainer sac] [--steps 250000]
    python -m benchmarks.expert --part beside [--beside-steps 30000]   # Stable-Baselines3's SAC at the same steps

Each task is one training with the expert reward, a member per seed, over all cores. A member's success rate while it
trains (exploration and all) is taken over windows of episodes; 50 % and 90 % are reached at the end of the first
window that shows them. The final success rate is that of the policies without exploration, in a clean process, over
episodes that training never saw. Core-minutes are the processor time of all processes of a training. Beside the peer
means one training of each trainer from the same seed and reward over as many steps. Raw results lie in
``benchmarks/results/raw`` and are not measured again while they are there; the table is made of all that are there.
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

from benchmarks.cpu_time import CpuTime
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
BESIDE = {"manipulation": ("MetaWorld-reach", "MetaWorld-drawer-close", "MetaWorld-handle-press")}
"""Tasks of each family that the peer is trained on, too."""
PEER: TrainerName = "sb3:sac"
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
    beside_steps: int = 30_000
    """Environment steps of each training beside the peer, one seed."""
    part: Literal["trainers", "beside", "table"] = "trainers"
    """``beside``: our SAC and the peer's at the same steps. ``table``: only write the table anew."""


def main() -> int:
    """Measure what is not there yet and write the table; return 0 if the bar is met, else 1."""
    settings = tyro.cli(Settings, description=__doc__)
    torch.set_num_threads(1)
    RAW.mkdir(parents=True, exist_ok=True)
    if settings.part == "trainers":
        for task in settings.tasks or TASKS[settings.family]:
            _once(f"expert-{settings.trainer.replace(':', '-')}-{task}", task, settings)
    elif settings.part == "beside":
        for task in settings.tasks or BESIDE[settings.family]:
            for trainer in ("sac", PEER):
                alone = dataclasses.replace(settings, trainer=trainer, steps=settings.beside_steps, seeds=1)
                _once(f"beside-{trainer.replace(':', '-')}-{task}", task, alone)
    text, met = table(settings.family)
    (RESULTS / f"expert-{settings.family}.md").write_text(text)
    sys.stdout.write(text)
    return 0 if met else 1


def _once(name: str, task: str, settings: Settings) -> None:
    path = RAW / f"{name}.json"
    if path.exists():
        return
    sys.stdout.write(f"{name} ...\n")
    sys.stdout.flush()
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(measure(task, settings), indent=1) + "\n")
    draft.replace(path)


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
        with CpuTime() as cpu:
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
        "core_s": cpu.seconds,
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
    """Return ``(step, wall_s, success rate)`` over windows of at least `WINDOW` episodes."""
    points, successes, episodes = [], 0.0, 0
    for row in rows:
        successes += (row.success or 0.0) * row.episodes
        episodes += row.episodes
        if episodes >= WINDOW:
            points.append((row.step, row.wall_s, successes / episodes))
            successes, episodes = 0.0, 0
    return points


def reached(rows: Sequence[MetricRow], share: float) -> dict[str, float] | None:
    """Return the step and time at which the success rate first was ``share``, or ``None``."""
    return next(({"step": step, "wall_s": wall_s} for step, wall_s, rate in curve(rows) if rate >= share), None)


def table(family: str) -> tuple[str, bool]:
    """Return the report on all raw results of a family as Markdown, and whether the bar is met."""
    head = (
        "task", "trainer", "steps", "success at the end", "steps to 50 %", "to 90 %", "minutes to 90 %", "in all",
        "cores", "core-minutes",
    )  # fmt: skip
    found, passed, rows = _found("expert", family), set(), []
    for result in found:
        mean = statistics.fmean(m["success"] for m in result["members"].values())
        barred = result["task"] in BARRED[family] and not result["trainer"].startswith("sb3")
        if mean >= BAR and barred:
            passed.add(result["task"])
        rows.append((*_cells(result), ("met" if mean >= BAR else "missed") if barred else ""))
    timed = [place for place, name in enumerate(head) if name in ("minutes to 90 %", "in all", "cores")]
    beside = [_without(_cells(result), timed) for result in _found("beside", family)]
    seeds = len(found[0]["members"]) if found else 0
    note = (
        f"Expert reward, {seeds} seeds at once. Success at the end: mean (each seed), without exploration, "
        f"over episodes that training never saw. Steps and minutes: when the success rate of a training's own "
        f"episodes, {WINDOW} at a time, first came to 50 % and 90 %, each seed; never: -. Core-minutes: processor time "
        f"of all seeds together; not counted: -. Bar: a final success rate of {BAR:.0%} on the tasks that have an "
        "entry in the last column, with either of our trainers."
    )
    peer = (
        "Our SAC with the settings of the task's catalog, Stable-Baselines3's with its own defaults; one seed each, as "
        "many steps. Compared by processor time."
    )
    lines = [
        f"# Learning from the expert reward: {family}", "", note, "", *_rows((*head, "bar"), rows), "",
        "Every row was measured by itself, with its own `--steps`: "
        f"`python -m benchmarks.expert --family {family} --tasks TASK --steps STEPS`.", "",
    ]  # fmt: skip
    if beside:
        lines += ["## Beside Stable-Baselines3's SAC", "", peer, "", *_rows(_without(head, timed), beside), ""]
        lines += ["Command: `python -m benchmarks.expert --part beside`.", ""]
    return "\n".join(lines), passed == {*BARRED[family]}


def _found(kind: str, family: str) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in sorted(RAW.glob(f"{kind}-*.json"))]
    found = [result for result in found if result["task"] in TASKS[family]]
    return sorted(found, key=lambda r: (TASKS[family].index(r["task"]), r["trainer"]))


def _cells(result: dict[str, Any]) -> tuple[str, ...]:
    members = result["members"].values()
    successes = [m["success"] for m in members]
    core_s = result.get("core_s")
    return (
        result["task"],
        result["trainer"],
        f"{result['steps']:,}",
        f"{statistics.fmean(successes):.2f} ({', '.join(f'{success:.2f}' for success in successes)})",
        _when(members, "0.5", "step", 1),
        _when(members, "0.9", "step", 1),
        _when(members, "0.9", "wall_s", 60),
        f"{result['wall_s'] / 60:.1f}",
        str(result["machine"]["cores"]),
        "-" if core_s is None else f"{core_s / 60:.1f}",
    )


def _without(cells: Sequence[str], places: Sequence[int]) -> tuple[str, ...]:
    return tuple(cell for place, cell in enumerate(cells) if place not in places)


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [*("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))]


def _when(members: Any, share: str, what: str, divisor: float) -> str:
    marks = [m["reached"][share] for m in members]
    form = "{:,.0f}" if divisor == 1 else "{:.1f}"
    return ", ".join("-" if mark is None else form.format(mark[what] / divisor) for mark in marks)


if __name__ == "__main__":
    sys.exit(main())
