"""Is there work? The question that a sensor asks every few seconds, answered without doing any.

Our own records are asked first; only when they name nothing is TikTok asked for one order per shop,
the one that changed last. An answer is a hint and carries no truth: a missed one costs the time
until the next regular run, a needless one costs a run that finds nothing.

A look is short and leaves no trace: it takes no slot of the governor, repeats nothing, and never
refreshes a login, since a refresh that is cut short could lose the new token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
from sqlalchemy.exc import OperationalError, ProgrammingError

from tiktok_ns_pipeline.clock import Clock, SystemClock
from tiktok_ns_pipeline.engine.dispatcher import ENGINE_KINDS
from tiktok_ns_pipeline.lake.orders import raw_order_row
from tiktok_ns_pipeline.ledger import Ledger, Transaction
from tiktok_ns_pipeline.ledger.database import open_engine
from tiktok_ns_pipeline.mapping import Mapping, load_mapping
from tiktok_ns_pipeline.orders.applying import SALES_ORDER
from tiktok_ns_pipeline.orders.flow import BASIS_CURSOR, KINDS
from tiktok_ns_pipeline.orders.observing import FUTURE, SHOPS_CURSOR, watermark_name
from tiktok_ns_pipeline.orders.planning import STAGING_KINDS
from tiktok_ns_pipeline.settings import Settings
from tiktok_ns_pipeline.tiktok.auth import TikTokApp, TikTokLogin
from tiktok_ns_pipeline.tiktok.client import ShopAccess, TikTokClient
from tiktok_ns_pipeline.tiktok.errors import TikTokError
from tiktok_ns_pipeline.tiktok.throttling import RateLimiter, RetryPolicy

_LONGEST_S = 0.7
"""TikTok's part of a look: the whole evaluation stays under a second."""

_READ_BACK_AFTER = timedelta(minutes=1)
"""What the last run could not read back, NetSuite does not show yet (N 3.5): no use in asking at once."""


@dataclass(frozen=True, slots=True)
class Look:
    """Whether a run would find work, and what says so."""

    is_due: bool
    reason: str


@dataclass(frozen=True, slots=True)
class _Shop:
    code: str
    access: ShopAccess
    read_until: datetime | None
    """None where no order was ever read."""


def look_for_work(settings: Settings, since_last_run: timedelta, clock: Clock | None = None) -> Look:
    """Ask our records, then TikTok. Raises MappingError and LedgerError; never for an unreachable TikTok."""
    clock = clock or SystemClock()
    mapping = load_mapping(settings.mapping_path)
    ledger = Ledger(open_engine(settings.database_url), clock)
    try:
        with ledger.read() as tx:
            known = _known_work(tx, mapping, since_last_run)
            shops = [] if known else _watermarks(tx, mapping)
        if known:
            return Look(True, known)
        return asyncio.run(_ask_tiktok(settings, ledger, clock, shops))
    except (OperationalError, ProgrammingError):
        # Without tables there is nothing to read from, and a run makes them.
        return Look(True, "the ledger cannot be read yet")
    finally:
        ledger.close()


def is_anybody_at_work(settings: Settings) -> bool:
    """Whether any process of the pipeline holds or awaits slots; one at work says so every two seconds."""
    ledger = Ledger(open_engine(settings.database_url), SystemClock())
    try:
        with ledger.read() as tx:
            return any(tx.leases.living(system) for system in ("netsuite", "tiktok"))
    except (OperationalError, ProgrammingError):
        return True
    finally:
        ledger.close()


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
    if tx.cursors.get(SHOPS_CURSOR) is None:
        return "the shops were never read"
    return None


def _watermarks(tx: Transaction, mapping: Mapping) -> list[_Shop]:
    """How far each mapped shop was read."""
    accesses = [ShopAccess(**fields) for fields in tx.cursors.get(SHOPS_CURSOR)["shops"]]
    found = [(mapping.shop_of(access.shop_id), access) for access in accesses]
    marks = [(shop.code, access, tx.cursors.get(watermark_name(shop.code))) for shop, access in found if shop]
    return [
        _Shop(code, access, datetime.fromisoformat(mark) if mark else None) for code, access, mark in marks
    ]


async def _ask_tiktok(
    settings: Settings,
    ledger: Ledger,
    clock: Clock,
    shops: Sequence[_Shop],
) -> Look:
    """Whether any shop has an order that changed after its watermark."""
    async with httpx.AsyncClient(timeout=_LONGEST_S) as http:
        app = TikTokApp(settings.tiktok.app_key, settings.tiktok.app_secret)
        store = ledger.token_store(settings.encryption_key)
        client = TikTokClient(
            app,
            _StoredLogin(app, store, http, settings.tiktok.auth_url, clock),
            http,
            clock,
            api_base_url=settings.tiktok.api_url,
            limiter=RateLimiter(retries=RetryPolicy(attempts=1)),
        )
        first = clock.now() - timedelta(days=settings.first_look_days)
        answers = await asyncio.gather(*(_newer_in(client, shop, first) for shop in shops))
    changed = [answer.reason for answer in answers if answer.is_due]
    said = changed or [answer.reason for answer in answers]
    return Look(bool(changed), "; ".join(said) or "the mapping knows none of the opened shops")


async def _newer_in(client: TikTokClient, shop: _Shop, first: datetime) -> Look:
    try:
        async with asyncio.timeout(_LONGEST_S):
            newest = await _last_change(client, shop.access, shop.read_until or first)
    except TimeoutError:
        return Look(False, f"shop {shop.code}: TikTok did not answer within {_LONGEST_S:g} s")
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


class _StoredLogin(TikTokLogin):
    """Uses the token as it is stored; runs refresh it."""

    async def access_token(self) -> str:
        """The stored token, whatever its age."""
        return self.stored_token()

    async def refresh(self, stale_token: str) -> str:
        """No other token than the stale one: the call fails, and the next run refreshes."""
        return stale_token
