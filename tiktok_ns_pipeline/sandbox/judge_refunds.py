"""The judge of refunds: credits and goods that came back, in the books beside what TikTok refunded.

Like `judge`, it shares no code with the pipeline. A *claim* is a return that TikTok has refunded, or an
order that it cancelled after the books had billed it. What must be credited is the seller's side: by how
much TikTok owes less (T 6.5), as far as the books have billed the order; what the buyer got is summed up
beside it. Documents name their claim at the end of their external id.

- *missing*: a claim without its credit; *doubled*: with two; *wrong*: with another amount; *invented*: a
  credit of what TikTok has not refunded; *beyond billed*: an order's credits are more than its bills.
- *unauthorized*: goods are on their way back, and no Return Authorization awaits them; *authorized in
  vain*: one still awaits goods that will not come; *received too much*: goods that were never sent.

`judge_refunds` takes plain data; `credited` collects it from the books.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal

from tiktok_ns_pipeline.sandbox.books import Books
from tiktok_ns_pipeline.sandbox.facts import ZERO, OrderTruth
from tiktok_ns_pipeline.sandbox.judge_settlements import order_of
from tiktok_ns_pipeline.sandbox.returns import RefundTruth, ReturnStatus
from tiktok_ns_pipeline.sandbox.settling_truth import FinanceTruth

_AWAITS_GOODS = {"A", "B", "D", "E"}
_OVER_WITHOUT_GOODS = {
    ReturnStatus.cancelled.value,
    ReturnStatus.rejected.value,
    ReturnStatus.replacement_cancelled.value,
    ReturnStatus.replacement_rejected.value,
}


@dataclass(frozen=True, slots=True)
class CreditRecord:
    """A Credit Memo or Cash Refund."""

    id: str
    order_id: str
    claim_id: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class AuthorizationRecord:
    """A Return Authorization, and what was received of it."""

    id: str
    order_id: str
    claim_id: str
    awaits_goods: bool
    received: Decimal


@dataclass(frozen=True, slots=True)
class RefundBooks:
    """What the books have of refunds."""

    billed: Mapping[str, Decimal]
    """TikTok's order id -> sum of its bills."""
    credits: Collection[CreditRecord]
    authorizations: Collection[AuthorizationRecord]


@dataclass(slots=True)
class RefundFindings:
    """What the judge found. Lists name claims, `beyond_billed` orders."""

    right: int = 0
    """Claims that are credited once, with the right amount."""
    credited: Decimal = ZERO
    """Over all currencies, as a measure of how much was judged."""
    to_buyers: Decimal = ZERO
    """What the buyers of the same claims got."""
    received: int = 0
    """Return Authorizations whose goods are back."""
    missing: list[str] = field(default_factory=list[str])
    doubled: list[str] = field(default_factory=list[str])
    wrong: list[str] = field(default_factory=list[str])
    invented: list[str] = field(default_factory=list[str])
    beyond_billed: list[str] = field(default_factory=list[str])
    unauthorized: list[str] = field(default_factory=list[str])
    authorized_in_vain: list[str] = field(default_factory=list[str])
    received_too_much: list[str] = field(default_factory=list[str])

    @property
    def faults(self) -> dict[str, list[str]]:
        """What is wrong, by its name; empty when nothing is."""
        lists = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: found for name, found in lists.items() if isinstance(found, list) and found}


def judge_refunds(
    returns: Iterable[RefundTruth],
    orders: Iterable[OrderTruth],
    money: FinanceTruth,
    books: RefundBooks,
    shops: Collection[str],
) -> RefundFindings:
    """Score the books by the truth; `shops` are the keys of those whose refunds are booked."""
    found = RefundFindings()
    own = [one for one in returns if one.shop in shops]
    credits: dict[str, list[CreditRecord]] = defaultdict(list)
    by_order: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for credit in books.credits:
        credits[credit.claim_id].append(credit)
        by_order[credit.order_id] += credit.amount
    refunded = {one.return_id: one for one in own if one.refunded and books.billed.get(one.order_id)}
    for claim_id, one in refunded.items():
        _judge_claim(found, claim_id, credits.get(claim_id, []), one.owed_less)
        found.to_buyers += one.to_buyer
    truths = [truth for truth in orders if truth.shop_code in shops]
    cancelled = {
        truth.order_id: truth
        for truth in truths
        if truth.cancelled_at is not None and books.billed.get(truth.order_id)
    }
    for order_id in cancelled:
        if by_order[order_id] < books.billed[order_id]:
            found.missing.append(order_id)
    for claim_id, documents in credits.items():
        if claim_id not in refunded and not _is_due(documents[0].order_id, cancelled, money):
            found.invented.append(claim_id)
    found.beyond_billed = sorted(
        order_id for order_id, amount in by_order.items() if amount > books.billed.get(order_id, ZERO)
    )
    found.credited = sum(by_order.values(), ZERO)
    _judge_goods(found, own, {truth.order_id: truth for truth in truths}, books)
    return found


def _judge_claim(found: RefundFindings, claim_id: str, documents: list[CreditRecord], true: Decimal) -> None:
    if len(documents) > 1:
        found.doubled.append(claim_id)
    elif not documents:
        if true:
            found.missing.append(claim_id)
    elif documents[0].amount != true:
        found.wrong.append(f"{claim_id}: {documents[0].amount}, not {true}")
    else:
        found.right += 1


def _is_due(order_id: str, cancelled: Mapping[str, OrderTruth], money: FinanceTruth) -> bool:
    """Whether an order is owed less than it was billed for other reasons than a return."""
    return order_id in cancelled or not money.orders[order_id].owed


def _judge_goods(
    found: RefundFindings,
    returns: Iterable[RefundTruth],
    orders: Mapping[str, OrderTruth],
    books: RefundBooks,
) -> None:
    authorizations = {one.claim_id: one for one in books.authorizations}
    for one in returns:
        known = authorizations.get(one.return_id)
        if one.goods_come_back and known is None and books.billed.get(one.order_id):
            found.unauthorized.append(one.return_id)
        if known is None:
            continue
        if known.awaits_goods and one.status in _OVER_WITHOUT_GOODS and not one.goods_come_back:
            found.authorized_in_vain.append(one.return_id)
        found.received += bool(known.received)
        pieces = sum(count for unit in one.line_ids for _, count in orders[one.order_id].line_items[unit])
        if known.received > (pieces if one.goods_come_back else 0):
            found.received_too_much.append(one.return_id)


def credited(books: Books) -> RefundBooks:
    """What the books have of refunds of TikTok's orders."""
    billed: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for name in ("cashSale", "invoice"):
        for record in books.listed(books.kind(name), None):
            if order_id := order_of(books, record):
                billed[order_id] += record.get("total", ZERO)
    credits = [
        CreditRecord(
            record.id, order_of(books, record), _claim_of(record.get("externalId")), record.get("total")
        )
        for name in ("creditMemo", "cashRefund")
        for record in books.listed(books.kind(name), None)
        if order_of(books, record)
    ]
    authorizations = [
        AuthorizationRecord(
            record.id,
            order_of(books, record),
            _claim_of(record.get("externalId")),
            record.get("status") in _AWAITS_GOODS,
            sum((line.get("quantityReceived", ZERO) for line in record.lines()), ZERO),
        )
        for record in books.listed(books.kind("returnAuthorization"), None)
    ]
    return RefundBooks(billed, credits, authorizations)


def _claim_of(external_id: object) -> str:
    return str(external_id or "").rpartition("-")[2]
