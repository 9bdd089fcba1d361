"""The join of TikTok's refunds with NetSuite's credits.

A credit belongs to the claim that its external id names; one that names none belongs to a refunded claim of
its order that has no other, the one of the same amount first. Invariant: every refunded claim and every
credit of the day stands in exactly one row; a credit belongs to one claim.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from tiktok_ns_pipeline.reconciliation.refunds.model import Claim, Document, Row, Verdict

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Terms:
    """What is the same for all refunds of a shop's day."""

    day: date
    expects_credits: bool
    """Whether refunds are posted by mapping."""
    since: date | None
    now: datetime
    grace: timedelta


def prove_refunds(
    claims: Iterable[Claim], documents: Iterable[Document], terms: Terms, *, of_day: Collection[str]
) -> list[Row]:
    """A row for each refunded claim of the day, and for each credit of the day that belongs to none.

    `claims` and `documents` are all of the orders that the day is about; `of_day` are the ids of its claims.
    """
    known = {one.id: one for one in claims}
    credits = [one for one in documents if one.is_credit]
    billed: defaultdict[str, Decimal] = defaultdict(Decimal)
    credited: defaultdict[str, Decimal] = defaultdict(Decimal)
    for one in documents:
        (credited if one.is_credit else billed)[one.order_id or ""] += one.total
    found, left = _assigned(known, credits)
    rows = [
        _of_claim(claim, found[claim.id], billed.get(claim.order_id), credited[claim.order_id], terms)
        for claim in known.values()
        if claim.id in of_day and (claim.state in ("refunded", "unknown") or claim.unreadable)
    ]
    return rows + [_orphan(one, known, billed) for one in left if one.dated == terms.day]


# Within


def _assigned(
    claims: dict[str, Claim], credits: Sequence[Document]
) -> tuple[defaultdict[str, list[Document]], list[Document]]:
    """The credits of each refunded claim, and those that belong to none."""
    found: defaultdict[str, list[Document]] = defaultdict(list)
    refunded = {key: one for key, one in claims.items() if one.state == "refunded"}
    nameless: list[Document] = []
    left: list[Document] = []
    for credit in sorted(credits, key=lambda one: (one.dated, one.netsuite_id)):
        if credit.claim_id in refunded:
            found[credit.claim_id].append(credit)
        else:
            (left if credit.claim_id else nameless).append(credit)
    for credit in nameless:
        own = [one for one in refunded.values() if one.order_id == credit.order_id and not found.get(one.id)]
        if own:
            best = min(own, key=lambda one: (one.refunded != credit.total, one.id))
            found[best.id].append(credit)
        else:
            left.append(credit)
    return found, left


def _of_claim(
    claim: Claim, credits: Sequence[Document], billed: Decimal | None, credited: Decimal, terms: Terms
) -> Row:
    verdict, note = _judged(claim, credits, billed, credited, terms)
    return Row(
        verdict=verdict,
        subject=claim.id,
        claim_id=claim.id,
        order_id=claim.order_id or None,
        status=claim.status,
        refunded=claim.refunded,
        billed=billed,
        credited=sum((one.total for one in credits), _ZERO) if credits else None,
        currency=claim.currency or next((one.currency for one in credits), ""),
        documents=tuple(one.name for one in credits),
        note=note,
    )


def _judged(
    claim: Claim, credits: Sequence[Document], billed: Decimal | None, credited: Decimal, terms: Terms
) -> tuple[Verdict, str]:
    if claim.unreadable or claim.state == "unknown":
        return Verdict.CANNOT_BE_CHECKED, claim.unreadable or f"its status {claim.status} is not known"
    if credits:
        if len(credits) > 1:
            return Verdict.CREDITED_TWICE, f"{len(credits)} credits"
        beyond = credited > (billed or _ZERO)
        note = f"{credited} credited of {billed or 0} billed" if beyond else ""
        return Verdict.CREDITED_BEYOND_BILLED if beyond else Verdict.MATCHED, note
    why_none = _why_none(claim, billed, terms)
    if why_none:
        return Verdict.NOT_EXPECTED, why_none
    young = claim.changed_at is not None and terms.now - claim.changed_at < terms.grace
    return Verdict.WAITING_WITHIN_GRACE if young else Verdict.CREDIT_MISSING, ""


def _why_none(claim: Claim, billed: Decimal | None, terms: Terms) -> str:
    """Why a refund needs no credit; empty where it does."""
    if not billed:
        return "nothing of its order was billed"
    if claim.gives_nothing:
        return "no money was given back"
    if not terms.expects_credits:
        return "the shop's refunds are not posted"
    if terms.since is not None and terms.day < terms.since:
        return f"before {terms.since}"
    return ""


def _orphan(credit: Document, claims: dict[str, Claim], billed: defaultdict[str, Decimal]) -> Row:
    claim = claims.get(credit.claim_id or "")
    if claim is not None:
        note = f"TikTok shows it as {claim.status}"
    elif credit.claim_id:
        note = "TikTok has no such return or cancellation"
    else:
        note = "no refund of its order at TikTok is without a credit"
    return Row(
        verdict=Verdict.CREDIT_WITHOUT_REFUND,
        subject=credit.netsuite_id,
        claim_id=credit.claim_id,
        order_id=credit.order_id,
        billed=billed.get(credit.order_id or ""),
        credited=credit.total,
        currency=credit.currency,
        documents=(credit.name,),
        note=note,
    )
