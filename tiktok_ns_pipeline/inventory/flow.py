"""The stock flow: one turn of the loop, and the run that turns it until nothing is left to do.

    observe (NetSuite, TikTok, landed orders) -> decide (pure) -> intend (ledger) -> apply (TikTok)

What moved decides what is looked at: the SKUs of an order, the items that a transaction touched. Now
and then everything is decided anew, since time itself changes levels: rates fall, unknown items become
old, and what TikTok shows less of without any order turns out to be nobody's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tiktok_ns_pipeline.engine.dispatcher import Dispatcher, DispatchReport
from tiktok_ns_pipeline.engine.outcomes import ENGINE_KINDS, Handler
from tiktok_ns_pipeline.flows import inbox
from tiktok_ns_pipeline.flows.shops import OpenedShop
from tiktok_ns_pipeline.flows.turning import (
    SYSTEM_ERRORS,
    Troubles,
    TurnRequest,
    dispatcher_for,
    shops_of_run,
    turn_until_idle,
)
from tiktok_ns_pipeline.goods.items import ItemIndex
from tiktok_ns_pipeline.goods.snapshot import ensure_snapshot, snapshot_rows
from tiktok_ns_pipeline.inventory.applying import STOCK_KINDS, PushCounts, StockHandler
from tiktok_ns_pipeline.inventory.channel import ShopStock
from tiktok_ns_pipeline.inventory.deciding import Decider, Decision
from tiktok_ns_pipeline.inventory.fbt import DIFFERS, FbtMirror
from tiktok_ns_pipeline.inventory.observing import (
    IMPLAUSIBLE,
    MALFORMED,
    STOPPED_CURSOR,
    NetSuiteStock,
)
from tiktok_ns_pipeline.inventory.offers import Offers, SkuKey
from tiktok_ns_pipeline.inventory.planning import (
    LISTING_KINDS,
    OVERSOLD,
    UNKNOWN,
    PlanReport,
    StockPlanner,
    stock_fact,
)
from tiktok_ns_pipeline.inventory.pools import Kits
from tiktok_ns_pipeline.inventory.selling import OrdersFollowed, Sold, items_of, skus_of
from tiktok_ns_pipeline.inventory.unseen import nobodys, orders_read_until
from tiktok_ns_pipeline.ledger.exceptions import OpenException
from tiktok_ns_pipeline.ledger.facts import STOCK_LEVEL
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.slot import Slot

KINDS = (STOCK_LEVEL,)
"""The facts that this flow makes true."""

REPLAYED_KINDS = (*LISTING_KINDS, *STOCK_KINDS, UNKNOWN, OVERSOLD, IMPLAUSIBLE, MALFORMED, DIFFERS)
"""Exceptions that are this flow's to try again."""

BASIS_CURSOR = "stock:basis"
"""The cursor that keeps the fingerprint of the mapping by which levels were decided."""

_SUBJECTS = ("sku ", "product ", "item ", "warehouse ", "stock snapshot")

_DEMAND_EVERY = timedelta(seconds=10)
_EVENTS_AT_ONCE = 200


@dataclass(slots=True)
class RunReport:
    """What a run did, for asset metadata and for people."""

    snapshots: int = 0
    """Full readings of NetSuite that were booked."""
    items_moved: int = 0
    """Balances of NetSuite that moved."""
    sales_orders_shown: int = 0
    """Sales Orders that NetSuite was seen to hold units for."""
    orders: int = 0
    """Orders that were booked anew."""
    listings: int = 0
    """Listings that changed."""
    levels_read: int = 0
    """SKUs of which TikTok's stock was read for its own sake."""
    differed: int = 0
    """Slots that TikTok showed otherwise than our books."""
    dismissed: int = 0
    """Slots of which units were missing that no order explained."""
    fbt_differ: int = 0
    """Items of which TikTok's own warehouse counts other stock than NetSuite."""
    events: int = 0
    plan: PlanReport = field(default_factory=PlanReport)
    pushes: PushCounts = field(default_factory=PushCounts)
    dispatch: DispatchReport = field(default_factory=DispatchReport)
    turns: int = 0
    trouble: list[str] = field(default_factory=list[str])
    """Systems that could not be read in some turn; what was not read is read next time."""


@dataclass(slots=True)
class _Moved:
    """What moved in a turn, and has to be decided anew."""

    items: set[str] = field(default_factory=set[str])
    skus: set[SkuKey] = field(default_factory=set[SkuKey])
    all: bool = False

    def add(self, sold: Sold) -> None:
        self.items |= items_of(sold.movements)
        self.skus |= skus_of(sold.movements)


class StockFlow:
    """The stock flow of one run."""

    def __init__(self, runtime: Runtime, run_id: str) -> None:
        self._runtime = runtime
        self._run_id = run_id
        self._troubles = Troubles(runtime)
        self._offers = Offers(runtime.mapping)
        self._decider = Decider(runtime.mapping, self._offers, runtime.settings.poll_s)
        self._planner = StockPlanner(runtime, run_id)
        self._netsuite = NetSuiteStock(runtime, run_id)
        self._items = ItemIndex(())
        self._kits: Kits = {}
        self._goods_read: str | None = None
        self._followed: dict[str, OrdersFollowed] = {}
        self._stock: dict[str, ShopStock] = {}
        self._fbt: dict[str, FbtMirror] = {}
        self._handler: StockHandler | None = None
        self._demand_at: datetime | None = None
        self._moved_at: dict[str, datetime] = {}
        self._booked_until: dict[str, datetime] = {}
        """How far the orders of a shop are booked, on TikTok's clock."""
        self.report = RunReport(trouble=self._troubles.told, plan=self._planner.report)

    async def run(self, request: TurnRequest) -> RunReport:
        """Turn until nothing is due for `idle_s`, or `budget_s` is over.

        A shop by itself cannot be decided, where shops share stock: all that publish take part.
        """
        opened = await shops_of_run(self._runtime, (), self._troubles)
        shops = [(shop, access) for shop, access in opened if shop.stock.publishes]
        if not shops:
            return self.report
        self._open(shops)
        handlers: list[Handler] = [self._opened_handler(shops)]
        dispatcher = dispatcher_for(self._runtime, handlers, self._troubles, shops)
        self.report.dispatch = dispatcher.report

        async def turn() -> int:
            return await self._turn(shops, dispatcher)

        await turn_until_idle(
            self._runtime, dispatcher, turn, budget_s=request.budget_s, idle_s=request.idle_s
        )
        with self._runtime.ledger.begin() as tx:
            for followed in self._followed.values():
                followed.keep(tx)
        return self.report

    def _open(self, shops: Sequence[OpenedShop]) -> None:
        """Take up what earlier runs knew."""
        for shop, access in shops:
            stock = ShopStock(self._runtime, shop, access, self._run_id, self._offers)
            stock.load()
            self._stock[shop.code] = stock
            self._followed[shop.code] = OrdersFollowed(self._runtime, shop)
            self._fbt[shop.code] = FbtMirror(
                self._runtime, shop, access, self._run_id, self._offers, self._netsuite
            )
        with self._runtime.ledger.read() as tx:
            self._decider.load(tx)
            balances = tx.stock.of_account("tiktok")
        self._offers.learn_warehouses(
            Slot(*key[1:]) for key, balance in balances.items() if balance.read_at is not None
        )

    def _opened_handler(self, shops: Sequence[OpenedShop]) -> StockHandler:
        handler = StockHandler(
            self._runtime,
            self._run_id,
            {shop.code: (access, self._stock[shop.code]) for shop, access in shops},
            self._offers,
            self._decider,
            self._waits_for,
        )
        self.report.pushes = handler.counts
        self._handler = handler
        return handler

    def _waits_for(self) -> str:
        """Why nothing may be pushed now; empty where it may."""
        if self._goods_read is None:
            return "it is not known yet what the SKUs are in NetSuite"
        with self._runtime.ledger.read() as tx:
            is_stopped = tx.cursors.get(STOPPED_CURSOR) is not None
        return "nothing is published before a person has looked" if is_stopped else ""

    async def _turn(self, shops: Sequence[OpenedShop], dispatcher: Dispatcher) -> int:
        """Look once at everything; gives how much was new."""
        moved = _Moved()
        changed = await self._learn_goods(moved)
        readable = self._troubles.readable(shops)
        changed += self._replay(moved)
        changed += await self._look_at_channel(readable, moved)
        changed += await self._take_events(readable, moved)
        changed += self._look_at_orders(readable, moved)
        changed += await self._look_at_netsuite(moved)
        await self._look_at_fbt(readable)
        changed += self._dismiss_unseen(moved)
        changed += self._decide(readable, moved)
        dispatcher.nudge()
        self.report.turns += 1
        return changed

    # Observe

    async def _learn_goods(self, moved: _Moved) -> int:
        """Items and kits of NetSuite, when there is a newer list of them."""
        try:
            snapshot, _ = await ensure_snapshot(self._runtime, self._run_id)
            if snapshot == self._goods_read:
                return 0
            kits = await self._netsuite.members()
        except SYSTEM_ERRORS as error:
            self._troubles.note("items", error)
            return 0
        self._items, self._kits = ItemIndex(snapshot_rows(self._runtime)), kits
        self._goods_read = snapshot
        self._offers.learn_goods(self._items, self._kits)
        self._offers.rebuild()
        moved.all = True
        return 1

    async def _look_at_channel(self, shops: Sequence[OpenedShop], moved: _Moved) -> int:
        """Listings and stock of TikTok, where they are due or somebody told of them."""
        counts = await asyncio.gather(*(self._look_at_shop(one, moved) for one in shops))
        return sum(counts)

    async def _look_at_shop(self, opened: OpenedShop, moved: _Moved) -> int:
        """One look at a shop; one that cannot be read now does not hold up the others."""
        shop, _ = opened
        stock = self._stock[shop.code]
        if self._goods_read is None:
            return 0
        try:
            changed = 0
            if stock.are_listings_due():
                changed += self._keep_listings(await stock.read_listings(), moved)
            if stock.are_levels_due():
                shown = await stock.read_levels()
                self.report.levels_read += len(shown.stock)
                moved.all = True
                changed += self._keep_differences(shown.differs, moved) + 1
            changed += await self._read_again(shop.code, moved)
        except SYSTEM_ERRORS as error:
            self._troubles.note_shop(shop.code, error)
            return 0
        self._troubles.logins.let_in(shop.code)
        return changed

    async def _take_events(self, shops: Sequence[OpenedShop], moved: _Moved) -> int:
        """Read again what events name: listings by their change, levels by SKU.

        Some events name the seller only, so any of its shops may be meant.
        """
        ids = [access.shop_id for _, access in shops]
        with self._runtime.ledger.read() as tx:
            hints = inbox.taken(tx, inbox.STOCK, _EVENTS_AT_ONCE, [*ids, inbox.ANY_SHOP])
        if not hints.inbox_ids or self._goods_read is None:
            return 0
        unnamed = [hints.by_shop[inbox.ANY_SHOP]] if inbox.ANY_SHOP in hints.by_shop else []
        for shop, access in shops:
            named = hints.by_shop.get(access.shop_id)
            about = [named, *unnamed] if named else unnamed
            try:
                await self._read_named(shop.code, about, moved)
            except SYSTEM_ERRORS as error:
                self._troubles.note_shop(shop.code, error)
                return 0
        with self._runtime.ledger.begin() as tx:
            tx.inbox.handled(hints.inbox_ids)
        self.report.events += len(hints.inbox_ids)
        return len(hints.inbox_ids)

    async def _read_named(self, shop: str, about: Sequence[inbox.ShopHints], moved: _Moved) -> None:
        stock = self._stock[shop]
        if any(hint.product_ids and not hint.sku_ids for hint in about):
            self._keep_listings(await stock.read_listings(is_news_only=True), moved)
        ours = {sku for hint in about for sku in hint.sku_ids if self._offers.get((shop, sku))}
        told = {sku: at for hint in about for sku, at in hint.skus_told_at.items()}
        with self._runtime.ledger.read() as tx:
            balances = tx.stock.of_account("tiktok", shop=shop, skus=ours)
        # Our own write makes an event, too: what was read since it happened needs no reading.
        read_at = {key.sku: one.read_at for key, one in balances.items() if one.read_at is not None}
        unread = [
            sku for sku in sorted(ours) if sku not in read_at or sku not in told or read_at[sku] < told[sku]
        ]
        shown = await stock.read_levels_of(unread)
        self._keep_differences(shown.differs, moved)

    async def _read_again(self, shop: str, moved: _Moved) -> int:
        """Levels whose read-back told nothing, since it was older than the write."""
        assert self._handler is not None
        now = self._runtime.clock.now()
        due = [key for key, at in self._handler.to_read_again.items() if key[0] == shop and at <= now]
        if not due:
            return 0
        shown = await self._stock[shop].read_levels_of([sku_id for _, sku_id in due])
        for key in due:
            self._handler.to_read_again.pop(key, None)
        return self._keep_differences(shown.differs, moved)

    def _read_cancelled(self, sold: Sold) -> None:
        """Whether cancelled units come back depends on the reason; «out of stock» even empties the SKU
        (T 5.3). So the next look reads what TikTok made of it."""
        assert self._handler is not None
        now = self._runtime.clock.now()
        for each in sold.movements:
            if each.key.account == "tiktok" and each.movement == "cancellation":
                self._handler.to_read_again.setdefault((each.key.shop, each.key.sku), now)

    def _keep_listings(self, changed: int, moved: _Moved) -> int:
        if changed:
            self._offers.rebuild()
            moved.all = True
        self.report.listings += changed
        return changed

    def _keep_differences(self, differs: Iterable[Slot], moved: _Moved) -> int:
        found = list(differs)
        moved.skus |= {(slot.shop, slot.sku_id) for slot in found}
        self.report.differed += len(found)
        return len(found)

    def _look_at_orders(self, shops: Sequence[OpenedShop], moved: _Moved) -> int:
        """What was sold, as it landed."""
        if self._goods_read is None:
            return 0
        orders = 0
        for shop, _ in shops:
            with self._runtime.ledger.read() as tx:
                read_until = orders_read_until(tx, shop.code)
            sold = self._followed[shop.code].look(self._items, self._kits)
            self._decider.measured(seen_after_s=sold.seen_after_s)
            moved.add(sold)
            self._read_cancelled(sold)
            orders += sold.orders
            if read_until is not None:
                self._booked_until[shop.code] = read_until
        self.report.orders += orders
        return orders

    async def _look_at_netsuite(self, moved: _Moved) -> int:
        try:
            looked = await self._netsuite.look()
        except SYSTEM_ERRORS as error:
            self._troubles.note("stock in NetSuite", error)
            return 0
        self._troubles.logins.answered("netsuite")
        moved.items |= looked.items
        if looked.is_full:
            self.report.snapshots += 1
            moved.all = True
            for followed in self._followed.values():
                moved.add(followed.reconsider(self._items, self._kits))
        self.report.items_moved += len(looked.items)
        self.report.sales_orders_shown += looked.committed
        return len(looked.items) + looked.committed

    async def _look_at_fbt(self, shops: Sequence[OpenedShop]) -> None:
        """What TikTok counts itself, beside NetSuite's Location of it; nobody waits for it."""
        for shop, _ in shops:
            if (
                self._goods_read is None
                or self._netsuite.was_never_read()
                or not self._fbt[shop.code].is_due()
            ):
                continue
            try:
                self.report.fbt_differ += await self._fbt[shop.code].look()
            except SYSTEM_ERRORS as error:
                self._troubles.note_shop(shop.code, error)

    def _dismiss_unseen(self, moved: _Moved) -> int:
        """What TikTok shows less of, and no order came to explain: nobody bought it."""
        with self._runtime.ledger.read() as tx:
            old = nobodys(tx, self._booked_until, self._runtime.clock.now())
        if old:
            with self._runtime.ledger.begin() as tx:
                for slot, units in old.items():
                    tx.stock.dismiss_unseen(slot, units)
        moved.skus |= {(slot.shop, slot.sku_id) for slot in old}
        self.report.dismissed += len(old)
        return len(old)

    # Decide and intend

    def _decide(self, shops: Sequence[OpenedShop], moved: _Moved) -> int:
        """Decide anew about what moved, and plan the pushes that are due."""
        now = self._runtime.clock.now()
        for item in moved.items:
            self._moved_at.setdefault(item, now)
        is_time = self._demand_at is None or now - self._demand_at >= _DEMAND_EVERY
        scarce = [shelf.item_id for shelf in self._decider.divided] if is_time else []
        offers = self._offers.all() if moved.all else self._offers.around(moved.skus, {*moved.items, *scarce})
        if not offers and not is_time:
            return 0
        with self._runtime.ledger.read() as tx:
            if is_time or moved.items or moved.skus:
                self._decider.learn_demand(tx, now)
                self._demand_at = now
            decision = self._decider.decide(tx, offers, now)
        self._planner.land(decision)
        self._runtime.probe("staged")
        planned = self._plan(decision, shops, is_of_all=moved.all)
        self._runtime.probe("planned")
        return planned

    def _plan(self, decision: Decision, shops: Sequence[OpenedShop], *, is_of_all: bool) -> int:
        with self._runtime.ledger.begin() as tx:
            is_stopped = tx.cursors.get(STOPPED_CURSOR) is not None
            planned = self._planner.plan(tx, decision, self._moved_at, is_stopped=is_stopped)
            self._planner.tell_of_unknown(tx, decision, is_of_all=is_of_all)
            self._planner.tell_of_oversold(tx, decision, self._netsuite)
            if is_of_all:
                self._planner.settle(tx, decision)
                self._planner.tell_of_listings(tx, self._offers, [shop.code for shop, _ in shops])
                tx.cursors.set(BASIS_CURSOR, self._runtime.mapping.fingerprint())
            self._decider.keep(tx)
        self._moved_at.clear()
        return planned

    # Replays

    def _replay(self, moved: _Moved) -> int:
        """Try again what a person asked for."""
        with self._runtime.ledger.read() as tx:
            asked = [
                one
                for one in tx.exceptions.asked_for_replay((*REPLAYED_KINDS, *ENGINE_KINDS))
                if is_of_this_flow(one)
            ]
        if not asked:
            return 0
        if any(one.kind in (IMPLAUSIBLE, UNKNOWN, MALFORMED, OVERSOLD) for one in asked):
            self._netsuite.read_all_next()
        keys = [
            (one.shop, one.subject.removeprefix("sku ")) for one in asked if one.subject.startswith("sku ")
        ]
        moved.skus |= set(keys)
        moved.all = moved.all or any(one.kind in LISTING_KINDS for one in asked)
        with self._runtime.ledger.begin() as tx:
            tx.intents.take_up_again([stock_fact(key) for key in keys])
            # An implausible reading is agreed to by the request itself, which the next look finds.
            tx.exceptions.replayed([one.id for one in asked if one.kind != IMPLAUSIBLE])
        return len(asked)


def is_of_this_flow(exception: OpenException) -> bool:
    """Whether an exception is about a SKU's stock, an item's or the reading of all."""
    return exception.kind in REPLAYED_KINDS or exception.subject.startswith(_SUBJECTS)
