"""The client follows HTML's rules: what forms send, what radio buttons, keys, history and the screen do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sample_site import Sample
from web_play import asgi_world, tree_world

from envreward.envs.web.kit.app import App
from envreward.envs.web.kit.client import form_encode
from envreward.envs.web.kit.events import Back, Click, Event, Fill, GoTo, Press, Scroll, Select, SubmitAnswer
from envreward.envs.web.kit.view import MAX_QUERY, MAX_TEXT, SCREEN
from envreward.envs.web.kit.world import WebWorld
from envreward.errors import ActionError

World = WebWorld[Any]


@pytest.fixture(params=[tree_world, asgi_world], ids=["tree", "asgi"])
def world(request: pytest.FixtureRequest) -> World:
    """A world on the sample site, at its start."""
    make: Callable[[App[Any]], World] = request.param
    made = make(Sample("plain"))
    made.reset(0)
    return made


def _do(world: World, *events: Event) -> None:
    for event in events:
        world.act(event)


def test_post_sends_what_html_sends(world: World) -> None:
    """Enabled named fields in document order, checked boxes only, and the button that was pressed."""
    _do(world, Fill("first", "1st"), Fill("size", "12"), Click("tick"), Click("r1"), Select("pick", "a"), Click("send"))
    path, fields = world.state.sent[-1]
    assert path == "/send"
    assert fields == (
        *(("first", "1st"), ("mail", ""), ("day", "2026-01-31"), ("size", "12"), ("long", "\nplain\n")),
        *(("pick", "a"), ("r", "1"), ("do", "plain")),
    )


def test_get_form_opens_its_query(world: World) -> None:
    """A get form opens its action with the query as browsers encode it, and history remembers where that was done."""
    _do(world, Fill("q", "a b&c=ü~*"), Click("go"))
    assert world.view.page.path == "/second?q=a+b%26c%3D%C3%BC%7E*"
    assert world.view.page.by_id["query"].label == repr([("q", "a b&c=ü~*")])
    assert world.view.history == ["/"]


def test_encoding_is_the_browsers() -> None:
    """Form encoding as the WHATWG URL standard has it: line ends are CRLF, ``*`` stays, ``~`` does not."""
    assert form_encode((("a b", "1\n2"), ("é", "*-._~"))) == "a+b=1%0D%0A2&%C3%A9=*-._%7E"


def test_radio_buttons_exclude_each_other(world: World) -> None:
    """One of a name and form is on; the click on one that is on changes nothing; a box toggles."""
    view = world.view
    _do(world, Click("r1"))
    assert view.checked(view.page.by_id["r1"]) and not view.checked(view.page.by_id["r2"])
    _do(world, Click("r2"), Click("r2"))
    assert view.checks == {}
    _do(world, Click("mark"), Click("mark2"), Click("mark"))
    assert view.checks == {"mark2": True}
    _do(world, Click("all"))
    assert world.state.sent == [("/bulk", (("mark", "2"),))]


def test_typing_back_what_was_there_is_no_change(world: World) -> None:
    """A view equals another in which nothing was typed once everything is as the site sent it."""
    world.act(Click("first"))
    before = world.state_hash()
    _do(world, Fill("first", "x"))
    assert world.state_hash() != before
    _do(world, Fill("first", "plain"))
    assert world.state_hash() == before


def test_keys(world: World) -> None:
    """Enter sends a form by its first button, Space ticks and types, Tab moves on."""
    _do(world, Press("Space", "tick"), Fill("first", "a"), Press("Space"), Press("Enter"))
    path, fields = world.state.sent[-1]
    assert (
        path == "/send"
        and dict(fields)["first"] == "a "
        and dict(fields)["do"] == "plain"
        and "tick" not in dict(fields)
    )
    _do(world, Press("Tab"), Press("Tab"))
    assert world.view.focus == "other"
    _do(world, Press("Enter"))
    assert world.view.page.kind == "second" and world.view.focus == ""
    _do(world, Back(), Press("Enter", "long"))
    assert world.view.typed == {"long": "\nplain\n\n"}


def test_back_loads_anew(world: World) -> None:
    """Back shows the page as it is now, without what was typed; opening the page that is shown adds no history."""
    _do(world, Fill("first", "typed"), GoTo("/second"), GoTo("/second"), GoTo("/long"))
    assert world.view.history == ["/", "/second"]
    _do(world, Back(), Back())
    assert world.view.page.path == "/" and world.view.typed == {} and world.view.history == []


def test_screen(world: World) -> None:
    """Only what is on the screen can be used; scrolling moves it, up to the ends."""
    _do(world, GoTo("/long"))
    with pytest.raises(ActionError, match="scroll first"):
        world.act(Click("l100"))
    _do(world, Scroll(True), Scroll(True))
    assert world.view.offset == 130 - SCREEN
    with pytest.raises(ActionError, match="end of the page"):
        world.act(Scroll(True))
    _do(world, Click("l100"))
    assert world.view.page.kind == "second" and world.view.offset == 0


REFUSED: tuple[tuple[Event, str], ...] = (
    (Click("sendd"), "did you mean 'send'"),
    (Click("x" * 5000), "there is no element"),
    (Click("text"), "takes no input"),
    (Click("dead"), "is disabled"),
    (Fill("tick", "x"), "only text fields"),
    (Click("pick"), "use select"),
    (Select("first", "a"), "select is for lists"),
    (Select("pick", "z"), "no option 'z'"),
    (Fill("first", "x" * (MAX_TEXT + 1)), "at most 10,000"),
    (Fill("q", "x" * (MAX_QUERY + 1)), "at most 200"),
    (Fill("long", "a\ud800b"), "cannot be sent"),
    (Fill("long", "a\0b"), "cannot be sent"),
    (Fill("day", "2026-02-30"), "YYYY-MM-DD"),
    (Fill("size", "1,5"), "takes a number"),
    (GoTo("/nowhere"), "there is no page /nowhere"),
    (GoTo("https://example.org/"), "is no path"),
    (GoTo("//example.org/"), "is no path"),
    (GoTo("/../etc/passwd"), "is no path"),
    (GoTo("/second?q=ü"), "percent-encode"),
    (GoTo("/" + "x" * 5000), "5,001 characters long"),
    (Back(), "no page before"),
    (Scroll(False), "top of the page"),
    (Press("F1"), "no key 'F1'"),  # type: ignore[arg-type]
    (Press("Enter"), "nothing has the focus"),
    (Press("Enter", "pick"), "Enter does nothing"),
    (Press("Space", "home"), "Space does nothing"),
    (Press("Space", "size"), "takes no spaces"),
    (SubmitAnswer("42"), "no question"),
)


@pytest.mark.parametrize(("event", "reason"), REFUSED)
def test_refused(world: World, event: Event, reason: str) -> None:
    """What cannot be done is refused in one line that says why, and changes nothing."""
    before = world.state_hash()
    with pytest.raises(ActionError) as refused:
        world.act(event)
    message = str(refused.value)
    assert reason in message and "\n" not in message and len(message) < 400
    assert world.state_hash() == before
    assert world.facts()["last_error"] == message and world.facts()["failed_actions"] == 1
    world.act(Click("home"))
    assert world.facts()["last_error"] == ""


def test_a_world_shows_what_it_was_not_given(world: World) -> None:
    """A step that offered no action counts, as failed, and leaves the page alone."""
    before = world.state_hash()
    world.refuse("there is no candidate 47: 20 are offered")
    assert world.state_hash() == before and world.facts()["failed_actions"] == 1
    assert world.candidates().context[1] == 1.0
