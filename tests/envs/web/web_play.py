"""Plays the same events on several backends and compares what they lead to."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from sample_site import NASTY

from envreward.envs.web.kit.app import App
from envreward.envs.web.kit.asgi import Asgi
from envreward.envs.web.kit.events import KEYS, Back, Click, Event, Fill, GoTo, Press, Scroll, Select, SubmitAnswer
from envreward.envs.web.kit.page import INTERACTIVE, TEXT_FIELDS
from envreward.envs.web.kit.site import Site
from envreward.envs.web.kit.tree import Tree
from envreward.envs.web.kit.world import WebWorld
from envreward.errors import ActionError


def tree_world(app: App[Any], horizon: int = 30) -> WebWorld[Any]:
    """Return a world on the ``tree`` backend."""
    return WebWorld(app, Tree(), horizon)


def asgi_world(app: App[Any], horizon: int = 30) -> WebWorld[Any]:
    """Return a world on the ``asgi`` backend."""
    return WebWorld(app, Asgi(Site()), horizon)


def any_event(world: WebWorld[Any], rng: random.Random) -> Event:
    """Return some event: often a candidate or the oracle's, else anything at all, sensible or not."""
    kind = rng.random()
    if kind < 0.45:
        return rng.choice(world.candidates().actions)
    if kind < 0.6:
        return world.oracle()
    elements = world.view.page.elements
    ids = [e.id for e in elements if e.kind in INTERACTIVE] or ["none"]
    texts = [e.id for e in elements if e.kind in TEXT_FIELDS] or ids
    lists = [e for e in elements if e.kind == "select"]
    text = rng.choice((*NASTY, "", "2026-02-29", "2026-03-01", "12", " padded ", "line\nbreak\r\n"))
    events: list[Event] = [
        Click(rng.choice(ids)),
        Click(rng.choice([e.id for e in elements] or ["none"])),
        Fill(rng.choice(texts), text),
        Fill(rng.choice(texts), text),
        Press(rng.choice(KEYS), rng.choice([*ids, ""])),
        Press(rng.choice(KEYS), rng.choice(texts)),
        GoTo(rng.choice(("/", "/nowhere", world.view.page.path, "not a path", *(e.href for e in elements if e.href)))),
        Back(),
        Scroll(rng.random() < 0.5),
    ]
    if lists:
        chosen = rng.choice(lists)
        events.append(Select(chosen.id, rng.choice(chosen.options)))
    if rng.random() < 0.02:
        events.append(SubmitAnswer(text))
    return rng.choice(events)


def act(world: WebWorld[Any], event: Event) -> str:
    """Carry out an event; return why it could not be taken, or an empty text."""
    try:
        world.act(event)
    except ActionError as error:
        return str(error)
    return ""


def compare(worlds: Sequence[WebWorld[Any]], seed: int, steps: int, oracle_only: bool = False) -> None:
    """Play ``steps`` events in all worlds and assert that hashes, facts, candidates and words agree after each of them.

    Episodes that end are followed by others. ``oracle_only`` plays the oracle's events.
    """
    rng = random.Random(seed)
    first = worlds[0]
    for world in worlds:
        world.reset(seed)
    for step in range(steps):
        event = first.oracle() if oracle_only else any_event(first, rng)
        errors = [act(world, event) for world in worlds]
        for world, error in zip(worlds[1:], errors[1:], strict=True):
            where = f"seed {seed}, step {step}, {event}"
            assert error == errors[0], where
            assert dict(world.view.page.by_id) == dict(first.view.page.by_id), where
            assert world.view.key() == first.view.key(), where
            assert world.state_hash() == first.state_hash(), where
            _same_facts(first, world, where)
            _same_candidates(first, world, where)
            assert world.describe() == first.describe(), where
        if first.facts()["failure"]:
            for world in worlds:
                world.reset(seed + 1000 + step)


def _same_facts(first: WebWorld[Any], other: WebWorld[Any], where: str) -> None:
    expected, facts = first.facts(), other.facts()
    assert expected.keys() == facts.keys(), where
    for name, value in expected.items():
        assert np.array_equal(np.asarray(value), np.asarray(facts[name])), f"{where}: {name}"


def _same_candidates(first: WebWorld[Any], other: WebWorld[Any], where: str) -> None:
    expected, offered = first.candidates(), other.candidates()
    assert list(expected.actions) == list(offered.actions), where
    np.testing.assert_array_equal(expected.features, offered.features, err_msg=where)
    np.testing.assert_array_equal(expected.context, offered.context, err_msg=where)
