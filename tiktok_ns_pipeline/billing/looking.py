"""Is there work for the billing flow? Our own records know: no system is asked.

See `flows.looking` for what a look is, and what it never does.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tiktok_ns_pipeline.billing.considering import policy_fingerprint
from tiktok_ns_pipeline.billing.document import SUBJECT
from tiktok_ns_pipeline.billing.flow import REPLAYABLE
from tiktok_ns_pipeline.billing.planning import ShopMark, mark_name
from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.flows.looking import Glance, Look, look
from tiktok_ns_pipeline.flows.shops import SHOPS_CURSOR
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import RAW_NETSUITE_ITEM_FULFILLMENTS
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.facts import BILL
from tiktok_ns_pipeline.mapping import Mapping, Shop
from tiktok_ns_pipeline.mapping.follow_ups import NoBilling
from tiktok_ns_pipeline.settings import Settings

_AGAIN_AFTER = timedelta(minutes=1)
"""What the last run could not read back or decide, waits for something: no use in asking at once."""


def look_for_work(settings: Settings, since_last_run: timedelta, clock: Clock | None = None) -> Look:
    """Ask our records. Raises MappingError and LedgerError."""

    def known(tx: Transaction, mapping: Mapping) -> str | None:
        return _known_work(tx, mapping, since_last_run)

    return look(settings, known, _landed, clock)


def _known_work(tx: Transaction, mapping: Mapping, since_last_run: timedelta) -> str | None:
    if tx.intents.is_work_due((BILL,)):
        return "bills are due to be sent or looked up"
    if since_last_run >= _AGAIN_AFTER and tx.links.not_read_back(BILL, limit=1):
        return "bills are to be read back"
    shops = _billed_shops(mapping)
    codes = {shop.code for shop in shops}
    asked = tx.exceptions.asked_for_replay(REPLAYABLE)
    if any(one.subject.startswith(SUBJECT) and one.shop in codes for one in asked):
        return "somebody asked for a replay"
    if shops and tx.cursors.get(SHOPS_CURSOR) is None:
        return "the shops were never read"
    return next((why for shop in shops if (why := _to_decide(tx, shop, since_last_run))), None)


def _to_decide(tx: Transaction, shop: Shop, since_last_run: timedelta) -> str | None:
    mark = _mark(tx, shop)
    if mark.policy != policy_fingerprint(shop):
        return f"billing of shop {shop.code} changed"
    if mark.waiting and since_last_run >= _AGAIN_AFTER:
        return f"shipments of shop {shop.code} wait to be decided"
    return None


async def _landed(glance: Glance) -> Look:
    """Whether any shipment landed after its shop's mark; the names of the lake's files tell."""
    shops = _billed_shops(glance.mapping)
    if not shops:
        return Look(False, "no shop is billed by the pipeline")
    with glance.ledger.read() as tx:
        marks = {shop.code: _mark(tx, shop).landed_at for shop in shops}
    lake = Lake(glance.settings.lake_url, glance.clock)
    try:
        for code, mark in marks.items():
            newest: datetime | None = lake.last_landing(RAW_NETSUITE_ITEM_FULFILLMENTS, shop=code)
            if newest is not None and (mark is None or newest > mark):
                return Look(True, f"shop {code}: shipments landed at {newest:%Y-%m-%d %H:%M:%S}Z")
    finally:
        lake.close()
    return Look(False, "no shipment has landed since the last run")


def _billed_shops(mapping: Mapping) -> list[Shop]:
    return [shop for shop in mapping.shops.values() if not isinstance(shop.billing, NoBilling)]


def _mark(tx: Transaction, shop: Shop) -> ShopMark:
    return ShopMark.of(tx.cursors.get(mark_name(shop.code)))
