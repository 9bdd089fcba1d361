"""Observe: what TikTok says about orders, landed as it came.

The watermark is the newest `update_time` seen, so it follows TikTok's clock and not ours. Every look
begins an overlap behind it, since fresh orders can appear late and rows shift between pages while
orders move (T 3.1); what is known already is neither landed nor staged again within a run.
The watermark moves only with the transaction that plans what was seen.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tiktok_ns_pipeline.flows.watermarks import orders_watermark
from tiktok_ns_pipeline.lake.orders import raw_order_row
from tiktok_ns_pipeline.lake.tables import RAW_TIKTOK_ORDERS
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.client import OrderPage, ShopAccess

FUTURE = timedelta(minutes=5)
"""An `update_time` further ahead of TikTok's own clock is wrong and moves no watermark."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Orders that were not known in this version yet, and how far the look came."""

    shop: Shop
    orders: list[dict[str, Any]] = field(repr=False)
    rows: list[dict[str, Any]] = field(repr=False)
    """The same orders as landed, with payload as exact JSON text."""
    watermark: datetime | None
    listed: int


class OrderWatch:
    """Looks at the orders of one shop, again and again within a run."""

    def __init__(self, runtime: Runtime, shop: Shop, access: ShopAccess, run_id: str) -> None:
        self._runtime = runtime
        self._shop = shop
        self._access = access
        self._run_id = run_id
        self._zone = ZoneInfo(shop.timezone)
        self._seen: dict[str, tuple[int, datetime | None]] = {}
        self._watermark: datetime | None = None

    async def look(
        self, *, since: datetime | None = None, until: datetime | None = None
    ) -> AsyncIterator[Observed]:
        """What changed since the watermark (or `since`), page by page, landed."""
        watermark = self._watermark or self._stored_watermark()
        overlap = timedelta(seconds=self._runtime.settings.overlap_s)
        first = self._runtime.clock.now() - timedelta(days=self._runtime.settings.first_look_days)
        start = since or (watermark - overlap if watermark else first)
        pages = self._runtime.tiktok.search_orders(self._access, update_time_ge=start, update_time_lt=until)
        async for page in pages:
            # A look into the past, or one that ends early, says nothing about the newest orders.
            yield self._land(page, moves_watermark=since is None and until is None)
        self._forget_before(start)

    def _stored_watermark(self) -> datetime | None:
        with self._runtime.ledger.read() as tx:
            stored = tx.cursors.get(orders_watermark(self._shop.code))
        return datetime.fromisoformat(stored) if stored else None

    def kept(self, watermark: datetime) -> None:
        """What was seen up to there is planned; the next look begins an overlap before it."""
        self._watermark = max(watermark, self._watermark) if self._watermark else watermark

    async def fetch(self, ids: Sequence[str]) -> AsyncIterator[Observed]:
        """Named orders, landed; ids that TikTok does not show are missing from the answer (T 3.1)."""
        for page in await self._runtime.tiktok.order_details(self._access, ids):
            yield self._land(page, moves_watermark=False)

    def _land(self, page: OrderPage, *, moves_watermark: bool) -> Observed:
        rows: list[dict[str, Any]] = []
        orders: list[dict[str, Any]] = []
        newest: datetime | None = None
        for raw in page.orders:
            row = raw_order_row(raw, zone=self._zone, read_at=page.read_at, request_id=page.request_id)
            updated: datetime | None = row["update_time"]
            if updated is not None and updated <= page.read_at + FUTURE:
                newest = max(updated, newest) if newest else updated
            version = hash(row["payload"])
            if self._seen.get(row["order_id"], (None, None))[0] == version:
                continue
            self._seen[row["order_id"]] = (version, updated)
            rows.append(row)
            orders.append(raw)
        if rows:
            self._runtime.lake.land_many(RAW_TIKTOK_ORDERS, rows, shop=self._shop.code, run_id=self._run_id)
            self._runtime.probe("landed")
        moved = moves_watermark and newest and (self._watermark is None or newest > self._watermark)
        return Observed(self._shop, orders, rows, newest if moved else None, len(page.orders))

    def is_behind(self, order_id: str, at: datetime | None) -> bool:
        """Whether this run has not seen the order as it was at that instant, as far as one can tell."""
        _version, updated = self._seen.get(order_id, (None, None))
        return updated is None or at is None or updated < at

    @property
    def seen(self) -> set[str]:
        """Orders seen in this run."""
        return set(self._seen)

    def forget(self, order_ids: Sequence[str]) -> None:
        """Stage these again when they are seen next: what was decided about them was not kept."""
        for order_id in order_ids:
            self._seen.pop(order_id, None)

    def _forget_before(self, start: datetime) -> None:
        self._seen = {key: seen for key, seen in self._seen.items() if seen[1] is None or seen[1] >= start}
