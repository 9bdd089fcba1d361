"""The TikTok orders that staging looks at: read now, or as they landed last.

What has left is staged against the order as TikTok shows it at that moment, 50 orders a call. While
TikTok cannot be asked the lake's version serves: what is told is looked at once more before it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.flows.turning import SYSTEM_ERRORS, Troubles
from tiktok_ns_pipeline.lake import Following
from tiktok_ns_pipeline.lake.orders import raw_order_row
from tiktok_ns_pipeline.lake.tables import RAW_TIKTOK_ORDERS
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.client import ShopAccess
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.models import Order

_MOST_REMEMBERED = 2000
"""Orders whose payload a run keeps at hand, some kilobytes each."""


class Seen(dict[str, Order]):
    """Orders by id. `is_complete` says that those which are missing are not at TikTok."""

    is_complete = True


class OrdersSeen:
    """Reads orders for staging, and lands what it read anew."""

    def __init__(self, runtime: Runtime, run_id: str) -> None:
        self._runtime = runtime
        self._run_id = run_id
        self._following: dict[str, Following] = {}
        self._told: dict[tuple[Any, ...], Any] = {}

    async def of(
        self, shop: Shop, access: ShopAccess, ids: Sequence[str], *, is_fresh: bool, troubles: Troubles
    ) -> Seen:
        """These orders of a shop; those that cannot be read are missing."""
        if not ids:
            return Seen()
        landed = self._landed(shop.code, ids)
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
        for raw in self._as_landed(shop.code, [landed[each] for each in unread if each in landed]):
            self._add(found, raw)
        return found

    async def _read(
        self, shop: Shop, access: ShopAccess, ids: Sequence[str], landed: Mapping[str, Mapping[str, Any]]
    ) -> Seen:
        found = Seen()
        rows: list[dict[str, Any]] = []
        for page in await self._runtime.tiktok.order_details(access, ids, lane="documents"):
            for raw in page.orders:
                row = raw_order_row(raw, zone=shop.zone, read_at=page.read_at, request_id=page.request_id)
                known = landed.get(row["order_id"])
                if known is None or known["update_time"] != row["update_time"]:
                    rows.append(row)
                    known = {**row, "shop": shop.code}
                self._remember(known, raw)
                self._add(found, raw)
        if rows:
            self._runtime.lake.land_many(RAW_TIKTOK_ORDERS, rows, shop=shop.code, run_id=self._run_id)
        return found

    def _landed(self, shop: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Which versions of these orders landed last, without their payloads."""
        if shop not in self._following:
            watched_for = timedelta(days=self._runtime.mapping.fulfilment.watch_days)
            self._following[shop] = Following(
                self._runtime.lake,
                RAW_TIKTOK_ORDERS,
                shop=shop,
                by="order_id",
                columns=("day",),
                since=self._runtime.clock.now() - watched_for,
            )
        return {row["order_id"]: row for row in self._following[shop].of(ids)}

    def _as_landed(self, shop: str, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """The orders of these landed rows as TikTok told them."""
        told = {row["order_id"]: self._told.get(_version(row)) for row in rows}
        unknown = {row["order_id"]: row["day"] for row in rows if told[row["order_id"]] is None}
        if unknown:
            markers = ", ".join("?" for _ in unknown)
            read = self._runtime.lake.current(
                RAW_TIKTOK_ORDERS,
                f"order_id IN ({markers})",
                list(unknown),
                shop=shop,
                days=set(unknown.values()),
                columns=("shop", "order_id", "update_time", "read_at", "payload"),
            )
            for row in read:
                told[row["order_id"]] = raw = exact_json.loads(row["payload"])
                self._remember(row, raw)
        return [raw for raw in told.values() if raw is not None]

    def _remember(self, row: Mapping[str, Any], raw: Any) -> None:
        """Keep an order at hand: one that waits is staged every minute."""
        self._told[_version(row)] = raw
        while len(self._told) > _MOST_REMEMBERED:
            del self._told[next(iter(self._told))]

    @staticmethod
    def _add(found: Seen, raw: dict[str, Any]) -> None:
        try:
            order = Order.parse(raw)
        except WireError:
            # The orders flow tells of it; without it nothing can be concluded about its shipments.
            found.is_complete = False
        else:
            found[order.id] = order


def _version(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (row["shop"], row["order_id"], row["update_time"], row["read_at"])
