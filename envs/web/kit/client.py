"""Client: what a browser does with a page, in Python: type, check, submit, follow links, go back."""

from __future__ import annotations

import abc
import functools
from collections.abc import Sequence
from urllib.parse import quote_plus

from envreward.errors import ActionError

from .app import App, Post, StateT
from .events import Back, Click, Event, Fill, GoTo, Press, Scroll, Select
from .page import CHECKS, INTERACTIVE, TEXT_FIELDS, Element, Page
from .view import View, default_button, scrolled
from .world import Backend


class Client(Backend[StateT]):
    """A backend that follows HTML's rules itself; how a page comes from the site is left to `_get` and `_post`."""

    app: App[StateT]
    state: StateT

    @abc.abstractmethod
    def _get(self, path: str) -> Page | None:
        """Return the page under a path as the site shows it now, or ``None`` where it has none."""

    @abc.abstractmethod
    def _post(self, post: Post) -> str | None:
        """Send a form; return the path of the page to open next, or ``None`` where the site takes no such form."""

    def open(self, app: App[StateT], state: StateT) -> None:
        """Begin a new session at the app's start."""
        self.app, self.state = app, state
        page = self._get(app.start)
        assert page is not None, f"{app.name} has no page {app.start}"
        self.view = View(page)

    def do(self, event: Event) -> None:
        """Carry out an event that the view takes."""
        view = self.view
        if isinstance(event, Click):
            self._click(view.page.by_id[event.id])
        elif isinstance(event, Fill):
            self._set(view.page.by_id[event.id], event.text)
        elif isinstance(event, Select):
            self._set(view.page.by_id[event.id], event.option)
        elif isinstance(event, Press):
            self._press(event)
        elif isinstance(event, GoTo):
            self._open(event.path)
        elif isinstance(event, Back):
            self._back()
        elif isinstance(event, Scroll):
            view.offset = scrolled(view, event.down)
        else:
            raise TypeError(f"{type(event).__name__} is not for backends")

    def _set(self, element: Element, value: str) -> None:
        self.view.set_value(element, value)
        self.view.focus = element.id

    def _click(self, element: Element) -> None:
        view = self.view
        if element.kind == "link":
            self._open(element.href)
        elif element.kind == "button" and element.form:
            self._submit(element)
        else:
            view.focus = element.id
            if element.kind == "checkbox":
                view.set_checked(element, not view.checked(element))
            elif element.kind == "radio":
                for other in view.page.elements:
                    if other.kind == "radio" and (other.name, other.form) == (element.name, element.form):
                        view.set_checked(other, other is element)

    def _press(self, press: Press) -> None:
        view = self.view
        if press.key == "Tab":
            self._tab(press.id)
            return
        element = view.page.by_id[press.id]
        view.focus = element.id
        character = "\n" if press.key == "Enter" else " "
        if element.kind == "textarea" or (element.kind == "textbox" and press.key == "Space"):
            view.set_value(element, view.value(element) + character)
        elif press.key == "Enter" and (element.kind in TEXT_FIELDS or element.kind in CHECKS):
            button = default_button(view.page, element)
            assert button is not None
            self._submit(button)
        else:
            self._click(element)

    def _tab(self, id: str) -> None:
        """Move the focus to the next element on the screen that takes input, and from the last one nowhere."""
        stops = [e.id for e in self.view.visible() if e.kind in INTERACTIVE and not e.disabled]
        after = stops[stops.index(id) + 1 :] if id in stops else stops
        self.view.focus = after[0] if after else ""

    def _submit(self, button: Element) -> None:
        page = self.view.page
        form = page.form_by_id[button.form]
        fields = form_data(self.view, button)
        if form.method == "get":
            self._open(f"{form.action}?{form_encode(fields)}" if fields else form.action)
            return
        path = self._post(Post(form.action, fields))
        assert path is not None, f"{self.app.name} takes no form at {form.action}, where one of its pages sends it"
        self._open(path)

    def _open(self, path: str) -> None:
        page = self._get(path)
        if page is None:
            raise ActionError(f"there is no page {path[:200]}")
        history = self.view.history
        self._show(page, history if path == self.view.page.path else [*history, self.view.page.path])

    def _back(self) -> None:
        history = self.view.history
        page = self._get(history[-1])
        if page is None:
            raise ActionError(f"the page before this one, {history[-1][:200]}, is no longer there")
        self._show(page, history[:-1])

    def _show(self, page: Page, history: list[str]) -> None:
        self.view = View(page, history=history)


def form_data(view: View, button: Element) -> tuple[tuple[str, str], ...]:
    """Return the names and values that a button's form sends when that button is pressed (HTML's form data set)."""
    pairs = []
    for element in view.page.controls[button.form]:
        if not element.name or element.disabled:
            continue
        if element.kind == "button":
            if element.id == button.id:
                pairs.append((element.name, element.value))
        elif element.kind in CHECKS:
            if view.checked(element):
                pairs.append((element.name, element.value))
        else:
            pairs.append((element.name, view.value(element)))
    return tuple(pairs)


def form_encode(fields: Sequence[tuple[str, str]]) -> str:
    """Return fields as browsers write them into a query (WHATWG URL, application/x-www-form-urlencoded)."""
    return "&".join(f"{_encode(name)}={_encode(value)}" for name, value in fields)


@functools.lru_cache(maxsize=16384)
def _encode(text: str) -> str:
    return quote_plus(text.replace("\n", "\r\n"), safe="*").replace("~", "%7E")
