"""How orders stand against their dispatch deadlines, by what TikTok says of them. Pure (T 3.2).

TikTok counts an order late when its shipment is not arranged by `rts_sla_time`, and judges sellers by
the share of such orders. What TikTok's own warehouse ships is none of the seller's lateness.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tiktok_ns_pipeline.tiktok.lifecycle import FULFILMENT
from tiktok_ns_pipeline.tiktok.models import Order

_UNSHIPPED = frozenset({"AWAITING_SHIPMENT", "PARTIALLY_SHIPPING"})
_NOT_COUNTED = frozenset({"UNPAID", "ON_HOLD", "CANCELLED"})


@dataclass(frozen=True, slots=True)
class Pressing:
    """An unshipped order whose deadline is near or over."""

    shop: str
    order_id: str
    dispatch_by: datetime


@dataclass(frozen=True, slots=True)
class Punctuality:
    """What a check tells of deadlines."""

    looked_at: int
    """Orders with a deadline in the window, or still to be shipped."""
    pressing: tuple[Pressing, ...]
    """Least time left first."""
    overdue: int
    late: int
    """Late in the window: shipped too late, overdue, or pressing."""
    counted: int
    """Orders with a deadline in the window or within the warning."""

    @property
    def late_rate(self) -> float:
        """Share of late dispatches if nothing pressing is shipped."""
        return self.late / self.counted if self.counted else 0.0


def punctuality(
    orders: Iterable[tuple[str, Order]], now: datetime, *, warning: timedelta, window: timedelta
) -> Punctuality:
    """How orders, each with its shop's code, stand at this instant."""
    pressing: list[Pressing] = []
    looked_at = late = counted = 0
    for shop, order in orders:
        deadline = order.rts_sla_time
        is_ours = FULFILMENT.get(order.fulfillment_type or "") != "channel"
        if deadline is None or not is_ours or order.status in _NOT_COUNTED:
            continue
        is_unshipped = order.status in _UNSHIPPED
        is_pressing = is_unshipped and deadline <= now + warning
        if is_pressing:
            pressing.append(Pressing(shop, order.id, deadline))
        in_window = now - window <= deadline <= now + warning
        looked_at += in_window or is_unshipped
        counted += in_window or is_pressing
        was_late = not is_unshipped and order.rts_time is not None and order.rts_time > deadline
        late += is_pressing or (in_window and was_late)
    return Punctuality(
        looked_at,
        tuple(sorted(pressing, key=lambda each: each.dispatch_by)),
        sum(each.dispatch_by <= now for each in pressing),
        late,
        counted,
    )
