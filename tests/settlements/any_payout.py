"""Payouts of any kind that foot, and every place in them where an amount stands."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tests.settlements.payouts import (
    DAY,
    MIDNIGHT,
    Raw,
    RawPayout,
    RawStatement,
    adjustment_row,
    order_row,
    reserve_row,
)

CENT = Decimal("0.01")

_INCOME = ("revenue.subtotal_before_discount_amount", "shipping.customer_paid_shipping_fee_amount")
_COSTS = (
    "revenue.seller_discount_amount",
    "revenue.refund_subtotal_before_discount_amount",
    "shipping.actual_shipping_fee_amount",
    "fee_tax.fee.referral_fee_amount",
    "fee_tax.fee.affiliate_commission_amount",
    "fee_tax.fee.smart_promotion_fee_amount",
    "fee_tax.tax.vat_amount",
)
_TYPES = ("PLATFORM_PENALTY", "REBATE", "LOGISTICS_REIMBURSEMENT", "Violation fee （settlement fee）")


def _money(lowest: int, highest: int) -> st.SearchStrategy[Decimal]:
    return st.integers(lowest, highest).map(lambda cents: Decimal(cents) / 100)


def orders(numbers: st.SearchStrategy[int]) -> st.SearchStrategy[Raw]:
    parts = st.dictionaries(st.sampled_from(_INCOME), _money(2, 50_000), min_size=1)
    costs = st.dictionaries(st.sampled_from(_COSTS), _money(-9_000, -2))
    return st.builds(
        lambda number, income, cost: order_row("?", str(5_770_000_000 + number), {**income, **cost}),
        numbers,
        parts,
        costs,
    )


def adjustments() -> st.SearchStrategy[Raw]:
    # An adjustment of a cent that shows nothing but its settlement is one of TikTok's forms (T 7.5).
    amount = _money(-9_000, -2) | _money(2, 9_000)
    return st.builds(
        lambda kind, amount, of: adjustment_row(
            "?", kind, amount, **({"adjustment_order_id": of} if of else {})
        ),
        st.sampled_from(_TYPES),
        amount,
        st.sampled_from(["", "5770000001"]),
    )


def reserves() -> st.SearchStrategy[Raw]:
    return st.builds(
        lambda amount: reserve_row("?", amount, "COLLECTED" if amount < 0 else "RELEASED", "5770000001"),
        _money(-3_000, -2) | _money(2, 3_000),
    )


def _rows() -> st.SearchStrategy[list[Raw]]:
    return st.lists(orders(st.integers(1, 5)) | adjustments() | reserves(), min_size=1, max_size=6)


@st.composite
def payouts(draw: st.DrawFn) -> RawPayout:
    """One to three statements of a payout, of which some may be below zero."""
    statements: list[RawStatement] = []
    for number, rows in enumerate(draw(st.lists(_rows(), min_size=1, max_size=3))):
        for place, row in enumerate(rows):
            row["id"] = f"{number}{place}"
        identity = str(7_670_000_000 + number)
        statements.append(RawStatement.of(rows, identity=identity, midnight=MIDNIGHT + number * DAY))
    return RawPayout.of(*statements)


Place = tuple[dict[str, Any], str]


def amounts_of(document: dict[str, Any]) -> Iterator[Place]:
    """Every amount of a document, however deep."""
    for key, value in document.items():
        if isinstance(value, dict):
            yield from amounts_of(value)
        elif value is not None and (key == "value" or key.endswith(("_amount", "_fee"))):
            yield document, key


def every_amount(payout: RawPayout) -> list[Place]:
    """Every amount at every level: components, groups, transactions, statements as told twice, payment."""
    documents = [payout.payment]
    for statement in payout.statements:
        documents += [statement.listed, statement.head, *statement.rows]
    return [place for document in documents for place in amounts_of(document)]


def alter(place: Place, by: Decimal) -> None:
    document, key = place
    document[key] = str(Decimal(document[key]) + by)
