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
from tiktok_ns_pipeline.sandbox.refusals import Refusal

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
    **dict.fromkeys(_TIMES, (int, "int64")),
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
    query, body = call.query, call.json_body()
    for name in _TIMES:
        if name in query:
            raise Refusal(36009004, f"param {name} belongs in the body", 400)
    for name, (kind, title) in _FILTERS.items():
        value = body.get(name)
        if value is not None and type(value) is not kind:
            actual = next((name for one, name in _TYPE_NAMES if isinstance(value, one)), "null")
            raise Refusal(
                36009004, f"param {name} type invalid. actual type:{actual}, expected type:{title}", 400
            )
    return Filter(
        shop=call.shop.key,
        sort_field=_one_of(
            "sort_field", query.get("sort_field") or "create_time", ("create_time", "update_time")
        ),
        ascending=_one_of("sort_order", query.get("sort_order") or "DESC", ("ASC", "DESC")) == "ASC",
        **{name: body.get(name) for name in _TIMES},
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


def page_size_of(text: str | None) -> int:
    """Rows per page, 1 to 100 (T 3.1)."""
    if text is None:
        raise Refusal(36009004, "page_size is a required field", 400)
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= 100:
        raise Refusal(36009004, "page_size has to be a number from 1 to 100", 400)
    return int(text)


def platform_of(text: str | None) -> str:
    """The system that an external reference belongs to."""
    if not text:
        raise Refusal(36009004, "platform is a required field", 400)
    return _one_of("platform", text, PLATFORMS)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise Refusal(36009004, f"param {name} is not one of {', '.join(allowed)}", 400)
    return value


def _optional(name: str, body: dict[str, Any], allowed: tuple[str, ...]) -> str | None:
    return None if body.get(name) is None else _one_of(name, body[name], allowed)


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
