"""Slots, orders and NetSuite's numbers as a test of the join writes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.reconciliation.stock.join import judge_covers, judge_levels
from tiktok_ns_pipeline.reconciliation.stock.model import Cover, Level, Pool, Reading, Slot, Stock, Wanted

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
GRACE = timedelta(minutes=30)
LONG_AGO = NOW - timedelta(days=2)
POOL: Pool = ("6",)
RED: Stock = ("301", POOL)


def slot(shown: int | None, sku_id: str = "1", **fields: Any) -> Slot:
    """A listing of one unit of item 301 in the pool of Location 6."""
    draws = {item: Decimal(count) for item, count in fields.pop("draws", {"301": 1}).items()}
    return Slot(
        **{
            "shop": "us",
            "sku_id": sku_id,
            "warehouse_id": "61",
            "seller_sku": "RED-M",
            "shown": shown,
            "pool": POOL,
            "draws": draws,
        }
        | fields
    )


def wanted(quantity: int, order_id: str = "5770", **fields: Any) -> Wanted:
    """What an old order wants of item 301 and NetSuite does not know."""
    return Wanted(
        **{
            "shop": "us",
            "order_id": order_id,
            "stock": RED,
            "quantity": Decimal(quantity),
            "is_claim": True,
            "placed_at": LONG_AGO,
        }
        | fields
    )


def reading(
    *slots: Slot,
    available: Mapping[tuple[str, str], int | str],
    orders: tuple[Wanted, ...] = (),
    **fields: Any,
) -> Reading:
    return Reading(
        slots=slots,
        available={place: Decimal(number) for place, number in available.items()},
        wanted=orders,
        tiktok_read_at=NOW,
        netsuite_read_at=NOW,
        **fields,
    )


def levels(*slots: Slot, available: Mapping[tuple[str, str], int | str], **fields: Any) -> list[Level]:
    return list(judge_levels(reading(*slots, available=available, **fields), grace=GRACE))


def covers(available: Mapping[tuple[str, str], int | str], *orders: Wanted) -> list[Cover]:
    return list(judge_covers(reading(available=available, orders=orders)))
