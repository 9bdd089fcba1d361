"""Unseen sales: TikTok shows fewer units than the orders that we know explain.

Somebody may have bought them, so they are held until the order shows. Or nobody did: a person set the
number in Seller Center, TikTok took a SKU down. So no more is believed than can have been sold, and no
longer than an order can hide.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from tiktok_ns_pipeline.flows.watermarks import LISTED_WITHIN, orders_watermark
from tiktok_ns_pipeline.inventory.governing import most_sold_unseen
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.stock import tiktok_key
from tiktok_ns_pipeline.tiktok.slot import Slot

_LOOKED_BACK = timedelta(minutes=20)
_AT_MOST = timedelta(minutes=10)
"""So long may an order take to show that explains why TikTok has fewer units."""


def orders_read_until(tx: Transaction, shop: str) -> datetime | None:
    """How far the orders flow has read a shop, on TikTok's clock; None where it never has."""
    stored: str | None = tx.cursors.get(orders_watermark(shop))
    return datetime.fromisoformat(stored) if stored else None


def most_sold(tx: Transaction, shop: str, actual: Mapping[Slot, int], now: datetime) -> dict[Slot, int]:
    """How much of what slots of a shop show fewer can have been sold; the rest was taken away.

    Nothing is told where orders were never read: then all may have been sold.
    """
    known_until = orders_read_until(tx, shop)
    if known_until is None:
        return {}
    balances = tx.stock.balances(map(tiktok_key, actual))
    fallen = [
        slot
        for slot, units in actual.items()
        if (balance := balances.get(tiktok_key(slot))) is not None and units < balance.quantity
    ]
    if not fallen:
        return {}
    rows = tx.stock.since("tiktok", "sale", known_until - _LOOKED_BACK)
    sold = [(row.happened_at or row.at, -row.quantity) for row in rows if row.key.shop == shop]
    return dict.fromkeys(fallen, most_sold_unseen(sold, known_until, now, LISTED_WITHIN))


def nobodys(tx: Transaction, booked_until: Mapping[str, datetime], now: datetime) -> dict[Slot, Decimal]:
    """Units that no order will explain any more.

    That is certain once the orders of before are booked: `booked_until` says by shop how far they are. In
    a quiet shop nothing tells, so that in the end age decides.
    """
    found: dict[Slot, Decimal] = {}
    for shop in {slot.shop for slot in tx.stock.unseen()}:
        certain = now - _AT_MOST
        if shop in booked_until:
            certain = max(certain, min(now, booked_until[shop]) - LISTED_WITHIN)
        for slot, units in tx.stock.unseen_since_before(certain).items():
            if slot.shop == shop:
                found[slot] = units
    return found
