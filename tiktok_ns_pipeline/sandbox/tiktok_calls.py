"""A call to the simulated TikTok Shop, and how its parameters are read.

Whatever is missing, of another type or out of range raises a `Refusal` with TikTok's code; a reader
gives back only what the endpoint may use.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from tiktok_ns_pipeline.sandbox.catalogue import SHOPS, Shop
from tiktok_ns_pipeline.sandbox.facts import Status
from tiktok_ns_pipeline.sandbox.faults import Fault
from tiktok_ns_pipeline.sandbox.order_store import Filter
from tiktok_ns_pipeline.sandbox.refusals import Refusal, refused

_LONGEST_KEY = 255

PLATFORMS = (
    "SHOPIFY",
    "WOOCOMMERCE",
    "BIGCOMMERCE",
    "MAGENTO",
    "SALESFORCE_COMMERCE_CLOUD",
    "CHANNEL_ADVISOR",
    "AMAZON",
    "ORDER_MANAGEMENT_SYSTEM",
    "WAREHOUSE_MANAGEMENT_SYSTEM",
    "ERP_SYSTEM",
)


@dataclass(slots=True)
class Call:
    """One request on its way through the gates."""

    method: str
    path: str
    pairs: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes
    fault: Fault | None = None
    shop: Shop = SHOPS[0]
    path_values: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def query(self) -> dict[str, str]:
        """Query parameters; of a repeated one the last."""
        return dict(self.pairs)

    def json_body(self) -> dict[str, Any]:
        """The body as an object; raises Refusal when it is something else."""
        if not self.body:
            return {}
        if not self.headers.get("content-type", "").startswith("application/json"):
            raise Refusal(36009022, "The body has to be JSON.", 400)
        try:
            body = json.loads(self.body)
        except ValueError:
            raise Refusal(36009004, "The body is not valid JSON.", 400) from None
        if not isinstance(body, dict):
            raise Refusal(36009004, "The body has to be a JSON object.", 400)
        return body  # pyright: ignore[reportUnknownVariableType]


# Filters of the order search: name -> type as TikTok calls it (T 3.1).
_TIMES = ("create_time_ge", "create_time_lt", "update_time_ge", "update_time_lt")
_FILTERS: dict[str, tuple[type, str]] = {
    "order_status": (str, "string"),
    "shipping_type": (str, "string"),
    "buyer_user_id": (str, "string"),
    "is_buyer_request_cancel": (bool, "bool"),
    "warehouse_ids": (list, "list"),
}
_TYPE_NAMES: tuple[tuple[type, str], ...] = (
    (str, "string"),
    (bool, "bool"),
    (int, "int64"),
    (float, "double"),
    (list, "list"),
    (dict, "map"),
)


def filter_of(call: Call) -> Filter:
    """What an order search asks for; times are integers in the body, nowhere else (T 3.1)."""
    body, times = call.json_body(), times_of(call)
    for name, (kind, title) in _FILTERS.items():
        _check_type(name, body.get(name), kind, title)
    sort_field, ascending = sorting_of(call, ("create_time", "update_time"), "DESC")
    return Filter(
        shop=call.shop.key,
        sort_field=sort_field,
        ascending=ascending,
        **times,
        status=_optional("order_status", body, tuple(Status)),
        shipping_type=_optional("shipping_type", body, ("TIKTOK", "SELLER", "TIKTOK_DIGITAL")),
        user_id=body.get("buyer_user_id"),
        buyer_asks_to_cancel=body.get("is_buyer_request_cancel"),
        warehouse_ids=_warehouses(body.get("warehouse_ids") or []),
    )


def _warehouses(given: list[Any]) -> tuple[str, ...]:
    if len(given) > 100 or not all(isinstance(one, str) for one in given):
        raise Refusal(36009004, "warehouse_ids takes at most 100 strings", 400)
    return tuple(given)


def page_size_of(text: str | None, most: int = 100) -> int:
    """Rows per page, from 1 on (T 3.1)."""
    if text is None:
        raise Refusal(36009004, "page_size is a required field", 400)
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= most:
        raise Refusal(36009004, f"page_size has to be a number from 1 to {most}", 400)
    return int(text)


def idempotency_key_of(call: Call) -> str:
    """The key under which an answer is given once; empty where the caller sends none."""
    key = call.query.get("idempotency_key", "")
    if len(key) > _LONGEST_KEY:
        raise refused(25001001)
    return key


def times_of(call: Call) -> dict[str, int | None]:
    """The four bounds of times, which are integers in the body, nowhere else (T 3.1)."""
    return dict(zip(_TIMES, bounds_in(call, *_TIMES), strict=True))


def bounds_in(call: Call, *names: str) -> list[int | None]:
    """Bounds of times by these names, which are integers in the body, nowhere else."""
    body = call.json_body()
    for name in names:
        if name in call.query:
            raise Refusal(36009004, f"param {name} belongs in the body", 400)
        _check_type(name, body.get(name), int, "int64")
    return [body.get(name) for name in names]


def sorting_of(call: Call, fields: tuple[str, ...], order: str) -> tuple[str, bool]:
    """(field, ascending); the first field and `order` unless the query tells otherwise."""
    field = one_of("sort_field", call.query.get("sort_field") or fields[0], fields)
    return field, one_of("sort_order", call.query.get("sort_order") or order, ("ASC", "DESC")) == "ASC"


def text_in(body: dict[str, Any], name: str) -> str:
    """A text that has to be there."""
    value = body.get(name)
    if value is None or value == "":
        raise Refusal(36009004, f"{name} is a required field", 400)
    _check_type(name, value, str, "string")
    return value


def texts_in(body: dict[str, Any], name: str, most: int = 100) -> tuple[str, ...]:
    """A list of texts, empty if it is not there."""
    values: Any = body.get(name)
    if values is None:
        return ()
    _check_type(name, values, list, "list")
    if len(values) > most or not all(isinstance(one, str) and one for one in values):
        raise Refusal(36009004, f"{name} takes at most {most} strings", 400)
    return tuple(values)


def objects_in(body: dict[str, Any], name: str, most: int = 50) -> list[dict[str, Any]]:
    """A list of objects that has to be there."""
    values: Any = body.get(name)
    if not values:
        raise Refusal(36009004, f"{name} is a required field", 400)
    _check_type(name, values, list, "list")
    if len(values) > most or not all(isinstance(one, dict) for one in values):
        raise Refusal(36009004, f"{name} takes at most {most} objects", 400)
    return list(values)


def _check_type(name: str, value: Any, kind: type, title: str) -> None:
    if value is not None and type(value) is not kind:
        actual = next((name for one, name in _TYPE_NAMES if isinstance(value, one)), "null")
        raise Refusal(
            36009004, f"param {name} type invalid. actual type:{actual}, expected type:{title}", 400
        )


def platform_of(text: str | None) -> str:
    """The system that an external reference belongs to."""
    if not text:
        raise Refusal(36009004, "platform is a required field", 400)
    return one_of("platform", text, PLATFORMS)


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """The value if it is allowed."""
    if value not in allowed:
        raise Refusal(36009004, f"param {name} is not one of {', '.join(allowed)}", 400)
    return value


def _optional(name: str, body: dict[str, Any], allowed: tuple[str, ...]) -> str | None:
    return None if body.get(name) is None else one_of(name, body[name], allowed)


@dataclass(frozen=True, slots=True)
class Reference:
    """The seller's own number of one order, and of its lines."""

    order_id: str
    external_id: str
    platform: str
    line_items: list[dict[str, str]]


def reference_of(given: Any) -> Reference:
    """One order of a request to attach references."""
    try:
        external = given["external_order"]
        lines = [{"id": line["id"], "origin_id": line["origin_id"]} for line in external["line_items"]]
        reference = Reference(given["id"], external["id"], external["platform"], lines)
    except (KeyError, TypeError) as error:
        raise Refusal(36009004, f"param body.orders is incomplete: {error}", 400) from None
    texts = [reference.order_id, reference.external_id, *(text for line in lines for text in line.values())]
    if not all(isinstance(text, str) and text for text in texts) or len(lines) > 100:
        raise Refusal(36009004, "param body.orders type invalid", 400)
    platform_of(reference.platform)
    return reference
