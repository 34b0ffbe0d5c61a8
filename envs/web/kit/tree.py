"""Backend ``tree``: pages go from the app to the agent as they are; no HTML is written or read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from envreward.worlds import EachWorld, WorldBatch

from .app import Post, StateT
from .client import Client
from .events import Event
from .page import Page
from .world import Backend, WebWorld


class Tree(Client[StateT]):
    """The fast backend."""

    def _get(self, path: str) -> Page | None:
        page = self.app.page(self.state, path)
        if page is not None:
            self.app.visit(self.state, path)
        return page

    def _post(self, post: Post) -> str | None:
        return self.app.handle(self.state, post)


def open_worlds(make: Callable[[Backend[Any]], WebWorld[Any]], num_worlds: int) -> WorldBatch[Event]:
    """Return worlds of this backend, stepped one after another: none of them ever waits."""
    return EachWorld([make(Tree()) for _ in range(num_worlds)])
