"""The proof of one shop's day: read both systems, join, look again at what is wrong, land it all.

What was read and what was concluded lands in the lake, so that any proof can be opened again. A
proof that could not take place lands that, and leaves the last verdicts as they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import (
    ORDER_RECONCILIATION,
    ORDER_RECONCILIATION_STATEMENTS,
    RAW_NETSUITE_SALES_ORDERS,
    RAW_TIKTOK_ORDERS,
)
from tiktok_ns_pipeline.reconciliation.orders import (
    Reconciliation,
    Row,
    not_run,
    reconcile_orders,
)
from tiktok_ns_pipeline.reconciliation.reading import (
    DayReading,
    SideUnread,
    Sources,
    look_again,
    read_day,
)
from tiktok_ns_pipeline.reconciliation.sides import netsuite_side, tiktok_side


async def reconcile_day(sources: Sources, lake: Lake, day: date, run_id: str) -> Reconciliation:
    """Prove the orders that a shop's business day brought, and land what was read and concluded."""
    try:
        reading, result = await _proved(sources, day)
    except SideUnread as unread:
        result = not_run(unread.side, unread.reason, sources.clock.now())
    else:
        _land_reading(sources, lake, day, run_id, reading)
        rows = [_verdict_row(row, result) for row in result.rows]
        lake.land(ORDER_RECONCILIATION, rows, shop=sources.shop.code, day=day, run_id=run_id)
    statement = _statement_row(sources, result)
    lake.land(ORDER_RECONCILIATION_STATEMENTS, [statement], shop=sources.shop.code, day=day, run_id=run_id)
    return result


async def _proved(sources: Sources, day: date) -> tuple[DayReading, Reconciliation]:
    reading = await read_day(sources, day)
    result = judge(sources, reading)
    suspects = {row.order_id for row in result.wrong if row.tiktok is not None}
    if not suspects:
        return reading, result
    reading = await look_again(sources, reading, suspects)
    return reading, judge(sources, reading)


def judge(sources: Sources, reading: DayReading) -> Reconciliation:
    """The verdicts on what was read."""
    mapping, shop = sources.mapping, sources.shop
    return reconcile_orders(
        [
            tiktok_side(order.raw, shop, mapping.special_orders, order.price_detail)
            for order in reading.orders.values()
        ],
        [netsuite_side(row, shop.code) for row in reading.sales_orders.values()],
        now=reading.tiktok_read_at,
        grace=timedelta(minutes=mapping.reconciliation.grace_minutes),
        netsuite_read_at=reading.netsuite_read_at,
    )


def _land_reading(sources: Sources, lake: Lake, day: date, run_id: str, reading: DayReading) -> None:
    shop = sources.shop
    orders = [{**order.row(shop), "day": day} for order in reading.orders.values()]
    lake.land(RAW_TIKTOK_ORDERS, orders, shop=shop.code, day=day, run_id=run_id)
    sales = [_sales_order_row(row, sources, reading) for row in reading.sales_orders.values()]
    lake.land(RAW_NETSUITE_SALES_ORDERS, sales, shop=shop.code, day=day, run_id=run_id)


def _sales_order_row(row: Mapping[str, str], sources: Sources, reading: DayReading) -> dict[str, Any]:
    side = netsuite_side(row, sources.shop.code)
    tran_date = row.get("tran_date")
    return {
        "netsuite_id": side.netsuite_id,
        "external_id": side.external_id,
        "order_id": row.get("order_id"),
        "tran_id": side.tran_id,
        "status": side.status,
        "tran_date": date.fromisoformat(tran_date) if tran_date else None,
        "currency": side.currency,
        "foreign_total": side.total,
        "payload": exact_json.dumps(dict(row)),
        "read_at": reading.netsuite_read_at,
    }


def _verdict_row(row: Row, result: Reconciliation) -> dict[str, Any]:
    return {
        "order_id": row.order_id,
        "external_id": row.external_id,
        "verdict": row.verdict.value,
        "tiktok_status": row.tiktok.status if row.tiktok else None,
        "netsuite_status": _joined(sale.status for sale in row.netsuite),
        "owed": row.owed.amount if row.owed is not None else None,
        "posted": row.posted.amount if row.posted is not None else None,
        "difference": row.difference,
        "currency": row.currency,
        "netsuite_id": _joined(sale.netsuite_id for sale in row.netsuite),
        "tran_id": _joined(sale.tran_id for sale in row.netsuite),
        "note": row.note or None,
        "tiktok_read_at": result.tiktok_read_at,
        "netsuite_read_at": result.netsuite_read_at,
    }


def _statement_row(sources: Sources, result: Reconciliation) -> dict[str, Any]:
    ran = result.not_run is None
    return {
        "statement": result.statement,
        "not_run_side": result.not_run.side if result.not_run else None,
        "not_run_reason": result.not_run.reason if result.not_run else None,
        "tiktok_orders": result.tiktok_orders if ran else None,
        "netsuite_sales_orders": result.netsuite_sales_orders if ran else None,
        "differences": len(result.wrong) if ran else None,
        "proved_at": sources.clock.now(),
    }


def _joined(values: Iterable[str | None]) -> str | None:
    return ", ".join(value for value in values if value) or None
