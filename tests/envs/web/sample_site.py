"""A site with every kind of element, whose text is whatever a test wants, and which remembers what it was sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from envreward.envs.web.kit.app import App, Goal, Post, Slot, split
from envreward.envs.web.kit.events import Click, Event
from envreward.envs.web.kit.page import Element, Form, Page
from envreward.envs.web.kit.task import WebTask
from envreward.envs.web.kit.view import View
from envreward.fields import Field

NASTY = (
    "<script>alert(1)</script>",
    "\"'><b>bold</b> & &amp; &lt;",
    "emoji 🛒 é 中文 \u202eright-to-left",
    "two  spaces and a\ttab",
    "{{ 7 * 7 }} {% raw %}",
    "</textarea></title></select>",
    "a+b=c&d=e%41#f~g*h",
)
"""Texts that a careless page would run, break on or change."""


@dataclass
class SampleState:
    """What was sent, and the text of the pages."""

    text: str
    sent: list[tuple[str, tuple[tuple[str, str], ...]]] = field(default_factory=list)
    opened: list[str] = field(default_factory=list, repr=False)
    goal: Goal = field(default=Goal("Open the second page.", (Slot("text", "wanted"),)), repr=False)


def elements(text: str) -> tuple[Element, ...]:
    """Return one element of every kind, and more in a table and in a second form."""
    return (
        Element(id="home", kind="link", label="Home", href="/"),
        Element(id="other", kind="link", label=text, href="/second"),
        Element(id="title", kind="heading", label=text),
        Element(id="text", kind="text", label=text),
        Element(id="first", kind="textbox", label=text, name="first", value=text.replace("\n", ""), form="main"),
        Element(id="mail", kind="textbox", type="email", label="Mail", name="mail", form="main", error=text),
        Element(id="day", kind="textbox", type="date", label="Day", name="day", value="2026-01-31", form="main"),
        Element(id="size", kind="textbox", type="number", label="Size", name="size", form="main"),
        Element(id="off", kind="textbox", label="Off", name="off", value="x", form="main", disabled=True),
        Element(id="long", kind="textarea", label="Long", name="long", value=f"\n{text}\n", form="main"),
        Element(id="tick", kind="checkbox", label=text, name="tick", value=text, form="main", checked=True),
        Element(id="pick", kind="select", label="Pick", name="pick", options=("a", text), value=text, form="main"),
        Element(id="r1", kind="radio", label="one", name="r", value="1", form="main", group=text),
        Element(id="r2", kind="radio", label="two", name="r", value="2", form="main", group=text, checked=True),
        Element(id="send", kind="button", label="Send", name="do", value=text, form="main"),
        Element(id="more", kind="button", label="Send more", name="do", value="more", form="main"),
        Element(id="dead", kind="button", label="Dead", form="main", disabled=True),
        Element(id="cols", kind="columns", options=("Name", text)),
        Element(id="sort", kind="link", label="Sort", href="/second?sort=name", within="cols"),
        Element(id="row-1", kind="row", options=(text, "")),
        Element(id="mark", kind="checkbox", label="Mark", name="mark", value="1", form="bulk", within="row-1"),
        Element(id="cut", kind="button", label="Cut", form="cut", within="row-1"),
        Element(id="row-2", kind="row", options=("two",)),
        Element(id="mark2", kind="checkbox", label="Mark", name="mark", value="2", form="bulk", within="row-2"),
        Element(id="all", kind="button", label="Do all", form="bulk"),
        Element(id="q", kind="textbox", type="search", label="Query", name="q", form="find"),
        Element(id="go", kind="button", label="Find", form="find"),
    )


FORMS = (
    Form("main", "/send", "post"),
    Form("bulk", "/bulk", "post"),
    Form("cut", "/cut", "post"),
    Form("find", "/second"),
)


class Sample(App[SampleState]):
    """The site; ``/second`` is the goal, ``/long`` is longer than a screen."""

    name = "sample"
    page_kinds = ("first", "second", "long")
    commands = ("Send", "Find")
    success_doc = fitness_doc = "The second page was opened."
    fields: Mapping[str, Field] = {
        "sent": Field("Forms sent."),
        "success": Field("Done.", dtype="bool", private=True),
        "failure": Field("Done.", dtype="bool", private=True),
        "fitness": Field("Done.", private=True),
    }

    def __init__(self, text: str = "plain") -> None:
        self.text = text

    def new_state(self, seed: int) -> SampleState:
        return SampleState(self.text)

    def goal(self, state: SampleState) -> Goal:
        return state.goal

    def page(self, state: SampleState, path: str) -> Page | None:
        route, query = split(path)
        if route == "/":
            return Page(path, state.text, "first", elements(state.text), FORMS)
        if route == "/second":
            text = Element(id="query", kind="text", label=repr(sorted(query.items())))
            return Page(path, "Second", "second", (Element(id="home", kind="link", label="Home", href="/"), text))
        if route == "/long":
            links = tuple(Element(id=f"l{i}", kind="link", label=f"Link {i}", href="/second") for i in range(130))
            return Page(path, "Long", "long", links)
        return None

    def handle(self, state: SampleState, post: Post) -> str | None:
        if post.path not in ("/send", "/bulk", "/cut"):
            return None
        state.sent.append((post.path, post.fields))
        return "/"

    def visit(self, state: SampleState, path: str) -> None:
        state.opened.append(path)

    def parts_done(self, state: SampleState) -> tuple[bool, ...]:
        return (any(path.startswith("/second") for path in state.opened),)

    def facts(self, state: SampleState, view: View) -> Mapping[str, Any]:
        (done,) = self.parts_done(state)
        return {"sent": len(state.sent), "success": done, "failure": done, "fitness": float(done)}

    def oracle(self, state: SampleState, view: View) -> Event:
        return Click("other" if view.page.kind == "first" else "home")


class SampleTask(WebTask):
    app_type = Sample
