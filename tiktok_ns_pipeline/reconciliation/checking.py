"""What a proof of orders means for those who watch it: three questions, each with its offenders.

Every wrong row offends exactly one of them. A question that had nothing to look at, or a side that
could not be read, is `not_run`, which is not the same as passed.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from tiktok_ns_pipeline.reconciliation.answering import CheckOutcome, Listing, Question
from tiktok_ns_pipeline.reconciliation.orders import Reconciliation, Row, Verdict
from tiktok_ns_pipeline.reconciliation.results import shown

_NOT_AGREED = (Verdict.AMOUNT_DIFFERS, Verdict.CANNOT_BE_CHECKED)


def _gravity(row: Row) -> tuple[Decimal, str]:
    """How much money is in question, whatever the currency; the order's id makes it stable."""
    at_stake = row.difference
    if at_stake is None:
        amounts = [amount.amount for amount in (row.owed, row.posted) if amount is not None]
        at_stake = max(amounts, key=abs, default=Decimal(0))
    return abs(at_stake), row.order_id


def _cells(row: Row) -> tuple[str, ...]:
    sales = ", ".join(sale.tran_id or sale.netsuite_id for sale in row.netsuite) or "none"
    return (
        row.order_id or row.external_id,
        row.verdict.replace("_", " "),
        sales,
        shown(row.owed) if row.owed is not None else "?",
        shown(row.posted) if row.posted is not None else "",
        f"{row.difference:+f}" if row.difference is not None else "",
        row.note,
    )


LISTING: Listing[Row] = Listing(
    "order_reconciliation",
    ("order", "verdict", "Sales Order", "owed", "posted", "difference", "note"),
    cells=_cells,
    name=lambda row: row.order_id or row.external_id,
    worst_first=lambda rows: sorted(rows, key=_gravity, reverse=True),
)

CHECKS: tuple[Callable[[Reconciliation], CheckOutcome[Row]], ...] = (
    Question(
        "no_missing_orders",
        LISTING,
        among=lambda row: row.tiktok is not None,
        offends=lambda row: (
            row.verdict is Verdict.MISSING_IN_NETSUITE
            or (row.verdict is Verdict.CANNOT_BE_CHECKED and not row.netsuite)
        ),
        nothing="no orders at TikTok",
        good="orders at TikTok have their Sales Order, wait within the grace or need none",
        bad="orders at TikTok are not shown to have a Sales Order",
    ),
    Question(
        "no_orphan_sales_orders",
        LISTING,
        among=lambda row: row.netsuite,
        offends=lambda row: (
            row.verdict in (Verdict.MISSING_IN_TIKTOK, Verdict.DUPLICATE_IN_NETSUITE)
            or row.has_unwanted_sales_order
        ),
        nothing="no Sales Orders in NetSuite",
        good="orders with Sales Orders have one each, rightly",
        bad="orders have Sales Orders that should not be there",
    ),
    Question(
        "order_amounts_agree",
        LISTING,
        among=lambda row: row.netsuite and row.verdict in (Verdict.MATCHED, *_NOT_AGREED),
        offends=lambda row: row.verdict in _NOT_AGREED,
        nothing="no order with a Sales Order to compare it with",
        good="Sales Orders come to what TikTok owes",
        bad="Sales Orders are not shown to come to what TikTok owes",
    ),
)
"""All questions."""
