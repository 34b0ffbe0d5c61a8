"""Candidates: what is offered, what the numbers say, and that the oracle's event is always there."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sample_site import Sample
from web_play import act, any_event, tree_world

from envreward.envs.web.apps.shop.app import Shop
from envreward.envs.web.apps.widgets.app import Widgets
from envreward.envs.web.kit.app import Goal, Slot
from envreward.envs.web.kit.codec import Codec
from envreward.envs.web.kit.events import Back, Click, Event, Fill, GoTo, Scroll, Select, SubmitAnswer
from envreward.envs.web.kit.features import CONTEXT, FEATURES, SHAPE
from envreward.envs.web.kit.matching import Matcher, words
from envreward.envs.web.kit.page import Element, Form, Page
from envreward.envs.web.kit.view import View

APPS: dict[str, Callable[[], Any]] = {"shop": lambda: Shop(items=2), "widgets": Widgets, "sample": Sample}
GOAL = Goal(
    "Buy a red rain coat for at most 50 €, then a hat.",
    (
        Slot("product", "red rain coat", 0),
        Slot("price", "50 €", 0, at_most=50.0),
        Slot("colour", "red", 0),
        Slot("product", "hat", 1),
        Slot("full name", "Ada Abel", 2),
    ),
    parts=3,
)
ELEMENTS = (
    Element(id="row", kind="row", options=("rain coat", "60.00 €")),
    Element(id="coat", kind="link", label="A red coat for rain", href="/coat", within="row"),
    Element(id="hat", kind="link", label="Hats", href="/hat"),
    Element(id="name", kind="textbox", label="Full name", name="name", form="f"),
    Element(id="any", kind="textbox", label="Remarks", name="any", form="f"),
    Element(id="red", kind="radio", label="red", name="colour", value="red", form="f", group="Colour"),
    Element(id="blue", kind="radio", label="blue", name="colour", value="blue", form="f", group="Colour"),
    Element(id="pick", kind="select", label="Pick", options=(*"abcdefgh", "hat"), value="a", form="f"),
    Element(id="send", kind="button", label="Send", form="f"),
    Element(id="off", kind="button", label="Off", form="f", disabled=True),
)


_SEND = Click("send")


def _view(*elements: Element, title: str = "Shop") -> View:
    return View(Page("/", title, "k", elements or ELEMENTS, (Form("f", "/f", "post"),)))


def _offer(view: View, done: tuple[bool, ...] = (False, False, False), oracle: Event = _SEND) -> Any:
    codec = Codec(("k",), ("Send",))
    codec.reset(GOAL, "/")
    return codec.candidates(view, done, answers=("hat",), steps_left=0.5, failed=True, oracle=lambda: oracle)


def _features(candidates: Any, event: Event) -> dict[str, float]:
    row = candidates.features[list(candidates.actions).index(event)]
    return dict(zip(FEATURES, row.tolist(), strict=True))


def test_what_is_offered() -> None:
    """Clicks, fills with values that a label calls for, short lists whole and long ones by what the goal mentions."""
    actions = list(_offer(_view()).actions)
    assert [a for a in actions if isinstance(a, Click)] == [*map(Click, ("coat", "hat", "red", "blue", "send"))]
    fills = [a for a in actions if isinstance(a, Fill)]
    assert [f.text for f in fills if f.id == "name"] == ["Ada Abel"], "the label names the slot"
    assert [f.text for f in fills if f.id == "any"] == ["red rain coat", "red", "hat", "Ada Abel"], "no slot is named"
    assert [a for a in actions if isinstance(a, Select)] == [Select("pick", "hat")]
    assert SubmitAnswer("hat") in actions and Back() not in actions


def test_text_is_matched_with_the_goal() -> None:
    """Words shared with the part in focus, other open parts and done ones are told apart; prices are compared."""
    candidates = _offer(_view())
    coat, hat = _features(candidates, Click("coat")), _features(candidates, Click("hat"))
    assert (coat["in_focus"], coat["other_open"], coat["price_fits"]) == (1.0, 0.0, -1.0)
    assert (hat["in_focus"], hat["other_open"], hat["price_fits"]) == (0.0, 1.0, 0.0)
    second = _offer(_view(), done=(True, False, False))
    assert _features(second, Click("hat"))["in_focus"] == 1.0 and _features(second, Click("coat"))["done"] == 1.0
    titled = _offer(_view(title="A hat"))
    assert _features(titled, Click("hat"))["in_focus"] == 1.0, "the page's title says which part it is about"
    assert _features(titled, Click("send"))["command_0"] == 1.0
    assert _features(candidates, Click("red"))["named"] == 1.0 and _features(candidates, Click("blue"))["named"] == 0.0


def test_what_is_typed_shows() -> None:
    """Fields that hold a candidate's value say so, and buttons how much of their form is right and unsent."""
    view = _view()
    assert _features(_offer(view), Click("send"))["form_share"] == 0.0
    view.set_checked(view.page.by_id["red"], True)
    view.set_value(view.page.by_id["name"], "Ada Abel")
    candidates = _offer(view)
    assert _features(candidates, Click("red"))["already_so"] == 1.0
    assert _features(candidates, Fill("name", "Ada Abel"))["already_so"] == 1.0
    assert _features(candidates, Fill("any", "hat"))["already_so"] == 0.0
    send = _features(candidates, Click("send"))
    assert send["unsent"] == 1.0 and send["form_share"] == 0.5, "of colour and remarks, which the coat has values for"
    context = dict(zip(CONTEXT, candidates.context.tolist(), strict=True))
    assert (context["unsent"], context["form_share"], context["steps_left"], context["failed"]) == (1.0, 0.5, 0.5, 1.0)
    assert candidates.actions[-1] == GoTo("/"), "what is typed can be undone"


def test_what_was_used_shows() -> None:
    """A button that was pressed on this path, and a link to a page that was seen, are marked."""
    codec = Codec(("k",), ())
    codec.reset(GOAL, "/")
    view = _view()
    codec.note(Click("send"), view.page, "/coat")
    candidates = codec.candidates(view, (False,) * 3, answers=(), steps_left=1.0, failed=False, oracle=Back)
    assert _features(candidates, Click("send"))["used"] == _features(candidates, Click("coat"))["used"] == 1.0
    assert _features(candidates, Click("hat"))["used"] == 0.0


def test_too_many() -> None:
    """Of more candidates than there is room for, the least relevant go, but never the oracle's next event."""
    links = [Element(id=f"l{i}", kind="link", label=f"Link {i}", href="/x") for i in range(60)]
    links[58] = links[58]._replace(label="red rain coat")
    view = _view(*links)
    actions = list(_offer(view, oracle=Click("l59")).actions)
    assert len(actions) == SHAPE.choices - 1, "room is left for loading anew"
    assert {Click("l0"), Click("l58"), Click("l59")} <= set(actions) and Click("l57") not in actions
    assert actions.index(Click("l58")) < actions.index(Click("l59")), "they keep the page's order"
    assert Click("l59") not in _offer(view, oracle=Click("l0")).actions


def test_too_many_while_typing() -> None:
    """What is kept for the oracle follows it while the same page is shown."""
    links = [Element(id=f"l{i}", kind="link", label=f"Link {i}", href="/x") for i in range(60)]
    codec, view = Codec(("k",), ()), _view(*links)
    codec.reset(GOAL, "/")
    for wanted in (Click("l59"), Click("l58"), Click("l59")):
        offered = codec.candidates(
            view, (False,) * 3, answers=(), steps_left=1.0, failed=False, oracle=lambda event=wanted: event
        )
        assert wanted in offered.actions and len({Click("l58"), Click("l59")} & set(offered.actions)) == 1


def test_long_pages_scroll() -> None:
    """What is off the screen is not offered; scrolling to it is."""
    links = [Element(id=f"l{i}", kind="text", label="x") for i in range(70)]
    view = _view(*links)
    assert Scroll(True) in _offer(view).actions and Scroll(False) not in _offer(view).actions
    view.offset = 10
    assert Scroll(False) in _offer(view).actions and Scroll(True) not in _offer(view).actions


@pytest.mark.parametrize("app", APPS.values(), ids=APPS)
def test_random_play_keeps_the_promises(app: Callable[[], Any]) -> None:
    """Wherever play leads: at most K candidates, no two alike, the oracle's among them, all numbers in [-1, 1], and
    each of them can be taken.
    """
    world = tree_world(app())
    rng = random.Random(0)
    for seed in range(12):
        world.reset(seed)
        for _ in range(25):
            candidates = world.candidates()
            assert 1 <= len(candidates.actions) <= SHAPE.choices
            assert len(set(candidates.actions)) == len(candidates.actions)
            assert candidates.features.shape == (len(candidates.actions), SHAPE.features)
            assert candidates.context.shape == (SHAPE.context,)
            assert np.abs(candidates.features).max() <= 1.0 and np.abs(candidates.context).max() <= 1.0
            assert world.oracle() in candidates.actions
            event = any_event(world, rng)
            error = act(world, event)
            assert not error or event not in candidates.actions or isinstance(event, Back), error
            if world.facts()["failure"]:
                break


def test_candidates_do_not_depend_on_who_asks() -> None:
    """Asking for candidates changes nothing, now or later."""
    asked, unasked = tree_world(Shop(items=2)), tree_world(Shop(items=2))
    for world in (asked, unasked):
        world.reset(3)
    for _ in range(12):
        asked.candidates()
        for world in (asked, unasked):
            world.act(world.oracle())
    first, second = asked.candidates(), unasked.candidates()
    assert list(first.actions) == list(second.actions)
    np.testing.assert_array_equal(first.features, second.features)
    np.testing.assert_array_equal(first.context, second.context)


def test_private_facts_are_not_in_the_numbers() -> None:
    """Two episodes that show the agent the same have the same candidates, whatever is private."""
    world = tree_world(Widgets(templates=("answer-question",)))
    world.reset(5)
    before = world.candidates()
    world.state.widget.way["/"].__dict__["answer"] = "Nowhere"  # frozen: only a test may
    after = world.candidates()
    np.testing.assert_array_equal(before.features, after.features)
    assert before.actions == after.actions


def test_words() -> None:
    """Capitals and plurals do not matter, order does not, parts of words do."""
    assert words("Hiking BOOTS") == words("boot hiking") != words("hike boots")
    match = Matcher(GOAL)
    assert match.by_part(match.by_slot(("rain",)))[0] == pytest.approx(1 / 3)
    assert match.fits(0, ("no price", "49.90 €")) == 1.0 and match.fits(1, ("49.90 €",)) == 0.0
    assert max(match.named("Your full name").values()) == 1.0 and not match.named("Remarks")


def test_too_many_kinds() -> None:
    """An app with more kinds of pages or commands than the features have room for is refused."""
    with pytest.raises(ValueError, match="at most 8"):
        Codec(tuple("abcdefghi"), ())
