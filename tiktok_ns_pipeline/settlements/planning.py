"""Intend: what was decided about statements and payouts becomes intents and exceptions.

A payout is planned whole: all of its documents or none. What was posted stays; that TikTok changed a
statement afterwards is told to a person, and nothing is posted twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tiktok_ns_pipeline.engine.outcomes import ENGINE_KINDS
from tiktok_ns_pipeline.engine.plan_counts import MoneyPlanCounts
from tiktok_ns_pipeline.goods.problem import Problem
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.exceptions import OpenException
from tiktok_ns_pipeline.ledger.facts import PAYOUT_JOURNAL
from tiktok_ns_pipeline.ledger.intents import OPEN, UNDER_WAY, FactKey, Intent, IntentState, NewIntent
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.mapping.exception_kinds import KINDS
from tiktok_ns_pipeline.mapping.settlements import PostedSettlement
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.settlements.document import CHANNEL, PayoutJournal
from tiktok_ns_pipeline.settlements.footing import Unfooted

PAYOUT = "payout "
STATEMENT = "statement "
"""How the subjects of exceptions begin."""

POSTING_DIFFERS = "payout_posting_differs"
NO_OPEN_PERIOD = "no_open_period"
STATEMENT_CHANGED = "statement_changed"
"""Cause: TikTok changed a statement after it was posted."""
INCOMPLETE = "incomplete"
"""Cause: the transactions of a statement did not come whole."""

ACCOUNT_MISSING = "settlement_account_missing"

STAGING_KINDS = (
    "malformed_statement",
    "statement_does_not_add_up",
    "unmapped_fee",
    "unmapped_adjustment",
    "unexplained_residual",
    ACCOUNT_MISSING,
    "payout_in_third_currency",
    "payout_differs",
    "payout_failed",
    "unmapped_rate",
    NO_OPEN_PERIOD,
)
"""Kinds that staging opens, and closes when it no longer finds them."""

RATE_UNKNOWN = "order_rate_unknown"
"""About a payout that was posted."""
UNBILLED = "settled_order_unbilled"
UNCREDITED = "settled_refund_uncredited"
ABOUT_ORDERS = (UNBILLED, UNCREDITED)
"""Kinds about an order whose documents are missing."""

REPLAYABLE = (*STAGING_KINDS, POSTING_DIFFERS, RATE_UNKNOWN, *ABOUT_ORDERS, *ENGINE_KINDS)
"""Kinds of exceptions that this flow answers a replay of, where they are about its subjects."""


def is_ours(exception: OpenException) -> bool:
    """Whether an exception of a replayable kind is this flow's."""
    return exception.kind in ABOUT_ORDERS or exception.subject.startswith((PAYOUT, STATEMENT))


@dataclass(slots=True)
class PlanReport(MoneyPlanCounts):
    """How many statements and payouts became what, and what they move to the bank."""

    footed: int = 0


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided about one statement or payout."""

    subject: str
    key: str
    """Id of the payment or of the statement."""
    version: str
    """Of what it was decided from: while that is the same, so is the decision."""
    day: date
    statements: tuple[str, ...]
    basis: Mapping[str, str]
    """Hash of the transactions of each of its statements."""
    outcome: str
    """As in `staged_payout_journals`."""
    journals: tuple[PayoutJournal, ...] = ()
    problems: tuple[Problem, ...] = ()
    unfooted: tuple[Unfooted, ...] = ()
    reason: str = ""
    currency: str = ""
    net: Decimal | None = None

    @property
    def payment_id(self) -> str | None:
        """Of a payout."""
        return self.key if self.subject.startswith(PAYOUT) else None


def payout_fact(shop: str, key: str) -> FactKey:
    """The fact that a payout, statement or accrued month is booked."""
    return FactKey(CHANNEL, shop, PAYOUT_JOURNAL, key)


def about(known: Mapping[FactKey, Intent], key: str) -> list[Intent]:
    """The intents about a payment or statement, accrued months included."""
    return [
        intent
        for fact, intent in known.items()
        if fact.business_key == key or fact.business_key.startswith(f"{key}-")
    ]


def is_under_way(intents: Sequence[Intent]) -> bool:
    """Whether any of them is being sent."""
    return any(intent.state in UNDER_WAY for intent in intents)


def is_posted(intents: Sequence[Intent]) -> bool:
    """Whether there are any, and all are in NetSuite."""
    return bool(intents) and all(intent.state == IntentState.APPLIED for intent in intents)


def subject_of(intent: Intent) -> str:
    """What exceptions about a document of a payout are about."""
    payment_id = intent.payload.get("payment_id")
    return f"{PAYOUT}{payment_id}" if payment_id else f"{STATEMENT}{intent.fact.business_key}"


class SettlementPlanner:
    """Stores what was decided about statements and payouts of one shop."""

    def __init__(self, runtime: Runtime, shop: Shop, report: PlanReport) -> None:
        self._runtime = runtime
        self._shop = shop
        self._report = report

    def store(
        self,
        tx: Transaction,
        decided: Sequence[Decided],
        known: Mapping[FactKey, Intent],
        *,
        replay: bool = False,
    ) -> list[Decided]:
        """Plan, withdraw, open and clear; gives what was kept.

        `known` are the newest intents as they were when it was decided: what another process has moved
        since is left to the next look.
        """
        tx.intents.take_turns(CHANNEL, self._shop.code)
        facts = {fact for each in decided for fact in self._facts(each)}
        now = tx.intents.newest(facts)
        kept = [
            each
            for each in decided
            if all(_state(now.get(fact)) == _state(known.get(fact)) for fact in self._facts(each))
        ]
        self._plan(tx, kept, now, replay=replay)
        gone = [
            fact
            for each in kept
            if not each.journals
            for fact in self._facts(each)
            if fact in now and now[fact].state in OPEN
        ]
        self._report.withdrawn += tx.intents.withdraw(gone, "the payout may not be booked as it is now")
        for each in kept:
            self._count(each)
        self._keep_exceptions(tx, kept, replay=replay)
        return kept

    def switch_off(self, tx: Transaction, reason: str) -> None:
        """Posting was switched off: what was not sent is not sent any more."""
        open_facts = [
            intent.fact for intent in tx.intents.open_facts(kind=PAYOUT_JOURNAL, shop=self._shop.code)
        ]
        self._report.withdrawn += tx.intents.withdraw(open_facts, reason)

    def tell(self, tx: Transaction, subject: str, problem: Problem, support_text: str = "") -> None:
        """Open an exception about a statement or payout."""
        what_to_do = KINDS[problem.kind].what_to_do
        if support_text:
            what_to_do = f"{what_to_do}\n\nText for TikTok's seller support:\n\n{support_text}"
        tx.exceptions.open(
            self._runtime.reporter.exception(
                problem.kind,
                channel=CHANNEL,
                shop=self._shop.code,
                subject=subject,
                cause=problem.cause,
                message=problem.message,
                what_to_do=what_to_do,
            )
        )

    def _facts(self, each: Decided) -> list[FactKey]:
        keys = {each.key, *(journal.key for journal in each.journals)}
        return [payout_fact(self._shop.code, key) for key in sorted(keys)]

    def _plan(
        self, tx: Transaction, decided: Sequence[Decided], known: Mapping[FactKey, Intent], *, replay: bool
    ) -> None:
        policy = self._shop.settlement
        if not isinstance(policy, PostedSettlement):
            return
        wanted: list[NewIntent] = []
        amounts: dict[FactKey, tuple[str, Decimal]] = {}
        for each in decided:
            for journal in each.journals:
                fact = payout_fact(self._shop.code, journal.key)
                before = known.get(fact)
                if before is not None and before.state == IntentState.APPLIED:
                    continue
                amounts[fact] = (journal.currency, journal.on_account(policy.bank_account_id))
                wanted.append(
                    NewIntent(
                        flow="settlements",
                        fact=fact,
                        payload={
                            "journal": journal.model_dump(),
                            "payment_id": each.payment_id,
                            "bank_account_id": policy.bank_account_id,
                            "basis": dict(each.basis),
                        },
                        payload_hash=journal.fingerprint(),
                        lane="finance",
                    )
                )
        planned = tx.intents.plan(wanted, replay=replay, known=known)
        self._report.count(planned)
        for one in planned:
            if one.verdict == "new":
                self._report.add(*amounts[one.fact])

    def _keep_exceptions(self, tx: Transaction, decided: Sequence[Decided], *, replay: bool) -> None:
        """Open what is wrong now, and clear what is no longer found wrong."""
        troubled = tx.exceptions.unresolved_among(
            CHANNEL, self._shop.code, [each.subject for each in decided]
        )
        for each in decided:
            texts = {one.problem.message: one.support_text for one in each.unfooted}
            for problem in each.problems:
                if replay or not self._is_resolved(tx, each.subject, problem):
                    self.tell(tx, each.subject, problem, texts.get(problem.message, ""))
            if each.subject in troubled:
                tx.exceptions.clear(
                    channel=CHANNEL,
                    shop=self._shop.code,
                    subject=each.subject,
                    reason="staging no longer finds this",
                    kinds=STAGING_KINDS,
                    keep=[(problem.kind, problem.cause) for problem in each.problems],
                )

    def _is_resolved(self, tx: Transaction, subject: str, problem: Problem) -> bool:
        """Such as by booking it by hand."""
        return tx.exceptions.is_resolved_by_person(
            problem.kind, shop=self._shop.code, subject=subject, cause=problem.cause
        )

    def _count(self, each: Decided) -> None:
        report = self._report
        report.footed += each.outcome == "footed"
        report.waiting += each.outcome == "waiting"
        report.skipped += each.outcome == "skipped"
        report.parked += each.outcome == "parked"
        for problem in each.problems:
            report.found(problem.kind)


def _state(intent: Intent | None) -> tuple[int, IntentState] | None:
    return (intent.revision, intent.state) if intent else None
