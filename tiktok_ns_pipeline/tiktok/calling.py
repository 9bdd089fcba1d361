"""How every call to TikTok Shop is made, whatever it asks.

Each goes through `Caller.call`: its turn by the rate limiter and the gate, a valid token, the
signature over the very bytes that are sent, the envelope read by code. Reads are repeated after a
throttle or a passing failure; writes never are, except after an expired token, which did nothing.
Answers are handed on as they came (exact JSON), with the instant at which the server gave them.

Vocabulary: a *page* is one answer with the raw rows in it; a *page token* is opaque, sent and
signed as it came.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import httpx
import stamina

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.clock import Clock, to_epoch
from tiktok_ns_pipeline.gate import Gate, Lane
from tiktok_ns_pipeline.tiktok.auth import TikTokApp, TikTokLogin
from tiktok_ns_pipeline.tiktok.endpoints import Endpoint
from tiktok_ns_pipeline.tiktok.envelope import Envelope, Question, ask
from tiktok_ns_pipeline.tiktok.errors import (
    TOKEN_EXPIRED,
    TOKEN_NOT_ACCEPTED,
    TikTokAuthenticationError,
    TikTokError,
    TikTokThrottled,
    TikTokTransient,
    TikTokUnknownError,
)
from tiktok_ns_pipeline.tiktok.signing import sign
from tiktok_ns_pipeline.tiktok.throttling import RateLimiter

_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class ShopAccess:
    """A shop that we may ask about, and the cipher that names it in requests (T 1.4)."""

    shop_id: str
    cipher: str = field(repr=False)
    code: str
    name: str
    region: str
    seller_type: str
    """`LOCAL` (one shop) or `CROSS_BORDER` (one per country)."""


@dataclass(frozen=True, slots=True)
class Page:
    """Raw rows as one answer gave them."""

    rows: list[dict[str, Any]] = field(repr=False)
    total_count: int | None
    next_page_token: str
    """Empty on the last page."""
    read_at: datetime
    """The server's clock where it told it, else ours."""
    request_id: str
    head: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)
    """What the answer says beside its rows and the way to the next ones, such as their sums."""


P = TypeVar("P", bound=Page)


@dataclass(frozen=True, slots=True)
class Listing:
    """Where an answer keeps its rows, and what tells one row from another."""

    rows: str
    key: str


def time_bounds(**bounds: datetime | None) -> dict[str, Any]:
    """The time filters of a search body: whole seconds, those that are set (T 3.1)."""
    return {name: to_epoch(instant) for name, instant in bounds.items() if instant is not None}


class Caller:
    """Sends signed calls for one app; raises TikTokError for every failure."""

    def __init__(
        self,
        app: TikTokApp,
        login: TikTokLogin,
        http: httpx.AsyncClient,
        clock: Clock,
        gate: Gate,
        api_base_url: str,
        timeout_s: float,
        limiter: RateLimiter,
    ) -> None:
        self._app = app
        self._login = login
        self._http = http
        self._clock = clock
        self._gate = gate
        self._base_url = api_base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._limiter = limiter

    def now(self) -> datetime:
        """Our clock."""
        return self._clock.now()

    async def pages(
        self,
        endpoint: Endpoint,
        shop: ShopAccess,
        kind: type[P],
        listing: Listing,
        *,
        query: Mapping[str, str],
        body: Mapping[str, Any],
        lane: Lane,
        path_values: Mapping[str, str] | None = None,
    ) -> AsyncIterator[P]:
        """Every page of a search. Raises TikTokUnknownError when a page leads to itself."""
        previous: P | None = None
        while previous is None or previous.next_page_token:
            # Same query and body on every page, else the token means another list (T 0).
            token = {"page_token": previous.next_page_token} if previous else {}
            answer = await self.call(
                endpoint, shop, path_values=path_values, query={**query, **token}, body=body, lane=lane
            )
            page = self.page(answer, kind, listing)
            _refuse_endless(endpoint, shop, listing, previous, page)
            yield page
            previous = page

    def page(self, answer: Envelope, kind: type[P], listing: Listing) -> P:
        """The page that an answer is."""
        total = answer.data.get("total_count")
        token = answer.data.get("next_page_token")
        return kind(
            rows=answer.rows(listing.rows),
            total_count=total if isinstance(total, int) else None,
            next_page_token=str(token) if token else "",
            read_at=answer.answered_at or self._clock.now(),
            request_id=answer.request_id,
            head={
                name: value
                for name, value in answer.data.items()
                if name not in (listing.rows, "next_page_token")
            },
        )

    async def call(
        self,
        endpoint: Endpoint,
        shop: ShopAccess | None,
        *,
        path_values: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        lane: Lane,
    ) -> Envelope:
        """One call with everything that belongs to it; reads are repeated (T 2.4)."""
        call = _PreparedCall(
            endpoint=endpoint,
            shop=shop,
            path=endpoint.path(**(path_values or {})),
            query=dict(query or {}),
            # Nothing to say means no body at all: `{}` is signed differently by different clients (T 2.1).
            body=exact_json.dumps(body).encode() if body else None,
            lane=lane,
        )
        if endpoint.effect == "write":
            return await self._once(call)
        policy = self._limiter.retries
        async for attempt in stamina.retry_context(
            on=_wait_before_repeating,
            attempts=policy.attempts,
            timeout=None,
            wait_initial=policy.first_wait_s,
            wait_max=policy.longest_wait_s,
            wait_jitter=policy.jitter_s,
        ):
            with attempt:
                return await self._once(call)
        raise AssertionError("stamina returns or raises")

    async def _once(self, call: _PreparedCall) -> Envelope:
        """Send the call; when its token turns out to be stale, once more with another."""
        token = await self._login.access_token()
        try:
            return await self._send(call, token)
        except TikTokAuthenticationError as refusal:
            if refusal.code == TOKEN_EXPIRED:
                newer = await self._login.refresh(token)
            elif refusal.code in TOKEN_NOT_ACCEPTED:
                newer = self._login.stored_token()
            else:
                raise
            if newer == token:
                raise
        return await self._send(call, newer)

    async def _send(self, call: _PreparedCall, token: str) -> Envelope:
        key = f"{self._app.app_key}/{call.shop.shop_id if call.shop else ''}"
        await self._limiter.wait(key, call.lane)
        question = Question(
            endpoint=str(call.endpoint),
            effect=call.endpoint.effect,
            shop=call.shop.code if call.shop else None,
            secrets=(token, self._app.app_secret, call.shop.cipher if call.shop else ""),
        )
        try:
            async with self._gate.slot(call.lane):
                answer = await ask(self._http, self._signed(call, token), question, self._timeout_s)
        except TikTokError as failure:
            if failure.throttled:
                self._limiter.slow_down(key, failure.retry_after_s or self._limiter.retries.first_wait_s)
            raise
        self._limiter.speed_up(key)
        return answer

    def _signed(self, call: _PreparedCall, token: str) -> httpx.Request:
        """The request with its signature: decoded values are signed, and encoded once (T 2.1, 9.4)."""
        query = {
            **call.query,
            "app_key": self._app.app_key,
            "timestamp": str(to_epoch(self._clock.now())),
        }
        if call.shop is not None and call.endpoint.needs_shop_cipher:
            query["shop_cipher"] = call.shop.cipher
        query["sign"] = sign(call.path, query, call.body, _JSON, self._app.app_secret)
        url = f"{self._base_url}{call.path}?{urlencode(query, quote_via=quote, safe='')}"
        headers = {"x-tts-access-token": token, "content-type": _JSON}
        return self._http.build_request(
            call.endpoint.method, url, content=call.body, headers=headers, timeout=self._timeout_s
        )


@dataclass(frozen=True, slots=True)
class _PreparedCall:
    endpoint: Endpoint
    shop: ShopAccess | None
    path: str
    query: dict[str, str]
    body: bytes | None
    lane: Lane


def _wait_before_repeating(failure: Exception) -> bool | float:
    """Whether to repeat a read, or how many seconds to wait when the server said so."""
    if isinstance(failure, TikTokThrottled) and failure.retry_after_s is not None:
        return failure.retry_after_s
    return isinstance(failure, (TikTokThrottled, TikTokTransient))


def _refuse_endless(
    endpoint: Endpoint, shop: ShopAccess, listing: Listing, previous: Page | None, page: Page
) -> None:
    """A page that leads to itself and brings nothing new would be asked for for ever."""
    if previous is None or not page.next_page_token or page.next_page_token != previous.next_page_token:
        return
    # As text, since a broken row may have anything where its id belongs.
    new, seen = ({str(row.get(listing.key)) for row in one.rows} for one in (page, previous))
    if new <= seen:
        raise TikTokUnknownError(
            "the same page came twice with the same page token",
            endpoint=str(endpoint),
            shop=shop.code,
            request_id=page.request_id,
            advice="start the search again",
        )
