"""Reading the refunds of a shop's business day from both systems, in both directions.

TikTok lists the returns and cancellations that it changed last on the day; of their orders all claims are
read, and all bills and credits in NetSuite, whatever their date. Beside that NetSuite is asked for the shop's
credits that are dated that day, and TikTok for all claims of their orders. So a credit without a refund shows
up, and a refund without a credit, without a window that a shifted date could fall out of.

Only the two systems are read, never our own records.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.mapping.shop import Shop
from tiktok_ns_pipeline.netsuite.values import to_decimal
from tiktok_ns_pipeline.reconciliation.payouts.reading import in_portions
from tiktok_ns_pipeline.reconciliation.reading import Sources, asking
from tiktok_ns_pipeline.reconciliation.refunds.model import Claim, ClaimState, Document
from tiktok_ns_pipeline.tiktok.cancellation_models import Cancellation
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.return_models import Return

_ORDERS_PER_SEARCH = 50
_ORDER_ID = re.compile(r"[0-9]{1,25}")

_REFUNDED = frozenset(
    {
        "RETURN_OR_REFUND_REQUEST_COMPLETE",
        "REPLACEMENT_REQUEST_REFUND_SUCCESS",
        "CANCELLATION_REQUEST_COMPLETE",
    }
)
"""The refund is over (T 6.3, 6.4)."""
_ENDED = re.compile(r".*_(REJECT|CANCEL|CANCELLED)|REPLACEMENT_REQUEST_COMPLETE")
_OPEN = re.compile(
    r".*_(PENDING|SUCCESS)|AWAITING_BUYER_(SHIP|RESPONSE)|BUYER_SHIPPED_ITEM|REJECT_RECEIVE_PACKAGE"
)

_DOCUMENTS = """
SELECT t.id, t.type, t.tranid, t.externalid, t.status, t.foreigntotal, c.symbol AS currency,
       TO_CHAR(t.trandate, 'YYYY-MM-DD') AS tran_date, $order_field AS order_id, $shop_field AS shop
FROM transaction t
LEFT JOIN currency c ON c.id = t.currency
WHERE t.type IN ('CashSale', 'CustInvc', 'CustCred', 'CashRfnd')"""

DOCUMENTS_OF_ORDERS = f"""{_DOCUMENTS}
  AND $order_field IN ($markers)
ORDER BY t.id ASC"""

CREDITS_BY_KEY = f"""{_DOCUMENTS}
  AND t.externalid IN ($markers)
ORDER BY t.id ASC"""

CREDITS_DATED = f"""{_DOCUMENTS}
  AND t.type IN ('CustCred', 'CashRfnd')
  AND t.trandate = TO_DATE(?, 'YYYY-MM-DD')
  AND (LOWER(t.externalid) LIKE ? OR LOWER(t.externalid) LIKE ? OR $shop_field = ?)
  AND t.id > {{after}}
ORDER BY t.id ASC"""


@dataclass(frozen=True, slots=True)
class RefundReading:
    """What both systems say of the orders that one shop's day is about."""

    claims: dict[str, Claim]
    of_day: frozenset[str]
    documents: tuple[Document, ...]
    tiktok_read_at: datetime
    netsuite_read_at: datetime


async def read_refunds(sources: Sources, day: date) -> RefundReading:
    """The day from both systems. Raises SideUnread."""
    shop, began = sources.shop, sources.clock.now()
    start, end = _midnight(day, shop), _midnight(day + timedelta(days=1), shop)
    claims = await _claims(sources, updated_since=start, updated_until=end)
    of_day = frozenset(claims)
    netsuite_read_at = sources.clock.now()
    dated = await _credits_dated(sources, day)
    rows = {row["id"]: row for row in dated}
    orders = {one.order_id for one in claims.values() if one.order_id}
    orders |= {row["order_id"] for row in dated if row.get("order_id")}
    claims = {**await _claims_of(sources, orders), **claims}
    keys = [f"tts-{shop.code}-{kind}-{name.lower()}" for name in claims for kind in ("cm", "cr")]
    names = _fields(sources)
    for row in await in_portions(sources, CREDITS_BY_KEY, keys, **names):
        rows.setdefault(row["id"], row)
    if sources.mapping.custom_fields.body.order_id:
        for row in await in_portions(sources, DOCUMENTS_OF_ORDERS, orders, **names):
            rows.setdefault(row["id"], row)
    documents = [_document(row, claims, shop) for row in rows.values() if row.get("status") != "V"]
    return RefundReading(claims, of_day, tuple(documents), began, netsuite_read_at)


def claim_of_return(raw: Mapping[str, Any]) -> Claim | None:
    """What TikTok says of a return; None for one whose place another took. Never raises."""
    try:
        told = Return.parse(raw)
    except WireError as wrong:
        return _unreadable(raw, "return_id", wrong)
    return None if told.is_replaced else _claim(told.return_id, told)


def claim_of_cancellation(raw: Mapping[str, Any]) -> Claim:
    """What TikTok says of a cancellation. Never raises."""
    try:
        told = Cancellation.parse(raw)
    except WireError as wrong:
        return _unreadable(raw, "cancel_id", wrong)
    return _claim(told.cancel_id, told)


# Within


async def _claims(
    sources: Sources,
    *,
    updated_since: datetime | None = None,
    updated_until: datetime | None = None,
    order_ids: Sequence[str] = (),
) -> dict[str, Claim]:
    found: dict[str, Claim] = {}
    returns = sources.tiktok.returns.search(
        sources.access,
        updated_since=updated_since,
        updated_until=updated_until,
        order_ids=order_ids,
        lane="bulk",
    )
    cancellations = sources.tiktok.cancellations.search(
        sources.access, updated_since, updated_until, order_ids=order_ids, lane="bulk"
    )
    with asking("tiktok"):
        async for page in returns:
            for raw in page.rows:
                claim = claim_of_return(raw)
                if claim is not None:
                    found[claim.id] = claim
        async for page in cancellations:
            for raw in page.rows:
                claim = claim_of_cancellation(raw)
                found[claim.id] = claim
    return found


async def _claims_of(sources: Sources, orders: Collection[str]) -> dict[str, Claim]:
    """All claims of orders."""
    ids = sorted(name for name in orders if _ORDER_ID.fullmatch(name))
    found: dict[str, Claim] = {}
    for start in range(0, len(ids), _ORDERS_PER_SEARCH):
        found |= await _claims(sources, order_ids=ids[start : start + _ORDERS_PER_SEARCH])
    return found


async def _credits_dated(sources: Sources, day: date) -> list[dict[str, str]]:
    """The shop's credits of a day, ours and any that name the shop."""
    code, field = sources.shop.code, sources.mapping.custom_fields.body.shop
    names = _fields(sources)
    text = CREDITS_DATED.replace("$order_field", names["order_field"])
    text = text.replace("$shop_field", names["shop_field"])
    values = [day.isoformat(), f"tts-{code}-cm-%", f"tts-{code}-cr-%", code]
    if not field:
        text, values = text.replace(" OR NULL = ?", ""), values[:-1]
    with asking("netsuite"):
        return [row async for row in sources.netsuite.suiteql_keyset(text, "id", values, lane="bulk")]


def _fields(sources: Sources) -> dict[str, str]:
    fields = sources.mapping.custom_fields.body
    return {
        "order_field": f"t.{fields.order_id}" if fields.order_id else "NULL",
        "shop_field": f"t.{fields.shop}" if fields.shop else "NULL",
    }


def _document(row: Mapping[str, str], claims: Mapping[str, Claim], shop: Shop) -> Document:
    is_credit = row["type"] in ("CustCred", "CashRfnd")
    own = re.fullmatch(rf"tts-{re.escape(shop.code)}-(?:cm|cr)-(.+)", row.get("externalid", "").lower())
    claim_id = own[1] if own and is_credit else None
    claim = claims.get(claim_id or "")
    return Document(
        netsuite_id=row["id"],
        tran_id=row.get("tranid"),
        is_credit=is_credit,
        order_id=row.get("order_id") or (claim.order_id if claim else None),
        claim_id=claim_id,
        total=abs(to_decimal(row.get("foreigntotal")) or Decimal(0)),
        currency=row.get("currency", ""),
        dated=date.fromisoformat(row["tran_date"]),
    )


def _claim(name: str, told: Return | Cancellation) -> Claim:
    refund = told.refund_amount
    return Claim(
        id=name,
        order_id=told.order_id,
        status=told.status,
        state=_state(told.status),
        refunded=refund.refund_total if refund else None,
        currency=(refund.currency if refund else None) or "",
        changed_at=told.update_time,
        is_cancellation=isinstance(told, Cancellation),
    )


def _state(status: str) -> ClaimState:
    if status in _REFUNDED:
        return "refunded"
    if _ENDED.fullmatch(status):
        return "ended"
    return "open" if _OPEN.fullmatch(status) else "unknown"


def _unreadable(raw: Mapping[str, Any], key: str, wrong: WireError) -> Claim:
    return Claim(
        id=str(raw.get(key) or "without an id"),
        order_id=str(raw.get("order_id") or ""),
        status="",
        state="unknown",
        unreadable=f"{wrong.field} {wrong.reason}",
    )


def _midnight(day: date, shop: Shop) -> datetime:
    """The instant at which a business day begins."""
    return datetime.combine(day, time.min, shop.zone).astimezone(UTC)
