"""What a proof of payouts means for those who watch it: three questions, each with its offenders.

Every wrong row offends exactly one of them. A question that had nothing to look at, or a side that could not
be read, is `not_run`, which is not the same as passed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tiktok_ns_pipeline.reconciliation.checking import CheckState, table_of
from tiktok_ns_pipeline.reconciliation.payouts.model import PayoutProof, Row, Verdict

TABLE = "payout_reconciliation"

_HEADINGS = ("subject", "verdict", "documents", "paid", "posted", "difference", "note")

_UNFOOTED = frozenset({Verdict.DOES_NOT_FOOT})
_WITHOUT_JOURNAL = frozenset({Verdict.JOURNAL_MISSING, Verdict.NOT_POSTED})


@dataclass(frozen=True, slots=True)
class PayoutOutcome:
    """The answer to one question about one shop's day. `offenders` are the rows that make it fail."""

    name: str
    state: CheckState
    description: str
    offenders: tuple[Row, ...] = ()

    @property
    def names(self) -> list[str]:
        """What offends, worst first."""
        return [row.subject for row in self.offenders]

    @property
    def table(self) -> str:
        """The offenders as a markdown table, worst first; empty when there are none."""
        return rows_table(self.offenders)


def payments_add_up(proof: PayoutProof) -> PayoutOutcome:
    """Transactions make the statement, statements make the payment, to the cent."""
    return _answer(
        "payments_add_up",
        proof,
        [row for row in proof.rows if row.aspect == "statement" or _is_payment(row)],
        lambda row: row.verdict in _UNFOOTED or _is_unread(row),
        nothing="no statement and no payment",
        good="statements and payments add up",
        bad="statements or payments do not add up, or could not be read",
    )


def payments_booked(proof: PayoutProof) -> PayoutOutcome:
    """Every payment that arrived is booked."""
    return _answer(
        "payments_booked",
        proof,
        [row for row in proof.rows if _is_payment(row) and row.verdict is not Verdict.NOT_EXPECTED],
        lambda row: row.verdict in _WITHOUT_JOURNAL,
        nothing="no payment that should be booked",
        good="payments are booked, wait within the grace or have not arrived",
        bad="payments are not booked",
    )


def bookings_are_payments(proof: PayoutProof) -> PayoutOutcome:
    """What is booked, and what the bank has, is one payment each and what it comes to, account by account."""
    return _answer(
        "bookings_are_payments",
        proof,
        [row for row in proof.rows if row.posted is not None],
        lambda row: row.is_wrong and row.verdict not in _UNFOOTED | _WITHOUT_JOURNAL and not _is_unread(row),
        nothing="nothing is booked, and no bank's lines were given",
        good="documents and lines of the bank are what TikTok paid",
        bad="documents or lines of the bank are not what TikTok paid",
    )


CHECKS: tuple[Callable[[PayoutProof], PayoutOutcome], ...] = (
    payments_add_up,
    payments_booked,
    bookings_are_payments,
)
"""All questions."""


def rows_table(rows: Sequence[Row], listed: int = 50) -> str:
    """Rows as a markdown table in the order given; empty for none."""
    return table_of(_HEADINGS, [_cells(row) for row in rows], TABLE, listed)


def worst(proof: PayoutProof, count: int) -> str:
    """The worst rows as a markdown table; empty when none is wrong."""
    return rows_table(sorted(proof.wrong, key=_gravity), count)


def _is_payment(row: Row) -> bool:
    return row.aspect == "payout" and row.expected is not None


def _is_unread(row: Row) -> bool:
    """Whether TikTok's side could not be read, rather than a document not be compared."""
    return row.verdict is Verdict.CANNOT_BE_CHECKED and not row.differences


def _answer(
    name: str,
    proof: PayoutProof,
    looked_at: Sequence[Row],
    offends: Callable[[Row], bool],
    *,
    nothing: str,
    good: str,
    bad: str,
) -> PayoutOutcome:
    if proof.not_run:
        return PayoutOutcome(name, "not_run", proof.statement)
    if not looked_at:
        return PayoutOutcome(name, "not_run", f"nothing to look at: {nothing}")
    offenders = sorted((row for row in looked_at if offends(row)), key=_gravity)
    if not offenders:
        return PayoutOutcome(name, "passed", f"{len(looked_at)} {good}")
    return PayoutOutcome(name, "failed", f"{len(offenders)} of {len(looked_at)} {bad}", tuple(offenders))


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
