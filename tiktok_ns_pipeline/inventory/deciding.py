"""Decide: what the books say now becomes levels, for offers that share stock.

Planning and the last moment before a push decide by the same function over the same books, so that a
push is never of an older state than its decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from tiktok_ns_pipeline.flows.watermarks import LISTED_WITHIN
from tiktok_ns_pipeline.inventory.governing import (
    STREAM,
    Mode,
    Outlook,
    latency_of,
    most_likely_sold,
    outlook,
    rate_of,
    stream_of,
)
from tiktok_ns_pipeline.inventory.levels import Level, Supply, levels, writes
from tiktok_ns_pipeline.inventory.observing import FULL_CURSOR
from tiktok_ns_pipeline.inventory.offers import Offer, Offers, SkuKey
from tiktok_ns_pipeline.inventory.pools import Listing, Pool, Shelf
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.stock import (
    Account,
    Balance,
    MovementKind,
    Position,
    StockKey,
    netsuite_key,
    tiktok_key,
)
from tiktok_ns_pipeline.mapping import Mapping as SellerMapping
from tiktok_ns_pipeline.tiktok.slot import Slot

DIVIDED_CURSOR = "stock:divided"
"""The shelves that are divided, so that a new run does not begin to flutter."""
LATENCY_CURSOR = "stock:latency"
"""The newest measurements: how long until a sale is booked, and until a level is pushed."""

_LOOKED_BACK = timedelta(minutes=20)
_KEPT_MEASUREMENTS = 200
_SHORTEST_WRITE_S = 1.0
_ZERO = Decimal(0)

Taken = list[tuple[datetime, Decimal]]
Place = tuple[str, str]
_Key = TypeVar("_Key")


@dataclass(slots=True)
class Decision:
    """What some offers should show, and what has to be written for it."""

    offers: list[Offer]
    listings: list[Listing]
    levels: dict[Slot, Level]
    due: dict[Slot, int]
    """Numbers to be written."""
    supplies: dict[Shelf, Supply]
    outlooks: dict[Shelf, Outlook]
    unknown: dict[str, datetime]
    """Items that NetSuite does not return any more, and when it did so last."""
    position_id: int
    """The newest movement that was counted."""

    @property
    def restless(self) -> set[SkuKey]:
        """SKUs whose number time alone may change: they wait to be written, or stock of theirs is short."""
        slots = [*self.due, *(slot for slot, level in self.levels.items() if level.mode == "divided")]
        return {(slot.shop, slot.sku_id) for slot in slots}

    @property
    def shown(self) -> dict[Slot, int]:
        """What TikTok shows, as far as that is known."""
        return {one.slot: one.shown for one in self.listings if one.shown is not None}


@dataclass(slots=True)
class Demand:
    """What was sold and taken lately, for rates; rows of the books are read once."""

    of_slot: dict[Slot, Taken] = field(default_factory=dict[Slot, Taken])
    of_item: dict[Place, Taken] = field(default_factory=dict[Place, Taken])
    """NetSuite units by item and TikTok warehouse."""
    elsewhere: dict[Place, Taken] = field(default_factory=dict[Place, Taken])
    """NetSuite units that others took, by item and Location."""
    _read: dict[str, int] = field(default_factory=dict[str, int])

    def learn(self, tx: Transaction, now: datetime) -> None:
        """Add what is new, and forget what is long ago."""
        since = now - _LOOKED_BACK
        _forget(self.of_slot, since)
        _forget(self.of_item, since)
        _forget(self.elsewhere, since)
        for row in self._news(tx, "tiktok", "sale", since):
            slot = Slot(row.key.shop, row.key.sku, row.key.place)
            self.of_slot.setdefault(slot, []).append((_counts_from(row), -row.quantity))
        for row in self._news(tx, "uncommitted", "sale", since):
            place = (row.key.sku, row.key.place)
            self.of_item.setdefault(place, []).append((_counts_from(row), row.quantity))
        for row in self._news(tx, "netsuite", "snapshot", since):
            if row.quantity < 0:
                place = (row.key.sku, row.key.place)
                self.elsewhere.setdefault(place, []).append((row.at, -row.quantity))

    @property
    def items(self) -> set[str]:
        """Items that were sold or taken lately."""
        return {item_id for item_id, _ in (*self.of_item, *self.elsewhere)}

    def _news(
        self, tx: Transaction, account: Account, movement: MovementKind, since: datetime
    ) -> list[Position]:
        rows = tx.stock.since(account, movement, since, after=self._read.get(account, 0))
        self._read[account] = max((row.id for row in rows), default=self._read.get(account, 0))
        return rows


class Decider:
    """Levels from the books, with what must be remembered between decisions."""

    def __init__(self, mapping: SellerMapping, offers: Offers, poll_s: float) -> None:
        self._mapping = mapping
        self._offers = offers
        self._elsewhere_s = 2 * poll_s + 3
        self._modes: dict[Shelf, Mode] = {}
        self._demand = Demand()
        self._pools: dict[Pool, list[str]] = {}
        for warehouse_id in mapping.warehouses:
            if pool := mapping.stock_locations(warehouse_id):
                self._pools.setdefault(pool, []).append(warehouse_id)
        self._seen_after_s: list[float] = []
        self._pushed_after_s: list[float] = []
        self._write_s = _SHORTEST_WRITE_S

    def load(self, tx: Transaction) -> None:
        """What an earlier run remembered."""
        divided: list[tuple[str, list[str]]] = tx.cursors.get(DIVIDED_CURSOR) or []
        for item_id, pool in divided:
            self._modes[Shelf(item_id, tuple(pool))] = "divided"
        stored: dict[str, list[str]] = tx.cursors.get(LATENCY_CURSOR) or {}
        self._seen_after_s = [float(each) for each in stored.get("seen", [])]
        self._pushed_after_s = [float(each) for each in stored.get("pushed", [])]

    def keep(self, tx: Transaction) -> None:
        """Remember for the next run."""
        divided = sorted([shelf.item_id, list(shelf.pool)] for shelf in self.divided)
        if (tx.cursors.get(DIVIDED_CURSOR) or []) != divided:
            tx.cursors.set(DIVIDED_CURSOR, divided)
        measured = {
            "seen": [f"{each:.3f}" for each in self._seen_after_s],
            "pushed": [f"{each:.3f}" for each in self._pushed_after_s],
        }
        if tx.cursors.get(LATENCY_CURSOR) != measured:
            tx.cursors.set(LATENCY_CURSOR, measured)

    @property
    def divided(self) -> list[Shelf]:
        """Shelves of which less is left than is likely to be sold in flight."""
        return [shelf for shelf, mode in self._modes.items() if mode == "divided"]

    @property
    def latency_s(self) -> float:
        """Seconds from a sale to right numbers, as measured."""
        if not self._seen_after_s and not self._pushed_after_s:
            return latency_of([])
        return sum(latency_of(each) for each in (self._seen_after_s, self._pushed_after_s) if each)

    def measured(self, *, seen_after_s: Iterable[float] = (), pushed_after_s: Iterable[float] = ()) -> None:
        """How long sales took to be booked, and levels to be pushed."""
        self._seen_after_s = [*self._seen_after_s, *seen_after_s][-_KEPT_MEASUREMENTS:]
        self._pushed_after_s = [*self._pushed_after_s, *pushed_after_s][-_KEPT_MEASUREMENTS:]

    def measured_write(self, seconds: float) -> None:
        """How long it took from reading TikTok's numbers to their being overwritten."""
        self._write_s = max(_SHORTEST_WRITE_S, 0.8 * self._write_s + 0.2 * seconds)

    def learn_demand(self, tx: Transaction, now: datetime) -> None:
        """What was sold and taken lately, from the books."""
        self._demand.learn(tx, now)

    @property
    def lively(self) -> set[str]:
        """Items that were sold or taken lately."""
        return self._demand.items

    def decide(self, tx: Transaction, offers: Sequence[Offer], now: datetime) -> Decision:
        """What these offers should show; all that share stock with one of them belong to them."""
        slots = [slot for offer in offers for slot in offer.slots]
        tiktok = tx.stock.balances(map(tiktok_key, slots))
        shown = {
            slot: int(balance.quantity)
            for slot in slots
            if (balance := tiktok.get(tiktok_key(slot))) is not None and balance.read_at is not None
        }
        listings = self._offers.listings(offers, shown)
        shelves = {shelf for listing in listings for shelf in listing.shelves}
        items = {shelf.item_id for shelf in shelves}
        netsuite = tx.stock.of_account("netsuite", skus=items)
        uncommitted = tx.stock.of_account("uncommitted", skus=items)
        full = tx.cursors.get(FULL_CURSOR)
        unknown: dict[str, datetime] = {}
        supplies = self._supplies(
            shelves, netsuite, uncommitted, datetime.fromisoformat(full) if full else None, now, unknown
        )
        outlooks = {shelf: self._outlook(shelf, supply, now) for shelf, supply in supplies.items()}
        self._modes.update({shelf: one.mode for shelf, one in outlooks.items()})
        rates = {
            listing.slot: rate_of(taken, now)
            for listing in listings
            if (taken := self._demand.of_slot.get(listing.slot))
        }
        reserves = {slot: most_likely_sold(rate, self._write_s) for slot, rate in rates.items()}
        decided = levels(listings, supplies, outlooks, rates=rates, reserves=reserves)
        newest = max(
            (one.position_id for each in (tiktok, netsuite, uncommitted) for one in each.values()), default=0
        )
        return Decision(
            offers=list(offers),
            listings=listings,
            levels=decided,
            due=writes(listings, decided),
            supplies=supplies,
            outlooks=outlooks,
            unknown=unknown,
            position_id=newest,
        )

    def _supplies(
        self,
        shelves: Iterable[Shelf],
        netsuite: Mapping[StockKey, Balance],
        uncommitted: Mapping[StockKey, Balance],
        full: datetime | None,
        now: datetime,
        unknown: dict[str, datetime],
    ) -> dict[Shelf, Supply]:
        """What there is on shelves; those of which that is not known are left out."""
        sold: dict[tuple[str, str], Decimal] = {}
        for key, balance in uncommitted.items():
            sold[(key.sku, key.place)] = sold.get((key.sku, key.place), _ZERO) + balance.quantity
        found: dict[Shelf, Supply] = {}
        for shelf in shelves:
            available = self._available(shelf, netsuite, full, now, unknown)
            if available:
                waits = {
                    warehouse_id: units
                    for warehouse_id in self._pools.get(shelf.pool, ())
                    if (units := sold.get((shelf.item_id, warehouse_id)))
                }
                found[shelf] = Supply(available, waits)
        return found

    def _available(
        self,
        shelf: Shelf,
        netsuite: Mapping[StockKey, Balance],
        full: datetime | None,
        now: datetime,
        unknown: dict[str, datetime],
    ) -> dict[str, Decimal]:
        """NetSuite's numbers by Location; none where one of them is not known any more."""
        rules = self._mapping.stock.unknown
        found: dict[str, Decimal] = {}
        for location in shelf.pool:
            balance = netsuite.get(netsuite_key(shelf.item_id, location))
            if balance is None or balance.read_at is None:
                continue
            quantity = balance.quantity
            if full is not None and balance.read_at < full and quantity:
                unknown[shelf.item_id] = min(balance.read_at, unknown.get(shelf.item_id, balance.read_at))
                if now - balance.read_at > timedelta(minutes=rules.keep_minutes):
                    if rules.then == "hold":
                        return {}
                    quantity = _ZERO
            found[location] = quantity
        return found

    def _outlook(self, shelf: Shelf, supply: Supply, now: datetime) -> Outlook:
        sold = [
            one
            for warehouse_id in self._pools.get(shelf.pool, ())
            for one in self._demand.of_item.get((shelf.item_id, warehouse_id), ())
        ]
        taken = [
            one
            for location in shelf.pool
            for one in self._demand.elsewhere.get((shelf.item_id, location), ())
        ]
        return outlook(
            supply.free,
            sale_rate=rate_of(sold, now),
            latency_s=self.latency_s,
            elsewhere_rate=rate_of(stream_of(taken, is_rush=len(sold) >= STREAM), now),
            elsewhere_s=self._elsewhere_s,
            before=self._modes.get(shelf, "open"),
        )


def _forget(taken: dict[_Key, Taken], since: datetime) -> None:
    for key, each in list(taken.items()):
        kept = [one for one in each if one[0] >= since]
        if kept:
            taken[key] = kept
        else:
            del taken[key]


def _counts_from(sale: Position) -> datetime:
    """From when a sale counts to a rate: when it was seen, since those that follow it are as far behind.

    A backlog counts from when it was placed: an outage that ends is no rush.
    """
    return min(sale.at, sale.happened_at + LISTED_WITHIN) if sale.happened_at else sale.at


def terms_of(level: Level) -> dict[str, Any]:
    """Every term of a level, as it is kept and explained."""
    return {
        "level": level.quantity,
        "buffer": level.buffer,
        "cap": level.cap,
        "reserve": level.reserve,
        "mode": level.mode,
        "undivided": level.undivided,
        "siblings": [list(slot) for slot in level.siblings],
        "parts": [
            {
                "item_id": part.shelf.item_id,
                "locations": list(part.shelf.pool),
                "units_in_one": part.quantity,
                "available": dict(part.supply.available) if part.supply else None,
                "uncommitted": dict(part.supply.uncommitted) if part.supply else None,
                "free": part.supply.free if part.supply else None,
                "share_percent": part.share,
                "shared": part.shared,
                "enough_for": part.units,
                "need": part.need,
                "elsewhere": part.elsewhere,
            }
            for part in level.parts
        ],
    }
