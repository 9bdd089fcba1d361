"""A tiny HTTP server that answers as it is told and remembers what it was asked.

It checks every signature with a client library that we did not write.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tiktok_shop_api.signing import Signer

from tiktok_ns_pipeline.tiktok.auth import TikTokApp, TikTokLogin
from tiktok_ns_pipeline.tiktok.client import ShopAccess, TikTokClient
from tiktok_ns_pipeline.tiktok.errors import TikTokError
from tiktok_ns_pipeline.tiktok.throttling import RateLimiter, RetryPolicy
from tiktok_ns_pipeline.tokens import MemoryTokenStore, TokenSet

APP = TikTokApp("6exampleappkey", "s3cr3t0123456789abcdef0123456789abcdef01")
SHOP = ShopAccess("7495000000000000001", "GCP_US+example/cipher==", "USLC1", "A shop", "US", "LOCAL")
NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
ACCOUNT = f"tiktok:{APP.app_key}"


@dataclass
class Asked:
    method: str
    path: str
    raw_query: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


Answer = Response | Callable[[Asked], Awaitable[Response]]


def ok(data: Any = None, **more: Any) -> Response:
    return envelope({"code": 0, "message": "Success", "request_id": "R1", "data": data, **more})


def refusal(
    code: int, http_status: int = 200, message: str = "no", headers: dict[str, str] | None = None
) -> Response:
    body = {"code": code, "message": message, "request_id": "R-refused", "data": None}
    return envelope(body, http_status, headers)


def envelope(body: Any, http_status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(body), http_status, headers, "application/json")


@dataclass
class ScriptedShop:
    """Answers in the given order; the last answer repeats."""

    answers: list[Answer]
    asked: list[Asked] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        raw_query = request.scope["query_string"].decode()
        asked = Asked(
            request.method,
            request.url.path,
            raw_query,
            dict(parse_qsl(raw_query, keep_blank_values=True)),
            dict(request.headers),
            await request.body(),
        )
        self.asked.append(asked)
        if not asked.path.startswith("/api/v2/token/"):
            assert asked.query["sign"] == independent_signature(asked), "signature"
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if isinstance(answer, Response) else await answer(asked)

    def app(self) -> Starlette:
        return Starlette(
            routes=[Route("/{path:path}", self.answer, methods=["GET", "POST", "PUT", "DELETE"])]
        )


def independent_signature(asked: Asked) -> str:
    return Signer.sign(
        path=asked.path,
        query=list(asked.query.items()),
        content_type=asked.headers["content-type"],
        body=asked.body or None,
        app_secret=APP.app_secret,
    )


class FixedClock:
    def __init__(self, now: datetime = NOW) -> None:
        self.instant = now

    def now(self) -> datetime:
        return self.instant


def tokens(access: str = "ROW_access_1", refresh: str | None = "ROW_refresh_1", **life: Any) -> TokenSet:
    return TokenSet(
        access_token=access,
        access_expires_at=life.get("until", datetime(2026, 9, 8, 12, tzinfo=UTC)),
        refresh_token=refresh,
        scopes=("seller.order.info",),
    )


@dataclass
class Rig:
    shop: ScriptedShop
    client: TikTokClient
    login: TikTokLogin
    store: MemoryTokenStore
    limiter: RateLimiter


@asynccontextmanager
async def rig(
    *answers: Answer, timeout_s: float = 2.0, stored: TokenSet | None = None, per_second: float = 1000
) -> AsyncIterator[Rig]:
    """A client of a scripted shop, in one process, with retries that do not wait long."""
    shop = ScriptedShop(list(answers))
    limiter = RateLimiter(per_second, retries=RetryPolicy(first_wait_s=0.01, longest_wait_s=0.02, jitter_s=0))
    store = MemoryTokenStore()
    store.save(ACCOUNT, stored or tokens())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(shop.app())) as http:
        clock = FixedClock()
        login = TikTokLogin(APP, store, http, "http://auth.shop.test", clock)
        client = TikTokClient(
            APP, login, http, clock, api_base_url="http://api.shop.test", timeout_s=timeout_s, limiter=limiter
        )
        yield Rig(shop, client, login, store, limiter)


def outcome(call: Callable[[TikTokClient], Awaitable[Any]], *answers: Any, **options: Any) -> tuple[Any, Rig]:
    """What a call returned or raised, and the rig with all that was asked."""

    async def run() -> tuple[Any, Rig]:
        async with rig(*answers, **options) as made:
            try:
                return await call(made.client), made
            except TikTokError as failure:
                return failure, made

    return asyncio.run(run())


@asynccontextmanager
async def cutting_server(reply: bytes) -> AsyncIterator[str]:
    """A loopback server that reads a request, sends these bytes and cuts the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
