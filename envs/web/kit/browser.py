"""Backend ``browser``: the site on a server of this machine, shown by Chromium and worked with by real mouse and keys.

Each world has a browser context of its own and each episode a token of its own on the server. A step is: find the
element and bring it into view, click or type as a person would, wait for the document that the event leads to (which
events lead to one is known beforehand, so nothing is ever slept away), and read what is shown with one call. A document
is read as HTML by the same reader as the ``asgi`` backend's; between documents only what was typed, ticked and focused
is read. Drop-down lists and fields for dates, which a browser draws outside of the page, are set as Playwright sets
them: by value, with the events that a choice fires. The history is kept here, because a step back opens the page anew.
"""

from __future__ import annotations

import contextlib
import io
import json
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from envreward.errors import ActionError, InfraError, MissingExtraError
from envreward.worlds import EachWorld, WorldBatch

from . import chromium
from .app import App, StateT
from .client import form_data, form_encode
from .events import Back, Click, Event, Fill, GoTo, Press, Scroll, Select
from .html import parse
from .page import CHECKS, INTERACTIVE, TEXT_FIELDS, Element, Page
from .site import Site
from .view import View, default_button, scrolled
from .world import Backend, WebWorld

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext
    from playwright.async_api import Page as Tab

T = TypeVar("T")

_WINDOW = {"width": 800, "height": 600}
_LOAD_TIMEOUT_S = 15.0
"""Longest wait for a document; less than a call may take, so that only its own world is lost."""
_STOP_TIMEOUT_S = 10.0
_THREADS = 4
"""Worlds that act at the same time; each of them waits for the browser most of the time."""

_SCRIPT = """window.envreward = (() => {
  const find = (id) => document.querySelector(`[id="${id}"]:not(form)`); // a form may have the id of an element
  const sentBy = (field) => field.tagName !== 'SELECT' ? field.defaultValue
    : ([...field.options].find((o) => o.defaultSelected) || field.options[0] || { value: '' }).value;
  const htmlOf = () => {
    const areas = [...document.querySelectorAll('textarea')];
    for (const area of areas) area.textContent = '\\n' + area.textContent; // the line end that HTML ignores
    const html = document.documentElement.outerHTML;
    for (const area of areas) area.textContent = area.textContent.slice(1);
    return html;
  };
  return {
    read: (whole) => {
      const typed = {}, checks = {};
      for (const field of document.querySelectorAll('input, textarea, select')) {
        if (field.type === 'checkbox' || field.type === 'radio') {
          if (field.checked !== field.defaultChecked) checks[field.id] = field.checked;
        } else if (field.value !== sentBy(field)) typed[field.id] = field.value;
      }
      const known = document.body.dataset.kind !== undefined && document.querySelector('main') !== null;
      const [path, focus] = [location.pathname + location.search, document.activeElement.id];
      return JSON.stringify({ path, known, html: whole ? htmlOf() : '', typed, checks, focus });
    },
    aim: (id) => {
      const element = find(id);
      element.scrollIntoView({ block: 'center', inline: 'nearest' });
      const box = element.getClientRects()[0];
      if (!box) return null;
      const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
      return element.contains(document.elementFromPoint(x, y)) ? [x, y] : null;
    },
    click: (id) => find(id).click(),
    select: (id) => {
      const field = find(id);
      field.scrollIntoView({ block: 'center', inline: 'nearest' });
      field.focus();
      field.select();
    },
    end: (id) => { // the caret behind what the field holds
      const element = find(id);
      element.focus();
      if (typeof element.selectionStart === 'number') element.selectionStart = element.value.length;
    },
    set: ([id, value]) => {
      const field = find(id);
      field.focus();
      if (field.value === value) return;
      field.value = value;
      field.dispatchEvent(new Event('input', { bubbles: true }));
      field.dispatchEvent(new Event('change', { bubbles: true }));
    },
    focus: (id) => id ? find(id).focus() : document.activeElement.blur(),
    show: (id) => find(id).scrollIntoView({ block: 'start' }),
  };
})();"""
"""What the page is asked to do and to tell; the pages themselves have no scripts."""


class Server:
    """A site's server on the loopback interface, on a free port, in a thread of its own."""

    def __init__(self, site: Site) -> None:
        """Start it.

        Raises:
            MissingExtraError: uvicorn is not installed.
        """
        try:
            import uvicorn
        except ModuleNotFoundError as error:
            raise MissingExtraError("the browser backend", "web") from error
        self.site = site
        config = uvicorn.Config(
            site.asgi,
            host="127.0.0.1",
            port=0,
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="critical",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        listener = config.bind_socket()
        self.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        """Scheme, host and port; connections are taken from now on and answered once it runs."""
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="site", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop it."""
        self._server.should_exit = True
        self._thread.join(_STOP_TIMEOUT_S)


class BrowserClient(Backend[StateT]):
    """A backend whose pages are shown by Chromium, in a context of their own."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._token = ""
        self._browser: chromium.Chromium | None = None
        self._context: BrowserContext
        self._tab: Tab

    def open(self, app: App[StateT], state: StateT) -> None:
        """Begin a new session at the app's start; where the browser is gone, in another one."""
        self._server.site.end(self._token)
        self.app, self.state = app, state
        if self._browser is None or not self._browser.alive:
            browser = chromium.shared()
            browser.run(self._new_tab(browser))
            self._browser = browser
        self._token = self._server.site.begin(app, state)
        self._run(self._go(app.start))
        self.view = View(self._read_page())

    async def _new_tab(self, browser: chromium.Chromium) -> None:
        self._context = await browser.new_context(viewport=_WINDOW)
        await self._context.add_init_script(_SCRIPT)
        self._tab = await self._context.new_page()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        assert self._browser is not None, "open comes first"
        try:
            return self._browser.run(work)
        except InfraError:
            self._leave()  # what is left of the tab may be of no use: the next episode gets another one
            raise

    def _leave(self) -> None:
        browser, self._browser = self._browser, None
        if browser is not None and browser.alive:
            with contextlib.suppress(InfraError):  # it is gone, and the context with it
                browser.run(self._context.close())

    async def _go(self, path: str) -> None:
        await self._tab.goto(
            f"{self._server.address}/{self._token}{path}", wait_until="load", timeout=1000 * _LOAD_TIMEOUT_S
        )

    def do(self, event: Event) -> None:
        """Carry out an event that the view takes."""
        if isinstance(event, Scroll):
            self.view.offset = scrolled(self.view, event.down)
            self._run(self._call("show", self.view.page.elements[self.view.offset].id))
        elif isinstance(event, GoTo):
            self._expect(event.path, f"there is no page {event.path[:200]}")
            self._follow(self._go(event.path))
        elif isinstance(event, Back):
            path = self.view.history[-1]
            self._expect(path, f"the page before this one, {path[:200]}, is no longer there")
            self._run(self._go(path))
            self.view = View(self._read_page(), history=self.view.history[:-1])
        elif isinstance(event, Fill):
            self._stay(self._fill(self.view.page.by_id[event.id], event.text))
        elif isinstance(event, Select):
            self._stay(self._call("set", [event.id, event.option]))
        elif isinstance(event, Press):
            self._press(event)
        elif isinstance(event, Click):
            self._click(self.view.page.by_id[event.id])
        else:
            raise TypeError(f"{type(event).__name__} is not for backends")

    def _click(self, element: Element) -> None:
        if element.kind == "link":
            self._expect(element.href, f"there is no page {element.href[:200]}")
            self._follow(self._leaving(self._hit(element.id)))
        elif element.kind == "button" and element.form:
            self._submit(element, self._hit(element.id))
        else:
            self._stay(self._hit(element.id))

    def _submit(self, button: Element, by: Coroutine[Any, Any, None]) -> None:
        form = self.view.page.form_by_id[button.form]
        if form.method == "get":
            query = form_encode(form_data(self.view, button))
            path = f"{form.action}?{query}" if query else form.action
            try:
                self._expect(path, f"there is no page {path[:200]}")
            except ActionError:
                by.close()
                raise
        self._follow(self._leaving(by))

    def _press(self, press: Press) -> None:
        view = self.view
        if press.key == "Tab":
            stops = [e.id for e in view.visible() if e.kind in INTERACTIVE and not e.disabled]
            after = stops[stops.index(press.id) + 1 :] if press.id in stops else stops
            self._stay(self._call("focus", after[0] if after else ""))
            return
        element = view.page.by_id[press.id]
        typing = element.kind == "textarea" or (element.kind == "textbox" and press.key == "Space")
        if not typing and press.key == "Enter" and element.kind in TEXT_FIELDS | CHECKS:
            button = default_button(view.page, element)
            assert button is not None
            self._submit(button, self._key(element.id, press.key))
        elif typing:
            self._stay(self._key(element.id, press.key))
        else:
            self._click(element)

    def _expect(self, path: str, otherwise: str) -> None:
        if self.app.page(self.state, path) is None:
            raise ActionError(otherwise)

    async def _call(self, function: str, argument: Any) -> Any:
        return await self._tab.evaluate(f"(argument) => envreward.{function}(argument)", argument)

    async def _leaving(self, by: Coroutine[Any, Any, None]) -> None:
        """Do what leads to another document, and wait until that is there."""
        async with self._tab.expect_event("load", timeout=1000 * _LOAD_TIMEOUT_S):
            await by

    async def _hit(self, id: str) -> None:
        point = await self._call("aim", id)
        if point is None:  # it is there and has no size, for instance a link without a text
            await self._call("click", id)
        else:
            await self._tab.mouse.click(*point)

    async def _key(self, id: str, key: str) -> None:
        await self._call("end", id)
        await self._tab.keyboard.press(key)

    async def _fill(self, element: Element, text: str) -> None:
        if text and element.type not in ("date", "number"):
            await self._call("select", element.id)
            await self._tab.keyboard.insert_text(text)
        await self._call("set", [element.id, text])  # does nothing where typing has done it

    def _stay(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do something that leaves the document, and read what it changed."""

        async def both() -> dict[str, Any]:
            await work
            return await self._look(whole=False)

        self._note(self._run(both()))

    def _follow(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that leads to another document, and read that."""
        before = self.view

        async def both() -> dict[str, Any]:
            await work
            return await self._look(whole=True)

        page = self._page(self._run(both()))
        history = before.history if page.path == before.page.path else [*before.history, before.page.path]
        self.view = View(page, history=history)

    async def _look(self, whole: bool) -> dict[str, Any]:
        seen: dict[str, Any] = json.loads(await self._call("read", whole))
        return seen

    def _read_page(self) -> Page:
        return self._page(self._run(self._look(whole=True)))

    def _page(self, seen: dict[str, Any]) -> Page:
        root = f"/{self._token}"
        if not seen["known"] or not seen["path"].startswith(root + "/"):
            raise InfraError(f"the browser shows {seen['path'][:200]}, which is no page of the site")
        return parse(seen["html"], seen["path"][len(root) :], root)

    def _note(self, seen: dict[str, Any]) -> None:
        self.view.typed, self.view.checks, self.view.focus = seen["typed"], seen["checks"], seen["focus"]

    def frame(self) -> NDArray[np.uint8]:
        """Return a picture of the window, uint8 ``[600, 800, 3]``."""
        from PIL import Image

        image = Image.open(io.BytesIO(self._run(self._tab.screenshot(type="png"))))
        return np.asarray(image.convert("RGB"), dtype=np.uint8)

    def close(self) -> None:
        """End the session and close the context."""
        self._server.site.end(self._token)
        self._leave()


class _Worlds(EachWorld[Event]):
    """The worlds of one server."""

    def __init__(self, make: Callable[[Backend[Any]], WebWorld[Any]], num_worlds: int) -> None:
        chromium.executable()  # where there is none, say so at once
        self._server = Server(Site())
        clients: list[BrowserClient[Any]] = [BrowserClient(self._server) for _ in range(num_worlds)]
        super().__init__([make(client) for client in clients], threads=min(num_worlds, _THREADS))

    def close(self) -> None:
        super().close()
        self._server.close()


def open_worlds(make: Callable[[Backend[Any]], WebWorld[Any]], num_worlds: int) -> WorldBatch[Event]:
    """Return worlds of this backend: one server for all of them, and one browser for all of the process.

    Raises:
        ConfigError: No browser is installed.
        MissingExtraError: uvicorn or Playwright is not installed.
    """
    return _Worlds(make, num_worlds)
