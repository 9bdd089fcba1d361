"""Is there work for the shipments flow? Our own records first, then one question to NetSuite.

See `flows.looking` for what a look is, and what it never does. What TikTok's own warehouse shipped is
found by the regular runs and by webhooks.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.flows import inbox
from tiktok_ns_pipeline.flows.looking import LONGEST_S, Glance, Look, look
from tiktok_ns_pipeline.flows.shops import SHOPS_CURSOR
from tiktok_ns_pipeline.fulfilment.flow import BASIS_CURSOR, KINDS, REPLAYED_KINDS, is_of_this_flow
from tiktok_ns_pipeline.fulfilment.observing import WATERMARK
from tiktok_ns_pipeline.fulfilment.reading import FulfilmentReader
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.mapping import Mapping
from tiktok_ns_pipeline.netsuite.errors import NetSuiteAuthenticationError, NetSuiteError
from tiktok_ns_pipeline.settings import Settings

_NEVER = "Item Fulfillments were never read"


def look_for_work(settings: Settings, since_last_run: timedelta, clock: Clock | None = None) -> Look:
    """Ask our records, then NetSuite. Raises MappingError and LedgerError; never for an unreachable
    NetSuite."""
    return look(settings, _known_work, _ask_netsuite, clock)


def _known_work(tx: Transaction, mapping: Mapping) -> str | None:
    """What our own records say is to be done."""
    if tx.intents.is_work_due(KINDS):
        return "shipments are due to be told or looked up"
    if tx.inbox.is_waiting(inbox.SHIPMENTS, [shop.tiktok_shop_id for shop in mapping.shops.values()]):
        return "TikTok told of packages"
    if any(map(is_of_this_flow, tx.exceptions.asked_for_replay(REPLAYED_KINDS))):
        return "somebody asked for a replay"
    if tx.cursors.get(BASIS_CURSOR) != mapping.fingerprint():
        return "the mapping changed"
    if tx.cursors.get(SHOPS_CURSOR) is None:
        return "the shops were never read"
    return _NEVER if tx.cursors.get(WATERMARK) is None else None


async def _ask_netsuite(glance: Glance) -> Look:
    """Whether any Item Fulfillment was saved after the watermark, on the account's clock (N 3.5)."""
    with glance.ledger.read() as tx:
        watermark: str | None = tx.cursors.get(WATERMARK)
    if watermark is None:
        return Look(True, _NEVER)
    reader = FulfilmentReader(glance.netsuite, glance.mapping.custom_fields)
    try:
        async with asyncio.timeout(LONGEST_S):
            newest = await reader.newest_since(watermark)
    except NetSuiteAuthenticationError as error:
        return Look(True, f"NetSuite: {error}")
    except TimeoutError:
        return Look(False, f"NetSuite did not answer within {LONGEST_S:g} s")
    except NetSuiteError as error:
        return Look(False, f"NetSuite: {error}")
    if newest is None:
        return Look(False, f"no Item Fulfillment was saved since {watermark} (the account's clock)")
    return Look(True, f"an Item Fulfillment was saved at {newest} (the account's clock)")
