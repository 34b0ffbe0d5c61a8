"""Places of the manipulation tasks, in the states that their scripted policies pass through.

What the declarations say of them is what evolve takes its first goals from: see `envreward.designers.terms.distances`.
"""

from __future__ import annotations

import functools
from itertools import combinations

import pytest
import torch
from torch import Tensor

from envreward.designers.terms import distances, ends, is_place
from envreward.fields import public_fields
from envreward.registry import make_task, task_specs
from envreward.vector_env import make_vector_env

IDS = [env_id for env_id in task_specs() if "/MetaWorld-" in env_id or "/ManiSkill-" in env_id]
STEPS = 200
MOVED_M, RIGID_M = 0.02, 2e-3
"""How far something goes before it counts as having moved, and by how much the distance of points of one body varies:
the gripper's own gives by 0.5 mm, or 0.7 where it is pressed on."""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@functools.cache
def places(env_id: str) -> dict[str, Tensor]:
    """Return every place and every offset in an episode of the scripted policy, up to its success, ``[T, 3]`` each."""
    task = make_task(env_id)
    names = [n for n, f in public_fields(task.fields).items() if is_place(f) or f.role == "offset"]
    policy = next(b.act for b in task.behaviours if b.succeeds and b.act is not None)
    env = make_vector_env(env_id, 1, reward="none", autoreset=False)
    env.request(names)
    env.reset(seed=0)
    rows = []
    for step in range(min(env.horizon, STEPS)):
        transition = env.advance(policy(getattr(env, "worlds", env.task), step))
        rows.append({name: transition.state[name][0].double() for name in names})
        if bool(transition.success[0]):
            break
    env.close()
    return {name: torch.stack([row[name] for row in rows]) for name in names}


@pytest.mark.parametrize("env_id", IDS)
def test_no_place_is_the_difference_of_two_others(env_id: str) -> None:
    """What leads from one place to another is declared as an offset: its distance from any place means nothing."""
    fields, seen = make_task(env_id).fields, places(env_id)
    found = {name: rows for name, rows in seen.items() if is_place(fields[name])}
    for a, b in combinations(found, 2):
        for name, rows in found.items():
            if name not in (a, b):
                error = min((found[a] - found[b] - rows).abs().max(), (found[b] - found[a] - rows).abs().max())
                assert float(error) > 1e-4, f"{name} is the way between {a} and {b}, and no place"


@pytest.mark.parametrize("env_id", IDS)
def test_no_goal_is_a_distance_that_never_varies(env_id: str) -> None:
    """Two points of one body are declared so (`Field.part`): what moves, moves against what it is compared with."""
    fields, seen = public_fields(make_task(env_id).fields), places(env_id)
    moved = {name for name, rows in seen.items() if float((rows - rows[0]).norm(dim=-1).max()) > MOVED_M}
    for readout in distances(fields):
        a, b = ends(readout, fields)
        if moved & {a, b}:
            apart = (seen[a] - seen[b]).norm(dim=-1)
            assert float(apart.max() - apart.min()) > RIGID_M, f"{a} and {b} are always equally far apart"


def test_there_is_something_to_check() -> None:
    """Every manipulation task has two places or more that can be brought together."""
    assert all(distances(public_fields(make_task(env_id).fields)) for env_id in IDS) and len(IDS) > 50
