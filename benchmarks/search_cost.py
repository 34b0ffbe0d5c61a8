"""What a search of published size costs: 8 candidates x 5 iterations x 1M steps by `eureka`, its answers replayed.

    python -m benchmarks.search_cost [--envs MetaWorld-button-press-topdown Hopper] [--racing both] [--steps 100000]

Each search is an ordinary study with the recording in ``benchmarks/recordings``, so that no language model is waited
for. Its cost is the processor time of all its processes, the sandboxed ones and the final comparison (winner, expert
and sparse reward, one fresh seed each) included, in core-hours; wall-clock stands beside it. With fewer steps than the
published million the search is measured in small, and its cost multiplied by what is missing: a little too much, since
what every training takes to start is multiplied too. BIRD (2026) reports 3 to 6 hours on 8 cores for a search of this
size with Stable-Baselines3: 24 to 48 core-hours, on its own machine. What Stable-Baselines3 takes for as many steps on
this one, with its own defaults and the official environment, is measured beside it (`benchmarks.search_cost_sb3`).
Writes ``benchmarks/results/search_cost.json`` and ``.md``; a search that is there already is not run again.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from benchmarks.cpu_time import CpuTime
from benchmarks.search_cost_sb3 import steps_per_cpu_s
from envreward.registry import find_task_spec
from envreward.studies import StudyConfig
from envreward.studies.crew import assemble, versions
from envreward.studies.loop import Study
from envreward.studies.store import StudyStore
from envreward.training.config import RacingConfig
from envreward.training.task_settings import task_settings

RESULTS = Path(__file__).parent / "results"
RECORDINGS = Path(__file__).parent / "recordings"
BARS = {"no": 2.0, "yes": 0.7}
"""Core-hours, without racing and with."""
PEER = (24.0, 48.0)
"""Core-hours that BIRD reports."""
PUBLISHED_STEPS = 1_000_000
"""Environment steps per training of a search of published size."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Measure what searches cost."""

    envs: tuple[str, ...] = ("MetaWorld-button-press-topdown", "Hopper")
    racing: Literal["no", "yes", "both"] = "both"
    samples: int = 8
    iterations: int = 5
    steps: int = 100_000
    """Environment steps per training that are measured; the cost is that of `PUBLISHED_STEPS`."""
    peer_steps: int = 2_000
    """Environment steps over which Stable-Baselines3 is timed; it learns from the first one on."""
    runs: Path = Path("runs/benchmark-search-cost")
    """Folder of the studies."""


def search(env: str, racing: bool, settings: Settings) -> dict[str, Any]:
    """Run one study from its beginning to its end and return its cost and scores."""
    spec = find_task_spec(env)
    config = StudyConfig(
        env_id=spec.id,
        instruction=spec.instruction,
        designer="eureka",
        llm=f"replay:{RECORDINGS / f'eureka-{env}.jsonl'}",
        samples=settings.samples,
        iterations=settings.iterations,
        steps=settings.steps,
        final_seeds=1,
        racing=RacingConfig() if racing else None,
        **task_settings(spec)._asdict(),
    )
    begun, load = time.perf_counter(), os.getloadavg()[0]
    folder = settings.runs / f"{env}-{'racing' if racing else 'all'}"
    with StudyStore.create(folder, config, versions()) as store, CpuTime() as cpu:
        result = Study(store, assemble(config, store.spent())).run()
        candidates = store.candidates()
    statuses: dict[str, int] = {}
    for candidate in candidates:
        statuses[candidate.status.value] = statuses.get(candidate.status.value, 0) + 1
    return {
        "env": env,
        "racing": "yes" if racing else "no",
        "core_hours_measured": cpu.seconds / 3600.0,
        "core_hours": cpu.seconds / 3600.0 * PUBLISHED_STEPS / settings.steps,
        "wall_hours": (time.perf_counter() - begun) / 3600.0,
        "statuses": statuses,
        "winner": None if result.winner is None else {"id": result.winner.id, "fitness": result.winner.fitness},
        "final": {
            m.role: None if m.evaluation is None else {"success": m.evaluation.success, "fitness": m.evaluation.fitness}
            for m in result.members
        },
        "load": load,
    }


def table(found: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    size = f"{found['samples']} candidates x {found['iterations']} iterations x {PUBLISHED_STEPS:,} steps"
    head = (
        "env",
        "racing",
        "core-hours",
        "SB3 here: PPO, SAC",
        "below its PPO",
        "below BIRD's",
        "candidates",
        "bar",
        "",
    )
    scale = PUBLISHED_STEPS / found["steps"]
    how = "" if scale == 1 else f" Measured with {found['steps']:,} steps per training, and multiplied by {scale:g}."
    lines = ["# The cost of a search", "", f"{size}, PPO, answers replayed. {found['machine']}.{how}", ""]
    lines += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in found["searches"]:
        bar = BARS[row["racing"]]
        statuses = ", ".join(f"{count} {status}" for status, count in sorted(row["statuses"].items()))
        factor = f"{PEER[0] / row['core_hours']:.0f} to {PEER[1] / row['core_hours']:.0f} times"
        trainings = found["samples"] * found["iterations"] + 3  # and winner, expert and sparse at the end
        peers = {
            name: trainings * PUBLISHED_STEPS / rate / 3600.0 for name, rate in found["sb3"].get(row["env"], {}).items()
        }
        beside = ", ".join(f"{hours:.0f}" for hours in peers.values()) or "-"
        below = f"{peers['ppo'] / row['core_hours']:.0f} times" if peers else "-"
        lines.append(
            f"| {row['env']} | {row['racing']} | {row['core_hours']:.2f} | {beside} | {below} | {factor} | "
            f"{statuses} | {bar} | {'met' if row['core_hours'] <= bar else 'missed'} |"
        )
    lines += [
        "",
        "Core-hours: processor time of all processes, the final comparison of winner, expert and sparse reward",
    ]
    lines += [
        "(one seed each) included. SB3 here: what its PPO and SAC take, with their defaults, on one official",
        "environment, for as many trainings. BIRD: 3 to 6 hours on 8 cores of its own machine.",
        "Command: `python -m benchmarks.search_cost`",
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    """Measure what is not there yet and write the table; return 0 if every bar is met, else 1."""
    settings = tyro.cli(Settings, description=__doc__)
    size = {name: getattr(settings, name) for name in ("samples", "iterations", "steps")}
    path = RESULTS / "search_cost.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if {name: found.get(name) for name in size} != size:
        found = {**size, "searches": [], "sb3": {}}
    for env in settings.envs:
        if env not in found["sb3"]:
            found["sb3"][env] = {name: steps_per_cpu_s(name, env, settings.peer_steps) for name in ("ppo", "sac")}
        for racing in (False, True) if settings.racing == "both" else (settings.racing == "yes",):
            if any(r["env"] == env and (r["racing"] == "yes") == racing for r in found["searches"]):
                continue
            found["searches"].append(search(env, racing, settings))
            found["machine"] = f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}"
            found["searches"].sort(
                key=lambda r: (settings.envs.index(r["env"]) if r["env"] in settings.envs else 99, r["racing"])
            )
            path.write_text(json.dumps(found, indent=1) + "\n")
            path.with_suffix(".md").write_text(table(found))
    sys.stdout.write(table(found))
    return 0 if all(r["core_hours"] <= BARS[r["racing"]] for r in found["searches"]) else 1


if __name__ == "__main__":
    sys.exit(main())
