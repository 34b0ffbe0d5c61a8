"""View: a page as the client has it, with what has been typed and not sent; and which events it takes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from envreward.errors import ActionError, near_matches

from .events import KEYS, Back, Click, Event, Fill, GoTo, Press, Scroll, Select, SubmitAnswer
from .page import CHECKS, INTERACTIVE, TEXT_FIELDS, Element, Page

MAX_TEXT = 10_000
"""Longest text of a field or an answer, in characters."""
MAX_PATH = 2_000
SCREEN = 60
"""Elements on the screen at once. A screen is counted in elements and not in pixels, so that it is the same on every
backend."""
SCROLL = 45
"""Elements that one `Scroll` moves by."""
MAX_QUERY = 200
"""Longest text of a field that is sent in a path, that is of a ``get`` form, in characters."""
_PATH = re.compile(r"/(?!/)[A-Za-z0-9\-._~!$&()*+,;=:@/]*(\?[A-Za-z0-9\-._~!$&()*+,;=:@/?%]+)?")
_NUMBER = re.compile(r"-?(\d+(\.\d+)?|\.\d+)([eE][-+]?\d+)?")


@dataclass
class View:
    """What a client shows and remembers. Backends write it; everyone else reads."""

    page: Page
    typed: dict[str, str] = field(default_factory=dict)
    """Values of text fields and lists, by id, where they differ from those that the site sent."""
    checks: dict[str, bool] = field(default_factory=dict)
    """States of checkboxes and radio buttons, by id, where they differ from those that the site sent."""
    focus: str = ""
    """Id of the element that has the focus; empty after a page has loaded."""
    offset: int = 0
    """Elements above the screen."""
    history: list[str] = field(default_factory=list)
    """Paths of the pages before this one, oldest first; opening the path that is shown already adds none."""

    def value(self, element: Element) -> str:
        """Return the present value of a text field or list."""
        return self.typed.get(element.id, element.value)

    def checked(self, element: Element) -> bool:
        """Return whether a checkbox or radio button is on now."""
        return self.checks.get(element.id, element.checked)

    def visible(self) -> tuple[Element, ...]:
        """Return the elements on the screen."""
        elements = self.page.elements
        return elements if len(elements) <= SCREEN else elements[self.offset : self.offset + SCREEN]

    def on_screen(self, element: Element) -> bool:
        """Return whether an element of the page is on the screen."""
        return 0 <= self.page.index[element.id] - self.offset < SCREEN

    def key(self) -> tuple[Any, ...]:
        """Return all that it remembers, in a form that is equal for equal views."""
        typed, checks = tuple(sorted(self.typed.items())), tuple(sorted(self.checks.items()))
        return self.page.path, typed, checks, self.focus, self.offset, tuple(self.history)

    def set_value(self, element: Element, value: str) -> None:
        """Note what a text field or list holds now."""
        if value == element.value:
            self.typed.pop(element.id, None)
        else:
            self.typed[element.id] = value

    def set_checked(self, element: Element, checked: bool) -> None:
        """Note whether a checkbox or radio button is on now."""
        if checked == element.checked:
            self.checks.pop(element.id, None)
        else:
            self.checks[element.id] = checked


def checked_event(view: View, event: Event) -> Event:
    """Return ``event`` as the view takes it: texts cleaned as HTML fields do, `Press` with the element it goes to.

    Raises:
        ActionError: It cannot be taken: no such element, off the screen, disabled, of a wrong kind, a text that is too
            long or that the field does not take, no page to go back to, nothing to scroll to, a path that is none.
    """
    if isinstance(event, Click):
        element = _reachable(view, event.id)
        if element.kind == "select":
            raise ActionError(f"{event.id} is a list: use select with one of {_some(element.options)}")
        return event
    if isinstance(event, Fill):
        return Fill(event.id, _field_text(view.page, _reachable(view, event.id), event.text))
    if isinstance(event, Select):
        element = _reachable(view, event.id)
        if element.kind != "select":
            raise ActionError(f"{event.id} is a {element.kind}: select is for lists")
        if event.option not in element.options:
            raise ActionError(f"{event.id} has no option {event.option[:80]!r}; options: {_some(element.options)}")
        return event
    if isinstance(event, Press):
        return _press(view, event)
    if isinstance(event, GoTo):
        if event.path != view.page.path:
            _check_path(event.path)
    elif isinstance(event, Back) and not view.history:
        raise ActionError("there is no page before this one")
    elif isinstance(event, Scroll):
        below = len(view.page.elements) - view.offset - SCREEN
        if (below if event.down else view.offset) <= 0:
            raise ActionError(f"the {'end' if event.down else 'top'} of the page is on the screen already")
    elif isinstance(event, SubmitAnswer):
        return SubmitAnswer(sendable(event.text, "the answer"))
    return event


def scrolled(view: View, down: bool) -> int:
    """Return the offset after scrolling."""
    last = len(view.page.elements) - SCREEN
    return min(view.offset + SCROLL, last) if down else max(view.offset - SCROLL, 0)


def sendable(text: str, what: str) -> str:
    """Return ``text`` with line ends as HTML has them.

    Raises:
        ActionError: It is too long, or holds characters that no page can send.
    """
    if len(text) > MAX_TEXT:
        raise ActionError(f"{what} is {len(text):,} characters long; at most {MAX_TEXT:,}")
    if "\0" in text or (not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)):
        raise ActionError(f"{what} holds characters that cannot be sent: a NUL or half of a surrogate pair")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _reachable(view: View, id: str) -> Element:
    element = view.page.by_id.get(id)
    if element is None:
        near = near_matches(id[:80], [e.id for e in view.visible() if e.kind in INTERACTIVE])
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ActionError(f"there is no element {id[:80]!r} on this page{hint}")
    if not view.on_screen(element):
        raise ActionError(f"{id} is not on the screen: scroll first")
    if element.kind not in INTERACTIVE:
        raise ActionError(f"{id} is a {element.kind}, which takes no input")
    if element.disabled:
        raise ActionError(f"{id} is disabled")
    return element


def _field_text(page: Page, element: Element, text: str) -> str:
    """Clean a text as HTML's value sanitization does, and refuse what a field of its type would not let a user type."""
    if element.kind not in TEXT_FIELDS:
        raise ActionError(f"{element.id} is a {element.kind}: only text fields can be filled")
    text = sendable(text, "the text")
    if element.kind == "textarea":
        return text
    text = text.replace("\n", "")
    form = page.form_by_id.get(element.form)
    if form is not None and form.method == "get" and len(text) > MAX_QUERY:
        raise ActionError(f"the text is {len(text):,} characters long; {element.id} takes at most {MAX_QUERY}")
    if element.type in ("email", "number", "date"):
        text = text.strip(" \t\f")
    if not takes(element, text):
        what = "a number" if element.type == "number" else "a date as YYYY-MM-DD"
        raise ActionError(f"{element.id} takes {what}, not {text[:80]!r}")
    return text


def takes(element: Element, text: str) -> bool:
    """Return whether a text field's type lets a user type a text: number fields numbers, date fields dates."""
    if element.type == "number":
        return not text or bool(_NUMBER.fullmatch(text))
    return element.type != "date" or not text or _is_date(text)


def _is_date(text: str) -> bool:
    try:
        return len(text) == 10 and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _press(view: View, event: Press) -> Press:
    if event.key not in KEYS:
        raise ActionError(f"there is no key {str(event.key)[:80]!r}; keys: {', '.join(KEYS)}")
    id = event.id or view.focus
    if not id:
        if event.key == "Tab":
            return event
        raise ActionError("nothing has the focus: name an element")
    element = _reachable(view, id)
    if event.key == "Enter":
        if element.kind == "select":
            raise ActionError(f"Enter does nothing on the list {id}")
        if element.kind in CHECKS or element.kind == "textbox":
            button = default_button(view.page, element)
            if button is None or button.disabled:
                raise ActionError(f"Enter on {id} submits nothing: its form has no button that works")
    elif event.key == "Space" and element.kind in ("link", "select"):
        raise ActionError(f"Space does nothing on {id}")
    if event.key == "Space" and element.kind == "textbox" and element.type in ("number", "date", "email"):
        raise ActionError(f"{id} takes no spaces")
    return Press(event.key, id)


def default_button(page: Page, element: Element) -> Element | None:
    """Return the button that Enter in a field presses: the first one of its form."""
    return next((e for e in page.controls.get(element.form, ()) if e.kind == "button"), None)


def _check_path(path: str) -> None:
    if len(path) > MAX_PATH:
        raise ActionError(f"the path is {len(path):,} characters long; at most {MAX_PATH:,}")
    if not _PATH.fullmatch(path) or any(part in (".", "..") for part in path.partition("?")[0].split("/")):
        raise ActionError(
            f"{path[:80]!r} is no path of this site: begin with /, percent-encode characters of the query"
        )


def _some(options: tuple[str, ...], most: int = 20) -> str:
    shown = ", ".join(map(repr, options[:most]))
    return shown if len(options) <= most else f"{shown} and {len(options) - most} more"
