"""The proof of one date over all shops of the mapping, each with its own business day of that date.

A shop that the seller did not open to us is no clean shop: its proof did not run.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from tiktok_ns_pipeline.mapping import Mapping
from tiktok_ns_pipeline.reconciliation.orders import Reconciliation, not_run
from tiktok_ns_pipeline.reconciliation.proof import reconcile_day
from tiktok_ns_pipeline.reconciliation.reading import Sources
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.errors import TikTokError

MORNING = 7
"""Hour at which a shop's yesterday is proved: the day is over and its orders had time to arrive."""


async def reconcile_every_shop(runtime: Runtime, day: date, run_id: str) -> dict[str, Reconciliation]:
    """Prove a date in every shop of the mapping, one after the other; by shop code."""
    try:
        opened = {access.shop_id: access for access in await runtime.tiktok.authorized_shops("finance")}
    except TikTokError as error:
        now = runtime.clock.now()
        return {code: not_run("tiktok", str(error), now) for code in runtime.mapping.shops}
    proofs: dict[str, Reconciliation] = {}
    for code, shop in runtime.mapping.shops.items():
        access = opened.get(shop.tiktok_shop_id)
        if access is None:
            reason = f"the seller has not opened shop {shop.tiktok_shop_id} to this app"
            proofs[code] = not_run("tiktok", reason, runtime.clock.now())
            continue
        sources = Sources(
            tiktok=runtime.tiktok,
            netsuite=runtime.netsuite,
            access=access,
            shop=shop,
            mapping=runtime.mapping,
            clock=runtime.clock,
        )
        proofs[code] = await reconcile_day(sources, runtime.lake, day, run_id)
    return proofs


def days_to_prove(mapping: Mapping, now: datetime) -> list[date]:
    """The dates that are due in some shop at this full hour: today, and yesterday in the morning."""
    days: set[date] = set()
    for shop in mapping.shops.values():
        local = now.astimezone(shop.zone)
        days.add(local.date())
        if local.hour == MORNING:
            days.add(local.date() - timedelta(days=1))
    return sorted(days)
