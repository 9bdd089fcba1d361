"""How far a flow has read, where another flow needs to know it: they meet in the ledger."""

from __future__ import annotations

from datetime import timedelta

LISTED_WITHIN = timedelta(seconds=30)
"""So long an order may be missing from TikTok's lists after it was placed (T 3.1)."""


def orders_watermark(shop_code: str) -> str:
    """The cursor that says how far a shop's orders were read, landed and planned: a time of change."""
    return f"orders:{shop_code}:update_time"
