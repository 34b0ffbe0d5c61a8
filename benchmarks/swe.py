"""What the machinery of the software-engineering family costs: sandboxes, steps, resets, grading.

    python -m benchmarks.swe [--rounds 10] [--mutants 20]

What is measured, on a small repository, for the runners ``bubblewrap`` and ``docker`` (warm pool) in turn:

* **start**: from asking for a fresh sandbox until a command has run in it.
* **edit**: writing a file of 2 kB in a warm sandbox. **command**: ``true`` in it. **reset**: after an edit.
* **fresh container**: a Docker container that was not kept warm, from asking until a command has run.

Besides, as many mutants of released packages as asked for are graded in parallel: their repairs must all be resolved,
and doing nothing must not be.

Times are medians over rounds. Writes ``swe.json`` and ``swe.md`` into ``benchmarks/results``.
"""

from __future__ import annotations

import contextlib
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
from typing import Any

import tyro

from envreward.envs.swe.ast_edits import Edits
from envreward.envs.swe.grading import grade_all
from envreward.envs.swe.grading_diff import make_diff
from envreward.envs.swe.grading_runners import find_factory
from envreward.envs.swe.mutant.exercises import Mutants
from envreward.envs.swe.runner import Runner, RunnerFactory
from envreward.envs.swe.worlds_exercise import Exercise
from envreward.errors import InfraError

BARS_S = {
    ("bubblewrap", "start"): 0.020,
    ("docker", "fresh container"): 0.5,
    ("docker", "edit"): 0.010,
    ("docker", "reset"): 0.020,
}
FILE = "package/module.py"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Measure the machinery of the software-engineering family."""

    rounds: int = 15
    mutants: int = 20
    threads: int = 4
    """Graded at the same time."""
    output: Path = Path(__file__).parent / "results"


def make_repository(folder: Path) -> Path:
    """Write a small repository."""
    for index in range(20):
        path = folder / "package" / f"part{index}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("def answer() -> int:\n    return 42\n" * 10)
    (folder / FILE).write_text("VALUE = 1\n" * 200)
    folder.chmod(0o755)
    return folder


def timed(call: Callable[[], Any]) -> float:
    """Return the seconds that a call took."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def times_of(factory: RunnerFactory, repository: Path, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each operation and round."""
    found: dict[str, list[float]] = {name: [] for name in ("start", "edit", "command", "reset")}
    for index in range(rounds + 1):  # the first warms up
        runners: list[Runner] = []

        def start(opened: list[Runner] = runners) -> None:
            opened.append(factory.open(repository))
            assert opened[0].exec("true").exit_code == 0

        started = timed(start)
        (runner,) = runners
        text = (f"VALUE = {index}\n" * 200).encode()[:2048]
        rows = {
            "start": started,
            "edit": timed(lambda r=runner, t=text: r.write(FILE, t)),
            "command": timed(lambda r=runner: r.exec("true")),
            "reset": timed(runner.reset),
        }
        assert runner.read(FILE).startswith(b"VALUE = 1\n"), "a reset left an edit behind"
        runner.close()
        if index:
            for name, value in rows.items():
                found[name].append(value)
    return found


def fresh_containers(repository: Path, rounds: int) -> list[float]:
    """Return the seconds until a command has run in a container, each from a pool that was empty."""
    found = []
    for index in range(rounds + 1):
        factory = find_factory("docker")
        with contextlib.closing(factory):

            def start(pool: RunnerFactory = factory) -> None:
                assert pool.open(repository).exec("true").exit_code == 0

            seconds = timed(start)
        if index:
            found.append(seconds)
    return found


def repair(exercise: Exercise) -> str:
    """Return the diff that undoes a mutant."""
    path, edit = exercise.fix
    text = Edits(exercise.problem.base[path].decode()).apply(edit)
    return make_diff(exercise.problem.base, {path: text.encode()})


def grade_mutants(settings: Settings) -> dict[str, Any]:
    """Grade repairs and empty diffs of mutants in parallel; return how they came out."""
    mutants = Mutants()
    with contextlib.closing(mutants), contextlib.closing(find_factory("bubblewrap")) as factory:
        exercises = {}
        seed = 0
        while len(exercises) < settings.mutants:
            exercise = mutants.make(seed)
            exercises[exercise.problem.id] = exercise
            seed += 1
        repairs = [(e.problem, repair(e)) for e in exercises.values()]
        start = time.perf_counter()
        verdicts = grade_all(repairs, factory, settings.threads)
        wall_s = time.perf_counter() - start
        nothing = grade_all([(problem, "") for problem, _ in repairs], factory, settings.threads)
    lost = [str(v) for v in (*verdicts, *nothing) if isinstance(v, InfraError)]
    return {
        "mutants": len(repairs),
        "resolved": sum(not isinstance(v, InfraError) and v.resolved for v in verdicts),
        "resolved_untouched": sum(not isinstance(v, InfraError) and v.resolved for v in nothing),
        "lost": lost,
        "wall_s": wall_s,
    }


def table(found: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    lines = ["# Machinery of the software-engineering family", "", found["machine"], ""]
    lines += [f"Medians of {found['settings']['rounds']} rounds, milliseconds (5th to 95th percentile).", ""]
    lines += ["| runner | operation | time | bar | |", "|---|---|---|---|---|"]
    for runner, rows in found["times"].items():
        for name, times in rows.items():
            bar = BARS_S.get((runner, name))
            ordered = sorted(times)
            low, high = ordered[int(0.05 * len(ordered))], ordered[min(int(0.95 * len(ordered)), len(ordered) - 1)]
            middle = statistics.median(times)
            judged = ("", "") if bar is None else (f"{bar * 1e3:g}", "met" if middle <= bar else "**missed**")
            lines.append(
                f"| {runner} | {name} | {middle * 1e3:.1f} ({low * 1e3:.1f} to {high * 1e3:.1f}) | {judged[0]} "
                f"| {judged[1]} |"
            )
    graded = found["grading"]
    lines += [
        "",
        f"Grading of {graded['mutants']} mutants, {found['settings']['threads']} at a time: {graded['resolved']} "
        f"repairs resolved, {graded['resolved_untouched']} untouched ones resolved, {len(graded['lost'])} lost, in "
        f"{graded['wall_s']:.0f} s.",
        "",
        "Command: `python -m benchmarks.swe`",
    ]
    return "\n".join(lines) + "\n"


def judge(found: dict[str, Any]) -> bool:
    """Return whether every bar is met."""
    fast = all(statistics.median(found["times"][runner][name]) <= bar for (runner, name), bar in BARS_S.items())
    graded = found["grading"]
    whole = graded["resolved"] == graded["mutants"] and not graded["resolved_untouched"] and not graded["lost"]
    return fast and whole


def main(settings: Settings) -> int:
    """Measure, print, write; return 0 if every bar is met, else 1."""
    load = os.getloadavg()[0]
    times: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory(prefix="envreward-benchmark-") as folder:
        Path(folder).chmod(0o755)
        repository = make_repository(Path(folder) / "repository")
        for name in ("bubblewrap", "docker"):
            with contextlib.closing(find_factory(name)) as factory:
                times[name] = times_of(factory, repository, settings.rounds)
        times["docker"]["fresh container"] = fresh_containers(repository, settings.rounds)
    found = {
        "settings": {k: v for k, v in dataclasses.asdict(settings).items() if k != "output"},
        "machine": f"{platform.platform()}, {os.cpu_count()} CPUs, load {load:.1f} at start",
        "times": times,
        "grading": grade_mutants(settings),
    }
    settings.output.mkdir(parents=True, exist_ok=True)
    (settings.output / "swe.json").write_text(json.dumps(found, indent=1) + "\n")
    text = table(found)
    (settings.output / "swe.md").write_text(text)
    sys.stdout.write("\n" + text)
    return 0 if judge(found) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings)))
