"""Is there work for the orders flow? Our own records first, then one order per shop: the newest.

See `flows.looking` for what a look is, and what it never does.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.engine.outcomes import ENGINE_KINDS
from tiktok_ns_pipeline.flows.inbox import ORDERS
from tiktok_ns_pipeline.flows.looking import LONGEST_S, Glance, Look, look
from tiktok_ns_pipeline.flows.shops import SHOPS_CURSOR
from tiktok_ns_pipeline.flows.watermarks import orders_watermark
from tiktok_ns_pipeline.lake.orders import raw_order_row
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.facts import SALES_ORDER
from tiktok_ns_pipeline.mapping import Mapping
from tiktok_ns_pipeline.orders.flow import BASIS_CURSOR, KINDS
from tiktok_ns_pipeline.orders.observing import FUTURE
from tiktok_ns_pipeline.orders.planning import STAGING_KINDS
from tiktok_ns_pipeline.settings import Settings
from tiktok_ns_pipeline.tiktok.client import ShopAccess, TikTokClient
from tiktok_ns_pipeline.tiktok.errors import TikTokError

_READ_BACK_AFTER = timedelta(minutes=1)
"""What the last run could not read back, NetSuite does not show yet (N 3.5): no use in asking at once."""

_FOLLOW_AFTER = timedelta(seconds=15)
"""Events that the last run could not follow, since TikTok was away, must not ask for runs for ever; what
the list shows is found at once anyway."""


@dataclass(frozen=True, slots=True)
class _Shop:
    code: str
    access: ShopAccess
    read_until: datetime | None
    """None where no order was ever read."""


def look_for_work(settings: Settings, since_last_run: timedelta, clock: Clock | None = None) -> Look:
    """Ask our records, then TikTok. Raises MappingError and LedgerError; never for an unreachable TikTok."""

    def known(tx: Transaction, mapping: Mapping) -> str | None:
        return _known_work(tx, mapping, since_last_run)

    return look(settings, known, _ask_tiktok, clock)


def _known_work(tx: Transaction, mapping: Mapping, since_last_run: timedelta) -> str | None:
    """What our own records say is to be done."""
    if tx.intents.is_work_due(KINDS):
        return "documents are due to be sent or looked up"
    if since_last_run >= _READ_BACK_AFTER and tx.links.not_read_back(SALES_ORDER, limit=1):
        return "Sales Orders are to be read back"
    if tx.exceptions.list(kinds=(*STAGING_KINDS, *ENGINE_KINDS), replay_requested=True, limit=1):
        return "somebody asked for a replay"
    basis = tx.cursors.get(BASIS_CURSOR)
    if basis is None or basis.partition("/")[0] != mapping.fingerprint():
        return "the mapping changed"
    shops = tx.cursors.get(SHOPS_CURSOR)
    if shops is None:
        return "the shops were never read"
    # Of the shops that a run can read: other events wait until the seller opens theirs.
    readable = [one["shop_id"] for one in shops["shops"] if mapping.shop_of(one["shop_id"])]
    is_told = since_last_run >= _FOLLOW_AFTER and readable and tx.inbox.is_waiting(ORDERS, readable)
    return "webhooks name orders" if is_told else None


async def _ask_tiktok(glance: Glance) -> Look:
    """Whether any shop has an order that changed after its watermark."""
    first = glance.clock.now() - timedelta(days=glance.settings.first_look_days)
    answers = await asyncio.gather(*(_newer_in(glance.tiktok, shop, first) for shop in _watermarks(glance)))
    changed = [answer.reason for answer in answers if answer.is_due]
    said = changed or [answer.reason for answer in answers]
    return Look(bool(changed), "; ".join(said) or "the mapping knows none of the opened shops")


def _watermarks(glance: Glance) -> list[_Shop]:
    """How far each mapped shop was read."""
    shops = glance.shops()
    with glance.ledger.read() as tx:
        marks = {shop.code: tx.cursors.get(orders_watermark(shop.code)) for shop, _access in shops}
    return [
        _Shop(shop.code, access, datetime.fromisoformat(mark) if (mark := marks[shop.code]) else None)
        for shop, access in shops
    ]


async def _newer_in(client: TikTokClient, shop: _Shop, first: datetime) -> Look:
    try:
        async with asyncio.timeout(LONGEST_S):
            newest = await _last_change(client, shop.access, shop.read_until or first)
    except TimeoutError:
        return Look(False, f"shop {shop.code}: TikTok did not answer within {LONGEST_S:g} s")
    except TikTokError as error:
        return Look(False, f"shop {shop.code}: {error}")
    if newest is None or (shop.read_until is not None and newest <= shop.read_until):
        since = shop.read_until or first
        return Look(False, f"shop {shop.code}: nothing changed since {since:%Y-%m-%d %H:%M:%S}Z")
    return Look(True, f"shop {shop.code}: an order changed at {newest:%Y-%m-%d %H:%M:%S}Z")


async def _last_change(client: TikTokClient, access: ShopAccess, since: datetime) -> datetime | None:
    async for page in client.search_orders(access, update_time_ge=since, page_size=1, sort_order="DESC"):
        rows = [
            raw_order_row(order, zone=UTC, read_at=page.read_at, request_id=page.request_id)
            for order in page.orders
        ]
        told = [row["update_time"] for row in rows if row["update_time"] is not None]
        # What claims to come from the future moves no watermark, so it must not ask for runs for ever.
        return max((at for at in told if at <= page.read_at + FUTURE), default=None)
    return None
