"""What follows from a posted payout: Invoices are paid out of clearing, differences of exchange booked.

Cash Sales are in the clearing account already; an Invoice is paid out of it by a customer payment, as far
as the payout settled its order. How much of an order was planned to be paid is read from the intents
themselves, so a payout may be followed up as often as one likes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from tiktok_ns_pipeline.goods.problem import Problem
from tiktok_ns_pipeline.lake.tables import SETTLEMENT_MATCHES
from tiktok_ns_pipeline.ledger.facts import CUSTOMER_PAYMENT, FX_JOURNAL, PAYOUT_JOURNAL
from tiktok_ns_pipeline.ledger.intents import FactKey, Intent, IntentState, NewIntent
from tiktok_ns_pipeline.ledger.links import Link
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.mapping.follow_ups import InvoiceBilling
from tiktok_ns_pipeline.mapping.settlements import PostedSettlement
from tiktok_ns_pipeline.netsuite.values import to_decimal
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.settlements.applying import invoice_payment_of, journal_of
from tiktok_ns_pipeline.settlements.booking import Settled
from tiktok_ns_pipeline.settlements.deciding import Decider
from tiktok_ns_pipeline.settlements.document import CHANNEL, PayoutJournal
from tiktok_ns_pipeline.settlements.exchange import realised_difference
from tiktok_ns_pipeline.settlements.journal import NotBooked
from tiktok_ns_pipeline.settlements.landed import payments_of, statements_of
from tiktok_ns_pipeline.settlements.matches import settled_of
from tiktok_ns_pipeline.settlements.matching import applications
from tiktok_ns_pipeline.settlements.planning import PAYOUT, SettlementPlanner, payout_fact
from tiktok_ns_pipeline.settlements.reading import LANE, OrdersInNetSuite, SettlementReader
from tiktok_ns_pipeline.settlements.records import InvoicePart, InvoicePayment

MOST_INVOICES = 100
"""Of one customer payment."""

_FOLLOWED_FOR = timedelta(days=45)
"""An Invoice that comes later than that is a person's."""
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
            journal = self._posted(shop, payment_id)
            last = self._followed_at.get((shop.code, payment_id))
            if journal is None or (last is not None and now - last < _AGAIN_AFTER):
                continue
            self._followed_at[shop.code, payment_id] = now
            is_even, planned = await self._exchange(shop, payment_id, *journal, decider, planner)
            followed.planned += planned
            is_paid, planned = await self._invoices(shop, payment_id, journal[0])
            followed.planned += planned
            is_old = now.date() - journal[0].tran_date > _FOLLOWED_FOR
            if is_old or (is_even and is_paid):
                followed.done.add(payment_id)
        return followed

    def look_again(self, shop: Shop, payment_id: str) -> None:
        """Somebody asks: what was refused is reckoned and planned anew."""
        self._followed_at.pop((shop.code, payment_id), None)
        with self._runtime.ledger.begin() as tx:
            for kind in (CUSTOMER_PAYMENT, FX_JOURNAL):
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
    ) -> tuple[bool, int]:
        """Whether nothing of the exchange is left to book, and how much was planned."""
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
        exchange = realised_difference(posting, payout, rate, orders.rates, base[1])
        if isinstance(exchange, NotBooked):
            self._tell(planner, payment_id, exchange.problems)
            return False, 0
        if exchange.journal is None:
            return not exchange.left_alone, 0
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

    def _tell(self, planner: SettlementPlanner, payment_id: str, problems: Iterable[Problem]) -> None:
        with self._runtime.ledger.begin() as tx:
            for problem in problems:
                planner.tell(tx, f"{PAYOUT}{payment_id}", problem)

    # Invoices

    async def _invoices(self, shop: Shop, payment_id: str, journal: PayoutJournal) -> tuple[bool, int]:
        """Whether every order of a payout is paid as far as it settled, and how much was planned."""
        if not isinstance(shop.billing, InvoiceBilling):
            return True, 0
        with self._runtime.ledger.read() as tx:
            known = tx.intents.newest_of(CHANNEL, shop.code, CUSTOMER_PAYMENT, f"{payment_id}.")
            taken = len(known)
        alive = [one for one in known.values() if one.state != IntentState.SUPERSEDED]
        left = self._left_to_pay(shop, journal.statements, alive)
        orders = await self._reader.orders(shop, left)
        parts: dict[str, list[InvoicePart]] = defaultdict(list)
        for order_id, settled in left.items():
            for one in applications(settled, orders.documents.get(order_id, ())):
                # Credit memos are paid back by the flow of refunds.
                if one.amount > 0:
                    invoice_id = one.document.internal_id
                    part = InvoicePart(invoice_id=invoice_id, order_id=order_id, amount=one.amount)
                    parts[orders.customers[invoice_id]].append(part)
        day = (await self._reader.periods.periods()).posting_day(journal.tran_date)
        planned = [] if day is None else list(self._payments(shop, payment_id, journal, day, parts, taken))
        if planned:
            with self._runtime.ledger.begin() as tx:
                tx.intents.plan([_intent(one, payment_id) for one in planned])
        is_sent = all(one.state == IntentState.APPLIED for one in alive)
        return not planned and is_sent and not _waits_for_bill(left, orders), len(planned)

    def _left_to_pay(
        self, shop: Shop, statements: Sequence[str], planned: Sequence[Intent]
    ) -> dict[str, Settled]:
        """What statements clear of each order, less what was planned to be paid of it."""
        left: dict[str, Settled] = {}
        among = f"statement_id IN ({', '.join('?' for _ in statements)})"
        for row in self._runtime.lake.current(SETTLEMENT_MATCHES, among, list(statements), shop=shop.code):
            left.setdefault(row["order_id"], Settled(row["order_id"])).add(settled_of(row))
        for intent in planned:
            for part in invoice_payment_of(intent).parts:
                if part.order_id in left:
                    left[part.order_id].sales -= part.amount
        return {order_id: one for order_id, one in left.items() if one.total > 0}

    def _payments(
        self,
        shop: Shop,
        payment_id: str,
        journal: PayoutJournal,
        day: date,
        parts: Mapping[str, Sequence[InvoicePart]],
        taken: int,
    ) -> Iterable[InvoicePayment]:
        policy = shop.settlement
        assert isinstance(policy, PostedSettlement)
        number = taken
        for customer_id, own in sorted(parts.items()):
            for start in range(0, len(own), MOST_INVOICES):
                number += 1
                yield InvoicePayment(
                    shop=shop.code,
                    key=f"{payment_id}.{number}",
                    external_id=f"tts-{shop.code}-pay-{payment_id.lower()}-{number}",
                    customer_id=customer_id,
                    subsidiary_id=journal.subsidiary_id,
                    currency=shop.currency,
                    currency_id=shop.currency_id,
                    account_id=policy.clearing_account_id,
                    exchange_rate=journal.exchange_rate,
                    true_date=journal.true_date,
                    tran_date=day,
                    memo=f"Invoices settled by TikTok payout {payment_id} of shop {shop.code}",
                    parts=tuple(own[start : start + MOST_INVOICES]),
                )


def _waits_for_bill(left: Mapping[str, Settled], orders: OrdersInNetSuite) -> bool:
    """Whether any order that settled has a Sales Order and no bill yet."""
    bills = ("cash_sale", "invoice")
    return any(
        documents and not any(one.kind in bills for one in documents)
        for order_id in left
        if (documents := orders.documents.get(order_id))
    )


def _intent(payment: InvoicePayment, payment_id: str) -> NewIntent:
    return NewIntent(
        flow="settlements",
        fact=FactKey(CHANNEL, payment.shop, CUSTOMER_PAYMENT, payment.key),
        payload={"payment": payment.model_dump(), "payment_id": payment_id},
        payload_hash=payment.fingerprint(),
        lane=LANE,
        depends_on=f"{CHANNEL}/{payment.shop}/{PAYOUT_JOURNAL}/{payment_id}",
    )
