"""Stock in TikTok's own warehouses (FBT): mirrored, never pushed.

TikTok counts it, NetSuite has a Location for it. Where they differ, and go on differing by the same
from one reading to the next, the mapping decides whether an Inventory Adjustment is proposed: what was
shipped a moment ago is on its way into NetSuite by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.inventory.observing import CHANNEL, MALFORMED, NetSuiteStock
from tiktok_ns_pipeline.inventory.offers import Offers
from tiktok_ns_pipeline.lake.tables import FBT_STOCK
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.exceptions import NewException
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.mapping.stock import PublishedStock
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.client import ShopAccess
from tiktok_ns_pipeline.tiktok.errors import TikTokPermissionError, WireError
from tiktok_ns_pipeline.tiktok.product_models import FbtStock

DIFFERS = "fbt_stock_differs"

_ZERO = Decimal(0)


def fbt_cursor(shop: str) -> str:
    """The cursor that says when a shop's stock at TikTok's warehouses was read last."""
    return f"stock:{shop}:fbt"


@dataclass(slots=True)
class Counted:
    """What TikTok has of one item in one of its warehouses."""

    quantity: Decimal = _ZERO
    sku_ids: set[str] = field(default_factory=set[str])


Place = tuple[str, str]
"""TikTok warehouse id and item id."""


def counted(rows: Iterable[FbtStock], offers: Offers, shop: str) -> dict[Place, Counted]:
    """Units of TikTok's warehouses as NetSuite's; goods of an unknown SKU stay under its name."""
    found: dict[Place, Counted] = {}
    for row in rows:
        for sku in row.goods.skus:
            detail = sku.on_hand or row.on_hand
            if detail is None:
                continue
            total = detail.total if detail.total is not None else detail.available + (detail.reserved or 0)
            offer = offers.get((shop, sku.sku_id))
            parts: Mapping[str, Decimal] = offer.parts if offer and offer.draws else {}
            for item_id, quantity in parts.items() or [(f"sku {sku.sku_id}", Decimal(1))]:
                one = found.setdefault((row.warehouse_id, item_id), Counted())
                one.quantity += quantity * total
                one.sku_ids.add(sku.sku_id)
    return found


class FbtMirror:
    """The stock of one shop at TikTok's warehouses. Raises TikTokError."""

    def __init__(
        self,
        runtime: Runtime,
        shop: Shop,
        access: ShopAccess,
        run_id: str,
        offers: Offers,
        netsuite: NetSuiteStock,
    ) -> None:
        self._runtime = runtime
        self._shop = shop
        self._access = access
        self._run_id = run_id
        self._offers = offers
        self._netsuite = netsuite
        self._is_open = True

    def is_due(self) -> bool:
        """Whether it is time to read; never for a shop without such a Location."""
        if not self._is_open or self._shop.fbt_location_id is None:
            return False
        every = timedelta(minutes=self._runtime.mapping.stock.read_back_minutes)
        with self._runtime.ledger.read() as tx:
            stored = tx.cursors.get(fbt_cursor(self._shop.code))
        return stored is None or self._runtime.clock.now() - datetime.fromisoformat(stored) >= every

    async def look(self) -> int:
        """Read, compare, land and tell; gives how many items differ."""
        now = self._runtime.clock.now()
        rows: list[FbtStock] = []
        unreadable: list[WireError] = []
        try:
            async for page in self._runtime.tiktok.products.fbt_stock(self._access):
                for raw in page.rows:
                    try:
                        rows.append(FbtStock.parse(raw))
                    except WireError as error:
                        unreadable.append(error)
        except TikTokPermissionError:
            # A scope of its own, which a seller without FBT need not grant.
            self._is_open = False
            return 0
        landed = self._rows(counted(rows, self._offers, self._shop.code), now)
        before = {
            (row["warehouse_id"], row["item_id"]): row["difference"]
            for row in self._runtime.lake.current(FBT_STOCK, shop=self._shop.code)
        }
        self._runtime.lake.land_many(FBT_STOCK, landed, shop=self._shop.code, run_id=self._run_id)
        with self._runtime.ledger.begin() as tx:
            tx.cursors.set(fbt_cursor(self._shop.code), now.isoformat())
            for error in unreadable:
                tx.exceptions.open(self._malformed(error))
            self._tell(tx, landed, before)
        return sum(bool(row["difference"]) for row in landed)

    def _rows(self, found: Mapping[Place, Counted], now: datetime) -> list[dict[str, Any]]:
        """Both sides beside each other; what only NetSuite has, too."""
        fallback = self._shop.fbt_location_id
        every = dict(found)
        warehouses = {warehouse_id for warehouse_id, _ in found} | {
            name
            for name, one in self._runtime.mapping.warehouses.items()
            if one.fulfilment == "channel" and one.location_id == fallback
        }
        rows: list[dict[str, Any]] = []
        for warehouse_id in sorted(warehouses):
            mapped = self._runtime.mapping.warehouses.get(warehouse_id)
            location = mapped.location_id if mapped else fallback
            on_hand = self._netsuite.on_hand_at(location) if location else {}
            here = {item_id for name, item_id in every if name == warehouse_id} | on_hand.keys()
            for item_id in sorted(here):
                one = every.get((warehouse_id, item_id), Counted())
                ours = None if item_id.startswith("sku ") else on_hand.get(item_id, _ZERO)
                rows.append(
                    {
                        "channel": CHANNEL,
                        "day": now.date(),
                        "warehouse_id": warehouse_id,
                        "item_id": item_id,
                        "location_id": location,
                        "sku_ids": ",".join(sorted(one.sku_ids)),
                        "counted": one.quantity,
                        "on_hand": ours,
                        "difference": None if ours is None else one.quantity - ours,
                        "read_at": now,
                    }
                )
        return rows

    def _tell(
        self,
        tx: Transaction,
        rows: Sequence[Mapping[str, Any]],
        before: Mapping[Place, Decimal | None],
    ) -> None:
        policy = self._shop.stock
        proposes = isinstance(policy, PublishedStock) and policy.fbt == "propose"
        lasting: set[str] = set()
        for row in rows:
            same = before.get((row["warehouse_id"], row["item_id"])) == row["difference"]
            if row["difference"] and proposes:
                lasting.add(f"item {row['item_id']}")
                if same:
                    tx.exceptions.open(self._differs(row))
        for one in tx.exceptions.list(kinds=(DIFFERS,), shop=self._shop.code):
            if one.subject not in lasting:
                tx.exceptions.clear(
                    channel=CHANNEL,
                    shop=self._shop.code,
                    subject=one.subject,
                    reason="TikTok's warehouse and NetSuite agree, or nothing is to be proposed",
                    kinds=(DIFFERS,),
                )

    def _differs(self, row: Mapping[str, Any]) -> NewException:
        difference: Decimal = row["difference"]
        return self._runtime.reporter.exception(
            DIFFERS,
            channel=CHANNEL,
            shop=self._shop.code,
            subject=f"item {row['item_id']}",
            cause=f"location:{row['location_id']}",
            message=f"TikTok counts {row['counted'].normalize():f} of item {row['item_id']} in its warehouse "
            f"{row['warehouse_id']}, NetSuite has {row['on_hand'].normalize():f} on hand at location "
            f"{row['location_id']}. Proposed Inventory Adjustment: {difference.normalize():+f} of item "
            f"{row['item_id']} at location {row['location_id']}.",
        )

    def _malformed(self, error: WireError) -> NewException:
        return self._runtime.reporter.exception(
            MALFORMED,
            channel=CHANNEL,
            shop=self._shop.code,
            subject=f"warehouse {error.record_id or 'without a readable id'}",
            cause=f"field:{error.field}",
            message=f"Stock in TikTok's own warehouse cannot be read for shop {self._shop.code}: {error}.",
        )
