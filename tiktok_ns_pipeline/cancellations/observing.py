"""Observe: what TikTok says was cancelled, landed as it came.

Two listings, each with a watermark of its own: the shop's CANCELLED orders and its cancellations.
Neither is enough: a request is no cancelled order, and an order that TikTok's system cancels may show
its cancellation late. Each look begins an overlap behind its watermark, which follows TikTok's clock
and moves only with the transaction that plans what was seen. What is known already is neither landed
nor staged again within a run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.cancellations.outcome import CHANNEL
from tiktok_ns_pipeline.cancellations.staging import answer_by, cancel_name
from tiktok_ns_pipeline.flows.listing import Landed, Listing
from tiktok_ns_pipeline.lake.orders import business_day, raw_order_row
from tiktok_ns_pipeline.lake.tables import RAW_TIKTOK_CANCELLATIONS, RAW_TIKTOK_ORDERS
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.cancellation_models import Cancellation
from tiktok_ns_pipeline.tiktok.client import ShopAccess
from tiktok_ns_pipeline.tiktok.errors import WireError

CANCELLED = "CANCELLED"
_IDS_AT_ONCE = 50

Listed = Literal["orders", "cancellations"]


def watermark_name(shop_code: str, what: Listed) -> str:
    """The cursor that says how far a shop's cancelled orders, or cancellations, were read."""
    return f"closures:{shop_code}:{what}"


@dataclass(frozen=True, slots=True)
class Observed:
    """Records that were not known in this version yet, and how far the look came."""

    what: Listed
    raw: list[dict[str, Any]] = field(repr=False)
    rows: list[dict[str, Any]] = field(repr=False)
    """The same as landed, with payload as exact JSON text."""
    watermark: datetime | None
    listed: int

    @classmethod
    def of(cls, what: Listed, landed: Landed) -> Observed:
        """What a listing landed."""
        return cls(what, landed.raw, landed.rows, landed.watermark, landed.listed)


def raw_cancellation_row(
    raw: dict[str, Any], *, zone: ZoneInfo, read_at: datetime, request_id: str
) -> dict[str, Any]:
    """The row of `raw_tiktok_cancellations` for a cancellation as it came.

    One that cannot be read lands with nulls, filed under the day it was read.
    """
    row: dict[str, Any] = {
        "channel": CHANNEL,
        "cancel_id": cancel_name(raw),
        "payload": exact_json.dumps(raw),
        "read_at": read_at,
        "request_id": request_id,
    }
    try:
        read = Cancellation.parse(raw)
    except WireError:
        empty = ("order_id", "cancel_type", "cancel_status", "role", "create_time", "update_time", "deadline")
        return {**row, **dict.fromkeys(empty), "day": business_day(read_at, zone)}
    return {
        **row,
        "order_id": read.order_id,
        "cancel_type": read.cancel_type,
        "cancel_status": read.status,
        "role": read.role,
        "create_time": read.create_time,
        "update_time": read.update_time,
        "deadline": answer_by(read),
        "day": business_day(read.create_time or read_at, zone),
    }


class ClosureWatch:
    """Looks at what was cancelled in one shop, again and again within a run."""

    def __init__(self, runtime: Runtime, shop: Shop, access: ShopAccess, run_id: str) -> None:
        self._runtime = runtime
        self._access = access
        zone = ZoneInfo(shop.timezone)
        self._orders = Listing(
            runtime,
            shop.code,
            run_id,
            cursor=watermark_name(shop.code, "orders"),
            table=RAW_TIKTOK_ORDERS,
            key="order_id",
            row_of=raw_order_row,
            zone=zone,
        )
        self._cancellations = Listing(
            runtime,
            shop.code,
            run_id,
            cursor=watermark_name(shop.code, "cancellations"),
            table=RAW_TIKTOK_CANCELLATIONS,
            key="cancel_id",
            row_of=raw_cancellation_row,
            zone=zone,
        )

    async def look_at_orders(self) -> AsyncIterator[Observed]:
        """Orders that became CANCELLED, or changed since, page by page, landed."""
        start = self._orders.start()
        pages = self._runtime.tiktok.search_orders(
            self._access, update_time_ge=start, order_status=CANCELLED, lane="urgent"
        )
        async for page in pages:
            yield Observed.of("orders", self._orders.land(page, moves_watermark=True))
        self._orders.forget_before(start)

    async def look_at_cancellations(self) -> AsyncIterator[Observed]:
        """Cancellations that came or changed, page by page, landed."""
        start = self._cancellations.start()
        async for page in self._runtime.tiktok.cancellations.search(self._access, start):
            yield Observed.of("cancellations", self._cancellations.land(page, moves_watermark=True))
        self._cancellations.forget_before(start)

    async def fetch_orders(self, ids: Sequence[str]) -> AsyncIterator[Observed]:
        """Named orders, whatever their state; those that TikTok does not show are missing (T 3.1)."""
        for page in await self._runtime.tiktok.order_details(self._access, ids, lane="urgent"):
            yield Observed.of("orders", self._orders.land(page, moves_watermark=False))

    async def fetch_cancellations(
        self, ids: Sequence[str], *, again: bool = False
    ) -> AsyncIterator[Observed]:
        """Named cancellations; `again` also those that were seen in this version."""
        if again:
            self._cancellations.forget(ids)
        for at in range(0, len(ids), _IDS_AT_ONCE):
            batch = ids[at : at + _IDS_AT_ONCE]
            async for page in self._runtime.tiktok.cancellations.search(self._access, cancel_ids=batch):
                yield Observed.of("cancellations", self._cancellations.land(page, moves_watermark=False))

    def kept(self, what: Listed, watermark: datetime) -> None:
        """What was seen up to there is planned; the next look begins an overlap before it."""
        self._of(what).kept(watermark)

    def forget(self, observed: Observed) -> None:
        """Stage these again when they are seen next: what was decided about them was not kept."""
        listing = self._of(observed.what)
        listing.forget([row[listing.key] for row in observed.rows])

    def _of(self, what: Listed) -> Listing:
        return self._orders if what == "orders" else self._cancellations
