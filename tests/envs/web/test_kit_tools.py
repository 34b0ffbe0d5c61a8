"""Tools and words for language models."""

from __future__ import annotations

import json

import pytest
from sample_site import Sample
from web_play import tree_world

from envreward.envs.web.kit.describe import MAX_DESCRIPTION, MAX_LINE, describe
from envreward.envs.web.kit.events import Back, Click, Event, Fill, GoTo, Press, Scroll, Select, SubmitAnswer
from envreward.envs.web.kit.page import Element, Page
from envreward.envs.web.kit.tools import TOOLS
from envreward.envs.web.kit.view import View
from envreward.errors import ActionError
from envreward.worlds import parse_call

CALLS: tuple[tuple[str, dict[str, str], Event], ...] = (
    ("click", {"id": "b3"}, Click("b3")),
    ("fill", {"id": "q", "text": "hat"}, Fill("q", "hat")),
    ("select", {"id": "size", "option": "M"}, Select("size", "M")),
    ("press", {"key": "Enter", "id": "q"}, Press("Enter", "q")),
    ("press", {"key": "Tab"}, Press("Tab")),
    ("goto", {"path": "/cart"}, GoTo("/cart")),
    ("back", {}, Back()),
    ("scroll", {"direction": "up"}, Scroll(False)),
    ("submit_answer", {"text": "42"}, SubmitAnswer("42")),
)


@pytest.mark.parametrize(("name", "arguments", "event"), CALLS)
def test_calls(name: str, arguments: dict[str, str], event: Event) -> None:
    """Each tool call becomes the event that it names."""
    assert parse_call(TOOLS, name, json.dumps(arguments)) == event


def test_every_event_has_a_tool() -> None:
    """What a policy can do, a language model can do; each tool says when it fails or what it takes."""
    assert {type(event) for _, _, event in CALLS} == {Click, Fill, Select, Press, GoTo, Back, Scroll, SubmitAnswer}
    for tool in TOOLS:
        assert tool.schema()["function"]["parameters"]["additionalProperties"] is False
        assert len(tool.description) > 30


@pytest.mark.parametrize(("name", "arguments"), [("press", {"key": "F1"}), ("scroll", {"direction": "left"})])
def test_bad_arguments(name: str, arguments: dict[str, str]) -> None:
    """Values that mean nothing are refused with those that do."""
    with pytest.raises(ActionError, match="must be one of"):
        parse_call(TOOLS, name, json.dumps(arguments))


def test_description() -> None:
    """A page in words has every element with its id, kind, label and state, and what went wrong last."""
    world = tree_world(Sample("plain"))
    world.reset(0)
    world.act(Fill("first", "typed"))
    world.act(Click("r1"))
    text = world.describe()
    for line in (
        "Page /: plain",
        '[home] link "Home"',
        "# plain",
        '[first] textbox "plain" = "typed"',
        '[mail] textbox "Mail" (email) = "" error: plain',
        '[long] textarea "Long" = "\\nplain\\n"',
        '[tick] checkbox "plain" is on',
        '[r1] radio "one" of plain: on (has the focus)',
        '[r2] radio "two" of plain: off',
        '[pick] select "Pick" = "plain", options: a, plain',
        '[dead] button "Dead" (disabled)',
        "columns: Name | plain",
        '  [cut] button "Cut"',
    ):
        assert line in text.splitlines(), line
    world.refuse("it was no use")
    assert "The last action could not be taken: it was no use" in world.describe()


def test_long_pages_are_clipped() -> None:
    """A page that is too long keeps its beginning and end, and says how much is missing; so does a line."""
    elements = tuple(Element(id=f"t{i}", kind="text", label=f"{i} " + "x" * 5000) for i in range(50))
    text = describe(View(Page("/", "Long", "k", elements)))
    assert len(text) < MAX_DESCRIPTION + 200
    lines = text.splitlines()
    assert lines[1].startswith("0 ") and lines[-1].startswith("49 ")
    (left_out,) = [line for line in lines if "left out" in line]
    assert int(left_out.split()[0].lstrip("(")) == 50 - (len(lines) - 2)
    assert max(map(len, lines)) < MAX_LINE + 50 and "(4,402 more characters)" in lines[1]


def test_what_is_off_the_screen_is_counted() -> None:
    """Above and below the screen there is a number of elements, not silence."""
    elements = tuple(Element(id=f"t{i}", kind="text", label=str(i)) for i in range(100))
    text = describe(View(Page("/", "Long", "k", elements), offset=10))
    assert "(10 more above; scroll up)" in text and "(30 more below; scroll down)" in text
