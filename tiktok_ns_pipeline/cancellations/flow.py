"""The closures flow: one turn of the loop, and the run that turns it until nothing is left to do.

    observe (TikTok, inbox) -> stage (pure) -> intend (ledger) -> apply (NetSuite, TikTok)

What events announce is read by its id in the same turn as the listings are; an event that names what
TikTok does not show yet is done with, since the listings find it. What came too late is looked at
again now and then: a parcel that was taken back can be closed after all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tiktok_ns_pipeline.cancellations.applying import (
    STOP,
    TOO_LATE,
    ClosureCounts,
    ClosureHandler,
    SalesOrders,
)
from tiktok_ns_pipeline.cancellations.observing import ClosureWatch, Observed, watermark_name
from tiktok_ns_pipeline.cancellations.outcome import CHANNEL, Outcome, Request
from tiktok_ns_pipeline.cancellations.planning import (
    MALFORMED,
    REPLY_REFUSED,
    REQUESTED,
    ClosurePlanner,
    PlanReport,
    closure_fact,
)
from tiktok_ns_pipeline.cancellations.replying import ReplyHandler
from tiktok_ns_pipeline.cancellations.staging import stage_cancellation, stage_order
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
from tiktok_ns_pipeline.lake.tables import STAGED_ORDER_CLOSURES
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.exceptions import OpenException
from tiktok_ns_pipeline.ledger.facts import CANCEL_REPLY, CLOSURE
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.client import ShopAccess
from tiktok_ns_pipeline.tiktok.errors import TikTokPermissionError

KINDS = (CLOSURE, CANCEL_REPLY)
"""The facts that this flow makes true."""

REPLAYED_KINDS = (MALFORMED, REQUESTED, REPLY_REFUSED, TOO_LATE, STOP)
"""Exceptions that are this flow's to try again."""

LOOKED_AGAIN_CURSOR = "closures:looked-again"
"""The cursor that says when what came too late, or waits for a person, was last looked at."""

_LOOK_AGAIN_AFTER = timedelta(minutes=10)
_SHIPPED_LOOK_AGAIN_EVERY = 6
"""Of those times, each one at which also parcels that left are looked at."""
_EVENTS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class ClosuresRequest(TurnRequest):
    """What a run shall do; all defaults together mean «go on from where we were»."""

    order_ids: tuple[str, ...] = ()
    """Orders to be read by id besides."""


@dataclass(slots=True)
class ClosuresReport:
    """What a run did, for asset metadata and for people."""

    listed: int = 0
    cancelled_orders: int = 0
    cancellations: int = 0
    plan: PlanReport = field(default_factory=PlanReport)
    closures: ClosureCounts = field(default_factory=ClosureCounts)
    dispatch: DispatchReport = field(default_factory=DispatchReport)
    events: int = 0
    turns: int = 0
    looked_again: int = 0
    trouble: list[str] = field(default_factory=list[str])
    """Systems that could not be read in some turn; what was not read is read next time."""


class ClosuresFlow:
    """The closures flow of one run."""

    def __init__(self, runtime: Runtime, run_id: str) -> None:
        self._runtime = runtime
        self._run_id = run_id
        self._watches: dict[str, ClosureWatch] = {}
        self._unreadable: set[str] = set()
        self._troubles = Troubles(runtime)
        self._to_read: tuple[str, ...] = ()
        self.report = ClosuresReport(trouble=self._troubles.told)

    async def run(self, request: ClosuresRequest) -> ClosuresReport:
        """Turn until nothing is due for `idle_s`, or `budget_s` is over."""
        shops = await shops_of_run(self._runtime, request.shops, self._troubles)
        dispatcher = dispatcher_for(self._runtime, self._handlers(shops), self._troubles, shops)
        self.report.dispatch = dispatcher.report
        self._to_read = request.order_ids

        async def turn() -> int:
            return await self._turn(shops, dispatcher)

        await turn_until_idle(
            self._runtime, dispatcher, turn, budget_s=request.budget_s, idle_s=request.idle_s
        )
        return self.report

    async def _turn(self, shops: Sequence[OpenedShop], dispatcher: Dispatcher) -> int:
        """Look once at everything; gives how much was new."""
        readable = self._troubles.readable(shops)
        counts = await asyncio.gather(*(self._observe(shop, access) for shop, access in readable))
        self._to_read = ()
        dispatcher.nudge()
        changed = sum(counts) + await self._look_again(readable)
        self.report.turns += 1
        return changed

    # Observe and stage

    async def _observe(self, shop: Shop, access: ShopAccess) -> int:
        """One look at a shop; one that cannot be read now does not hold up the others."""
        watch = self._watch(shop, access)
        try:
            changed = await self._take_events(shop, access, watch)
            changed += await self._keep_all(shop, watch.look_at_orders())
            changed += await self._observe_cancellations(shop, watch)
        except SYSTEM_ERRORS as error:
            self._troubles.note_shop(shop.code, error)
            return 0
        self._troubles.logins.let_in(shop.code)
        return changed

    def _watch(self, shop: Shop, access: ShopAccess) -> ClosureWatch:
        return self._watches.setdefault(shop.code, ClosureWatch(self._runtime, shop, access, self._run_id))

    async def _take_events(self, shop: Shop, access: ShopAccess, watch: ClosureWatch) -> int:
        """Read what events, and the person who asked for the run, name."""
        with self._runtime.ledger.read() as tx:
            hints = inbox.taken(tx, inbox.CLOSURES, _EVENTS_AT_ONCE, [access.shop_id])
        named = hints.by_shop.get(access.shop_id)
        orders = tuple(dict.fromkeys((*(named.order_ids if named else ()), *self._to_read)))
        changed = await self._keep_all(shop, watch.fetch_orders(orders)) if orders else 0
        if named and named.cancel_ids and shop.code not in self._unreadable:
            changed += await self._keep_all(shop, watch.fetch_cancellations(named.cancel_ids))
        if hints.inbox_ids:
            # What was read because of them is planned; what TikTok did not show, the listings will.
            with self._runtime.ledger.begin() as tx:
                tx.inbox.handled(hints.inbox_ids)
            self.report.events += len(hints.inbox_ids)
        return changed + len(hints.inbox_ids)

    async def _observe_cancellations(self, shop: Shop, watch: ClosureWatch) -> int:
        """The shop's cancellations, where our app may read them: a scope of its own (T 1.3).

        Without it cancelled orders are closed all the same; only requests are not seen.
        """
        if shop.code in self._unreadable:
            return 0
        try:
            changed = await self._keep_all(shop, watch.look_at_cancellations())
        except TikTokPermissionError as error:
            self._unreadable.add(shop.code)
            self._troubles.told.append(f"cancellations of shop {shop.code}: {error}")
            with self._runtime.ledger.begin() as tx:
                tx.exceptions.open(
                    self._runtime.reporter.exception(
                        "tiktok_refused",
                        channel=CHANNEL,
                        shop=shop.code,
                        subject=_listing_of(shop),
                        cause="cancellations",
                        message=f"TikTok does not let us read the cancellations of shop {shop.code}, so that "
                        f"requests to cancel are not seen. {error}",
                    )
                )
            return 0
        self._clear_listing(shop)
        return changed

    def _clear_listing(self, shop: Shop) -> None:
        with self._runtime.ledger.read() as tx:
            troubled = tx.exceptions.unresolved_among(CHANNEL, shop.code, [_listing_of(shop)])
        if troubled:
            with self._runtime.ledger.begin() as tx:
                tx.exceptions.clear(
                    channel=CHANNEL,
                    shop=shop.code,
                    subject=_listing_of(shop),
                    reason="they can be read again",
                )

    async def _keep_all(self, shop: Shop, pages: AsyncIterator[Observed], *, replay: bool = False) -> int:
        """Stage what was observed and plan it, page by page. How much was new."""
        changed = 0
        async for observed in pages:
            self.report.listed += observed.listed
            if observed.rows or observed.watermark:
                self._keep(shop, observed, replay=replay)
            changed += len(observed.rows)
        return changed

    def _keep(self, shop: Shop, observed: Observed, *, replay: bool) -> None:
        """Land what was decided, and plan it together with the watermark."""
        try:
            outcomes = _staged(shop.code, observed)
            if outcomes:
                rows = [self._row(row, one) for row, one in zip(observed.rows, outcomes, strict=True)]
                self._runtime.lake.land_many(STAGED_ORDER_CLOSURES, rows, shop=shop.code, run_id=self._run_id)
            self._runtime.probe("staged")
            with self._runtime.ledger.begin() as tx:
                ClosurePlanner(self._runtime, self.report.plan).store(tx, outcomes, replay=replay)
                if observed.watermark is not None:
                    name = watermark_name(shop.code, observed.what)
                    tx.cursors.advance(name, observed.watermark.isoformat())
            self._runtime.probe("planned")
        except BaseException:
            # What was seen but not kept must be staged again when it is seen next.
            self._watches[shop.code].forget(observed)
            raise
        if observed.watermark is not None:
            self._watches[shop.code].kept(observed.what, observed.watermark)
        if observed.what == "orders":
            self.report.cancelled_orders += len(observed.rows)
        else:
            self.report.cancellations += len(observed.rows)

    def _row(self, row: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
        return {
            "channel": CHANNEL,
            "day": row["day"],
            "subject": outcome.subject,
            "order_id": outcome.order_id,
            "cancel_id": outcome.cancel_id,
            "update_time": row["update_time"],
            "outcome": type(outcome).__name__.lower(),
            "deadline": outcome.deadline if isinstance(outcome, Request) else None,
            "reason": outcome.reason,
            "staged_at": self._runtime.clock.now(),
        }

    # Look again

    async def _look_again(self, shops: Sequence[OpenedShop]) -> int:
        """Try again what a person asked for; every ten minutes, what may have changed unnoticed."""
        with self._runtime.ledger.read() as tx:
            asked = [
                one
                for one in tx.exceptions.asked_for_replay((*REPLAYED_KINDS, *ENGINE_KINDS))
                if is_ours(one)
            ]
            times, at = tx.cursors.get(LOOKED_AGAIN_CURSOR) or (0, None)
            is_time = (
                at is None or self._runtime.clock.now() - datetime.fromisoformat(at) >= _LOOK_AGAIN_AFTER
            )
            waiting = self._worth_another_look(tx, times) if is_time else []
        if is_time or asked:
            with self._runtime.ledger.begin() as tx:
                facts = [closure_fact(one.shop, _key(one)) for one in (*asked, *waiting) if _is_order(one)]
                tx.intents.take_up_again(facts)
                tx.exceptions.replayed([one.id for one in asked])
                if is_time:
                    tx.cursors.set(LOOKED_AGAIN_CURSOR, [times + 1, self._runtime.clock.now().isoformat()])
        again = await self._read_again(shops, (*asked, *waiting))
        self.report.looked_again += len(asked) + len(waiting)
        return len(asked) + again

    @staticmethod
    def _worth_another_look(tx: Transaction, times: int) -> list[OpenException]:
        """Requests that wait, and closures that came too late; parcels that left not every time."""
        left = {
            (one.shop, one.order_id)
            for one in tx.expected_returns.open()
            if one.reason in {"shipped", "billed"} and times % _SHIPPED_LOOK_AGAIN_EVERY
        }
        found = tx.exceptions.list(kinds=(REQUESTED, TOO_LATE, STOP))
        return [one for one in found if (one.shop, _key(one)) not in left]

    async def _read_again(self, shops: Sequence[OpenedShop], about: Sequence[OpenException]) -> int:
        """Read these cancellations once more: whether they still ask, and what is to be answered now."""
        changed = 0
        for shop, access in shops:
            about_shop = [one for one in about if one.shop == shop.code and not _is_order(one)]
            ids = {_key(one) for one in about_shop if not _key(one).startswith("unreadable-")}
            if not ids or shop.code in self._unreadable:
                continue
            try:
                pages = self._watch(shop, access).fetch_cancellations(sorted(ids), again=True)
                changed += await self._keep_all(shop, pages, replay=True)
            except SYSTEM_ERRORS as error:
                self._troubles.note_shop(shop.code, error)
        return changed

    # Apply

    def _handlers(self, shops: Sequence[OpenedShop]) -> list[Handler]:
        runtime = self._runtime
        fields = runtime.mapping.custom_fields
        orders = SalesOrders(runtime.netsuite, runtime.ledger, runtime.clock, fields.body.order_id)
        closing = ClosureHandler(
            runtime.netsuite, runtime.ledger, runtime.clock, orders, runtime.mapping.cancellations.cutoff
        )
        self.report.closures = closing.counts
        return [
            closing,
            ReplyHandler(
                runtime.tiktok,
                runtime.ledger,
                runtime.clock,
                orders,
                runtime.mapping,
                {shop.code: access for shop, access in shops},
            ),
        ]


def _staged(shop: str, observed: Observed) -> list[Outcome]:
    if observed.what == "orders":
        return [stage_order(row, shop) for row in observed.rows]
    return [stage_cancellation(raw, shop) for raw in observed.raw]


def _listing_of(shop: Shop) -> str:
    return f"cancellations of {shop.code}"


def _is_order(exception: OpenException) -> bool:
    return exception.subject.startswith("order ")


def _key(exception: OpenException) -> str:
    return exception.subject.partition(" ")[2]


def is_ours(exception: OpenException) -> bool:
    """Whether a replay of it is this flow's: what the engine says of an order, the orders flow takes up,
    closures included."""
    return exception.kind in REPLAYED_KINDS or exception.subject.startswith("cancellation ")
