"""Meta-World's scripted policies, run through our batch and through the official environments, on the same goals.

    python -m benchmarks.scripted [--tasks reach ...] [--goals 50]

Every task starts ``--goals`` episodes with draws that both sides share, and the package's own policy acts on what each
side observes, for a whole episode. Successes must agree. Writes ``benchmarks/results/scripted.json`` and ``.md``.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from benchmarks.throughput_peers import OfficialMetaWorld
from envreward.envs.manipulation.metaworld.base import MetaWorldTask
from envreward.envs.manipulation.metaworld.behaviours import policy_of
from envreward.envs.manipulation.metaworld.catalog import TASKS
from envreward.sim_vector_env import SimVectorEnv
from envreward.vector_env import make_vector_env

RESULTS = Path(__file__).parent / "results"
NAMES = tuple(spec.id.removeprefix("EnvReward/MetaWorld-").removesuffix("-v0") for spec in TASKS)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Compare the successes of scripted policies."""

    tasks: tuple[str, ...] = NAMES
    goals: int = 50
    output: Path = RESULTS


def compare(name: str, goals: int) -> dict[str, Any]:
    """Play the same episodes on both sides; return the successes of each."""
    torch.set_num_threads(1)
    env = make_vector_env(f"MetaWorld-{name}", goals, reward="none", autoreset=False, num_threads=1)
    assert isinstance(env, SimVectorEnv) and isinstance(env.task, MetaWorldTask)
    env.reset(seed=0)
    uniform = torch.from_numpy(np.random.default_rng(1).random((goals, env.task.reset_noise_size)))
    drawn = env.task.draw(uniform)
    env.task.start(torch.arange(goals), drawn)
    [script] = [b for b in env.task.behaviours if b.name == "scripted"]
    assert script.act is not None
    ours = torch.zeros(goals, dtype=torch.bool)
    begun = time.perf_counter()
    for step in range(env.horizon):
        ours |= env.advance(script.act(env.task, step)).success
    ours_s = time.perf_counter() - begun
    env.close()
    policy = policy_of(script.act.args[0])  # type: ignore[attr-defined]
    theirs, begun = [], time.perf_counter()
    official = OfficialMetaWorld(name, seed=0, elapsed=0)
    base = official.unwrapped
    base._freeze_rand_vec = True
    for row in drawn.numpy():
        base._last_rand_vec = row
        obs, _ = official.reset()
        success = False
        for _ in range(env.horizon):
            obs, _, _, _, info = official.step(np.clip(policy(obs), -1, 1).astype(np.float32))
            success |= bool(info["success"])
        theirs.append(success)
    return {
        "task": name,
        "ours": int(ours.sum()),
        "official": sum(theirs),
        "agree": int(sum(a == b for a, b in zip(ours.tolist(), theirs, strict=True))),
        "ours_s": ours_s,
        "official_s": time.perf_counter() - begun,
    }


def table(found: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    lines = [
        "# Scripted policies on Meta-World",
        "",
        f"Successes of the package's own policies in {found['goals']} episodes that start from the same draws.",
        "",
        "| task | ours | official | the same outcome in |",
        "|---|---|---|---|",
    ]
    lines += [f"| {r['task']} | {r['ours']} | {r['official']} | {r['agree']} |" for r in found["rows"]]
    total = {key: sum(row[key] for row in found["rows"]) for key in ("ours", "official", "agree")}
    lines.append(f"| all {len(found['rows'])} | {total['ours']} | {total['official']} | {total['agree']} |")
    return "\n".join([*lines, "", "Command: `python -m benchmarks.scripted`", ""])


def main(settings: Settings) -> int:
    """Compare, print, write; return 0 if every episode has the same outcome on both sides."""
    found: dict[str, Any] = {"goals": settings.goals, "rows": []}
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), multiprocessing.get_context("spawn")) as pool:
        for row in pool.map(compare, settings.tasks, [settings.goals] * len(settings.tasks)):
            found["rows"].append(row)
            sys.stderr.write(json.dumps(row) + "\n")
    settings.output.mkdir(parents=True, exist_ok=True)
    (settings.output / "scripted.json").write_text(json.dumps(found, indent=1) + "\n")
    (settings.output / "scripted.md").write_text(table(found))
    sys.stdout.write(table(found))
    return 0 if all(row["agree"] == settings.goals for row in found["rows"]) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings)))
