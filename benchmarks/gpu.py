"""Environment steps per second on a GPU: MuJoCo Warp alone, and the whole environment, by number of worlds.

    python -m benchmarks.gpu [--tasks Hopper ...] [--num-envs 256 1024 4096 16384]
    python -m benchmarks.gpu --device cpu --tasks InvertedPendulum --num-envs 16 --seconds 0.2   # does it run?

* **env**: our environment's `step`: actions, physics, observation, published reward, ends, autoreset.
* **bare**: the same number of MuJoCo Warp steps as one CUDA graph on data of its own, handed our environment's states
  and controls before each step (outside the clock), so that both simulate the same contacts.
* **cpu**: our environment on MuJoCo's own threads, one per core of this machine, at 1024 worlds.
* **memory**: what the worlds take on the device.

All act uniformly at random; bare and env take turns, and who goes first alternates. Each step is waited for. A run on
the CPU is printed and not written: MuJoCo Warp runs there for tests.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import mujoco
import torch
import tyro
from torch import Tensor

from envreward.sim_vector_env import SimVectorEnv
from envreward.sims import MujocoWarp, find_device, warp_status
from envreward.sims._warp import load_warp, warp_device
from envreward.vector_env import make_vector_env

CPU_WORLDS = 1024
WARM_UP_STEPS = 20
STATE = ("time", "qpos", "qvel", "qacc_warmstart", "ctrl", "mocap_pos", "mocap_quat")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Measure environment throughput on a GPU."""

    tasks: tuple[str, ...] = ("HalfCheetah", "Hopper", "Ant", "Humanoid", "MetaWorld-reach", "MetaWorld-door-open")
    num_envs: tuple[int, ...] = (256, 1024, 4096, 16384)
    """Worlds; each is measured."""
    device: str = "cuda"
    seconds: float = 3.0
    """For each task and number of worlds, and each of the contestants."""
    output: Path = Path(__file__).parent / "results"
    """Folder for gpu.json and gpu.md."""


class Bare:
    """A CUDA graph of MuJoCo Warp's own steps on the model and with the room of an environment's simulator."""

    def __init__(self, env: SimVectorEnv) -> None:
        assert isinstance(env.sim, MujocoWarp)
        self.sim, self.device = env.sim, env.device
        self.wp, mjw = load_warp()
        room, model = env.sim.room, env.sim.model
        if model.opt.solver == mujoco.mjtSolver.mjSOL_PGS:  # which MuJoCo Warp has not
            model = model.__copy__()
            model.opt.solver = mujoco.mjtSolver.mjSOL_NEWTON
        with warp_device(self.device):
            self.model = mjw.put_model(model)
            self.model.opt.warn_overflow = 0
            self.data = mjw.make_data(model, nworld=env.num_envs, nconmax=room.contacts, njmax=room.rows)
            mjw.step(self.model, self.data)
            with self.wp.ScopedCapture(str(self.device)) as capture:
                for _ in range(env.task.frame_skip):
                    mjw.step(self.model, self.data)
        self.graph = capture.graph
        self.state = {name: self.wp.to_torch(getattr(self.data, name)) for name in STATE}

    def take_over(self) -> None:
        """Copy the environment's states and controls."""
        for name, rows in self.state.items():
            rows.copy_(getattr(self.sim, name))

    def step(self) -> None:
        """Take one control step."""
        with warp_device(self.device):
            self.wp.capture_launch(self.graph)


def timed(call: Callable[[], Any], device: torch.device) -> float:
    """Return the seconds of wall-clock until ``call`` and all it began on the device are done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    begun = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begun


def random_actions(env: SimVectorEnv) -> list[Tensor]:
    """Return 16 batches of uniformly random actions on the environment's device."""
    space = env.single_action_space
    assert isinstance(space, gym.spaces.Box)
    low, high = (torch.as_tensor(bound, device=env.device) for bound in (space.low, space.high))
    return [low + (high - low) * torch.rand((env.num_envs, *low.shape), device=env.device) for _ in range(16)]


def used_bytes(device: torch.device) -> int | None:
    """Return the memory in use on a CUDA device; ``None`` on the CPU."""
    if device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(device)
    return total - free


def measure(task: str, num_envs: int, device: torch.device, seconds: float) -> dict[str, Any]:
    """Return one environment's rates, and the memory it takes."""
    before = used_bytes(device)
    env = make_vector_env(task, num_envs, device=device, simulator="mujoco_warp")
    assert isinstance(env, SimVectorEnv)
    env.reset(seed=0)
    batches = random_actions(env)
    begun = time.perf_counter()
    for i in range(WARM_UP_STEPS):  # compiles, records the graph, and lets contacts begin
        env.step(batches[i % len(batches)])
        env.sim.forward(torch.zeros(1, dtype=torch.int64, device=device))  # as when a world begins a new episode
    warm_up_s = time.perf_counter() - begun
    after = used_bytes(device)
    bare = Bare(env)
    total, steps = {"env": 0.0, "bare": 0.0}, 0
    while min(total.values()) < seconds or steps < 4:
        action = batches[steps % len(batches)]
        bare.take_over()
        for name in ("env", "bare") if steps % 2 else ("bare", "env"):
            call = bare.step if name == "bare" else functools.partial(env.step, action)
            total[name] += timed(call, device)
        steps += 1
    assert isinstance(env.sim, MujocoWarp)
    row = {
        **{name: steps * num_envs / spent for name, spent in total.items()},
        "of_bare": total["bare"] / total["env"],
        "memory_bytes": None if before is None or after is None else after - before,
        "room": env.sim.room._asdict(),
        "warm_up_s": warm_up_s,
        "steps": steps,
    }
    env.close()
    return row


def measure_cpu(task: str, seconds: float) -> float:
    """Return the environment steps per second of the CPU's simulator, on all cores."""
    env = make_vector_env(task, CPU_WORLDS, num_threads=0)
    assert isinstance(env, SimVectorEnv)
    env.reset(seed=0)
    batches = random_actions(env)
    env.step(batches[0])
    total, steps = 0.0, 0
    while total < seconds:
        total += timed(functools.partial(env.step, batches[steps % len(batches)]), env.device)
        steps += 1
    env.close()
    return steps * CPU_WORLDS / total


def table(report: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    where, settings = report["machine"], report["settings"]
    head = ["task", "worlds", "env", "bare", "of bare", "x CPU", "memory", "contacts, rows per world", "first 20 steps"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for task, entry in report["tasks"].items():
        for num_envs, row in entry["worlds"].items():
            memory = "" if row["memory_bytes"] is None else f"{row['memory_bytes'] / 2**20:,.0f} MiB"
            cells = [task, f"{int(num_envs):,}", f"{row['env']:,.0f}", f"{row['bare']:,.0f}", f"{row['of_bare']:.1%}"]
            cells += [f"{row['env'] / entry['cpu']:.1f}", memory]
            cells += [f"{row['room']['contacts']}, {row['room']['rows']}", f"{row['warm_up_s']:.0f} s"]
            lines.append("| " + " | ".join(cells) + " |")
    note = (
        f"Environment steps per second on {where['device']}, each measured for at least {settings['seconds']:g} s; the "
        f"CPU's are those of {CPU_WORLDS} worlds on {where['cores']} threads. {where['versions']}; MuJoCo "
        f"{where['mujoco']}, torch {where['torch']}."
    )
    return "\n".join(["# Throughput on a GPU", "", note, "", *lines, "", "Command: `python -m benchmarks.gpu`", ""])


def main(settings: Settings) -> int:
    """Measure, print, and, on a GPU, write."""
    torch.set_num_threads(1)
    device, status = find_device(settings.device), warp_status()
    report: dict[str, Any] = {
        "settings": {k: v for k, v in dataclasses.asdict(settings).items() if k != "output"},
        "machine": {
            "device": status.cuda if device.type == "cuda" else "the CPU, which says nothing of a GPU",
            "cores": len(os.sched_getaffinity(0)),
            "versions": status.versions,
            "mujoco": mujoco.__version__,
            "torch": torch.__version__,
        },
        "tasks": {},
    }
    for task in settings.tasks:
        entry: dict[str, Any] = {"cpu": measure_cpu(task, settings.seconds), "worlds": {}}
        report["tasks"][task] = entry
        for num_envs in settings.num_envs:
            entry["worlds"][str(num_envs)] = row = measure(task, num_envs, device, settings.seconds)
            sys.stdout.write(f"{task}, {num_envs} worlds: {row['env']:,.0f}/s, {row['of_bare']:.1%} of bare\n")
            sys.stdout.flush()
    text = table(report)
    sys.stdout.write("\n" + text)
    if device.type == "cuda":
        settings.output.mkdir(parents=True, exist_ok=True)
        (settings.output / "gpu.json").write_text(json.dumps(report, indent=1) + "\n")
        (settings.output / "gpu.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings)))
