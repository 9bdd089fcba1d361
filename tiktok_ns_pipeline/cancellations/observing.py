"""Observe: what TikTok says was cancelled, landed as it came.

Two listings, each with a watermark of its own: the shop's CANCELLED orders and its cancellations.
Neither is enough: a request is no cancelled order, and an order that TikTok's system cancels may show
its cancellation late. Each look begins an overlap behind its watermark, which follows TikTok's clock
and moves only with the transaction that plans what was seen. What is known already is neither landed
nor staged again within a run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.cancellations.outcome import CHANNEL
from tiktok_ns_pipeline.cancellations.staging import answer_by, cancel_name
from tiktok_ns_pipeline.lake.orders import business_day, raw_order_row
from tiktok_ns_pipeline.lake.tables import RAW_TIKTOK_CANCELLATIONS, RAW_TIKTOK_ORDERS, Table
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.calling import Page
from tiktok_ns_pipeline.tiktok.cancellation_models import Cancellation
from tiktok_ns_pipeline.tiktok.client import ShopAccess
from tiktok_ns_pipeline.tiktok.errors import WireError

FUTURE = timedelta(minutes=5)
"""An `update_time` further ahead of TikTok's own clock is wrong and moves no watermark."""

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
        self._orders = _Listing(runtime, shop.code, run_id, "orders", RAW_TIKTOK_ORDERS, _order_row, zone)
        self._cancellations = _Listing(
            runtime,
            shop.code,
            run_id,
            "cancellations",
            RAW_TIKTOK_CANCELLATIONS,
            raw_cancellation_row,
            zone,
        )

    async def look_at_orders(self) -> AsyncIterator[Observed]:
        """Orders that became CANCELLED, or changed since, page by page, landed."""
        start = self._orders.start()
        pages = self._runtime.tiktok.search_orders(
            self._access, update_time_ge=start, order_status=CANCELLED, lane="urgent"
        )
        async for page in pages:
            yield self._orders.land(page, moves_watermark=True)
        self._orders.forget_before(start)

    async def look_at_cancellations(self) -> AsyncIterator[Observed]:
        """Cancellations that came or changed, page by page, landed."""
        start = self._cancellations.start()
        async for page in self._runtime.tiktok.cancellations.search(self._access, start):
            yield self._cancellations.land(page, moves_watermark=True)
        self._cancellations.forget_before(start)

    async def fetch_orders(self, ids: Sequence[str]) -> AsyncIterator[Observed]:
        """Named orders, whatever their state; those that TikTok does not show are missing (T 3.1)."""
        for page in await self._runtime.tiktok.order_details(self._access, ids, lane="urgent"):
            yield self._orders.land(page, moves_watermark=False)

    async def fetch_cancellations(
        self, ids: Sequence[str], *, again: bool = False
    ) -> AsyncIterator[Observed]:
        """Named cancellations; `again` also those that were seen in this version."""
        if again:
            self._cancellations.forget(ids)
        for at in range(0, len(ids), _IDS_AT_ONCE):
            batch = ids[at : at + _IDS_AT_ONCE]
            async for page in self._runtime.tiktok.cancellations.search(self._access, cancel_ids=batch):
                yield self._cancellations.land(page, moves_watermark=False)

    def kept(self, what: Listed, watermark: datetime) -> None:
        """What was seen up to there is planned; the next look begins an overlap before it."""
        self._of(what).kept(watermark)

    def forget(self, observed: Observed) -> None:
        """Stage these again when they are seen next: what was decided about them was not kept."""
        listing = self._of(observed.what)
        listing.forget([row[listing.key] for row in observed.rows])

    def _of(self, what: Listed) -> _Listing:
        return self._orders if what == "orders" else self._cancellations


def _order_row(raw: dict[str, Any], *, zone: ZoneInfo, read_at: datetime, request_id: str) -> dict[str, Any]:
    return raw_order_row(raw, zone=zone, read_at=read_at, request_id=request_id)


class _Listing:
    """One of a shop's two listings: its watermark, and what of it is known in this run."""

    def __init__(
        self,
        runtime: Runtime,
        shop_code: str,
        run_id: str,
        what: Listed,
        table: Table,
        row_of: Callable[..., dict[str, Any]],
        zone: ZoneInfo,
    ) -> None:
        self._runtime = runtime
        self._shop = shop_code
        self._run_id = run_id
        self._what: Listed = what
        self._table = table
        self._row_of = row_of
        self._zone = zone
        self._seen: dict[str, tuple[int, datetime | None]] = {}
        self._watermark: datetime | None = None
        self.key = "order_id" if what == "orders" else "cancel_id"

    def start(self) -> datetime:
        """Where the next look begins."""
        settings = self._runtime.settings
        known = self._watermark or self._stored()
        if known is None:
            return self._runtime.clock.now() - timedelta(days=settings.first_look_days)
        return known - timedelta(seconds=settings.overlap_s)

    def kept(self, watermark: datetime) -> None:
        self._watermark = max(watermark, self._watermark) if self._watermark else watermark

    def land(self, page: Page, *, moves_watermark: bool) -> Observed:
        """Land what is not known in this version."""
        rows: list[dict[str, Any]] = []
        raws: list[dict[str, Any]] = []
        newest: datetime | None = None
        for raw in page.rows:
            row = self._row_of(raw, zone=self._zone, read_at=page.read_at, request_id=page.request_id)
            updated: datetime | None = row["update_time"]
            if updated is not None and updated <= page.read_at + FUTURE:
                newest = max(updated, newest) if newest else updated
            if self._is_known(row):
                continue
            rows.append(row)
            raws.append(raw)
        if rows:
            self._runtime.lake.land_many(self._table, rows, shop=self._shop, run_id=self._run_id)
            self._runtime.probe("landed")
        moved = moves_watermark and newest and (self._watermark is None or newest > self._watermark)
        return Observed(self._what, raws, rows, newest if moved else None, len(page.rows))

    def forget(self, ids: Sequence[str]) -> None:
        for each in ids:
            self._seen.pop(each, None)

    def forget_before(self, start: datetime) -> None:
        """What the next look cannot show again need not be remembered."""
        self._seen = {key: seen for key, seen in self._seen.items() if seen[1] is None or seen[1] >= start}

    def _is_known(self, row: Mapping[str, Any]) -> bool:
        version = hash(row["payload"])
        name = row[self.key]
        if self._seen.get(name, (None, None))[0] == version:
            return True
        self._seen[name] = (version, row["update_time"])
        return False

    def _stored(self) -> datetime | None:
        with self._runtime.ledger.read() as tx:
            stored = tx.cursors.get(watermark_name(self._shop, self._what))
        return datetime.fromisoformat(stored) if stored else None
