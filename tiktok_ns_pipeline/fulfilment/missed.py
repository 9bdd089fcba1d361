"""Orders whose dispatch deadline passed unshipped become exceptions, until TikTok shows them shipped or
cancelled. Looked at every few minutes, by what TikTok last said of orders.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.fulfilment.deadlines import Pressing, punctuality
from tiktok_ns_pipeline.fulfilment.documents import CHANNEL
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import RAW_TIKTOK_ORDERS
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.models import Order

MISSED = "dispatch_deadline_missed"

_CURSOR = "shipments:deadlines"
_EVERY = timedelta(minutes=5)
_LONGEST_HANDLING = timedelta(days=45)
"""Orders are dispatched, or cancelled by TikTok, so long after they were placed at most."""
_UNSHIPPED = "status IN ('AWAITING_SHIPMENT', 'PARTIALLY_SHIPPING')"
_TOLD = ("payload",)
_AT_ONCE = 500


def orders_with_deadlines(
    lake: Lake, shops: Sequence[Shop], now: datetime, *, window: timedelta
) -> Iterator[tuple[str, Order]]:
    """Orders that may have a deadline in the window before now or later, with their shop's code."""
    days = _days_before(now, window)
    for shop in shops:
        yield from _parsed(shop, lake.current(RAW_TIKTOK_ORDERS, shop=shop.code, days=days, columns=_TOLD))


def unshipped_orders(lake: Lake, shops: Sequence[Shop], now: datetime) -> Iterator[tuple[str, Order]]:
    """Orders that are still to be shipped, with their shop's code.

    They are few among many: what TikTok told in full is read of them alone.
    """
    days = _days_before(now, timedelta(0))
    for shop in shops:
        found = lake.current(
            RAW_TIKTOK_ORDERS, _UNSHIPPED, shop=shop.code, days=days, columns=("order_id", "day")
        )
        for start in range(0, len(found), _AT_ONCE):
            some = found[start : start + _AT_ONCE]
            rows = lake.landed_until(
                RAW_TIKTOK_ORDERS,
                None,
                by="order_id",
                values=[row["order_id"] for row in some],
                shop=shop.code,
                days={row["day"] for row in some},
                columns=_TOLD,
            )
            yield from _parsed(shop, rows)


def tell_of_missed_deadlines(runtime: Runtime, shops: Sequence[Shop]) -> None:
    """Open an exception for each order that is overdue, and clear those that are not any more."""
    now = runtime.clock.now()
    with runtime.ledger.read() as tx:
        stored = tx.cursors.get(_CURSOR)
    if stored is not None and now - datetime.fromisoformat(stored) < _EVERY:
        return
    orders = unshipped_orders(runtime.lake, shops, now)
    overdue = punctuality(orders, now, warning=timedelta(0), window=timedelta(0)).pressing
    subjects = {(each.shop, _subject(each)) for each in overdue}
    codes = {shop.code for shop in shops}
    with runtime.ledger.begin() as tx:
        for each in overdue:
            tx.exceptions.open(
                runtime.reporter.exception(
                    MISSED,
                    channel=CHANNEL,
                    shop=each.shop,
                    subject=_subject(each),
                    cause="deadline",
                    message=f"Order {each.order_id} of shop {each.shop} was to be handed over by "
                    f"{each.dispatch_by:%Y-%m-%d %H:%M}Z and is not shipped.",
                )
            )
        for one in tx.exceptions.list(kinds=[MISSED]):
            if one.shop in codes and (one.shop, one.subject) not in subjects:
                tx.exceptions.clear(
                    channel=CHANNEL,
                    shop=one.shop,
                    subject=one.subject,
                    reason="TikTok shows it as shipped or cancelled",
                    kinds=(MISSED,),
                )
        tx.cursors.set(_CURSOR, now.isoformat())


def _days_before(now: datetime, window: timedelta) -> list[date]:
    """The days on which orders were placed that may have a deadline in the window or later."""
    first = (now - window - _LONGEST_HANDLING).date()
    return [first + timedelta(days=number) for number in range((now.date() - first).days + 2)]


def _parsed(shop: Shop, rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Order]]:
    for row in rows:
        try:
            yield shop.code, Order.parse(exact_json.loads(row["payload"]))
        except WireError:
            continue  # it is parked as malformed_order


def _subject(each: Pressing) -> str:
    return f"order {each.order_id}"
