"""How a return stands: what TikTok says, where goods and money are, and what it is in NetSuite.

The cancellation of an order that had left stands in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import (
    NETSUITE_REFUNDS,
    RAW_TIKTOK_CANCELLATIONS,
    RAW_TIKTOK_RETURNS,
    STAGED_REFUNDS,
)
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.exceptions import OpenException
from tiktok_ns_pipeline.ledger.facts import CREDIT, ITEM_RECEIPT, REFUND_EXCESS, RETURN_AUTHORIZATION
from tiktok_ns_pipeline.ledger.intents import OPEN, FactKey, Intent
from tiktok_ns_pipeline.ledger.links import Link
from tiktok_ns_pipeline.money import amount_text
from tiktok_ns_pipeline.refunds.claims import subject_of
from tiktok_ns_pipeline.refunds.document import CHANNEL, Credit, RefundDocument, ShareLine
from tiktok_ns_pipeline.refunds.reading import KINDS
from tiktok_ns_pipeline.settings import Settings
from tiktok_ns_pipeline.tiktok.cancellation_models import Cancellation, RefundAmount
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.return_models import Return

Row = dict[str, Any]

GOODS: Mapping[str, str] = {
    "requested": "with the buyer, who asks",
    "approved": "with the buyer, who may send them",
    "on_its_way": "on their way back",
    "received": "back: NetSuite has the Item Receipt",
    "refused": "refused by the seller",
    "kept_by_buyer": "with the buyer, who keeps them",
}
"""Custody in words."""

MONEY: Mapping[str, str] = {
    "none": "not decided",
    "promised": "granted, not paid yet",
    "refunded": "with the buyer",
    "withdrawn": "never leaves: the request has ended",
    "reversed": "credited here, and not refunded at TikTok any more",
}
"""Money in words."""

FACTS: Mapping[str, str] = {
    RETURN_AUTHORIZATION: "Return Authorization",
    ITEM_RECEIPT: "Item Receipt",
    CREDIT: "Credit Memo or Cash Refund",
    REFUND_EXCESS: "Journal Entry of what goes beyond the bill",
}
"""What people call the kinds of facts that the flow makes true."""

_NEXT: Mapping[tuple[str, str], str] = {
    ("requested", "none"): "the seller or TikTok decides",
    ("requested", "promised"): "TikTok refunds, and the credit follows",
    ("approved", "none"): "the buyer sends the goods",
    ("approved", "promised"): "the buyer sends the goods",
    ("on_its_way", "none"): "the goods arrive",
    ("on_its_way", "promised"): "the goods arrive, TikTok refunds, and the credit follows",
    ("received", "none"): "TikTok refunds, and the credit follows",
    ("received", "promised"): "TikTok refunds, and the credit follows",
    ("refused", "none"): "TikTok decides",
    ("refused", "promised"): "TikTok refunds, and the credit follows",
    ("kept_by_buyer", "none"): "the seller or TikTok decides",
    ("kept_by_buyer", "promised"): "TikTok refunds, and the credit follows",
    ("requested", "refunded"): "the warehouse receives the goods",
    ("approved", "refunded"): "the buyer sends the goods, and the warehouse receives them",
    ("on_its_way", "refunded"): "the warehouse receives the goods",
}
"""What is awaited by custody and money; of other pairs nothing is."""

_AMOUNTS = (
    ("goods", "refund_subtotal"),
    ("shipping", "refund_shipping_fee"),
    ("tax", "refund_tax"),
    ("retail delivery fee", "retail_delivery_fee"),
    ("buyer service fee", "buyer_service_fee"),
)
_DOCUMENTS: TypeAdapter[list[RefundDocument]] = TypeAdapter(list[RefundDocument])


@dataclass(frozen=True, slots=True)
class ClaimStanding:
    """Everything that is known of one return or cancellation."""

    shop: str
    claim_id: str
    told: Row | None
    """As TikTok told it last."""
    staged: Row | None
    posted: Sequence[Row]
    """As NetSuite was read last."""
    intents: Sequence[Intent]
    links: Mapping[FactKey, Link]
    exceptions: Sequence[OpenException]


def standing_of(settings: Settings, clock: Clock, claim_id: str) -> list[ClaimStanding]:
    """The return, or the cancellation, in each shop that has one of this id. Raises LedgerError."""
    lake = Lake(settings.lake_url, clock)
    ledger = Ledger.open(settings.database_url, clock, durable=settings.durable)
    try:
        told = {
            row["shop"]: row
            for table, key in ((RAW_TIKTOK_CANCELLATIONS, "cancel_id"), (RAW_TIKTOK_RETURNS, "return_id"))
            for row in lake.current(table, f"{key} = ?", [claim_id])
        }
        staged = {row["shop"]: row for row in lake.current(STAGED_REFUNDS, "claim_id = ?", [claim_id])}
        posted = lake.current(NETSUITE_REFUNDS, "claim_id = ?", [claim_id])
        # A cancellation that nothing was staged of is the closures' alone.
        shops = sorted({*staged, *(shop for shop, row in told.items() if "return_id" in row)})
        return [_standing(ledger, shop, claim_id, told, staged, posted) for shop in shops]
    finally:
        ledger.close()
        lake.close()


def _standing(
    ledger: Ledger,
    shop: str,
    claim_id: str,
    told: Mapping[str, Row],
    staged: Mapping[str, Row],
    posted: Iterable[Row],
) -> ClaimStanding:
    facts = [FactKey(CHANNEL, shop, kind, claim_id) for kind in KINDS]
    with ledger.read() as tx:
        intents = tx.intents.newest(facts)
        return ClaimStanding(
            shop,
            claim_id,
            told.get(shop),
            staged.get(shop),
            sorted(
                (row for row in posted if row["shop"] == shop),
                key=lambda row: (row["kind"], row["netsuite_id"]),
            ),
            [intents[fact] for fact in facts if fact in intents],
            tx.links.find_many(facts),
            tx.exceptions.list(shop=shop, subject=subject_of(claim_id)),
        )


# In words


def explanation(standing: ClaimStanding, now: datetime) -> list[str]:
    """The standing in lines: what the buyer gets, where everything is, documents, and what comes next."""
    lines = _told(standing)
    staged = standing.staged
    if staged is not None:
        lines += [
            f"goods: {GOODS.get(staged['custody'], 'not known')}",
            f"money: {MONEY.get(staged['money'], 'not known')}",
            f"decided {_instant(staged['staged_at'])}: "
            f"{', '.join(filter(None, (staged['outcome'], staged['reason'])))}",
        ]
        lines += [line for document in documents_of(staged) for line in _document(document, staged)]
    lines += _posted(standing)
    lines += [
        f"{FACTS[one.fact.kind]}, revision {one.revision}: {one.state}, attempts {one.attempts}"
        f"{f': {one.last_error}' if one.last_error else ''}"
        for one in standing.intents
    ]
    lines += [f"exception {one.id} ({one.kind}, {one.state}): {one.message}" for one in standing.exceptions]
    return [*lines, f"next: {_next(standing, now)}"]


def documents_of(staged: Row) -> list[RefundDocument]:
    """The documents that were decided."""
    if not staged["documents"]:
        return []
    return _DOCUMENTS.validate_python(exact_json.loads(staged["documents"]))


def _told(standing: ClaimStanding) -> list[str]:
    row = standing.told
    what = "Return" if row is None or "return_id" in row else "Cancellation"
    if row is None:
        return [f"{what} {standing.claim_id} of shop {standing.shop}: TikTok did not tell of it yet"]
    kind, status = (
        (row["return_type"], row["return_status"])
        if what == "Return"
        else (row["cancel_type"], row["cancel_status"])
    )
    lines = [
        f"{what} {standing.claim_id} of order {row['order_id'] or 'unknown'} of shop {standing.shop}: "
        f"{kind or 'no type'}, {status or 'no status'}, changed {_instant(row['update_time'])}"
    ]
    if row["deadline"] is not None:
        lines.append(f"  TikTok waits for the seller's answer until {_instant(row['deadline'])}")
    return lines + _buyer_gets(row, what)


def _buyer_gets(row: Row, what: str) -> list[str]:
    raw = exact_json.loads(row["payload"])
    try:
        read = Return.parse(raw) if what == "Return" else Cancellation.parse(raw)
    except WireError as error:
        return [f"  cannot be read: {error}"]
    lines = [f"  the buyer gets {_refund(read.refund_amount)}"]
    return lines + [
        f"    unit {line.line_id} ({line.seller_sku or 'no SKU'}): {_refund(line.refund_amount)}"
        for line in read.lines
    ]


def _refund(refund: RefundAmount | None) -> str:
    if refund is None or (refund.refund_total is None and refund.refund_subtotal is None):
        return "an amount that TikTok does not tell"
    currency = refund.currency
    parts = [
        f"{name} {amount_text(amount, currency)}"
        for name, field in _AMOUNTS
        if (amount := getattr(refund, field))
    ]
    total = refund.refund_total if refund.refund_total is not None else refund.refund_subtotal
    origin = f" ({', '.join(parts)})" if parts else ""
    return f"{_money(total, currency)}{origin}"


def _document(document: RefundDocument, staged: Row) -> list[str]:
    currency = staged["currency"]
    if isinstance(document, Credit):
        lines = [
            f"{document.name} on {document.tran_date} (refunded on {document.refunded_on}): "
            f"{_money(document.expected_total, currency)}"
        ]
        lines += [
            f"  {amount_text(step.amount, currency):>16}  {step.name.replace('_', ' ')}"
            for step in document.explanation
        ]
        return lines + [_line(line, currency) for line in document.lines]
    if document.kind == "rx":
        return [
            f"{document.name} on {document.tran_date}: {_money(document.amount, currency)} beyond the bill"
        ]
    lines = [f"{document.name}{', closed' if getattr(document, 'is_closed', False) else ''}"]
    return lines + [_line(line, currency) for line in document.lines]


def _line(line: ShareLine, currency: str) -> str:
    quantity = f" quantity {line.quantity:f}" if line.quantity else ""
    tax = f" and tax {amount_text(line.tax, currency)}" if line.tax else ""
    return (
        f"    line {line.order_line} of the Sales Order, item {line.item_id}:{quantity} "
        f"{amount_text(line.amount, currency)}{tax}"
    )


def _posted(standing: ClaimStanding) -> list[str]:
    lines: list[str] = []
    for row in standing.posted:
        number = row["tran_id"] or "number not read"
        amounts = ""
        if row["total"] is not None or row["expected_total"] is not None:
            currency = row["currency"]
            amounts = f": {_money(row['total'], currency)} of {_money(row['expected_total'], currency)}"
        gone = ", gone" if row["status"] is None else ""
        lines.append(
            f"NetSuite {row['record_type']} {row['netsuite_id']} ({number}), "
            f"{row['external_id'] or 'made by others'}{amounts}{gone}"
        )
    read = {row["external_id"] for row in standing.posted}
    lines += [
        f"NetSuite {link.record_type} {link.internal_id} ({link.document_number or 'number not read'}), "
        f"{link.external_id}"
        for link in standing.links.values()
        if link.external_id not in read
    ]
    return lines


def _next(standing: ClaimStanding, now: datetime) -> str:
    """What is awaited; the most pressing first."""
    if standing.exceptions:
        first = standing.exceptions[0]
        return f"a person acts on exception {first.id}: {first.what_to_do}"
    row, staged = standing.told, standing.staged
    if row is not None and row["deadline"] is not None and row["deadline"] > now:
        return f"the seller answers in Seller Center until {_instant(row['deadline'])}"
    unsent = next((one for one in standing.intents if one.state in OPEN), None)
    if unsent is not None:
        return f"{FACTS[unsent.fact.kind]} is sent or looked up, from {_instant(unsent.not_before)} on"
    if staged is None:
        return "the next run decides"
    awaited = staged["reason"] if staged["outcome"] == "waiting" else ""
    awaited = awaited or _NEXT.get((staged["custody"], staged["money"]), "nothing; later changes are watched")
    again = staged["look_again_at"]
    return awaited + (f"; looked at again {_instant(again)}" if again is not None else "")


def _money(amount: Any, currency: str | None) -> str:
    return f"{amount_text(amount, currency)} {currency or ''}".strip()


def _instant(instant: datetime | None) -> str:
    return "at no known time" if instant is None else f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
