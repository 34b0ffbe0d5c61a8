"""The site as a web server: episodes apart, quick to begin, and robust against what is sent to it."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest
from sample_site import Sample
from web_play import act, any_event

from envreward.envs.web.apps.shop.app import Shop
from envreward.envs.web.kit.app import App
from envreward.envs.web.kit.asgi import Asgi, call, open_worlds
from envreward.envs.web.kit.events import Click, Fill
from envreward.envs.web.kit.site import MAX_BODY, Site
from envreward.envs.web.kit.world import WebWorld
from envreward.errors import InfraError


def _sites() -> tuple[Site, str, str]:
    site = Site()
    app = Sample()
    return site, site.begin(app, app.new_state(0)), site.begin(app, app.new_state(1))


def test_episodes_are_apart() -> None:
    """Many episodes on one site, played in turns, are each as if they were alone."""
    app, site = Shop(items=2), Site()
    crowd = [WebWorld(app, Asgi(site), 30) for _ in range(4)]
    alone = [WebWorld(app, Asgi(Site()), 30) for _ in range(4)]
    rngs = [random.Random(i) for i in range(4)]
    for i in range(4):
        crowd[i].reset(i)
        alone[i].reset(i)
    for _ in range(40):
        for i in range(4):
            event = any_event(crowd[i], rngs[i])
            assert act(crowd[i], event) == act(alone[i], event)
            assert crowd[i].state_hash() == alone[i].state_hash()
            assert crowd[i].view.page.by_id == alone[i].view.page.by_id
    assert site.count == 4
    for world in crowd:
        world.close()
    assert site.count == 0, "what is closed is forgotten"


def test_nothing_is_left_of_the_episode_before() -> None:
    """A reset world is as a new one, whatever was done in it."""
    app, site = Shop(items=1), Site()
    used, fresh = WebWorld(app, Asgi(site), 30), WebWorld(app, Asgi(site), 30)
    used.reset(1)
    for _ in range(8):
        used.act(used.oracle())
    token = used._backend._token  # type: ignore[attr-defined]
    used.reset(2)
    fresh.reset(2)
    assert used.state_hash() == fresh.state_hash() and used.describe() == fresh.describe()
    assert repr(used.facts()) == repr(fresh.facts())
    assert call(site.asgi, "GET", f"/{token}/cart").status == 404, "its pages are gone"


@pytest.mark.parametrize("app", [Shop(items=3), Sample()], ids=["shop", "sample"])
def test_an_episode_begins_within_a_millisecond(app: App[Any]) -> None:
    """A new state and its token take less than a millisecond."""
    site = Site()
    best = 1.0
    for seed in range(50):
        start = time.perf_counter()
        site.begin(app, app.new_state(seed))
        best = min(best, time.perf_counter() - start)
    assert best < 1e-3


def test_answers() -> None:
    """Pages are 200 and never stored, forms redirect, what is not there is 404."""
    site, one, _ = _sites()
    page = call(site.asgi, "GET", f"/{one}/")
    assert page.status == 200 and page.headers[b"cache-control"] == b"no-store"
    assert page.headers[b"content-type"] == b"text/html; charset=utf-8"
    sent = call(site.asgi, "POST", f"/{one}/send", b"a=1")
    assert sent.status == 303 and sent.headers[b"location"] == f"/{one}/".encode()
    for path in (f"/{one}/nowhere", f"/{one}", "/0123/", "/", "/favicon.ico", f"/{one}//etc/passwd"):
        assert call(site.asgi, "GET", path).status == 404, path
    assert call(site.asgi, "POST", f"/{one}/second", b"").status == 404
    assert call(site.asgi, "PUT", f"/{one}/").status == 405
    assert call(site.asgi, "GET", "/style.css").status == 200


def test_tokens_cannot_be_guessed() -> None:
    """Episodes do not count up: a page cannot link into its neighbour."""
    site = Site()
    tokens = {site.begin(Sample(), None) for _ in range(200)}
    assert len(tokens) == 200 and all(len(token) == 16 for token in tokens)


def test_odd_bodies() -> None:
    """Bodies that are no form, not UTF-8 or far too long are taken as far as that goes, or refused; nothing breaks."""
    site, one, _ = _sites()
    state = site._episodes[one].state
    assert call(site.asgi, "POST", f"/{one}/send", b"\xff\xfe=%zz&&=&x").status == 303
    assert state.sent[-1][1] == (("\ufffd\ufffd", "%zz"), ("", ""), ("x", ""))
    sent = len(state.sent)
    assert call(site.asgi, "POST", f"/{one}/send", b"a=" + b"x" * MAX_BODY).status == 413
    assert len(state.sent) == sent


def test_a_form_at_its_longest() -> None:
    """A form whose fields are as long as fields can be arrives whole."""
    world = WebWorld(Sample(), Asgi(Site()), 30)
    world.reset(0)
    text = "🛒" * 10_000
    world.act(Fill("first", text))
    world.act(Click("send"))
    assert dict(world.state.sent[-1][1])["first"] == text


def test_an_application_that_waits_is_a_fault() -> None:
    """A site that does not answer at once cannot be called in process: that is the machinery's fault, and said."""

    async def waits(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0)

    async def silent(scope: Any, receive: Any, send: Any) -> None:
        return None

    with pytest.raises(InfraError, match="waits"):
        call(waits, "GET", "/")
    with pytest.raises(InfraError, match="did not answer"):
        call(silent, "GET", "/")


def test_inside_a_running_loop() -> None:
    """The backend needs no event loop of its own, so it works inside any."""

    async def main() -> str:
        worlds = open_worlds(lambda backend: WebWorld(Sample(), backend, 10), 1)
        worlds.reset([0], [0])
        worlds.act({0: Click("other")})
        return worlds.describe(0)

    assert "Page /second" in asyncio.run(main())
