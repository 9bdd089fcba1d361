"""Which days the schedules have proved anew, by the clocks of the shops.

Today may drift, yesterday is over, and what is still under way is worth another look every morning.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tiktok_ns_pipeline.mapping import Mapping

MORNING = 7
"""Hour at which a shop's yesterday is proved: the day is over and its orders had time to arrive."""
PAYMENTS_WATCHED_DAYS = 14
"""So long after it was made a payment may be on its way, or its late statement (T 7.2)."""
REFUNDS_WATCHED_DAYS = 4
"""So long after a refund its credit is looked for every morning."""


def days_to_prove(mapping: Mapping, now: datetime) -> list[date]:
    """The dates that are due in some shop at this full hour: today, and yesterday in the morning."""
    days: set[date] = set()
    for shop in mapping.shops.values():
        local = now.astimezone(shop.zone)
        days.add(local.date())
        if local.hour == MORNING:
            days.add(local.date() - timedelta(days=1))
    return sorted(days)


def days_to_follow(mapping: Mapping, now: datetime) -> list[date]:
    """The dates whose orders are proved again this full hour: in the morning of the first shop's clock
    all that are watched, since an order is shipped, cancelled and billed days after it was placed."""
    first = next(iter(mapping.shops.values()))
    if now.astimezone(first.zone).hour != MORNING:
        return []
    watched = range(mapping.fulfilment.watch_days + 1)
    todays = {now.astimezone(shop.zone).date() for shop in mapping.shops.values()}
    return sorted({today - timedelta(days=back) for today in todays for back in watched})


def days_to_settle(mapping: Mapping, now: datetime) -> list[date]:
    """The UTC days whose payments are proved again this full hour: in the morning of the first shop's clock
    all that may still have been under way, since a payment arrives and is booked days after it was made."""
    return _last_days(mapping, now, PAYMENTS_WATCHED_DAYS)


def days_to_refund(mapping: Mapping, now: datetime) -> list[date]:
    """The dates whose refunds are proved again this full hour, in the morning of the first shop's clock."""
    return _last_days(mapping, now, REFUNDS_WATCHED_DAYS)


def _last_days(mapping: Mapping, now: datetime, count: int) -> list[date]:
    first = next(iter(mapping.shops.values()))
    if now.astimezone(first.zone).hour != MORNING:
        return []
    today = now.astimezone(UTC).date()
    return [today - timedelta(days=back) for back in range(count, -1, -1)]
