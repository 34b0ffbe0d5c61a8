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

REPOSITORIES: tuple[TaskSpec, ...] = (
    TaskSpec(
        id="EnvReward/SWERepo-v0",
        family="swe",
        instruction="Find the fault in a small repository of several files, repair it and submit.",
        horizon=30,
        entry_point="envreward.envs.swe.repo.task:RepositoryRepair",
    ),
    TaskSpec(
        id="EnvReward/SWEMutant-v0",
        family="swe",
        instruction="Find the fault in the source of a released package, repair it and submit.",
        horizon=50,
        entry_point="envreward.envs.swe.mutant.task:MutantRepair",
    ),
)
"""Repositories with one fault, tested in sandboxes."""

TASKS: tuple[TaskSpec, ...] = (*REPAIR, *REPOSITORIES)
