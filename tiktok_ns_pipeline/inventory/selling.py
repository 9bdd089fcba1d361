"""Observe: what TikTok sold, as the orders and closures flows landed it.

Nobody is asked: `raw_tiktok_orders` says what an order holds, `staged_sales_orders` whether the
mapping skips it, the ledger whether NetSuite has its Sales Order. An order is decided anew whenever a
version of it lands; what ends otherwise (a person resolved it) is found by reconsidering.

Invariant: once NetSuite has the Sales Order, only a reading that shows it takes units over; a later
version of the order never holds more again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.goods.items import ItemIndex
from tiktok_ns_pipeline.inventory.demand import Demand, demand_of
from tiktok_ns_pipeline.inventory.observing import CHANNEL
from tiktok_ns_pipeline.inventory.pools import Kits
from tiktok_ns_pipeline.lake import Following
from tiktok_ns_pipeline.lake.tables import RAW_TIKTOK_ORDERS, STAGED_SALES_ORDERS
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.facts import SALES_ORDER
from tiktok_ns_pipeline.ledger.intents import FactKey
from tiktok_ns_pipeline.ledger.links import Link
from tiktok_ns_pipeline.ledger.stock import Held, Movement, OrderHold
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.runtime import Runtime

_LANDS_OUT_OF_TURN = timedelta(minutes=10)
"""A file of another process may become visible so long after a younger one."""
_SURELY_SHOWN = timedelta(minutes=30)
"""A Sales Order that was made so long ago is in every reading (N 3.5)."""
_RESOLVED = ("resolved",)


def cursor_name(shop: str) -> str:
    """The cursor that says how far the landed orders of a shop were followed."""
    return f"stock:{shop}:orders"


def looked_cursor(shop: str) -> str:
    """The cursor that says when a run looked for landed orders last."""
    return f"stock:{shop}:orders-looked"


@dataclass(slots=True)
class Sold:
    """What a look at the landed orders changed."""

    orders: int = 0
    movements: list[Movement] = field(default_factory=list[Movement])
    seen_after_s: list[float] = field(default_factory=list[float])
    """How long after they were placed new orders were booked."""


class OrdersFollowed:
    """The orders of one shop, followed through a run."""

    def __init__(self, runtime: Runtime, shop: Shop) -> None:
        self._runtime = runtime
        self._shop = shop
        now = runtime.clock.now()
        with runtime.ledger.read() as tx:
            stored = tx.cursors.get(cursor_name(shop.code))
        first = now - timedelta(days=runtime.settings.first_look_days)
        self._since = datetime.fromisoformat(stored) - _LANDS_OUT_OF_TURN if stored else first
        self._begun = now
        self._orders = self._following(RAW_TIKTOK_ORDERS, ("payload",))
        self._staged = self._following(STAGED_SALES_ORDERS, ("outcome", "reason"))
        self._done: dict[str, tuple[datetime, datetime | None]] = {}
        self._looked_at: datetime | None = None

    def look(self, items: ItemIndex, kits: Kits) -> Sold:
        """Book what the orders hold that landed since the last look."""
        self._looked_at = self._runtime.clock.now()
        staged = {row["order_id"]: row for row in self._staged.landed_after(self._since)}
        landed = {row["order_id"]: row for row in self._orders.landed_after(self._since)}
        missing = [order_id for order_id in staged if order_id not in landed and order_id not in self._done]
        landed |= {row["order_id"]: row for row in self._orders.of(missing)}
        news = {
            order_id: row
            for order_id, row in landed.items()
            if self._done.get(order_id) != _version(row, staged.get(order_id))
        }
        if not news:
            return Sold()
        sold = self._book(list(news.values()), items, kits)
        self._done |= {order_id: _version(row, staged.get(order_id)) for order_id, row in news.items()}
        return sold

    def are_booked(self, order_ids: Collection[str]) -> bool:
        """Whether all of these orders have landed and are in the books."""
        landed = {row["order_id"]: row["landed_at"] for row in self._orders.of(order_ids)}
        return all(
            order_id in landed and (order_id in self._done or landed[order_id] <= self._since)
            for order_id in order_ids
        )

    def keep(self, tx: Transaction) -> None:
        """Note how far this run looked, for whoever asks whether there is work."""
        if self._looked_at is not None:
            tx.cursors.advance(looked_cursor(self._shop.code), self._looked_at.isoformat())

    def reconsider(self, items: ItemIndex, kits: Kits) -> Sold:
        """Decide anew about all orders that count still."""
        with self._runtime.ledger.read() as tx:
            ids = [order_id for _, order_id in tx.stock.uncommitted_orders(self._shop.code)]
        rows = self._orders.of(ids)
        return self._book(rows, items, kits) if rows else Sold()

    def _book(self, rows: Sequence[Mapping[str, Any]], items: ItemIndex, kits: Kits) -> Sold:
        ids = [row["order_id"] for row in rows]
        staged = {row["order_id"]: row for row in self._staged.of(ids)}
        now = self._runtime.clock.now()
        sold = Sold(len(rows))
        with self._runtime.ledger.begin() as tx:
            facts = {FactKey(CHANNEL, self._shop.code, SALES_ORDER, each): each for each in ids}
            links = {facts[fact]: link for fact, link in tx.links.find_many(facts).items()}
            held = tx.stock.held((self._shop.code, each) for each in ids)
            holds: list[OrderHold] = []
            for row in rows:
                order_id = row["order_id"]
                has = held.get((self._shop.code, order_id))
                settled = self._settled(tx, order_id, staged.get(order_id))
                demand = demand_of(
                    exact_json.loads(row["payload"]),
                    self._shop,
                    self._runtime.mapping,
                    items,
                    kits,
                    settled=settled,
                )
                if not demand.is_readable or demand.placed_at is None or (has is None and not demand.sold):
                    continue
                if has is None and demand.placed_at >= self._begun:
                    sold.seen_after_s.append(max(0.0, (now - demand.placed_at).total_seconds()))
                holds.append(_hold(demand, has, links.get(order_id), now, self._shop))
            sold.movements = tx.stock.hold(holds)
            newest = max(row["landed_at"] for row in rows)
            tx.cursors.advance(cursor_name(self._shop.code), newest.isoformat())
        self._runtime.probe("sold")
        return sold

    def _settled(self, tx: Transaction, order_id: str, staged: Mapping[str, Any] | None) -> str | None:
        """Why no Sales Order will come of an order; None where one may."""
        if staged is None:
            return None
        if staged["outcome"] == "skipped":
            return staged["reason"] or "the mapping skips it"
        if staged["outcome"] != "parked":
            return None
        subject = f"order {order_id}"
        if tx.exceptions.unresolved_among(CHANNEL, self._shop.code, [subject]):
            return None
        resolved = tx.exceptions.list(states=_RESOLVED, shop=self._shop.code, subject=subject, limit=1)
        return "a person resolved what kept it from being posted" if resolved else None

    def _following(self, table: Any, columns: Sequence[str]) -> Following:
        return Following(
            self._runtime.lake,
            table,
            shop=self._shop.code,
            by="order_id",
            columns=columns,
            since=self._since,
        )


def _version(row: Mapping[str, Any], staged: Mapping[str, Any] | None) -> tuple[datetime, datetime | None]:
    return row["landed_at"], staged["landed_at"] if staged else None


def _hold(demand: Demand, has: Held | None, link: Link | None, now: datetime, shop: Shop) -> OrderHold:
    assert demand.placed_at is not None
    uncommitted: dict[tuple[str, str], Decimal] = dict(demand.uncommitted)
    if link is not None and has is not None:
        uncommitted = {
            key: min(units, has.uncommitted[key])
            for key, units in uncommitted.items()
            if key in has.uncommitted
        }
    elif link is not None and _is_surely_shown(link, now, shop):
        uncommitted = {}
    return OrderHold(
        shop=demand.shop,
        order_id=demand.order_id,
        placed_at=demand.placed_at,
        uncommitted=uncommitted,
        sold=demand.sold,
        changed_at=demand.changed_at,
    )


def _is_surely_shown(link: Link, now: datetime, shop: Shop) -> bool:
    """Whether NetSuite's number counts an old Sales Order; one that awaits approval holds nothing."""
    is_old = link.written_at is not None and now - link.written_at >= _SURELY_SHOWN
    return is_old and shop.order_status != "A"
