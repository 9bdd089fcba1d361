"""What TikTok Shop believes can still be sold: stock per shop, SKU and warehouse (T 5.3).

A *slot* is one such place. Its *available* units can be ordered now; *committed* ones belong to orders
that are not shipped. Whoever orders takes units from available at once, unpaid orders too; shipping
takes them from committed; a cancellation gives them back or, by its reason, does not (*written off*).
Everybody else (people in Seller Center, calls of the API, TikTok in its own warehouses) only sets what
is available, and the difference is *given*. A bundle has no slots: it takes its components', and the
scarcest of them says how many there are.

Where stock is `endless` (`Mix.stock`) slots show what was set, or a large number, and orders take
nothing from them. Where it is `kept`, a buyer who wants more than is available is turned away: the
order is not placed, which is a lost sale.

Invariant: available + committed + shipped + written off = given, in every slot; and what an order holds
follows from its facts, whenever it is saved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from tiktok_ns_pipeline.sandbox import cancel_reasons
from tiktok_ns_pipeline.sandbox.cancellations import CancelStatus
from tiktok_ns_pipeline.sandbox.catalogue import (
    Listing,
    Shop,
    listing_by_id,
    listing_of,
    shop_of,
)
from tiktok_ns_pipeline.sandbox.facts import LineFacts, OrderFacts, Status
from tiktok_ns_pipeline.sandbox.refusals import refused

if TYPE_CHECKING:
    from tiktok_ns_pipeline.sandbox.order_store import Order
    from tiktok_ns_pipeline.sandbox.world import World

ENDLESS = 9_999
"""What a slot shows that nobody has set, where stock is endless."""

HIGHEST = 99_999
"""Most units that a slot can be set to (T 5.3)."""

STALE_BY_S = 30
"""How far a stale reading is behind at most."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS stock (
    shop TEXT NOT NULL,
    sku_id TEXT NOT NULL,
    warehouse_id TEXT NOT NULL,
    available INTEGER NOT NULL,
    committed INTEGER NOT NULL DEFAULT 0,
    shipped INTEGER NOT NULL DEFAULT 0,
    written_off INTEGER NOT NULL DEFAULT 0,
    given INTEGER NOT NULL,
    locked INTEGER NOT NULL DEFAULT 0,
    available_before INTEGER NOT NULL,
    committed_before INTEGER NOT NULL DEFAULT 0,
    changed_at INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (shop, sku_id, warehouse_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lost_sales (
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    shop TEXT NOT NULL,
    sku_id TEXT NOT NULL,
    wanted INTEGER NOT NULL,
    short INTEGER NOT NULL,
    PRIMARY KEY (number, sku_id)
) WITHOUT ROWID;
"""

_READ = """
SELECT available, committed, shipped, written_off, given, locked,
       CASE WHEN changed_at > ? THEN available_before ELSE available END,
       CASE WHEN changed_at > ? THEN committed_before ELSE committed END
FROM stock
WHERE shop = ? AND sku_id = ? AND warehouse_id = ?
"""
_OPEN = """
INSERT OR IGNORE INTO stock (shop, sku_id, warehouse_id, available, given, available_before)
VALUES (?, ?, ?, ?, ?, ?)
"""
# What a stale reading shows is renewed only when it is old enough to be stale no more.
_MOVE = """
UPDATE stock
SET available_before = CASE WHEN ? - changed_at >= ? THEN available ELSE available_before END,
    committed_before = CASE WHEN ? - changed_at >= ? THEN committed ELSE committed_before END,
    changed_at = CASE WHEN ? - changed_at >= ? THEN ? ELSE changed_at END,
    available = available + ?, committed = committed + ?, shipped = shipped + ?,
    written_off = written_off + ?, given = given + ?
WHERE shop = ? AND sku_id = ? AND warehouse_id = ?
"""


class Hold(StrEnum):
    """What became of the stock that one unit of an order took; the values are columns of a slot."""

    committed = "committed"
    shipped = "shipped"
    returned = "available"
    written_off = "written_off"


class Slot(NamedTuple):
    """One number that TikTok shows. `shop` is the shop's key."""

    shop: str
    sku_id: str
    warehouse_id: str


@dataclass(frozen=True, slots=True)
class Level:
    """What a slot holds, in TikTok units."""

    available: int
    committed: int
    shipped: int = 0
    written_off: int = 0
    given: int = 0
    """Sum of what anybody but orders added and took away."""
    locked: int = 0
    """Of the available ones, units that a campaign has reserved: no call can take them away."""


@dataclass(frozen=True, slots=True)
class LostSale:
    """A SKU in the basket of a buyer who was turned away."""

    number: int
    """Which buyer: buyers who were served and buyers who were not are counted together."""
    at: int
    """Unix seconds of the world's clock."""
    shop: str
    sku_id: str
    wanted: int
    short: int
    """Of the wanted units, those that were not there; 0 for what only shared the basket."""


class TurnedAway(ValueError):
    """There is not enough of what a buyer wants; the order is not placed."""


class TikTokStock:
    """The slots of a world. What changes them happens at once and by itself, or inside `world.changing`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._database = world.store.database
        self._database.executescript(_SCHEMA)
        self.is_kept = world.mix.stock == "kept"
        if self.is_kept:
            world.store.before_save = self._follow

    # What is known

    def available(self, shop: str, sku_id: str, warehouse_id: str) -> int:
        """Units that can be ordered now; of a bundle what its scarcest component allows."""
        return self.level(shop, sku_id, warehouse_id).available

    def committed(self, shop: str, sku_id: str, warehouse_id: str) -> int:
        """Units of open orders; a bundle's are its components'."""
        return self.level(shop, sku_id, warehouse_id).committed

    def level(self, shop: str, sku_id: str, warehouse_id: str, *, stale: bool = False) -> Level:
        """All that a slot holds, as of now or as a copy shows it that is some seconds behind."""
        parts = parts_of(listing_by_id(sku_id), sku_id)
        if set(parts) == {sku_id}:
            return self._level(Slot(shop_of(shop).key, sku_id, warehouse_id), stale=stale)
        levels = [
            (self._level(Slot(shop_of(shop).key, part, warehouse_id), stale=stale), count)
            for part, count in parts.items()
        ]
        return Level(min(max(level.available, 0) // count for level, count in levels), 0)

    def levels(self) -> Iterator[tuple[Slot, Level]]:
        """Every slot that was ever touched."""
        rows = self._database.execute("SELECT shop, sku_id, warehouse_id FROM stock ORDER BY 1, 2, 3")
        for row in rows.fetchall():
            yield Slot(*row), self._level(Slot(*row))

    @property
    def turned_away(self) -> Counter[tuple[str, str]]:
        """Lost sales: (shop, sku_id) -> units that buyers wanted who left without ordering."""
        rows = self._database.execute("SELECT shop, sku_id, sum(wanted) FROM lost_sales GROUP BY 1, 2")
        return Counter({(shop, sku_id): units for shop, sku_id, units in rows})

    def lost_sales(self) -> Iterator[LostSale]:
        """What every buyer wanted who was turned away, oldest first."""
        rows = self._database.execute(
            "SELECT number, at, shop, sku_id, wanted, short FROM lost_sales ORDER BY number, sku_id"
        )
        return (LostSale(*row) for row in rows.fetchall())

    def last_turned_away(self) -> int:
        """Number of the last buyer who was turned away; 0 when nobody was."""
        return self._database.execute("SELECT coalesce(max(number), 0) FROM lost_sales").fetchone()[0]

    # What people do

    def edit(self, shop: str, sku_id: str, warehouse_id: str, quantity: int) -> None:
        """A person in Seller Center sets what is available, by the same rules as a call.

        Raises ValueError (or a Refusal) for a bundle, a warehouse that is not the shop's own, a
        quantity out of range, and less than a campaign has reserved.
        """
        place = shop_of(shop)
        if warehouse_id not in place.warehouses:
            raise refused(12052037 if warehouse_id == place.fbt_warehouse else 12052533)
        with self._world.changing():
            self.check(place, sku_id, warehouse_id, quantity)
            self.set(place, sku_id, warehouse_id, quantity)

    def lock(self, shop: str, sku_id: str, warehouse_id: str, quantity: int) -> None:
        """A campaign reserves units, which can still be ordered, in place of those it had; 0 ends it.

        Raises ValueError when there are not so many.
        """
        slot = Slot(shop_of(shop).key, sku_id, warehouse_id)
        if not 0 <= quantity <= self._level(slot).available:
            raise ValueError(f"SKU {sku_id} has no {quantity} units in {warehouse_id} that can be reserved")
        with self._world.changing():
            self._move(slot)
            self._database.execute(
                "UPDATE stock SET locked = ? WHERE shop = ? AND sku_id = ? AND warehouse_id = ?",
                (quantity, *slot),
            )

    def receive_fbt(self, shop: str, sku_id: str, quantity: int) -> None:
        """TikTok's own warehouse of the shop takes units in, or loses some (negative).

        Raises ValueError when the shop has no such warehouse, or fewer units are there.
        """
        place = shop_of(shop)
        if place.fbt_warehouse is None:
            raise ValueError(f"shop {place.key} has nothing in TikTok's warehouses")
        slot = Slot(place.key, sku_id, place.fbt_warehouse)
        if self._level(slot).available + quantity < 0:
            raise ValueError(f"SKU {sku_id} has fewer than {-quantity} units in TikTok's warehouse")
        with self._world.changing():
            self._move(slot, available=quantity, given=quantity)

    # Rules of setting, for people and for calls

    def check(self, shop: Shop, sku_id: str, warehouse_id: str, quantity: int) -> None:
        """Raises Refusal unless a slot of the seller's may be set to that quantity (T 5.3)."""
        listing = listing_by_id(sku_id)
        if listing is not None and listing.components:
            raise refused(12052850)
        if not 0 <= quantity <= HIGHEST:
            raise refused(12052055)
        level = self._level(Slot(shop.key, sku_id, warehouse_id))
        if quantity < min(level.locked, level.available):
            raise refused(12052393)

    def set(self, shop: Shop, sku_id: str, warehouse_id: str, quantity: int) -> None:
        """Make a quantity available that was checked, inside a change of the world."""
        slot = Slot(shop.key, sku_id, warehouse_id)
        more = quantity - self._level(slot).available
        if more:
            self._move(slot, available=more, given=more)

    # What orders do, inside a change of the world

    def take(self, facts: OrderFacts, listings: Iterable[Listing], warehouses: Iterable[str]) -> bool:
        """Let an order that is about to be placed have its units from the first of these warehouses that
        has them all; the facts say which. Tells whether one has; if none has, nothing is taken."""
        wanted = demand_of(listings)
        for warehouse_id in warehouses:
            slots = {Slot(facts.shop, sku_id, warehouse_id): count for sku_id, count in wanted.items()}
            if all(self._level(slot).available >= count for slot, count in slots.items()):
                for slot, count in slots.items():
                    self._move(slot, available=-count, committed=count)
                facts.warehouse_id = warehouse_id
                for line in facts.lines:
                    line.hold = Hold.committed
                return True
        return False

    def turn_away(
        self, number: int, at: int, facts: OrderFacts, listings: Iterable[Listing], warehouse_id: str
    ) -> None:
        """Note down what a buyer wanted who is not served."""
        picked = Counter(listing.sku_id for listing in listings)
        for sku_id, wanted in picked.items():
            short = max(0, wanted - max(0, self.available(facts.shop, sku_id, warehouse_id)))
            self._database.execute(
                "INSERT INTO lost_sales VALUES (?, ?, ?, ?, ?, ?)",
                (number, at, facts.shop, sku_id, wanted, short),
            )

    def follow(self, facts: OrderFacts) -> None:
        """Let what the order's units hold be as its facts have it."""
        for line in facts.lines:
            if not line.hold:
                continue
            hold = self._hold_of(facts, line)
            if hold == line.hold:
                continue
            for sku_id, count in parts_of(listing_by_id(line.sku_id), line.sku_id).items():
                slot = Slot(facts.shop, sku_id, facts.warehouse_id)
                if line.hold == Hold.returned:
                    self._take_again(slot, count)
                self._move(slot, **{Hold(line.hold).value: -count, hold.value: count})
                if hold is Hold.written_off:
                    self._sell_out(facts, sku_id)
            line.hold = hold

    # Within

    def _follow(self, order: Order) -> None:
        self.follow(order.facts)

    def _hold_of(self, facts: OrderFacts, line: LineFacts) -> Hold:
        if line.shipped is not None:
            return Hold.shipped
        if not line.cancelled and facts.status is not Status.cancelled:
            return Hold.committed
        if line.hold in {Hold.returned, Hold.written_off}:
            return Hold(line.hold)
        made = [
            one
            for one in self._world.store.cancellations.of_order(facts.order_id)
            if line.id in one.line_ids and one.status in {CancelStatus.success, CancelStatus.complete}
        ]
        gone = made and cancel_reasons.says_out_of_stock(made[-1].reason)
        return Hold.written_off if gone else Hold.returned

    def _take_again(self, slot: Slot, count: int) -> None:
        """An order that was cancelled lives on: what is not there any more is found somewhere."""
        missing = count - self._level(slot).available
        if missing > 0:
            self._move(slot, available=missing, given=missing)

    def _sell_out(self, facts: OrderFacts, sku_id: str) -> None:
        """The seller said that nothing is left: the SKU's stock becomes 0 (T 5.3)."""
        if facts.by_tiktok_warehouse:
            return
        shop = shop_of(facts.shop)
        for warehouse_id in shop.warehouses:
            self.set(shop, sku_id, warehouse_id, 0)

    def _level(self, slot: Slot, *, stale: bool = False) -> Level:
        since = self._world.epoch() - STALE_BY_S
        row = self._database.execute(_READ, (since, since, *slot)).fetchone()
        if row is None:
            start = self._start_of(slot)
            return Level(start, 0, given=start)
        *now, available, committed = row
        return Level(available, committed, *now[2:]) if stale else Level(*now)

    def _start_of(self, slot: Slot) -> int:
        if not self.is_kept:
            return ENDLESS
        mix = self._world.mix
        own = slot.warehouse_id in shop_of(slot.shop).warehouses
        return mix.stock_at_start if own else mix.fbt_stock_at_start

    def _move(
        self,
        slot: Slot,
        *,
        available: int = 0,
        committed: int = 0,
        shipped: int = 0,
        written_off: int = 0,
        given: int = 0,
    ) -> None:
        at, start = self._world.epoch(), self._start_of(slot)
        self._database.execute(_OPEN, (*slot, start, start, start))
        ages = (at, STALE_BY_S) * 3
        self._database.execute(_MOVE, (*ages, at, available, committed, shipped, written_off, given, *slot))


def parts_of(listing: Listing | None, sku_id: str) -> Mapping[str, int]:
    """sku_id -> units that one unit of a SKU takes from TikTok's stock: its own, or its components'."""
    if listing is None or not listing.components:
        return {sku_id: 1}
    parts: Counter[str] = Counter()
    for seller_sku, count in listing.components:
        part = listing_of(seller_sku)
        assert part is not None, "a bundle is made of what the shop lists"
        parts[part.sku_id] += count
    return parts


def demand_of(listings: Iterable[Listing]) -> Counter[str]:
    """sku_id -> units that these listings, one for each unit, take from TikTok's stock together."""
    wanted: Counter[str] = Counter()
    for listing in listings:
        wanted.update(parts_of(listing, listing.sku_id))
    return wanted


def warehouses_of(shop: Shop) -> tuple[str, ...]:
    """Where TikTok keeps stock of every SKU of a shop: the seller's warehouses, then TikTok's own."""
    return (*shop.warehouses, *((shop.fbt_warehouse,) if shop.fbt_warehouse else ()))
