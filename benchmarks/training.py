"""Training speed and learning of the population against Stable-Baselines3 and against itself, one member at a time.

    python -m benchmarks.training                                   # all parts that are not there yet, then the table
    python -m benchmarks.training --part speed --rounds 3
    python -m benchmarks.training --part learning --robots Hopper   # hours: SB3 trains one policy after another

*Speed*: eight candidates on HalfCheetah at our default settings. The contestants take turns within each round; each
rate is environment steps per second of wall-clock from a training's first metrics to its last, so that neither side's
start-up counts, and is extrapolated to 8 x 1M steps:

* **population**: all eight as one population over all cores;
* **one by one**: our trainer, one member per process, one process per core, one after another;
* **sb3**: SB3 PPO with the same network, worlds, rollout, minibatch and epochs, one training after another;
* **sb3-64**: the same with SB3's default minibatch of 64.

*Learning*: final deterministic return over 20 episodes of Gymnasium's own environment after 1M steps, three seeds, ours
with each robot's own settings (`TaskSpec.training`) against SB3 with those that RL Baselines3 Zoo tuned for it.

Raw results lie in ``benchmarks/results/raw`` and are not measured again while they are there; delete them to do so.
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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import tyro

from benchmarks.training_sb3 import PUBLISHED, ROBOTS, Rate, episode_returns, sb3_rate, zoo_return
from envreward.registry import find, find_task_spec
from envreward.training.config import Member, PPOConfig, TrainingJob
from envreward.training.metrics import read_rows
from envreward.training.policy_io import load_policy
from envreward.training.runner import run_training
from envreward.training.task_settings import task_settings

RESULTS = Path(__file__).parent / "results"
RAW = RESULTS / "raw"
CANDIDATES = 8
FULL_STEPS = 1_000_000
BARS = {"sb3": 4.0, "sb3-64": 10.0, "one by one": 1.6}
BAR_LEARNING = 0.9


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Compare training speed and learning."""

    part: Literal["all", "speed", "learning", "table"] = "all"
    """What to measure; ``table`` only writes the table anew."""
    robots: tuple[str, ...] = ROBOTS
    """Robots of the learning part."""
    sides: tuple[Literal["ours", "sb3"], ...] = ("ours", "sb3")
    """Sides of the learning part."""
    seeds: int = 3
    rounds: int = 3
    """Rounds of the speed part."""
    steps: int = 40_000
    """Steps per candidate and round of the speed part; SB3 and single members take one candidate's share."""
    episodes: int = 20
    """Episodes of the final evaluation in the learning part."""


def main() -> None:
    """Measure what is asked for and write the table."""
    settings = tyro.cli(Settings, description=__doc__)
    torch.set_num_threads(1)
    RAW.mkdir(parents=True, exist_ok=True)
    if settings.part in ("all", "speed"):
        for round_index in range(settings.rounds):
            for side, measure in _speed_sides(settings.steps).items():
                _cached(_speed_name(side, str(round_index)), lambda m=measure: m()._asdict())
    if settings.part in ("all", "learning"):
        for seed in range(settings.seeds):
            for robot in settings.robots:
                if "sb3" in settings.sides:
                    name = f"training-learning-sb3-{robot}-{seed}"
                    _cached(name, lambda r=robot, s=seed: zoo_return(r, s, FULL_STEPS, settings.episodes))
        for robot in settings.robots:
            if "ours" in settings.sides:
                name = f"training-learning-ours-{robot}"
                _cached(name, lambda r=robot: _our_returns(r, settings.seeds, settings.episodes))
    _write_table()


def _settings(robot: str) -> PPOConfig:
    return task_settings(find_task_spec(robot)).ppo


def _cached(name: str, measure: Callable[[], dict[str, Any]]) -> None:
    path = RAW / f"{name}.json"
    if path.exists():
        return
    _say(f"{name} ...")
    result = measure() | {"load": os.getloadavg()[0], "machine": _machine()}
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(result, indent=1))
    draft.replace(path)


def _speed_sides(steps: int) -> dict[str, Callable[[], Rate]]:
    cores = len(os.sched_getaffinity(0))
    config = PPOConfig()
    return {
        "population": lambda: _our_rate([CANDIDATES], steps),
        "one by one": lambda: _our_rate([1] * cores, steps),
        "sb3": lambda: sb3_rate(config, config.minibatch_size, steps // 2),
        "sb3-64": lambda: sb3_rate(config, 64, steps // 2),
    }


def _our_rate(groups: list[int], steps: int) -> Rate:
    """Train groups of members at the same time, a job each, and return the rate of all together.

    A single group is split over all cores; several run in one process each.
    """
    import threading

    processes = 0 if len(groups) == 1 else 1
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch) / str(i) for i in range(len(groups))]
        threads = []
        for folder, count in zip(folders, groups, strict=True):
            job = _job("HalfCheetah", count, steps, processes)
            threads.append(threading.Thread(target=run_training, args=(job, folder, _sandbox())))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rates = [_rate(folder) for folder in folders]
    return Rate(sum(r.steps_per_s for r in rates), sum(r.steps for r in rates), max(r.start_s for r in rates))


def _rate(folder: Path) -> Rate:
    """Return the rate at which a folder's members stepped between their first and their last rows."""
    by_member: dict[str, list[tuple[int, float]]] = {}
    for row in read_rows(folder):
        by_member.setdefault(row.key, []).append((row.step, row.wall_s))
    first = max(points[0][1] for points in by_member.values())
    last = max(points[-1][1] for points in by_member.values())
    steps = sum(points[-1][0] - points[0][0] for points in by_member.values())
    return Rate(steps / (last - first), steps, first)


def _our_returns(robot: str, seeds: int, episodes: int) -> dict[str, Any]:
    """Train the robot's published task with our settings for it and score the policies as SB3's are scored."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, start = Path(scratch), time.perf_counter()
        run_training(_job(robot, seeds, FULL_STEPS, 0, _settings(robot)), folder, _sandbox())
        wall_s = time.perf_counter() - start
        returns, curves = [], []
        for seed in range(seeds):
            policy = load_policy(folder / "members" / f"m{seed}")
            returns.append(
                episode_returns(robot, lambda o, p=policy: p.act(torch.from_numpy(o[None]))[0].numpy(), episodes)
            )
            curves.append([(r.step, r.episode_return) for r in read_rows(folder) if r.key == f"m{seed}"][::20])
    return {
        "returns": returns,
        "final_return": [statistics.mean(r) for r in returns],
        "ppo": dataclasses.asdict(_settings(robot)),
        "curves": curves,
        "wall_s": wall_s,
    }


def _job(robot: str, members: int, steps: int, processes: int, ppo: PPOConfig | None = None) -> TrainingJob:
    return TrainingJob(
        env_id=robot,
        members=tuple(Member(key=f"m{i}", group=f"m{i}", reward="expert", seed=i) for i in range(members)),
        total_steps=steps,
        ppo=ppo or PPOConfig(),
        processes=processes,
        tensorboard=False,
    )


def _sandbox() -> Any:
    bubblewrap = find("sandboxes", "bubblewrap")()
    return bubblewrap if bubblewrap.unavailable() is None else find("sandboxes", "process")()


def _write_table() -> None:
    speed, learning = _speed_rows(), _learning_rows()
    lines = ["# Training: the population against Stable-Baselines3 and against one member at a time", ""]
    lines += [f"{_machine()}. Made by `python -m benchmarks.training`; raw results in `raw/`.", ""]
    if speed:
        lines += ["## Speed: 8 candidates x 1M steps on HalfCheetah", ""]
        lines += [
            f"Settings: {_settings_text()}. Rates are medians over rounds in which all take turns, ratios are medians"
        ]
        lines += [
            "of the rounds' ratios; times are extrapolated from the steps measured. Load is the machine's after a turn",
            f"(mean over {speed[0]['rounds']} rounds); above the number of cores, others were computing too.",
            "",
        ]
        lines += ["| contestant | steps/s | measured steps | load | 8 x 1M steps | population is faster by | bar |"]
        lines += ["|---|--:|--:|--:|--:|--:|--:|"]
        for row in speed:
            ratio = "" if row["ratio"] is None else f"{row['ratio']:.1f}x"
            bar = "" if row["bar"] is None else f"{row['bar']:g}x {'met' if row['met'] else 'MISSED'}"
            hours = f"{row['full_s'] / 60:,.1f} min"
            measured = f"{row['rate']:,.0f} | {row['steps']:,} | {row['load']:.1f}"
            lines.append(f"| {row['side']} | {measured} | {hours} | {ratio} | {bar} |")
        lines.append("")
    if learning:
        lines += [
            "## Learning: final return after 1M steps, deterministic, 20 episodes of Gymnasium's v5 environment",
            "",
        ]
        lines += ["| robot | ours (each seed) | SB3, zoo (each seed) | ratio of means | bar | the zoo's own agent |"]
        lines += ["|---|--:|--:|--:|--:|--:|"]
        for row in learning:
            ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
            seeds = (
                f", {len(row['sb3'])} of {len(row['ours'])} seeds of SB3" if len(row["sb3"]) < len(row["ours"]) else ""
            )
            met = None if row["ratio"] is None else row["ratio"] >= BAR_LEARNING
            bar = "not measured yet" if met is None else f"{BAR_LEARNING:g} {'met' if met else 'MISSED'}{seeds}"
            cells = [
                f"{statistics.mean(row[s]):,.0f} ({', '.join(f'{v:,.0f}' for v in row[s])})" if row[s] else "-"
                for s in ("ours", "sb3")
            ]
            published = "" if row["over_published"] is None else f" ({row['over_published']:.2f} of it)"
            cells.append(f"{PUBLISHED[row['robot']]:,.0f}{published}")
            lines.append(f"| {row['robot']} | {cells[0]} | {cells[1]} | {ratio} | {bar} | {cells[2]} |")
        lines.append("")
    text = "\n".join(lines)
    (RESULTS / "training.md").write_text(text)
    (RESULTS / "training.json").write_text(json.dumps({"speed": speed, "learning": learning}, indent=1))
    sys.stdout.write(text + "\n")


def _speed_rows() -> list[dict[str, Any]]:
    sides = {side: _raw(_speed_name(side, "*")) for side in ("population", *BARS)}
    if not all(sides.values()):
        return []
    if len({len(rounds) for rounds in sides.values()}) > 1:
        raise SystemExit("the speed part is unfinished: its contestants have not had the same number of rounds")
    rows = []
    for side, rounds in sides.items():
        rate = statistics.median(r["steps_per_s"] for r in rounds)
        pairs = zip(sides["population"], rounds, strict=True)
        ratio = statistics.median(p["steps_per_s"] / r["steps_per_s"] for p, r in pairs) if side in BARS else None
        rows.append(
            {
                "side": side,
                "rate": rate,
                "rounds": len(rounds),
                "load": statistics.mean(r["load"] for r in rounds),
                "steps": sum(r["steps"] for r in rounds),
                "full_s": rounds[0]["start_s"] + CANDIDATES * FULL_STEPS / rate,
                "ratio": ratio,
                "bar": BARS.get(side),
                "met": None if ratio is None else ratio >= BARS[side],
            }
        )
    return rows


def _speed_name(side: str, round_index: str) -> str:
    """Return the name of a contestant's raw result; one contestant's pattern must not match another's (sb3, sb3-64)."""
    return f"training-speed-{side.replace(' ', '-')}-round-{round_index}"


def _learning_rows() -> list[dict[str, Any]]:
    rows = []
    for robot in ROBOTS:
        ours = [v for r in _raw(f"training-learning-ours-{robot}") for v in r["final_return"]]
        sb3 = [r["final_return"] for r in _raw(f"training-learning-sb3-{robot}-*")]
        ratio = statistics.mean(ours) / statistics.mean(sb3) if ours and sb3 else None
        met = None if ratio is None or len(sb3) < len(ours) else ratio >= BAR_LEARNING
        published = statistics.mean(ours) / PUBLISHED[robot] if ours else None
        row = {"robot": robot, "ours": ours, "sb3": sb3, "ratio": ratio, "met": met, "over_published": published}
        rows.append(row)
    return rows if any(row["ours"] or row["sb3"] for row in rows) else []


def _raw(pattern: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(RAW.glob(f"{pattern}.json"))]


def _settings_text() -> str:
    c = PPOConfig()
    return (
        f"{c.num_worlds} worlds x {c.rollout_steps} steps, minibatch {c.minibatch_size}, {c.epochs} epochs, "
        f"networks {' x '.join(map(str, c.hidden_sizes))} {c.activation}"
    )


def _machine() -> str:
    cores = len(os.sched_getaffinity(0))
    info = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "")
    return f"{cores} cores of {model or platform.processor()}, torch {torch.__version__}"


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
