"""A transaction of an order by SKU (T 7.6): goods stay where they are, everything else is shared out.

Invariant: the SKUs of a transaction sum to it, member by member.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tiktok_ns_pipeline.money import Money
from tiktok_ns_pipeline.sandbox.facts import ZERO, LineFacts, OrderFacts
from tiktok_ns_pipeline.sandbox.settling_rules import Amounts, Parts, goods_of
from tiktok_ns_pipeline.sandbox.statements import PART, Transaction

_SHARED = ("shipping", "fee", "tax", "memo", "shipping_memo")


@dataclass(frozen=True, slots=True)
class SkuPart:
    """What a transaction settles for one SKU."""

    sku_id: str
    quantity: int
    amounts: Amounts


def by_sku(facts: OrderFacts, one: Transaction, *, is_sale: bool) -> list[SkuPart]:
    """The SKUs of an order's sale, or of a later refund."""
    back = set(one.line_ids)
    lines = [line for line in facts.active_lines if is_sale or line.id in back]
    groups: dict[str, list[LineFacts]] = {}
    for line in lines:
        groups.setdefault(line.sku_id, []).append(line)
    weights = [goods_of(group) for group in groups.values()]
    if not sum(weights, ZERO):
        weights = [Decimal(len(group)) for group in groups.values()]
    if one.form == PART:
        parts, shared = [Amounts() for _ in groups], ("revenue", *_SHARED)
    else:
        parts = [Amounts(revenue=_revenue(group, back, is_sale=is_sale)) for group in groups.values()]
        shared = _SHARED
    for group in shared:
        whole: Parts = getattr(one.amounts, group)
        for name, amount in whole.items():
            shares = Money(amount, facts.currency).allocate(weights)
            for part, share in zip(parts, shares, strict=True):
                getattr(part, group)[name] = share.amount
    return [
        SkuPart(sku_id, len(group), part) for (sku_id, group), part in zip(groups.items(), parts, strict=True)
    ]


def _revenue(lines: list[LineFacts], back: set[str], *, is_sale: bool) -> Parts:
    returned = [line for line in lines if line.id in back]
    sold = lines if is_sale else []
    return {
        "subtotal_before_discount_amount": sum((line.price for line in sold), ZERO),
        "seller_discount_amount": -sum((line.seller_discount for line in sold), ZERO),
        "refund_subtotal_before_discount_amount": -sum((line.price for line in returned), ZERO),
        "seller_discount_refund_amount": sum((line.seller_discount for line in returned), ZERO),
    }
