"""Is there work for the settlement flow? Our own records know: no system is asked.

See `flows.looking` for what a look is, and what it never does.
"""

from __future__ import annotations

from datetime import timedelta

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.flows.looking import Glance, Look, look
from tiktok_ns_pipeline.flows.shops import SHOPS_CURSOR
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.mapping import Mapping, Shop
from tiktok_ns_pipeline.settings import Settings
from tiktok_ns_pipeline.settlements.marking import ShopMark, mark_name, policy_fingerprint
from tiktok_ns_pipeline.settlements.planning import REPLAYABLE, is_ours
from tiktok_ns_pipeline.settlements.reading_back import KINDS_READ_BACK

_AGAIN_AFTER = timedelta(minutes=1)
"""What the last run could not read back waits for something: no use in asking at once."""


def look_for_work(settings: Settings, since_last_run: timedelta, clock: Clock | None = None) -> Look:
    """Ask our records. Raises MappingError and LedgerError."""

    def known(tx: Transaction, mapping: Mapping) -> str | None:
        return _known_work(tx, mapping, since_last_run)

    return look(settings, known, _is_to_be_read, clock)


def _known_work(tx: Transaction, mapping: Mapping, since_last_run: timedelta) -> str | None:
    if tx.intents.is_work_due(KINDS_READ_BACK):
        return "documents of payouts are due to be sent or looked up"
    if since_last_run >= _AGAIN_AFTER and any(
        tx.links.not_read_back(kind, limit=1) for kind in KINDS_READ_BACK
    ):
        return "documents of payouts are to be read back"
    if any(is_ours(one) for one in tx.exceptions.asked_for_replay(REPLAYABLE)):
        return "somebody asked for a replay"
    if tx.cursors.get(SHOPS_CURSOR) is None:
        return "the shops were never read"
    return next((why for shop in mapping.shops.values() if (why := _changed(tx, mapping, shop))), None)


def _changed(tx: Transaction, mapping: Mapping, shop: Shop) -> str | None:
    mark = ShopMark.of(tx.cursors.get(mark_name(shop.code)))
    if mark.read_at is not None and mark.policy != policy_fingerprint(mapping, shop):
        return f"how payouts of shop {shop.code} are booked has changed"
    return None


async def _is_to_be_read(glance: Glance) -> Look:
    """Whether TikTok was not asked about some shop's money for a while."""
    now, every = glance.clock.now(), timedelta(seconds=glance.settings.money_refresh_s)
    for shop, _access in glance.shops():
        with glance.ledger.read() as tx:
            mark = ShopMark.of(tx.cursors.get(mark_name(shop.code)))
        if mark.read_at is None or now - mark.read_at >= every:
            return Look(True, f"shop {shop.code}: TikTok is to be asked about money")
    return Look(False, "nothing is due, and TikTok was asked a short while ago")
