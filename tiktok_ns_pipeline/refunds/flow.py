"""The refunds flow: one turn of the loop, and the run that turns it until nothing is left to do.

    observe (TikTok, inbox, lake) -> decide (with NetSuite as it stands) -> intend -> apply -> read back

What is observed is told to the ledger, which says of each claim when it is to be looked at; what is due
there is decided, whoever told of it. Claims of one order are decided one after another, and stored only if
nobody has done anything about the order in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.engine.classification import ErrorClass, classify
from tiktok_ns_pipeline.engine.dispatcher import Dispatcher, DispatchReport
from tiktok_ns_pipeline.engine.outcomes import ENGINE_KINDS
from tiktok_ns_pipeline.flows import inbox
from tiktok_ns_pipeline.flows.listing import Landed
from tiktok_ns_pipeline.flows.shops import OpenedShop
from tiktok_ns_pipeline.flows.turning import (
    SYSTEM_ERRORS,
    Troubles,
    TurnRequest,
    dispatcher_for,
    shops_of_run,
    turn_until_idle,
)
from tiktok_ns_pipeline.ledger.claims import KnownClaim, ToldClaim
from tiktok_ns_pipeline.ledger.exceptions import OpenException
from tiktok_ns_pipeline.ledger.facts import CREDIT
from tiktok_ns_pipeline.ledger.intents import FactKey
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.mapping.refunds import RefundsAsBilled
from tiktok_ns_pipeline.netsuite.periods import PeriodsReader
from tiktok_ns_pipeline.refunds import reading
from tiktok_ns_pipeline.refunds.applying import handlers
from tiktok_ns_pipeline.refunds.deciding import Decider
from tiktok_ns_pipeline.refunds.document import CHANNEL, SUBJECT
from tiktok_ns_pipeline.refunds.following import LandingsWatch
from tiktok_ns_pipeline.refunds.observing import ReturnWatch, watermark_name
from tiktok_ns_pipeline.refunds.planning import STAGING_KINDS
from tiktok_ns_pipeline.refunds.reading_back import read_refunds_back, watch_returns
from tiktok_ns_pipeline.refunds.records import FieldNames
from tiktok_ns_pipeline.refunds.staging import DIFFERS
from tiktok_ns_pipeline.refunds.storing import ClaimStore, PlanReport
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.client import ShopAccess
from tiktok_ns_pipeline.tiktok.errors import TikTokPermissionError

KINDS = reading.KINDS
"""The facts that this flow makes true."""

REPLAYED_KINDS = (*STAGING_KINDS, DIFFERS)
"""Exceptions that are this flow's to try again, beside those of the engine about a return."""

_EVENTS_AT_ONCE = 200
_CLAIMS_AT_ONCE = 200
_ORDERS_AT_ONCE = 8
_ABOUT_ONE_ORDER = (ErrorClass.BUSINESS, ErrorClass.UNKNOWN)
"""What a system says of one order; whatever else it says holds up the others, too."""


@dataclass(frozen=True, slots=True)
class RefundsRequest(TurnRequest):
    """What a run shall do; all defaults together mean «go on from where we were»."""

    order_ids: tuple[str, ...] = ()
    """Orders whose returns are read besides."""
    return_ids: tuple[str, ...] = ()
    """Returns that are read by id besides."""
    since: datetime | None = None
    """Returns that changed from an instant on are read anew; else those since the last run."""


@dataclass(slots=True)
class RefundsReport:
    """What a run did, for asset metadata and for people."""

    listed: int = 0
    returns: int = 0
    """Returns that were new in this version."""
    cancellations: int = 0
    """Cancellations that landed, of which those of orders that had left are credited."""
    events: int = 0
    plan: PlanReport = field(default_factory=PlanReport)
    dispatch: DispatchReport = field(default_factory=DispatchReport)
    read_back: int = 0
    credited_amounts: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    """Credits that were read back in this run, by currency."""
    turns: int = 0
    trouble: list[str] = field(default_factory=list[str])
    """Systems that could not be read in some turn; what was not read is read next time."""


class RefundsFlow:
    """The refunds flow of one run."""

    def __init__(self, runtime: Runtime, run_id: str) -> None:
        fields = runtime.mapping.custom_fields
        self._runtime = runtime
        self._run_id = run_id
        self._reader = reading.RefundReader(
            runtime.netsuite, fields.body.order_id, fields.line.line_key, fields.line.line_ids
        )
        self._periods = PeriodsReader(runtime.netsuite, runtime.clock, reading.LANE)
        self._handlers = handlers(
            runtime.netsuite,
            runtime.ledger,
            runtime.clock,
            self._periods,
            FieldNames(
                fields.body.order_id, fields.body.shop, fields.body.payload_hash, fields.line.line_key
            ),
        )
        self._watches: dict[str, ReturnWatch] = {}
        self._landings: dict[str, LandingsWatch] = {}
        self._begun_on: dict[str, date | None] = {}
        self._unreadable: set[str] = set()
        self._again: set[tuple[str, str]] = set()
        """Shop and id of claims that somebody asked to try again."""
        self._troubles = Troubles(runtime)
        self._to_read = RefundsRequest()
        self.report = RefundsReport(trouble=self._troubles.told)
        self._store = ClaimStore(runtime, run_id, self.report.plan)

    async def run(self, request: RefundsRequest) -> RefundsReport:
        """Turn until nothing is due for `idle_s`, or `budget_s` is over."""
        shops = await shops_of_run(self._runtime, request.shops, self._troubles)
        dispatcher = dispatcher_for(self._runtime, self._handlers, self._troubles, shops)
        self.report.dispatch = dispatcher.report
        self._to_read = request

        async def turn() -> int:
            return await self._turn(shops, dispatcher)

        await turn_until_idle(
            self._runtime, dispatcher, turn, budget_s=request.budget_s, idle_s=request.idle_s
        )
        await self._read_back()
        return self.report

    async def _turn(self, shops: Sequence[OpenedShop], dispatcher: Dispatcher) -> int:
        """Look once at everything; gives how much was new."""
        readable = self._troubles.readable(shops)
        changed = sum(await asyncio.gather(*(self._observe(*opened) for opened in readable)))
        self._to_read = RefundsRequest()
        changed += await self._watch_returns(shops)
        for opened in shops:
            self._follow(opened[0])
            changed += await self._decide(opened)
            dispatcher.nudge()
        changed += await self._read_back()
        self.report.turns += 1
        return changed

    # Observe

    async def _observe(self, shop: Shop, access: ShopAccess) -> int:
        """One look at a shop's returns; one that cannot be read now does not hold up the others."""
        if shop.code in self._unreadable:
            return 0
        watch = self._watches.setdefault(shop.code, ReturnWatch(self._runtime, shop, access, self._run_id))
        try:
            changed = await self._take_events(shop, access, watch)
            changed += await self._keep_all(shop, watch, watch.look(self._to_read.since))
        except TikTokPermissionError as error:
            self._tell_unreadable(shop, error)
            return 0
        except SYSTEM_ERRORS as error:
            self._troubles.note_shop(shop.code, error)
            return 0
        self._troubles.logins.let_in(shop.code)
        self._clear_listing(shop)
        return changed

    async def _take_events(self, shop: Shop, access: ShopAccess, watch: ReturnWatch) -> int:
        """Read what events, and the person who asked for the run, name; what TikTok does not show yet
        the listing will."""
        with self._runtime.ledger.read() as tx:
            hints = inbox.taken(tx, inbox.REFUNDS, _EVENTS_AT_ONCE, [access.shop_id])
        named = hints.by_shop.get(access.shop_id)
        returns = dict.fromkeys((*(named.return_ids if named else ()), *self._to_read.return_ids))
        # A return that is named needs no second reading by its order.
        orders = dict.fromkeys(
            (*(named.order_ids if named and not named.return_ids else ()), *self._to_read.order_ids)
        )
        changed = await self._keep_all(shop, watch, watch.fetch(tuple(returns), tuple(orders)))
        if hints.inbox_ids:
            with self._runtime.ledger.begin() as tx:
                tx.inbox.handled(hints.inbox_ids)
            self.report.events += len(hints.inbox_ids)
        return changed + len(hints.inbox_ids)

    async def _keep_all(self, shop: Shop, watch: ReturnWatch, pages: AsyncIterator[Landed]) -> int:
        """Tell the ledger of what was observed, page by page. How much was new."""
        changed = 0
        async for landed in pages:
            self.report.listed += landed.listed
            if landed.rows or landed.watermark:
                self._keep(shop, watch, landed)
            changed += len(landed.rows)
        self.report.returns += changed
        return changed

    def _keep(self, shop: Shop, watch: ReturnWatch, landed: Landed) -> None:
        told = [
            ToldClaim(row["return_id"], row["order_id"] or "", "return", row["day"]) for row in landed.rows
        ]
        try:
            with self._runtime.ledger.begin() as tx:
                tx.claims.tell(CHANNEL, shop.code, told)
                if landed.watermark is not None:
                    tx.cursors.advance(watermark_name(shop.code), landed.watermark.isoformat())
            self._runtime.probe("told")
        except BaseException:
            watch.forget(landed)
            raise
        watch.kept(landed)

    def _follow(self, shop: Shop) -> None:
        """What other flows landed about orders wakes their claims, or is one."""
        watch = self._landings.get(shop.code)
        if watch is None:
            watch = self._landings[shop.code] = LandingsWatch(self._runtime, shop)
        news = watch.look()
        if news:
            with self._runtime.ledger.begin() as tx:
                watch.keep(tx, news)
            watch.kept(news)
            self.report.cancellations += len(news.cancellations)

    def _tell_unreadable(self, shop: Shop, error: TikTokPermissionError) -> None:
        """Returns are a scope of their own (T 1.3): told once, and not asked for again in this run."""
        self._unreadable.add(shop.code)
        self._troubles.told.append(f"returns of shop {shop.code}: {error}")
        with self._runtime.ledger.begin() as tx:
            tx.exceptions.open(
                self._runtime.reporter.exception(
                    "tiktok_refused",
                    channel=CHANNEL,
                    shop=shop.code,
                    subject=_listing_of(shop),
                    cause="returns",
                    message=f"TikTok does not let us read the returns of shop {shop.code}, so that refunds "
                    f"are not seen. {error}",
                )
            )

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

    # Decide

    async def _decide(self, opened: OpenedShop) -> int:
        """Decide what is due of a shop; gives how many claims were."""
        shop = opened[0]
        begun_on = self._first_day(shop)
        asked = self._asked_for(shop)
        self._wake(shop, asked)
        with self._runtime.ledger.read() as tx:
            due = tx.claims.due(CHANNEL, shop.code, _CLAIMS_AT_ONCE)
        if not due:
            return 0
        decider = Decider(self._runtime, opened, self._run_id, self._reader, self._periods, begun_on)
        decider.read(due)
        orders: dict[str, list[KnownClaim]] = {}
        for one in due:
            orders.setdefault(one.order_id or one.claim_id, []).append(one)
        by_order, stored = list(orders.values()), 0
        for start in range(0, len(by_order), _ORDERS_AT_ONCE):
            chunk = by_order[start : start + _ORDERS_AT_ONCE]
            done = await asyncio.gather(
                *(self._decide_order(shop, decider, claims) for claims in chunk), return_exceptions=True
            )
            stored += sum(one for one in done if isinstance(one, int))
            for one in done:
                if isinstance(one, BaseException) and not isinstance(one, SYSTEM_ERRORS):
                    raise one
            failed = [one for one in done if isinstance(one, SYSTEM_ERRORS)]
            if failed:
                # The rest stays due.
                self._troubles.note(f"refunds of shop {shop.code}", failed[0])
                break
        return stored

    async def _decide_order(self, shop: Shop, decider: Decider, claims: Sequence[KnownClaim]) -> int:
        """Decide some claims of one order, the first one made first; how many were stored.

        What moves on meanwhile stays due. Raises NetSuiteError's and TikTokError's subclasses for a system
        that cannot be asked now.
        """
        try:
            case = await decider.look(claims[0].order_id, claims)
        except SYSTEM_ERRORS as error:
            if classify(error) not in _ABOUT_ONE_ORDER:
                raise
            case = decider.unseen(claims[0].order_id, claims, str(error))
        in_order = sorted(claims, key=lambda one: (len(one.claim_id), one.claim_id))
        for done, claim in enumerate(in_order):
            if case is not None and done:
                case = decider.again(case, in_order[done - 1].claim_id)
            if case is None:
                return done
            replay = (shop.code, claim.claim_id) in self._again
            if not self._store.keep(shop, case, decider.decide(case, claim.claim_id), replay=replay):
                return done
            self._again.discard((shop.code, claim.claim_id))
        return len(in_order)

    def _first_day(self, shop: Shop) -> date | None:
        """The first day of refunds that are posted; None where none are. A changed policy looks at all
        claims anew."""
        if shop.code in self._begun_on:
            return self._begun_on[shop.code]
        policy, name = shop.refunds, f"refunds:{shop.code}:policy"
        fingerprint = exact_json.fingerprint([policy.model_dump(mode="json"), shop.currency_id])
        today = self._runtime.clock.now().astimezone(shop.zone).date()
        with self._runtime.ledger.begin() as tx:
            stored: dict[str, Any] = tx.cursors.get(name) or {}
            known = date.fromisoformat(stored["begun_on"]) if stored.get("begun_on") else None
            begun_on = (policy.since or known or today) if isinstance(policy, RefundsAsBilled) else None
            if stored.get("fingerprint") != fingerprint:
                tx.claims.wake_all(CHANNEL, shop.code)
                kept = begun_on or known
                tx.cursors.set(
                    name, {"fingerprint": fingerprint, "begun_on": kept.isoformat() if kept else None}
                )
        self._begun_on[shop.code] = begun_on
        return begun_on

    def _asked_for(self, shop: Shop) -> list[OpenException]:
        with self._runtime.ledger.read() as tx:
            asked = tx.exceptions.asked_for_replay((*REPLAYED_KINDS, *ENGINE_KINDS))
        return [one for one in asked if one.shop == shop.code and one.subject.startswith(SUBJECT)]

    def _wake(self, shop: Shop, asked: Sequence[OpenException]) -> None:
        """Look at what somebody asked for, and at documents that cannot be sent as they are."""
        outdated: set[FactKey] = set()
        for handler in self._handlers:
            own = {fact for fact in handler.outdated if fact.shop == shop.code}
            handler.outdated -= own
            outdated |= own
        names = {_claim_id(one) for one in asked}
        if not asked and not outdated:
            return
        self._again |= {(shop.code, name) for name in names}
        with self._runtime.ledger.begin() as tx:
            tx.claims.wake(CHANNEL, shop.code, claim_ids=[*names, *(fact.business_key for fact in outdated)])
            differing = [one for one in asked if one.kind == DIFFERS]
            tx.links.read_again([FactKey(CHANNEL, shop.code, CREDIT, _claim_id(one)) for one in differing])
            tx.exceptions.replayed([one.id for one in asked])

    # Read back

    async def _watch_returns(self, shops: Sequence[OpenedShop]) -> int:
        posting = [shop.code for shop, _access in shops if isinstance(shop.refunds, RefundsAsBilled)]
        if not posting:
            return 0
        try:
            return await watch_returns(self._runtime, self._run_id, posting)
        except SYSTEM_ERRORS as error:
            self._troubles.note("returns in NetSuite", error)
            return 0

    async def _read_back(self) -> int:
        try:
            done = await read_refunds_back(self._runtime, self._run_id)
        except SYSTEM_ERRORS as error:
            self._troubles.note("read-back of refunds", error)
            return 0
        if done:
            self._troubles.logins.answered("netsuite")
        for currency, amount in done.amounts.items():
            known = self.report.credited_amounts.get(currency, Decimal(0))
            self.report.credited_amounts[currency] = known + amount
        self.report.read_back += done.documents
        return done.documents


def _listing_of(shop: Shop) -> str:
    return f"returns of {shop.code}"


def _claim_id(exception: OpenException) -> str:
    return exception.subject.removeprefix(SUBJECT)
