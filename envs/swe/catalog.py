"""The software-engineering tasks, light to import."""

from __future__ import annotations

from envreward.task_spec import TaskSpec

REPAIR: tuple[TaskSpec, ...] = (
    TaskSpec(
        id="EnvReward/SWERepair-v0",
        family="swe",
        instruction="Mend the bug of a small Python function, by single edits, until all its tests pass.",
        horizon=12,
        entry_point="envreward.envs.swe.repair.task:Repair",
        kwargs={"bugs": 1},
    ),
    TaskSpec(
        id="EnvReward/SWERepairTwo-v0",
        family="swe",
        instruction="Mend the two bugs of a small Python function, by single edits, until all its tests pass.",
        horizon=24,
        entry_point="envreward.envs.swe.repair.task:Repair",
        kwargs={"bugs": 2},
    ),
)
"""Small functions with injected bugs, tested in process."""


def _repositories(name: str, entry_point: str, instruction: str, horizon: int) -> tuple[TaskSpec, ...]:
    """Return a task whose commands run in `bubblewrap`, and the same in Docker containers."""
    return tuple(
        TaskSpec(
            id=f"EnvReward/{name}{suffix}-v0",
            family="swe",
            instruction=instruction,
            horizon=horizon,
            entry_point=f"envreward.envs.swe.{entry_point}",
            extra=extra,
            packages=() if extra is None else (extra,),
            kwargs={"runner": runner},
        )
        for suffix, runner, extra in (("", "bubblewrap", None), ("-docker", "docker", "docker"))
    )


REPOSITORIES: tuple[TaskSpec, ...] = (
    *_repositories(
        "SWERepo",
        "repo.task:RepositoryRepair",
        "Find the fault in a small repository of several files, repair it and submit.",
        30,
    ),
    *_repositories(
        "SWEMutant",
        "mutant.task:MutantRepair",
        "Find the fault in the source of a released package, repair it and submit.",
        50,
    ),
)
"""Repositories with one fault, tested in sandboxes."""

TASKS: tuple[TaskSpec, ...] = (*REPAIR, *REPOSITORIES)
