"""What TikTok's order and line statuses mean for a Sales Order (T 3.2, 3.5).

A status that is not in these tables is unknown, and nothing may be concluded from it.
"""

from __future__ import annotations

from typing import Literal

Meaning = Literal["waits", "posts", "ended"]
"""waits: nobody may ship it yet; posts: a Sales Order belongs to it; ended: cancelled."""

ORDER_STATUS: dict[str, Meaning] = {
    "UNPAID": "waits",
    "ON_HOLD": "waits",
    "AWAITING_SHIPMENT": "posts",
    "PARTIALLY_SHIPPING": "posts",
    "AWAITING_COLLECTION": "posts",
    "IN_TRANSIT": "posts",
    "DELIVERED": "posts",
    "COMPLETED": "posts",
    "CANCELLED": "ended",
}

WAITING_REASON: dict[str, str] = {
    "UNPAID": "the buyer has not paid",
    "ON_HOLD": "the buyer may still cancel freely; TikTok gives no address before the hold ends",
}

LINE_STATUSES = frozenset(ORDER_STATUS) | {"TO_SHIP"}
"""`TO_SHIP` is an old name that TikTok's examples still show (T 3.5)."""

FULFILMENT: dict[str, Literal["seller", "channel"]] = {
    "FULFILLMENT_BY_SELLER": "seller",
    "FULFILLMENT_BY_TIKTOK": "channel",
    "FULFILLMENT_BY_DILAYANI_TOKOPEDIA": "channel",
}
"""Who packs the parcel, by `fulfillment_type` (T 3.3)."""

SHIPPING_TYPES = frozenset({"TIKTOK", "SELLER", "TIKTOK_DIGITAL"})
"""Whose carrier takes it (T 3.1, 3.3)."""
