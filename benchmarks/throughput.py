"""Environment steps per second: bare physics, EnvReward's whole environment, and the peers, side by side.

    python -m benchmarks.throughput [--rounds 5] [--seconds 2] [--robots Hopper ...]

What is compared, all on the same machine in interleaved rounds:

* **bare**: `mujoco.batch.Batch.step` alone. It is handed our environment's states and actions before each step
  (outside the clock), so that both simulate the same contacts at the same moment under the same load.
* **env**: our environment's `step`: observation, published reward, termination, autoreset.
* **sync**, **async**: Gymnasium's vector environments of its own v5 tasks.
* **envpool**: where that package is installed, at its own best of two batch sizes.

Every contestant acts uniformly at random. Rates are medians over rounds; ratios are medians of per-round ratios.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import torch
import tyro
from mujoco.batch import Batch

from envreward.sims.messages import collect_messages
from envreward.vector_env import SimVectorEnv, make_vector_env

ROBOTS = ("HalfCheetah", "Hopper", "Walker2d", "Ant", "Humanoid")
BAR_BARE = 0.9
BAR_GYMNASIUM = {"HalfCheetah": 3.0}
BAR_OTHERS = 2.3
WARM_UP_STEPS = 20


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Compare environment throughput."""

    robots: tuple[str, ...] = ROBOTS
    num_envs: tuple[int, ...] = (256, 1024)
    """Worlds in our environment; each is measured."""
    threads: int = 2
    rounds: int = 5
    seconds: float = 2.0
    """Per contestant and round."""
    gymnasium_envs: int = 16
    """Worlds in Gymnasium's vector environments (measured as the best of 4, 16 and 64 on two cores)."""
    output: Path = Path(__file__).parent / "results"
    """Folder for throughput.json and throughput.md."""


Round = dict[str, float]
"""Environment steps per second by contestant; ``cpu.`` before a name makes it per CPU-second of this process."""


def actions(space: gym.spaces.Box, num_envs: int) -> list[np.ndarray]:
    """Return 16 batches of uniformly random actions, float32 ``[num_envs, A]``."""
    rng = np.random.default_rng(0)
    return [rng.uniform(space.low, space.high, (num_envs, *space.shape)).astype(np.float32) for _ in range(16)]


class Ours:
    """Our environment and the bare batch that shadows it."""

    def __init__(self, robot: str, num_envs: int, threads: int) -> None:
        self.num_envs = num_envs
        env = make_vector_env(robot, num_envs, num_threads=threads)
        assert isinstance(env, SimVectorEnv)
        self.env = env
        self.bare = Batch(env.sim.model, num_envs, threads)
        self.actions = actions(env.single_action_space, num_envs)
        self.count = 0
        env.reset(seed=0)
        self.run(WARM_UP_STEPS / 1e3, at_least=WARM_UP_STEPS)

    def run(self, seconds: float, at_least: int = 3) -> Round:
        """Step both for ``seconds`` in turn, a step each; return their rates."""
        state = torch.from_numpy(self.bare.state)
        wall, cpu, steps = {"bare": 0.0, "env": 0.0}, {"bare": 0.0, "env": 0.0}, 0
        while sum(wall.values()) < 2.0 * seconds or steps < at_least:
            action = self.actions[self.count % len(self.actions)]
            torch_action = torch.from_numpy(action)
            state.copy_(self.env.sim.save()["state"])
            self.bare.ctrl[:] = action
            # who goes first alternates, so that neither always finds the caches warm
            order = ("bare", "env") if self.count % 2 else ("env", "bare")
            for name in order:
                begun, begun_cpu = time.perf_counter(), time.process_time()
                if name == "bare":
                    self.bare.step(nstep=self.env.task.frame_skip)
                else:
                    self.env.step(torch_action)
                wall[name] += time.perf_counter() - begun
                cpu[name] += time.process_time() - begun_cpu
            self.count += 1
            steps += 1
        done = steps * self.num_envs
        rates = {f"{name}{self.num_envs}": done / wall[name] for name in wall}
        return rates | {f"cpu.{name}{self.num_envs}": done / cpu[name] for name in cpu}

    def close(self) -> None:
        """Release the worlds."""
        self.env.close()


class Peer:
    """Somebody else's vector environment behind a function that steps it once."""

    def __init__(self, name: str, num_envs: int, step: Callable[[int], Any], close: Callable[[], Any]) -> None:
        self.name, self.num_envs, self.step, self.close = name, num_envs, step, close
        for i in range(WARM_UP_STEPS):
            step(i)

    def run(self, seconds: float) -> Round:
        """Step for ``seconds``; return the rate."""
        steps, begun = 0, time.perf_counter()
        while (passed := time.perf_counter() - begun) < seconds:
            self.step(steps)
            steps += 1
        return {self.name: steps * self.num_envs / passed}


def gymnasium_peer(robot: str, kind: str, num_envs: int) -> Peer:
    """Gymnasium's ``sync`` or ``async`` vector environment of its own task."""
    env = gym.make_vec(f"{robot}-v5", num_envs=num_envs, vectorization_mode=kind)
    env.reset(seed=0)
    batches = actions(env.single_action_space, num_envs)
    return Peer(kind, num_envs, lambda i: env.step(batches[i % len(batches)]), env.close)


def envpool_peers(robot: str, threads: int) -> Iterator[Peer]:
    """EnvPool's environments of the same robot, where it is installed; its newest version of the task."""
    try:
        import envpool  # type: ignore[import-not-found]
    except ImportError:
        return
    known = envpool.list_all_envs()
    version = next(f"{robot}-v{v}" for v in (5, 4) if f"{robot}-v{v}" in known)
    for num_envs in (64, 256):
        env = envpool.make(version, env_type="gymnasium", num_envs=num_envs, num_threads=threads, seed=0)
        env.reset()
        batches = actions(env.action_space, num_envs)
        double = [b.astype(np.float64) for b in batches]
        yield Peer(f"envpool{num_envs}", num_envs, lambda i, e=env, d=double: e.step(d[i % len(d)]), env.close)


def measure(robot: str, settings: Settings) -> list[Round]:
    """Return the rates of all contestants on one robot, per round."""
    with contextlib.ExitStack() as stack, collect_messages():
        contestants: list[Ours | Peer] = [gymnasium_peer(robot, k, settings.gymnasium_envs) for k in ("async", "sync")]
        contestants += [Ours(robot, n, settings.threads) for n in settings.num_envs]
        contestants += envpool_peers(robot, settings.threads)
        for contestant in contestants:
            stack.callback(contestant.close)
        rounds = []
        for _ in range(settings.rounds):
            rates: Round = {}
            for contestant in contestants:
                rates |= contestant.run(settings.seconds)
            rounds.append(rates)
            sys.stdout.write(f"{robot}: " + "  ".join(f"{n} {r:,.0f}" for n, r in rates.items()) + "\n")
            sys.stdout.flush()
    return rounds


def summarise(robot: str, rounds: list[Round], num_envs: tuple[int, ...]) -> dict[str, Any]:
    """Return one robot's medians and ratios, and whether its bars are met."""

    def ratio(over: Callable[[Round], float], under: Callable[[Round], float]) -> float:
        return statistics.median(over(r) / under(r) for r in rounds)

    def ours(r: Round) -> float:
        return max(r[f"env{n}"] for n in num_envs)

    row: dict[str, Any] = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
    for n in num_envs:
        row[f"of_bare{n}"] = ratio(lambda r, n=n: r[f"env{n}"], lambda r, n=n: r[f"bare{n}"])
        row[f"of_bare{n}_per_cpu"] = ratio(lambda r, n=n: r[f"cpu.env{n}"], lambda r, n=n: r[f"cpu.bare{n}"])
    row["over_gymnasium"] = ratio(ours, lambda r: max(r["sync"], r["async"]))
    pools = [name for name in rounds[0] if name.startswith("envpool")]
    row["over_envpool"] = ratio(ours, lambda r: max(r[p] for p in pools)) if pools else None
    bar = BAR_GYMNASIUM.get(robot, BAR_OTHERS)
    met = [max(row[f"of_bare{n}"] for n in num_envs if n >= 256) >= BAR_BARE, row["over_gymnasium"] >= bar]
    if row["over_envpool"] is not None:
        met.append(row["over_envpool"] >= 1.0)
    row["bars"] = {"of_bare": BAR_BARE, "over_gymnasium": bar, "over_envpool": 1.0}
    row["met"] = all(met)
    return row


def table(report: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    settings, robots = report["settings"], report["robots"]
    sizes = settings["num_envs"]
    head = ["robot", *(f"env, N={n}" for n in sizes), *(f"of bare, N={n} (per CPU-s)" for n in sizes)]
    head += ["Gymnasium sync", "async", "x best Gymnasium", "x EnvPool", "bars"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for robot, row in robots.items():
        pool = "not installed" if row["over_envpool"] is None else f"{row['over_envpool']:.2f}"
        cells = [robot, *(f"{row[f'env{n}']:,.0f}" for n in sizes)]
        cells += [f"{row[f'of_bare{n}']:.1%} ({row[f'of_bare{n}_per_cpu']:.1%})" for n in sizes]
        cells += [f"{row['sync']:,.0f}", f"{row['async']:,.0f}", f"{row['over_gymnasium']:.2f}", pool]
        lines.append("| " + " | ".join([*cells, "met" if row["met"] else "missed"]) + " |")
    where = report["machine"]
    note = (
        f"Environment steps per second, {settings['threads']} threads, medians of {settings['rounds']} rounds of "
        f"{settings['seconds']} s. Bars: at least {BAR_BARE:.0%} of bare stepping at 256 worlds or more; at least 3 "
        f"times the better of Gymnasium's SyncVectorEnv and AsyncVectorEnv ({settings['gymnasium_envs']} worlds) on "
        f"HalfCheetah, {BAR_OTHERS} times on the others; EnvPool's speed where it is installed. {where['cpu']}, "
        f"{where['cores']} cores, load {where['load_before']:.1f} before and {where['load_after']:.1f} after; "
        f"MuJoCo {where['mujoco']}, torch {where['torch']}, Gymnasium {where['gymnasium']}."
    )
    return "\n".join(["# Throughput", "", note, "", *lines, "", "Command: `python -m benchmarks.throughput`", ""])


def machine() -> dict[str, Any]:
    """Return what the numbers depend on."""
    info = Path("/proc/cpuinfo")
    models = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "mujoco": mujoco.__version__,
        "torch": torch.__version__,
        "gymnasium": gym.__version__,
        "load_before": os.getloadavg()[0],
    }


def main(settings: Settings) -> int:
    """Measure, print, write; return 0 if every bar is met, else 1."""
    torch.set_num_threads(1)
    where = machine()
    raw = {robot: measure(robot, settings) for robot in settings.robots}
    where["load_after"] = os.getloadavg()[0]
    report = {
        "settings": {k: v for k, v in dataclasses.asdict(settings).items() if k != "output"},
        "machine": where,
        "robots": {robot: summarise(robot, rounds, settings.num_envs) for robot, rounds in raw.items()},
        "rounds": raw,
    }
    settings.output.mkdir(parents=True, exist_ok=True)
    (settings.output / "throughput.json").write_text(json.dumps(report, indent=1) + "\n")
    text = table(report)
    (settings.output / "throughput.md").write_text(text)
    sys.stdout.write("\n" + text)
    return 0 if all(row["met"] for row in report["robots"].values()) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings)))
