"""Reading stock from both systems, over all shops at once, since shops can share a pool.

One *look* reads what TikTok shows, its open orders, NetSuite's available quantities and the Sales
Orders of these orders, and then what TikTok shows once more: a number that changed in between is
moving. Statuses of orders are asked for in the order in which an order passes through them, so that
one that moves meanwhile is seen twice rather than never.

Only the two systems are read, never our own records.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.goods.items import ItemIndex
from tiktok_ns_pipeline.goods.snapshot import ITEMS
from tiktok_ns_pipeline.lake.orders import order_name
from tiktok_ns_pipeline.netsuite.client import PAGE_ROWS
from tiktok_ns_pipeline.netsuite.values import to_account_time, to_decimal, to_instant
from tiktok_ns_pipeline.reconciliation.reading import Sources, asking, names_in, sales_orders_of
from tiktok_ns_pipeline.reconciliation.results import NotRun
from tiktok_ns_pipeline.reconciliation.stock.model import Blind, Pool, Reading, Slot, Stock, Wanted
from tiktok_ns_pipeline.reconciliation.stock.sides import Goods, is_deleted, sku_ids_in, slots_of, wanted_of
from tiktok_ns_pipeline.tiktok.errors import TikTokError, WireError
from tiktok_ns_pipeline.tiktok.product_models import SkuStock

OPEN_STATUSES = ("UNPAID", "ON_HOLD", "AWAITING_SHIPMENT", "PARTIALLY_SHIPPING", "AWAITING_COLLECTION")
"""Orders whose goods are still in the warehouse (T 3.2)."""

_IDS_PER_LIST = 900

MEMBERS = """
SELECT m.parentitem AS kit, m.item AS item, m.quantity AS quantity
FROM itemmember m
JOIN item k ON k.id = m.parentitem
WHERE k.itemtype = 'Kit'
ORDER BY m.parentitem ASC, m.item ASC"""

AVAILABLE = """
SELECT q.item AS item, q.location AS location, q.quantityavailable AS available
FROM inventoryitemlocations q
WHERE q.location IN ({locations})
  AND q.item IN ({items})
ORDER BY q.item ASC, q.location ASC"""

TAKEN = """
SELECT l.item AS item, l.location AS location, SUM(ABS(l.quantity)) AS taken
FROM transactionline l
JOIN transaction t ON t.id = l.transaction
WHERE t.lastmodifieddate >= TO_DATE(?, 'YYYY-MM-DD HH24:MI:SS')
  AND l.location IN ({locations})
  AND l.item IN ({items})
GROUP BY l.item, l.location
ORDER BY l.item ASC, l.location ASC"""

BACKORDERED = """
SELECT l.transaction AS sale, l.uniquekey AS line, l.item AS item, l.quantitybackordered AS backordered
FROM transactionline l
WHERE l.quantitybackordered > 0
  AND l.transaction IN ({sales})
ORDER BY l.uniquekey ASC"""


@dataclass(slots=True)
class StockReader:
    """Both systems with what is for sale in each shop. `sources` are the shops, which share NetSuite."""

    sources: Mapping[str, Sources]
    goods: Goods
    products: dict[str, list[dict[str, Any]]]
    """Raw products by shop code."""
    unread: dict[str, NotRun] = field(default_factory=dict[str, NotRun])
    """Shops that could not be read, from the moment at which one could not."""

    @classmethod
    async def opened(cls, sources: Mapping[str, Sources]) -> StockReader:
        """Read what is for sale and what it is in NetSuite. Raises SideUnread for NetSuite."""
        reader = cls(sources, await _goods(next(iter(sources.values()))), {})
        for code, source in sources.items():
            try:
                reader.products[code] = await _products(source)
            except (TikTokError, WireError) as failure:
                reader.unread[code] = NotRun("tiktok", str(failure))
        return reader

    async def look(self, among: Collection[Stock] | None = None) -> Reading:
        """What both systems say now; `among` names the stock that is of interest, else all is.

        Raises SideUnread for NetSuite. A shop that cannot be read is missing, and makes differences in
        others uncertain, which may sell the same goods.
        """
        began = self._now()
        products = {code: self._selling(code, among) for code in self.products}
        before = {code: await self._stock(code, products[code]) for code in list(products)}
        orders = {code: await self._orders(code) for code in list(products)}
        netsuite_read_at = self._now()
        available = await self._available(products, orders, among)
        taken = await self._taken(among) if among else {}
        wanted, blind = await self._wanted(orders)
        slots: list[Slot] = []
        for code in list(products):
            after = await self._stock(code, products[code])
            first = {slot.key: slot.shown for slot in self._slots(code, products[code], before[code])}
            slots += (
                replace(slot, is_moving=first.get(slot.key) != slot.shown)
                for slot in self._slots(code, products[code], after)
            )
        blind += (Blind(f"shop {code} could not be read: {why.reason}") for code, why in self.unread.items())
        return Reading(
            slots=tuple(slot for slot in slots if slot.shop not in self.unread),
            available=available,
            wanted=tuple(wanted),
            tiktok_read_at=began,
            netsuite_read_at=netsuite_read_at,
            open_orders=sum(map(len, orders.values())),
            blind=tuple(blind),
            taken=taken,
        )

    def _selling(self, code: str, among: Collection[Stock] | None) -> list[dict[str, Any]]:
        """The products of a shop, or those that draw on stock of interest."""
        if among is None:
            return self.products[code]
        return [
            raw
            for raw in self.products[code]
            if any(stock in among for slot in self._slots(code, [raw], {}) for stock in slot.stocks)
        ]

    def _slots(
        self, code: str, products: Iterable[dict[str, Any]], stock: Mapping[str, SkuStock]
    ) -> list[Slot]:
        shop = self.sources[code].shop
        return [slot for raw in products for slot in slots_of(raw, stock, shop, self.goods)]

    async def _stock(self, code: str, products: Iterable[dict[str, Any]]) -> Mapping[str, SkuStock]:
        source = self.sources[code]
        names = [name for raw in products for name in sku_ids_in(raw)]
        if code in self.unread or not names:
            return {}
        try:
            return await source.tiktok.products.stock_of(source.access, names, lane="bulk")
        except (TikTokError, WireError) as failure:
            self.unread[code] = NotRun("tiktok", str(failure))
            return {}

    async def _orders(self, code: str) -> dict[str, dict[str, Any]]:
        """The open orders of a shop, raw, by id."""
        source = self.sources[code]
        found: dict[str, dict[str, Any]] = {}
        if code in self.unread:
            return found
        try:
            for status in OPEN_STATUSES:
                pages = source.tiktok.search_orders(
                    source.access,
                    update_time_ge=None,
                    order_status=status,
                    sort_field="create_time",
                    lane="bulk",
                )
                async for page in pages:
                    found |= {order_name(raw): raw for raw in page.orders}
        except (TikTokError, WireError) as failure:
            self.unread[code] = NotRun("tiktok", str(failure))
        return found

    async def _wanted(
        self, orders: Mapping[str, Mapping[str, dict[str, Any]]]
    ) -> tuple[list[Wanted], list[Blind]]:
        """What open orders want, by the Sales Orders that NetSuite shows for them."""
        wanted: list[Wanted] = []
        blind: list[Blind] = []
        for code, raw_orders in orders.items():
            source = self.sources[code]
            sales = list((await sales_orders_of(source, raw_orders)).values())
            backorders = await self._backorders([sale["id"] for sale in sales])
            by_order: dict[str, list[dict[str, str]]] = {}
            for sale in sales:
                for name in names_in(sale, source.shop):
                    by_order.setdefault(name, []).append(sale)
            for name, raw in raw_orders.items():
                found = wanted_of(raw, by_order.get(name, ()), backorders, source.shop, self.goods)
                if isinstance(found, Blind):
                    blind.append(found)
                else:
                    wanted += found
        return wanted, blind

    async def _available(
        self,
        products: Mapping[str, Iterable[dict[str, Any]]],
        orders: Mapping[str, Mapping[str, dict[str, Any]]],
        among: Collection[Stock] | None,
    ) -> dict[tuple[str, str], Decimal]:
        """NetSuite's available quantity of all that listings and open orders draw on."""
        if among is None:
            items = {
                item
                for code in products
                for slot in self._slots(code, products[code], {})
                for item in slot.draws
            }
            for code, raw_orders in orders.items():
                for raw in raw_orders.values():
                    found = wanted_of(raw, (), {}, self.sources[code].shop, self.goods)
                    items |= {want.stock[0] for want in found} if not isinstance(found, Blind) else set()
        else:
            items = {item_id for item_id, _ in among}
        rows = await self._of_items(AVAILABLE, items, [])
        return {
            (row["item"], row["location"]): number
            for row in rows
            if (number := _number(row.get("available"))) is not None
        }

    async def _taken(self, among: Collection[Stock]) -> dict[Stock, Decimal]:
        """What NetSuite's records moved of this stock within the grace, by the account's own clock."""
        any_source = next(iter(self.sources.values()))
        grace = timedelta(minutes=self.goods.mapping.reconciliation.grace_minutes)
        with asking("netsuite"):
            now = to_instant(await any_source.netsuite.account_now(), UTC)
        assert now is not None
        rows = await self._of_items(TAKEN, {item for item, _ in among}, [to_account_time(now - grace, UTC)])
        moved = {(row["item"], row["location"]): _number(row.get("taken")) or Decimal(0) for row in rows}
        return {
            (item, pool): sum((moved.get((item, place), Decimal(0)) for place in pool), Decimal(0))
            for item, pool in among
        }

    async def _of_items(
        self, query: str, items: Collection[str], values: Sequence[str]
    ) -> list[dict[str, str]]:
        """Rows about these items at all mapped Locations, so many items at once that a page holds them."""
        locations = _locations(self.goods)
        if not locations:
            return []
        ordered = sorted(items, key=int)
        at_once = max(1, min(_IDS_PER_LIST, PAGE_ROWS // len(locations)))
        rows: list[dict[str, str]] = []
        for start in range(0, len(ordered), at_once):
            batch = ordered[start : start + at_once]
            text = query.format(locations=_markers(locations), items=_markers(batch))
            rows += await self._suiteql(text, [*values, *locations, *batch])
        return rows

    async def _backorders(self, sales: Sequence[str]) -> dict[str, list[tuple[str, Decimal]]]:
        found: dict[str, list[tuple[str, Decimal]]] = {}
        for start in range(0, len(sales), _IDS_PER_LIST):
            batch = sales[start : start + _IDS_PER_LIST]
            for row in await self._suiteql(BACKORDERED.format(sales=_markers(batch)), batch):
                quantity = _number(row.get("backordered"))
                if quantity is not None and row.get("item"):
                    found.setdefault(row["sale"], []).append((row["item"], quantity))
        return found

    async def _suiteql(self, query: str, values: Sequence[str]) -> list[dict[str, str]]:
        with asking("netsuite"):
            return await next(iter(self.sources.values())).netsuite.suiteql(query, values, lane="bulk")

    def _now(self) -> datetime:
        return next(iter(self.sources.values())).clock.now()


async def _goods(source: Sources) -> Goods:
    """All items of the account and the members of its kits."""
    members: dict[str, list[tuple[str, Decimal]]] = {}
    with asking("netsuite"):
        items = [row async for row in source.netsuite.suiteql_keyset(ITEMS, "id", lane="bulk")]
        for row in await source.netsuite.suiteql(MEMBERS, lane="bulk"):
            quantity = _number(row.get("quantity"))
            members.setdefault(row["kit"], []).append((row["item"], quantity or Decimal(1)))
    return Goods(source.mapping, ItemIndex(items), members)


async def _products(source: Sources) -> list[dict[str, Any]]:
    """Every product of a shop that is not deleted, raw; of one that is listed twice, the last."""
    found: dict[str, dict[str, Any]] = {}
    async for page in source.tiktok.products.search_products(source.access, lane="bulk"):
        for raw in page.rows:
            found[str(raw.get("id") or f"without an id, number {len(found)}")] = raw
    return [raw for raw in found.values() if not is_deleted(raw)]


def _locations(goods: Goods) -> Pool:
    mapping = goods.mapping
    found = {place for name in mapping.warehouses for place in mapping.stock_locations(name)}
    return tuple(sorted(found, key=int))


def _number(text: str | None) -> Decimal | None:
    """None for what is no number: unknown, and never zero."""
    try:
        return to_decimal(text)
    except ValueError:
        return None


def _markers(values: Collection[str]) -> str:
    return ", ".join("?" * len(values))
