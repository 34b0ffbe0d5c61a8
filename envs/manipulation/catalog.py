"""The manipulation tasks, light to import."""

from __future__ import annotations

from collections.abc import Mapping

from envreward.task_spec import TaskSpec

from .maniskill.catalog import TASKS as MANISKILL
from .maniskill.catalog import UNAVAILABLE as MANISKILL_OMITTED
from .metaworld.catalog import TASKS as METAWORLD

TASKS: tuple[TaskSpec, ...] = (*METAWORLD, *MANISKILL)

OMITTED: Mapping[str, str] = {
    name.removeprefix("EnvReward/").removesuffix("-v0"): reason for name, reason in MANISKILL_OMITTED.items()
}
"""Official tasks that are not offered, and why; of Meta-World's 50 none is missing."""
