"""Which form of dense reward makes an agentic task learnable? Population PPO, same budget, several seeds.

    python -m benchmarks.agentic_rewards [--envs WebShopTwo SWERepair] [--seeds 3] [--steps N]

For each task all forms and seeds train together, as one population. The forms are the task's own rewards (`envreward
envs ID`): ``sparse`` pays for success alone; ``potential`` adds potential-based shaping over the field ``progress``;
``milestones`` pays each part of the way once; ``gated`` holds the milestones back until success. Policies are scored in
the clean room on fresh episodes. Writes ``agentic_rewards.json`` and ``.md`` into ``benchmarks/results``; tasks that
are not measured anew stay as they were.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import tyro

from envreward import registry
from envreward.errors import EnvRewardError
from envreward.evaluation import Evaluation, evaluate
from envreward.reports.statistics import bootstrap_interval
from envreward.training.config import Member, PPOConfig, TrainingJob
from envreward.training.metrics import read_rows
from envreward.training.runner import run_training

BAR_DENSE, BAR_SPARSE, BAR_WALL_S = 0.7, 0.2, 600.0
STEPS = {"WebShopTwo": 130_000, "SWERepair": 36_000, "SWERepairTwo": 36_000}
"""Environment steps per policy, where none are asked for; repairs run tests in every step."""
_MANY_STEPS = PPOConfig(
    num_worlds=16, rollout_steps=64, minibatch_size=256, epochs=4, hidden_sizes=(32, 32), learning_rate=1e-3,
    entropy_coef=0.01,
)  # fmt: skip
_FEW_STEPS = replace(_MANY_STEPS, num_worlds=8, rollout_steps=32, minibatch_size=64, epochs=8, entropy_coef=0.003)
PPO = {"SWERepair": _FEW_STEPS, "SWERepairTwo": _FEW_STEPS}
"""Settings by task, where none are given: small rollouts where steps are dear."""
FORMS = ("sparse", "potential", "milestones", "gated")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Compare forms of dense rewards."""

    envs: tuple[str, ...] = ("WebShopTwo", "SWERepair")
    forms: tuple[str, ...] = FORMS
    seeds: int = 3
    steps: int | None = None
    """Environment steps per policy (default: by task)."""
    episodes: int = 200
    """Episodes in which each trained policy is scored."""
    sandbox: str = "process"
    """No reward here is a generated program."""
    ppo: PPOConfig | None = None
    """Settings of PPO (default: by task)."""
    output: Path = Path(__file__).parent / "results"


def train(env: str, settings: Settings, folder: Path) -> dict[str, Any]:
    """Train all forms and seeds on one task and score them; return scores by form, and the seconds it took."""
    spec = registry.find_task_spec(env)
    members = tuple(
        Member(key=f"{form}-s{seed}", group=form, reward=form, seed=seed)
        for form in settings.forms
        for seed in range(settings.seeds)
    )
    steps = settings.steps or STEPS.get(env, 100_000)
    job = TrainingJob(
        env_id=spec.id,
        members=members,
        total_steps=steps,
        ppo=settings.ppo or PPO.get(env, _MANY_STEPS),
        tensorboard=False,
    )
    start = time.perf_counter()
    results = run_training(job, folder, registry.find("sandboxes", settings.sandbox)())
    wall_s = time.perf_counter() - start
    for result in results.values():
        if result.status != "trained":
            raise EnvRewardError(f"{env}: {result.key} {result.status}: {result.reason}")
    scores = evaluate(
        spec.id, {m.key: folder / "members" / m.key for m in members}, episodes=settings.episodes, seed=12345
    )
    rows = read_rows(folder)
    return {
        "env": spec.id,
        "steps": steps,
        "wall_s": wall_s,
        "forms": {form: _scores(form, settings.seeds, scores) for form in settings.forms},
        "curves": {
            m.key: [(row.step, row.success) for row in rows if row.key == m.key and row.success is not None][::10]
            for m in members
        },
    }


def _scores(form: str, seeds: int, scores: dict[str, Evaluation]) -> dict[str, Any]:
    found = [scores[f"{form}-s{seed}"] for seed in range(seeds)]
    success = [score.success for score in found]
    interval = bootstrap_interval(success)
    return {
        "success": success,
        "mean": sum(success) / seeds,
        "interval": None if interval is None else [interval.low, interval.high],
        "fitness": [score.fitness for score in found],
        "episode_length": [score.episode_length for score in found],
    }


def judge(task: dict[str, Any]) -> dict[str, bool]:
    """Return which bars a task's numbers meet."""
    means = {form: scores["mean"] for form, scores in task["forms"].items()}
    dense = max(mean for form, mean in means.items() if form != "sparse")
    return {
        "dense": dense >= BAR_DENSE,
        "sparse": means.get("sparse", 1.0) < BAR_SPARSE,
        "time": task["wall_s"] <= BAR_WALL_S,
    }


def table(report: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    settings = report["settings"]
    lines = ["# Forms of dense rewards for agents", "", report["machine"], ""]
    lines += [
        f"Success rate in {settings['episodes']} fresh episodes after training, mean of {settings['seeds']} seeds "
        "[95 % bootstrap interval]; each seed in parentheses.",
        "",
        f"| task | steps each | {' | '.join(settings['forms'])} | training of all | bars |",
        "|---" * (len(settings["forms"]) + 4) + "|",
    ]
    for task in report["tasks"]:
        cells = []
        for form in settings["forms"]:
            scores = task["forms"][form]
            low, high = scores["interval"] or (scores["mean"], scores["mean"])
            each = ", ".join(f"{value:.2f}" for value in scores["success"])
            cells.append(f"**{scores['mean']:.2f}** [{low:.2f}, {high:.2f}] ({each})")
        met = [name for name, ok in judge(task).items() if not ok]
        verdict = "met" if not met else f"**missed: {', '.join(met)}**"
        lines.append(
            f"| {task['env']} | {task['steps']:,} | {' | '.join(cells)} | {task['wall_s']:.0f} s | {verdict} |"
        )
    lines += [
        "",
        f"Bars: at least one dense form reaches {BAR_DENSE} where sparse stays below {BAR_SPARSE}, within "
        f"{BAR_WALL_S:.0f} s on 2 cores.",
        "",
        "Command: `python -m benchmarks.agentic_rewards`",
    ]
    return "\n".join(lines) + "\n"


def main(settings: Settings) -> int:
    """Train, print, write; return 0 if every bar is met, else 1."""
    load, tasks = os.getloadavg()[0], []
    for env in settings.envs:
        with tempfile.TemporaryDirectory(prefix="envreward-benchmark-") as folder:
            tasks.append(train(env, settings, Path(folder)))
        sys.stdout.write(f"{env}: " + "  ".join(f"{f} {s['mean']:.2f}" for f, s in tasks[-1]["forms"].items()) + "\n")
        sys.stdout.flush()
    path = settings.output / "agentic_rewards.json"
    measured = {task["env"] for task in tasks}
    if path.exists():
        tasks = [*(t for t in json.loads(path.read_text())["tasks"] if t["env"] not in measured), *tasks]
    report = {
        "settings": {k: v for k, v in dataclasses.asdict(settings).items() if k != "output"},
        "machine": f"{platform.platform()}, {os.cpu_count()} CPUs, torch {torch.__version__}, load {load:.1f} at start",
        "tasks": tasks,
    }
    settings.output.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
    text = table(report)
    (settings.output / "agentic_rewards.md").write_text(text)
    sys.stdout.write("\n" + text)
    return 0 if all(all(judge(task).values()) for task in tasks) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings)))
