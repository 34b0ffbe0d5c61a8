"""Backend ``asgi``: the site as real HTML through its ASGI application, called in this process and read back.

The application is driven without an event loop or a client library: nothing in it ever waits, so a coroutine that is
sent ``None`` once runs to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from envreward.errors import InfraError
from envreward.worlds import EachWorld, WorldBatch

from .app import App, Post, StateT
from .client import Client, form_encode
from .events import Event
from .html import parse
from .page import Page
from .site import Site
from .world import Backend, WebWorld


class Response(NamedTuple):
    """What an ASGI application answered."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


def call(asgi: Any, method: str, path: str, body: bytes = b"") -> Response:
    """Send one request to an ASGI application that never waits.

    Raises:
        InfraError: It waited for something, or did not answer.
    """
    route, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": route,
        "raw_path": route.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/x-www-form-urlencoded")],
        "client": None,
        "server": ("localhost", 80),
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    _run(asgi(scope, receive, send))
    if not sent:
        raise InfraError(f"the site did not answer {method} {route[:200]}")
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return Response(sent[0]["status"], dict(sent[0]["headers"]), body)


def _run(coroutine: Coroutine[Any, Any, None]) -> None:
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise InfraError("the site waits for something, which an application called in process must not")


class Asgi(Client[StateT]):
    """A client of a site in the same process."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._token = ""

    def open(self, app: App[StateT], state: StateT) -> None:
        """Begin a new session at the app's start."""
        self.close()
        self._token = self._site.begin(app, state)
        super().open(app, state)

    def close(self) -> None:
        """End the session."""
        self._site.end(self._token)

    def _get(self, path: str) -> Page | None:
        root = f"/{self._token}"
        response = call(self._site.asgi, "GET", root + path)
        return parse(response.body.decode(), path, root) if response.status == 200 else None

    def _post(self, post: Post) -> str | None:
        root = f"/{self._token}"
        response = call(self._site.asgi, "POST", root + post.path, form_encode(post.fields).encode())
        if response.status != 303:
            return None
        return response.headers[b"location"].decode()[len(root) :]


def open_worlds(make: Callable[[Backend[Any]], WebWorld[Any]], num_worlds: int) -> WorldBatch[Event]:
    """Return worlds of this backend, stepped one after another."""
    site = Site()
    return EachWorld([make(Asgi(site)) for _ in range(num_worlds)])
