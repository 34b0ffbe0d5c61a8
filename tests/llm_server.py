"""A small OpenAI-compatible HTTP server for tests: real HTTP on loopback, its answers set by the test.

Not a mock: whatever speaks to it goes through the whole client, network stack included.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One HTTP answer."""

    body: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    delay_s: float = 0.0
    """Waits before it answers."""
    drip_s: float = 0.0
    """Sends spaces for so long before the body, a few each second: a server that is alive but never done."""


Responder = Callable[[dict[str, Any], int], Reply]
"""Makes the answer to a request's JSON body and its number, counted from 0."""


def text(
    answer: str | None,
    *,
    finish_reason: str = "stop",
    prompt_tokens: int = 100,
    completion_tokens: int = 50,
    delay_s: float = 0.0,
    drip_s: float = 0.0,
) -> Reply:
    """An ordinary chat completion."""
    usage = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
    message = {"role": "assistant", "content": answer}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "scripted",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": usage,
    }
    return Reply(body=json.dumps(body), delay_s=delay_s, drip_s=drip_s)


def calls(
    *called: tuple[str, str],
    content: str | None = None,
    finish_reason: str = "tool_calls",
    prompt_tokens: int = 100,
    completion_tokens: int = 50,
    delay_s: float = 0.0,
) -> Reply:
    """A chat completion that calls tools, each given as its name and its arguments as text."""
    reply = text(
        content,
        finish_reason=finish_reason,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        delay_s=delay_s,
    )
    body = json.loads(reply.body)
    body["choices"][0]["message"]["tool_calls"] = [
        {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for index, (name, arguments) in enumerate(called)
    ]
    return replace(reply, body=json.dumps(body))


def error(status: int, message: str = "scripted error", *, code: str | None = None, **headers: str) -> Reply:
    """An error in OpenAI's form; ``retry_after="2"`` becomes the header ``retry-after: 2``."""
    body = {"error": {"message": message, "type": "scripted", "param": None, "code": code}}
    return Reply(body=json.dumps(body), status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})


class LLMServer:
    """The server; `url` is its base URL, `requests` what it was asked, in order of arrival."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.request_headers: list[dict[str, str]] = []
        self.arrivals_s: list[float] = []
        self.most_at_once = 0
        self._now = 0
        self._respond: Responder = lambda body, index: text(f"answer {index}")
        self._script: list[Reply] = []
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        routes = [Route("/v1/chat/completions", self._chat, methods=["POST"])]
        config = uvicorn.Config(
            Starlette(routes=routes), log_level="critical", lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def script(self, *replies: Reply) -> None:
        """Answer the next requests with these, in order; afterwards as `respond` says."""
        self._script.extend(replies)

    def respond(self, responder: Responder) -> None:
        """Answer all further requests by a function."""
        self._respond = responder

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)

    def stop(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(5)
        self._socket.close()

    async def _chat(self, request: Request) -> Response:
        body = await request.json()
        index = len(self.requests)
        self.requests.append(body)
        self.request_headers.append(dict(request.headers))
        self.arrivals_s.append(time.monotonic())
        reply = self._script.pop(0) if self._script else self._respond(body, index)
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            await asyncio.sleep(reply.delay_s)
        finally:
            self._now -= 1
        if reply.drip_s:
            return _Dripping(reply)
        return Response(reply.body, reply.status, dict(reply.headers), reply.content_type)


class _Dripping(Response):
    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.body, reply.status, media_type=reply.content_type)
        self._reply = reply

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        end = time.monotonic() + self._reply.drip_s
        while time.monotonic() < end:
            await send({"type": "http.response.body", "body": b" ", "more_body": True})
            await asyncio.sleep(0.1)
        await send({"type": "http.response.body", "body": self._reply.body.encode()})
