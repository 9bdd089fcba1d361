"""Watching: everything that a turn looks at, booked as it is seen.

    goods       items and kits of NetSuite, when there is a newer list
    channel     listings and stock of TikTok: when due, when an event names them, after a write that could
                not be read back, after a cancellation
    orders      what was sold, as the orders and closures flows landed it
    netsuite    what can be promised
    unseen      what TikTok shows less of without any order
    fbt         what TikTok counts itself

What a look finds goes into the books, where the decision finds it. A system that cannot be read now is
noted, and read in the next turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from tiktok_ns_pipeline.flows import inbox
from tiktok_ns_pipeline.flows.shops import OpenedShop
from tiktok_ns_pipeline.flows.turning import SYSTEM_ERRORS, Troubles
from tiktok_ns_pipeline.goods.items import ItemIndex
from tiktok_ns_pipeline.goods.snapshot import ensure_snapshot, snapshot_rows
from tiktok_ns_pipeline.inventory.channel import ShopStock
from tiktok_ns_pipeline.inventory.deciding import Decider
from tiktok_ns_pipeline.inventory.fbt import FbtMirror
from tiktok_ns_pipeline.inventory.observing import NetSuiteStock
from tiktok_ns_pipeline.inventory.offers import Offers, SkuKey
from tiktok_ns_pipeline.inventory.pools import Kits
from tiktok_ns_pipeline.inventory.report import RunReport
from tiktok_ns_pipeline.inventory.selling import OrdersFollowed, Sold
from tiktok_ns_pipeline.inventory.unseen import (
    OrderQuestion,
    is_found_out_soon,
    nobodys,
    orders_read_until,
)
from tiktok_ns_pipeline.lake.tables import RAW_TIKTOK_PRODUCTS
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.slot import Slot

_EVENTS_AT_ONCE = 200


class StockWatch:
    """Everything that one run looks at, again and again."""

    def __init__(
        self,
        runtime: Runtime,
        run_id: str,
        shops: Sequence[OpenedShop],
        offers: Offers,
        decider: Decider,
        troubles: Troubles,
        report: RunReport,
    ) -> None:
        self._runtime = runtime
        self._run_id = run_id
        self._offers = offers
        self._decider = decider
        self._troubles = troubles
        self._report = report
        self._items = ItemIndex(())
        self._kits: Kits = {}
        self._goods_read: str | None = None
        self._booked_until: dict[str, datetime] = {}
        """How far the orders of a shop are booked, on TikTok's clock."""
        self.netsuite = NetSuiteStock(runtime, run_id)
        self.stock = {shop.code: ShopStock(runtime, shop, access, run_id, offers) for shop, access in shops}
        self._followed = {shop.code: OrdersFollowed(runtime, shop) for shop, _ in shops}
        self._fbt = {
            shop.code: FbtMirror(runtime, shop, access, run_id, offers, self.netsuite)
            for shop, access in shops
        }
        self._question = OrderQuestion(runtime, self._followed)
        self.to_read_again: dict[SkuKey, datetime] = {}
        """SKUs of which TikTok's stock has to be read again, and when."""

    @property
    def knows_goods(self) -> bool:
        """Whether it is known what the SKUs are in NetSuite."""
        return self._goods_read is not None

    def load(self) -> None:
        """What earlier runs know of the listings."""
        products = self._runtime.lake.current(RAW_TIKTOK_PRODUCTS)
        for stock in self.stock.values():
            stock.load(products)

    def keep(self, tx: Transaction) -> None:
        """Note how far this run looked, for whoever asks whether there is work."""
        for followed in self._followed.values():
            followed.keep(tx)

    async def look(self, shops: Sequence[OpenedShop]) -> int:
        """Look once at everything of these shops; gives how much was new, or is about to be known."""
        changed = await self._learn_goods()
        if not self.knows_goods:
            return changed + await self._look_at_netsuite()
        counts = await asyncio.gather(*(self._look_at_shop(opened) for opened in shops))
        changed += sum(counts)
        changed += await self._take_events(shops)
        changed += sum(self._look_at_orders(shop.code) for shop, _ in shops)
        changed += await self._look_at_netsuite()
        await self._look_at_fbt(shops)
        return changed + await self._look_for_unseen(shops)

    async def _learn_goods(self) -> int:
        """Items and kits of NetSuite, when there is a newer list of them."""
        try:
            snapshot, _ = await ensure_snapshot(self._runtime, self._run_id)
            if snapshot == self._goods_read:
                return 0
            kits = await self.netsuite.members(snapshot)
        except SYSTEM_ERRORS as error:
            self._troubles.note("items", error)
            return 0
        self._items, self._kits = ItemIndex(snapshot_rows(self._runtime)), kits
        self._goods_read = snapshot
        self._offers.learn_goods(self._items, self._kits)
        self._offers.rebuild()
        return 1

    # TikTok

    async def _look_at_shop(self, opened: OpenedShop) -> int:
        """One look at a shop; one that cannot be read now does not hold up the others."""
        shop, _ = opened
        stock = self.stock[shop.code]
        changed = 0
        try:
            if stock.are_listings_due():
                changed += self._keep_listings(await stock.read_listings())
            if stock.are_levels_due():
                shown = await stock.read_levels()
                self._report.levels_read += len(shown.stock)
                changed += self._keep_differences(shown.differs) + 1
            changed += await self._read_again(shop.code)
        except SYSTEM_ERRORS as error:
            self._troubles.note_shop(shop.code, error)
            return 0
        self._troubles.logins.let_in(shop.code)
        return changed

    async def _take_events(self, shops: Sequence[OpenedShop]) -> int:
        """Read again what events name: listings by their change, levels by SKU.

        Some events name the seller only, so any of its shops may be meant.
        """
        ids = [access.shop_id for _, access in shops]
        with self._runtime.ledger.read() as tx:
            hints = inbox.taken(tx, inbox.STOCK, _EVENTS_AT_ONCE, [*ids, inbox.ANY_SHOP])
        if not hints.inbox_ids:
            return 0
        unnamed = [hints.by_shop[inbox.ANY_SHOP]] if inbox.ANY_SHOP in hints.by_shop else []
        for shop, access in shops:
            named = hints.by_shop.get(access.shop_id)
            about = [named, *unnamed] if named else unnamed
            try:
                await self._read_named(shop.code, about)
            except SYSTEM_ERRORS as error:
                self._troubles.note_shop(shop.code, error)
                return 0
        with self._runtime.ledger.begin() as tx:
            tx.inbox.handled(hints.inbox_ids)
        self._report.events += len(hints.inbox_ids)
        return len(hints.inbox_ids)

    async def _read_named(self, shop: str, about: Sequence[inbox.ShopHints]) -> None:
        stock = self.stock[shop]
        if any(hint.product_ids and not hint.sku_ids for hint in about):
            self._keep_listings(await stock.read_listings(is_news_only=True))
        ours = {sku for hint in about for sku in hint.sku_ids if self._offers.get((shop, sku))}
        told = {sku: at for hint in about for sku, at in hint.skus_told_at.items()}
        with self._runtime.ledger.read() as tx:
            balances = tx.stock.of_account("tiktok", shop=shop, skus=ours)
        # Our own write makes an event, too: what was read since it happened needs no reading.
        read_at = {key.sku: one.read_at for key, one in balances.items() if one.read_at is not None}
        unread = [
            sku for sku in sorted(ours) if sku not in read_at or sku not in told or read_at[sku] < told[sku]
        ]
        self._keep_differences((await stock.read_levels_of(unread)).differs)

    async def _read_again(self, shop: str) -> int:
        """Levels of which the last reading told nothing, or does no longer."""
        now = self._runtime.clock.now()
        due = [key for key, at in self.to_read_again.items() if key[0] == shop and at <= now]
        if not due:
            return 0
        shown = await self.stock[shop].read_levels_of([sku_id for _, sku_id in due])
        for key in due:
            self.to_read_again.pop(key, None)
        return self._keep_differences(shown.differs)

    def _keep_listings(self, changed: int) -> int:
        if changed:
            self._offers.rebuild()
        self._report.listings += changed
        return changed

    def _keep_differences(self, differs: Mapping[Slot, int]) -> int:
        self._report.differed += len(differs)
        return len(differs)

    # What was sold, and what there is

    def _look_at_orders(self, shop: str) -> int:
        """What was sold, as it landed."""
        with self._runtime.ledger.read() as tx:
            read_until = orders_read_until(tx, shop)
        sold = self._followed[shop].look(self._items, self._kits)
        self._decider.measured(seen_after_s=sold.seen_after_s)
        self._read_cancelled(sold)
        if read_until is not None:
            self._booked_until[shop] = read_until
        self._report.orders += sold.orders
        return sold.orders

    def _read_cancelled(self, sold: Sold) -> None:
        """Whether cancelled units come back depends on the reason; «out of stock» even empties the SKU
        (T 5.3). So the next look reads what TikTok made of it."""
        now = self._runtime.clock.now()
        for each in sold.movements:
            if each.key.account == "tiktok" and each.movement == "cancellation":
                self.to_read_again.setdefault((each.key.shop, each.key.sku), now)

    async def _look_at_netsuite(self) -> int:
        try:
            looked = await self.netsuite.look()
        except SYSTEM_ERRORS as error:
            self._troubles.note("stock in NetSuite", error)
            return 0
        self._troubles.logins.answered("netsuite")
        if looked.is_full:
            self._report.snapshots += 1
            for followed in self._followed.values():
                followed.reconsider(self._items, self._kits)
        self._report.items_moved += len(looked.items)
        self._report.sales_orders_shown += looked.committed
        return len(looked.items) + looked.committed

    async def _look_at_fbt(self, shops: Iterable[OpenedShop]) -> None:
        """What TikTok counts itself, beside NetSuite's Location of it; nobody waits for it."""
        due = [shop.code for shop, _ in shops if self._fbt[shop.code].is_due()]
        if not due or self.netsuite.was_never_read():
            return
        for code in due:
            try:
                self._report.fbt_differ += await self._fbt[code].look()
            except SYSTEM_ERRORS as error:
                self._troubles.note_shop(code, error)

    async def _look_for_unseen(self, shops: Iterable[OpenedShop]) -> int:
        """What TikTok shows less of, and no order came to explain: in the end nobody bought it.

        While that is about to be known there is something to wait for.
        """
        with self._runtime.ledger.read() as tx:
            unseen = tx.stock.unseen()
        if not unseen:
            return 0
        for shop, access in shops:
            of_shop = [one for slot, one in unseen.items() if slot.shop == shop.code]
            try:
                await self._question.ask(access, shop.code, of_shop, self._booked_until.get(shop.code))
            except SYSTEM_ERRORS as error:
                self._troubles.note_shop(shop.code, error)
        now = self._runtime.clock.now()
        with self._runtime.ledger.read() as tx:
            old = nobodys(tx, unseen, self._booked_until, self._question.clear_at, now)
        if old:
            with self._runtime.ledger.begin() as tx:
                for slot, units in old.items():
                    tx.stock.dismiss_unseen(slot, units)
        self._report.dismissed += len(old)
        return len(old) + is_found_out_soon(unseen.values(), now)
