"""What a search of published size costs: 8 candidates x 5 iterations x 1M steps by `eureka`, its answers replayed.

    python -m benchmarks.search_cost [--envs MetaWorld-button-press-topdown Hopper] [--racing both] [--runs FOLDER]
    python -m benchmarks.search_cost --sizes 1000000                            # the whole of it: hours

Each search is an ordinary study with the recording in ``benchmarks/recordings``, so that no language model is waited
for. Its cost is the processor time of all its processes, the sandboxed ones and the final comparison (winner, expert
and sparse reward, one fresh seed each) included, in core-hours. Part of that does not depend on how long policies are
trained (starting processes, verifying programs, scoring policies), the rest grows with the steps. So a search is run
with two small numbers of steps per training, and the line through them over the steps taken gives what a million cost.

BIRD (2026) reports 3 to 6 hours on 8 cores for a search of this size with Stable-Baselines3: 24 to 48 core-hours, on
its own machine. What Stable-Baselines3 takes for as many steps on this one, with its own defaults and the official
environment, is measured beside it (`benchmarks.search_cost_sb3`), and what MuJoCo alone takes for the physics of as
many steps: right before and after each search, since a shared machine is not equally fast at all times. Writes
``benchmarks/results/search_cost.json`` and ``.md``; a search that is there already is not run again.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import tyro

from benchmarks.cpu_time import CpuTime
from benchmarks.search_cost_sb3 import steps_per_cpu_s
from envreward.registry import find_task_spec
from envreward.sim_vector_env import SimVectorEnv
from envreward.studies import StudyConfig
from envreward.studies.crew import assemble, versions
from envreward.studies.loop import Study
from envreward.studies.store import StudyStore
from envreward.training.config import RacingConfig
from envreward.training.task_settings import task_settings
from envreward.vector_env import make_vector_env

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
    sizes: tuple[int, ...] = (32_768, 65_536)
    """Environment steps per training that are measured, one or two: multiples of a rollout, with 8 updates or more, so
    that racing compares as often as in a long training."""
    peer_steps: int = 2_000
    """Environment steps over which Stable-Baselines3 is timed; it learns from the first one on."""
    runs: Path = Path("runs/benchmark-search-cost")
    """Folder of the studies."""


def search(env: str, racing: bool, steps: int, settings: Settings) -> dict[str, Any]:
    """Run one study from its beginning to its end and return its cost and scores."""
    spec = find_task_spec(env)
    config = StudyConfig(
        env_id=spec.id,
        instruction=spec.instruction,
        designer="eureka",
        llm=f"replay:{RECORDINGS / f'eureka-{env}.jsonl'}",
        samples=settings.samples,
        iterations=settings.iterations,
        steps=steps,
        final_seeds=1,
        racing=RacingConfig() if racing else None,
        **task_settings(spec)._asdict(),
    )
    load, physics = os.getloadavg()[0], physics_steps_per_cpu_s(env)
    folder = settings.runs / f"{env}-{'racing' if racing else 'all'}-{steps}"
    with StudyStore.create(folder, config, versions()) as store, CpuTime() as cpu:
        result = Study(store, assemble(config, store.spent())).run()
        candidates, env_steps = store.candidates(), store.spent().env_steps
        reused_steps = sum(member.steps for member in store.members() if member.reused)
    statuses: dict[str, int] = {}
    for candidate in candidates:
        statuses[candidate.status.value] = statuses.get(candidate.status.value, 0) + 1
    return {
        "env": env,
        "racing": "yes" if racing else "no",
        "steps": steps,
        "env_steps": env_steps,
        "reused_steps": reused_steps,
        "core_s": cpu.seconds,
        "physics_steps_per_cpu_s": statistics.fmean((physics, physics_steps_per_cpu_s(env))),
        "statuses": statuses,
        "winner": None if result.winner is None else {"id": result.winner.id, "fitness": result.winner.fitness},
        "load": load,
    }


def physics_steps_per_cpu_s(env_id: str, steps: int = 150, num_envs: int = 64) -> float:
    """Return the environment steps per second of processor time of MuJoCo alone, acting uniformly at random.

    Args:
        env_id: A task on MuJoCo.
        steps: How many are timed in each world, each after one that is not.
        num_envs: Worlds.
    """
    env, generator, spent_s = make_vector_env(env_id, num_envs), torch.Generator().manual_seed(0), 0.0
    assert isinstance(env, SimVectorEnv)
    env.reset(seed=0)
    shape = (num_envs, *(env.task.action_space.shape or ()))
    for _ in range(steps):
        action = 2.0 * torch.rand(shape, generator=generator) - 1.0
        env.step(action)  # worlds that have fallen begin anew
        env.task.apply(action)
        begun_s = time.process_time()
        env.task.step()
        spent_s += time.process_time() - begun_s
    env.close()
    return steps * num_envs / spent_s


def published_core_hours(searches: list[dict[str, Any]], racing: str) -> tuple[float, float, float]:
    """Return what a search of published size costs, in core-hours: in all, the part that does not grow with the steps,
    and what MuJoCo alone would take for the physics of as many steps.

    The line goes through all searches of an environment over the environment steps that they took, since a step costs
    the same whether there is racing or not: a line through the two racing searches alone could promise more than racing
    saves steps. Baselines that an earlier search has kept are counted as if they had been trained.

    Args:
        searches: The measured ones of one environment. From a single one all is taken to grow.
        racing: Whether the search is one with racing, ``yes`` or ``no``.
    """
    steps, core_s = ([float(s[name]) for s in searches] for name in ("env_steps", "core_s"))
    slope, fixed = (core_s[0] / steps[0], 0.0) if len(steps) == 1 else np.polyfit(steps, core_s, 1)
    own = [s for s in searches if s["racing"] == racing]
    taken = statistics.fmean((s["env_steps"] + s["reused_steps"]) / s["steps"] for s in own)
    bare = taken * PUBLISHED_STEPS / statistics.fmean(s["physics_steps_per_cpu_s"] for s in own)
    return (fixed + slope * taken * PUBLISHED_STEPS) / 3600.0, fixed / 3600.0, bare / 3600.0


def table(found: dict[str, Any]) -> tuple[str, bool]:
    """Return the results as Markdown, and whether every bar is met."""
    size = f"{found['samples']} candidates x {found['iterations']} iterations x {PUBLISHED_STEPS:,} steps"
    head = (
        "env",
        "racing",
        "core-hours",
        "of them fixed",
        "bare physics",
        "SB3 here: PPO, SAC",
        "below its PPO",
        "below BIRD's",
        "bar",
    )
    lines = ["# The cost of a search", "", f"{size}, PPO, answers replayed. {found['machine']}.", ""]
    lines += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    trainings = found["samples"] * found["iterations"] + 3  # and winner, expert and sparse at the end
    all_met = True
    for env, racing in dict.fromkeys((s["env"], s["racing"]) for s in found["searches"]):
        hours, fixed, bare = published_core_hours([s for s in found["searches"] if s["env"] == env], racing)
        peers = {n: trainings * PUBLISHED_STEPS / rate / 3600.0 for n, rate in found["sb3"][env].items()}
        met = hours <= BARS[racing]
        all_met &= met
        shown = round(fixed, 2) + 0.0  # no "-0.00", where the line begins a little below zero
        lines.append(
            f"| {env} | {racing} | {hours:.2f} | {shown:.2f} | {bare:.2f} | "
            f"{', '.join(f'{p:.0f}' for p in peers.values())} | "
            f"{peers['ppo'] / hours:.0f} times | {PEER[0] / hours:.0f} to {PEER[1] / hours:.0f} times | "
            f"{BARS[racing]} {'met' if met else 'missed'} |"
        )
    measured = ", ".join(
        f"{s['env']}{' racing' if s['racing'] == 'yes' else ''} {s['env_steps']:,}: {s['core_s']:,.0f} "
        f"(load {s['load']:.1f} at its start)"
        for s in found["searches"]
    )
    sizes = sorted({s["steps"] for s in found["searches"]})
    lines += [
        "",
        "Core-hours: processor time of all processes, the final comparison of winner, expert and sparse reward (one",
        "seed each) included, on the line through searches with fewer steps per training. Measured, with environment",
        f"steps and core-seconds: {measured}.",
        "Bare physics: what MuJoCo alone takes for as many steps, timed right before and after each search with random",
        "actions. SB3 here: what its PPO and SAC take with their defaults, on one official environment, for as many",
        "trainings.",
        "BIRD: 3 to 6 hours on 8 cores of its own machine. "
        f"Command: `python -m benchmarks.search_cost --sizes {' '.join(str(n) for n in sizes)}`",
        "",
    ]
    return "\n".join(lines), all_met


def main() -> int:
    """Measure what is not there yet and write the table; return 0 if every bar is met, else 1."""
    settings = tyro.cli(Settings, description=__doc__)
    size = {name: getattr(settings, name) for name in ("samples", "iterations")}
    path = RESULTS / "search_cost.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if {name: found.get(name) for name in size} != size:
        found = {**size, "searches": [], "sb3": {}}
    order = [*settings.envs]
    for env in settings.envs:
        if env not in found["sb3"]:
            found["sb3"][env] = {name: steps_per_cpu_s(name, env, settings.peer_steps) for name in ("ppo", "sac")}
        for racing in (False, True) if settings.racing == "both" else (settings.racing == "yes",):
            for steps in settings.sizes:
                place = (env, "yes" if racing else "no", steps)
                if any((s["env"], s["racing"], s["steps"]) == place for s in found["searches"]):
                    continue
                found["searches"].append(search(env, racing, steps, settings))
                found["machine"] = f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}"
                found["searches"].sort(
                    key=lambda s: (order.index(s["env"]) if s["env"] in order else 99, s["racing"], s["steps"])
                )
                path.write_text(json.dumps(found, indent=1) + "\n")
                path.with_suffix(".md").write_text(table(found)[0])
    text, met = table(found)
    path.with_suffix(".md").write_text(text)
    sys.stdout.write(text)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
