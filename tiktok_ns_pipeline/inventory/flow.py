"""The stock flow: one turn of the loop, and the run that turns it until nothing is left to do.

    watch (NetSuite, TikTok, landed orders) -> decide (pure) -> intend (ledger) -> apply (TikTok)

What a turn sees goes into the books; what moved there, or may have changed by itself, is decided anew
(`resting`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tiktok_ns_pipeline.engine.dispatcher import Dispatcher
from tiktok_ns_pipeline.engine.outcomes import ENGINE_KINDS, Handler
from tiktok_ns_pipeline.flows.shops import OpenedShop
from tiktok_ns_pipeline.flows.turning import (
    Troubles,
    TurnRequest,
    dispatcher_for,
    shops_of_run,
    turn_until_idle,
)
from tiktok_ns_pipeline.inventory.applying import STOCK_KINDS, StockHandler
from tiktok_ns_pipeline.inventory.deciding import Decider, Decision
from tiktok_ns_pipeline.inventory.fbt import DIFFERS
from tiktok_ns_pipeline.inventory.observing import IMPLAUSIBLE, MALFORMED, STOPPED_CURSOR
from tiktok_ns_pipeline.inventory.offers import Offers, SkuKey
from tiktok_ns_pipeline.inventory.planning import LISTING_KINDS, OVERSOLD, UNKNOWN, StockPlanner, stock_fact
from tiktok_ns_pipeline.inventory.report import RunReport
from tiktok_ns_pipeline.inventory.resting import Chosen, Resting
from tiktok_ns_pipeline.inventory.watching import StockWatch
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


class StockFlow:
    """The stock flow of one run."""

    def __init__(self, runtime: Runtime, run_id: str) -> None:
        self._runtime = runtime
        self._run_id = run_id
        self._troubles = Troubles(runtime)
        self._offers = Offers(runtime.mapping)
        self._decider = Decider(runtime.mapping, self._offers, runtime.settings.poll_s)
        self._resting = Resting(self._offers, self._decider)
        self._planner = StockPlanner(runtime, run_id)
        self.report = RunReport(trouble=self._troubles.told, plan=self._planner.report)

    async def run(self, request: TurnRequest) -> RunReport:
        """Turn until nothing is due for `idle_s`, or `budget_s` is over.

        A shop by itself cannot be decided, where shops share stock: all that publish take part.
        """
        opened = await shops_of_run(self._runtime, (), self._troubles)
        shops = [(shop, access) for shop, access in opened if shop.stock.publishes]
        if not shops:
            return self.report
        watch = self._opened_watch(shops)
        handlers: list[Handler] = [self._opened_handler(shops, watch)]
        dispatcher = dispatcher_for(self._runtime, handlers, self._troubles, shops)
        self.report.dispatch = dispatcher.report

        async def turn() -> int:
            return await self._turn(shops, watch, dispatcher)

        await turn_until_idle(
            self._runtime,
            dispatcher,
            turn,
            budget_s=request.budget_s,
            idle_s=request.idle_s,
            # A run that stays must not publish by a mapping that is no more.
            is_over=_file_changed(self._runtime.settings.mapping_path),
        )
        with self._runtime.ledger.begin() as tx:
            watch.keep(tx)
        return self.report

    def _opened_watch(self, shops: Sequence[OpenedShop]) -> StockWatch:
        """Take up what earlier runs knew."""
        watch = StockWatch(
            self._runtime, self._run_id, shops, self._offers, self._decider, self._troubles, self.report
        )
        watch.load()
        with self._runtime.ledger.read() as tx:
            self._decider.load(tx)
            self._resting.load(tx)
            balances = tx.stock.of_account("tiktok")
        self._offers.learn_warehouses(
            Slot(*key[1:]) for key, balance in balances.items() if balance.read_at is not None
        )
        return watch

    def _opened_handler(self, shops: Sequence[OpenedShop], watch: StockWatch) -> StockHandler:
        handler = StockHandler(
            self._runtime,
            self._run_id,
            {shop.code: (access, watch.stock[shop.code]) for shop, access in shops},
            self._offers,
            self._decider,
            lambda: self._waits_for(watch),
            watch.to_read_again,
        )
        self.report.pushes = handler.counts
        return handler

    def _waits_for(self, watch: StockWatch) -> str:
        """Why nothing may be pushed now; empty where it may."""
        if not watch.knows_goods:
            return "it is not known yet what the SKUs are in NetSuite"
        with self._runtime.ledger.read() as tx:
            is_stopped = tx.cursors.get(STOPPED_CURSOR) is not None
        return "nothing is published before a person has looked" if is_stopped else ""

    async def _turn(self, shops: Sequence[OpenedShop], watch: StockWatch, dispatcher: Dispatcher) -> int:
        """Look once at everything, and decide; gives how much was new."""
        asked = self._asked_for()
        self._try_again(asked, watch)
        snapshots = self.report.snapshots
        readable = self._troubles.readable(shops)
        changed = len(asked) + await watch.look(readable)
        if watch.knows_goods:
            changed += self._decide(readable, watch, asked, is_review=self.report.snapshots > snapshots)
        dispatcher.nudge()
        self.report.turns += 1
        return changed

    # Decide and intend

    def _decide(
        self,
        shops: Sequence[OpenedShop],
        watch: StockWatch,
        asked: Sequence[OpenException],
        *,
        is_review: bool,
    ) -> int:
        """Decide anew about what does not rest, and plan the pushes that are due."""
        now = self._runtime.clock.now()
        with self._runtime.ledger.read() as tx:
            chosen = self._resting.choose(
                tx,
                now,
                asked=_skus_of(asked),
                is_review=is_review,
                is_all=any(one.kind in LISTING_KINDS for one in asked),
            )
            if chosen is None:
                return 0
            decision = self._decider.decide(tx, chosen.offers, now)
        self._planner.land(decision)
        self._runtime.probe("staged")
        planned = self._plan(decision, chosen, shops, watch)
        self._runtime.probe("planned")
        return planned

    def _plan(
        self, decision: Decision, chosen: Chosen, shops: Sequence[OpenedShop], watch: StockWatch
    ) -> int:
        with self._runtime.ledger.begin() as tx:
            is_stopped = tx.cursors.get(STOPPED_CURSOR) is not None
            planned = self._planner.plan(tx, decision, chosen.since, is_stopped=is_stopped)
            self._planner.tell_of_unknown(tx, decision, is_review=chosen.is_review)
            self._planner.tell_of_oversold(tx, decision, watch.netsuite)
            if chosen.is_review:
                self._planner.settle(tx, decision)
            if chosen.is_of_news:
                self._planner.tell_of_listings(tx, self._offers, [shop.code for shop, _ in shops])
                tx.cursors.set(BASIS_CURSOR, self._runtime.mapping.fingerprint())
            self._decider.keep(tx)
            self._resting.decided(tx, chosen, decision, is_stopped=is_stopped)
        return planned

    # Replays

    def _asked_for(self) -> list[OpenException]:
        """What a person asked to be tried again."""
        with self._runtime.ledger.read() as tx:
            asked = tx.exceptions.asked_for_replay((*REPLAYED_KINDS, *ENGINE_KINDS))
        return [one for one in asked if is_of_this_flow(one)]

    def _try_again(self, asked: Sequence[OpenException], watch: StockWatch) -> None:
        if not asked:
            return
        if any(one.kind in (IMPLAUSIBLE, UNKNOWN, MALFORMED, OVERSOLD) for one in asked):
            watch.netsuite.read_all_next()
        with self._runtime.ledger.begin() as tx:
            tx.intents.take_up_again([stock_fact(key) for key in _skus_of(asked)])
            # An implausible reading is agreed to by the request itself, which the next look finds.
            tx.exceptions.replayed([one.id for one in asked if one.kind != IMPLAUSIBLE])


def _file_changed(path: Path) -> Callable[[], bool]:
    """Whether a file was written since now; one that cannot be looked at is as it was."""

    def written() -> int | None:
        try:
            return path.stat().st_mtime_ns
        except OSError:
            return None

    before = written()
    return lambda: written() not in (before, None)


def _skus_of(exceptions: Sequence[OpenException]) -> list[SkuKey]:
    """The SKUs that exceptions are about."""
    return [
        (one.shop, one.subject.removeprefix("sku ")) for one in exceptions if one.subject.startswith("sku ")
    ]


def is_of_this_flow(exception: OpenException) -> bool:
    """Whether an exception is about a SKU's stock, an item's or the reading of all."""
    return exception.kind in REPLAYED_KINDS or exception.subject.startswith(_SUBJECTS)
