"""What a webhook of TikTok Shop is about (T 8.1, 8.3).

An event is thin and carries no truth: ids and a status, never sure to come once, in order, or at all.
So only what one needs to look again is read from it: which shop, which records, when. Types that are
not in the table, and keys that are not known, are no error. Type 68 has a shape of its own, without
number and envelope.

Check the signature of the same bytes before (`webhook_signature`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, cast

from pydantic import BeforeValidator

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.wire import (
    Id,
    Instant,
    RequiredCount,
    RequiredId,
    Wire,
    absent_as_none,
    identifier,
    kind_of,
    parse,
)

EVENT_NAMES: Mapping[int, str] = {
    1: "ORDER_STATUS_CHANGE",
    2: "REVERSE_STATUS_UPDATE",
    3: "RECIPIENT_ADDRESS_UPDATE",
    4: "PACKAGE_UPDATE",
    5: "PRODUCT_STATUS_CHANGE",
    6: "SELLER_DEAUTHORIZATION",
    7: "UPCOMING_AUTHORIZATION_EXPIRATION",
    11: "CANCELLATION_STATUS_CHANGE",
    12: "RETURN_STATUS_CHANGE",
    13: "NEW_CONVERSATION",
    14: "NEW_MESSAGE",
    15: "PRODUCT_INFORMATION_CHANGE",
    16: "PRODUCT_CREATION",
    18: "PRODUCT_CATEGORY_CHANGE",
    33: "NEW_MESSAGE_LISTENER",
    36: "INVOICE_STATUS_CHANGE",
    37: "PRODUCT_AUDIT_STATUS_CHANGE",
}
"""The types for which an address can be registered, by the name that registers it (T 8.3, 8.4)."""

INVENTORY_CHANGED = 68

_WHAT = "webhook"
# Nanoseconds, which no datetime holds (T 8.3, type 68).
_FINER_THAN_MICROSECONDS = re.compile(r"(\.\d{6})\d+")


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """One event: what to look at again. Ids are unique and in the order in which they came."""

    number: int
    name: str
    """As it is registered; empty for a type that is not registered by name, or not known."""
    notification_id: str
    """The same for every delivery of the event. Type 3 may come without one (T 8.1): then it is the
    hash of the body."""
    shop_id: str | None
    """None for events that belong to the seller (T 8.1, 8.3)."""
    happened_at: datetime | None
    order_ids: tuple[str, ...] = ()
    package_ids: tuple[str, ...] = ()
    cancel_ids: tuple[str, ...] = ()
    return_ids: tuple[str, ...] = ()
    aftersales_request_ids: tuple[str, ...] = ()
    product_ids: tuple[str, ...] = ()
    sku_ids: tuple[str, ...] = ()

    @classmethod
    def parse(cls, raw_body: bytes) -> WebhookEvent:
        """Read the body of a webhook. Raises WireError naming the field that is wrong."""
        body = _json_object(raw_body)
        if "type" not in body and "event_id" in body:
            return _inventory_changed(body)
        envelope = parse(_Envelope, body, _WHAT, id_keys=("tts_notification_id",))
        notification_id = envelope.tts_notification_id or hashlib.sha256(raw_body).hexdigest()
        data = envelope.data or {}
        return cls(
            number=envelope.type,
            name=EVENT_NAMES.get(envelope.type, ""),
            notification_id=notification_id,
            shop_id=envelope.shop_id,
            happened_at=envelope.timestamp,
            **{field: _ids(data, paths, notification_id) for field, paths in _SUBJECTS.items()},
        )


# Where the ids stand in `data`, over all types (T 8.3); `[]` is every entry of a list.
_SUBJECTS: Mapping[str, tuple[str, ...]] = {
    "order_ids": (
        "order_id",
        "order_ids[]",
        "package_list[].order_id_list[]",
        "line_items[].main_order_id",
    ),
    "package_ids": ("package_id", "package_list[].package_id"),
    "cancel_ids": ("cancel_id",),
    "return_ids": ("return_id", "rma_id"),
    "aftersales_request_ids": ("aftersales_request_id",),
    "product_ids": ("product_id",),
    "sku_ids": ("sku_id",),
}


def _data(value: object) -> object:
    if absent_as_none(value) is None:
        return None
    if not isinstance(value, dict):
        raise ValueError(f"is {kind_of(value)} where an object belongs")
    return cast(object, value)


class _Envelope(Wire):
    type: RequiredCount
    tts_notification_id: Id = None
    shop_id: Id = None
    timestamp: Instant = None
    data: Annotated[dict[str, Any] | None, BeforeValidator(_data)] = None


def _rfc3339(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError(f"is {kind_of(value)} where a time in RFC 3339 belongs")
    try:
        instant = datetime.fromisoformat(_FINER_THAN_MICROSECONDS.sub(r"\1", value.strip()))
        return instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is text that is no time in RFC 3339") from None


class _InventoryChanged(Wire):
    event_id: RequiredId
    occurred_at: Annotated[datetime, BeforeValidator(_rfc3339)]
    product_id: RequiredId
    sku_id: RequiredId


def _inventory_changed(body: Mapping[str, Any]) -> WebhookEvent:
    """Type 68 names the seller and no shop (T 8.3)."""
    change = parse(_InventoryChanged, body, _WHAT, id_keys=("event_id",))
    return WebhookEvent(
        number=INVENTORY_CHANGED,
        name="",
        notification_id=change.event_id,
        shop_id=None,
        happened_at=change.occurred_at,
        product_ids=(change.product_id,),
        sku_ids=(change.sku_id,),
    )


def _json_object(raw_body: bytes) -> dict[str, Any]:
    try:
        body: object = exact_json.loads(raw_body)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise WireError(None, "the body", "is no JSON object", kind=_WHAT)
    return cast(dict[str, Any], body)


def _ids(data: Mapping[str, Any], paths: tuple[str, ...], notification_id: str) -> tuple[str, ...]:
    """The ids that stand under these paths of `data`, each once. Raises WireError."""
    found: dict[str, None] = {}
    for path in paths:
        try:
            found.update(
                (text, None) for value in _values(data, path.split(".")) if (text := identifier(value))
            )
        except ValueError as wrong:
            raise WireError(notification_id, f"data.{path}", str(wrong), kind=_WHAT) from None
    return tuple(found)


def _values(part: object, path: list[str]) -> Iterator[object]:
    """What stands under a path; nothing where a step of it is missing. Raises ValueError for a step
    of another kind."""
    if not path:
        yield part
        return
    if not isinstance(part, dict):
        raise ValueError(f"passes {kind_of(part)} where an object belongs")
    name, is_list = path[0].removesuffix("[]"), path[0].endswith("[]")
    value = cast(dict[str, object], part).get(name)
    if absent_as_none(value) is None:
        return
    if not is_list:
        yield from _values(value, path[1:])
        return
    if not isinstance(value, list):
        raise ValueError(f"is {kind_of(cast(object, value))} where a list belongs")
    for entry in cast(list[object], value):
        yield from _values(entry, path[1:])
