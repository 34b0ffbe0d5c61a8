"""Does `evolve` find a reward as good as the published one? Whole searches, several seeds, same budget per training.

    python -m benchmarks.evolve [--envs Hopper HalfCheetah] [--searches 3] [--seeds 2] [--steps 200000]

Each search is an ordinary study: its winner is trained again on fresh seeds next to the expert reward (Gymnasium's own)
and the sparse one, with the same steps, settings and evaluation. What is compared is the fitness, the metres covered
per episode. Writes ``benchmarks/results/evolve.json`` (every policy's score, every winner's source) and ``evolve.md``.
Unfinished searches go on where they stopped when ``--runs`` names the same folder.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from envreward.designers.evolve import Evolve
from envreward.errors import EnvRewardError
from envreward.registry import find_task_spec
from envreward.reports.statistics import bootstrap_interval
from envreward.studies import StudyConfig
from envreward.studies.crew import assemble, versions
from envreward.studies.loop import Study
from envreward.studies.store import StudyStore
from envreward.training.task_settings import task_settings

RESULTS = Path(__file__).parent / "results"
BAR = 0.8


def search(config: StudyConfig, folder: Path) -> dict[str, Any]:
    """Run one study, or what is missing of it, and return its scores.

    Args:
        config: The study.
        folder: Its run folder.

    Returns:
        Fitness of each policy of the final comparison by role, the winner's source and origin, the best fitness after
        each iteration, and the wall-clock seconds that this call took.
    """
    start = time.perf_counter()
    known = (folder / "study.db").exists()
    store = StudyStore.open(folder, versions=versions()) if known else StudyStore.create(folder, config, versions())
    with store:
        if store.config != config:
            raise EnvRewardError(f"{folder} holds a search with other settings: name another folder with --runs")
        result = Study(store, assemble(config, store.spent())).run()
        candidates = store.candidates()
    if result.winner is None:
        raise EnvRewardError(f"no candidate of {folder} could be trained: see `envreward show {folder}`")
    scores: dict[str, list[float]] = {"winner": [], "expert": [], "sparse": []}
    for member in result.members:
        if member.evaluation is None:
            raise EnvRewardError(f"{member.key} of {folder} was not scored: {member.reason}")
        scores[member.role].append(member.evaluation.fitness)
    best = [
        max((c.fitness for c in candidates if c.iteration <= i and c.fitness is not None), default=None)
        for i in range(config.iterations)
    ]
    return {
        "env": config.env_id,
        "search_seed": config.seed,
        "fitness": scores,
        "best_by_iteration": best,
        "winner": {"id": result.winner.id, "origin": result.winner.origin, "source": result.winner.source},
        "wall_s": round(time.perf_counter() - start, 1),
    }


def summarise(searches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per environment: mean fitness of winners and expert, their ratio with its interval."""
    rows = []
    for env in dict.fromkeys(s["env"] for s in searches):
        mine = [s for s in searches if s["env"] == env]
        expert = float(np.mean(mine[0]["fitness"]["expert"]))
        means = [float(np.mean(s["fitness"]["winner"])) for s in mine]
        interval = bootstrap_interval(means)
        rows.append(
            {
                "env": env,
                "searches": len(mine),
                "winner": float(np.mean(means)),
                "expert": expert,
                "sparse": float(np.mean(mine[0]["fitness"]["sparse"])),
                "ratio": float(np.mean(means)) / expert,
                "ratio_95": None if interval is None else [interval.low / expert, interval.high / expert],
                "ratio_each": [m / expert for m in means],
                "wall_s": float(np.mean([s["wall_s"] for s in mine])),
            }
        )
    return rows


def table(rows: list[dict[str, Any]], settings: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    lines = [
        f"`{settings['command']}`: {settings['samples']} candidates x {settings['iterations']} iterations x "
        f"{settings['seeds']} seeds x {settings['steps']:,} steps; winner, expert and sparse then trained on "
        f"{settings['final_seeds']} fresh seeds with the same steps. Fitness is metres per episode. "
        f"{settings['machine']}.",
        "",
        "| env | searches | evolve | expert | sparse | evolve / expert | 95% interval | each search | bar | met |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        interval = "-" if row["ratio_95"] is None else "{:.2f} to {:.2f}".format(*row["ratio_95"])
        each = ", ".join(f"{r:.2f}" for r in row["ratio_each"])
        met = "yes" if row["ratio"] >= BAR else "no"
        lines.append(
            f"| {row['env']} | {row['searches']} | {row['winner']:.2f} | {row['expert']:.2f} | {row['sparse']:.2f} "
            f"| **{row['ratio']:.2f}** | {interval} | {each} | {BAR} | {met} |"
        )
    return "\n".join(lines) + "\n"


def _command(args: list[str]) -> str:
    """Return the command that was given, without where things were put."""
    places = [i for i, word in enumerate(args) if word in ("--runs", "--out")]
    kept = [word for i, word in enumerate(args) if i not in places and i - 1 not in places]
    return shlex.join(["python", "-m", "benchmarks.evolve", *kept])


def main() -> int:
    """Run the searches and write the results; 0 when the bar is met everywhere."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evolve", description=__doc__.splitlines()[0])
    parser.add_argument("--envs", nargs="+", default=["Hopper", "HalfCheetah"])
    parser.add_argument("--searches", type=int, default=3, help="searches per environment, each with its own seed")
    parser.add_argument("--samples", type=int, default=Evolve.default_samples)
    parser.add_argument("--iterations", type=int, default=Evolve.default_iterations)
    parser.add_argument("--steps", type=int, default=200_000, help="environment steps per training")
    parser.add_argument("--seeds", type=int, default=2, help="policies per candidate: one alone is mostly luck")
    parser.add_argument("--final-seeds", type=int, default=5)
    parser.add_argument("--sandbox", default="bubblewrap")
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmark-evolve"), help="folder of the studies")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    args = parser.parse_args()

    searches = []
    for env in args.envs:
        spec = find_task_spec(env)
        for seed in range(args.searches):
            config = StudyConfig(
                env_id=spec.id,
                instruction=spec.instruction,
                designer="evolve",
                samples=args.samples,
                iterations=args.iterations,
                steps=args.steps,
                seeds=args.seeds,
                final_seeds=args.final_seeds,
                sandbox=args.sandbox,
                seed=seed,
                **task_settings(spec)._asdict(),
            )
            name = spec.id.rpartition("/")[2]
            searches.append(search(config, args.runs / f"{name}-{seed}"))
            sys.stderr.write(json.dumps({k: v for k, v in searches[-1].items() if k != "winner"}) + "\n")
    settings = {
        "samples": args.samples,
        "iterations": args.iterations,
        "steps": args.steps,
        "seeds": args.seeds,
        "final_seeds": args.final_seeds,
        "machine": f"{os.cpu_count()} CPUs, {platform.machine()}",
        "command": _command(sys.argv[1:]),
    }
    rows = summarise(searches)
    args.out.mkdir(parents=True, exist_ok=True)
    document = {"settings": settings, "rows": rows, "searches": searches}
    (args.out / "evolve.json").write_text(json.dumps(document, indent=1) + "\n")
    (args.out / "evolve.md").write_text(table(rows, settings))
    sys.stdout.write(table(rows, settings))
    return 0 if all(row["ratio"] >= BAR for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
