"""Templates of several pages: links, tabs, menus, sections, lists over pages, search, counting, an order of clicks."""

from __future__ import annotations

import itertools
import random
from urllib.parse import quote_plus

from ...kit.app import split
from ...kit.matching import words
from ...kit.page import Element, Form, Page
from .widget import SUBMIT, Step, Widget, button, make_goal
from .words import CITIES, FRUITS, LABELS, NAMES, WORDS

_PER_PAGE = 5


def _link(id: str, label: str, href: str) -> Element:
    return Element(id=id, kind="link", label=label, href=href)


def _ends(labels: list[str]) -> dict[str, Page]:
    """Return the pages that links of these labels end at."""
    pages = {}
    for label in labels:
        path = f"/open/{quote_plus(label)}"
        heading = Element(id="heading", kind="heading", label=label)
        pages[path] = Page(path, label, "done", (_link("home", "Home", "/"), heading))
    return pages


def _to(label: str) -> str:
    return f"/open/{quote_plus(label)}"


def click_link(rng: random.Random) -> Widget:
    """Follow the link of a given name among others."""
    labels = rng.sample(CITIES, rng.randint(4, 8))
    wanted = rng.choice(labels[1:])
    links = tuple(_link(f"link-{i}", label, _to(label)) for i, label in enumerate(labels))
    pages = {"/": Page("/", "Places", "list", links), **_ends(labels)}
    way = {"/": Step(f"link-{labels.index(wanted)}")}
    wrong = frozenset(map(_to, labels)) - {_to(wanted)}
    goal = make_goal(f'Open the link "{wanted}".', ("link", wanted))
    return Widget("click-link", goal, pages, way, right=_to(wanted), wrong=wrong)


def find_in_pages(rng: random.Random) -> Widget:
    """Find a link in a list over several pages."""
    names = rng.sample(CITIES, 15)
    place = rng.randrange(15)
    pages = _ends(names)
    way: dict[str, Step] = {}
    for number in range(3):
        path = f"/list?page={number + 1}" if number else "/"
        shown = range(number * _PER_PAGE, (number + 1) * _PER_PAGE)
        links = [_link(f"link-{i}", names[i], _to(names[i])) for i in shown]
        if number:
            links.append(_link("previous", "Previous", "/" if number == 1 else f"/list?page={number}"))
        if number < 2:
            links.append(_link("next", "Next", f"/list?page={number + 2}"))
        pages[path] = Page(path, f"Places, page {number + 1} of 3", "list", tuple(links))
        if place in shown:
            way[path] = Step(f"link-{place}")
        elif place > shown[-1]:
            way[path] = Step("next", f"/list?page={number + 2}")
        else:
            way[path] = Step("previous", "/" if number == 1 else f"/list?page={number}")
    wanted = names[place]
    wrong = frozenset(map(_to, names)) - {_to(wanted)}
    goal = make_goal(f"Find {wanted} in the list and open it.", ("place", wanted))
    return Widget("find-in-pages", goal, pages, way, right=_to(wanted), wrong=wrong)


def use_tabs(rng: random.Random) -> Widget:
    """Open the right tab and the link in it."""
    return _folded(rng, "use-tabs", rng.sample(WORDS, 3), "the tab")


def open_section(rng: random.Random) -> Widget:
    """Expand the right section and open the link in it."""
    return _folded(rng, "open-section", rng.sample(NAMES, 4), "the section")


def _folded(rng: random.Random, template: str, titles: list[str], what: str) -> Widget:
    """A page of titles that each show two links when they are opened."""
    labels = rng.sample(FRUITS, 2 * len(titles))
    place = rng.randrange(len(labels))
    section, wanted = titles[place // 2], labels[place]
    tops = [_link(f"top-{i}", title, f"/top/{i}") for i, title in enumerate(titles)]
    pages = {"/": Page("/", "Contents", "list", tuple(tops)), **_ends(labels)}
    way = {"/": Step(f"top-{place // 2}", f"/top/{place // 2}")}
    for i, title in enumerate(titles):
        inner = [_link(f"link-{k}", labels[k], _to(labels[k])) for k in (2 * i, 2 * i + 1)]
        pages[f"/top/{i}"] = Page(f"/top/{i}", title, "part", (*tops[: i + 1], *inner, *tops[i + 1 :]))
        way[f"/top/{i}"] = Step(f"link-{place}") if i == place // 2 else Step(f"top-{place // 2}", f"/top/{place // 2}")
    goal = make_goal(f"Open {what} {section} and in it the link {wanted}.", ("title", section), ("link", wanted))
    wrong = frozenset(map(_to, labels)) - {_to(wanted)}
    return Widget(template, goal, pages, way, right=_to(wanted), wrong=wrong)


def use_menu(rng: random.Random) -> Widget:
    """Go down a menu of three levels."""
    names = [rng.sample(CITIES, 3), rng.sample(FRUITS, 3), rng.sample(LABELS, 3)]
    chosen = [rng.randrange(3) for _ in names]
    pages: dict[str, Page] = {}
    way: dict[str, Step] = {}
    wanted = f"/menu/{chosen[0]}/{chosen[1]}/{chosen[2]}"
    ends: list[str] = []
    for steps in ((), *itertools.product(range(3)), *itertools.product(range(3), repeat=2)):
        path = "/" + "/".join(("menu", *map(str, steps))) if steps else "/"
        level = len(steps)
        below = [f"/menu/{'/'.join(map(str, (*steps, i)))}" for i in range(3)]
        links = [_link(f"item-{i}", names[level][i], below[i]) for i in range(3)]
        title = names[level - 1][steps[-1]] if steps else "Menu"
        pages[path] = Page(path, title, "part" if steps else "list", (_link("home", "Home", "/"), *links))
        if list(steps) == chosen[:level]:
            way[path] = Step(f"item-{chosen[level]}", "" if level == 2 else below[chosen[level]])
        if level == 2:
            ends += below
    for path in ends:
        label = names[2][int(path[-1])]
        pages[path] = Page(
            path, label, "done", (_link("home", "Home", "/"), Element(id="end", kind="heading", label=label))
        )
    trail = [names[i][chosen[i]] for i in range(3)]
    goal = make_goal(f"In the menu, go to {' > '.join(trail)}.", *(("item", name) for name in trail))
    return Widget("use-menu", goal, pages, way, right=wanted, wrong=frozenset(ends) - {wanted})


def search(rng: random.Random) -> Widget:
    """Search for a word and open the result."""
    names = [f"{a} {b}" for a, b in zip(2 * rng.sample(NAMES, 4), rng.sample(CITIES, 8), strict=True)]
    wanted = rng.choice(names)
    box = Element(id="q", kind="textbox", type="search", label="Search names", name="q", form="search")
    go = Element(id="go", kind="button", label="Search", form="search")
    forms = (Form("search", "/find", "get"),)

    def results(path: str) -> Page | None:
        route, query = split(path)
        if route != "/find":
            return None
        text = " ".join(query.get("q", "").split())
        found = [i for i, name in enumerate(names) if words(text) & words(name)]
        links = (_link(f"link-{i}", names[i], _to(names[i])) for i in found)
        count = Element(id="count", kind="text", label=f"{len(found)} results")
        return Page(path, f"Results for {text}", "list", (box._replace(value=text), go, count, *links), forms)

    query = f"/find?q={quote_plus(wanted)}"
    result = results(query)
    assert result is not None
    pages = {"/": Page("/", "Search", "form", (box, go), forms), query: result, **_ends(names)}
    look = Step("go", query, {"q": wanted})
    way = {"/": look, query: Step(f"link-{names.index(wanted)}")}
    goal = make_goal(f"Search for {wanted} and open the result of that name.", ("name", wanted))
    wrong = frozenset(map(_to, names)) - {_to(wanted)}
    return Widget("search", goal, pages, way, right=_to(wanted), wrong=wrong, otherwise=look, more=results)


def count_up(rng: random.Random) -> Widget:
    """Press plus and minus until a counter is right, then submit."""
    wanted = rng.choice((1, 2, 3, 4, 5, 6))
    pages: dict[str, Page] = {}
    way: dict[str, Step] = {}
    for n in range(8):
        path = f"/count?n={n}" if n else "/"
        around = [(label, m) for label, m in (("Minus", n - 1), ("Plus", n + 1)) if 0 <= m < 8]
        links = [_link(label.lower(), label, f"/count?n={m}" if m else "/") for label, m in around]
        total = Element(
            id="total", kind="textbox", label="Total", name="total", value=str(n), form="form", disabled=True
        )
        send = button("Submit", "submit", "total", str(n))
        pages[path] = Page(path, f"Total {n}", "form", (total, *links, send), (SUBMIT,))
        toward = n + (1 if n < wanted else -1)
        move = Step("plus" if n < wanted else "minus", f"/count?n={toward}" if toward else "/")
        way[path] = Step("submit") if n == wanted else move
    goal = make_goal(f"Bring the total to {wanted} and submit.", ("total", str(wanted)))
    return Widget("count-up", goal, pages, way, (("total", str(wanted)),))


def click_in_order(rng: random.Random) -> Widget:
    """Click three names in a given order."""
    labels = sorted(rng.sample(NAMES, 4))
    order = rng.sample(range(4), 3)
    pages: dict[str, Page] = {}
    way: dict[str, Step] = {}
    ends = []
    stack: list[tuple[int, ...]] = [()]
    while stack:
        done = stack.pop()
        path = "/order/" + "".join(map(str, done)) if done else "/"
        if len(done) == 3:
            ends.append(path)
            pages[path] = Page(path, "Done", "done", (_link("home", "Home", "/"),))
            continue
        nexts = [i for i in range(4) if i not in done]
        links = tuple(_link(f"name-{i}", labels[i], "/order/" + "".join(map(str, (*done, i)))) for i in nexts)
        shown = ", ".join(labels[i] for i in done)
        text = Element(id="so-far", kind="text", label=f"Clicked: {shown}" if done else "Nothing is clicked yet.")
        pages[path] = Page(path, "Names", "part" if done else "list", (_link("home", "Home", "/"), text, *links))
        if list(done) == order[: len(done)]:
            left = order[len(done)]
            then = "" if len(done) == 2 else "/order/" + "".join(map(str, (*done, left)))
            way[path] = Step(f"name-{left}", then)
        stack += [(*done, i) for i in nexts]
    right = "/order/" + "".join(map(str, order))
    names = [labels[i] for i in order]
    goal = make_goal(f"Click {names[0]}, then {names[1]}, then {names[2]}.", *(("name", name) for name in names))
    return Widget("click-in-order", goal, pages, way, right=right, wrong=frozenset(ends) - {right})


TEMPLATES = (click_link, find_in_pages, use_tabs, open_section, use_menu, search, count_up, click_in_order)
