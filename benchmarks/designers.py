"""Every designer, end to end, on two locomotion and two manipulation tasks, under the same budget.

    python -m benchmarks.designers --replay [--designers eureka card] [--envs Hopper] [--runs FOLDER]
    python -m benchmarks.designers --llm openai/gpt-4o --max-usd 20

Each search may train the same number of policies of the same length; then its winner is trained on fresh seeds beside
the expert and the sparse reward. With ``--replay`` the answers come from a pool of programs written by hand (see
`benchmarks.pool_llm`): no network, no key, and the same pool for all, so that the table tells what a designer costs and
how far its selection carries, not how well it instructs a model. Fitness is the mean over the fresh seeds, with the
interquartile mean and a 95 % bootstrap interval; core-hours count all processes of the search (`benchmarks.cpu_time`).
Writes ``benchmarks/results/designers.json`` and ``.md``; a search that is there already is not run again.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from benchmarks.cpu_time import CpuTime
from benchmarks.pool_llm import PoolLLM
from envreward.errors import ConfigError
from envreward.llm import Caps
from envreward.llm.meter import Meter
from envreward.registry import find, find_task_spec
from envreward.reports.statistics import bootstrap_interval, iqm
from envreward.studies import Budget, Spent, StudyConfig
from envreward.studies.crew import Crew, assemble, make_designer, versions
from envreward.studies.designer import default_checkpoint
from envreward.studies.loop import Study
from envreward.studies.store import StudyStore
from envreward.training.task_settings import task_settings

RESULTS = Path(__file__).parent / "results"
DESIGNERS = (
    "eureka",
    "text2reward",
    "card",
    "auto_mc_reward",
    "icpl",
    "revolve",
    "lare",
    "heron",
    "era",
    "random",
    "zeroshot",
    "evolve",
)
ENVS = ("Hopper", "HalfCheetah", "MetaWorld-handle-press", "MetaWorld-drawer-close")
OPTIONS: dict[str, dict[str, Any]] = {"icpl": {"preference": "fitness"}}
"""Options that let a designer run without a person."""
_HEAD = (
    "task | designer | fitness | IQM | 95 % interval | of expert | core-hours | LLM calls | tokens | USD | candidates"
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Compare the designers."""

    replay: bool = False
    """Answer from the pools of hand-written programs."""
    llm: Annotated[str | None, tyro.conf.arg(metavar="MODEL")] = None
    """Ask this language model instead."""
    max_usd: Annotated[float | None, tyro.conf.arg(metavar="USD")] = None
    """Limit on what one search may cost."""
    designers: tuple[str, ...] = DESIGNERS
    envs: tuple[str, ...] = ENVS
    trainings: int = 4
    """Policies that each search may train."""
    samples: int = 2
    """Proposals per iteration, at most; designers that refine a single program take one."""
    steps: int = 40_000
    """Environment steps per training."""
    final_seeds: int = 3
    runs: Path = Path("runs/benchmark-designers")
    """Folder of the studies."""


def study_config(designer: str, env: str, settings: Settings) -> StudyConfig:
    """Return the study of one designer on one task: as many trainings as all others."""
    spec, cls = find_task_spec(env), find("designers", designer)
    samples = min(cls.default_samples, settings.samples)
    rounds = 1 if cls.default_iterations == 1 else settings.trainings // samples
    return StudyConfig(
        env_id=spec.id,
        instruction=spec.instruction,
        designer=designer,
        designer_options=OPTIONS.get(designer, {}),
        checkpoint=default_checkpoint(cls),
        llm=(settings.llm or "manual") if cls.needs_llm else None,
        samples=samples,
        iterations=rounds,
        steps=settings.steps,
        final_seeds=settings.final_seeds,
        budget=Budget(usd=settings.max_usd),
        **task_settings(spec)._asdict(),
    )


def crew_for(config: StudyConfig, env: str, settings: Settings, spent: Spent) -> Crew:
    """Return who works on a study, with the pool as its model where one is replayed."""
    designer = make_designer(config.designer, config.designer_options)
    if not (settings.replay and designer.needs_llm):
        return assemble(config, spent)
    crew = assemble(dataclasses.replace(config, llm="manual"), spent)
    return dataclasses.replace(crew, llm=PoolLLM(env, Meter(Caps())))


def search(designer: str, env: str, settings: Settings) -> dict[str, Any]:
    """Run one study to its end and return its scores and costs."""
    config = study_config(designer, env, settings)
    folder = settings.runs / f"{env}-{designer}"
    begun = time.perf_counter()
    known = (folder / "study.db").exists()
    store = StudyStore.open(folder, versions=versions()) if known else StudyStore.create(folder, config, versions())
    with store, CpuTime() as cpu:
        result = Study(store, crew_for(config, env, settings, store.spent())).run()
        spent, candidates = store.spent(), store.candidates()
    scores: dict[str, list[float]] = {}
    for member in result.members:
        if member.evaluation is not None:
            scores.setdefault(member.role, []).append(member.evaluation.fitness)
    statuses: dict[str, int] = {}
    for candidate in candidates:
        statuses[candidate.status.value] = statuses.get(candidate.status.value, 0) + 1
    return {
        "designer": designer,
        "env": env,
        "fitness": scores,
        "statuses": statuses,
        "core_hours": cpu.seconds / 3600.0,
        "wall_s": time.perf_counter() - begun,
        "resumed": known,
        "llm_calls": spent.llm_calls,
        "tokens": spent.prompt_tokens + spent.completion_tokens,
        "usd": spent.usd,
    }


def table(found: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    s = found["settings"]
    lines = [
        "# Designers under the same budget",
        "",
        f"{s['trainings']} trainings of {s['steps']:,} steps per search, {s['final_seeds']} fresh seeds for the "
        f"comparison; answers: {found['answers']}. {found['machine']}.",
        "",
        f"| {_HEAD} |",
        "|" + "---|" * (_HEAD.count("|") + 1),
    ]
    for row in found["searches"]:
        winner, expert = row["fitness"].get("winner"), row["fitness"].get("expert")
        interval = bootstrap_interval(winner) if winner else None
        share = sum(winner) / len(winner) / (sum(expert) / len(expert)) if winner and expert and sum(expert) else None
        cells = (
            row["env"],
            row["designer"],
            f"{sum(winner) / len(winner):.3g}" if winner else "-",
            f"{iqm(winner):.3g}" if winner else "-",
            f"{interval.low:.3g} to {interval.high:.3g}" if interval else "-",
            "-" if share is None else f"{share:.2f}",
            f"{row['core_hours']:.3f}" + (" (resumed)" if row["resumed"] else ""),
            row["llm_calls"],
            row["tokens"],
            "-" if row["usd"] is None else f"{row['usd']:.2f}",
            ", ".join(f"{count} {status}" for status, count in sorted(row["statuses"].items())),
        )
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    lines += ["", f"Command: `{found['command']}`", ""]
    return "\n".join(lines)


def main() -> int:
    """Run what is not there yet and write the table."""
    settings = tyro.cli(Settings, description=__doc__)
    if settings.replay == (settings.llm is not None):
        raise ConfigError("say where the answers come from: --replay, or --llm MODEL")
    size = {name: getattr(settings, name) for name in ("trainings", "samples", "steps", "final_seeds")}
    answers = "a pool of programs written by hand" if settings.replay else str(settings.llm)
    path = RESULTS / "designers.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if found.get("settings") != size or found.get("answers") != answers:
        found = {"settings": size, "answers": answers, "searches": []}
    order = {pair: place for place, pair in enumerate((e, d) for e in ENVS for d in DESIGNERS)}
    for env in settings.envs:
        for designer in settings.designers:
            if any((r["env"], r["designer"]) == (env, designer) for r in found["searches"]):
                continue
            sys.stderr.write(f"{designer} on {env} ...\n")
            found["searches"].append(search(designer, env, settings))
            found["searches"].sort(key=lambda r: order.get((r["env"], r["designer"]), len(order)))
            found["machine"] = f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}"
            found["command"] = "python -m benchmarks.designers " + (
                "--replay" if settings.replay else f"--llm {settings.llm}"
            )
            path.write_text(json.dumps(found, indent=1) + "\n")
            path.with_suffix(".md").write_text(table(found))
    sys.stdout.write(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
