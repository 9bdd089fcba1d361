"""What follows from a posted payout: Invoices and Credit Memos are settled out of clearing, differences of
exchange booked.

Cash Sales and Cash Refunds are in the clearing account already. An Invoice is paid out of it by a customer
payment, and a Credit Memo paid back by a customer refund, as far as the payout settled their order. How much
of an order was planned to be given is read from the intents themselves, so a payout may be followed up as
often as one likes, and is until its last document has come.

Invariant: no document is given more than it has open, and no order more than its payout settled.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from tiktok_ns_pipeline.goods.problem import Problem
from tiktok_ns_pipeline.lake.tables import SETTLEMENT_MATCHES
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.facts import CREDIT_PAYMENT, CUSTOMER_PAYMENT, FX_JOURNAL, PAYOUT_JOURNAL
from tiktok_ns_pipeline.ledger.intents import FactKey, Intent, IntentState, NewIntent
from tiktok_ns_pipeline.ledger.links import Link
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.mapping.follow_ups import InvoiceBilling
from tiktok_ns_pipeline.mapping.settlements import PostedSettlement
from tiktok_ns_pipeline.netsuite.values import to_decimal
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.settlements.applying import journal_of, payment_of
from tiktok_ns_pipeline.settlements.booking import Settled
from tiktok_ns_pipeline.settlements.deciding import Decider
from tiktok_ns_pipeline.settlements.document import CHANNEL, PayoutJournal
from tiktok_ns_pipeline.settlements.exchange import rates_unknown, realised_difference
from tiktok_ns_pipeline.settlements.journal import BookedPayout, NotBooked
from tiktok_ns_pipeline.settlements.landed import payments_of, statements_of
from tiktok_ns_pipeline.settlements.matches import settled_of
from tiktok_ns_pipeline.settlements.matching import (
    OrderCase,
    after,
)
from tiktok_ns_pipeline.settlements.planning import (
    ACCOUNT_MISSING,
    PAYOUT,
    RATE_UNKNOWN,
    SettlementPlanner,
    payout_fact,
)
from tiktok_ns_pipeline.settlements.reading import LANE, SettlementReader
from tiktok_ns_pipeline.settlements.records import ClearedPart, ClearingPayment

PAYMENTS: tuple[Literal["pay", "crpay"], ...] = (CUSTOMER_PAYMENT, CREDIT_PAYMENT)
"""Kinds of facts that settle documents out of clearing."""
FOLLOWING = (*PAYMENTS, FX_JOURNAL)
"""Kinds of facts that follow from a payout's document."""
MOST_DOCUMENTS = 100
"""Of one customer payment or refund."""

Payee = tuple[Literal["pay", "crpay"], str]
"""The kind of payment, and the customer's internal id."""

_FOLLOWED_FOR = timedelta(days=45)
"""An Invoice or Credit Memo that comes later than that is a person's."""
_AGAIN_AFTER = timedelta(minutes=30)
_STATEMENTS_BEFORE = timedelta(days=120)
"""A payout has no statement from longer before it."""
_RATE = """
SELECT t.id, t.exchangerate
FROM transaction t
WHERE t.id = ?
ORDER BY t.id ASC"""
_ZERO = Decimal(0)


@dataclass(slots=True)
class Followed:
    """What came of following payouts."""

    planned: int = 0
    done: set[str] = field(default_factory=set[str])
    """Payments of which nothing is left to follow."""


class ClearingDesk:
    """Follows the posted payouts of one run."""

    def __init__(self, runtime: Runtime, reader: SettlementReader) -> None:
        self._runtime = runtime
        self._reader = reader
        self._followed_at: dict[tuple[str, str], datetime] = {}

    async def follow(
        self, shop: Shop, payment_ids: Sequence[str], decider: Decider, planner: SettlementPlanner
    ) -> Followed:
        """Plan what payouts leave to be done. Raises NetSuiteError's subclasses."""
        followed = Followed()
        if not isinstance(shop.settlement, PostedSettlement):
            followed.done.update(payment_ids)
            return followed
        now = self._runtime.clock.now()
        for payment_id in payment_ids:
            last = self._followed_at.get((shop.code, payment_id))
            if last is not None and now - last < _AGAIN_AFTER:
                continue
            journal = self._posted(shop, payment_id)
            if journal is None:
                continue
            self._followed_at[shop.code, payment_id] = now
            is_old = now.date() - journal[0].tran_date > _FOLLOWED_FOR
            is_even, planned = await self._exchange(
                shop, payment_id, *journal, decider, planner, is_old=is_old
            )
            followed.planned += planned
            is_paid, planned = await self._payments(shop, payment_id, journal[0])
            followed.planned += planned
            if is_old or (is_even and is_paid):
                followed.done.add(payment_id)
        return followed

    def look_again(self, shop: Shop, payment_id: str) -> None:
        """Somebody asks: what was refused is reckoned and planned anew."""
        self._followed_at.pop((shop.code, payment_id), None)
        with self._runtime.ledger.begin() as tx:
            for kind in FOLLOWING:
                found = tx.intents.newest_of(CHANNEL, shop.code, kind, payment_id)
                parked = [fact for fact, one in found.items() if one.state == IntentState.PARKED]
                tx.intents.withdraw(parked, "it is reckoned anew")

    def _posted(self, shop: Shop, payment_id: str) -> tuple[PayoutJournal, Link] | None:
        """The payout's document once it is in NetSuite."""
        fact = payout_fact(shop.code, payment_id)
        with self._runtime.ledger.read() as tx:
            intent = tx.intents.newest([fact]).get(fact)
            link = tx.links.find(fact)
        if intent is None or link is None or intent.state != IntentState.APPLIED:
            return None
        return journal_of(intent), link

    # Differences of exchange

    async def _exchange(
        self,
        shop: Shop,
        payment_id: str,
        journal: PayoutJournal,
        link: Link,
        decider: Decider,
        planner: SettlementPlanner,
        *,
        is_old: bool,
    ) -> tuple[bool, int]:
        """Whether nothing of the exchange is left to book, and how much was planned.

        It waits for orders without a rate, until a person says that it need not or the payout is old.
        """
        base = await self._reader.base_currency(journal.subsidiary_id)
        if base is None or base[0] == shop.currency:
            return True, 0
        fact = FactKey(CHANNEL, shop.code, FX_JOURNAL, payment_id)
        with self._runtime.ledger.read() as tx:
            known = tx.intents.newest([fact]).get(fact)
        if known is not None and known.state != IntentState.SUPERSEDED:
            return known.state == IntentState.APPLIED, 0
        lake, begin = self._runtime.lake, journal.true_date - _STATEMENTS_BEFORE
        landed = next((one for one in payments_of(lake, shop, begin) if one.id == payment_id), None)
        statements = [one for one in statements_of(lake, shop, begin) if one.payment_id == payment_id]
        booked = await decider.booked(landed, statements) if landed else None
        rows = await self._runtime.netsuite.suiteql(_RATE, [link.internal_id], lane=LANE)
        rate = to_decimal(rows[0].get("exchangerate")) if rows else None
        if booked is None or rate is None:
            return False, 0
        posting, payout = booked
        orders = await self._reader.orders(shop, payout.orders)
        invoiced = [
            order_id
            for order_id, documents in orders.documents.items()
            if isinstance(shop.billing, InvoiceBilling) and any(one.kind == "invoice" for one in documents)
        ]
        exchange = realised_difference(posting, payout, rate, orders.rates, base[1], frozenset(invoiced))
        problems = (
            exchange.problems
            if isinstance(exchange, NotBooked)
            else self._waits_for(shop, payout, exchange.left_alone, rate, base[0], is_old=is_old)
        )
        if isinstance(exchange, NotBooked) or problems:
            self._tell(planner, payment_id, problems)
            return False, 0
        self._clear(shop, payment_id)
        if exchange.journal is None:
            return True, 0
        intent = NewIntent(
            flow="settlements",
            fact=fact,
            payload={
                "journal": exchange.journal.model_dump(),
                "payment_id": payment_id,
                "left_alone": list(exchange.left_alone),
            },
            payload_hash=exchange.journal.fingerprint(),
            lane=LANE,
        )
        with self._runtime.ledger.begin() as tx:
            tx.intents.plan([intent])
        return False, 1

    def _waits_for(
        self,
        shop: Shop,
        payout: BookedPayout,
        left_alone: Sequence[str],
        rate: Decimal,
        base: str,
        *,
        is_old: bool,
    ) -> tuple[Problem, ...]:
        """What a person is told of orders without a rate; nothing where the difference need not wait."""
        if not left_alone or is_old:
            return ()
        problem = rates_unknown(payout, left_alone, rate, base)
        subject = f"{PAYOUT}{payout.payment.payment.id}"
        with self._runtime.ledger.read() as tx:
            is_resolved = tx.exceptions.is_resolved_by_person(
                problem.kind, shop=shop.code, subject=subject, cause=problem.cause
            )
        return () if is_resolved else (problem,)

    def _clear(self, shop: Shop, payment_id: str) -> None:
        """Nothing keeps the difference of exchange back any more."""
        with self._runtime.ledger.begin() as tx:
            tx.exceptions.clear(
                channel=CHANNEL,
                shop=shop.code,
                subject=f"{PAYOUT}{payment_id}",
                reason="the difference of exchange is reckoned",
                kinds=(RATE_UNKNOWN, ACCOUNT_MISSING),
            )

    def _tell(self, planner: SettlementPlanner, payment_id: str, problems: Iterable[Problem]) -> None:
        with self._runtime.ledger.begin() as tx:
            for problem in problems:
                planner.tell(tx, f"{PAYOUT}{payment_id}", problem)

    # Invoices and Credit Memos

    async def _payments(self, shop: Shop, payment_id: str, journal: PayoutJournal) -> tuple[bool, int]:
        """Whether every order of a payout is paid as far as it settled, and how much was planned."""
        if not isinstance(shop.billing, InvoiceBilling):
            return True, 0
        with self._runtime.ledger.read() as tx:
            known = {
                kind: tx.intents.newest_of(CHANNEL, shop.code, kind, f"{payment_id}.") for kind in PAYMENTS
            }
            unseen = _unseen(tx, shop)
        alive = [one for of_kind in known.values() for one in of_kind.values() if _is_alive(one)]
        cases = self._cases(shop, journal.statements, alive)
        orders = await self._reader.orders(shop, cases)
        parts: dict[Payee, list[ClearedPart]] = defaultdict(list)
        waits = False
        for order_id, case in cases.items():
            documents = orders.documents.get(order_id, ())
            if any(one.internal_id in unseen for one in documents):
                waits = True
                continue
            given = case.give(documents)
            for one in given:
                customer_id = orders.customers[one.document.internal_id]
                kind = CUSTOMER_PAYMENT if one.amount > 0 else CREDIT_PAYMENT
                part = ClearedPart(
                    document_id=one.document.internal_id, order_id=order_id, amount=abs(one.amount)
                )
                parts[kind, customer_id].append(part)
            waits = waits or case.waits(after(documents, given))
        day = (await self._reader.periods.periods()).posting_day(journal.tran_date)
        taken = {kind: len(of_kind) for kind, of_kind in known.items()}
        planned = [] if day is None else list(_payments(shop, payment_id, journal, day, parts, taken))
        if planned:
            with self._runtime.ledger.begin() as tx:
                tx.intents.plan([_intent(one, payment_id) for one in planned])
        is_sent = all(one.state == IntentState.APPLIED for one in alive)
        return is_sent and not parts and not waits, len(planned)

    def _cases(
        self, shop: Shop, statements: Sequence[str], planned: Sequence[Intent]
    ) -> dict[str, OrderCase]:
        """What statements clear of each order, and what was planned to be given of it, where anything may
        be left to give."""
        cases: dict[str, OrderCase] = {}
        among = f"statement_id IN ({', '.join('?' for _ in statements)})"
        for row in self._runtime.lake.current(SETTLEMENT_MATCHES, among, list(statements), shop=shop.code):
            order_id = row["order_id"]
            case = cases.setdefault(order_id, OrderCase(Settled(order_id)))
            case.settled.add(settled_of(row))
            case.is_ours = case.is_ours and row["verdict"] != "not_ours"
        for intent in planned:
            for part in payment_of(intent).parts:
                if (case := cases.get(part.order_id)) is not None:
                    case.take(part.amount if intent.fact.kind == CUSTOMER_PAYMENT else -part.amount)
        return {order_id: case for order_id, case in cases.items() if not case.is_done}


def _is_alive(intent: Intent) -> bool:
    return intent.state != IntentState.SUPERSEDED


def _unseen(tx: Transaction, shop: Shop) -> set[str]:
    """Documents that payments are under way to, or that NetSuite may not show as paid yet: SuiteQL lags
    behind a save (N 3.5)."""
    intents = {one.fact: one for kind in PAYMENTS for one in tx.intents.open_facts(kind=kind, shop=shop.code)}
    written = [
        link.fact for kind in PAYMENTS for link in tx.links.not_read_back(kind) if link.fact.shop == shop.code
    ]
    intents |= {fact: one for fact, one in tx.intents.newest(written).items() if _is_alive(one)}
    return {part.document_id for intent in intents.values() for part in payment_of(intent).parts}


def _payments(
    shop: Shop,
    payment_id: str,
    journal: PayoutJournal,
    day: date,
    parts: Mapping[Payee, Sequence[ClearedPart]],
    taken: Mapping[str, int],
) -> Iterable[ClearingPayment]:
    policy = shop.settlement
    assert isinstance(policy, PostedSettlement)
    numbers = dict(taken)
    for (kind, customer_id), own in sorted(parts.items()):
        for start in range(0, len(own), MOST_DOCUMENTS):
            numbers[kind] += 1
            what = "Invoices" if kind == CUSTOMER_PAYMENT else "Credit Memos"
            yield ClearingPayment(
                shop=shop.code,
                kind=kind,
                key=f"{payment_id}.{numbers[kind]}",
                external_id=f"tts-{shop.code}-{kind}-{payment_id.lower()}-{numbers[kind]}",
                customer_id=customer_id,
                subsidiary_id=journal.subsidiary_id,
                currency=shop.currency,
                currency_id=shop.currency_id,
                account_id=policy.clearing_account_id,
                payment_option_id=policy.refund_payment_option_id if kind == CREDIT_PAYMENT else None,
                exchange_rate=journal.exchange_rate,
                true_date=journal.true_date,
                tran_date=day,
                memo=f"{what} settled by TikTok payout {payment_id} of shop {shop.code}",
                parts=tuple(own[start : start + MOST_DOCUMENTS]),
            )


def _intent(payment: ClearingPayment, payment_id: str) -> NewIntent:
    return NewIntent(
        flow="settlements",
        fact=FactKey(CHANNEL, payment.shop, payment.kind, payment.key),
        payload={"payment": payment.model_dump(), "payment_id": payment_id},
        payload_hash=payment.fingerprint(),
        lane=LANE,
        depends_on=f"{CHANNEL}/{payment.shop}/{PAYOUT_JOURNAL}/{payment_id}",
    )
