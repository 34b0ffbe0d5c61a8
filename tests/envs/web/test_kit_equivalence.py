"""The same events lead to the same states, facts, candidates and words on every backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sample_site import NASTY, Sample
from web_play import asgi_world, compare, tree_world

from envreward.envs.web.catalog import TASKS
from envreward.envs.web.kit.app import App
from envreward.envs.web.kit.task import WebTask
from envreward.envs.web.kit.world import WebWorld
from envreward.registry import make_task

TREE = [spec for spec in TASKS if spec.kwargs["backend"] == "tree"]
BACKENDS: dict[str, Callable[[App[Any]], WebWorld[Any]]] = {"asgi": asgi_world}
"""Backends that are held against the tree."""


def _app(spec: Any) -> App[Any]:
    task = make_task(spec.id)
    assert isinstance(task, WebTask)
    return task.app


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("spec", TREE, ids=lambda spec: spec.id)
def test_random_play_agrees(backend: str, spec: Any) -> None:
    """Whatever is done, sensible or not, on any app: every backend says the same after every step."""
    app = _app(spec)
    for seed in range(4):
        compare([tree_world(app), BACKENDS[backend](app)], seed, 50)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("spec", TREE, ids=lambda spec: spec.id)
def test_oracle_play_agrees(backend: str, spec: Any) -> None:
    """The way to success is the same on every backend."""
    compare([tree_world(_app(spec)), BACKENDS[backend](_app(spec))], 7, 60, oracle_only=True)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("text", ["plain", *NASTY])
def test_every_element_agrees(backend: str, text: str) -> None:
    """Every kind of element, whatever text it holds, behaves the same on every backend."""
    for seed in range(3):
        compare([tree_world(Sample(text)), BACKENDS[backend](Sample(text))], seed, 60)
