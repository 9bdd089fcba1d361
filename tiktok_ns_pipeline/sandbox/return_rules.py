"""What goes with a return: reasons, the seller's answers, and what the buyer gets (T 6.2, 6.4, 6.5)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from tiktok_ns_pipeline.sandbox.facts import ZERO, OrderFacts
from tiktok_ns_pipeline.sandbox.returns import (
    REFUND,
    REPLACEMENT,
    RETURN_AND_REFUND,
    Return,
    ReturnStatus,
)

NO_LONGER_NEEDED = "ecom_order_delivered_refund_and_return_reason_no_need"
NOT_RECEIVED = "ecom_order_delivered_refund_reason_not_received"
BY_SELLER = "ecom_order_delivered_refund_reason_missing_product_seller"
REASONS = {
    NO_LONGER_NEEDED: "No longer needed",
    NOT_RECEIVED: "Package not received",
    BY_SELLER: "A product is missing",
}
REJECT_REASONS = {
    "reverse_reject_request_reason_1": "Agreed with the buyer",
    "reverse_reject_request_reason_4": "The return window is over",
    "reverse_reject_return_parcel_reason_1": "The parcel is empty or wrong",
}

OFFER = "OFFER_PARTIAL_REFUND"


class Decision(NamedTuple):
    """An answer of the seller: to which types of returns, in which state, and what follows."""

    types: frozenset[str]
    answers: ReturnStatus
    follows: ReturnStatus


_MONEY = frozenset({REFUND, RETURN_AND_REFUND})
_GOODS = frozenset({RETURN_AND_REFUND})
_REPLACED = frozenset({REPLACEMENT})

APPROVALS: dict[str, Decision] = {
    "APPROVE_REFUND": Decision(_MONEY, ReturnStatus.pending, ReturnStatus.success),
    "APPROVE_RETURN": Decision(_GOODS, ReturnStatus.pending, ReturnStatus.awaiting_ship),
    "APPROVE_RECEIVED_PACKAGE": Decision(_GOODS, ReturnStatus.shipped, ReturnStatus.success),
    OFFER: Decision(_MONEY, ReturnStatus.pending, ReturnStatus.awaiting_buyer),
    "APPROVE_REPLACEMENT": Decision(_REPLACED, ReturnStatus.replacement_pending, ReturnStatus.replaced),
    "ISSUE_REPLACEMENT_REFUND": Decision(
        _REPLACED, ReturnStatus.replacement_pending, ReturnStatus.replacement_refunded
    ),
}
REJECTIONS: dict[str, Decision] = {
    "REJECT_REFUND": Decision(frozenset({REFUND}), ReturnStatus.pending, ReturnStatus.rejected),
    "REJECT_RETURN": Decision(_GOODS, ReturnStatus.pending, ReturnStatus.rejected),
    "REJECT_RECEIVED_PACKAGE": Decision(_GOODS, ReturnStatus.shipped, ReturnStatus.not_received),
    "REJECT_REPLACEMENT": Decision(
        _REPLACED, ReturnStatus.replacement_pending, ReturnStatus.replacement_rejected
    ),
}


def refund_amounts(
    facts: OrderFacts, line_ids: Sequence[str], *, whole: bool
) -> tuple[Decimal, Decimal, Decimal]:
    """What the buyer gets for units: goods, shipping, and tax on top (T 6.5)."""
    lines = [line for line in facts.lines if line.id in line_ids]
    tax = sum((line.tax for line in lines), facts.shipping.tax if whole else ZERO)
    fee = facts.shipping.fee if whole else ZERO
    return sum((line.sale_price for line in lines), ZERO), fee, tax


def buyer_gets(one: Return, facts: OrderFacts) -> tuple[Decimal, Decimal, Decimal]:
    """The same for a return: an offer that was taken is all of it."""
    if one.taken:
        return Decimal(one.offer), ZERO, ZERO
    return refund_amounts(facts, one.line_ids, whole=one.whole)


def owed_less(one: Return, facts: OrderFacts) -> Decimal:
    """By how much TikTok owes the seller less for the order, once the return is refunded."""
    if one.taken:
        return Decimal(one.offer)
    lines = [line for line in facts.lines if line.id in one.line_ids]
    shipping = facts.shipping.fee if one.whole and facts.by_seller else ZERO
    return sum((line.price - line.seller_discount for line in lines), shipping)


def refusal_code(one: Return, decision: str) -> int:
    """Why a return does not take an answer that its type would."""
    rejects = decision in REJECTIONS
    approved = {ReturnStatus.success, ReturnStatus.complete, ReturnStatus.awaiting_ship}
    reasons = (
        (bool(one.arbitration), 25011010),
        (one.status is ReturnStatus.cancelled, 25020009),
        (one.status is ReturnStatus.awaiting_buyer, 25007007),
        (decision == OFFER, 25011032),
        (not rejects, 25011012),
        (one.quick and decision == "REJECT_RECEIVED_PACKAGE", 25011025),
        (one.status in approved, 25020010),
    )
    return next((code for holds, code in reasons if holds), 25011011)
