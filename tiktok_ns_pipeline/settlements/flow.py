"""The settlement flow: one turn of the loop, and the run that turns it until nothing is left to do.

    observe (TikTok) -> foot and stage -> intend -> apply (NetSuite) -> read back -> settle documents

TikTok is asked once an hour (`money_refresh_s`), since statements come once a day. What has landed is
decided again when it or the mapping changed, and when somebody asks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, timedelta
from decimal import Decimal

from tiktok_ns_pipeline.engine.dispatcher import Dispatcher, DispatchReport
from tiktok_ns_pipeline.flows.shops import OpenedShop
from tiktok_ns_pipeline.flows.turning import (
    SYSTEM_ERRORS,
    Troubles,
    TurnRequest,
    dispatcher_for,
    shops_of_run,
    turn_until_idle,
)
from tiktok_ns_pipeline.goods.problem import Problem
from tiktok_ns_pipeline.lake.tables import SETTLEMENT_MATCHES, STAGED_PAYOUT_JOURNALS
from tiktok_ns_pipeline.ledger.exceptions import OpenException
from tiktok_ns_pipeline.ledger.facts import PAYOUT_JOURNAL
from tiktok_ns_pipeline.ledger.intents import FactKey, Intent, IntentState
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.mapping.settlements import PostedSettlement
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.settlements.applying import handlers
from tiktok_ns_pipeline.settlements.booking import StatementSums
from tiktok_ns_pipeline.settlements.clearing import FOLLOWING, ClearingDesk
from tiktok_ns_pipeline.settlements.deciding import Decider, version_of
from tiktok_ns_pipeline.settlements.document import CHANNEL
from tiktok_ns_pipeline.settlements.landed import (
    LandedPayment,
    LandedStatement,
    payments_of,
    statements_of,
)
from tiktok_ns_pipeline.settlements.marking import ShopMark, mark_after, mark_name, policy_fingerprint
from tiktok_ns_pipeline.settlements.matches import MatchDesk
from tiktok_ns_pipeline.settlements.observing import (
    ENDED_PAYMENTS,
    LOOKED_BACK,
    MoneyWatch,
    Observed,
    first_look,
)
from tiktok_ns_pipeline.settlements.planning import (
    INCOMPLETE,
    NO_OPEN_PERIOD,
    PAYOUT,
    POSTING_DIFFERS,
    REPLAYABLE,
    STATEMENT,
    STATEMENT_CHANGED,
    Decided,
    PlanReport,
    SettlementPlanner,
    about,
    is_ours,
    is_posted,
    is_under_way,
)
from tiktok_ns_pipeline.settlements.reading import SettlementReader
from tiktok_ns_pipeline.settlements.reading_back import read_documents_back
from tiktok_ns_pipeline.settlements.staged_rows import staged_rows
from tiktok_ns_pipeline.settlements.unsettled import UnsettledDesk

_READ_AGAIN = ("statement_does_not_add_up", "malformed_statement")
"""Statements with such an exception are read again each time: TikTok may have mended them."""


@dataclass(frozen=True, slots=True)
class SettlementsRequest(TurnRequest):
    """A run of the flow; `read_now` asks TikTok however recently it was asked, `since` also about the days
    from a UTC day on."""

    read_now: bool = False
    since: date | None = None


@dataclass(slots=True)
class RunReport:
    """What a run did, for asset metadata and for people."""

    observed: dict[str, Observed] = field(default_factory=dict[str, Observed])
    """By shop; of those that TikTok was asked about."""
    plan: PlanReport = field(default_factory=PlanReport)
    dispatch: DispatchReport = field(default_factory=DispatchReport)
    read_back: int = 0
    posted_amounts: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    """What documents of payouts come to that were read back in this run, by currency."""
    matched: int = 0
    turns: int = 0
    trouble: list[str] = field(default_factory=list[str])


class SettlementsFlow:
    """The settlement flow of one run."""

    def __init__(self, runtime: Runtime, run_id: str) -> None:
        self._runtime = runtime
        self._run_id = run_id
        self._reader = SettlementReader(
            runtime.netsuite, runtime.clock, runtime.mapping.custom_fields.body.order_id
        )
        self._handlers = handlers(runtime, self._reader)
        self._troubles = Troubles(runtime)
        self._looked_at: set[str] = set()
        self._undecided: set[str] = set()
        """Shops with statements or payouts of which nothing is decided yet."""
        self._asked_for_periods: set[str] = set()
        self._read_now: set[str] = set()
        self._since: date | None = None
        self.report = RunReport(trouble=self._troubles.told)
        self._matches = MatchDesk(runtime, self._reader)
        self._clearing = ClearingDesk(runtime, self._reader)
        self._unsettled = UnsettledDesk(runtime, run_id)

    async def run(self, request: TurnRequest) -> RunReport:
        """Turn until nothing is due for `idle_s`, or `budget_s` is over."""
        shops = await shops_of_run(self._runtime, request.shops, self._troubles)
        if isinstance(request, SettlementsRequest) and (request.read_now or request.since):
            self._read_now = {shop.code for shop, _access in shops}
            self._since = request.since
        dispatcher = dispatcher_for(self._runtime, self._handlers, self._troubles, shops)
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
        for opened in self._troubles.readable(shops):
            code = opened[0].code
            try:
                changed += await self._turn_shop(opened)
            except SYSTEM_ERRORS as error:
                self._troubles.note(f"payouts of shop {code}", error)
        dispatcher.nudge()
        changed += await self._read_back()
        self.report.turns += 1
        return changed

    async def _turn_shop(self, opened: OpenedShop) -> int:
        """Read, decide and follow up; gives how much of it was new."""
        shop = opened[0]
        before, asked = self._mark(shop), self._asked_for(shop)
        mark = before
        again = {one.subject for one in asked} | self._outdated(shop) | self._without_period(shop)
        observed = await self._observed(opened, mark, again, asked=bool(asked))
        if observed is not None:
            mark = replace(mark, read_at=self._runtime.clock.now())
        changed = observed.news if observed else 0
        # What was to be decided later may be decided at a later reading, though nothing new was read.
        is_news = observed is not None and (observed.news > 0 or shop.code in self._undecided)
        if is_news or again or shop.code not in self._looked_at:
            mark, decided = await self._decide(shop, mark, again, replay=bool(asked))
            changed += decided
            self._answered(asked)
            self._looked_at.add(shop.code)
            asked_for = tuple(one.removeprefix(PAYOUT) for one in sorted(again) if one.startswith(PAYOUT))
            for payment_id in asked_for:
                self._clearing.look_again(shop, payment_id)
            mark = replace(mark, to_pay=tuple(dict.fromkeys([*mark.to_pay, *asked_for])))
        if mark is not before:
            self._keep_mark(shop, mark)
        if observed is not None:
            await self._match_again(shop, mark)
        if mark.to_pay:
            changed += await self._follow(shop, mark)
        return changed

    # What is to be looked at

    def _mark(self, shop: Shop) -> ShopMark:
        """How far the shop was looked at; a changed policy looks at everything anew."""
        with self._runtime.ledger.read() as tx:
            mark = ShopMark.of(tx.cursors.get(mark_name(shop.code)))
        fingerprint = policy_fingerprint(self._runtime.mapping, shop)
        if mark.policy == fingerprint:
            return mark
        policy = shop.settlement
        begun_on = None
        if isinstance(policy, PostedSettlement):
            begun_on = policy.since or mark.begun_on or self._today()
        elif mark.begun_on is not None:
            with self._runtime.ledger.begin() as tx:
                self._planner(shop).switch_off(tx, "payouts are not posted any more")
        self._looked_at.discard(shop.code)
        # An earlier beginning may need statements from before all that was read.
        since = mark.open_since
        earliest = first_look(begun_on, self._today())
        if begun_on is not None and (since is None or earliest < since):
            since = earliest
            self._read_now.add(shop.code)
        return replace(mark, policy=fingerprint, begun_on=begun_on, open_since=since, decided={})

    def _asked_for(self, shop: Shop) -> list[OpenException]:
        with self._runtime.ledger.read() as tx:
            asked = tx.exceptions.asked_for_replay(REPLAYABLE)
        return [one for one in asked if one.shop == shop.code and is_ours(one)]

    def _answered(self, asked: Sequence[OpenException]) -> None:
        if asked:
            with self._runtime.ledger.begin() as tx:
                tx.exceptions.replayed([one.id for one in asked])
                facts = [
                    FactKey(CHANNEL, one.shop, PAYOUT_JOURNAL, one.subject.partition(" ")[2])
                    for one in asked
                    if one.kind == POSTING_DIFFERS
                ]
                tx.links.read_again(facts)

    def _outdated(self, shop: Shop) -> set[str]:
        """Subjects of documents whose month has closed between staging and saving."""
        subjects: set[str] = set()
        for handler in self._handlers:
            facts = {fact for fact in handler.outdated if fact.shop == shop.code}
            handler.outdated -= facts
            if not facts:
                continue
            with self._runtime.ledger.begin() as tx:
                subjects |= {handler.subject(one) for one in tx.intents.newest(facts).values()}
                if handler.kind in FOLLOWING:
                    in_order = sorted(facts, key=lambda one: one.business_key)
                    tx.intents.withdraw(in_order, "its month has closed; it is reckoned anew")
        return subjects

    def _without_period(self, shop: Shop) -> set[str]:
        """What has no open period, once a run: somebody may have opened one."""
        if shop.code in self._asked_for_periods:
            return set()
        self._asked_for_periods.add(shop.code)
        with self._runtime.ledger.read() as tx:
            shut_out = tx.exceptions.list(kinds=(NO_OPEN_PERIOD,), shop=shop.code)
        return {one.subject for one in shut_out if one.subject.startswith((PAYOUT, STATEMENT))}

    async def _observed(
        self, opened: OpenedShop, mark: ShopMark, again: Collection[str], *, asked: bool
    ) -> Observed | None:
        """What TikTok says now; None where it need not be asked, or cannot be."""
        shop = opened[0]
        now = self._runtime.clock.now()
        every = timedelta(seconds=self._runtime.settings.money_refresh_s)
        is_due = mark.read_at is None or now - mark.read_at >= every or asked
        if not is_due and shop.code not in self._read_now:
            return None
        self._read_now.discard(shop.code)
        with self._runtime.ledger.read() as tx:
            doubtful = tx.exceptions.list(kinds=_READ_AGAIN, shop=shop.code)
        subjects = {*again, *(one.subject for one in doubtful)}
        ids = {one.removeprefix(STATEMENT) for one in subjects if one.startswith(STATEMENT)}
        watch = MoneyWatch(self._runtime, opened, self._run_id)
        try:
            observed = await watch.look(self._begin(shop, mark), ids)
        except SYSTEM_ERRORS as error:
            self._troubles.note_shop(shop.code, error)
            return None
        self.report.observed[shop.code] = observed
        self._tell_incomplete(shop, observed)
        self._unsettled.reckon(shop)
        self._runtime.probe("observed")
        return observed

    def _begin(self, shop: Shop, mark: ShopMark) -> date:
        today = self._today()
        begin = mark.open_since or first_look(mark.begun_on, today)
        return min(begin, today - LOOKED_BACK, self._since or begin)

    def _tell_incomplete(self, shop: Shop, observed: Observed) -> None:
        if not observed.incomplete:
            return
        with self._runtime.ledger.begin() as tx:
            for identity, why in observed.incomplete.items():
                text = f"Statement {identity} of shop {shop.code} does not come whole: {why}"
                problem = Problem.of("malformed_statement", INCOMPLETE, text)
                self._planner(shop).tell(tx, f"{STATEMENT}{identity}", problem)

    # What is decided

    async def _decide(
        self, shop: Shop, mark: ShopMark, again: Collection[str], *, replay: bool
    ) -> tuple[ShopMark, int]:
        """Decide about what is new; gives the mark after it and how much that was."""
        begin = self._begin(shop, mark)
        lake = self._runtime.lake
        statements = [one for one in statements_of(lake, shop, begin) if one.is_whole]
        payments = payments_of(lake, shop, begin)
        known = self._known(shop, statements, payments)
        self._tell_changes(shop, statements, known)
        decider = Decider(self._runtime, shop, self._reader, mark.begun_on or date.min)
        decided = await self._new_statements(shop, decider, mark, statements, again, known)
        decided += await self._new_payouts(decider, mark, statements, payments, again, known)
        rows = staged_rows(decided, self._runtime.clock.now(), self._runtime.mapping.fingerprint())
        lake.land_many(STAGED_PAYOUT_JOURNALS, rows, shop=shop.code, run_id=self._run_id)
        self._runtime.probe("staged")
        with self._runtime.ledger.begin() as tx:
            kept = self._planner(shop).store(tx, decided, known, replay=replay)
        self._runtime.probe("planned")
        with self._runtime.ledger.read() as tx:
            after = mark_after(tx, shop, mark, kept, statements, payments, self._today())
        subjects = {f"{STATEMENT}{one.id}" for one in statements}
        subjects |= {f"{PAYOUT}{one.id}" for one in payments if one.status in ENDED_PAYMENTS}
        self._undecided.discard(shop.code)
        if not subjects <= after.decided.keys():
            self._undecided.add(shop.code)
        return after, len(kept)

    def _known(
        self, shop: Shop, statements: Sequence[LandedStatement], payments: Sequence[LandedPayment]
    ) -> dict[FactKey, Intent]:
        """The newest intents about all of these, accruals included."""
        if not isinstance(shop.settlement, PostedSettlement):
            return {}
        known: dict[FactKey, Intent] = {}
        with self._runtime.ledger.read() as tx:
            for key in [*(one.id for one in statements), *(one.id for one in payments)]:
                known |= tx.intents.newest_of(CHANNEL, shop.code, PAYOUT_JOURNAL, key)
        return known

    async def _new_statements(
        self,
        shop: Shop,
        decider: Decider,
        mark: ShopMark,
        statements: Sequence[LandedStatement],
        again: Collection[str],
        known: Mapping[FactKey, Intent],
    ) -> list[Decided]:
        decided: list[Decided] = []
        for one in statements:
            subject = f"{STATEMENT}{one.id}"
            is_decided = mark.decided.get(subject) == one.version and subject not in again
            if not is_decided and not is_under_way(about(known, one.id)):
                decided.append(await decider.statement(one))
                await self._match(shop, mark, decider, one)
        return decided

    async def _new_payouts(
        self,
        decider: Decider,
        mark: ShopMark,
        statements: Sequence[LandedStatement],
        payments: Sequence[LandedPayment],
        again: Collection[str],
        known: Mapping[FactKey, Intent],
    ) -> list[Decided]:
        decided: list[Decided] = []
        paid = [one.created_at for one in payments if one.status == "PAID" and one.created_at]
        last_paid = max(paid, default=None)
        for one in payments:
            paid_again = bool(last_paid and one.created_at and last_paid > one.created_at)
            own = [each for each in statements if each.payment_id == one.id]
            version = version_of(one, own, paid_again=paid_again)
            subject = f"{PAYOUT}{one.id}"
            is_decided = mark.decided.get(subject) == version and subject not in again
            intents = about(known, one.id)
            if one.status not in ENDED_PAYMENTS or is_decided or is_under_way(intents) or is_posted(intents):
                continue
            decided.append(await decider.payout(one, own, paid_again=paid_again))
        return decided

    def _tell_changes(
        self, shop: Shop, statements: Sequence[LandedStatement], known: Mapping[FactKey, Intent]
    ) -> None:
        """What TikTok changed after it was posted is told; nothing is posted twice."""
        hashes = {one.id: str(one.row["transactions_hash"]) for one in statements}
        for fact, intent in known.items():
            changed = [
                identity
                for identity, was in intent.payload["basis"].items()
                if hashes.get(identity, was) != was
            ]
            if intent.state != IntentState.APPLIED or not changed:
                continue
            text = (
                f"TikTok changed statement {', '.join(changed)} of shop {shop.code} after it was posted as "
                f"{intent.payload['journal']['external_id']}. Compare both, and correct the document by hand."
            )
            problem = Problem.of(POSTING_DIFFERS, STATEMENT_CHANGED, text)
            payment_id = intent.payload["payment_id"]
            subject = f"{PAYOUT}{payment_id}" if payment_id else f"{STATEMENT}{fact.business_key}"
            with self._runtime.ledger.begin() as tx:
                if not tx.exceptions.list(
                    states=("open", "acknowledged", "resolved"),
                    kinds=(POSTING_DIFFERS,),
                    shop=shop.code,
                    subject=subject,
                    cause=STATEMENT_CHANGED,
                ):
                    self._planner(shop).tell(tx, subject, problem)

    async def _match(self, shop: Shop, mark: ShopMark, decider: Decider, landed: LandedStatement) -> None:
        """What a newly decided statement clears of its orders."""
        sums = await decider.sums(landed)
        if isinstance(shop.settlement, PostedSettlement) and isinstance(sums, StatementSums):
            known, begun_on = await decider.orders(landed), mark.begun_on or date.min
            for rows in self._matches.match(shop, landed, sums.orders, known, begun_on):
                self._runtime.lake.land_many(SETTLEMENT_MATCHES, rows, shop=shop.code, run_id=self._run_id)
                self.report.matched += len(rows)
        # Of many orders, their documents take most of the memory.
        decider.forget_orders(landed)

    async def _match_again(self, shop: Shop, mark: ShopMark) -> None:
        """Orders that were not cleared, whose documents may be there by now."""
        if isinstance(shop.settlement, PostedSettlement):
            rows = await self._matches.again(shop, mark.begun_on or date.min)
            self._runtime.lake.land_many(SETTLEMENT_MATCHES, rows, shop=shop.code, run_id=self._run_id)
            self.report.matched += len(rows)

    # How far it went

    def _keep_mark(self, shop: Shop, mark: ShopMark) -> None:
        name = mark_name(shop.code)
        with self._runtime.ledger.begin() as tx:
            if ShopMark.of(tx.cursors.get(name)) != mark:
                tx.cursors.set(name, mark.stored())

    async def _follow(self, shop: Shop, mark: ShopMark) -> int:
        """What follows from posted payouts: settled documents and differences of exchange."""
        decider = Decider(self._runtime, shop, self._reader, mark.begun_on or date.min)
        followed = await self._clearing.follow(shop, mark.to_pay, decider, self._planner(shop))
        if followed.done:
            left = tuple(one for one in mark.to_pay if one not in followed.done)
            self._keep_mark(shop, replace(mark, to_pay=left))
        return followed.planned

    async def _read_back(self) -> int:
        try:
            done = await read_documents_back(self._runtime, self._run_id)
        except SYSTEM_ERRORS as error:
            self._troubles.note("read-back of payouts", error)
            return 0
        for currency, amount in done.amounts().items():
            known = self.report.posted_amounts.get(currency, Decimal(0))
            self.report.posted_amounts[currency] = known + amount
        self.report.read_back += len(done.documents)
        return len(done.documents)

    def _planner(self, shop: Shop) -> SettlementPlanner:
        return SettlementPlanner(self._runtime, shop, self.report.plan)

    def _today(self) -> date:
        return self._runtime.clock.now().astimezone(UTC).date()
