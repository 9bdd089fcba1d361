"""The billing flow: one turn of the loop, and the run that turns it until nothing is left to do.

    observe (lake) -> stage (with the Sales Order as it stands) -> intend -> apply (NetSuite) -> read back

What was shipped is billed, once per fulfilment, by the shop's policy. Bills of one order go one after
the other, since each takes its share of what the earlier ones left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.billing.applying import BillHandler
from tiktok_ns_pipeline.billing.considering import Considered, consider, policy_fingerprint
from tiktok_ns_pipeline.billing.document import CHANNEL, SUBJECT, Bill, Fulfilment
from tiktok_ns_pipeline.billing.observing import FulfilmentWatch, Observed, Unreadable
from tiktok_ns_pipeline.billing.planning import (
    BillPlanner,
    Decided,
    PlanReport,
    ShopMark,
    mark_name,
    orders_under_way,
    plan_number,
)
from tiktok_ns_pipeline.billing.reading import BillingReader
from tiktok_ns_pipeline.billing.reading_back import DELETED, read_bills_back
from tiktok_ns_pipeline.billing.records import FieldNames
from tiktok_ns_pipeline.billing.staging import (
    BILL_DIFFERS,
    NO_OPEN_PERIOD,
    STAGING_KINDS,
    Problem,
    missing_order_problem,
    posting_problem,
    stage_bill,
    unreadable_problem,
)
from tiktok_ns_pipeline.engine.dispatcher import Dispatcher, DispatchReport
from tiktok_ns_pipeline.engine.outcomes import ENGINE_KINDS
from tiktok_ns_pipeline.flows.shops import OpenedShop
from tiktok_ns_pipeline.flows.turning import (
    SYSTEM_ERRORS,
    Troubles,
    TurnRequest,
    dispatcher_for,
    shops_of_run,
    turn_until_idle,
)
from tiktok_ns_pipeline.lake.tables import STAGED_BILLS
from tiktok_ns_pipeline.ledger.exceptions import OpenException
from tiktok_ns_pipeline.ledger.facts import BILL
from tiktok_ns_pipeline.ledger.intents import FactKey, Intent, IntentState
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.mapping.follow_ups import NoBilling
from tiktok_ns_pipeline.netsuite.errors import NetSuiteNotFound, NetSuiteRefused, NetSuiteUnknownError
from tiktok_ns_pipeline.runtime import Runtime

REPLAYABLE = (*STAGING_KINDS, BILL_DIFFERS, *ENGINE_KINDS)
"""Kinds of exceptions that this flow answers a replay of, where they are about a bill."""

_CHUNK = 40
"""Fulfilments whose Sales Orders are read before they are planned."""


@dataclass(slots=True)
class RunReport:
    """What a run did, for asset metadata and for people."""

    considered: int = 0
    plan: PlanReport = field(default_factory=PlanReport)
    dispatch: DispatchReport = field(default_factory=DispatchReport)
    read_back: int = 0
    billed_amounts: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    """Read back in this run, by currency."""
    turns: int = 0
    trouble: list[str] = field(default_factory=list[str])


class BillingFlow:
    """The billing flow of one run."""

    def __init__(self, runtime: Runtime, run_id: str) -> None:
        names = runtime.mapping.custom_fields
        self._runtime = runtime
        self._run_id = run_id
        self._watches: dict[str, FulfilmentWatch] = {}
        self._reader = BillingReader(runtime.netsuite, runtime.clock, names.line.line_key)
        self._handler = BillHandler(
            runtime.netsuite,
            self._reader,
            runtime.ledger,
            runtime.clock,
            FieldNames(names.body.order_id, names.body.shop, names.body.payload_hash),
        )
        self._shops_asked_for_periods: set[str] = set()
        self._troubles = Troubles(runtime)
        self.report = RunReport(trouble=self._troubles.told)

    async def run(self, request: TurnRequest) -> RunReport:
        """Turn until nothing is due for `idle_s`, or `budget_s` is over."""
        shops = await shops_of_run(self._runtime, request.shops, self._troubles)
        dispatcher = dispatcher_for(self._runtime, [self._handler], self._troubles, shops)
        self.report.dispatch = dispatcher.report

        async def turn() -> int:
            return await self._turn(shops, dispatcher)

        await turn_until_idle(
            self._runtime, dispatcher, turn, budget_s=request.budget_s, idle_s=request.idle_s
        )
        await self._read_back()
        return self.report

    async def _turn(self, shops: Sequence[OpenedShop], dispatcher: Dispatcher) -> int:
        changed = 0
        for shop, _access in shops:
            try:
                changed += await self._turn_shop(shop)
            except SYSTEM_ERRORS as error:
                self._troubles.note(f"shipments of shop {shop.code}", error)
        dispatcher.nudge()
        changed += await self._read_back()
        self.report.turns += 1
        return changed

    async def _turn_shop(self, shop: Shop) -> int:
        """Decide what landed, waits, or is to be tried again. Gives how much was planned or parked."""
        mark = self._mark(shop)
        if mark is None:
            return 0
        watch = self._watches.setdefault(shop.code, FulfilmentWatch(self._runtime.lake, shop))
        asked = self._asked_for(shop)
        once_more = self._named_by([one for one in asked if one.cause == DELETED])
        again = self._named_by(asked) | self._outdated(shop) | self._without_period(shop)
        for fulfilment_id in again:
            watch.forget(fulfilment_id)
        observed = _joined(watch.look(mark.landed_at, mark.waiting), watch.named(again))
        waiting, changed = await self._decide(shop, mark, watch, observed, again, once_more)
        self._keep_mark(
            shop, replace(mark, landed_at=observed.landed_at or mark.landed_at), observed, waiting
        )
        self._answered(asked)
        return changed

    # What is to be decided

    def _mark(self, shop: Shop) -> ShopMark | None:
        """How far the shop was looked at; None where nothing is billed.

        A changed policy looks at everything anew.
        """
        with self._runtime.ledger.read() as tx:
            stored = tx.cursors.get(mark_name(shop.code))
        mark = ShopMark.of(stored)
        policy = shop.billing
        if isinstance(policy, NoBilling):
            if stored:
                self._switch_off(shop)
            return None
        fingerprint = policy_fingerprint(shop)
        if mark.policy == fingerprint:
            return mark
        today = self._runtime.clock.now().astimezone(shop.zone).date()
        return ShopMark(fingerprint, policy.since or mark.begun_on or today)

    def _switch_off(self, shop: Shop) -> None:
        with self._runtime.ledger.begin() as tx:
            BillPlanner(self._runtime, shop, self.report.plan).withdraw_all(tx, "billing was switched off")
            tx.cursors.set(mark_name(shop.code), None)

    def _asked_for(self, shop: Shop) -> list[OpenException]:
        with self._runtime.ledger.read() as tx:
            asked = tx.exceptions.asked_for_replay(REPLAYABLE)
        return [one for one in asked if one.shop == shop.code and one.subject.startswith(SUBJECT)]

    def _outdated(self, shop: Shop) -> set[str]:
        """Bills whose month has closed between staging and saving."""
        facts = {fact for fact in self._handler.outdated if fact.shop == shop.code}
        self._handler.outdated -= facts
        return {_fulfilment_id(fact.business_key) for fact in facts}

    def _without_period(self, shop: Shop) -> set[str]:
        """Shipments without an open period, once a run: somebody may have opened one."""
        if shop.code in self._shops_asked_for_periods:
            return set()
        self._shops_asked_for_periods.add(shop.code)
        with self._runtime.ledger.read() as tx:
            shut_out = tx.exceptions.list(kinds=(NO_OPEN_PERIOD,), shop=shop.code)
        return self._named_by(shut_out)

    @staticmethod
    def _named_by(exceptions: Sequence[OpenException]) -> set[str]:
        return {_fulfilment_id(each.subject) for each in exceptions}

    def _answered(self, asked: Sequence[OpenException]) -> None:
        if asked:
            differing = [each for each in asked if each.kind == BILL_DIFFERS and each.cause != DELETED]
            facts = [
                FactKey(each.channel, each.shop, BILL, each.subject.removeprefix(SUBJECT))
                for each in differing
            ]
            with self._runtime.ledger.begin() as tx:
                tx.links.read_again(facts)
                tx.exceptions.replayed([each.id for each in asked])

    # Decide and plan

    async def _decide(
        self,
        shop: Shop,
        mark: ShopMark,
        watch: FulfilmentWatch,
        observed: Observed,
        again: set[str],
        once_more: set[str],
    ) -> tuple[dict[str, date], int]:
        """Decide and plan in chunks; gives what has to wait, and how much was decided.

        `again` are fulfilments that are to be staged in any case, `once_more` those whose bill was deleted.
        """
        assert mark.begun_on is not None
        self._tell_unreadable(shop, observed.unreadable)
        if not observed.fulfilments:
            return {}, 0
        with self._runtime.ledger.read() as tx:
            known = tx.intents.newest([each.fact for each in observed.fulfilments])
            under_way = orders_under_way(tx, shop.code)
            number = plan_number(tx, shop.code)
        waiting: dict[str, date] = {}
        decidable: list[Considered] = []
        for each in observed.fulfilments:
            considered = consider(
                each,
                known.get(each.fact),
                shop,
                mark.begun_on,
                under_way,
                again=each.id in again,
                once_more=each.id in once_more,
            )
            if considered.verdict == "waiting":
                waiting[each.id] = each.filed_under
                continue
            if considered.verdict == "to stage":
                # What else the order shipped waits for this one.
                under_way.setdefault(each.order_id, set()).add(each.fact.business_key)
            decidable.append(considered)
        self.report.considered += len(decidable)
        for start in range(0, len(decidable), _CHUNK):
            chunk = decidable[start : start + _CHUNK]
            number, undone = await self._keep(shop, watch, chunk, known, number, replay=bool(again))
            waiting |= undone
        return waiting, sum(one.verdict not in ("settled", "skipped") for one in decidable)

    async def _keep(
        self,
        shop: Shop,
        watch: FulfilmentWatch,
        chunk: Sequence[Considered],
        known: dict[FactKey, Intent],
        number: int,
        *,
        replay: bool,
    ) -> tuple[int, dict[str, date]]:
        """Stage and plan a chunk; gives the plan number after it and what is to be decided again."""
        decided = await asyncio.gather(*(self._decided(shop, each, known) for each in chunk))
        rows = [self._staged_row(each) for each in decided if _is_told(each, known)]
        self._runtime.lake.land_many(STAGED_BILLS, rows, shop=shop.code, run_id=self._run_id)
        self._runtime.probe("staged")
        # Bills that are planned, or parked as they were, are no news.
        news = [
            each
            for each, considered in zip(decided, chunk, strict=True)
            if considered.verdict != "settled" or _is_billed(known.get(each.fulfilment.fact))
        ]
        with self._runtime.ledger.begin() as tx:
            planner = BillPlanner(self._runtime, shop, self.report.plan)
            stored = planner.store(tx, news, known, number, replay=replay)
        self._runtime.probe("planned")
        undone = {each.fulfilment.id: each.fulfilment.filed_under for each in stored.undone}
        watch.decided(each.fulfilment for each in decided if each.fulfilment.id not in undone)
        return stored.number, undone

    async def _decided(self, shop: Shop, considered: Considered, known: Mapping[FactKey, Intent]) -> Decided:
        fulfilment = considered.fulfilment
        if considered.verdict == "skipped":
            return Decided(fulfilment, skipped=considered.reason)
        if considered.verdict == "withdrawn":
            return Decided(fulfilment, withdrawn=considered.reason)
        if considered.verdict != "to stage":
            return Decided(fulfilment, problem=considered.problem)
        staged = await self._staged(shop, fulfilment, _edition(known.get(fulfilment.fact)))
        if isinstance(staged, Bill):
            return Decided(fulfilment, bill=staged)
        return Decided(fulfilment, problem=staged)

    async def _staged(self, shop: Shop, fulfilment: Fulfilment, edition: int) -> Bill | Problem:
        """Read the Sales Order as it stands, and stage. Raises what stands in the way of all of them."""
        periods = await self._reader.periods()
        if periods.posting_day(fulfilment.shipped_on) is None:
            return posting_problem(fulfilment)
        try:
            order = await self._reader.sales_order(fulfilment.sales_order_id)
            if order is None:
                return missing_order_problem(fulfilment)
            shipped = await self._reader.shipped_in_units_of(order, fulfilment)
        except (NetSuiteNotFound, NetSuiteRefused, NetSuiteUnknownError) as error:
            # Of this record only: it must not hold up the others.
            return unreadable_problem(fulfilment, str(error))
        except (ValueError, KeyError) as error:
            return unreadable_problem(fulfilment, f"unforeseen {type(error).__name__}")
        return stage_bill(fulfilment, order, shipped, shop, periods, edition)

    def _tell_unreadable(self, shop: Shop, unreadable: Sequence[Unreadable]) -> None:
        if not unreadable:
            return
        with self._runtime.ledger.begin() as tx:
            for each in unreadable:
                tx.exceptions.open(
                    self._runtime.reporter.exception(
                        each.problem.kind,
                        channel=CHANNEL,
                        shop=shop.code,
                        subject=f"{SUBJECT}{each.order_id}.{each.fulfilment_id}",
                        cause=each.problem.cause,
                        message=each.problem.message,
                    )
                )

    def _keep_mark(self, shop: Shop, mark: ShopMark, observed: Observed, waiting: dict[str, date]) -> None:
        """Move the mark, never back; another process's waiting fulfilments stay."""
        name = mark_name(shop.code)
        considered = {each.id for each in observed.fulfilments}
        with self._runtime.ledger.begin() as tx:
            stored = ShopMark.of(tx.cursors.get(name))
            if stored.policy == mark.policy:
                others = {key: day for key, day in stored.waiting.items() if key not in considered}
                newest = max((at for at in (stored.landed_at, mark.landed_at) if at), default=None)
                mark = replace(mark, landed_at=newest, waiting={**others, **waiting})
            else:
                mark = replace(mark, waiting=waiting)
            if mark != stored:
                tx.cursors.set(name, mark.stored())

    def _staged_row(self, decided: Decided) -> dict[str, object]:
        bill, fulfilment = decided.bill, decided.fulfilment
        return {
            "channel": CHANNEL,
            "day": fulfilment.filed_under,
            "order_id": fulfilment.order_id,
            "fulfilment_id": fulfilment.id,
            "modified_at": fulfilment.modified_at,
            "outcome": _outcome(decided),
            "reason": decided.problem.message if decided.problem else decided.skipped or decided.withdrawn,
            "expected_total": bill.expected_total if bill else None,
            "currency": bill.currency if bill else None,
            "tran_date": bill.tran_date if bill else None,
            "document": exact_json.dumps(bill.model_dump()) if bill else None,
            "fingerprint": bill.fingerprint() if bill else None,
            "staged_at": self._runtime.clock.now(),
            "mapping_fingerprint": self._runtime.mapping.fingerprint(),
        }

    # Read back

    async def _read_back(self) -> int:
        try:
            done = await read_bills_back(self._runtime, self._run_id)
        except SYSTEM_ERRORS as error:
            self._troubles.note("read-back of bills", error)
            return 0
        if done:
            self._troubles.logins.answered("netsuite")
        for currency, amount in done.amounts.items():
            known = self.report.billed_amounts.get(currency, Decimal(0))
            self.report.billed_amounts[currency] = known + amount
        self.report.read_back += done.bills
        return done.bills


def _is_billed(intent: Intent | None) -> bool:
    return intent is not None and intent.state == IntentState.APPLIED


def _is_told(decided: Decided, known: Mapping[FactKey, Intent]) -> bool:
    """Whether the lake keeps what was decided: of what does not stand as shipped, only withdrawn bills."""
    was_planned = decided.fulfilment.fact in known
    return bool(decided.bill or decided.problem or decided.skipped or (decided.withdrawn and was_planned))


def _outcome(decided: Decided) -> str:
    if decided.bill:
        return "staged"
    return "parked" if decided.problem else "skipped" if decided.skipped else "withdrawn"


def _edition(intent: Intent | None) -> int:
    """Which edition of a bill comes next: another one only after one that was made."""
    if intent is None:
        return 1
    made = int(intent.payload["bill"]["edition"])
    return made + 1 if intent.state == IntentState.APPLIED else made


def _joined(landed: Observed, named: Observed) -> Observed:
    """Both, each fulfilment once, in the order of shipment."""
    seen = {each.id for each in landed.fulfilments}
    more = [each for each in named.fulfilments if each.id not in seen]
    fulfilments = sorted(
        (*landed.fulfilments, *more), key=lambda each: (each.shipped_on, len(each.id), each.id)
    )
    return Observed(tuple(fulfilments), (*landed.unreadable, *named.unreadable), landed.landed_at)


def _fulfilment_id(key: str) -> str:
    """Of a business key or a subject: what follows the order id."""
    return key.rpartition(".")[2]
