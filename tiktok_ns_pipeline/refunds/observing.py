"""Observe: what TikTok says buyers get back, landed as it came.

Returns are listed by their last change; each look begins an overlap behind the watermark, which follows
TikTok's clock and moves only with the transaction that tells the ledger of what was seen. One that cannot
be read lands like any other, with nulls in the columns that it fails to fill.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.flows.listing import Landed, Listing
from tiktok_ns_pipeline.lake.orders import business_day
from tiktok_ns_pipeline.lake.tables import RAW_TIKTOK_RETURNS
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.refunds.document import CHANNEL
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.client import ShopAccess
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.return_models import Return

UNREADABLE = "unreadable-"
"""How the name of a return begins that has no id."""

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_READ = (
    "order_id",
    "return_type",
    "return_status",
    "arbitration_status",
    "role",
    "create_time",
    "update_time",
    "deadline",
    "refund_total",
    "currency",
)


def watermark_name(shop_code: str) -> str:
    """The cursor that says how far a shop's returns were read, on TikTok's clock."""
    return f"refunds:{shop_code}:returns"


def return_name(raw: dict[str, Any]) -> str:
    """The return's id, or `unreadable-<hash>` of one that has none: a name that stays the same."""
    told = raw.get("return_id")
    name = str(told).strip() if isinstance(told, (str, int)) and not isinstance(told, bool) else ""
    if _ID.fullmatch(name):
        return name
    text = exact_json.dumps(raw).encode("utf-8", "surrogatepass")
    return f"{UNREADABLE}{hashlib.sha256(text).hexdigest()[:24]}"


def answer_by(ret: Return) -> datetime | None:
    """Until when the seller may answer, where TikTok waits for him and says so (T 6.1)."""
    told = [action.deadline for action in ret.next_actions]
    return min((deadline for deadline in told if deadline is not None), default=None)


def raw_return_row(
    raw: dict[str, Any], *, zone: ZoneInfo, read_at: datetime, request_id: str
) -> dict[str, Any]:
    """The row of `raw_tiktok_returns` for a return as it came.

    One that cannot be read lands with nulls, filed under the day it was read.
    """
    row: dict[str, Any] = {
        "channel": CHANNEL,
        "return_id": return_name(raw),
        "payload": exact_json.dumps(raw),
        "read_at": read_at,
        "request_id": request_id,
    }
    try:
        read = Return.parse(raw)
    except WireError:
        return {**row, **dict.fromkeys(_READ), "day": business_day(read_at, zone)}
    refund = read.refund_amount
    return {
        **row,
        "order_id": read.order_id,
        "return_type": read.return_type,
        "return_status": read.status,
        "arbitration_status": read.arbitration_status,
        "role": read.role,
        "create_time": read.create_time,
        "update_time": read.update_time,
        "deadline": answer_by(read),
        "refund_total": refund.refund_total if refund else None,
        "currency": refund.currency if refund else None,
        "day": business_day(read.create_time or read_at, zone),
    }


class ReturnWatch:
    """Looks at the returns of one shop, again and again within a run. Raises TikTokError."""

    def __init__(self, runtime: Runtime, shop: Shop, access: ShopAccess, run_id: str) -> None:
        self._calls = runtime.tiktok.returns
        self._access = access
        self._listing = Listing(
            runtime,
            shop.code,
            run_id,
            cursor=watermark_name(shop.code),
            table=RAW_TIKTOK_RETURNS,
            key="return_id",
            row_of=raw_return_row,
            zone=ZoneInfo(shop.timezone),
        )

    async def look(self, since: datetime | None = None) -> AsyncIterator[Landed]:
        """Returns that came or changed since then, or since the last look, page by page, landed."""
        start = self._listing.start() if since is None else min(since, self._listing.start())
        async for page in self._calls.search(self._access, updated_since=start):
            yield self._listing.land(page, moves_watermark=True)
        self._listing.forget_before(start)

    async def fetch(
        self, return_ids: Sequence[str] = (), order_ids: Sequence[str] = ()
    ) -> AsyncIterator[Landed]:
        """Returns by their ids, and all returns of some orders; what TikTok does not show is missing."""
        if return_ids:
            async for page in self._calls.search(self._access, return_ids=return_ids):
                yield self._listing.land(page, moves_watermark=False)
        if order_ids:
            async for page in self._calls.search(self._access, order_ids=order_ids):
                yield self._listing.land(page, moves_watermark=False)

    def kept(self, landed: Landed) -> None:
        """The ledger knows of these; the next look begins an overlap before the newest."""
        if landed.watermark is not None:
            self._listing.kept(landed.watermark)

    def forget(self, landed: Landed) -> None:
        """Give these again when they are seen next: the ledger was not told of them."""
        self._listing.forget([row["return_id"] for row in landed.rows])
