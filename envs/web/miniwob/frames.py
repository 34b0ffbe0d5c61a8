"""The browser's side of a batch: N MiniWoB pages as frames of one page, and the calls that step them.

The pages come from the installed ``miniwob`` package. They are served by interception: nothing listens on a port, and
no page reaches any network. A vector step is one call of ``worlds.act`` in the page. What cannot be done by script
(keys, dragging, hovering) is done by real input events, which the DevTools protocol sends to the browser; each world is
put in view for its own.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from envreward.envs.web.kit import chromium
from envreward.errors import InfraError

from . import pages
from .actions import Action, Click, Drag, Hover, Press, Select, Type, Wait

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, CDPSession, Page, Route

_ORIGIN = "http://miniwob.invalid"
_ASSETS = Path(__file__).parent / "assets"
_HOST = '<!doctype html><title>MiniWoB</title><body style="margin:0"><div id="stage" style="position:absolute"></div>'
_VIEW = {"width": 500, "height": 240}
_PICTURE = {"x": 0, "y": 0, "width": 160, "height": 210}
_NOWHERE = (490.0, 230.0)
"""Where the mouse of a new episode is: in view, and on nothing."""
_DRAG_MOVES = 6
"""Mouse events on the way of a drag."""
_OPEN_TIMEOUT_S = 120.0
_KEY_CODES = {
    "Enter": 13, "Tab": 9, "Escape": 27, "Backspace": 8, "Delete": 46, "Home": 36, "End": 35, "PageUp": 33,
    "PageDown": 34, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40,
}  # fmt: skip
"""Virtual key codes (UI Events, section "Legacy key attributes")."""


async def _serve(route: Route) -> None:
    url = route.request.url
    if not url.startswith(_ORIGIN + "/"):
        await route.abort()
        return
    path = url.removeprefix(_ORIGIN + "/").partition("?")[0]
    if not path:
        await route.fulfill(body=_HOST, content_type="text/html")
    elif path.startswith("miniwob/") and path.endswith(".html"):
        await route.fulfill(body=pages.page(Path(path).stem), content_type=pages.file_type(path))
    elif (content := pages.read(path)) is not None:
        await route.fulfill(body=content, content_type=pages.file_type(path))
    else:
        await route.fulfill(status=404, body="")


class Frames:
    """N frames of one MiniWoB page, open in the process's browser."""

    def __init__(self, name: str, count: int) -> None:
        """Open ``count`` frames of the page ``name``, e.g. ``click-test-2``.

        Raises:
            InfraError: The browser failed.
            MissingExtraError: A package is missing.
            ConfigError: No browser is installed.
        """
        pages.page(name)  # where it is missing, say so before anything is opened
        self._browser = chromium.shared()
        self._context: BrowserContext
        self._page: Page
        self._devtools: CDPSession
        self._mouse: dict[int, tuple[float, float]] = {}
        self._mouse_in = -1
        self._browser.run(self._open(name, count), _OPEN_TIMEOUT_S)

    async def _open(self, name: str, count: int) -> None:
        self._context = await self._browser.new_context(viewport=_VIEW)
        try:
            await self._context.route("**/*", _serve)
            await self._context.add_init_script(path=_ASSETS / "frame.js")
            self._page = await self._context.new_page()
            await self._page.goto(_ORIGIN + "/")
            for script in ("listing.js", "worlds.js"):
                await self._page.add_script_tag(content=(_ASSETS / script).read_text())
            self._devtools = await self._context.new_cdp_session(self._page)
            await self._evaluate("open", count, f"{_ORIGIN}/miniwob/{name}.html")
        except BaseException:
            await self._context.close()
            raise

    async def _evaluate(self, function: str, *arguments: Any) -> Any:
        expression = f"worlds.{function}({', '.join(map(json.dumps, arguments))})"
        answer = await self._devtools.send(
            "Runtime.evaluate", {"expression": expression, "returnByValue": True, "awaitPromise": True}
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            text = details.get("exception", {}).get("description") or details["text"]
            raise InfraError(f"the page's script failed: {text.splitlines()[0]}")
        return answer["result"].get("value")

    def reset(self, seeds: dict[int, int], *, anew: bool) -> list[Any]:
        """Begin episodes; return each world's answer, for `listing.look`.

        Args:
            seeds: Seed of each world. Below 2**53, MiniWoB's own environment has the same episode for the same seed.
            anew: Whether to load the pages anew, where they cannot be brought back to how they began.
        """
        for world in seeds:
            self._mouse.pop(world, None)
        self._mouse_in = -1
        whom = [[world, seed if seed < 2**53 else str(seed)] for world, seed in seeds.items()]
        answers: list[Any] = json.loads(self._browser.run(self._evaluate("reset", whom, anew)))
        return answers

    def act(self, actions: dict[int, Action]) -> dict[int, tuple[str, Any]]:
        """Carry out an action in each world given; return why it could not be taken, or "", and the world's answer."""
        scripted = {world: action for world, action in actions.items() if not isinstance(action, (Press, Drag, Hover))}
        real = {world: action for world, action in actions.items() if isinstance(action, (Press, Drag, Hover))}
        results: dict[int, tuple[str, Any]] = {}
        if scripted:
            calls = [_call(world, action) for world, action in scripted.items()]
            answers = json.loads(self._browser.run(self._evaluate("act", calls)))
            results.update((world, (error, answer)) for world, (error, answer) in zip(scripted, answers, strict=True))
        for world, action in real.items():
            results[world] = self._browser.run(self._really(world, action))
        return results

    async def _really(self, world: int, action: Press | Drag | Hover) -> tuple[str, Any]:
        if self._mouse_in != world and not isinstance(action, Press):  # to where this world's mouse was, unnoticed
            await self._evaluate("stage", world)
            await self._move(*self._mouse.get(world, _NOWHERE))
            self._mouse_in = world
        targets = {Press: [], Drag: ["element", "onto"], Hover: ["element"]}[type(action)]
        error, points = await self._evaluate("aim", world, [getattr(action, name) for name in targets])
        if not error and (points or isinstance(action, Press)):
            await self._events(action, points)
            if points:
                self._mouse[world] = tuple(points[-1])
        return error, json.loads(await self._evaluate("settle", world))

    async def _events(self, action: Press | Drag | Hover, points: Sequence[tuple[float, float]]) -> None:
        if isinstance(action, Press):
            code = _KEY_CODES[action.key]
            key = {"key": action.key, "code": action.key, "windowsVirtualKeyCode": code}
            text = {"text": "\r"} if action.key == "Enter" else {}
            down = "keyDown" if text else "rawKeyDown"
            await self._devtools.send("Input.dispatchKeyEvent", {"type": down, **key, **text})
            await self._devtools.send("Input.dispatchKeyEvent", {"type": "keyUp", **key})
            return
        await self._move(*points[0])
        if isinstance(action, Hover):
            return
        (x, y), (to_x, to_y) = points
        await self._button("mousePressed", x, y)
        for step in range(1, _DRAG_MOVES + 1):
            share = step / _DRAG_MOVES
            await self._move(x + share * (to_x - x), y + share * (to_y - y), buttons=1)
        await self._button("mouseReleased", to_x, to_y)

    async def _move(self, x: float, y: float, buttons: int = 0) -> None:
        event = {"type": "mouseMoved", "x": x, "y": y, "buttons": buttons, "button": "left" if buttons else "none"}
        await self._devtools.send("Input.dispatchMouseEvent", event)

    async def _button(self, kind: str, x: float, y: float) -> None:
        event = {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1}
        await self._devtools.send("Input.dispatchMouseEvent", event)

    def peek(self, world: int, expression: str) -> Any:
        """Return the value of a JavaScript expression in a world's page; for oracles."""
        return json.loads(self._browser.run(self._evaluate("peek", world, expression)))

    def picture(self, world: int) -> NDArray[np.uint8]:
        """Return a picture of a world's task, uint8 ``[210, 160, 3]``."""
        from PIL import Image

        async def shoot() -> bytes:
            await self._evaluate("stage", world)
            return await self._page.screenshot(clip=_PICTURE, type="png")  # type: ignore[arg-type]

        image = Image.open(io.BytesIO(self._browser.run(shoot())))
        return np.asarray(image.convert("RGB"), dtype=np.uint8)

    def close(self) -> None:
        """Close the page; nothing is left of it."""
        if self._browser.alive:
            with contextlib.suppress(InfraError):  # it is gone, and the page with it
                self._browser.run(self._context.close())


def _call(world: int, action: Action) -> list[Any]:
    match action:
        case Wait():
            return [world, "wait", 0, ""]
        case Click(element):
            return [world, "click", element, ""]
        case Type(element, text):
            return [world, "type", element, text]
        case Select(element, option):
            return [world, "select", element, option]
        case _:
            raise TypeError(f"{action!r} is not an action that a script carries out")
