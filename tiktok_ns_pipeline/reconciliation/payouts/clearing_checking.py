"""What the proof of clearing accounts means for those who watch it: one question.

`clearing_account_explained`: every balance is the sum of items that all have a reason. Orders that wait for
their settlement are such items; what nobody can account for is not.
"""

from __future__ import annotations

from collections.abc import Sequence

from tiktok_ns_pipeline.reconciliation.answering import CheckOutcome, Listing
from tiktok_ns_pipeline.reconciliation.payouts.clearing import ClearingProof, Item

_NAME = "clearing_account_explained"


def clearing_account_explained(proofs: Sequence[ClearingProof]) -> CheckOutcome[Item]:
    """Every clearing account's balance is the list of what stands open on it."""
    if not proofs:
        return CheckOutcome(_NAME, "not_run", "nothing to look at: no shop posts payouts")
    described = "; ".join(proof.statement for proof in proofs)
    wrong = LISTING.worst_first(item for proof in proofs for item in proof.wrong)
    gaps = [
        f"{gap:+f} {currency} of account {proof.account} in no item"
        for proof in proofs
        for currency, gap in proof.gaps.items()
    ]
    if wrong or gaps:
        names = (*(LISTING.name(item) for item in wrong), *gaps)
        return CheckOutcome(_NAME, "failed", described, tuple(wrong), names, LISTING.markdown(wrong))
    if any(proof.not_run for proof in proofs):
        return CheckOutcome(_NAME, "not_run", described)
    if not any(proof.items or proof.balances for proof in proofs):
        return CheckOutcome(_NAME, "not_run", "nothing to look at: nothing stands on a clearing account")
    return CheckOutcome(_NAME, "passed", described)


def _cells(item: Item) -> tuple[str, ...]:
    return (
        item.subject,
        item.reason.replace("_", " "),
        f"{item.amount:,f} {item.currency}",
        "" if item.documented is None else f"{item.documented:,f}",
        "" if item.settled is None else f"{item.settled:,f}",
        ", ".join(item.documents),
    )


LISTING: Listing[Item] = Listing(
    "clearing_reconciliation",
    ("subject", "reason", "amount", "documented", "settled", "documents"),
    cells=_cells,
    name=lambda item: item.subject,
    worst_first=lambda items: sorted(items, key=lambda item: -abs(item.amount)),
)
