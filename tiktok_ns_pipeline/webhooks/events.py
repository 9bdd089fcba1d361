"""From the body of a genuine request to the row that the inbox keeps; nothing raises.

TikTok would send an event again four times if it were refused, and no better (T 8.1). So what cannot
be read is kept too, handled at once and with a note that begins with `UNREADABLE`, for a person to see.
"""

from __future__ import annotations

import hashlib

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.flows.inbox import flow_of, keeps_body, names_no_shop
from tiktok_ns_pipeline.ledger.inbox import NewEvent
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.webhook_events import WebhookEvent

CHANNEL = "tiktok"
UNREADABLE = "unreadable"
_NOBODYS = "no flow takes events of this type"
_NOT_KEPT = "no flow takes events of this type; the body is not kept, since it may say more than ids"

# What an event is about: the first of these that it names.
_SUBJECTS = (
    ("cancellation", "cancel_ids"),
    ("return", "return_ids"),
    ("aftersales request", "aftersales_request_ids"),
    ("package", "package_ids"),
    ("order", "order_ids"),
    ("sku", "sku_ids"),
    ("product", "product_ids"),
)
_LONGEST_SHOP_ID = 40
_LONGEST_SUBJECT = 160
_LARGEST_TYPE = 10**9


def event_of(body: bytes) -> NewEvent:
    """The inbox's row for a body that TikTok signed."""
    try:
        event = WebhookEvent.parse(body)
    except WireError as error:
        return _unreadable(body, f"{error.field} {error.reason}")
    subject = _subject_of(event)
    shop_id = event.shop_id or ""
    flow = flow_of(event.number, _order_status(body) if event.order_ids else None)
    if len(shop_id) > _LONGEST_SHOP_ID or event.number > _LARGEST_TYPE:
        return _unreadable(body, "the shop or the type is longer than any")
    if flow and not subject:
        return _unreadable(body, "names nothing to look at")
    if flow and not shop_id and not names_no_shop(event.number):
        return _unreadable(body, "names no shop")
    is_kept = keeps_body(event.number)
    note = "" if flow else _NOBODYS if is_kept else _NOT_KEPT
    return NewEvent(
        notification_id=event.notification_id,
        channel=CHANNEL,
        shop_id=shop_id,
        event_type=str(event.number),
        subject=subject or f"event of type {event.number}",
        flow=flow,
        body=body.decode() if is_kept else "",
        note=note,
    )


def _subject_of(event: WebhookEvent) -> str:
    for noun, field in _SUBJECTS:
        ids: tuple[str, ...] = getattr(event, field)
        if ids:
            return f"{noun} {ids[0]}"[:_LONGEST_SUBJECT]
    return ""


def _order_status(body: bytes) -> object:
    """The state that an order entered, as TikTok spells it."""
    data = exact_json.loads(body).get("data")
    return data.get("order_status") if isinstance(data, dict) else None  # pyright: ignore[reportUnknownVariableType]


def _unreadable(body: bytes, why: str) -> NewEvent:
    # PostgreSQL keeps no NUL in a text.
    text = body.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
    return NewEvent(
        # A retry repeats the same bytes.
        notification_id=f"{UNREADABLE}:{hashlib.sha256(body).hexdigest()}",
        channel=CHANNEL,
        shop_id="",
        event_type=UNREADABLE,
        subject="unreadable event",
        flow="",
        body=text,
        note=f"{UNREADABLE}: {why}",
    )
