"""Observe: what one shop lists on TikTok, and what it shows of its stock.

Listings are read hourly, and when an event names one. Stock is read before and after each push; a slow
cycle over all SKUs finds what nobody told us, such as a level that a person set in Seller Center.

Invariant: stock that TikTok counts itself (FBT) never enters our books.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.inventory.observing import CHANNEL, MALFORMED
from tiktok_ns_pipeline.inventory.offers import Offers
from tiktok_ns_pipeline.inventory.unseen import most_sold
from tiktok_ns_pipeline.lake.orders import order_name
from tiktok_ns_pipeline.lake.tables import RAW_TIKTOK_PRODUCTS, RAW_TIKTOK_STOCK
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.stock import Reading, tiktok_key
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.client import ShopAccess
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.product_models import Listing, SkuStock
from tiktok_ns_pipeline.tiktok.slot import Slot

LISTINGS_EVERY = timedelta(hours=1)
_OVERLAP = timedelta(minutes=5)
_SKUS_AT_ONCE = 600


WRITING_CURSOR = "stock:writing"
"""Numbers that are being written, or whose write ended nobody knows how, each with its slot and instant."""

_WRITTEN_LONG_AGO = timedelta(minutes=2)
"""After so long every answer tells of a write that happened."""


def listings_cursor(shop: str) -> str:
    """The cursor that says when the listings of a shop were read last."""
    return f"stock:{shop}:listings"


def levels_cursor(shop: str) -> str:
    """The cursor that says when all stock that a shop shows was read last."""
    return f"stock:{shop}:levels"


@dataclass(slots=True)
class Shown:
    """What a reading of TikTok's stock told."""

    stock: dict[str, SkuStock] = field(default_factory=dict[str, SkuStock])
    differs: dict[Slot, int] = field(default_factory=dict[Slot, int])
    """By how much TikTok's number is not what our books said."""
    doubtful: list[Slot] = field(default_factory=list[Slot])
    """Slots that still show what was there before a write: the answer may be older than the write."""


class ShopStock:
    """A shop's listings and stock. Raises TikTokError and WireError."""

    def __init__(self, runtime: Runtime, shop: Shop, access: ShopAccess, run_id: str, offers: Offers) -> None:
        self._runtime = runtime
        self._shop = shop
        self._access = access
        self._run_id = run_id
        self._offers = offers
        self._landed: dict[str, str] = {}
        self._landed_stock: dict[Slot, tuple[int, int | None]] | None = None
        self._not_due_before: dict[str, datetime] = {}

    def load(self, products: Iterable[Mapping[str, Any]]) -> None:
        """Take up what is known of listings from earlier runs; products of other shops are passed over."""
        rows = [row for row in products if row["shop"] == self._shop.code]
        self._landed = {row["product_id"]: _told_of(exact_json.loads(row["payload"])) for row in rows}
        self._offers.learn_products(rows)

    def are_listings_due(self) -> bool:
        """Whether it is time to read all listings."""
        return self._is_due(listings_cursor(self._shop.code), LISTINGS_EVERY)

    def are_levels_due(self) -> bool:
        """Whether it is time to read all stock."""
        every = timedelta(minutes=self._runtime.mapping.stock.read_back_minutes)
        return self._is_due(levels_cursor(self._shop.code), every)

    async def read_listings(self, *, is_news_only: bool = False) -> int:
        """Read all listings, or those that changed since that was done last; gives how many changed."""
        began = self._runtime.clock.now()
        name = listings_cursor(self._shop.code)
        with self._runtime.ledger.read() as tx:
            stored = tx.cursors.get(name)
        since = datetime.fromisoformat(stored) - _OVERLAP if stored and is_news_only else None
        changed = 0
        async for page in self._runtime.tiktok.products.search_products(
            self._access, updated_since=since, lane="urgent" if is_news_only else "bulk"
        ):
            changed += self._land_products(page.rows, page.read_at)
        if since is None:
            self._set(name, began)
        return changed

    async def read_levels(self) -> Shown:
        """Read all stock that the shop shows."""
        began = self._runtime.clock.now()
        shown = Shown()
        sku_ids = self._offers.sku_ids(self._shop.code)
        for start in range(0, len(sku_ids), _SKUS_AT_ONCE):
            some = await self.read_levels_of(sku_ids[start : start + _SKUS_AT_ONCE], lane_is_bulk=True)
            shown.stock |= some.stock
            shown.differs |= some.differs
        self._set(levels_cursor(self._shop.code), began)
        return shown

    async def read_levels_of(
        self,
        sku_ids: Sequence[str],
        *,
        lane_is_bulk: bool = False,
        overwritten: Mapping[Slot, int] | None = None,
        reference: str = "",
    ) -> Shown:
        """Read the stock of these SKUs, book by how much it is not what we thought, land what changed.

        `overwritten` is what slots showed before they were written just now: one that shows it still
        tells nothing.
        """
        if not sku_ids:
            return Shown()
        lane = "bulk" if lane_is_bulk else "urgent"
        reading = await self._runtime.tiktok.products.stock_of(self._access, sku_ids, lane=lane)
        actual = {
            Slot(self._shop.code, stock.sku_id, warehouse_id): level.available
            for stock in reading.values()
            for warehouse_id, level in stock.warehouses.items()
            if not self._runtime.mapping.is_fbt(warehouse_id)
        }
        before = overwritten or {}
        doubtful = [slot for slot, units in actual.items() if before.get(slot) == units]
        keys = {(self._shop.code, sku_id) for sku_id in reading}
        at = min((stock.read_at for stock in reading.values()), default=None)
        with self._runtime.ledger.begin() as tx:
            self._settle_writes(tx, actual, at)
            certain = {slot: units for slot, units in actual.items() if slot not in doubtful}
            parts = self._offers.parts(keys)
            differs = tx.stock.read_back(
                certain,
                parts,
                at=at,
                reference=reference,
                most=lambda fallen: most_sold(tx, self._shop.code, fallen, self._runtime.clock.now()),
            )
            for malformed in reading.malformed:
                tx.exceptions.open(self._malformed(malformed))
        self._runtime.probe("read back")
        self._land_stock(reading.values())
        if self._offers.learn_warehouses(actual):
            self._offers.rebuild()
        return Shown(dict(reading), differs, doubtful)

    def _settle_writes(self, tx: Transaction, actual: Mapping[Slot, int], at: datetime | None) -> None:
        """Find out what became of writes of unclear end: their numbers are nobody's sales.

        A write happened where what is shown now is nearer to its number than to what our books say.
        """
        writing = stored_writes(tx)
        asked = {slot: one for slot, one in writing.items() if slot in actual}
        if not asked:
            return
        balances = tx.stock.balances(map(tiktok_key, asked))
        happened: list[Slot] = []
        for slot, (number, written_at) in asked.items():
            balance = balances.get(tiktok_key(slot))
            before = int(balance.quantity) if balance else 0
            if abs(actual[slot] - number) < abs(actual[slot] - before):
                happened.append(slot)
            if slot in happened or self._runtime.clock.now() - written_at > _WRITTEN_LONG_AGO:
                del writing[slot]
        readings = [Reading(tiktok_key(slot), Decimal(asked[slot][0]), "found") for slot in happened]
        tx.stock.set_balances("push", readings, at=at)
        store_writes(tx, writing)

    def _malformed(self, error: WireError) -> Any:
        return self._runtime.reporter.exception(
            MALFORMED,
            channel=CHANNEL,
            shop=self._shop.code,
            subject=f"sku {error.record_id or 'without a readable id'}",
            cause=f"field:{error.field}",
            message=f"TikTok's stock in shop {self._shop.code} cannot be read: {error}. The SKU's last level "
            "stays.",
        )

    def _land_products(self, raws: Sequence[dict[str, Any]], read_at: datetime) -> int:
        rows = [_product_row(raw, read_at) for raw in raws]
        told = {row["product_id"]: _told_of(raw) for row, raw in zip(rows, raws, strict=True)}
        news = [row for row in rows if self._landed.get(row["product_id"]) != told[row["product_id"]]]
        if news:
            self._runtime.lake.land_many(RAW_TIKTOK_PRODUCTS, news, shop=self._shop.code, run_id=self._run_id)
            self._offers.learn_products({**row, "shop": self._shop.code} for row in news)
        self._landed |= told
        return len(news)

    def _land_stock(self, read: Iterable[SkuStock]) -> None:
        if self._landed_stock is None:
            names = ("sku_id", "warehouse_id", "available", "committed")
            rows = self._runtime.lake.current(RAW_TIKTOK_STOCK, shop=self._shop.code, columns=names)
            self._landed_stock = {
                Slot(self._shop.code, row["sku_id"], row["warehouse_id"]): (
                    row["available"],
                    row["committed"],
                )
                for row in rows
            }
        rows: list[dict[str, Any]] = []
        for stock in read:
            for warehouse_id, level in stock.warehouses.items():
                slot, figures = (
                    Slot(self._shop.code, stock.sku_id, warehouse_id),
                    (level.available, level.committed),
                )
                if self._landed_stock.get(slot) == figures:
                    continue
                self._landed_stock[slot] = figures
                rows.append(
                    {
                        "channel": CHANNEL,
                        "day": stock.read_at.date(),
                        "sku_id": stock.sku_id,
                        "warehouse_id": warehouse_id,
                        "product_id": stock.product_id,
                        "available": level.available,
                        "committed": level.committed,
                        "read_at": stock.read_at,
                    }
                )
        if rows:
            self._runtime.lake.land_many(RAW_TIKTOK_STOCK, rows, shop=self._shop.code, run_id=self._run_id)

    def _is_due(self, name: str, every: timedelta) -> bool:
        now = self._runtime.clock.now()
        if name in self._not_due_before and now < self._not_due_before[name]:
            # Another process may have read meanwhile; none makes it due sooner.
            return False
        with self._runtime.ledger.read() as tx:
            stored = tx.cursors.get(name)
        if stored is None:
            return True
        self._not_due_before[name] = datetime.fromisoformat(stored) + every
        return now >= self._not_due_before[name]

    def _set(self, name: str, instant: datetime) -> None:
        with self._runtime.ledger.begin() as tx:
            tx.cursors.set(name, instant.isoformat())


def stored_writes(tx: Transaction) -> dict[Slot, tuple[int, datetime]]:
    """Numbers of writes whose end is not known, and when they were sent."""
    stored: list[tuple[str, str, str, int, str]] = tx.cursors.get(WRITING_CURSOR) or []
    return {
        Slot(shop, sku_id, warehouse_id): (int(number), datetime.fromisoformat(at))
        for shop, sku_id, warehouse_id, number, at in stored
    }


def store_writes(tx: Transaction, writing: Mapping[Slot, tuple[int, datetime]]) -> None:
    """Keep them until their end is known."""
    rows = [[*slot, number, at.isoformat()] for slot, (number, at) in sorted(writing.items())]
    tx.cursors.set(WRITING_CURSOR, rows)


def _product_row(raw: dict[str, Any], read_at: datetime) -> dict[str, Any]:
    row: dict[str, Any] = {
        "channel": CHANNEL,
        "product_id": order_name(raw),
        "payload": exact_json.dumps(raw),
        "read_at": read_at,
        "day": read_at.date(),
        "status": None,
        "update_time": None,
    }
    try:
        product = Listing.parse(raw)
    except WireError:
        return row
    return {**row, "status": product.status, "update_time": product.update_time}


def _told_of(raw: Mapping[str, Any]) -> str:
    """What of a product tells it apart from an earlier version: all but how much is in stock."""
    skus = raw.get("skus")
    if not isinstance(skus, list):
        return exact_json.fingerprint(raw)
    bare = [_without_levels(sku) for sku in cast(list[Any], skus)]
    return exact_json.fingerprint({**raw, "skus": bare, "update_time": None})


def _without_levels(sku: Any) -> Any:
    if not isinstance(sku, dict):
        return sku
    inventory = cast(dict[str, Any], sku).get("inventory")
    if not isinstance(inventory, list):
        return cast(Any, sku)
    warehouses = [
        cast(dict[str, Any], one).get("warehouse_id") if isinstance(one, dict) else one
        for one in cast(list[Any], inventory)
    ]
    return {**cast(dict[str, Any], sku), "inventory": warehouses}
