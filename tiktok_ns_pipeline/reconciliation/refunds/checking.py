"""What a proof of refunds means for those who watch it: two questions, each with its offenders.

Every wrong row offends exactly one of them. A question that had nothing to look at, or a side that could not
be read, is `not_run`, which is not the same as passed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tiktok_ns_pipeline.reconciliation.checking import CheckState, table_of
from tiktok_ns_pipeline.reconciliation.refunds.model import RefundProof, Row, Verdict

TABLE = "refund_reconciliation"

_HEADINGS = ("refund", "order", "verdict", "credits", "to the buyer", "credited", "billed", "note")
_WITHOUT_CREDIT = frozenset({Verdict.CREDIT_MISSING, Verdict.CANNOT_BE_CHECKED})


@dataclass(frozen=True, slots=True)
class RefundOutcome:
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


def refunds_have_credits(proof: RefundProof) -> RefundOutcome:
    """Every refund of what was billed has its credit."""
    return _answer(
        "refunds_have_credits",
        proof,
        [row for row in proof.rows if row.status is not None],
        lambda row: row.verdict in _WITHOUT_CREDIT,
        nothing="no refund at TikTok",
        good="refunds have their credit, wait within the grace or need none",
        bad="refunds are not shown to have a credit",
    )


def credits_have_refunds(proof: RefundProof) -> RefundOutcome:
    """Every credit is the only one of a refund, and no more than was billed."""
    return _answer(
        "credits_have_refunds",
        proof,
        [row for row in proof.rows if row.documents],
        lambda row: row.is_wrong and row.verdict not in _WITHOUT_CREDIT,
        nothing="no credit in NetSuite",
        good="credits have their refund",
        bad="credits are without a refund, twice, or beyond what was billed",
    )


CHECKS: tuple[Callable[[RefundProof], RefundOutcome], ...] = (refunds_have_credits, credits_have_refunds)
"""All questions."""


def rows_table(rows: Sequence[Row], listed: int = 50) -> str:
    """Rows as a markdown table in the order given; empty for none."""
    return table_of(_HEADINGS, [_cells(row) for row in rows], TABLE, listed)


def worst(proof: RefundProof, count: int) -> str:
    """The worst rows as a markdown table; empty when none is wrong."""
    return rows_table(sorted(proof.wrong, key=_gravity), count)


def _answer(
    name: str,
    proof: RefundProof,
    looked_at: Sequence[Row],
    offends: Callable[[Row], bool],
    *,
    nothing: str,
    good: str,
    bad: str,
) -> RefundOutcome:
    if proof.not_run:
        return RefundOutcome(name, "not_run", proof.statement)
    if not looked_at:
        return RefundOutcome(name, "not_run", f"nothing to look at: {nothing}")
    offenders = sorted((row for row in looked_at if offends(row)), key=_gravity)
    if not offenders:
        return RefundOutcome(name, "passed", f"{len(looked_at)} {good}")
    return RefundOutcome(name, "failed", f"{len(offenders)} of {len(looked_at)} {bad}", tuple(offenders))


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
