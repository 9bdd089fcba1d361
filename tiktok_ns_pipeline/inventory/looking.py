"""Is there work for the stock flow? Our own records first, then one question to NetSuite.

See `flows.looking` for what a look is, and what it never does.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from tiktok_ns_pipeline.clock import Clock, SystemClock
from tiktok_ns_pipeline.engine.outcomes import ENGINE_KINDS
from tiktok_ns_pipeline.flows import inbox
from tiktok_ns_pipeline.flows.looking import LONGEST_S, Glance, Look, look
from tiktok_ns_pipeline.flows.shops import SHOPS_CURSOR
from tiktok_ns_pipeline.inventory.flow import BASIS_CURSOR, KINDS, REPLAYED_KINDS, is_of_this_flow
from tiktok_ns_pipeline.inventory.observing import FULL_CURSOR, SAVED_CURSOR, STOPPED_CURSOR
from tiktok_ns_pipeline.inventory.reading import NEWEST_SINCE
from tiktok_ns_pipeline.inventory.selling import looked_cursor
from tiktok_ns_pipeline.inventory.unseen import is_to_be_found_out
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import RAW_TIKTOK_ORDERS
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.mapping import Mapping, Shop
from tiktok_ns_pipeline.netsuite.errors import NetSuiteAuthenticationError, NetSuiteError
from tiktok_ns_pipeline.settings import Settings

_NEVER = "stock was never read"


def look_for_work(settings: Settings, since_last_run: timedelta, clock: Clock | None = None) -> Look:
    """Ask our records, then NetSuite. Raises MappingError and LedgerError; never for an unreachable
    NetSuite."""
    at = clock or SystemClock()

    def known(tx: Transaction, mapping: Mapping) -> str | None:
        return _known_work(tx, mapping, settings, at)

    return look(settings, known, _ask_netsuite, clock)


def _known_work(tx: Transaction, mapping: Mapping, settings: Settings, clock: Clock) -> str | None:
    """What our own records say is to be done."""
    published = [shop for shop in mapping.shops.values() if shop.stock.publishes]
    if not published:
        return None
    ids = [shop.tiktok_shop_id for shop in published]
    if tx.intents.is_work_due(KINDS):
        return "levels are due to be pushed"
    if tx.inbox.is_waiting(inbox.STOCK, [*ids, inbox.ANY_SHOP]):
        return "TikTok told of products or stock"
    if any(map(is_of_this_flow, tx.exceptions.asked_for_replay((*REPLAYED_KINDS, *ENGINE_KINDS)))):
        return "somebody asked for a replay"
    if is_to_be_found_out(tx.stock.unseen().values(), clock.now()):
        return "units are missing that no order explains"
    return _due_reading(tx, mapping, clock) or _landed_orders(tx, published, settings, clock)


def _due_reading(tx: Transaction, mapping: Mapping, clock: Clock) -> str | None:
    """What is to be read whether or not anybody told of it."""
    if tx.cursors.get(SHOPS_CURSOR) is None:
        return "the shops were never read"
    stopped: dict[str, str] | None = tx.cursors.get(STOPPED_CURSOR)
    read_at: str | None = stopped["read_at"] if stopped else tx.cursors.get(FULL_CURSOR)
    if read_at is None:
        return _NEVER
    if clock.now() - datetime.fromisoformat(read_at) >= timedelta(minutes=mapping.stock.snapshot_minutes):
        return "all stock is to be read again"
    return "the mapping changed" if tx.cursors.get(BASIS_CURSOR) != mapping.fingerprint() else None


def _landed_orders(tx: Transaction, shops: list[Shop], settings: Settings, clock: Clock) -> str | None:
    """Whether orders landed since a run looked for them; only names of files are asked for."""
    lake = Lake(settings.lake_url, clock)
    try:
        for shop in shops:
            looked: str | None = tx.cursors.get(looked_cursor(shop.code))
            landed = lake.last_landing(RAW_TIKTOK_ORDERS, shop=shop.code)
            if landed is not None and (looked is None or landed > datetime.fromisoformat(looked)):
                return f"orders of shop {shop.code} landed"
    finally:
        lake.close()
    return None


async def _ask_netsuite(glance: Glance) -> Look:
    """Whether any transaction was saved after the watermark, on the account's clock (N 3.5)."""
    with glance.ledger.read() as tx:
        saved: str | None = tx.cursors.get(SAVED_CURSOR)
        is_stopped = tx.cursors.get(STOPPED_CURSOR) is not None
    if saved is None or is_stopped:
        return Look(False, "nothing of NetSuite's stock is in use")
    try:
        async with asyncio.timeout(LONGEST_S):
            rows = await glance.netsuite.suiteql_page(NEWEST_SINCE, [saved], lane="urgent")
    except NetSuiteAuthenticationError as error:
        return Look(True, f"NetSuite: {error}")
    except TimeoutError:
        return Look(False, f"NetSuite did not answer within {LONGEST_S:g} s")
    except NetSuiteError as error:
        return Look(False, f"NetSuite: {error}")
    newest = rows[0].get("modified_at") if rows else None
    told = f"a transaction was saved at {newest}" if newest else f"no transaction was saved since {saved}"
    return Look(newest is not None, f"{told} (the account's clock)")
