"""The orders flow: one turn of the loop, and the run that turns it until nothing is left to do.

    observe (TikTok) -> stage (pure) -> intend (ledger) -> apply (NetSuite) -> acknowledge (both)

A run observes and applies side by side: while Sales Orders are being saved, new orders are already
read and planned, so that a burst needs no new run. It ends when nothing is due for a while or when
its time is up; what is left then is the next run's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.engine.dispatcher import Dispatcher, DispatchReport
from tiktok_ns_pipeline.engine.outcomes import ENGINE_KINDS, Handler
from tiktok_ns_pipeline.flows import inbox
from tiktok_ns_pipeline.flows.shops import OpenedShop
from tiktok_ns_pipeline.flows.turning import (
    SYSTEM_ERRORS,
    Troubles,
    dispatcher_for,
    shops_of_run,
    turn_until_idle,
)
from tiktok_ns_pipeline.flows.watermarks import orders_watermark
from tiktok_ns_pipeline.gate import Lane
from tiktok_ns_pipeline.goods.items import ItemIndex
from tiktok_ns_pipeline.goods.problem import Problem
from tiktok_ns_pipeline.goods.snapshot import ensure_snapshot, known_snapshot, snapshot_rows
from tiktok_ns_pipeline.lake.tables import RAW_TIKTOK_ORDERS, STAGED_SALES_ORDERS
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.exceptions import OpenException
from tiktok_ns_pipeline.ledger.facts import CLOSURE, CUSTOMER, REFERENCE, SALES_ORDER
from tiktok_ns_pipeline.ledger.intents import FactKey
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.orders.acknowledging import TOTAL_DIFFERS, acknowledge_sales_orders
from tiktok_ns_pipeline.orders.applying import (
    CustomerHandler,
    ExternalReferenceHandler,
    SalesOrderHandler,
)
from tiktok_ns_pipeline.orders.observing import Observed, OrderWatch
from tiktok_ns_pipeline.orders.outcome import Outcome, Parked, Skipped, Staged, Waiting
from tiktok_ns_pipeline.orders.planning import STAGING_KINDS, OrderPlanner, PlanReport
from tiktok_ns_pipeline.orders.records import FieldNames
from tiktok_ns_pipeline.orders.staging import stage_order
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.client import ShopAccess

KINDS = (CUSTOMER, SALES_ORDER, REFERENCE)
"""The facts that this flow makes true."""

_FACTS_ABOUT = {"order": (SALES_ORDER, CLOSURE), "reference": (REFERENCE,), "customer": (CUSTOMER,)}
"""Kinds of facts by what an exception is about, where asking for a replay is asking this flow."""

_READINGS_AT_MOST = 3
_EVENTS_AT_ONCE = 500
_ASK_FOR_ITEMS_AFTER = timedelta(seconds=60)

BASIS_CURSOR = "orders:staging-basis"
"""The cursor that keeps the fingerprints of mapping and items that orders were staged with."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a run shall do; all defaults together mean «go on from where we were»."""

    shops: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    order_ids: tuple[str, ...] = ()
    budget_s: float = 120.0
    idle_s: float = 4.0
    lane: Lane = "orders"

    @property
    def is_bounded(self) -> bool:
        """Whether it names what to read, and therefore reads it once."""
        return bool(self.order_ids or self.since or self.until)


@dataclass(slots=True)
class RunReport:
    """What a run did, for asset metadata and for people."""

    listed: int = 0
    observed: int = 0
    events: int = 0
    """Webhook events that were followed."""
    plan: PlanReport = field(default_factory=PlanReport)
    dispatch: DispatchReport = field(default_factory=DispatchReport)
    acknowledged: int = 0
    turns: int = 0
    item_snapshots: int = 0
    not_found: tuple[str, ...] = ()
    observed_by_shop: dict[str, int] = field(default_factory=dict[str, int])
    trouble: list[str] = field(default_factory=list[str])
    """Systems that could not be read in some turn; what was not read is read next time."""


class OrdersFlow:
    """The orders flow of one run."""

    def __init__(self, runtime: Runtime, run_id: str) -> None:
        self._runtime = runtime
        self._run_id = run_id
        self._watches: dict[str, OrderWatch] = {}
        self._items: tuple[str, ItemIndex] | None = None
        self._items_asked_at = runtime.clock.now()
        self._reading_items = asyncio.Lock()
        self._readings = 0
        self._troubles = Troubles(runtime)
        self.report = RunReport(trouble=self._troubles.told)

    async def run(self, request: RunRequest) -> RunReport:
        """Turn until nothing is due for `idle_s`, or `budget_s` is over."""
        shops = await shops_of_run(self._runtime, request.shops, self._troubles)
        dispatcher = dispatcher_for(self._runtime, self._handlers(shops), self._troubles, shops)
        self.report.dispatch = dispatcher.report
        self._readings = _READINGS_AT_MOST if request.is_bounded else 0

        async def turn() -> int:
            return await self._turn(shops, request, dispatcher)

        await turn_until_idle(
            self._runtime, dispatcher, turn, budget_s=request.budget_s, idle_s=request.idle_s
        )
        await self._acknowledge()
        return self.report

    async def _turn(self, shops: Sequence[OpenedShop], request: RunRequest, dispatcher: Dispatcher) -> int:
        """Look once at everything; gives how much was new, or is still to be read."""
        changed = 0
        if self._readings or not request.is_bounded:
            troubles = len(self.report.trouble)
            changed = await self._observe_all(shops, request)
            # What is asked for is read once, and again while it cannot be read in full.
            failed = len(self.report.trouble) > troubles
            self._readings = self._readings - 1 if self._readings and failed else 0
        changed += await self._replay(shops)
        dispatcher.nudge()
        changed += await self._acknowledge()
        self.report.turns += 1
        return changed + self._readings

    # Observe and stage

    async def _observe_all(self, shops: Sequence[OpenedShop], request: RunRequest) -> int:
        """One look at every shop. A shop that cannot be read now does not hold up the others."""
        open_shops = self._troubles.readable(shops)
        counts = await asyncio.gather(*(self._observe(shop, access, request) for shop, access in open_shops))
        if request.order_ids:
            seen = {order_id for watch in self._watches.values() for order_id in watch.seen}
            self.report.not_found = tuple(sorted(set(request.order_ids) - seen))
        return sum(counts)

    async def _observe(self, shop: Shop, access: ShopAccess, request: RunRequest) -> int:
        watch = self._watches.setdefault(shop.code, OrderWatch(self._runtime, shop, access, self._run_id))
        changed = 0
        try:
            # Without items nothing could be staged: then nothing is read either, and nothing landed twice.
            await self._item_index()
            async for observed in self._listing(watch, request):
                self.report.listed += observed.listed
                changed += len(observed.orders)
                if observed.orders or observed.watermark:
                    await self._stage(shop, access, watch, observed, request.lane)
            if not request.is_bounded:
                changed += await self._follow_events(shop, access, watch, request.lane)
        except SYSTEM_ERRORS as error:
            self._troubles.note_shop(shop.code, error)
        else:
            self._troubles.logins.let_in(shop.code)
        self.report.observed += changed
        known = self.report.observed_by_shop.get(shop.code, 0)
        self.report.observed_by_shop[shop.code] = known + changed
        return changed

    async def _follow_events(self, shop: Shop, access: ShopAccess, watch: OrderWatch, lane: Lane) -> int:
        """Read the orders that webhooks name and the list did not show: it may be late (T 3.1)."""
        changed = 0
        is_more = True
        while is_more:
            with self._runtime.ledger.read() as tx:
                hints = inbox.taken(tx, inbox.ORDERS, _EVENTS_AT_ONCE, [access.shop_id])
            is_more = len(hints.inbox_ids) == _EVENTS_AT_ONCE
            named = hints.by_shop.get(access.shop_id)
            behind = [
                order_id
                for order_id in (named.order_ids if named else ())
                if watch.is_behind(order_id, named.told_at.get(order_id) if named else None)
            ]
            if behind:
                async for observed in watch.fetch(behind):
                    changed += len(observed.orders)
                    await self._stage(shop, access, watch, observed, lane)
            if hints.inbox_ids:
                # What they name is planned; an order that TikTok does not show, the list will.
                with self._runtime.ledger.begin() as tx:
                    tx.inbox.handled(hints.inbox_ids)
                self.report.events += len(hints.inbox_ids)
        return changed

    @staticmethod
    def _listing(watch: OrderWatch, request: RunRequest) -> AsyncIterator[Observed]:
        if request.order_ids:
            return watch.fetch(request.order_ids)
        return watch.look(since=request.since, until=request.until)

    async def _stage(
        self, shop: Shop, access: ShopAccess, watch: OrderWatch, observed: Observed, lane: Lane
    ) -> None:
        """Stage what was observed and plan it, together with the watermark; land what was decided."""
        try:
            items = await self._item_index()
            outcomes = [await self._staged(shop, access, raw, items) for raw in observed.orders]
            self._keep(shop, observed.rows, outcomes, lane, watermark=observed.watermark)
            if observed.watermark is not None:
                watch.kept(observed.watermark)
        except BaseException:
            # What was seen but not kept must be staged again when it is seen next.
            watch.forget([row["order_id"] for row in observed.rows])
            raise

    async def _staged(self, shop: Shop, access: ShopAccess, raw: dict[str, Any], items: ItemIndex) -> Outcome:
        outcome = _stage_safely(raw, shop, self._runtime, items)
        if not price_detail_could_tell(outcome):
            return outcome
        try:
            detail = await self._runtime.tiktok.price_detail(access, outcome.order_id)
        except SYSTEM_ERRORS as error:
            # A detail can fail for one order for good (T 2.3): it stays parked, the others go on.
            self._troubles.note(f"price detail of order {outcome.order_id}", error)
            return outcome
        return _stage_safely(raw, shop, self._runtime, items, detail)

    def _keep(
        self,
        shop: Shop,
        rows: Sequence[dict[str, Any]],
        outcomes: Sequence[Outcome],
        lane: Lane,
        *,
        watermark: datetime | None = None,
        replay: bool = False,
    ) -> None:
        if outcomes:
            staged = [self._staged_row(row, outcome) for row, outcome in zip(rows, outcomes, strict=True)]
            self._runtime.lake.land_many(STAGED_SALES_ORDERS, staged, shop=shop.code, run_id=self._run_id)
        if not outcomes and watermark is None:
            return
        self._runtime.probe("staged")
        with self._runtime.ledger.begin() as tx:
            OrderPlanner(self._runtime, self.report.plan, lane).store(tx, outcomes, replay=replay)
            if watermark is not None:
                tx.cursors.advance(orders_watermark(shop.code), watermark.isoformat())
        self._runtime.probe("planned")

    def _staged_row(self, row: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
        document = outcome.document if isinstance(outcome, Staged) else None
        return {
            "channel": outcome.channel,
            "day": row["day"],
            "order_id": row["order_id"],
            "update_time": row["update_time"],
            "outcome": type(outcome).__name__.lower(),
            "reason": _reason(outcome),
            "control_total": document.control_total if document else None,
            "currency": document.currency if document else None,
            "document": exact_json.dumps(document.model_dump()) if document else None,
            "fingerprint": document.fingerprint() if document else None,
            "staged_at": self._runtime.clock.now(),
            "mapping_fingerprint": self._runtime.mapping.fingerprint(),
        }

    async def _item_index(self) -> ItemIndex:
        """The index of the newest items; rebuilt only when a new snapshot was read."""
        async with self._reading_items:
            now = self._runtime.clock.now()
            if self._items is None or now - self._items_asked_at >= _ASK_FOR_ITEMS_AFTER:
                snapshot_id = await self._snapshot()
                if self._items is None or self._items[0] != snapshot_id:
                    self._items = (snapshot_id, ItemIndex(snapshot_rows(self._runtime)))
                self._items_asked_at = now
            return self._items[1]

    async def _snapshot(self) -> str:
        """The newest snapshot of the items; an old one serves while NetSuite cannot be asked."""
        try:
            snapshot_id, is_new = await ensure_snapshot(self._runtime, self._run_id)
        except SYSTEM_ERRORS as error:
            old = known_snapshot(self._runtime)
            if old is None:
                raise
            self._troubles.note("items", error)
            return old
        self.report.item_snapshots += is_new
        return snapshot_id

    # Replay

    async def _replay(self, shops: Sequence[OpenedShop]) -> int:
        """Stage parked orders again: all when the mapping or the items changed, else those asked for."""
        try:
            items = await self._item_index()
        except SYSTEM_ERRORS as error:
            self._troubles.note("items", error)
            return 0
        basis = f"{self._runtime.mapping.fingerprint()}/{items.fingerprint()}"
        with self._runtime.ledger.read() as tx:
            changed = tx.cursors.get(BASIS_CURSOR) != basis
            asked = [
                exception
                for exception in tx.exceptions.asked_for_replay(
                    (*STAGING_KINDS, *ENGINE_KINDS, TOTAL_DIFFERS)
                )
                if exception.subject.partition(" ")[0] in _FACTS_ABOUT or exception.kind in STAGING_KINDS
            ]
            parked = tx.exceptions.list(kinds=STAGING_KINDS) if changed else []
        replayed = 0
        for shop, access in shops:
            ids = {
                exception.subject.removeprefix("order ")
                for exception in (*asked, *parked)
                if exception.shop == shop.code and exception.subject.startswith("order ")
            }
            replayed += await self._replay_orders(shop, access, sorted(ids), items)
        if asked or changed:
            with self._runtime.ledger.begin() as tx:
                self._take_up_facts(tx, asked)
                tx.cursors.set(BASIS_CURSOR, basis)
        return replayed

    async def _replay_orders(
        self, shop: Shop, access: ShopAccess, ids: Sequence[str], items: ItemIndex
    ) -> int:
        if not ids:
            return 0
        markers = ", ".join("?" for _ in ids)
        rows = self._runtime.lake.current(
            RAW_TIKTOK_ORDERS, f"order_id IN ({markers})", list(ids), shop=shop.code
        )
        outcomes = [await self._staged(shop, access, exact_json.loads(row["payload"]), items) for row in rows]
        self._keep(shop, rows, outcomes, "orders", replay=True)
        return len(rows)

    @staticmethod
    def _take_up_facts(tx: Transaction, asked: Sequence[OpenException]) -> None:
        """What a person asked to try again is not only orders: customers, references, closures, too."""
        facts: list[FactKey] = []
        for exception in asked:
            what, _, key = exception.subject.partition(" ")
            kinds = _FACTS_ABOUT.get(what, ())
            facts += [FactKey(exception.channel, exception.shop, kind, key) for kind in kinds]
        tx.intents.take_up_again(facts)
        tx.links.read_again([fact for fact in facts if fact.kind == SALES_ORDER])
        tx.exceptions.replayed([exception.id for exception in asked])

    # Apply and acknowledge

    def _handlers(self, shops: Sequence[OpenedShop]) -> list[Handler]:
        runtime = self._runtime
        names = runtime.mapping.custom_fields
        fields = FieldNames(
            order_id=names.body.order_id,
            shop=names.body.shop,
            payload_hash=names.body.payload_hash,
            fulfilment=names.body.fulfilment,
            line_ids=names.line.line_ids,
            line_key=names.line.line_key,
        )
        return [
            CustomerHandler(runtime.netsuite, fields),
            SalesOrderHandler(runtime.netsuite, runtime.ledger, runtime.clock, fields),
            ExternalReferenceHandler(runtime.tiktok, {shop.code: access for shop, access in shops}),
        ]

    async def _acknowledge(self) -> int:
        try:
            done = await acknowledge_sales_orders(self._runtime)
        except SYSTEM_ERRORS as error:
            self._troubles.note("read-back", error)
            return 0
        if done:
            self._troubles.logins.answered("netsuite")
        self.report.acknowledged += done
        return done


def _stage_safely(
    raw: dict[str, Any],
    shop: Shop,
    runtime: Runtime,
    items: ItemIndex,
    price_detail: dict[str, Any] | None = None,
) -> Outcome:
    """Stage one order; an unforeseen error parks this order and no other."""
    try:
        return stage_order(raw, shop, runtime.mapping, items, price_detail)
    except Exception as error:
        order_id = str(raw.get("id") or "without id")
        return Parked(
            channel="tiktok",
            shop=shop.code,
            order_id=order_id,
            status=str(raw.get("status")),
            update_time=None,
            problems=(
                Problem(
                    kind="staging_failed",
                    cause=type(error).__name__,
                    message=f"Order {order_id} of shop {shop.code} met an unforeseen {type(error).__name__} "
                    "while it was staged.",
                    what_to_do="Report the order's id to whoever maintains the pipeline; it is staged again "
                    "when it changes or when it is replayed.",
                ),
            ),
        )


def price_detail_could_tell(outcome: Outcome) -> bool:
    """Whether only amounts are in doubt, which TikTok's own calculation can settle (T 3.7)."""
    return isinstance(outcome, Parked) and {problem.kind for problem in outcome.problems} <= {
        "contradictory_amounts",
        "control_total_differs",
    }


def _reason(outcome: Outcome) -> str | None:
    match outcome:
        case Waiting() | Skipped() | Parked():
            return outcome.reason
        case Staged():
            return None
