"""Environment steps per second: bare physics, EnvReward's whole environment, and the peers, side by side.

    python -m benchmarks.throughput [--family locomotion] [--rounds 5] [--seconds 2] [--tasks Hopper ...]

What is compared, all on the same machine in interleaved rounds:

* **bare**: `mujoco.batch.Batch.step` alone, with the fields bound that our environment reads. It is handed our
  environment's states and inputs before each step (outside the clock), so that both simulate the same contacts at the
  same moment under the same load.
* **env**: our environment's `step`: observation, published reward, termination, autoreset.
* **sync**, **async**: Gymnasium's vector environments of the official tasks: its own robots, or Meta-World's classes.
* **envpool**: where that package is installed, at its own best of two batch sizes.

Every contestant acts uniformly at random. Rates are medians over rounds; ratios are medians of per-round ratios.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import mujoco
import torch
import tyro
from mujoco.batch import DATA_FIELDS, Batch

from envreward.sim_vector_env import SimVectorEnv
from envreward.sims.messages import collect_messages
from envreward.sims.mujoco_batch import STAGES
from envreward.sims.timers import Untimed
from envreward.vector_env import make_vector_env

from .throughput_peers import FAMILIES, WARM_UP_STEPS, Family, Peer, actions, envpool_peers


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Compare environment throughput."""

    family: Literal["locomotion", "manipulation"] = "locomotion"
    tasks: tuple[str, ...] = ()
    """Tasks of the family; none: all that are measured."""
    num_envs: tuple[int, ...] = (256, 1024)
    """Worlds in our environment; each is measured."""
    threads: int = 2
    rounds: int = 5
    seconds: float = 2.0
    """Per contestant and round."""
    gymnasium_envs: int = 16
    """Worlds in Gymnasium's vector environments (measured as the best of 4, 16 and 64 on two cores)."""
    output: Path = Path(__file__).parent / "results"
    """Folder for throughput.json and throughput.md, or throughput-manipulation.*."""

    @property
    def name(self) -> str:
        """Name of the files, without a suffix."""
        return "throughput" if self.family == "locomotion" else f"throughput-{self.family}"


Round = dict[str, float]
"""Environment steps per second by contestant; ``cpu.`` before a name makes it per CPU-second of this process."""


class Ours:
    """Our environment and the bare batch that shadows it."""

    def __init__(self, env_id: str, num_envs: int, threads: int) -> None:
        self.num_envs = num_envs
        env = make_vector_env(env_id, num_envs, num_threads=threads)
        assert isinstance(env, SimVectorEnv)
        self.env = env
        env.reset(seed=0)
        env.elapsed.copy_(torch.arange(num_envs) * env.horizon // num_envs)  # resets come spread out
        self.bare = Batch(env.sim.model, num_envs, threads)
        saved = env.sim.save()
        self.expanded = {n.removeprefix("model."): v for n, v in saved.items() if n.startswith("model.")}
        for name in self.expanded:
            self.bare.expand(name)
        for name in saved.keys() & DATA_FIELDS:
            self.bare.bind(name)
        self.stage = STAGES[env.task.stage]
        self.actions = actions(env.single_action_space, num_envs)
        self.count = 0
        self.run(WARM_UP_STEPS / 1e3, at_least=WARM_UP_STEPS)

    def run(self, seconds: float, at_least: int = 3) -> Round:
        """Step both for ``seconds`` in turn, a step each; return their rates."""
        wall, cpu, steps = {"bare": 0.0, "env": 0.0}, {"bare": 0.0, "env": 0.0}, 0
        task = self.env.task
        while sum(wall.values()) < 2.0 * seconds or steps < at_least:
            action = torch.from_numpy(self.actions[self.count % len(self.actions)])
            before = self.env.sim.save()["state"]
            task.apply(action)
            saved = self.env.sim.save()
            self.bare.state[:] = saved["state"].numpy()
            self.env.sim.load({"state": before})  # as if the action had not been applied yet
            for name in self.expanded:
                self.bare.expand(name)[...] = saved[f"model.{name}"].numpy()
            # who goes first alternates, so that neither always finds the caches warm
            order = ("bare", "env") if self.count % 2 else ("env", "bare")
            for name in order:
                begun, begun_cpu = time.perf_counter(), time.process_time()
                if name == "bare":
                    with Untimed():
                        self.bare.step(nstep=task.frame_skip, stage=self.stage)
                else:
                    self.env.step(action)
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


def run_peer(peer: Peer, seconds: float) -> Round:
    """Step a peer for ``seconds``; return the rate."""
    steps, begun = 0, time.perf_counter()
    while (passed := time.perf_counter() - begun) < seconds:
        peer.step(steps)
        steps += 1
    return {peer.name: steps * peer.num_envs / passed}


def measure(task: str, settings: Settings) -> list[Round]:
    """Return the rates of all contestants on one task, per round."""
    family = FAMILIES[settings.family]
    with contextlib.ExitStack() as stack, collect_messages():
        peers = [family.gymnasium(task, kind, settings.gymnasium_envs) for kind in ("async", "sync")]
        contestants: list[Ours | Peer] = [*peers]
        env_id = family.prefix + task
        contestants += [Ours(env_id, n, settings.threads) for n in settings.num_envs]
        contestants += envpool_peers(family.envpool(task), settings.threads)
        for contestant in contestants:
            stack.callback(contestant.close)
        rounds = []
        for _ in range(settings.rounds):
            rates: Round = {}
            for contestant in contestants:
                run = contestant.run if isinstance(contestant, Ours) else functools.partial(run_peer, contestant)
                rates |= run(settings.seconds)
            rounds.append(rates)
            sys.stdout.write(f"{task}: " + "  ".join(f"{n} {r:,.0f}" for n, r in rates.items()) + "\n")
            sys.stdout.flush()
    return rounds


def summarise(task: str, rounds: list[Round], family: Family, num_envs: tuple[int, ...]) -> dict[str, Any]:
    """Return one task's medians and ratios, and whether its bars are met."""

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
    bar = family.gymnasium_bars.get(task, family.gymnasium_bar)
    met = [max(row[f"of_bare{n}"] for n in num_envs if n >= 256) >= family.bare_bar, row["over_gymnasium"] >= bar]
    if row["over_envpool"] is not None:
        met.append(row["over_envpool"] >= 1.0)
    row["bars"] = {"of_bare": family.bare_bar, "over_gymnasium": bar, "over_envpool": 1.0}
    row["met"] = all(met)
    return row


def table(report: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    settings, tasks = report["settings"], report["tasks"]
    family = FAMILIES[settings["family"]]
    sizes = settings["num_envs"]
    head = ["task", *(f"env, N={n}" for n in sizes), *(f"of bare, N={n} (per CPU-s)" for n in sizes)]
    head += ["Gymnasium sync", "async", "x best Gymnasium", "x EnvPool", "bars"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for task, row in tasks.items():
        pool = "not installed" if row["over_envpool"] is None else f"{row['over_envpool']:.2f}"
        cells = [task, *(f"{row[f'env{n}']:,.0f}" for n in sizes)]
        cells += [f"{row[f'of_bare{n}']:.1%} ({row[f'of_bare{n}_per_cpu']:.1%})" for n in sizes]
        cells += [f"{row['sync']:,.0f}", f"{row['async']:,.0f}", f"{row['over_gymnasium']:.2f}", pool]
        lines.append("| " + " | ".join([*cells, "met" if row["met"] else "missed"]) + " |")
    mean = statistics.geometric_mean(row["over_gymnasium"] for row in tasks.values())
    if family.over_all:
        verdict = "met" if mean >= family.gymnasium_bar else "missed"
        cells = ["all, geometric mean", *[""] * (len(head) - 4), f"{mean:.2f}", "", verdict]
        lines.append("| " + " | ".join(cells) + " |")
    where = report["machine"]
    together = ", of each task and as their geometric mean" if family.over_all else ""
    own = "".join(f", {bar} times on {task}" for task, bar in family.gymnasium_bars.items())
    note = (
        f"Environment steps per second, {settings['threads']} threads, medians of {settings['rounds']} rounds of "
        f"{settings['seconds']} s. Bare stepping is without MuJoCo's own timers, as ours is: they are on by default in "
        f"its Python package, and take 7 to 16% of a step. Bars: at least {family.bare_bar:.0%} of bare at 256 worlds "
        f"or more; at least {family.gymnasium_bar} times the better of Gymnasium's SyncVectorEnv and AsyncVectorEnv "
        f"over the official environments ({settings['gymnasium_envs']} worlds){own}{together}; EnvPool's speed where "
        f"it is installed. {where['cpu']}, {where['cores']} cores, load {where['load_before']:.1f} before and "
        f"{where['load_after']:.1f} after; MuJoCo {where['mujoco']}, torch {where['torch']}, Gymnasium "
        f"{where['gymnasium']}."
    )
    option = "" if settings["family"] == "locomotion" else f" --family {settings['family']}"
    command = f"Command: `python -m benchmarks.throughput{option}`"
    title = f"# Throughput: {settings['family']}"
    return "\n".join([title, "", note, "", *lines, "", command, ""])


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
    family = FAMILIES[settings.family]
    raw = {task: measure(task, settings) for task in settings.tasks or family.tasks}
    where["load_after"] = os.getloadavg()[0]
    report = {
        "settings": {k: v for k, v in dataclasses.asdict(settings).items() if k != "output"},
        "machine": where,
        "tasks": {task: summarise(task, rounds, family, settings.num_envs) for task, rounds in raw.items()},
        "rounds": raw,
    }
    settings.output.mkdir(parents=True, exist_ok=True)
    (settings.output / f"{settings.name}.json").write_text(json.dumps(report, indent=1) + "\n")
    text = table(report)
    (settings.output / f"{settings.name}.md").write_text(text)
    sys.stdout.write("\n" + text)
    return 0 if all(row["met"] for row in report["tasks"].values()) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings)))
