"""What the balance of a clearing account is made of.

    balance = sum of everything on the account = sum over the items of this list, to the cent

An order's documents (bills, credits, payments applied to them) bring amounts in, posted payouts take out what
TikTok settled of the order; what is left of either stands open for a reason. Payouts that took out another
amount than TikTok's statements say, and transactions that are about no order and no payout, are items too:
these nobody can account for, so the account is not explained.

Invariant: every transaction on the account counts in exactly one item, or cancels out within one order.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from tiktok_ns_pipeline.reconciliation.payouts.model import Settlement
from tiktok_ns_pipeline.reconciliation.results import NotRun, read_at

_ZERO = Decimal(0)


class Reason(StrEnum):
    """Why something stands open on a clearing account."""

    BILLED_NOT_SETTLED = "billed_not_settled"
    SETTLED_NOT_BILLED = "settled_not_billed"
    CREDITED_NOT_SETTLED = "credited_not_settled"
    REFUND_NOT_CREDITED = "refund_not_credited"
    DIFFERENCE = "difference"
    """Billed and settled, and not the same."""
    REFUND_DIFFERENCE = "refund_difference"
    STATEMENT_NOT_PAID = "statement_not_paid"
    """Booked by itself, and still owed."""
    ABOUT_NO_ORDER = "about_no_order"
    """Settled through the account, such as balances that TikTok carries on."""
    EXCHANGE_DIFFERENCE = "exchange_difference"
    PAYOUT_DIFFERS = "payout_differs"
    NOBODYS = "nobodys"


_UNEXPLAINED = frozenset({Reason.PAYOUT_DIFFERS, Reason.NOBODYS})


@dataclass(frozen=True, slots=True)
class Entry:
    """What one transaction posts to the account, debit positive, in its currency."""

    netsuite_id: str
    name: str
    """How people call it."""
    currency: str
    amount: Decimal
    order_parts: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])
    """Of this, by TikTok's order."""
    payout_names: frozenset[str] = frozenset()
    """Payments and statements that it says it books."""
    is_exchange: bool = False
    dated: date | None = None

    @property
    def rest(self) -> Decimal:
        """What is about no order."""
        return self.amount - sum(self.order_parts.values(), _ZERO)


@dataclass(frozen=True, slots=True)
class Item:
    """A part of the balance; debit positive."""

    reason: Reason
    subject: str
    """TikTok's order id; else a payment's, a statement's or a document's."""
    currency: str
    amount: Decimal
    documented: Decimal | None = None
    """What documents of the order have posted."""
    settled: Decimal | None = None
    """What posted payouts took out."""
    documents: tuple[str, ...] = ()

    @property
    def is_explained(self) -> bool:
        """Whether somebody can account for it."""
        return self.reason not in _UNEXPLAINED


@dataclass(frozen=True, slots=True)
class ClearingProof:
    """The result for one account: its balance by currency, and the items that it is made of."""

    account: str
    shops: tuple[str, ...]
    balances: Mapping[str, Decimal]
    """By currency, as one query summed it."""
    items: tuple[Item, ...]
    tiktok_read_at: datetime
    netsuite_read_at: datetime
    not_run: NotRun | None = None

    @property
    def wrong(self) -> tuple[Item, ...]:
        """The items that nobody can account for."""
        return tuple(item for item in self.items if not item.is_explained)

    @property
    def gaps(self) -> dict[str, Decimal]:
        """By currency what the balance has more than its items; empty when they agree."""
        sums: defaultdict[str, Decimal] = defaultdict(Decimal)
        for currency, amount in self.balances.items():
            sums[currency] += amount
        for item in self.items:
            sums[item.currency] -= item.amount
        return {currency: amount for currency, amount in sums.items() if amount}

    @property
    def is_explained(self) -> bool:
        """Whether the balance is the sum of items that all have a reason."""
        return self.not_run is None and not self.wrong and not self.gaps

    @property
    def statement(self) -> str:
        """The proof in one line."""
        name = f"clearing account {self.account} (shop {', '.join(self.shops)})"
        if self.not_run:
            return f"{name}: not run: {self.not_run}"
        balances = ", ".join(f"{amount:,f} {currency}" for currency, amount in sorted(self.balances.items()))
        counts = Counter(item.reason for item in self.items)
        made_of = ", ".join(
            f"{counts[reason]} {reason.replace('_', ' ')} ({self._sum(reason)})" for reason in sorted(counts)
        )
        gaps = "".join(f"; {gap:+,f} {currency} is in no item" for currency, gap in self.gaps.items())
        return (
            f"{name}: {balances or 'nothing'} = {made_of or 'nothing'}{gaps}; "
            f"{read_at(self.tiktok_read_at, self.netsuite_read_at)}"
        )

    def _sum(self, reason: Reason) -> str:
        sums: defaultdict[str, Decimal] = defaultdict(Decimal)
        for item in self.items:
            if item.reason is reason:
                sums[item.currency] += item.amount
        return ", ".join(f"{amount:,f} {currency}" for currency, amount in sorted(sums.items()))


def items_of(entries: Iterable[Entry], statements: Iterable[Settlement]) -> tuple[Item, ...]:
    """What an account's entries are made of, largest first.

    `statements` are all that a document on the account names, by themselves or by their payment.
    """
    ledger = _Ledger()
    payouts, others = _payouts(entries, statements)
    for entry in others:
        ledger.take(entry)
    for payout in payouts:
        ledger.clear(payout)
    return tuple(sorted(ledger.items(), key=lambda item: (-abs(item.amount), item.subject, item.reason)))


def booked_statements(entries: Iterable[Entry], statements: Iterable[Settlement]) -> set[str]:
    """Ids of the statements that documents on the account book."""
    payouts, _ = _payouts(entries, statements)
    return {one.id for payout in payouts for one in payout.booked}


# Within


@dataclass(frozen=True, slots=True)
class _Payout:
    """Documents of one payment, or of a statement that is not paid."""

    key: str
    statements: tuple[Settlement, ...]
    entries: tuple[Entry, ...]

    @property
    def names(self) -> set[str]:
        return {name for entry in self.entries for name in entry.payout_names}

    @property
    def by_themselves(self) -> tuple[Settlement, ...]:
        """Statements with documents of their own."""
        names = self.names
        return tuple(one for one in self.statements if one.id in names)

    @property
    def booked(self) -> tuple[Settlement, ...]:
        return self.by_themselves or self.statements


def _payouts(entries: Iterable[Entry], statements: Iterable[Settlement]) -> tuple[list[_Payout], list[Entry]]:
    """Entries that book payouts, together with what they book; and all others."""
    by_name: dict[str, list[Settlement]] = defaultdict(list)
    for one in statements:
        by_name[one.id].append(one)
        if one.payment_id:
            by_name[one.payment_id].append(one)
    booking: defaultdict[str, list[Entry]] = defaultdict(list)
    others: list[Entry] = []
    for entry in entries:
        names = sorted(name for name in entry.payout_names if name in by_name)
        if names:
            covered = by_name[names[0]]
            booking[covered[0].payment_id or covered[0].id].append(entry)
        else:
            others.append(entry)
    return [_Payout(key, tuple(by_name[key]), tuple(own)) for key, own in booking.items()], others


@dataclass(slots=True)
class _Order:
    currency: str
    bills: Decimal = _ZERO
    credits: Decimal = _ZERO
    sold: Decimal = _ZERO
    refunded: Decimal = _ZERO
    documents: list[str] = field(default_factory=list[str])


class _Ledger:
    def __init__(self) -> None:
        self._orders: dict[tuple[str, str], _Order] = {}
        self._others: list[Item] = []

    def take(self, entry: Entry) -> None:
        """A transaction that books no payout."""
        for order_id, amount in entry.order_parts.items():
            order = self._order(order_id, entry.currency)
            order.documents.append(entry.name)
            if amount > 0:
                order.bills += amount
            else:
                order.credits -= amount
        if entry.rest:
            reason = Reason.EXCHANGE_DIFFERENCE if entry.is_exchange else Reason.NOBODYS
            self._others.append(Item(reason, entry.name, entry.currency, entry.rest, documents=(entry.name,)))

    def clear(self, payout: _Payout) -> None:
        """A payout's documents beside what its statements clear."""
        key, entries = payout.key, payout.entries
        currency = entries[0].currency
        cleared = sum((self._settle(one) for one in payout.booked), _ZERO)
        owed = _ZERO
        if key not in payout.names:
            # Statements with documents of their own leave what is owed for them, until they are paid.
            for one in payout.by_themselves:
                net = one.settlement + (one.reserve or _ZERO)
                owed += net
                self._others.append(Item(Reason.STATEMENT_NOT_PAID, one.id, one.currency, net))
        posted = sum((entry.amount for entry in entries if entry.currency == currency), _ZERO)
        if posted != owed - cleared:
            self._others.append(
                Item(
                    Reason.PAYOUT_DIFFERS,
                    key,
                    currency,
                    posted - owed + cleared,
                    documented=posted,
                    settled=cleared,
                    documents=tuple(entry.name for entry in entries),
                )
            )
        for entry in entries:
            if entry.currency != currency:
                self.take(entry)

    def items(self) -> Iterable[Item]:
        yield from (item for item in self._others if item.amount)
        for (order_id, _), order in self._orders.items():
            sale, refund = order.bills - order.sold, -order.credits - order.refunded
            # A refund may be settled, or credited, as a smaller sale.
            if sale + refund == 0:
                continue
            for reason, amount in ((_of_sale(order), sale), (_of_refund(order), refund)):
                if amount:
                    yield Item(
                        reason,
                        order_id,
                        order.currency,
                        amount,
                        documented=order.bills - order.credits,
                        settled=order.sold + order.refunded,
                        documents=tuple(order.documents),
                    )

    def _settle(self, one: Settlement) -> Decimal:
        """Take what a statement clears of each order; gives the sum."""
        for order_id, amount in one.cleared.items():
            if not order_id:
                item = Item(Reason.ABOUT_NO_ORDER, one.id, one.currency, -amount, settled=amount)
                self._others.append(item)
                continue
            order, refunded = self._order(order_id, one.currency), one.refunded.get(order_id, _ZERO)
            order.sold += amount - refunded
            order.refunded += refunded
        return sum(one.cleared.values(), _ZERO)

    def _order(self, order_id: str, currency: str) -> _Order:
        return self._orders.setdefault((order_id, currency), _Order(currency))


def _of_sale(order: _Order) -> Reason:
    if not order.sold:
        return Reason.BILLED_NOT_SETTLED
    return Reason.DIFFERENCE if order.bills else Reason.SETTLED_NOT_BILLED


def _of_refund(order: _Order) -> Reason:
    if not order.refunded:
        return Reason.CREDITED_NOT_SETTLED
    return Reason.REFUND_DIFFERENCE if order.credits else Reason.REFUND_NOT_CREDITED
