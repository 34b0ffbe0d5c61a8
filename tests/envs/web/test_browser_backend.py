"""The browser backend: what Chromium shows is what the tree says, and its failures are kept apart from the agent's."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sample_site import NASTY, Sample
from web_play import compare, tree_world

from envreward.envs.web.catalog import TASKS
from envreward.envs.web.kit import chromium
from envreward.envs.web.kit.app import App
from envreward.envs.web.kit.browser import BrowserClient, Server, open_worlds
from envreward.envs.web.kit.events import Click, GoTo
from envreward.envs.web.kit.site import Site
from envreward.envs.web.kit.world import WebWorld
from envreward.errors import InfraError
from envreward.registry import _load

APPS = {spec.entry_point: spec for spec in TASKS if spec.kwargs["backend"] == "tree"}
"""One task of each app."""


@pytest.fixture(scope="module", autouse=True)
def browser() -> Iterator[None]:
    """Leave no browser behind."""
    yield
    chromium.close_shared()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server for the worlds of this module."""
    running = Server(Site())
    yield running
    assert running.site.count == 0, "an episode is still being served"
    running.close()


def _world(app: App[Any], server: Server) -> WebWorld[Any]:
    return WebWorld(app, BrowserClient(server), 30)


@pytest.mark.parametrize("entry_point", APPS)
def test_play_agrees_with_the_tree(entry_point: str, server: Server) -> None:
    """The same events, random ones and the oracle's, lead to the same hashes, facts, candidates and words."""
    spec = APPS[entry_point]
    app = _load(entry_point)(spec, **spec.kwargs).app
    shown = _world(app, server)
    compare([tree_world(app), shown], 0, 20)
    compare([tree_world(app), shown], 7, 20, oracle_only=True)
    shown.close()


@pytest.mark.parametrize("text", ["plain", NASTY[1], NASTY[2], NASTY[-1]])
def test_every_element_agrees_with_the_tree(text: str, server: Server) -> None:
    """Every kind of element, whatever text it holds, behaves the same."""
    shown = _world(Sample(text), server)
    compare([tree_world(Sample(text)), shown], 0, 40)
    shown.close()


def test_pictures_are_of_the_page(server: Server) -> None:
    """`frame` is a picture of the window, and another page has another one."""
    world = _world(Sample("plain"), server)
    world.reset(0)
    first = world.frame()
    assert first.shape == (600, 800, 3) and first.dtype == np.uint8
    world.act(GoTo("/long"))
    assert (world.frame() != first).any()
    world.close()


def test_a_crashed_tab_costs_its_own_episode(server: Server) -> None:
    """A tab whose process crashes is an infra error of its world; the next reset opens another, and others go on."""
    crashed, other = _world(Sample("plain"), server), _world(Sample("plain"), server)
    for world in (crashed, other):
        world.reset(0)
    backend = crashed._backend
    assert isinstance(backend, BrowserClient)
    with pytest.raises(InfraError):
        backend._run(backend._tab.goto("chrome://crash"))
    other.act(Click("tick"))
    crashed.reset(0)
    crashed.act(Click("tick"))
    assert crashed.state_hash() == other.state_hash()
    crashed.close()
    other.close()


def test_worlds_are_kept_apart_and_survive_the_browser() -> None:
    """Each world has its own episode; a killed browser is an infra error, and the next reset opens another one."""
    worlds = open_worlds(lambda backend: WebWorld(Sample("plain"), backend, 30), 2)
    worlds.reset([0, 1], [0, 1])
    worlds.act({0: Click("tick")})
    assert worlds.state_hash(0) != worlds.state_hash(1)
    killed = chromium.shared()
    assert killed.pid is not None
    os.killpg(killed.pid, signal.SIGKILL)
    worlds.act({0: Click("tick"), 1: Click("tick")})
    assert all(worlds.infra_error)
    worlds.reset([0, 1], [0, 0])
    assert not any(worlds.infra_error)
    worlds.act({0: Click("tick"), 1: Click("tick")})
    assert worlds.state_hash(0) == worlds.state_hash(1)
    worlds.close()
