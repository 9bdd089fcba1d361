"""What the two systems say of refunds, and the verdicts on it.

A *claim* is a return or a cancellation at TikTok; it is *refunded* when TikTok shows its refund as complete.
A *credit* is a Credit Memo or Cash Refund in NetSuite, a *bill* an Invoice or Cash Sale. What a buyer gets
back and what the seller loses differ (T 6.5), so amounts are shown beside each other and bounded by what was
billed; to the cent they meet in the clearing account, where the settlement takes the seller's part.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from tiktok_ns_pipeline.reconciliation.results import NotRun, Proof, Side

_ZERO = Decimal(0)

ClaimState = Literal["refunded", "open", "ended", "unknown"]


class Verdict(StrEnum):
    """What the two systems say about each other."""

    MATCHED = "matched"
    NOT_EXPECTED = "not_expected"
    WAITING_WITHIN_GRACE = "waiting_within_grace"
    CREDIT_MISSING = "credit_missing"
    CREDIT_WITHOUT_REFUND = "credit_without_refund"
    CREDITED_TWICE = "credited_twice"
    CREDITED_BEYOND_BILLED = "credited_beyond_billed"
    CANNOT_BE_CHECKED = "cannot_be_checked"


_BENIGN = frozenset({Verdict.MATCHED, Verdict.NOT_EXPECTED, Verdict.WAITING_WITHIN_GRACE})


@dataclass(frozen=True, slots=True)
class Claim:
    """What TikTok says of a return or a cancellation."""

    id: str
    order_id: str
    status: str
    state: ClaimState
    refunded: Decimal | None = None
    """What the buyer got, in `currency`; None where that is not told."""
    currency: str = ""
    changed_at: datetime | None = None
    is_cancellation: bool = False
    unreadable: str = ""

    @property
    def gives_nothing(self) -> bool:
        """Whether it is told that no money moved."""
        return self.refunded is not None and not self.refunded


@dataclass(frozen=True, slots=True)
class Document:
    """A bill or credit in NetSuite. `total` is positive, with tax, in its currency."""

    netsuite_id: str
    tran_id: str | None
    is_credit: bool
    order_id: str | None
    claim_id: str | None
    """That its external id names; None for one that is not ours."""
    total: Decimal
    currency: str
    dated: date

    @property
    def name(self) -> str:
        """How people call it."""
        return self.tran_id or self.netsuite_id


@dataclass(frozen=True, slots=True)
class Row:
    """One claim, or credit without one, and the verdict on it."""

    verdict: Verdict
    subject: str
    """The claim's id; the credit's internal id where no claim is known."""
    claim_id: str | None
    order_id: str | None
    status: str | None = None
    refunded: Decimal | None = None
    billed: Decimal | None = None
    credited: Decimal | None = None
    currency: str = ""
    documents: tuple[str, ...] = ()
    note: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether somebody has to look at it."""
        return self.verdict not in _BENIGN


@dataclass(frozen=True, slots=True)
class RefundProof(Proof[Row]):
    """What a proof of refunds concluded."""

    @property
    def compared(self) -> str:
        """Refunds and credits, and what they come to."""
        claims = sum(row.claim_id is not None and row.status is not None for row in self.rows)
        credits = sum(len(row.documents) for row in self.rows)
        amounts: dict[str, list[Decimal]] = {}
        for row in self.rows:
            if row.currency:
                own = amounts.setdefault(row.currency, [_ZERO, _ZERO])
                own[0] += row.refunded or _ZERO
                own[1] += row.credited or _ZERO
        money = "".join(
            f"; {refunded:,f} {currency} to buyers, {credited:,f} {currency} credited"
            for currency, (refunded, credited) in sorted(amounts.items())
        )
        return f"{claims} refunds at TikTok, {credits} credits in NetSuite{money}"


def not_run(side: Side, reason: str, at: datetime) -> RefundProof:
    """The result of a proof that could not take place, which is not a clean one."""
    return RefundProof((), at, at, NotRun(side, reason))
