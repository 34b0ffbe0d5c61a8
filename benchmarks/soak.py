"""A thousand episodes with random actions: does anything leak, is every episode accounted for?

    python -m benchmarks.soak [--envs WebShopTwo-browser SWERepo-docker] [--episodes 1000]

Each task runs in a process of its own, which is watched from outside. Its environment carries a mark that everything
it starts inherits, and a temporary folder of its own. Afterwards no process with the mark, container, mount or
temporary file may be left; its memory (all its processes together) must not grow
between the second and the last tenth of the episodes by more than a tenth; and the episodes that ended, by success,
failure, time limit or fault, must add up. Writes ``soak.json`` and ``soak.md`` into ``benchmarks/results`` after each
task; tasks that are not run anew stay as they were.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
import tyro

from envreward.training.candidate_networks import split
from envreward.vector_env import make_vector_env
from envreward.world_task import WorldTask

GROWTH = 1.1
_MARK = "ENVREWARD_SOAK"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Run many episodes and look for what is left behind."""

    envs: tuple[str, ...] = ("WebShopTwo-browser", "SWERepo-docker")
    episodes: int = 1000
    num_envs: int = 8
    max_episode_steps: int = 6
    """Episodes are cut off here: what may leak is opened and closed with episodes."""
    child: str | None = None
    """Run this task's episodes in this process and print their outcomes; used by the benchmark itself."""
    output: Path = Path(__file__).parent / "results"


def run_episodes(env_id: str, settings: Settings) -> Counter[str]:
    """Play episodes with random actions; return how many ended in which way."""
    torch.set_num_threads(1)
    env = make_vector_env(env_id, settings.num_envs, reward="none", max_episode_steps=settings.max_episode_steps)
    assert isinstance(env.task, WorldTask)
    shape, generator = env.task.candidate_shape, torch.Generator().manual_seed(0)
    outcomes: Counter[str] = Counter()
    seen = env.reset(seed=0)[0]
    while outcomes.total() < settings.episodes:
        _, mask, _ = split(seen, shape)
        transition = env.advance(torch.multinomial(mask.to(torch.float32), 1, generator=generator)[:, 0])
        seen = transition.obs
        for world in (transition.terminated | transition.truncated).nonzero()[:, 0].tolist():
            if transition.faulted is not None and transition.faulted[world]:
                outcomes["lost"] += 1
            elif transition.truncated[world]:
                outcomes["cut off"] += 1
            else:
                outcomes["succeeded" if transition.success[world] else "failed"] += 1
            sys.stdout.write(f"{outcomes.total()}\n")
        sys.stdout.flush()
    env.close()
    return outcomes


def footprint(mark: str, folder: Path) -> dict[str, set[str]]:
    """Return what exists on the machine that an environment could leave behind.

    Args:
        mark: Value of the variable `_MARK` in the environment of the processes to look for.
        folder: Their temporary folder.
    """
    try:
        listed = subprocess.run(["docker", "ps", "-aq"], capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        listed = ""
    processes = set()
    for process in psutil.process_iter(["name"]):
        try:
            if process.environ().get(_MARK) == mark:
                processes.add(f"{process.pid} {process.info['name']}")
        except psutil.Error:  # it has just ended, or is none of ours
            continue
    return {
        "containers": set(listed.split()),
        "mounts": {line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()},
        "processes": processes,
        "temporary files": set(os.listdir(folder)),
    }


def memory(process: psutil.Process) -> int:
    """Return the memory that a process and all below it have written, bytes; what forks share counts once.

    Pages of files (programs, libraries) are left out: the share of them that counts as a process's own grows when some
    other process on the machine ends.
    """
    total = 0
    for one in (process, *process.children(recursive=True)):
        try:
            lines = Path(f"/proc/{one.pid}/smaps_rollup").read_text().splitlines()
        except OSError:  # it has just ended
            continue
        sizes = {name: int(size.split()[0]) for name, _, size in (line.partition(":") for line in lines[1:])}
        total += 1024 * (sizes["Pss_Anon"] + sizes["Pss_Shmem"])
    return total


def soak(env_id: str, settings: Settings) -> dict[str, Any]:
    """Run a task's episodes in a process and look at what it leaves."""
    mark, folder = uuid.uuid4().hex, Path(tempfile.mkdtemp(prefix="soak-"))
    before, start = footprint(mark, folder), time.perf_counter()
    options = ["--episodes", str(settings.episodes), "--num-envs", str(settings.num_envs)]
    options += ["--max-episode-steps", str(settings.max_episode_steps), "--child", env_id]
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.soak", *options],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, _MARK: mark, "TMPDIR": str(folder)},
    )
    assert child.stdout is not None
    watched, samples, last = psutil.Process(child.pid), [], ""
    for line in child.stdout:
        last = line
        if line.strip().isdigit() and int(line) % max(1, settings.episodes // 100) == 0:
            samples.append(memory(watched))
    if child.wait() != 0:
        raise SystemExit(f"{env_id}: the episodes ended with exit code {child.returncode}")
    outcomes = json.loads(last)
    time.sleep(2.0)
    left = {what: sorted(after - before[what]) for what, after in footprint(mark, folder).items()}
    shutil.rmtree(folder)
    tenth = max(1, len(samples) // 10)
    early, late = statistics.median(samples[tenth : 2 * tenth]), statistics.median(samples[-tenth:])
    return {
        "env": env_id,
        "outcomes": outcomes,
        "left": left,
        "memory_mb": [round(s / 1e6, 1) for s in samples],
        "growth": late / early,
        "wall_s": time.perf_counter() - start,
    }


def clean(row: dict[str, Any], episodes: int) -> bool:
    """Return whether nothing leaked and every episode is accounted for."""
    whole = episodes <= sum(row["outcomes"].values()) and not row["outcomes"].get("lost")
    return whole and not any(row["left"].values()) and row["growth"] <= GROWTH


def table(found: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    lines = ["# Many episodes with random actions", "", found["machine"], ""]
    lines += ["| task | episodes | outcomes | left behind | memory | time | |", "|---|---|---|---|---|---|---|"]
    for row in found["rows"]:
        left = "; ".join(f"{what}: {', '.join(names)}" for what, names in row["left"].items() if names) or "nothing"
        outcomes = ", ".join(f"{count} {name}" for name, count in sorted(row["outcomes"].items()))
        verdict = "clean" if clean(row, found["settings"]["episodes"]) else "**not clean**"
        lines.append(
            f"| {row['env']} | {sum(row['outcomes'].values())} | {outcomes} | {left} | "
            f"{row['memory_mb'][-1]:.0f} MB, x {row['growth']:.2f} | {row['wall_s']:.0f} s | {verdict} |"
        )
    lines += ["", "Memory: at the end, and against the second tenth of the episodes.", ""]
    return "\n".join([*lines, "Command: `python -m benchmarks.soak`"]) + "\n"


def main(settings: Settings) -> int:
    """Run, print, write; return 0 if all is clean, else 1."""
    if settings.child is not None:
        sys.stdout.write(json.dumps(run_episodes(settings.child, settings)) + "\n")
        return 0
    settings.output.mkdir(parents=True, exist_ok=True)
    path = settings.output / "soak.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    for env_id in settings.envs:
        rows = [*(row for row in rows if row["env"] != env_id), soak(env_id, settings)]
        found = {
            "settings": {k: v for k, v in dataclasses.asdict(settings).items() if k not in ("output", "child")},
            "machine": f"{platform.platform()}, {os.cpu_count()} CPUs",
            "rows": rows,
        }
        path.write_text(json.dumps(found, indent=1) + "\n")
        (settings.output / "soak.md").write_text(table(found))
    sys.stdout.write(table(found))
    return 0 if all(clean(row, settings.episodes) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings)))
