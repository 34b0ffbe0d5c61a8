"""What the sandbox costs: starting it, and training on a reward program inside it.

    python -m benchmarks.overhead [--rounds 5] [--members 8] [--steps 131072]

What is compared, in interleaved rounds on the same machine:

* **start-up**: from the call that starts a command until Python code runs in it, and until it has imported torch;
  once as a plain subprocess, once in ``bubblewrap``.
* **training**: the same population (environment, seeds, settings) trained four ways: on the published reward or on a
  typical reward program with one locked-up process per member, each in a plain subprocess and in ``bubblewrap``. Wall
  time is of the training itself, from its first rollout to its last policy. CPU time is of all its processes, start-up
  included, where they can be counted from outside (not in ``bubblewrap``); it hardly depends on the machine's load.
  What is judged is the time that the trainer waits for rewards, as a share of the same training's time: both are
  measured in the same seconds, so that a noisy machine does not blur them as it blurs the ratio of two trainings.

Ratios and shares are medians over rounds, ratios to the plain subprocess. Writes ``overhead.json`` and
``overhead.md`` into ``benchmarks/results``.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

from envreward import registry
from envreward.errors import EnvRewardError
from envreward.sandbox import Sandbox
from envreward.training.config import Member, PPOConfig, TrainingJob
from envreward.training.metrics import read_rows
from envreward.training.runner import run_training

BAR_START_S = 2.0
BAR_SHARE = 0.05

# What models typically write for this robot: a handful of terms, exponentials, a norm, a mask.
PROGRAM = '''
import torch
from typing import Dict, Tuple
from torch import Tensor


def compute_reward(
    x_velocity: Tensor, pitch: Tensor, pitch_velocity: Tensor, joint_velocities: Tensor, action: Tensor
) -> Tuple[Tensor, Dict[str, Tensor]]:
    """Run forward, level and smoothly."""
    speed_temperature = 4.0
    speed = torch.tanh(x_velocity / speed_temperature)
    upright = torch.exp(-2.0 * pitch.square())
    smooth = torch.exp(-0.1 * pitch_velocity.abs())
    effort = -0.1 * action.square().sum(dim=-1)
    calm = -0.001 * torch.linalg.vector_norm(joint_velocities, dim=-1)
    fast = torch.where(x_velocity > 2.0, torch.ones_like(x_velocity), torch.zeros_like(x_velocity))
    total = x_velocity + speed + 0.2 * upright + 0.1 * smooth + effort + calm + 0.5 * fast
    parts = {"speed": speed, "upright": upright, "smooth": smooth, "effort": effort, "calm": calm, "fast": fast}
    return total, parts
'''

START_CODE = {"python": "print('.', flush=True)", "python + torch": "import torch; print('.', flush=True)"}
WAYS = {
    "plain": ("process", "expert"),
    "plain program": ("process", "program.py"),
    "bubblewrap": ("bubblewrap", "expert"),
    "program": ("bubblewrap", "program.py"),
}
"""Sandbox and reward of each way of training."""
Round = dict[str, dict[str, float | None]]
"""Times by way of training."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Measure what the sandbox costs."""

    env: str = "HalfCheetah"
    members: int = 8
    """Policies, each with its own reward; as many programs run side by side."""
    steps: int = 131_072
    """Environment steps per member."""
    rounds: int = 5
    start_rounds: int = 10
    output: Path = Path(__file__).parent / "results"
    """Folder for overhead.json and overhead.md."""


def sandbox(name: str) -> Sandbox:
    """Return a sandbox that works here.

    Raises:
        EnvRewardError: It does not.
    """
    found: Sandbox = registry.find("sandboxes", name)()
    if (reason := found.unavailable()) is not None:
        raise EnvRewardError(f"sandbox {name} cannot be used here: {reason}")
    return found


def start_times(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return seconds from start to first output, by code and way of starting."""
    bubblewrap = sandbox("bubblewrap")
    found: dict[str, dict[str, list[float]]] = {name: {"subprocess": [], "bubblewrap": []} for name in START_CODE}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for name, code in START_CODE.items():
                start = time.perf_counter()
                subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
                found[name]["subprocess"].append(time.perf_counter() - start)
                start = time.perf_counter()
                process = bubblewrap.start([sys.executable, "-c", code], workdir=Path(folder))
                while not process.log_tail() and process.poll() is None:
                    time.sleep(0.001)
                found[name]["bubblewrap"].append(time.perf_counter() - start)
                if process.wait(60.0) != 0:
                    raise EnvRewardError(f"the sandbox broke: {process.log_tail()}")
    return found


def train(way: str, settings: Settings) -> dict[str, float | None]:
    """Train the population one way.

    Returns:
        ``wall_s`` of the training, ``cpu_s`` of all its processes where known, ``whole_s`` from call to return, and
        ``waiting`` for rewards as a share of ``wall_s``, mean over the training's processes.
    """
    name, reward = WAYS[way]
    members = tuple(Member(key=f"m{i}", group=f"m{i}", reward=reward, seed=i) for i in range(settings.members))
    env_id = registry.find_task_spec(settings.env).id
    job = TrainingJob(env_id=env_id, members=members, total_steps=settings.steps, ppo=PPOConfig(), tensorboard=False)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "program.py").write_text(PROGRAM)
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        results = run_training(job, Path(folder), sandbox(name))
        whole_s, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        rows = read_rows(Path(folder))
    for result in results.values():
        if result.status != "trained":
            raise EnvRewardError(f"{way}: member {result.key} {result.status}: {result.reason}")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime if name == "process" else None
    wall_s = max(r.wall_s for r in results.values())
    waited = sum(row.reward_s or 0.0 for row in rows) / settings.members
    return {"wall_s": wall_s, "cpu_s": cpu_s, "whole_s": whole_s, "waiting": waited / wall_s}


def training_times(settings: Settings) -> list[Round]:
    """Train all ways in turn, round after round, each round starting with another way."""
    rounds: list[Round] = []
    ways = list(WAYS)
    for index in range(settings.rounds):
        order = ways[index % len(ways) :] + ways[: index % len(ways)]
        rounds.append({way: train(way, settings) for way in order})
        shown = "  ".join(f"{way} {rounds[-1][way]['wall_s']:.1f} s" for way in ways)
        sys.stdout.write(f"round {index + 1}: {shown}\n")
        sys.stdout.flush()
    return rounds


def summarise(starts: dict[str, dict[str, list[float]]], rounds: list[Round]) -> dict[str, Any]:
    """Return medians and ratios, and whether the bars are met."""
    start_s = {code: {way: statistics.median(times) for way, times in ways.items()} for code, ways in starts.items()}
    training = {
        way: {
            "wall_s": _median([r[way]["wall_s"] for r in rounds]),
            "cpu_s": _median([r[way]["cpu_s"] for r in rounds]),
            "wall_ratio": _median([_ratio(r, way, "wall_s") for r in rounds]),
            "cpu_ratio": _median([_ratio(r, way, "cpu_s") for r in rounds]),
            "waiting": _median([r[way]["waiting"] for r in rounds]),
        }
        for way in WAYS
    }
    waiting = training["program"]["waiting"]
    met = {
        "start-up": start_s["python + torch"]["bubblewrap"] <= BAR_START_S,
        "training": waiting is not None and waiting <= BAR_SHARE,
    }
    return {"start_s": start_s, "training": training, "bars_met": met}


def _ratio(one: Round, way: str, what: str) -> float | None:
    value, base = one[way][what], one["plain"][what]
    return None if value is None or base is None else value / base


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def table(report: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    starts, training, met = report["start_s"], report["training"], report["bars_met"]
    settings, verdict = report["settings"], {True: "met", False: "**not met**"}
    lines = ["# Overhead of the sandbox", "", report["machine"], "", "| start-up until | subprocess | bubblewrap |"]
    lines += ["|---|---|---|"]
    lines += [f"| {code} | {t['subprocess']:.3f} s | {t['bubblewrap']:.3f} s |" for code, t in starts.items()]
    lines += ["", f"Bar: torch imported within {BAR_START_S:g} s: {verdict[met['start-up']]}.", ""]
    lines += [f"{settings['env']}, {settings['members']} members x {settings['steps']:,} steps, median of"]
    lines[-1] += f" {settings['rounds']} interleaved rounds:"
    lines += [
        "",
        "| training | wall | CPU | wall, ratio | CPU, ratio | waits for rewards |",
        "|---|---|---|---|---|---|",
    ]
    for way, t in training.items():
        where, reward = WAYS[way]
        name = f"{'published reward' if reward == 'expert' else 'reward programs'}, {where}"
        cpu = (f"{t['cpu_s']:.1f} s", f"{t['cpu_ratio']:.3f}") if t["cpu_s"] is not None else ("", "")
        lines.append(
            f"| {name} | {t['wall_s']:.1f} s | {cpu[0]} | {t['wall_ratio']:.3f} | {cpu[1]} | {t['waiting']:.1%} |"
        )
    bar = f"rewards of programs in the sandbox take at most {BAR_SHARE:.0%} of the training's time"
    return "\n".join([*lines, "", f"Bar: {bar}: {verdict[met['training']]}."]) + "\n"


def main(settings: Settings) -> int:
    """Measure, print, write; return 0 if every bar is met, else 1."""
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    starts = start_times(settings.start_rounds)
    rounds = training_times(settings)
    report: dict[str, Any] = {
        "settings": {k: v for k, v in dataclasses.asdict(settings).items() if k != "output"},
        "machine": f"{platform.platform()}, {os.cpu_count()} CPUs, torch {torch.__version__}, load {load:.1f} at start",
        **summarise(starts, rounds),
        "rounds": rounds,
        "start_rounds": starts,
    }
    settings.output.mkdir(parents=True, exist_ok=True)
    (settings.output / "overhead.json").write_text(json.dumps(report, indent=1) + "\n")
    text = table(report)
    (settings.output / "overhead.md").write_text(text)
    sys.stdout.write("\n" + text)
    return 0 if all(report["bars_met"].values()) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings)))
