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
import contextlib
import random
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from tiktok_ns_pipeline.clock import Clock, SystemClock, to_epoch
from tiktok_ns_pipeline.sandbox import shoppers, wire
from tiktok_ns_pipeline.sandbox.cancel_reasons import BY_DEFAULT
from tiktok_ns_pipeline.sandbox.cancellations import Cancellation
from tiktok_ns_pipeline.sandbox.cancelling import Cancelling
from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.documents import Document
from tiktok_ns_pipeline.sandbox.facts import OrderFacts, OrderTruth, ShippingFacts, Status, truth_of
from tiktok_ns_pipeline.sandbox.faults import FaultKind, FaultPlan
from tiktok_ns_pipeline.sandbox.flash_sales import FLASH, FlashSales
from tiktok_ns_pipeline.sandbox.order_life import BEFORE_SHIPPING, OrderLife
from tiktok_ns_pipeline.sandbox.order_store import Event, Order, OrderStore
from tiktok_ns_pipeline.sandbox.packages import Package
from tiktok_ns_pipeline.sandbox.parcels import Parcels
from tiktok_ns_pipeline.sandbox.placing import Line, OrderOptions, draft_of
from tiktok_ns_pipeline.sandbox.returning import Returning
from tiktok_ns_pipeline.sandbox.settling import Settling
from tiktok_ns_pipeline.sandbox.shelf import Shelf
from tiktok_ns_pipeline.sandbox.shoppers import Draft, Mix, Wanted
from tiktok_ns_pipeline.sandbox.splitting import Splitting
from tiktok_ns_pipeline.sandbox.tiktok_stock import TikTokStock, TurnedAway
from tiktok_ns_pipeline.sandbox.world_events import Listener, WorldEvent

if TYPE_CHECKING:
    from tiktok_ns_pipeline.sandbox.books import Books

__all__ = ["Line", "OrderOptions", "ShippingFacts", "Status", "TurnedAway", "World"]

# A fresh order may be missing from lists for so long (T 3.1).
LATE_BY_AT_MOST_S = 30

# How long the live world sleeps at most before it looks again.
_DAY = 86_400
_LOOK_AGAIN_S = 5.0
_EVENTS_AT_ONCE = 500
_ROUNDS_PER_COMMIT = 200
_ARRIVAL = "arrive"
_UNSHIPPED = BEFORE_SHIPPING
_UNDELIVERED = set(Status) - {Status.delivered, Status.completed, Status.cancelled}


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
        self.parcels = Parcels(self)
        """Rules of packages."""
        self.splitting = Splitting(self)
        self.cancelling = Cancelling(self)
        """Rules of cancellations."""
        self.life = OrderLife(self)
        self.finance = Settling(self)
        """What is settled and paid, if the mix says so."""
        self.returns = Returning(self)
        """Rules of returns."""
        self.shelf = Shelf(self)
        """What the shops list."""
        self.stock = TikTokStock(self)
        """What TikTok believes can still be sold."""
        self._flash_sales = FlashSales(self)
        self.later_speed = speed * self.mix.haste
        """How much shorter all is that follows a parcel."""
        self.money_day_s = _DAY if self.mix.haste == 1 else _DAY / self.later_speed
        """How long a day of TikTok's books lasts, from one statement to the next."""
        self._rate = 0.0
        self._lock = threading.RLock()
        self.clock.offset = timedelta(seconds=float(self.store.note("offset_s") or 0))
        self._number = max(self.store.last_number(), self.stock.last_turned_away())
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
        habits, and nothing happens to it by itself; `plan` says what shall (see `shoppers`). Raises
        TurnedAway where stock is kept and no warehouse (the one that is named) has enough of it.
        """
        with self._lock:
            number = self._number + 1
            at = to_epoch(options.get("placed_at", self.now()))
            draft = draft_of(shop_of(shop), lines, options, number=number, seed=self.seed, at=at)
            if not self._add(draft, at, only_there="warehouse_id" in options):
                raise TurnedAway(f"shop {shop} has not enough of {', '.join(map(str, lines))}")
            return draft.facts.order_id

    def draw_orders(self, count: int) -> list[str]:
        """Let `count` buyers order now, as the mix has it; gives the ids of the orders that were placed."""
        with self._lock, self.store.transaction():
            drawn = [self._arrive(self._epoch()) for _ in range(count)]
        return [order_id for order_id in drawn if order_id is not None]

    def flash_sale(self, shop: str, skus: Sequence[str], buyers_per_second: float, seconds: float) -> None:
        """Let a crowd want these seller SKUs from now on, see `flash_sales`; raises ValueError for a SKU
        that is not listed."""
        with self._lock:
            self._flash_sales.begin(shop, skus, buyers_per_second, seconds)

    def pay(self, order_id: str) -> None:
        """The buyer pays: the order goes on hold for its hour."""
        self._change(order_id, lambda order, at: self.life.enter(order, Status.on_hold, at), {Status.unpaid})

    def release(self, order_id: str) -> None:
        """The hold ends: the order may be fulfilled."""
        self._change(
            order_id, lambda order, at: self.life.enter(order, Status.awaiting_shipment, at), _UNSHIPPED
        )

    def cancel_order(self, order_id: str, reason: str = BY_DEFAULT, by: str = "BUYER") -> None:
        """Cancel the whole order, at any time before delivery."""
        self._change(order_id, lambda order, at: self.life.cancel(order, at, reason, by), _UNDELIVERED)

    def cancel_line(self, order_id: str, line_id: str | None = None, by: str = "BUYER") -> str:
        """Cancel one unit that is not shipped (the last active one if none is named); gives its line id.

        Raises ValueError when it is the only one left: then the order is to be cancelled.
        """
        cancelled: list[str] = []

        def cancel(order: Order, at: int) -> None:
            cancelled.append(self.life.drop_line(order, at, line_id, by))

        self._change(order_id, cancel, _UNSHIPPED | {Status.partially_shipping})
        return cancelled[0]

    def request_cancellation(self, order_id: str, reason: str = BY_DEFAULT) -> str:
        """The buyer asks to cancel (T 6.1): at once while the order is on hold, else the seller has a
        day to answer. Gives the cancel id; raises ValueError when it is too late."""
        made: list[str] = []
        self._change(
            order_id, lambda order, at: made.append(self.cancelling.ask(order, at, reason)), set(Status)
        )
        return made[0]

    def withdraw_cancellation(self, cancel_id: str) -> None:
        """The buyer wants the order after all; raises ValueError when the request is not open."""
        with self.changing():
            one = self.store.cancellations.cancellation(cancel_id)
            if one is None:
                raise KeyError(f"the world has no cancellation {cancel_id}")
            if self.found(one.order_id).facts.open_request != cancel_id:
                raise ValueError(f"cancellation {cancel_id} is {one.status}: nothing is left to withdraw")
            self._change(one.order_id, self.cancelling.withdraw, set(Status))

    def buy_label(self, order_id: str, line_ids: Sequence[str] | None = None) -> str:
        """The staff buys a label of TikTok's carrier in Seller Center for these units (US, UK; all that
        are open if none are named); gives the tracking number. Raises ValueError when the order takes
        no label or nothing of it may be shipped."""
        return self.parcels.buy_label(order_id, line_ids)

    def change_address(self, order_id: str, address: Document | None = None) -> Document:
        """The buyer moves the parcel to another address (an invented one if none is given)."""
        moved: list[Document] = []

        def move(order: Order, at: int) -> None:
            self.life.move(order, at, address)
            moved.append(order.facts.address)

        self._change(order_id, move, _UNSHIPPED)
        return moved[0]

    def move_to(self, order_id: str, status: Status) -> None:
        """Put an order into a state, whichever it is in."""
        self._change(order_id, lambda order, at: self.life.enter(order, status, at), set(Status))

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

    def packages_of(self, order_id: str) -> list[Package]:
        """Every package with units of the order, cancelled ones too, oldest first."""
        with self._lock:
            return self.store.packages.of_order(order_id)

    def cancellations_of(self, order_id: str) -> list[Cancellation]:
        """Every cancellation of the order, oldest first."""
        with self._lock:
            return self.store.cancellations.of_order(order_id)

    def order(self, order_id: str) -> Document:
        """The document as TikTok serves it; raises KeyError when there is no such order."""
        return self.found(order_id).document

    def facts(self, order_id: str) -> OrderFacts:
        """What the world knows of an order."""
        return self.found(order_id).facts

    def truth(self) -> Iterator[OrderTruth]:
        """What NetSuite must show for every order, oldest first."""
        return map(truth_of, self.store.all_facts())

    def truth_of(self, order_id: str) -> OrderTruth:
        """What NetSuite must show for one order."""
        return truth_of(self.found(order_id).facts)

    def stats(self) -> dict[str, dict[str, int]]:
        """Number of orders by shop and status."""
        with self._lock:
            return self.store.counts()

    # For the rules: each of these belongs inside `changing`

    @contextlib.contextmanager
    def changing(self) -> Generator[None]:
        """One change of the world: all or nothing, one thread at a time."""
        with self._lock, self.store.transaction():
            yield
            self._next_due = self.store.next_due()

    def epoch(self) -> int:
        """The world's instant in Unix seconds."""
        return int(self._epoch())

    def found(self, order_id: str) -> Order:
        """The order in hand; raises KeyError when there is none such."""
        with self._lock:
            order = self.store.order(order_id)
        if order is None:
            raise KeyError(f"the world has no order {order_id}")
        return order

    def tell(self, event: WorldEvent) -> None:
        """Let the listeners know once the change is committed."""
        if self.listeners:
            self._untold.append(event)

    # Within

    def _tell_all(self) -> None:
        while self._untold:
            event = self._untold.pop(0)
            for listener in self.listeners:
                listener(event)

    def _epoch(self) -> float:
        return self.now().timestamp()

    def _change(self, order_id: str, change: Callable[[Order, int], None], allowed: set[Status]) -> None:
        with self.changing():
            order = self.found(order_id)
            if order.facts.status not in allowed:
                raise ValueError(f"order {order_id} is {order.facts.status}: too late or too early for that")
            change(order, self.epoch())
            self.store.save(order)

    def _add(self, draft: Draft, at: int, *, only_there: bool = False) -> bool:
        """Place an order, unless its buyer has to be turned away; tells whether it was placed."""
        facts = draft.facts
        self._number += 1
        facts.warehouse_id = draft.warehouse_id
        if facts.status not in {Status.unpaid, Status.on_hold}:
            facts.released_at = at
        if facts.status is Status.cancelled:
            facts.cancelled_at = at
        with self.store.transaction():
            if not self._served(draft, at, only_there=only_there):
                return False
            document = wire.order_document(
                facts,
                draft.listings,
                habits=draft.habits,
                flags=draft.flags,
                buyer=draft.buyer,
                warehouse_id=facts.warehouse_id,
                packages=self.parcels.follow(self._number, facts, at),
            )
            if facts.status is not Status.unpaid and not document["is_cod"]:
                document["paid_time"] = at
            facts.header_follows = draft.habits.header_follows
            self.stock.follow(facts)
            late = self.faults.strikes(FaultKind.late_visibility, "tiktok", facts.order_id)
            order = Order(self._number, document, facts)
            self.store.add(order, at + (LATE_BY_AT_MOST_S if late else 0))
            self.finance.followed(order, at)
            self.life.schedule(self._number, facts, at)
            self.life.tell_status(facts, document, at)
            self._next_due = self.store.next_due()
        return True

    def _served(self, draft: Draft, at: int, *, only_there: bool) -> bool:
        """Whether a warehouse has what the buyer wants; any of the seller's own serves what one of them
        was to, unless it is to be only there."""
        facts = draft.facts
        if not self.stock.is_kept or facts.status is Status.cancelled:
            return True
        places = dict.fromkeys([draft.warehouse_id])
        if not only_there and not facts.by_tiktok_warehouse:
            places |= dict.fromkeys(shop_of(facts.shop).warehouses)
        on_sale = all(self.shelf.sells(facts.shop, listing) for listing in draft.listings)
        if on_sale and self.stock.take(facts, draft.listings, places):
            return True
        self.stock.turn_away(self._number, at, facts, draft.listings, draft.warehouse_id)
        return False

    def _arrive(self, at: float, wanted: Wanted | None = None) -> str | None:
        draft = shoppers.draw(self.seed, self._number + 1, int(at), self.mix, wanted)
        if shoppers.is_to_be_combined(draft.facts):
            self._share_buyer(draft)
        return draft.facts.order_id if self._add(draft, int(at)) else None

    def _share_buyer(self, draft: Draft) -> None:
        """The buyer orders again, before the last order of the shop is shipped."""
        number = self.store.latest(draft.facts.shop, [status.value for status in BEFORE_SHIPPING])
        if number is None:
            return
        other = self.store.order_number(number)
        draft.facts.address, draft.facts.by_seller = other.facts.address, other.facts.by_seller
        for name in ("user_id", "buyer_email", "buyer_nickname"):
            draft.buyer[name] = other.document.get(name)

    def _happen(self, event: Event) -> int:
        if event.what == FLASH:
            self._arrive(event.due, self._flash_sales.wanted(event.number, self._number + 1))
            self._flash_sales.schedule(event.number, event.due)
            return 1
        if event.what != _ARRIVAL:
            return self.life.happen(event)
        self._arrive(event.due)
        self._schedule_arrival(event.due)
        return 1

    def _schedule_arrival(self, after: float) -> None:
        gap = random.Random(f"gap {self.seed} {self._number}").expovariate(self._rate / 60)
        self.store.schedule(Event(after + gap, 0, "", _ARRIVAL))
