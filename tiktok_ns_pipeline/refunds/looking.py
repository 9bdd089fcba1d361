"""Is there work for the refunds flow? Our own records first, then the newest change of TikTok's returns.

See `flows.looking` for what a look is, and what it never does.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.engine.outcomes import ENGINE_KINDS
from tiktok_ns_pipeline.flows import inbox
from tiktok_ns_pipeline.flows.listing import FUTURE
from tiktok_ns_pipeline.flows.looking import LONGEST_S, Glance, Look, look
from tiktok_ns_pipeline.flows.shops import SHOPS_CURSOR, OpenedShop
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.exceptions import OpenException
from tiktok_ns_pipeline.mapping import Mapping
from tiktok_ns_pipeline.refunds.document import SUBJECT
from tiktok_ns_pipeline.refunds.flow import KINDS, REPLAYED_KINDS
from tiktok_ns_pipeline.refunds.observing import watermark_name
from tiktok_ns_pipeline.settings import Settings
from tiktok_ns_pipeline.tiktok.errors import TikTokError, WireError
from tiktok_ns_pipeline.tiktok.return_models import Return

_AGAIN_AFTER = timedelta(minutes=1)
"""What the last run could not read back waits for something: no use in asking at once."""
_LEAST_PER_PAGE = 10
"""TikTok gives no smaller page of returns (T 6.2)."""
_KINDS = (*REPLAYED_KINDS, *ENGINE_KINDS)


def look_for_work(settings: Settings, since_last_run: timedelta, clock: Clock | None = None) -> Look:
    """Ask our records, then TikTok. Raises MappingError and LedgerError; never for an unreachable TikTok."""

    def known(tx: Transaction, _mapping: Mapping) -> str | None:
        return _known_work(tx, since_last_run)

    return look(settings, known, _ask_tiktok, clock)


def unresolved(tx: Transaction) -> list[OpenException]:
    """Exceptions about returns that wait for a person, the most urgent first."""
    return [one for one in tx.exceptions.list(kinds=_KINDS) if _is_ours(one)]


def _known_work(tx: Transaction, since_last_run: timedelta) -> str | None:
    """What our own records say is to be done."""
    if tx.intents.is_work_due(KINDS) or tx.claims.is_due():
        return "returns are to be decided, or their documents to be sent or looked up"
    if tx.inbox.is_waiting(inbox.REFUNDS):
        return "TikTok told of returns"
    if since_last_run >= _AGAIN_AFTER and any(tx.links.not_read_back(kind, limit=1) for kind in KINDS):
        return "documents of refunds are to be read back"
    if any(map(_is_ours, tx.exceptions.asked_for_replay(_KINDS))):
        return "somebody asked for a replay"
    if tx.cursors.get(SHOPS_CURSOR) is None:
        return "the shops were never read"
    return None


def _is_ours(exception: OpenException) -> bool:
    return exception.subject.startswith(SUBJECT)


async def _ask_tiktok(glance: Glance) -> Look:
    """Whether any shop has a return that changed after its watermark."""
    first = glance.clock.now() - timedelta(days=glance.settings.first_look_days)
    answers = await asyncio.gather(*(_newer(glance, opened, first) for opened in glance.shops()))
    changed = [answer.reason for answer in answers if answer.is_due]
    said = changed or [answer.reason for answer in answers]
    return Look(bool(changed), "; ".join(said) or "the mapping knows none of the opened shops")


async def _newer(glance: Glance, opened: OpenedShop, first: datetime) -> Look:
    shop, _access = opened
    name = f"returns of shop {shop.code}"
    with glance.ledger.read() as tx:
        mark = tx.cursors.get(watermark_name(shop.code))
    read_until = datetime.fromisoformat(mark) if mark else None
    try:
        async with asyncio.timeout(LONGEST_S):
            newest = await _newest(glance, opened, read_until or first)
    except TimeoutError:
        return Look(False, f"{name}: TikTok did not answer within {LONGEST_S:g} s")
    except (TikTokError, WireError) as error:
        return Look(False, f"{name}: {error}")
    if newest is None or (read_until is not None and newest <= read_until):
        return Look(False, f"{name}: nothing changed since {read_until or first:%Y-%m-%d %H:%M:%S}Z")
    return Look(True, f"{name}: something changed at {newest:%Y-%m-%d %H:%M:%S}Z")


async def _newest(glance: Glance, opened: OpenedShop, since: datetime) -> datetime | None:
    """When the shop's newest return changed; what comes from the future must not ask for runs for ever."""
    pages = glance.tiktok.returns.search(
        opened[1], updated_since=since, page_size=_LEAST_PER_PAGE, sort_order="DESC", lane="urgent"
    )
    async for page in pages:
        told: list[datetime] = []
        for raw in page.rows:
            try:
                changed = Return.parse(raw).update_time
            except WireError:
                continue
            if changed is not None and changed <= page.read_at + FUTURE:
                told.append(changed)
        return max(told, default=None)
    return None
