"""Asks TikTok Shop, one typed method per endpoint that we use.

Every call goes through `_call`: its turn by the rate limiter and the gate, a valid token, the
signature over the very bytes that are sent, the envelope read by code. Reads are repeated after a
throttle or a passing failure; writes never are, except after an expired token, which did nothing.
Answers are handed on as they came (exact JSON), with the instant at which the server gave them.

Vocabulary: a *page* is one answer with the raw orders in it; a *page token* is opaque, sent and
signed as it came.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote, urlencode

import httpx
import stamina

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.clock import Clock, SystemClock, to_epoch
from tiktok_ns_pipeline.gate import Gate, Lane, OpenGate
from tiktok_ns_pipeline.tiktok.auth import TikTokApp, TikTokLogin
from tiktok_ns_pipeline.tiktok.endpoints import API_BASE_URL, ENDPOINTS, Endpoint
from tiktok_ns_pipeline.tiktok.envelope import Envelope, Question, ask
from tiktok_ns_pipeline.tiktok.errors import (
    NOT_YOUR_ORDER,
    TOKEN_EXPIRED,
    TOKEN_NOT_ACCEPTED,
    PartialFailure,
    TikTokAuthenticationError,
    TikTokError,
    TikTokRefused,
    TikTokThrottled,
    TikTokTransient,
    TikTokUnknownError,
)
from tiktok_ns_pipeline.tiktok.models import AuthorizedShop
from tiktok_ns_pipeline.tiktok.secrecy import keep_queries_out_of_logs
from tiktok_ns_pipeline.tiktok.signing import sign
from tiktok_ns_pipeline.tiktok.throttling import RateLimiter

_JSON = "application/json"
_PLATFORM = "ERP_SYSTEM"
"""What NetSuite is in TikTok's list of order systems (T 3.1)."""
_ORDERS_PER_SEARCH = 100
_ORDERS_PER_DETAIL = 50
_REFERENCES_PER_CALL = 100
_LINES_PER_REFERENCE = 100


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
class OrderPage:
    """Raw orders as one answer gave them."""

    orders: list[dict[str, Any]] = field(repr=False)
    total_count: int | None
    next_page_token: str
    """Empty on the last page."""
    read_at: datetime
    """The server's clock where it told it, else ours."""
    request_id: str


@dataclass(frozen=True, slots=True)
class ExternalOrderReference:
    """Our number for an order and, pair by pair, our line's id for each of TikTok's lines."""

    order_id: str
    external_id: str
    line_items: tuple[tuple[str, str], ...]
    """(our line id, TikTok's line id)."""


class TikTokClient:
    """Signed calls for one app; raises TikTokError for every failure."""

    def __init__(
        self,
        app: TikTokApp,
        login: TikTokLogin,
        http: httpx.AsyncClient,
        clock: Clock | None = None,
        gate: Gate | None = None,
        api_base_url: str = API_BASE_URL,
        timeout_s: float = 10.0,
        *,
        limiter: RateLimiter | None = None,
    ) -> None:
        self._app = app
        self._login = login
        self._http = http
        self._clock = clock or SystemClock()
        self._gate = gate or OpenGate()
        self._base_url = api_base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._limiter = limiter or RateLimiter()
        keep_queries_out_of_logs()

    async def authorized_shops(self, lane: Lane = "orders") -> list[ShopAccess]:
        """The shops that the seller opened to this app (T 1.4). Raises WireError for a broken one."""
        answer = await self._call(ENDPOINTS["authorized_shops"], None, lane=lane)
        return [_shop_access(AuthorizedShop.parse(raw)) for raw in answer.rows("shops")]

    async def search_orders(
        self,
        shop: ShopAccess,
        *,
        update_time_ge: datetime | None,
        update_time_lt: datetime | None = None,
        create_time_ge: datetime | None = None,
        create_time_lt: datetime | None = None,
        page_size: int = _ORDERS_PER_SEARCH,
        sort_field: Literal["update_time", "create_time"] = "update_time",
        sort_order: Literal["ASC", "DESC"] = "ASC",
        lane: Lane = "orders",
    ) -> AsyncIterator[OrderPage]:
        """Pages of orders; lower bounds are inclusive, upper bounds exclusive, to the second (T 3.1).

        Rows can be outside the window, repeated or shifted between pages while orders move, so the
        caller overlaps its windows and keeps the newest version of each order.
        """
        bounds = {
            "update_time_ge": update_time_ge,
            "update_time_lt": update_time_lt,
            "create_time_ge": create_time_ge,
            "create_time_lt": create_time_lt,
        }
        body = {name: to_epoch(instant) for name, instant in bounds.items() if instant is not None}
        query = {"page_size": str(page_size), "sort_field": sort_field, "sort_order": sort_order}
        endpoint = ENDPOINTS["search_orders"]
        previous: OrderPage | None = None
        while previous is None or previous.next_page_token:
            # Same query and body on every page, else the token means another list (T 0).
            token = {"page_token": previous.next_page_token} if previous else {}
            page = self._page(
                await self._call(endpoint, shop, query={**query, **token}, body=body, lane=lane)
            )
            _refuse_endless(endpoint, shop, previous, page)
            yield page
            previous = page

    async def order_details(
        self, shop: ShopAccess, ids: Sequence[str], lane: Lane = "orders"
    ) -> list[OrderPage]:
        """The orders with these ids, 50 a page (T 3.1). An id that TikTok does not know, or that is
        another shop's, is missing from the answer: the caller compares."""
        distinct = list(dict.fromkeys(ids))
        batches = [
            distinct[at : at + _ORDERS_PER_DETAIL] for at in range(0, len(distinct), _ORDERS_PER_DETAIL)
        ]
        return [page for batch in batches for page in await self._details(shop, batch, lane)]

    async def price_detail(self, shop: ShopAccess, order_id: str, lane: Lane = "orders") -> dict[str, Any]:
        """The calculated price of an order, raw (T 3.7)."""
        path = {"order_id": order_id}
        return (await self._call(ENDPOINTS["price_detail"], shop, path_values=path, lane=lane)).data

    async def attach_external_orders(
        self, shop: ShopAccess, references: Sequence[ExternalOrderReference], lane: Lane = "orders"
    ) -> list[PartialFailure]:
        """Store our numbers at TikTok, at most 100 orders a call; returns those it would not take.

        Of an order with more than 100 lines the first 100 are named, since TikTok takes no more.
        Sending a reference again replaces it. Raises TikTokAmbiguous when the outcome is unknown.
        """
        if len(references) > _REFERENCES_PER_CALL:
            raise ValueError(f"{len(references)} references in one call; TikTok takes {_REFERENCES_PER_CALL}")
        if not references:
            return []
        body = {"orders": [_reference_body(reference) for reference in references]}
        return (await self._call(ENDPOINTS["attach_external_orders"], shop, body=body, lane=lane)).failures

    async def external_orders(
        self, shop: ShopAccess, order_id: str, lane: Lane = "orders"
    ) -> list[dict[str, Any]]:
        """The references stored for an order, raw."""
        query, path = {"platform": _PLATFORM}, {"order_id": order_id}
        answer = await self._call(
            ENDPOINTS["external_orders"], shop, path_values=path, query=query, lane=lane
        )
        return answer.rows("external_orders")

    async def search_external_order(
        self, shop: ShopAccess, external_id: str, lane: Lane = "orders"
    ) -> list[dict[str, Any]]:
        """The orders that carry our number, raw."""
        query = {"platform": _PLATFORM, "external_order_id": external_id}
        answer = await self._call(ENDPOINTS["search_external_order"], shop, query=query, lane=lane)
        return answer.rows("orders")

    async def _details(self, shop: ShopAccess, ids: list[str], lane: Lane) -> list[OrderPage]:
        """One batch; when a stranger's order spoils it, its halves, so that the others are still read."""
        endpoint = ENDPOINTS["order_details"]
        try:
            return [self._page(await self._call(endpoint, shop, query={"ids": ",".join(ids)}, lane=lane))]
        except TikTokRefused as refusal:
            if refusal.code != NOT_YOUR_ORDER:
                raise
        if len(ids) == 1:
            return []
        middle = len(ids) // 2
        return [
            *await self._details(shop, ids[:middle], lane),
            *await self._details(shop, ids[middle:], lane),
        ]

    def _page(self, answer: Envelope) -> OrderPage:
        total = answer.data.get("total_count")
        token = answer.data.get("next_page_token")
        return OrderPage(
            orders=answer.rows("orders"),
            total_count=total if isinstance(total, int) else None,
            next_page_token=str(token) if token else "",
            read_at=answer.answered_at or self._clock.now(),
            request_id=answer.request_id,
        )

    async def _call(
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
        await self._limiter.wait(key)
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


def _shop_access(shop: AuthorizedShop) -> ShopAccess:
    return ShopAccess(
        shop_id=shop.id,
        cipher=shop.cipher,
        code=shop.code or shop.id,
        name=shop.name or "",
        region=shop.region or "",
        seller_type=shop.seller_type or "",
    )


def _reference_body(reference: ExternalOrderReference) -> dict[str, Any]:
    lines = [
        {"id": ours, "origin_id": theirs} for ours, theirs in reference.line_items[:_LINES_PER_REFERENCE]
    ]
    external_order = {"id": reference.external_id, "platform": _PLATFORM, "line_items": lines}
    return {"id": reference.order_id, "external_order": external_order}


def _refuse_endless(
    endpoint: Endpoint, shop: ShopAccess, previous: OrderPage | None, page: OrderPage
) -> None:
    """A page that leads to itself and brings nothing new would be asked for for ever."""
    if previous is None or not page.next_page_token or page.next_page_token != previous.next_page_token:
        return
    if {order.get("id") for order in page.orders} <= {order.get("id") for order in previous.orders}:
        raise TikTokUnknownError(
            "the same page came twice with the same page token",
            endpoint=str(endpoint),
            shop=shop.code,
            request_id=page.request_id,
            advice="start the search again",
        )
