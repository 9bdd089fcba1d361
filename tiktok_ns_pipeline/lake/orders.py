"""A TikTok order as the row that lands it, whatever state the order is in.

Landing comes before any judgement: an order that no model can read lands like any other, with
nulls in the columns that it fails to fill and its payload untouched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import Any, cast

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.clock import from_epoch
from tiktok_ns_pipeline.money import MoneyError, exact_decimal

# Seconds of the year 2100: a larger number is milliseconds or nonsense.
_LATEST_EPOCH = 4_102_444_800


def raw_order_row(raw: Any, *, zone: tzinfo, read_at: datetime, request_id: str) -> dict[str, Any]:
    """The row of `raw_tiktok_orders` for an order as it came, with its business `day`.

    `zone` is the shop's business zone; an order without a creation time is filed under the day it
    was read.
    """
    order = _object(raw)
    amounts = _object(order.get("payment"))
    create_time = _instant(order.get("create_time"))
    return {
        "channel": "tiktok",
        "order_id": order_name(raw),
        "status": _text(order.get("status")),
        "create_time": create_time,
        "update_time": _instant(order.get("update_time")),
        "currency": _text(amounts.get("currency")),
        "total_amount": _amount(amounts.get("total_amount")),
        "payload": exact_json.dumps(raw),
        "read_at": read_at,
        "request_id": request_id,
        "day": business_day(create_time or read_at, zone),
    }


def order_name(raw: Any) -> str:
    """The order's id, or `unreadable-<hash>` of an order that has none.

    The same broken payload has the same name, so that reading it again is no new order.
    """
    if order_id := _id(_object(raw).get("id")):
        return order_id
    payload = exact_json.dumps(raw).encode("utf-8", "surrogatepass")
    return f"unreadable-{hashlib.sha256(payload).hexdigest()[:24]}"


def business_day(instant: datetime, zone: tzinfo) -> date:
    """The day of an instant where the shop does its business."""
    return instant.astimezone(zone).date()


def _object(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _id(value: Any) -> str | None:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value)


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _instant(value: Any) -> datetime | None:
    """Unix seconds (T 3.3); anything else is no instant, and the payload keeps it."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:20])
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < _LATEST_EPOCH:
        return None
    return from_epoch(value)


def _amount(value: Any) -> Decimal | None:
    try:
        return exact_decimal(value)
    except MoneyError:
        return None
