"""Matching: what TikTok settled of each order beside what its documents put into the clearing account.

Orders and documents are matched by the order's id, over all time: an order settles in several steps
(T 7.2), so everything that is known of it is compared, and no date decides.

    difference = settled - documented

Terms: what is *settled* leaves clearing, what is *documented* has entered it (a bill) or left it again (a
credit). The *reasons* of a difference sum to it; what no reason explains is the *residual*.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from tiktok_ns_pipeline.settlements.booking import Settled
from tiktok_ns_pipeline.settlements.statement import Transaction
from tiktok_ns_pipeline.tiktok.finance_keys import group_of_amount

DocumentKind = Literal["sales_order", "cash_sale", "invoice", "credit_memo", "cash_refund"]
Verdict = Literal["cleared", "partly", "over", "unbilled", "no_document", "not_ours"]
"""- *cleared*: both sides are equal;
- *partly*: TikTok has settled less than was documented, and owes the rest;
- *over*: it has settled more;
- *unbilled*: there is a Sales Order, and nothing was billed of it;
- *no_document*: NetSuite has nothing of the order;
- *not_ours*: the order is older than the shop's books here."""
ReasonName = Literal[
    "not_settled", "refund_not_credited", "credit_not_settled", "shipping", "other", "residual"
]

BILLS: frozenset[DocumentKind] = frozenset({"cash_sale", "invoice"})
CREDITS: frozenset[DocumentKind] = frozenset({"credit_memo", "cash_refund"})
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class OrderDocument:
    """A NetSuite document of an order. Amounts are in the order's currency and positive."""

    order_id: str
    kind: DocumentKind
    internal_id: str
    amount: Decimal = _ZERO
    """Its total, tax included; nothing of a Sales Order, which does not post."""
    shipping: Decimal = _ZERO
    """Part of `amount` that is shipping, tax included."""
    open_amount: Decimal = _ZERO
    """Of an Invoice or Credit Memo: what is not applied yet."""

    @property
    def entered(self) -> Decimal:
        """What it puts into the clearing account; of a credit, negative."""
        if self.kind in CREDITS:
            return -self.amount
        return self.amount if self.kind in BILLS else _ZERO


@dataclass(frozen=True, slots=True)
class Reason:
    """A part of a difference, signed like it."""

    name: ReasonName
    amount: Decimal


@dataclass(frozen=True, slots=True)
class OrderMatch:
    """One order on both sides, in its currency."""

    order_id: str
    verdict: Verdict
    settled: Decimal
    documented: Decimal
    documents: tuple[OrderDocument, ...]
    reasons: tuple[Reason, ...]
    """Sum to `difference`."""

    @property
    def difference(self) -> Decimal:
        """What TikTok settled above what was documented."""
        return self.settled - self.documented


@dataclass(frozen=True, slots=True)
class TransactionMatch:
    """A row of a statement and the documents that it clears."""

    transaction_id: str
    order_id: str
    state: Literal["matched", "unmatched", "no_order"]
    """Unmatched where one of the documents that it needs is not there."""
    document_ids: tuple[str, ...]
    """Internal ids of those that are there."""


@dataclass(frozen=True, slots=True)
class Application:
    """A part of what is cleared of an order that pays one of its open documents."""

    document: OrderDocument
    amount: Decimal
    """Positive for an Invoice that is paid, negative for a Credit Memo that is paid back."""


def together(parts: Iterable[Mapping[str, Settled]]) -> dict[str, Settled]:
    """What several payouts or statements clear, by order."""
    orders: dict[str, Settled] = {}
    for part in parts:
        for order_id, settled in part.items():
            orders.setdefault(order_id, Settled(order_id)).add(settled)
    return orders


def match_orders(
    settled: Mapping[str, Settled], documents: Iterable[OrderDocument], not_ours: Iterable[str] = ()
) -> list[OrderMatch]:
    """Every order that TikTok settled or that has a document, in the order of their ids.

    `settled` is everything that was ever settled of the orders, `documents` all of theirs; `not_ours`
    are orders from before the shop's books began.
    """
    of_order: dict[str, list[OrderDocument]] = defaultdict(list)
    seen: set[str] = set()
    for document in documents:
        if document.internal_id not in seen:
            seen.add(document.internal_id)
            of_order[document.order_id].append(document)
    strangers = frozenset(not_ours)
    return [
        match_order(
            settled.get(order_id) or Settled(order_id),
            of_order.get(order_id, ()),
            not_ours=order_id in strangers,
        )
        for order_id in sorted(settled.keys() | of_order.keys())
    ]


def match_order(
    settled: Settled, documents: Iterable[OrderDocument], *, not_ours: bool = False
) -> OrderMatch:
    """One order on both sides."""
    found = tuple(sorted(documents, key=lambda one: (one.kind, one.internal_id)))
    documented = sum((one.entered for one in found), _ZERO)
    return OrderMatch(
        settled.order_id,
        _verdict(settled, found, documented, not_ours=not_ours),
        settled.total,
        documented,
        found,
        tuple(_reasons(settled, found)),
    )


def match_transaction(one: Transaction, documents: Iterable[OrderDocument]) -> TransactionMatch:
    """One row of a statement and the documents of the order that it is about, by the order's id alone.

    A sale belongs to the order's bills, a refund to its credits; an adjustment is about all of them.
    """
    about = [document for document in documents if document.order_id == one.about]
    if not one.about:
        return TransactionMatch(one.id, "", "no_order", ())
    components = one.components if one.is_order else ()
    groups = {group_of_amount(component.name) for component in components}
    needed = [kinds for group, kinds in (("sales", BILLS), ("refunds", CREDITS)) if group in groups]
    if not needed:
        found = about
    else:
        found = [document for document in about if any(document.kind in kinds for kinds in needed)]
    missing = not found or any(not any(one.kind in kinds for one in found) for kinds in needed)
    ids = tuple(sorted(document.internal_id for document in found))
    return TransactionMatch(one.id, one.about, "unmatched" if missing else "matched", ids)


def applications(
    cleared: Settled,
    documents: Iterable[OrderDocument],
    paid: Decimal = _ZERO,
    refunded: Decimal = _ZERO,
) -> tuple[Application, ...]:
    """The open Invoices and Credit Memos that what was cleared of an order pays, the oldest id first.

    `paid` and `refunded` are what Invoices and Credit Memos were given of it before. Credit Memos are paid
    back as far as refunds were settled. Never more than is open is applied; what is left over stays in the
    clearing account. The amounts sum to what was cleared and not given yet, or to less of it.
    """
    documents = tuple(documents)
    invoices, memos = _open(documents, "invoice"), _open(documents, "credit_memo")
    owed, credited = (sum((one.open_amount for one in kind), _ZERO) for kind in (invoices, memos))
    given_back = -sum(
        (min(part, _ZERO) for part in (cleared.refunds, cleared.shipping, cleared.other)), _ZERO
    )
    back = min(max(given_back - refunded, _ZERO), credited)
    # A sale and its refund may be settled in one statement: the refund then pays a part of the Invoice.
    in_all = min(max(cleared.total + refunded - paid + back, _ZERO), owed)
    if owed - in_all == credited - back:
        # TikTok nets what it sold and gave back, such as shipping: both sides are even without the rest.
        in_all, back = owed, credited
    return (*_spread(memos, back, -1), *_spread(invoices, in_all, 1))


def waits_for_credit(
    cleared: Settled, documents: Iterable[OrderDocument], paid: Decimal, refunded: Decimal
) -> bool:
    """Whether a Credit Memo of what was cleared is still to come, or to be paid back.

    `documents` are as they stand after what Invoices were `paid`, and Credit Memos `refunded`, of it.
    """
    documents = tuple(documents)
    if not any(one.kind == "invoice" for one in documents):
        return False
    if cleared.total + refunded < paid:
        return True
    # What was netted is even only once Invoices and Credit Memos are.
    is_netted = bool(cleared.refunds) or bool(_open(documents, "credit_memo"))
    return is_netted and bool(_open(documents, "invoice"))


@dataclass(slots=True)
class OrderCase:
    """What a payout settled of one order, and what Invoices and Credit Memos were given of it."""

    settled: Settled
    paid: Decimal = _ZERO
    refunded: Decimal = _ZERO
    is_ours: bool = True
    """Whether the order's documents are to be expected."""

    @property
    def rest(self) -> Decimal:
        """What no document was given yet."""
        return self.settled.total + self.refunded - self.paid

    @property
    def is_done(self) -> bool:
        """Whether nothing can be left to give: a sale was given whole."""
        return bool(self.paid) and not self.rest and not self.settled.refunds

    def take(self, amount: Decimal) -> None:
        """So much was given: positive to an Invoice, negative to a Credit Memo."""
        self.paid += max(amount, _ZERO)
        self.refunded -= min(amount, _ZERO)

    def give(self, documents: Iterable[OrderDocument]) -> tuple[Application, ...]:
        """What the open documents are given of the rest."""
        given = applications(self.settled, documents, self.paid, self.refunded)
        for one in given:
            self.take(one.amount)
        return given

    def waits(self, documents: Sequence[OrderDocument]) -> bool:
        """Whether more documents of the order are to come, or to be given; `documents` are as they stand
        now."""
        if not self.is_ours:
            return False
        if not any(one.kind in BILLS for one in documents):
            return True
        return waits_for_credit(self.settled, documents, self.paid, self.refunded)


def after(documents: Iterable[OrderDocument], given: Iterable[Application]) -> tuple[OrderDocument, ...]:
    """Documents once these were applied to them."""
    amounts = {one.document.internal_id: abs(one.amount) for one in given}
    return tuple(
        replace(one, open_amount=one.open_amount - amounts.get(one.internal_id, _ZERO)) for one in documents
    )


def _open(documents: Iterable[OrderDocument], kind: DocumentKind) -> list[OrderDocument]:
    found = [one for one in documents if one.kind == kind and one.open_amount]
    return sorted(found, key=lambda one: (len(one.internal_id), one.internal_id))


def _spread(documents: Iterable[OrderDocument], amount: Decimal, sign: int) -> Iterable[Application]:
    for one in documents:
        part = min(amount, one.open_amount)
        if part <= 0:
            return
        yield Application(one, sign * part)
        amount -= part


def _verdict(
    settled: Settled, documents: tuple[OrderDocument, ...], documented: Decimal, *, not_ours: bool
) -> Verdict:
    if not any(one.kind in BILLS or one.kind in CREDITS for one in documents):
        if not_ours:
            return "not_ours"
        if not settled.total:
            return "cleared"
        return "unbilled" if documents else "no_document"
    difference = settled.total - documented
    if not difference:
        return "cleared"
    return "partly" if difference < 0 else "over"


def _reasons(settled: Settled, documents: tuple[OrderDocument, ...]) -> Iterable[Reason]:
    """Why both sides differ, each cause by its own amounts; their sum is the difference."""
    bills = [one for one in documents if one.kind in BILLS]
    credited = [one for one in documents if one.kind in CREDITS]
    goods_billed = sum((one.amount - one.shipping for one in bills), _ZERO)
    goods_credited = sum((one.amount - one.shipping for one in credited), _ZERO)
    shipping = settled.shipping - sum((one.shipping for one in bills), _ZERO)
    shipping += sum((one.shipping for one in credited), _ZERO)
    goods = settled.sales - goods_billed
    refunds = settled.refunds + goods_credited
    if goods_billed and not settled.sales:
        yield Reason("not_settled", goods)
    elif goods:
        yield Reason("residual", goods)
    if refunds:
        yield Reason("refund_not_credited" if refunds < 0 else "credit_not_settled", refunds)
    if shipping:
        yield Reason("shipping", shipping)
    if settled.other:
        yield Reason("other", settled.other)
