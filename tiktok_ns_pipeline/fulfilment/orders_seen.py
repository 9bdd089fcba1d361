"""The TikTok orders that staging looks at: read now, or as they landed last.

What has left is staged against the order as TikTok shows it at that moment, 50 orders a call. While
TikTok cannot be asked the lake's version serves: what is told is looked at once more before it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.flows.turning import SYSTEM_ERRORS, Troubles
from tiktok_ns_pipeline.lake.orders import raw_order_row
from tiktok_ns_pipeline.lake.tables import RAW_TIKTOK_ORDERS
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.client import ShopAccess
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.models import Order


class Seen(dict[str, Order]):
    """Orders by id. `is_complete` says that those which are missing are not at TikTok."""

    is_complete = True


class OrdersSeen:
    """Reads orders for staging, and lands what it read anew."""

    def __init__(self, runtime: Runtime, run_id: str) -> None:
        self._runtime = runtime
        self._run_id = run_id

    async def of(
        self, shop: Shop, access: ShopAccess, ids: Sequence[str], *, is_fresh: bool, troubles: Troubles
    ) -> Seen:
        """These orders of a shop; those that cannot be read are missing."""
        if not ids:
            return Seen()
        landed = self._landed(shop, ids)
        missing = list(ids) if is_fresh else [each for each in ids if each not in landed]
        found = Seen()
        if missing:
            try:
                found = await self._read(shop, access, missing, landed)
            except SYSTEM_ERRORS as error:
                troubles.note_shop(shop.code, error)
                found.is_complete = False
        unread = [
            each for each in ids if each not in found and (not found.is_complete or each not in missing)
        ]
        for order_id in unread:
            if order_id in landed:
                self._add(found, exact_json.loads(landed[order_id]["payload"]))
        return found

    async def _read(
        self, shop: Shop, access: ShopAccess, ids: Sequence[str], landed: dict[str, dict[str, Any]]
    ) -> Seen:
        found = Seen()
        rows: list[dict[str, Any]] = []
        for page in await self._runtime.tiktok.order_details(access, ids, lane="documents"):
            for raw in page.orders:
                row = raw_order_row(raw, zone=shop.zone, read_at=page.read_at, request_id=page.request_id)
                known = landed.get(row["order_id"])
                if known is None or known["update_time"] != row["update_time"]:
                    rows.append(row)
                self._add(found, raw)
        if rows:
            self._runtime.lake.land_many(RAW_TIKTOK_ORDERS, rows, shop=shop.code, run_id=self._run_id)
        return found

    def _landed(self, shop: Shop, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        markers = ", ".join("?" for _ in ids)
        rows = self._runtime.lake.current(
            RAW_TIKTOK_ORDERS, f"order_id IN ({markers})", list(ids), shop=shop.code
        )
        return {row["order_id"]: row for row in rows}

    @staticmethod
    def _add(found: Seen, raw: dict[str, Any]) -> None:
        try:
            order = Order.parse(raw)
        except WireError:
            # The orders flow tells of it; without it nothing can be concluded about its shipments.
            found.is_complete = False
        else:
            found[order.id] = order
