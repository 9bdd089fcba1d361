"""A cancelled order, or a cancellation, becomes what has to be done about it.

Pure. Two sources say the same thing in their own time: the order, whose state CANCELLED is final, and
the cancellation, which also tells of requests. Only the order decides a closure: a cancellation can
be of some units, which the orders flow takes off the Sales Order when it sees the order changed.

What is not in the tables below is unknown, and parks that record alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.cancellations.outcome import Closure, Ended, Malformed, Nothing, Outcome, Request
from tiktok_ns_pipeline.tiktok.cancellation_models import Cancellation
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.lifecycle import ORDER_STATUS

Standing = Literal["asks", "ended"]

STATUS: Mapping[str, Standing] = {
    "CANCELLATION_REQUEST_PENDING": "asks",
    "AWAITING_SELLER_RESPONSE": "asks",
    "CANCELLATION_REQUEST_SUCCESS": "ended",
    "CANCELLATION_REQUEST_COMPLETE": "ended",
    "CANCELLATION_REQUEST_CANCELLED": "ended",
    "CANCELLATION_REQUEST_CANCEL": "ended",
}
"""T 6.3. AWAITING_SELLER_RESPONSE was seen in one log only, the last one as the name of a filter."""

OF_BUYER: Mapping[str, bool] = {"BUYER_CANCEL": True, "CANCEL": False, "REQUEST_CANCEL_REFUND": True}
"""By `cancel_type` (T 6.3): only a buyer's cancellation can wait for the seller. The last one is in
TikTok's documented example alone."""

RESPOND = "SELLER_RESPOND_CANCEL"
"""The action that a request waits for (T 6.1)."""

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_SLUG = re.compile(r"[^0-9A-Za-z_.\[\]-]")
_INDEX = re.compile(r"\[\d+\]")


def stage_order(row: Mapping[str, Any], shop: str) -> Outcome:
    """What an order, as it landed (`lake.orders.raw_order_row`), means for its Sales Order."""
    order_id, status, updated = str(row["order_id"]), row["status"], row["update_time"]
    if ORDER_STATUS.get(status or "") != "ended":
        return Nothing(
            shop=shop,
            order_id=order_id,
            cancel_id=None,
            update_time=updated,
            reason="the order is not cancelled",
        )
    if not _ID.fullmatch(order_id) or order_id.startswith("unreadable-"):
        return Malformed(
            shop=shop,
            order_id=_nameable(order_id),
            cancel_id=None,
            update_time=updated,
            cause="field:id",
            reason=f"TikTok lists a cancelled order of shop {shop} that has no readable id.",
        )
    return Closure(
        shop=shop,
        order_id=order_id,
        cancel_id=None,
        update_time=updated,
        reason="TikTok cancelled the order",
    )


def stage_cancellation(raw: Mapping[str, Any], shop: str) -> Outcome:
    """What a raw cancellation of a shop asks for."""
    try:
        cancellation = Cancellation.parse(raw)
    except WireError as error:
        field = _INDEX.sub("", error.field)
        return Malformed(
            shop=shop,
            order_id=None,
            cancel_id=cancel_name(raw),
            update_time=None,
            cause=f"field:{field}",
            reason=f"Cancellation {cancel_name(raw)} of shop {shop}: {field} {error.reason}.",
        )
    standing, of_buyer = STATUS.get(cancellation.status), OF_BUYER.get(cancellation.cancel_type or "")
    if standing is None:
        return _unknown(cancellation, shop, "status", cancellation.status)
    if of_buyer is None:
        return _unknown(cancellation, shop, "type", cancellation.cancel_type or "")
    if standing == "asks" and (of_buyer or is_asked(cancellation)):
        return Request(
            shop=shop,
            order_id=cancellation.order_id,
            cancel_id=cancellation.cancel_id,
            update_time=cancellation.update_time,
            reason="a buyer asks to cancel",
            deadline=answer_by(cancellation),
        )
    return Ended(
        shop=shop,
        order_id=cancellation.order_id,
        cancel_id=cancellation.cancel_id,
        update_time=cancellation.update_time,
        reason=f"the cancellation is {cancellation.status}",
    )


def is_asked(cancellation: Cancellation) -> bool:
    """Whether TikTok waits for the seller's answer."""
    return any(action.action == RESPOND for action in cancellation.next_actions)


def answer_by(cancellation: Cancellation) -> datetime | None:
    """Until when the seller may answer, where TikTok says so (T 6.1)."""
    told = [action.deadline for action in cancellation.next_actions if action.action == RESPOND]
    return min((deadline for deadline in told if deadline is not None), default=None)


def cancel_name(raw: Mapping[str, Any]) -> str:
    """The cancellation's id, or `unreadable-<hash>` of one that has none: a name that stays the same."""
    told = raw.get("cancel_id")
    name = str(told).strip() if isinstance(told, (str, int)) and not isinstance(told, bool) else ""
    return name if _ID.fullmatch(name) else _nameable(exact_json.dumps(raw))


def _nameable(text: str) -> str:
    if text.startswith("unreadable-") and _ID.fullmatch(text):
        return text
    return f"unreadable-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def _unknown(cancellation: Cancellation, shop: str, what: str, value: str) -> Malformed:
    shown = _SLUG.sub("?", value)[:60] or "missing"
    return Malformed(
        shop=shop,
        order_id=cancellation.order_id,
        cancel_id=cancellation.cancel_id,
        update_time=cancellation.update_time,
        cause=f"{what}:{shown}",
        reason=f"Cancellation {cancellation.cancel_id} of order {cancellation.order_id} of shop {shop}: its "
        f"{what} is {shown}, which is not known.",
    )
