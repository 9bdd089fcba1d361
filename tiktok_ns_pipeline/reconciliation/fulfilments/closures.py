"""The verdict on each order's end: called off at TikTok, closed in NetSuite, or neither (N 2.12)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from tiktok_ns_pipeline.reconciliation.fulfilments.model import (
    Fulfilment,
    Row,
    SalesOrder,
    TikTokOrder,
    Verdict,
    is_younger,
)
from tiktok_ns_pipeline.reconciliation.fulfilments.shipments import Patience


def closure_row(
    order: TikTokOrder,
    sales: Sequence[SalesOrder],
    fulfilments: Sequence[Fulfilment],
    left: Collection[str],
    patience: Patience,
) -> Row | None:
    """The verdict on one order; None where there is nothing to close and nothing that is closed.

    `left` are the units that left, says NetSuite.
    """
    if order.is_before_go_live:
        return None
    if order.state == "cancelled":
        verdict, note = _cancelled(order, sales, fulfilments, patience)
    elif not sales or order.state == "waits" or order.not_expected:
        return None
    elif order.state == "unknown":
        verdict, note = (
            Verdict.CANNOT_BE_CHECKED,
            order.unreadable or f"its status {order.status} is not known",
        )
    else:
        verdict, note = _alive(order, sales, left, patience)
    return Row(
        "closure",
        verdict,
        order.order_id,
        order.order_id,
        tiktok_status=order.status,
        netsuite_status=", ".join(sale.status for sale in sales if sale.status) or None,
        documents=tuple(sale.name for sale in sales),
        note=note,
    )


def _cancelled(
    order: TikTokOrder, sales: Sequence[SalesOrder], fulfilments: Sequence[Fulfilment], patience: Patience
) -> tuple[Verdict, str]:
    still_open = [sale for sale in sales if sale.is_open]
    if not still_open:
        return Verdict.MATCHED, ""
    gone = [one for one in fulfilments if one.has_left]
    if gone:
        return Verdict.NOT_EXPECTED, f"its goods have left with {_names(gone)}"
    since = order.cancelled_at or order.changed_at
    if since is not None and patience.now - since < patience.grace:
        return Verdict.WAITING_WITHIN_GRACE, ""
    begun = f"; {_names(fulfilments)} is on its way out" if fulfilments else ""
    return Verdict.CANCELLED_NOT_CLOSED, f"{_names(still_open)} is still open{begun}"


def _alive(
    order: TikTokOrder, sales: Sequence[SalesOrder], left: Collection[str], patience: Patience
) -> tuple[Verdict, str]:
    """An order that lives wants its units shipped, so one that has not left must be on an open line."""
    wanted = {unit.line_id for unit in order.units if unit.state != "cancelled"} - set(left)
    on_open_lines = {
        unit_id
        for sale in sales
        if sale.is_open
        for line in sale.goods
        if not line.is_closed
        for unit_id in line.unit_ids
    }
    shut = [sale for sale in sales if not sale.is_open or any(line.is_closed for line in sale.goods)]
    # Whether units are on a Sales Order at all is for the proof of orders to say.
    called_off = {unit_id for sale in shut for line in sale.goods for unit_id in line.unit_ids}
    all_shut = not any(sale.is_open for sale in sales)
    lost = (wanted if all_shut else wanted & called_off) - on_open_lines
    if not lost:
        return Verdict.MATCHED, ""
    if any(is_younger(sale.unchanged_for, patience.grace) for sale in shut):
        return Verdict.WAITING_WITHIN_GRACE, ""
    what = "is closed" if all_shut else "has closed lines"
    return Verdict.CLOSED_NOT_CANCELLED, f"{_names(shut)} {what}, but {len(lost)} units are to be shipped"


def _names(records: Iterable[SalesOrder | Fulfilment]) -> str:
    return ", ".join(record.name for record in records)
