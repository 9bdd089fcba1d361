"""Who else moves stock: the people of the stockroom, and the seller's other sales channels.

Beside and unknown to the pipeline, goods are bought and arrive, counts find more or less than the books
say, stock goes from one Location to another, and another channel sells from the same shelves: its
Sales Orders hold stock, some wait for approval first, some are called off, the others leave. Habits say
how often; every event is drawn from the seed and its number, so a run can be repeated.

Nothing happens by itself between two looks: `catch_up` does all that is due by now, and costs next to
nothing when that is nothing. All of it is done by documents, as NetSuite demands it.

Invariant: nobody here sends off what is not on the shelf.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.sandbox.books import BookError, Books, Record, Saved
from tiktok_ns_pipeline.sandbox.books.seed import COUNTING_ACCOUNT

Delay = tuple[float, float]
"""Least and most seconds."""
Amount = tuple[int, int]
"""Least and most pieces."""

_MINUTE, _HOUR, _DAY = 60.0, 3_600.0, 86_400.0
# What cannot leave yet is tried again after half an hour, then after twice as long each time.
_AGAIN_S, _MOST_ATTEMPTS = 1_800.0, 8


@dataclass(frozen=True, slots=True)
class StockroomHabits:
    """How much happens on a day, over all items and Locations, and how long things take at speed 1."""

    receipts: float = 6.0
    """Purchases, which arrive later."""
    counts: float = 8.0
    """Counts that find a difference."""
    transfers: float = 3.0
    orders: float = 80.0
    """Sales Orders of other channels."""

    received: Amount = (20, 120)
    difference: Amount = (-6, 4)
    transferred: Amount = (5, 40)
    ordered: Amount = (1, 3)

    cancelled: float = 0.06
    """Share of the other channels' orders that is called off."""
    pending: float = 0.03
    """Share that waits for approval at first and holds no stock until then."""
    kits: float = 0.05
    """Share that is for a kit."""

    until_received: Delay = (4 * _HOUR, 48 * _HOUR)
    until_sent: Delay = (1 * _HOUR, 8 * _HOUR)
    until_arrived: Delay = (4 * _HOUR, 48 * _HOUR)
    until_approved: Delay = (5 * _MINUTE, 4 * _HOUR)
    until_cancelled: Delay = (5 * _MINUTE, 6 * _HOUR)
    until_shipped: Delay = (30 * _MINUTE, 12 * _HOUR)

    items: tuple[str, ...] = ()
    """Ids of the items concerned; none named are all stocked ones."""
    locations: tuple[str, ...] = ("6", "7", "9", "10")
    """Locations where the seller's own people work."""

    @classmethod
    def still(cls, **changed: Any) -> StockroomHabits:
        """Nothing ever happens, but for what is `changed`."""
        return replace(cls(receipts=0.0, counts=0.0, transfers=0.0, orders=0.0), **changed)


def count_stock(books: Books, item_id: str, location_id: str, found: Decimal | int) -> Saved | None:
    """Somebody counts: an inventory adjustment brings the books to the pieces that were `found`.

    None where the books said so already. Raises LookupError for an item or Location that they do not
    have, BookError if they refuse.
    """
    location = books.find("location", location_id)
    if location is None or books.find("item", item_id) is None:
        missing = f"location {location_id}" if location is None else f"item {item_id}"
        raise LookupError(f"the books have no {missing}")
    difference = Decimal(found) - books.stock(item_id, location_id).on_hand
    if not difference:
        return None
    line = {"item": {"id": item_id}, "location": {"id": location_id}, "adjustQtyBy": difference}
    body = {
        "subsidiary": {"id": location.get("subsidiary")[0]},
        "account": {"id": COUNTING_ACCOUNT},
        "adjLocation": {"id": location_id},
        "inventory": {"items": [line]},
    }
    return books.create("inventoryAdjustment", body)


class Stockroom:
    """The other movers of one account's stock. Safe to use from several threads.

    `clock` is the world's, `speed` makes all of it happen so much faster. An account that is opened
    again goes on with the documents that are under way.
    """

    def __init__(
        self,
        books: Books,
        clock: Clock,
        seed: int = 0,
        habits: StockroomHabits | None = None,
        *,
        speed: float = 1.0,
    ) -> None:
        self.orders: set[str] = set()
        """Ids of the other channels' Sales Orders."""
        self._books = books
        self._clock = clock
        self._seed = seed
        self._habits = habits or StockroomHabits()
        self._speed = speed
        self._lock = threading.RLock()
        self._agenda: list[tuple[float, int, Callable[[float], None]]] = []
        self._ticks = itertools.count()
        self._customers: dict[str, str] = {}
        self._items = list(self._habits.items) or self._ids("inventoryItem")
        self._kits = self._ids("kitItem")
        self._go_on()
        for what, happen in (
            ("receipts", self._buy),
            ("counts", self._count),
            ("transfers", self._transfer),
            ("orders", self._sell),
        ):
            self._plan_next(self._now(), what, 0, happen)

    def catch_up(self, now: datetime | None = None) -> int:
        """Do all that is due by now (or by an earlier instant); tells how many steps that were."""
        until = (now or self._clock.now()).timestamp()
        done = 0
        with self._lock:
            while self._agenda and self._agenda[0][0] <= until:
                due, _, step = heapq.heappop(self._agenda)
                step(due)
                done += 1
        return done

    def next_due(self) -> float | None:
        """When there is next something to do, as a Unix time of the clock; None if nothing is planned."""
        with self._lock:
            return self._agenda[0][0] if self._agenda else None

    def go_home(self) -> None:
        """Do nothing more: what is under way stays as it is."""
        with self._lock:
            self._agenda.clear()

    # Planning

    def _plan_next(
        self, after: float, what: str, number: int, happen: Callable[[Random, float], None]
    ) -> None:
        rate = getattr(self._habits, what) * self._speed / _DAY
        if rate > 0:
            chance = Random(f"stockroom {self._seed} {what} {number}")
            step = partial(self._occur, what, number, happen, chance)
            self._plan(after + chance.expovariate(rate), step)

    def _occur(
        self,
        what: str,
        number: int,
        happen: Callable[[Random, float], None],
        chance: Random,
        at: float,
    ) -> None:
        self._plan_next(at, what, number + 1, happen)
        happen(chance, at)

    def _plan(self, due: float, step: Callable[[float], None]) -> None:
        heapq.heappush(self._agenda, (due, next(self._ticks), step))

    def _after(self, at: float, chance: Random, delay: str) -> float:
        return at + chance.uniform(*getattr(self._habits, delay)) / self._speed

    def _try(
        self,
        act: Callable[[float], bool],
        at: float,
        give_up: Callable[[], object] | None = None,
        attempt: int = 0,
    ) -> None:
        """Do something that may not be possible yet (False, or the books refuse); in the end leave it."""
        with suppress(BookError):
            if act(at):
                return
        if attempt < _MOST_ATTEMPTS:
            wait = _AGAIN_S * 2**attempt / self._speed
            self._plan(at + wait, lambda due: self._try(act, due, give_up, attempt + 1))
        elif give_up is not None:
            with suppress(BookError):
                give_up()

    def _go_on(self) -> None:
        """Take up what an earlier life of the account has left under way."""
        chance = Random(f"stockroom {self._seed} going on")
        at = self._now()
        for order in self._open("purchaseOrder", {"B", "D"}):
            self._plan(self._after(at, chance, "until_received"), partial(self._receive, order.id))
        for order in self._open("transferOrder", {"B", "D"}):
            self._plan(self._after(at, chance, "until_sent"), partial(self._send, order.id, chance))
        for order in self._open("transferOrder", {"E", "F"}):
            self._plan(self._after(at, chance, "until_arrived"), partial(self._receive, order.id))
        customers = {self._known_customer(self._subsidiary(one)) for one in self._habits.locations}
        for order in self._books.listed(self._books.kind("salesOrder"), None):
            if order.get("entity") in customers:
                self.orders.add(order.id)
        for order in self._open("salesOrder", {"A", "B", "D", "E"}):
            if order.id in self.orders:
                self._plan(self._after(at, chance, "until_shipped"), partial(self._ship, order.id))

    # What happens by itself

    def _buy(self, chance: Random, at: float) -> None:
        item, location = chance.choice(self._items), chance.choice(self._habits.locations)
        quantity = chance.randint(*self._habits.received)
        body = {
            "subsidiary": {"id": self._subsidiary(location)},
            "location": {"id": location},
            "item": {"items": [{"item": {"id": item}, "quantity": quantity}]},
        }
        order = self._books.create("purchaseOrder", body).id
        self._plan(self._after(at, chance, "until_received"), partial(self._receive, order))

    def _count(self, chance: Random, at: float) -> None:
        item, location = chance.choice(self._items), chance.choice(self._habits.locations)
        on_hand = self._books.stock(item, location).on_hand
        found = max(on_hand + chance.randint(*self._habits.difference), Decimal(0))

        def act(_: float) -> bool:
            count_stock(self._books, item, location, found)
            return True

        self._try(act, at)

    def _transfer(self, chance: Random, at: float) -> None:
        source, item = chance.choice(self._habits.locations), chance.choice(self._items)
        subsidiary = self._subsidiary(source)
        others = [
            one for one in self._habits.locations if one != source and self._subsidiary(one) == subsidiary
        ]
        wanted = chance.randint(*self._habits.transferred)
        quantity = min(Decimal(wanted), self._books.stock(item, source).available)
        if not others or quantity < 1:
            return
        body = {
            "subsidiary": {"id": subsidiary},
            "location": {"id": source},
            "transferLocation": {"id": chance.choice(others)},
            "item": {"items": [{"item": {"id": item}, "quantity": quantity}]},
        }
        order = self._books.create("transferOrder", body).id
        self._plan(self._after(at, chance, "until_sent"), partial(self._send, order, chance))

    def _sell(self, chance: Random, at: float) -> None:
        location = chance.choice(self._habits.locations)
        is_kit = bool(self._kits) and chance.random() < self._habits.kits
        line = {
            "item": {"id": chance.choice(self._kits if is_kit else self._items)},
            "quantity": chance.randint(*self._habits.ordered),
            "price": {"id": "-1"},
            "rate": 10,
            "location": {"id": location},
        }
        is_pending = chance.random() < self._habits.pending
        body = {
            "entity": {"id": self._customer(self._subsidiary(location))},
            "orderStatus": {"id": "A" if is_pending else "B"},
            "item": {"items": [line]},
        }
        order = self._books.create("salesOrder", body).id
        self.orders.add(order)
        begins = at
        if is_pending:
            begins = self._after(at, chance, "until_approved")
            self._plan(begins, partial(self._approve, order))
        if chance.random() < self._habits.cancelled:
            self._plan(self._after(begins, chance, "until_cancelled"), partial(self._cancel, order))
        else:
            self._plan(self._after(begins, chance, "until_shipped"), partial(self._ship, order))

    # What follows

    def _receive(self, order: str, at: float) -> None:
        def act(_: float) -> bool:
            record = self._books.find("transaction", order)
            if record is not None:
                self._books.transform(record.type.name, order, "itemReceipt", {})
            return True

        self._try(act, at)

    def _send(self, order: str, chance: Random, at: float) -> None:
        takes = self._after(0.0, chance, "until_arrived")

        def act(now: float) -> bool:
            record = self._books.record("transferOrder", order)
            source = record.get("location")
            lines = [(one["item"], one["quantity"] - one["quantityFulfilled"]) for one in record.lines()]
            if any(self._books.stock(item, source).on_hand < quantity for item, quantity in lines):
                return False
            self._books.transform("transferOrder", order, "itemFulfillment", {})
            self._plan(now + takes, partial(self._receive, order))
            return True

        self._try(act, at, lambda: self._books.delete("transferOrder", order))

    def _approve(self, order: str, at: float) -> None:
        def act(_: float) -> bool:
            self._books.patch("salesOrder", order, {"orderStatus": {"id": "B"}})
            return True

        self._try(act, at)

    def _cancel(self, order: str, at: float) -> None:
        self._try(lambda _: self._close(order), at)

    def _ship(self, order: str, at: float) -> None:
        def act(_: float) -> bool:
            record = self._books.record("salesOrder", order)
            lines = self._books.live_lines(record, "item")
            if record.get("status") == "A" or any(one["quantityBackOrdered"] for one in lines):
                return False
            self._books.transform("salesOrder", order, "itemFulfillment", {"shipStatus": {"id": "C"}})
            return True

        self._try(act, at, lambda: self._close(order))

    def _close(self, order: str) -> bool:
        """Call an order off: every line is closed."""
        record = self._books.record("salesOrder", order)
        lines = [{"line": one["line"], "isClosed": True} for one in record.lines()]
        self._books.patch("salesOrder", order, {"item": {"items": lines}})
        return True

    # Looking up

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _ids(self, type_name: str) -> list[str]:
        found = self._books.listed(self._books.kind(type_name), None)
        return sorted((one.id for one in found), key=int)

    def _open(self, type_name: str, states: set[str]) -> list[Record]:
        found = self._books.listed(self._books.kind(type_name), None)
        return sorted((one for one in found if one.get("status") in states), key=lambda one: int(one.id))

    def _subsidiary(self, location: str) -> str:
        record = self._books.find("location", location)
        if record is None:
            raise LookupError(f"the books have no location {location}")
        return record.get("subsidiary")[0]

    def _customer(self, subsidiary: str) -> str:
        """Whom the other channel's sales of a subsidiary are booked on."""
        if subsidiary not in self._customers:
            body = {
                "companyName": f"Other channel {subsidiary}",
                "subsidiary": {"id": subsidiary},
                "externalId": f"other-channel-{subsidiary}",
            }
            known = self._known_customer(subsidiary)
            self._customers[subsidiary] = known or self._books.create("customer", body).id
        return self._customers[subsidiary]

    def _known_customer(self, subsidiary: str) -> str | None:
        try:
            return self._books.record("customer", f"eid:other-channel-{subsidiary}").id
        except BookError:
            return None
