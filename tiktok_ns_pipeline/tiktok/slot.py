"""Where TikTok shows a number of stock."""

from __future__ import annotations

from typing import NamedTuple


class Slot(NamedTuple):
    """One number that TikTok shows: a shop's SKU in one warehouse (T 5.3)."""

    shop: str
    sku_id: str
    warehouse_id: str
