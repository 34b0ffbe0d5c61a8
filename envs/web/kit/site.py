"""Site: the episodes of an app as a web server, each under a path of its own.

Every episode has one state object and a token; its pages are ``/<token>/...``. There is nothing else: no session, no
cookie, no store that two episodes could share. Beginning one is an entry in a dictionary.
"""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from .app import App, Post, plain
from .html import ASSETS, render

_FRESH = {"cache-control": "no-store"}
MAX_BODY = 4 * 1024**2
"""Longest form that is accepted, in bytes; a form of 30 fields at their longest is smaller."""


class _Episode(NamedTuple):
    app: App[Any]
    state: Any


class Site:
    """Serves episodes; a request of one can neither see nor change another's state."""

    def __init__(self) -> None:
        self._episodes: dict[str, _Episode] = {}
        self._style = (ASSETS / "style.css").read_text()
        routes = [
            Route("/style.css", self._serve_style, methods=["GET"]),
            Route("/{token}{path:path}", self._serve, methods=["GET", "POST"]),
        ]
        self.asgi = Starlette(routes=routes)
        """The ASGI application."""

    def begin(self, app: App[Any], state: Any) -> str:
        """Serve an episode; return its token."""
        token = secrets.token_hex(8)
        self._episodes[token] = _Episode(app, state)
        return token

    def end(self, token: str) -> None:
        """Forget an episode; its pages are gone."""
        self._episodes.pop(token, None)

    @property
    def count(self) -> int:
        """Episodes that are being served."""
        return len(self._episodes)

    async def _serve_style(self, request: Request) -> Response:
        return Response(self._style, media_type="text/css")

    async def _serve(self, request: Request) -> Response:
        token, path = request.path_params["token"], request.path_params["path"]
        episode = self._episodes.get(token)
        if episode is None or not path.startswith("/"):
            return PlainTextResponse("There is no such episode.", 404)
        if request.method == "POST":
            return await self._take(request, episode, token, path)
        if query := request.scope["query_string"]:
            path = f"{path}?{query.decode('ascii', 'replace')}"
        page = episode.app.page(episode.state, path)
        if page is None:
            return PlainTextResponse("There is no such page.", 404)
        if request.method == "GET":
            episode.app.visit(episode.state, path)
        return HTMLResponse(render(page, f"/{token}"), headers=_FRESH)

    async def _take(self, request: Request, episode: _Episode, token: str, path: str) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                return PlainTextResponse("This form is too long.", 413)
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, errors="replace")
        fields = tuple((name, plain(value)) for name, value in pairs)
        target = episode.app.handle(episode.state, Post(path, fields))
        if target is None:
            return PlainTextResponse("Nothing is sent to this path.", 404)
        return RedirectResponse(f"/{token}{target}", 303, headers=_FRESH)
