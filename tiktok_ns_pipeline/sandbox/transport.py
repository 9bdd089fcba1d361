"""Two ways from a client to a simulated server: in this process, or over loopback HTTP.

`InProcessTransport` hands an httpx request straight to an ASGI app, so that the same client code
runs in virtual time. It keeps what a network would do: a server goes on working when its caller has
given up, a dropped connection is an httpx error, a read limit of the client counts.
`cutting_connections` gives a loopback server the same failures on real sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol

import httpx

from tiktok_ns_pipeline.sandbox.faults import DropConnection, RefuseConnection

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class AsgiApp(Protocol):
    """A server as the ASGI standard has it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        ...


class InProcessTransport(httpx.AsyncBaseTransport):
    """Answers requests from apps by host name: `{"open-api.sandbox": tiktok_app, ...}`.

    A host nobody serves raises httpx.ConnectError. An exception of an app other than a dropped
    connection is a bug of the app and passes through.
    """

    def __init__(self, apps: Mapping[str, AsgiApp]) -> None:
        self._apps = dict(apps)
        self._at_work: set[asyncio.Task[httpx.Response]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Let the app of the request's host answer it."""
        app = self._apps.get(request.url.host)
        if app is None:
            raise httpx.ConnectError(f"nobody serves {request.url.host}", request=request)
        body = await request.aread()
        # A task of its own: a caller who gives up does not stop a server that is saving.
        task = asyncio.create_task(_answer(app, request, body))
        self._at_work.add(task)
        task.add_done_callback(self._done)
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("read")):
                return await asyncio.shield(task)
        except TimeoutError as error:
            raise httpx.ReadTimeout("no answer within the client's read limit", request=request) from error
        except RefuseConnection as error:
            raise httpx.ConnectError("connection refused", request=request) from error
        except DropConnection as error:
            raise httpx.RemoteProtocolError("the server closed without an answer", request=request) from error

    async def aclose(self) -> None:
        """Stop what servers still do for callers who gave up."""
        for task in list(self._at_work):
            task.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)

    def _done(self, task: asyncio.Task[httpx.Response]) -> None:
        self._at_work.discard(task)
        if not task.cancelled():
            task.exception()  # Seen here, since the caller may be gone.


async def _answer(app: AsgiApp, request: httpx.Request, body: bytes) -> httpx.Response:
    status = 0
    headers: list[tuple[bytes, bytes]] = []
    parts: list[bytes] = []
    received = False

    async def receive() -> Message:
        nonlocal received
        if received:
            return {"type": "http.disconnect"}
        received = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], list(message.get("headers", ()))
        else:
            parts.append(message.get("body", b""))

    await app(_scope(request), receive, send)
    return httpx.Response(status, headers=headers, content=b"".join(parts), request=request)


def _scope(request: httpx.Request) -> Scope:
    url = request.url
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": url.scheme,
        "path": url.path,
        "raw_path": url.raw_path.split(b"?")[0],
        "query_string": url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "server": (url.host, url.port),
        "client": ("in-process", 0),
    }


def cutting_connections(app: AsgiApp) -> AsgiApp:
    """The app for a loopback server: a dropped connection ends after less than was announced."""

    async def cutting(scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await app(scope, receive, noting)
        except DropConnection:
            with contextlib.suppress(OSError):
                if not started:
                    length = [(b"content-length", b"1024")]
                    await send({"type": "http.response.start", "status": 200, "headers": length})
                # The server closes a connection whose answer stays incomplete.
                await send({"type": "http.response.body", "body": b"{", "more_body": True})

    return cutting
