"""Intend: outcomes of staging become intents and exceptions, in one transaction with the watermark.

What may be posted becomes a revision of its fact; what may not (any more) withdraws what was not
sent yet, so that no outdated document goes out. An order past shipping is posted if it never was,
but never revised: from then on the parcel is the truth, and TikTok begins to mask addresses (T 3.6).
A run that was held up never brings back an older version than another run has planned meanwhile, and
nothing brings back an order whose cancellation is known (`ledger.facts.CLOSURE`): cancelled is final.
What takes units away is urgent, or the warehouse picks them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from tiktok_ns_pipeline.engine.plan_counts import PlanCounts
from tiktok_ns_pipeline.gate import Lane
from tiktok_ns_pipeline.goods.problem import Problem
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.exceptions import NewException
from tiktok_ns_pipeline.ledger.facts import CLOSURE, CUSTOMER, SALES_ORDER
from tiktok_ns_pipeline.ledger.intents import FactKey, Intent, IntentState, NewIntent, link_reference
from tiktok_ns_pipeline.orders.applying import customer_fact
from tiktok_ns_pipeline.orders.document import Customer, SalesOrderDocument
from tiktok_ns_pipeline.orders.observing import FUTURE
from tiktok_ns_pipeline.orders.outcome import Outcome, Parked, Staged
from tiktok_ns_pipeline.runtime import Runtime

REVISABLE = frozenset({"AWAITING_SHIPMENT", "PARTIALLY_SHIPPING"})
"""States in which a change of the order can still reach the warehouse (T 3.2)."""


@dataclass(slots=True)
class PlanReport(PlanCounts):
    """How many orders became what."""

    waiting: int = 0
    skipped: int = 0
    parked: int = 0


def order_fact(outcome: Outcome) -> FactKey:
    """The fact that an order's Sales Order exists."""
    return FactKey(outcome.channel, outcome.shop, SALES_ORDER, outcome.order_id)


class OrderPlanner:
    """Stores what staging decided about orders of one shop."""

    def __init__(self, runtime: Runtime, report: PlanReport, lane: Lane = "orders") -> None:
        self._runtime = runtime
        self._report = report
        self._lane: Lane = lane

    def store(self, tx: Transaction, outcomes: Sequence[Outcome], *, replay: bool = False) -> None:
        """Plan, withdraw, open and clear, for the newest outcome of each order."""
        if not outcomes:
            return
        tx.intents.take_turns(outcomes[0].channel, outcomes[0].shop)
        newest = {order_fact(outcome): outcome for outcome in outcomes}
        known = tx.intents.newest(newest)
        newest = {fact: each for fact, each in newest.items() if not _is_overtaken(each, known.get(fact))}
        cancelled = _cancelled(tx, newest)
        to_plan: list[Staged] = []
        to_withdraw: list[FactKey] = []
        for fact, outcome in newest.items():
            if isinstance(outcome, Staged) and fact not in cancelled:
                if outcome.status in REVISABLE or _is_unposted(known.get(fact)):
                    to_plan.append(outcome)
            elif fact in known and known[fact].state in {
                IntentState.PLANNED,
                IntentState.WAITING,
                IntentState.PARKED,
            }:
                to_withdraw.append(fact)
            self._count(outcome)
        self._plan(tx, to_plan, known, replay=replay)
        self._report.withdrawn += tx.intents.withdraw(to_withdraw, "the order may not be posted as it is now")
        self._keep_exceptions(tx, list(newest.values()), cancelled)

    def _plan(
        self, tx: Transaction, staged: Sequence[Staged], known: dict[FactKey, Intent], *, replay: bool
    ) -> None:
        intents: list[NewIntent] = []
        customers: dict[FactKey, NewIntent] = {}
        buckets = _Buckets(tx)
        for outcome in staged:
            document = outcome.document
            fact = order_fact(outcome)
            depends_on = None
            earlier = known.get(fact)
            key = earlier.payload["customer_key"] if earlier else buckets.key_for(outcome)
            if document.customer.existing_id is None:
                customer = customer_fact(document.channel, document.shop, key)
                depends_on = link_reference(customer)
                customers.setdefault(customer, self._customer(customer, document.customer))
            intents.append(
                NewIntent(
                    flow="orders",
                    fact=fact,
                    payload={"document": document.model_dump(), "customer_key": key},
                    payload_hash=document.fingerprint(),
                    lane="urgent" if _takes_away(document, earlier) else self._lane,
                    depends_on=depends_on,
                    deadline=outcome.dispatch_by,
                    observed_at=self._version(outcome),
                )
            )
        tx.intents.plan(list(customers.values()))
        buckets.store()
        self._report.count(tx.intents.plan(intents, replay=replay, known=known))

    def _version(self, outcome: Outcome) -> datetime | None:
        """When TikTok says that the order changed; None where that cannot be."""
        updated = outcome.update_time
        return updated if updated is not None and updated <= self._runtime.clock.now() + FUTURE else None

    def _customer(self, fact: FactKey, customer: Customer) -> NewIntent:
        external_id = f"tts-{fact.shop}-{CUSTOMER}-{fact.business_key}".lower()
        payload = {"external_id": external_id, "customer": customer.model_dump()}
        # The customer is made once; a later change of its name in the mapping is no new fact.
        return NewIntent("orders", fact, payload, external_id, self._lane)

    def _keep_exceptions(self, tx: Transaction, outcomes: Sequence[Outcome], cancelled: set[FactKey]) -> None:
        """Open what is wrong now, and clear what staging no longer finds wrong, or nobody cares for."""
        subjects = {f"order {outcome.order_id}": outcome for outcome in outcomes}
        if not subjects:
            return
        sample = outcomes[0]
        troubled = tx.exceptions.unresolved_among(sample.channel, sample.shop, list(subjects))
        for subject, outcome in subjects.items():
            is_live = order_fact(outcome) not in cancelled
            problems = outcome.problems if isinstance(outcome, Parked) and is_live else ()
            for problem in problems:
                tx.exceptions.open(self._exception(subject, outcome, problem))
            if subject in troubled:
                tx.exceptions.clear(
                    channel=outcome.channel,
                    shop=outcome.shop,
                    subject=subject,
                    reason="staging no longer finds this",
                    kinds=STAGING_KINDS,
                    keep=[(problem.kind, problem.cause) for problem in problems],
                )

    def _exception(self, subject: str, outcome: Outcome, problem: Problem) -> NewException:
        return self._runtime.reporter.exception(
            problem.kind,
            channel=outcome.channel,
            shop=outcome.shop,
            subject=subject,
            cause=problem.cause,
            message=problem.message,
            what_to_do=problem.what_to_do,
            dispatch_by=outcome.dispatch_by,
        )

    def _count(self, outcome: Outcome) -> None:
        if isinstance(outcome, Parked):
            self._report.parked += 1
            for kind in {problem.kind for problem in outcome.problems}:
                self._report.found(kind)
        elif not isinstance(outcome, Staged):
            name = type(outcome).__name__
            self._report.waiting += name == "Waiting"
            self._report.skipped += name == "Skipped"


class _Buckets:
    """Which customer a new order is for; a bucket is rolled over before it is too full (N 6)."""

    def __init__(self, tx: Transaction) -> None:
        self._cursors = tx.cursors
        self._filled: dict[str, tuple[int, int]] = {}

    def key_for(self, outcome: Staged) -> str:
        """The customer's key: the buyer, or the bucket of shop and currency that has room."""
        customer = outcome.document.customer
        if customer.kind == "buyer":
            return customer.key
        name = f"customer-bucket:{outcome.channel}:{outcome.shop}:{customer.key}"
        number, orders = self._filled.get(name) or self._cursors.get(name) or (1, 0)
        if orders >= customer.limit:
            number, orders = number + 1, 0
        self._filled[name] = (number, orders + 1)
        return f"{customer.key}-{number}"

    def store(self) -> None:
        """Keep how full the buckets are."""
        for name, filled in self._filled.items():
            self._cursors.set(name, filled)


def _is_overtaken(outcome: Outcome, known: Intent | None) -> bool:
    """Whether a newer version of the order is planned already."""
    if known is None or known.observed_at is None or outcome.update_time is None:
        return False
    return outcome.update_time < known.observed_at


def _cancelled(tx: Transaction, facts: Iterable[FactKey]) -> set[FactKey]:
    """Those of these orders whose cancellation is known, however new what was read of them is."""
    closures = {replace(fact, kind=CLOSURE): fact for fact in facts}
    return {closures[closure] for closure in tx.intents.newest(closures)}


def _takes_away(document: SalesOrderDocument, earlier: Intent | None) -> bool:
    """Whether the order has fewer units than it was posted, or was to be posted, with."""
    if earlier is None:
        return False
    lines = earlier.payload["document"]["lines"]
    known = sum((Decimal(line["quantity"]) for line in lines if line["kind"] == "item"), Decimal(0))
    return sum((line.quantity for line in document.lines if line.kind == "item"), Decimal(0)) < known


def _is_unposted(intent: Intent | None) -> bool:
    """Whether nothing of the fact can have reached NetSuite yet."""
    if intent is None:
        return True
    return intent.revision == 1 and intent.state in {
        IntentState.PLANNED,
        IntentState.WAITING,
        IntentState.PARKED,
        IntentState.SUPERSEDED,
    }


STAGING_KINDS = (
    "malformed_order",
    "unmapped_shop",
    "unmapped_sku",
    "ambiguous_sku",
    "inactive_item",
    "unmapped_warehouse",
    "unmapped_tax",
    "unmapped_rate",
    "unmapped_buyer",
    "unroutable_order",
    "contradictory_amounts",
    "control_total_differs",
    "amount_out_of_range",
    "mixed_currency",
    "unknown_status",
    "unknown_value",
    "staging_failed",
)
"""Exceptions that staging opens, and whose absence from a later staging proves them gone."""
