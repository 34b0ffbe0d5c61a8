"""Does `evolve`, without a language model, find a reward that opens Meta-World's drawer, where the sparse one fails?

    python -m benchmarks.evolve_manipulation [--run FOLDER]

The study is that of ``envreward design --env MetaWorld-drawer-open --designer evolve --trainer sac --steps 120000
--samples 8 --iterations 1 --final-seeds 2``: each candidate is one policy; the best one is then trained on fresh seeds
beside the published reward and the sparse one, with the same steps and settings. A folder that holds a study already,
of that command or of this one, is read, and gone on with if it is not finished. Writes
``benchmarks/results/evolve_manipulation.json`` and ``.md``.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from envreward.errors import ConfigError
from envreward.registry import find_task_spec
from envreward.studies import StudyConfig
from envreward.studies.crew import assemble, versions
from envreward.studies.loop import Study
from envreward.studies.store import StudyStore
from envreward.training.task_settings import task_settings

RESULTS = Path(__file__).parent / "results"
ENV = "MetaWorld-drawer-open"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Search for a reward that opens the drawer."""

    run: Path = Path("runs/benchmark-evolve-manipulation")
    """Folder of the study."""


def study_config() -> StudyConfig:
    """Return the study."""
    spec = find_task_spec(ENV)
    return StudyConfig(
        env_id=spec.id,
        instruction=spec.instruction,
        designer="evolve",
        samples=8,
        iterations=1,
        steps=120_000,
        final_seeds=2,
        trainer="sac",
        **task_settings(spec)._asdict(),
    )


def measure(folder: Path) -> dict[str, Any]:
    """Run the study, or what is missing of it, and return what came of each candidate and each arm.

    Raises:
        ConfigError: The folder holds a study of another task, designer, trainer or budget.
    """
    wanted = study_config()
    known = (folder / "study.db").exists()
    store = StudyStore.open(folder, versions=versions()) if known else StudyStore.create(folder, wanted, versions())
    with store:
        for name in ("env_id", "designer", "samples", "iterations", "steps", "trainer", "sac", "racing", "final_seeds"):
            if (found := getattr(store.config, name)) != getattr(wanted, name):
                raise ConfigError(f"{folder} holds a study with {name} {found}: name another folder with --run")
        result = Study(store, assemble(store.config, store.spent())).run()
        candidates = store.candidates()
    arms: dict[str, dict[str, list[float]]] = {}
    for member in result.members:
        if member.evaluation is not None:
            arm = arms.setdefault(member.role, {"success": [], "fitness": []})
            arm["success"].append(member.evaluation.success)
            arm["fitness"].append(member.evaluation.fitness)
    return {
        "env": ENV,
        "candidates": [
            {"id": c.id, "status": c.status.value, "success": c.success, "origin": c.origin, "source": c.source}
            for c in candidates
        ],
        "winner": None if result.winner is None else result.winner.id,
        "arms": arms,
        "machine": f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}",
    }


def table(found: dict[str, Any]) -> tuple[str, bool]:
    """Return the results as Markdown, and whether the designed reward beats the sparse one."""
    means = {name: statistics.fmean(arm["success"]) for name, arm in found["arms"].items()}
    winner, sparse, expert = (means.get(name) for name in ("winner", "sparse", "expert"))
    met = winner is not None and sparse is not None and winner > sparse
    lines = [
        f"# Reward design without a model: {found['env']}",
        "",
        f"`evolve`, 8 candidates, one SAC policy of 120,000 steps each; then the best one ({found['winner']}), the "
        f"published reward and the sparse one on two fresh seeds each. {found['machine']}.",
        "",
        "| reward | success, mean (each seed) |",
        "| --- | --- |",
        *(
            f"| {name} | {means[name]:.2f} ({', '.join(f'{value:.2f}' for value in arm['success'])}) |"
            for name, arm in sorted(found["arms"].items(), key=lambda pair: -means[pair[0]])
        ),
        "",
        f"Beats the sparse reward: {'yes' if met else 'no'}."
        + ("" if winner is None or expert is None else f" Designed minus published: {winner - expert:+.2f}."),
        "",
        "Success of each candidate's policy in the search:",
        "",
        "| candidate | success | terms |",
        "| --- | --- | --- |",
        *(
            f"| {c['id']} | {'-' if c['success'] is None else format(c['success'], '.2f')} | {_terms(c['source'])} |"
            for c in found["candidates"]
        ),
        "",
        "Command: `python -m benchmarks.evolve_manipulation`",
        "",
    ]
    return "\n".join(lines), met


def _terms(source: str) -> str:
    """Return the names of a program's components, which say what each reads and in which form."""
    line = next((line for line in source.splitlines() if line.strip().startswith("total = ")), "")
    return line.partition("=")[2].strip().replace(" + ", ", ")


def main() -> int:
    """Run the study and write the table; return 0 if the bar is met, else 1."""
    settings = tyro.cli(Settings, description=__doc__)
    found = measure(settings.run)
    text, met = table(found)
    (RESULTS / "evolve_manipulation.json").write_text(json.dumps(found, indent=1) + "\n")
    (RESULTS / "evolve_manipulation.md").write_text(text)
    sys.stdout.write(text)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
