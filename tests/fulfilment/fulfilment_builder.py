"""Builders of Item Fulfillments and Sales Order lines, for tests of allocation and staging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from tiktok_ns_pipeline.fulfilment.allocation import Unit
from tiktok_ns_pipeline.fulfilment.documents import Fulfilment, OrderLine, ShippedLine

SAVED_AT = datetime(2026, 8, 10, 12, tzinfo=UTC)


def order_line(number: int, units: Sequence[str], *, pieces: int = 1, item: str = "") -> OrderLine:
    """A line of a Sales Order with so many pieces for each unit."""
    return OrderLine(number, item or f"item-{number}", Decimal(len(units) * pieces), tuple(units))


def fulfilment(
    fulfilment_id: str,
    quantities: Mapping[int, int],
    order_lines: Sequence[OrderLine],
    *,
    tracking: Sequence[str] = ("TRACK1",),
    status: str = "C",
    is_gone: bool = False,
    modified_at: datetime = SAVED_AT,
    carrier: str | None = "UPS Ground",
) -> Fulfilment:
    """An Item Fulfillment of quantities by line number."""
    items = {line.number: line.item_id for line in order_lines}
    return Fulfilment(
        id=fulfilment_id,
        number=f"IF{fulfilment_id}",
        status=status,
        is_gone=is_gone,
        sales_order_id="70",
        modified_at=modified_at,
        tran_date=date(2026, 8, 10),
        carrier=carrier,
        tracking=tuple(tracking),
        lines=tuple(
            ShippedLine(line, items.get(line, "other"), Decimal(count)) for line, count in quantities.items()
        ),
        order_lines=tuple(order_lines),
    )


def units(*unit_ids: str, tracking: Mapping[str, str] | None = None, cancelled: str = "") -> dict[str, Unit]:
    """Units of an order by id."""
    shown = tracking or {}
    return {each: Unit(each, each in cancelled.split(), shown.get(each)) for each in unit_ids}
