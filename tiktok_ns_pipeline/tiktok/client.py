"""Asks TikTok Shop, one typed method per endpoint that we use.

Shops and orders are asked for here; what else there is hangs on it by domain: `fulfilment`,
`cancellations`, `returns`, `products`, `finance`, `webhooks`. How a call is made, repeated and paged is
in `calling`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import httpx

from tiktok_ns_pipeline.clock import Clock, SystemClock
from tiktok_ns_pipeline.gate import Gate, Lane, OpenGate
from tiktok_ns_pipeline.tiktok.auth import TikTokApp, TikTokLogin
from tiktok_ns_pipeline.tiktok.calling import Caller, Listing, Page, ShopAccess, time_bounds
from tiktok_ns_pipeline.tiktok.cancellations import CancellationCalls
from tiktok_ns_pipeline.tiktok.endpoints import API_BASE_URL, ENDPOINTS
from tiktok_ns_pipeline.tiktok.errors import NOT_YOUR_ORDER, PartialFailure, TikTokRefused
from tiktok_ns_pipeline.tiktok.finance import FinanceCalls
from tiktok_ns_pipeline.tiktok.fulfilment import FulfilmentCalls
from tiktok_ns_pipeline.tiktok.models import AuthorizedShop
from tiktok_ns_pipeline.tiktok.products import ProductCalls
from tiktok_ns_pipeline.tiktok.returns import ReturnCalls
from tiktok_ns_pipeline.tiktok.secrecy import keep_queries_out_of_logs
from tiktok_ns_pipeline.tiktok.subscriptions import WebhookCalls
from tiktok_ns_pipeline.tiktok.throttling import RateLimiter

_PLATFORM = "ERP_SYSTEM"
"""What NetSuite is in TikTok's list of order systems (T 3.1)."""
_ORDERS_PER_SEARCH = 100
_ORDERS_PER_DETAIL = 50
_REFERENCES_PER_CALL = 100
_LINES_PER_REFERENCE = 100
_ORDERS = Listing("orders", "id")


class OrderPage(Page):
    """Raw orders as one answer gave them."""

    __slots__ = ()

    @property
    def orders(self) -> list[dict[str, Any]]:
        """The raw orders."""
        return self.rows


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
        self._calls = Caller(
            app,
            login,
            http,
            clock or SystemClock(),
            gate or OpenGate(),
            api_base_url,
            timeout_s,
            limiter or RateLimiter(),
        )
        self.fulfilment = FulfilmentCalls(self._calls)
        self.cancellations = CancellationCalls(self._calls)
        self.returns = ReturnCalls(self._calls)
        self.products = ProductCalls(self._calls)
        self.finance = FinanceCalls(self._calls)
        self.webhooks = WebhookCalls(self._calls)
        keep_queries_out_of_logs()

    async def authorized_shops(self, lane: Lane = "orders") -> list[ShopAccess]:
        """The shops that the seller opened to this app (T 1.4). Raises WireError for a broken one."""
        answer = await self._calls.call(ENDPOINTS["authorized_shops"], None, lane=lane)
        return [_shop_access(AuthorizedShop.parse(raw)) for raw in answer.rows("shops")]

    async def search_orders(
        self,
        shop: ShopAccess,
        *,
        update_time_ge: datetime | None,
        update_time_lt: datetime | None = None,
        create_time_ge: datetime | None = None,
        create_time_lt: datetime | None = None,
        order_status: str | None = None,
        page_size: int = _ORDERS_PER_SEARCH,
        sort_field: Literal["update_time", "create_time"] = "update_time",
        sort_order: Literal["ASC", "DESC"] = "ASC",
        lane: Lane = "orders",
    ) -> AsyncIterator[OrderPage]:
        """Pages of orders; lower bounds are inclusive, upper bounds exclusive, to the second (T 3.1).
        TikTok filters by one status at a time.

        Rows can be outside the window, repeated or shifted between pages while orders move, so the
        caller overlaps its windows and keeps the newest version of each order.
        """
        body = time_bounds(
            update_time_ge=update_time_ge,
            update_time_lt=update_time_lt,
            create_time_ge=create_time_ge,
            create_time_lt=create_time_lt,
        )
        if order_status is not None:
            body["order_status"] = order_status
        query = {"page_size": str(page_size), "sort_field": sort_field, "sort_order": sort_order}
        pages = self._calls.pages(
            ENDPOINTS["search_orders"], shop, OrderPage, _ORDERS, query=query, body=body, lane=lane
        )
        async for page in pages:
            yield page

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
        return (await self._calls.call(ENDPOINTS["price_detail"], shop, path_values=path, lane=lane)).data

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
        return (
            await self._calls.call(ENDPOINTS["attach_external_orders"], shop, body=body, lane=lane)
        ).failures

    async def external_orders(
        self, shop: ShopAccess, order_id: str, lane: Lane = "orders"
    ) -> list[dict[str, Any]]:
        """The references stored for an order, raw."""
        query, path = {"platform": _PLATFORM}, {"order_id": order_id}
        answer = await self._calls.call(
            ENDPOINTS["external_orders"], shop, path_values=path, query=query, lane=lane
        )
        return answer.rows("external_orders")

    async def search_external_order(
        self, shop: ShopAccess, external_id: str, lane: Lane = "orders"
    ) -> list[dict[str, Any]]:
        """The orders that carry our number, raw."""
        query = {"platform": _PLATFORM, "external_order_id": external_id}
        answer = await self._calls.call(ENDPOINTS["search_external_order"], shop, query=query, lane=lane)
        return answer.rows("orders")

    async def _details(self, shop: ShopAccess, ids: list[str], lane: Lane) -> list[OrderPage]:
        """One batch; when a stranger's order spoils it, its halves, so that the others are still read."""
        endpoint = ENDPOINTS["order_details"]
        try:
            answer = await self._calls.call(endpoint, shop, query={"ids": ",".join(ids)}, lane=lane)
            return [self._calls.page(answer, OrderPage, _ORDERS)]
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
