"""What a proof of refunds means for those who watch it: two questions, each with its offenders.

Every wrong row offends exactly one of them. A question that had nothing to look at, or a side that could not
be read, is `not_run`, which is not the same as passed.
"""

from __future__ import annotations

from decimal import Decimal

from tiktok_ns_pipeline.reconciliation.answering import Listing, Question
from tiktok_ns_pipeline.reconciliation.refunds.model import Row, Verdict

_WITHOUT_CREDIT = frozenset({Verdict.CREDIT_MISSING, Verdict.CANNOT_BE_CHECKED})


def _gravity(row: Row) -> tuple[Decimal, str]:
    """What is worth most comes first; the subject makes it stable."""
    return -max(row.refunded or Decimal(0), row.credited or Decimal(0)), row.subject


def _cells(row: Row) -> tuple[str, ...]:
    def amount(value: Decimal | None) -> str:
        return "" if value is None else f"{value:,f} {row.currency}"

    return (
        row.claim_id or row.subject,
        row.order_id or "",
        row.verdict.replace("_", " "),
        ", ".join(row.documents),
        amount(row.refunded),
        amount(row.credited),
        amount(row.billed),
        row.note,
    )


LISTING: Listing[Row] = Listing(
    "refund_reconciliation",
    ("refund", "order", "verdict", "credits", "to the buyer", "credited", "billed", "note"),
    cells=_cells,
    name=lambda row: row.subject,
    worst_first=lambda rows: sorted(rows, key=_gravity),
)

CHECKS: tuple[Question[Row], ...] = (
    Question(
        "refunds_have_credits",
        LISTING,
        among=lambda row: row.status is not None,
        offends=lambda row: row.verdict in _WITHOUT_CREDIT,
        nothing="no refund at TikTok",
        good="refunds have their credit, wait within the grace or need none",
        bad="refunds are not shown to have a credit",
    ),
    Question(
        "credits_have_refunds",
        LISTING,
        among=lambda row: row.documents,
        offends=lambda row: row.is_wrong and row.verdict not in _WITHOUT_CREDIT,
        nothing="no credit in NetSuite",
        good="credits have their refund",
        bad="credits are without a refund, twice, or beyond what was billed",
    ),
)
"""All questions."""
