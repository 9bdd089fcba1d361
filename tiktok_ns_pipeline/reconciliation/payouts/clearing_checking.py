"""What the proof of clearing accounts means for those who watch it: one question.

`clearing_account_explained`: every balance is the sum of items that all have a reason. Orders that wait for
their settlement are such items; what nobody can account for is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tiktok_ns_pipeline.reconciliation.checking import CheckState, table_of
from tiktok_ns_pipeline.reconciliation.payouts.clearing import ClearingProof, Item

TABLE = "clearing_reconciliation"

_HEADINGS = ("subject", "reason", "amount", "documented", "settled", "documents")


@dataclass(frozen=True, slots=True)
class ClearingOutcome:
    """The answer, over all accounts."""

    state: CheckState
    description: str
    names: tuple[str, ...] = ()
    """What nobody can account for, largest first."""
    table: str = ""


def clearing_account_explained(proofs: Sequence[ClearingProof]) -> ClearingOutcome:
    """Every clearing account's balance is the list of what stands open on it."""
    if not proofs:
        return ClearingOutcome("not_run", "nothing to look at: no shop posts payouts")
    described = "; ".join(proof.statement for proof in proofs)
    wrong = sorted((item for proof in proofs for item in proof.wrong), key=lambda item: -abs(item.amount))
    gaps = [
        f"{gap:+f} {currency} of account {proof.account} in no item"
        for proof in proofs
        for currency, gap in proof.gaps.items()
    ]
    if wrong or gaps:
        names = (*(item.subject for item in wrong), *gaps)
        return ClearingOutcome("failed", described, names, items_table(wrong))
    if any(proof.not_run for proof in proofs):
        return ClearingOutcome("not_run", described)
    if not any(proof.items or proof.balances for proof in proofs):
        return ClearingOutcome("not_run", "nothing to look at: nothing stands on a clearing account")
    return ClearingOutcome("passed", described)


def items_table(items: Sequence[Item], listed: int = 50) -> str:
    """Items as a markdown table in the order given; empty for none."""
    return table_of(_HEADINGS, [_cells(item) for item in items], TABLE, listed)


def _cells(item: Item) -> tuple[str, ...]:
    return (
        item.subject,
        item.reason.replace("_", " "),
        f"{item.amount:,f} {item.currency}",
        "" if item.documented is None else f"{item.documented:,f}",
        "" if item.settled is None else f"{item.settled:,f}",
        ", ".join(item.documents),
    )
