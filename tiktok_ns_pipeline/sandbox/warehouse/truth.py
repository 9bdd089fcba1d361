"""What really left the warehouse: the judge's knowledge, never read by the pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from tiktok_ns_pipeline.sandbox.books import Books
from tiktok_ns_pipeline.sandbox.warehouse.jobs import Job, Wave


@dataclass(frozen=True, slots=True)
class ShippedLine:
    """Units of one order line that left together."""

    order_line: int
    item_id: str
    quantity: Decimal
    line_ids: tuple[str, ...]
    """The channel's line ids that these units stand for."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """The truth about one fulfilment that left at least once."""

    order_id: str
    """The channel's."""
    sales_order_id: str
    fulfilment_id: str
    lines: tuple[ShippedLine, ...]
    tracking: tuple[str, ...]
    """As the fulfilment shows it now, or as it was when it was deleted."""
    carrier: str | None
    """Name of the ship method."""
    shipped_at: datetime
    """When it first left."""
    stands: bool
    """Whether it is shipped now: neither deleted nor taken back."""


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """When goods of an order were first picked, and when they first left; None where not yet."""

    picked_at: datetime | None = None
    shipped_at: datetime | None = None


def shipped_of(books: Books, job: Job, wave: Wave, shipped_at: float) -> Shipped:
    """The truth about a wave that left."""
    record = books.find("itemFulfillment", wave.fulfilment)
    tracking = wave.tracking
    if record is not None:
        shown = (one.get("packageTrackingNumber") for one in record.lines("package"))
        tracking = [number for number in shown if number]
    return Shipped(
        order_id=job.order_id,
        sales_order_id=job.sales_order,
        fulfilment_id=wave.fulfilment,
        lines=tuple(ShippedLine(one.line, one.item, one.quantity, tuple(one.line_ids)) for one in wave.taken),
        tracking=tuple(tracking),
        carrier=wave.carrier,
        shipped_at=datetime.fromtimestamp(shipped_at, UTC),
        stands=record is not None and record.get("shipStatus") == "C",
    )


def first_steps_of(job: Job) -> FirstSteps:
    """When an order's goods were first picked and first left."""
    left = min((wave.shipped_at for wave in job.waves if wave.shipped_at is not None), default=None)
    return FirstSteps(_instant(job.picked_at), _instant(left))


def _instant(epoch: float | None) -> datetime | None:
    return None if epoch is None else datetime.fromtimestamp(epoch, UTC)
