"""Is there work for the closures flow? Our own records first, then the newest change of each listing.

See `flows.looking` for what a look is, and what it never does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tiktok_ns_pipeline.cancellations.flow import KINDS, REPLAYED_KINDS, is_ours
from tiktok_ns_pipeline.cancellations.observing import CANCELLED, Listed, watermark_name
from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.engine.outcomes import ENGINE_KINDS
from tiktok_ns_pipeline.flows import inbox
from tiktok_ns_pipeline.flows.listing import FUTURE
from tiktok_ns_pipeline.flows.looking import LONGEST_S, Glance, Look, look
from tiktok_ns_pipeline.flows.shops import SHOPS_CURSOR
from tiktok_ns_pipeline.lake.orders import raw_order_row
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.mapping import Mapping
from tiktok_ns_pipeline.settings import Settings
from tiktok_ns_pipeline.tiktok.cancellation_models import Cancellation
from tiktok_ns_pipeline.tiktok.client import ShopAccess, TikTokClient
from tiktok_ns_pipeline.tiktok.errors import TikTokError, WireError


@dataclass(frozen=True, slots=True)
class _Listing:
    shop: str
    what: Listed
    access: ShopAccess
    read_until: datetime | None
    """None where nothing was ever read."""


def look_for_work(settings: Settings, since_last_run: timedelta, clock: Clock | None = None) -> Look:
    """Ask our records, then TikTok. Raises MappingError and LedgerError; never for an unreachable TikTok."""
    return look(settings, _known_work, _ask_tiktok, clock)


def _known_work(tx: Transaction, _mapping: Mapping) -> str | None:
    """What our own records say is to be done."""
    if tx.intents.is_work_due(KINDS):
        return "closures or answers are due"
    if tx.inbox.is_waiting(inbox.CLOSURES):
        return "TikTok told of cancellations"
    if any(map(is_ours, tx.exceptions.asked_for_replay((*REPLAYED_KINDS, *ENGINE_KINDS)))):
        return "somebody asked for a replay"
    if tx.cursors.get(SHOPS_CURSOR) is None:
        return "the shops were never read"
    return None


async def _ask_tiktok(glance: Glance) -> Look:
    """Whether any shop has a cancelled order, or a cancellation, that changed after its watermark."""
    first = glance.clock.now() - timedelta(days=glance.settings.first_look_days)
    answers = await asyncio.gather(*(_newer(glance.tiktok, one, first) for one in _listings(glance)))
    changed = [answer.reason for answer in answers if answer.is_due]
    said = changed or [answer.reason for answer in answers]
    return Look(bool(changed), "; ".join(said) or "the mapping knows none of the opened shops")


def _listings(glance: Glance) -> list[_Listing]:
    """How far each listing of each mapped shop was read."""
    whats: tuple[Listed, ...] = ("orders", "cancellations")
    found: list[_Listing] = []
    with glance.ledger.read() as tx:
        for shop, access in glance.shops():
            for what in whats:
                mark = tx.cursors.get(watermark_name(shop.code, what))
                found.append(
                    _Listing(shop.code, what, access, datetime.fromisoformat(mark) if mark else None)
                )
    return found


async def _newer(client: TikTokClient, listing: _Listing, first: datetime) -> Look:
    name, since = f"{listing.what} of shop {listing.shop}", listing.read_until or first
    ask: Callable[[TikTokClient, ShopAccess, datetime], Awaitable[datetime | None]] = (
        _last_order if listing.what == "orders" else _last_cancellation
    )
    try:
        async with asyncio.timeout(LONGEST_S):
            newest = await ask(client, listing.access, since)
    except TimeoutError:
        return Look(False, f"{name}: TikTok did not answer within {LONGEST_S:g} s")
    except TikTokError as error:
        return Look(False, f"{name}: {error}")
    if newest is None or (listing.read_until is not None and newest <= listing.read_until):
        return Look(False, f"{name}: nothing was cancelled since {since:%Y-%m-%d %H:%M:%S}Z")
    return Look(True, f"{name}: something was cancelled at {newest:%Y-%m-%d %H:%M:%S}Z")


async def _last_order(client: TikTokClient, access: ShopAccess, since: datetime) -> datetime | None:
    pages = client.search_orders(
        access, update_time_ge=since, order_status=CANCELLED, page_size=1, sort_order="DESC", lane="urgent"
    )
    async for page in pages:
        rows = [
            raw_order_row(order, zone=UTC, read_at=page.read_at, request_id=page.request_id)
            for order in page.rows
        ]
        return _newest([row["update_time"] for row in rows], page.read_at)
    return None


async def _last_cancellation(client: TikTokClient, access: ShopAccess, since: datetime) -> datetime | None:
    async for page in client.cancellations.search(access, since, page_size=1, sort_order="DESC"):
        told: list[datetime | None] = []
        for raw in page.rows:
            try:
                told.append(Cancellation.parse(raw).update_time)
            except WireError:
                continue
        return _newest(told, page.read_at)
    return None


def _newest(told: list[datetime | None], read_at: datetime) -> datetime | None:
    # What claims to come from the future moves no watermark, so it must not ask for runs for ever.
    return max((at for at in told if at is not None and at <= read_at + FUTURE), default=None)
