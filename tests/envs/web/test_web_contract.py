"""The web tasks keep what every task promises, on the tree and as real HTML."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import pytest
import torch

from envreward import contract
from envreward.envs.web.catalog import TASKS
from envreward.envs.web.kit.task import BACKENDS, WebTask
from envreward.envs.web.kit.world import WebWorld
from envreward.errors import MissingExtraError, UnknownNameError
from envreward.registry import find_task_spec, make_task
from envreward.task_spec import TaskSpec
from envreward.vector_env import make_vector_env
from envreward.world_vector_env import WorldVectorEnv
from envreward.worlds import EachWorld

TREE = [spec.id for spec in TASKS if spec.kwargs["backend"] == "tree"]
ASGI = [spec.id for spec in TASKS if spec.kwargs["backend"] == "asgi"]
OF_HTML = (contract.check_fields, contract.check_independence, contract.check_saving, contract.check_behaviours)
"""Checks whose outcome could differ between the backends."""


@pytest.mark.parametrize("env_id", TREE)
@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_tree(check: Callable[[str], None], env_id: str) -> None:
    """Each promise (the check's own docstring states it) is kept by each task."""
    check(env_id)


@pytest.mark.parametrize("env_id", ASGI)
@pytest.mark.parametrize("check", OF_HTML, ids=lambda check: check.__name__)
def test_asgi(check: Callable[[str], None], env_id: str) -> None:
    """On real HTML too."""
    check(env_id)


def _successes(env_id: str, seeds: int, pick: Callable[[WorldVectorEnv, int], int]) -> int:
    """Return how many of ``seeds`` episodes succeed when ``pick`` chooses the candidates."""
    env = make_vector_env(env_id, 1, reward="none", autoreset=False)
    assert isinstance(env, WorldVectorEnv)
    count = 0
    for seed in range(seeds):
        env.reset(seed=seed)
        for _ in range(env.horizon):
            step = env.advance(torch.tensor([pick(env, 0)]))
            count += bool(step.success[0])
            if bool(step.terminated[0] | step.truncated[0]):
                break
    env.close()
    return count


def _oracle(env: WorldVectorEnv, world: int) -> int:
    return list(env.worlds.candidates(world).actions).index(env.worlds.oracle(world))


@pytest.mark.parametrize("env_id", TREE)
def test_oracle_succeeds_on_the_tree(env_id: str) -> None:
    """The oracle's event is always a candidate and it always succeeds within the horizon."""
    assert _successes(env_id, 100, _oracle) == 100


@pytest.mark.parametrize("env_id", ASGI)
def test_oracle_succeeds_on_html(env_id: str) -> None:
    """So it does on real HTML."""
    assert _successes(env_id, 10, _oracle) == 10


@pytest.mark.parametrize("env_id", TREE)
def test_first_candidate_fails(env_id: str) -> None:
    """The first candidate again and again is no policy, but for a widget of one button now and then."""
    most = 3 if "Widgets" in env_id else 0
    assert _successes(env_id, 20, lambda env, world: 0) <= most


def test_every_app_is_on_every_backend() -> None:
    """Each task comes on the tree, as HTML and in a browser, alike in all but the backend."""
    specs = {spec.id: spec for spec in TASKS}
    for env_id in TREE:
        for backend in BACKENDS:
            other = specs[env_id if backend == "tree" else env_id.replace("-v0", f"-{backend}-v0")]
            assert other.kwargs == {**specs[env_id].kwargs, "backend": backend}
            assert (other.instruction, other.horizon, other.extra) == (
                specs[env_id].instruction,
                specs[env_id].horizon,
                "web",
            )
    assert len(specs) == len(TASKS) == len(TREE) * len(BACKENDS)


@pytest.mark.parametrize("env_id", TREE)
def test_facts_are_what_the_world_states(env_id: str) -> None:
    """Every declared fact has a value, and no other is stated: a fact that no field declares would be lost."""
    task = make_task(env_id)
    assert isinstance(task, WebTask)
    worlds = task.open(1)
    worlds.reset([0], [0])
    own = {"action", "action_failed", "steps_taken", "steps_left"}
    assert set(worlds.facts(0)) == set(task.fields) - own
    assert "milestones" in task.fields and "progress" in task.fields
    worlds.close()


@pytest.mark.parametrize("env_id", TREE)
def test_states_can_be_pickled(env_id: str) -> None:
    """An episode's state is plain data, so that whoever wants to may keep it."""
    task = make_task(env_id)
    assert isinstance(task, WebTask)
    state: Any = task.app.new_state(3)
    if "Widgets" not in env_id:  # a widget's pages may be made by a function of its own
        assert repr(task.app.key(pickle.loads(pickle.dumps(state)))) == repr(task.app.key(state))
    assert repr(task.app.key(task.app.new_state(3))) == repr(task.app.key(state))
    assert " object at 0x" not in repr(task.app.key(state)), "a hash of it would differ between processes"


def test_unknown_backend() -> None:
    """A backend that does not exist is refused with those that do."""
    spec = find_task_spec(TREE[0])
    task = make_task(TREE[0])
    with pytest.raises(UnknownNameError, match="tree"):
        type(task)(spec, backend="tre")  # type: ignore[call-arg]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what HTML needs, the tree still runs, and asking for HTML says what to install."""
    for name in ("asgi", "html"):
        monkeypatch.delitem(sys.modules, f"envreward.envs.web.kit.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "selectolax.lexbor", None)
    make_vector_env(TREE[0], 1).close()
    with pytest.raises(MissingExtraError, match=r"envreward\[web\]"):
        make_vector_env(ASGI[0], 1)


def test_pictures_without_a_browser_are_of_words() -> None:
    """Asked for a picture, the tree draws the page's words: other words after an action, another picture."""
    env = make_vector_env(TREE[0], 1, render_mode="rgb_array")
    env.reset(seed=0)
    before, after = env.render(), None
    assert before is not None and before[0].dtype.name == "uint8" and before[0].std() > 0
    for _ in range(5):
        env.step(env.action_space.sample())
        after = env.render()
    assert after is not None and after[0].shape == before[0].shape and (after[0] != before[0]).any()
    env.close()


def test_gymnasium_makes_it() -> None:
    """`gymnasium.make` gives the environment, whose info says which state it is in and what went wrong."""
    env = gym.make("EnvReward/WebShopOne-v0")
    env.reset(seed=0)
    _, _, _, _, info = env.step(47)
    assert info["action_error"].startswith("there is no candidate 47") and info["infra_error"] == ""
    assert len(info["state_hash"]) == 24
    env.close()


def test_catalog_is_light() -> None:
    """A spec names its task without loading it, and worlds are made one by one."""
    assert all(isinstance(spec, TaskSpec) for spec in TASKS)
    worlds = make_task(TREE[0]).open(2)  # type: ignore[attr-defined]
    assert isinstance(worlds, EachWorld) and all(isinstance(world, WebWorld) for world in worlds._worlds)
    worlds.close()
