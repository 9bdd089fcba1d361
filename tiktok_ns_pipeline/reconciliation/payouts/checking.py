"""What a proof of payouts means for those who watch it: three questions, each with its offenders.

Every wrong row offends exactly one of them. A question that had nothing to look at, or a side that could not
be read, is `not_run`, which is not the same as passed.
"""

from __future__ import annotations

from tiktok_ns_pipeline.reconciliation.answering import Listing, Question
from tiktok_ns_pipeline.reconciliation.payouts.model import Row, Verdict

_UNFOOTED = frozenset({Verdict.DOES_NOT_FOOT})
_WITHOUT_JOURNAL = frozenset({Verdict.JOURNAL_MISSING, Verdict.NOT_POSTED})


def _is_payment(row: Row) -> bool:
    return row.aspect == "payout" and row.expected is not None


def _is_unread(row: Row) -> bool:
    """Whether TikTok's side could not be read, rather than a document not be compared."""
    return row.verdict is Verdict.CANNOT_BE_CHECKED and not row.differences


def _is_wrongly_booked(row: Row) -> bool:
    return row.is_wrong and row.verdict not in _UNFOOTED | _WITHOUT_JOURNAL and not _is_unread(row)


def _gravity(row: Row) -> tuple[float, str]:
    """What is worth most comes first; the subject makes it stable."""
    return -float(row.at_stake), row.subject


def _cells(row: Row) -> tuple[str, ...]:
    def amount(value: object) -> str:
        return "" if value is None else f"{value:,f} {row.currency}"

    return (
        row.subject,
        row.verdict.replace("_", " "),
        ", ".join(row.documents),
        amount(row.expected),
        amount(row.posted),
        f"{row.difference:+,f}" if row.difference is not None else "",
        row.note,
    )


LISTING: Listing[Row] = Listing(
    "payout_reconciliation",
    ("subject", "verdict", "documents", "paid", "posted", "difference", "note"),
    cells=_cells,
    name=lambda row: row.subject,
    worst_first=lambda rows: sorted(rows, key=_gravity),
)

CHECKS: tuple[Question[Row], ...] = (
    Question(
        "payments_add_up",
        LISTING,
        among=lambda row: row.aspect == "statement" or _is_payment(row),
        offends=lambda row: row.verdict in _UNFOOTED or _is_unread(row),
        nothing="no statement and no payment",
        good="statements and payments add up",
        bad="statements or payments do not add up, or could not be read",
    ),
    Question(
        "payments_booked",
        LISTING,
        among=lambda row: _is_payment(row) and row.verdict is not Verdict.NOT_EXPECTED,
        offends=lambda row: row.verdict in _WITHOUT_JOURNAL,
        nothing="no payment that should be booked",
        good="payments are booked, wait within the grace or have not arrived",
        bad="payments are not booked",
    ),
    Question(
        "bookings_are_payments",
        LISTING,
        among=lambda row: row.posted is not None,
        offends=_is_wrongly_booked,
        nothing="nothing is booked, and no bank's lines were given",
        good="documents and lines of the bank are what TikTok paid",
        bad="documents or lines of the bank are not what TikTok paid",
    ),
)
"""All questions."""
