"""The simulated world of the seller: buyers order, pay, change their minds, and parcels go out.

The world has its own clock, which may run ahead of its base clock (`advance`), and a queue of what is
due to happen. Nothing happens by itself between two looks: `catch_up` performs everything due by now,
in the order of its time; the TikTok server calls it before it answers, `run` does so in a live server.
Everything is kept in one SQLite database, so that a second start continues where the first ended.

`speed` shortens what happens to an order (the hour of hold, payment, shipping), not the clock.

Vocabulary: a *list* is what the order search shows; the *truth* is what NetSuite must end up with.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from tiktok_ns_pipeline.clock import Clock, SystemClock, to_epoch
from tiktok_ns_pipeline.sandbox import shoppers, wire
from tiktok_ns_pipeline.sandbox.catalogue import Listing, Shop, listing_of, shop_of
from tiktok_ns_pipeline.sandbox.facts import (
    ZERO,
    LineFacts,
    OrderFacts,
    OrderTruth,
    ShippingFacts,
    Status,
    truth_of,
)
from tiktok_ns_pipeline.sandbox.faults import FaultKind, FaultPlan
from tiktok_ns_pipeline.sandbox.order_store import Event, Order, OrderStore
from tiktok_ns_pipeline.sandbox.shoppers import Draft, Mix
from tiktok_ns_pipeline.sandbox.wire import Document, Habits
from tiktok_ns_pipeline.sandbox.world_events import Listener, WorldEvent, address_event, order_status_event

if TYPE_CHECKING:
    from tiktok_ns_pipeline.sandbox.books import Books

# A fresh order may be missing from lists for so long (T 3.1).
LATE_BY_AT_MOST_S = 30

# How long the live world sleeps at most before it looks again.
_LOOK_AGAIN_S = 5.0
_EVENTS_AT_ONCE = 500
_ROUNDS_PER_COMMIT = 200
_ARRIVAL = "arrive"


class ShiftedClock:
    """A clock that can be moved ahead of the one it is based on."""

    def __init__(self, base: Clock) -> None:
        self.base = base
        self.offset = timedelta()

    def now(self) -> datetime:
        """The world's instant, timezone-aware UTC."""
        return self.base.now() + self.offset

    def advance(self, seconds: float) -> None:
        """Move ahead; time never goes back."""
        if seconds < 0:
            raise ValueError("the world's clock only moves ahead")
        self.offset += timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Line:
    """What a placed order buys: `quantity` units, each at these amounts in the shop's currency.

    `sku` is a `seller_sku`; one that the catalogue does not know is a stray. Without a price, the
    catalogue's is taken. `tax` is sales tax on top of the unit's price.
    """

    sku: str
    quantity: int = 1
    price: str | Decimal | None = None
    seller_discount: str | Decimal = "0"
    platform_discount: str | Decimal = "0"
    tax: str | Decimal = "0"
    gift: bool = False


class OrderOptions(TypedDict, total=False):
    """What else can be said of a placed order; see `World.place_order`."""

    status: Status | str
    shipping: ShippingFacts
    by_seller: bool
    by_tiktok_warehouse: bool
    fees: Mapping[str, Decimal]
    flags: Document
    address: Document
    warehouse_id: str
    placed_at: datetime
    habits: Habits
    plan: dict[str, list[tuple[float, str]]]
    order_id: str


class World:
    """Orders and their lives, from a seed and a clock.

    `directory` None keeps everything in memory. `orders_per_minute` counts minutes of the clock.
    `books` are the seller's in NetSuite, where a person may want to change something.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        seed: int = 0,
        clock: Clock | None = None,
        speed: float = 1.0,
        books: Books | None = None,
        orders_per_minute: float = 0.0,
        faults: FaultPlan | None = None,
        mix: Mix | None = None,
    ) -> None:
        self.seed = seed
        self.clock = clock if isinstance(clock, ShiftedClock) else ShiftedClock(clock or SystemClock())
        self.speed = speed
        self.books = books
        self.faults = faults or FaultPlan(seed)
        self.mix = mix or Mix()
        self.store = OrderStore(directory)
        self.listeners: list[Listener] = []
        """Who is told of changes, see `world_events`."""
        self._untold: list[WorldEvent] = []
        self.store.after_commit = self._tell_all
        self.store.after_rollback = self._untold.clear
        self._rate = 0.0
        self._lock = threading.RLock()
        self.clock.offset = timedelta(seconds=float(self.store.note("offset_s") or 0))
        self._number = self.store.last_number()
        # What was to arrive while the world was closed never does: the shop was closed too.
        self.store.forget_events(_ARRIVAL)
        self._next_due = self.store.next_due()
        self.set_rate(orders_per_minute)

    # Time

    def now(self) -> datetime:
        """The world's instant."""
        return self.clock.now()

    def advance(self, seconds: float) -> None:
        """Move the world's clock ahead of its base clock, and let happen what is due by then."""
        with self._lock:
            self.clock.advance(seconds)
            self.store.remember("offset_s", str(self.clock.offset.total_seconds()))
        self.catch_up()

    def set_rate(self, orders_per_minute: float) -> None:
        """Let buyers order at that average rate from now on; 0 lets nobody order."""
        with self._lock, self.store.transaction():
            self._rate = orders_per_minute
            self.store.forget_events(_ARRIVAL)
            if orders_per_minute > 0:
                self._schedule_arrival(self._epoch())
            self._next_due = self.store.next_due()

    def catch_up(self, now: datetime | None = None) -> int:
        """Let everything happen that is due by now (or by an earlier instant); tells how much did."""
        until = (now or self.now()).timestamp()
        if self._next_due is None or self._next_due > until:
            return 0
        happened = 0
        with self._lock:
            while self._next_due is not None and self._next_due <= until:
                with self.store.transaction():
                    for _ in range(_ROUNDS_PER_COMMIT):
                        happened += sum(
                            self._happen(event) for event in self.store.take_due(until, _EVENTS_AT_ONCE)
                        )
                        self._next_due = self.store.next_due()
                        if self._next_due is None or self._next_due > until:
                            break
        return happened

    async def run(self) -> None:
        """Live: look again and again until cancelled."""
        while True:
            self.catch_up()
            due = self._next_due
            wait = _LOOK_AGAIN_S if due is None else due - self._epoch()
            await asyncio.sleep(min(max(wait, 0.02), _LOOK_AGAIN_S))

    def close(self) -> None:
        """Stop keeping; what was kept stays."""
        self.store.close()

    # What people do

    def place_order(self, shop: str, lines: Sequence[Line | str], **options: Unpack[OrderOptions]) -> str:
        """Place one order exactly as told, and give its id.

        Without options it is paid, released, shipped by the seller for free, written without odd
        habits, and nothing happens to it by itself; `plan` says what shall (see `shoppers`).
        """
        place = shop_of(shop)
        units, listings = _units(lines, place)
        with self._lock:
            number = self._number + 1
            at = to_epoch(options.get("placed_at", self.now()))
            facts = OrderFacts(
                shop=place.key,
                order_id=options.get("order_id") or shoppers.order_id_of(number),
                currency=place.currency,
                placed_at=at,
                lines=units,
                shipping=options.get("shipping", ShippingFacts()),
                by_seller=options.get("by_seller", not options.get("by_tiktok_warehouse", False)),
                by_tiktok_warehouse=options.get("by_tiktok_warehouse", False),
                fees=dict(options.get("fees", {})),
                status=Status(options.get("status", Status.awaiting_shipment)),
                plan=options.get("plan", {}),
            )
            for index, unit in enumerate(units):
                unit.id = shoppers.line_id_of(number, index)
            chance = random.Random(f"placed {self.seed} {number}")
            facts.address = options.get("address") or shoppers.any_address(place.region, chance)[1]
            warehouse = place.fbt_warehouse if facts.by_tiktok_warehouse else None
            draft = Draft(
                facts,
                listings,
                options.get("habits", Habits()),
                options.get("flags", {}),
                shoppers.buyer_of(number, chance),
                options.get("warehouse_id") or warehouse or place.warehouses[0],
            )
            self._add(draft, at)
            return facts.order_id

    def draw_orders(self, count: int) -> list[str]:
        """Let `count` buyers order now, as the mix has it; gives the order ids."""
        with self._lock, self.store.transaction():
            return [self._arrive(self._epoch()) for _ in range(count)]

    def pay(self, order_id: str) -> None:
        """The buyer pays: the order goes on hold for its hour."""
        self._change(order_id, lambda order, at: self._enter(order, Status.on_hold, at), {Status.unpaid})

    def release(self, order_id: str) -> None:
        """The hold ends: the order may be fulfilled."""
        self._change(order_id, lambda order, at: self._enter(order, Status.awaiting_shipment, at), _UNSHIPPED)

    def cancel_order(self, order_id: str, reason: str = "No longer needed", by: str = "BUYER") -> None:
        """Cancel the whole order, at any time before delivery."""

        def cancel(order: Order, at: int) -> None:
            order.document["cancel_reason"], order.document["cancellation_initiator"] = reason, by
            self._enter(order, Status.cancelled, at)

        self._change(order_id, cancel, _UNDELIVERED)

    def cancel_line(self, order_id: str, line_id: str | None = None) -> str:
        """Cancel one unit (the last active one if none is named); gives its line id.

        Raises ValueError when it is the only one left: then the order is to be cancelled.
        """
        cancelled: list[str] = []

        def cancel(order: Order, at: int) -> None:
            cancelled.append(self._drop_line(order, at, line_id))

        self._change(order_id, cancel, _UNSHIPPED)
        return cancelled[0]

    def change_address(self, order_id: str, address: Document | None = None) -> Document:
        """The buyer moves the parcel to another address (an invented one if none is given)."""
        moved: list[Document] = []

        def move(order: Order, at: int) -> None:
            self._move(order, at, address)
            moved.append(order.facts.address)

        self._change(order_id, move, _UNSHIPPED)
        return moved[0]

    def move_to(self, order_id: str, status: Status) -> None:
        """Put an order into a state, whichever it is in."""
        self._change(order_id, lambda order, at: self._enter(order, status, at), set(Status))

    def hide_order(self, order_id: str, hidden: bool = True) -> None:
        """Keep an order out of every list; by its id it still answers."""

        def hide(order: Order, at: int) -> None:
            order.facts.hidden = hidden

        self._change(order_id, hide, set(Status))

    def mutate(
        self, order_id: str, change: Callable[[Document], Document | None], *, spoiled: bool = True
    ) -> None:
        """Change what TikTok displays of an order, but not what happened: for malformed corpora.

        `change` alters the document in place or returns another one. `spoiled` says that nobody can
        be expected to post it any more. `update_time` moves unless the change itself sets it.
        """

        def spoil(order: Order, at: int) -> None:
            before = order.document.get("update_time")
            order.document = change(order.document) or order.document
            order.facts.spoiled = spoiled
            if order.document.get("update_time") == before:
                order.document["update_time"] = at

        self._change(order_id, spoil, set(Status))

    # What is known

    def order(self, order_id: str) -> Document:
        """The document as TikTok serves it; raises KeyError when there is no such order."""
        return self._found(order_id).document

    def facts(self, order_id: str) -> OrderFacts:
        """What the world knows of an order."""
        return self._found(order_id).facts

    def truth(self) -> Iterator[OrderTruth]:
        """What NetSuite must show for every order, oldest first."""
        return map(truth_of, self.store.all_facts())

    def truth_of(self, order_id: str) -> OrderTruth:
        """What NetSuite must show for one order."""
        return truth_of(self._found(order_id).facts)

    def stats(self) -> dict[str, dict[str, int]]:
        """Number of orders by shop and status."""
        with self._lock:
            return self.store.counts()

    # Within

    def _tell(self, event: WorldEvent) -> None:
        if self.listeners:
            self._untold.append(event)

    def _tell_all(self) -> None:
        while self._untold:
            event = self._untold.pop(0)
            for listener in self.listeners:
                listener(event)

    def _tell_status(self, facts: OrderFacts, document: Document, at: int) -> None:
        if self.listeners:
            held = document.get("is_on_hold_order") is True
            self._tell(order_status_event(facts.shop, facts.order_id, facts.status.value, held, at))

    def _epoch(self) -> float:
        return self.now().timestamp()

    def _found(self, order_id: str) -> Order:
        with self._lock:
            order = self.store.order(order_id)
        if order is None:
            raise KeyError(f"the world has no order {order_id}")
        return order

    def _change(self, order_id: str, change: Callable[[Order, int], None], allowed: set[Status]) -> None:
        with self._lock, self.store.transaction():
            order = self._found(order_id)
            if order.facts.status not in allowed:
                raise ValueError(f"order {order_id} is {order.facts.status}: too late or too early for that")
            change(order, int(self._epoch()))
            self.store.save(order)
            self._next_due = self.store.next_due()

    def _add(self, draft: Draft, at: int) -> None:
        facts = draft.facts
        self._number += 1
        document = wire.order_document(
            facts,
            draft.listings,
            habits=draft.habits,
            flags=draft.flags,
            buyer=draft.buyer,
            warehouse_id=draft.warehouse_id,
        )
        if facts.status is not Status.unpaid and not document["is_cod"]:
            document["paid_time"] = at
        if facts.status not in {Status.unpaid, Status.on_hold}:
            facts.released_at = at
        facts.header_follows = draft.habits.header_follows
        late = self.faults.strikes(FaultKind.late_visibility, "tiktok", facts.order_id)
        with self.store.transaction():
            self.store.add(Order(self._number, document, facts), at + (LATE_BY_AT_MOST_S if late else 0))
            self._schedule(self._number, facts, at)
            self._tell_status(facts, document, at)
            self._next_due = self.store.next_due()

    def _arrive(self, at: float) -> str:
        draft = shoppers.draw(self.seed, self._number + 1, int(at), self.mix)
        self._add(draft, int(at))
        return draft.facts.order_id

    def _schedule_arrival(self, after: float) -> None:
        gap = random.Random(f"gap {self.seed} {self._number}").expovariate(self._rate / 60)
        self.store.schedule(Event(after + gap, 0, "", _ARRIVAL))

    def _schedule(self, number: int, facts: OrderFacts, at: float) -> None:
        status = facts.status
        if not self.mix.ships_by_itself and status not in _BEFORE_SHIPPING:
            return
        for delay, what in facts.plan.get(status, ()):
            if self.mix.ships_by_itself or what != "arrange":
                self.store.schedule(Event(at + delay / self.speed, number, status, what))

    def _happen(self, event: Event) -> int:
        if event.what == _ARRIVAL:
            self._arrive(event.due)
            self._schedule_arrival(event.due)
            return 1
        order = self.store.order_number(event.number)
        if order.facts.status != event.during or order.facts.spoiled:
            return 0
        self._perform(order, event.what, int(event.due))
        self.store.save(order, only_state=event.what in _ENTERS)
        return 1

    def _perform(self, order: Order, what: str, at: int) -> None:
        status = _ENTERS.get(what)
        if status is not None:
            order.document |= _CANCELLATIONS.get(what, {})
            self._enter(order, status, at)
        elif what == "move":
            self._move(order, at, None)
        elif len(order.facts.active_lines) > 1:
            self._drop_line(order, at, None)

    def _enter(self, order: Order, status: Status, at: int) -> None:
        facts = order.facts
        if facts.status is Status.unpaid and status is not Status.cancelled:
            order.document["paid_time"] = at
        facts.status = status
        if status not in {Status.unpaid, Status.on_hold, Status.cancelled} and facts.released_at is None:
            facts.released_at = at
        wire.show_status(order.document, facts, at)
        self._tell_status(facts, order.document, at)
        self._schedule(order.number, facts, at)

    def _move(self, order: Order, at: int, address: Document | None) -> None:
        facts = order.facts
        chance = random.Random(f"move {self.seed} {order.number} {at}")
        facts.address = address or shoppers.any_address(shop_of(facts.shop).region, chance)[1]
        order.document["has_updated_recipient_address"] = True
        order.document["update_time"] = max(at, order.document["update_time"])
        wire.show_address(order.document, facts)
        self._tell(address_event(facts.shop, facts.order_id, at))

    def _drop_line(self, order: Order, at: int, line_id: str | None) -> str:
        facts = order.facts
        active = facts.active_lines
        dropped = next((line for line in reversed(active) if line_id in {None, line.id}), None)
        if dropped is None or len(active) == 1:
            raise ValueError(f"order {facts.order_id} has no unit {line_id or ''} to cancel beside others")
        dropped.cancelled = True
        wire.show_lines(order.document, facts, at, reason="Discount not as expected")
        return dropped.id


# What happens by itself -> the state that the order enters (T 3.2).
_ENTERS: dict[str, Status] = {
    "pay": Status.on_hold,
    "pay_and_release": Status.awaiting_shipment,
    "release": Status.awaiting_shipment,
    "arrange": Status.awaiting_collection,
    "collect": Status.in_transit,
    "deliver": Status.delivered,
    "complete": Status.completed,
    "time_out": Status.cancelled,
    "regret": Status.cancelled,
    "call_off": Status.cancelled,
}
_CANCELLATIONS: dict[str, Document] = {
    "time_out": {"cancel_reason": "Unpaid", "cancellation_initiator": "SYSTEM"},
    "regret": {"cancel_reason": "No longer needed", "cancellation_initiator": "BUYER"},
    "call_off": {"cancel_reason": "Out of stock", "cancellation_initiator": "SELLER"},
}
_BEFORE_SHIPPING = {Status.unpaid, Status.on_hold, Status.awaiting_shipment}
_UNSHIPPED = _BEFORE_SHIPPING
_UNDELIVERED = set(Status) - {Status.delivered, Status.completed, Status.cancelled}


def _units(lines: Sequence[Line | str], shop: Shop) -> tuple[list[LineFacts], list[Listing]]:
    units: list[LineFacts] = []
    listings: list[Listing] = []
    for line in (Line(line) if isinstance(line, str) else line for line in lines):
        listing = listing_of(line.sku) or Listing(
            "1729999000000000001", "1729999000000000000", line.sku, "Stray", "", {}, ()
        )
        price = Decimal(line.price) if line.price is not None else listing.prices.get(shop.currency, ZERO)
        for _ in range(line.quantity):
            listings.append(listing)
            units.append(
                LineFacts(
                    "",
                    listing.makes,
                    price,
                    Decimal(line.seller_discount),
                    Decimal(line.platform_discount),
                    Decimal(line.tax),
                    line.gift,
                )
            )
    return units, listings
