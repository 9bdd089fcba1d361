"""Is there work? The question that a sensor asks every few seconds, answered without doing any.

Our own records are asked first; only when they name nothing is a system asked, once and briefly. An
answer is a hint and carries no truth: a missed one costs the time until the next regular run, a
needless one costs a run that finds nothing.

A look is short and leaves no trace: it takes no slot of the governor, repeats nothing, and never
refreshes a login, since a refresh that is cut short could lose the new token.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from sqlalchemy.exc import OperationalError, ProgrammingError

from tiktok_ns_pipeline.clock import Clock, SystemClock
from tiktok_ns_pipeline.flows.shops import SHOPS_CURSOR, OpenedShop
from tiktok_ns_pipeline.ledger import Ledger, Transaction
from tiktok_ns_pipeline.ledger.database import open_engine
from tiktok_ns_pipeline.mapping import Mapping as SellerMapping
from tiktok_ns_pipeline.mapping import load_mapping
from tiktok_ns_pipeline.netsuite.auth import Authenticator
from tiktok_ns_pipeline.netsuite.client import NetSuiteClient
from tiktok_ns_pipeline.netsuite.errors import NetSuiteAuthenticationError
from tiktok_ns_pipeline.runtime import netsuite_authenticator, tls
from tiktok_ns_pipeline.settings import Settings
from tiktok_ns_pipeline.tiktok.auth import TikTokApp, TikTokLogin
from tiktok_ns_pipeline.tiktok.client import ShopAccess, TikTokClient
from tiktok_ns_pipeline.tiktok.throttling import RateLimiter, RetryPolicy

LONGEST_S = 0.7
"""The asked system's part of a look: the whole evaluation stays under a second."""


@dataclass(frozen=True, slots=True)
class Look:
    """Whether a run would find work, and what says so."""

    is_due: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Glance:
    """What a look may ask: both systems with the logins as they are stored, and our records."""

    settings: Settings
    mapping: SellerMapping
    ledger: Ledger
    clock: Clock
    tiktok: TikTokClient
    netsuite: NetSuiteClient

    def shops(self) -> list[OpenedShop]:
        """The mapped shops as a run read them last."""
        with self.ledger.read() as tx:
            stored = tx.cursors.get(SHOPS_CURSOR)
        accesses = [ShopAccess(**fields) for fields in stored["shops"]] if stored else []
        found = [(self.mapping.shop_of(access.shop_id), access) for access in accesses]
        return [(shop, access) for shop, access in found if shop]


def look(
    settings: Settings,
    known: Callable[[Transaction, SellerMapping], str | None],
    ask: Callable[[Glance], Awaitable[Look]],
    clock: Clock | None = None,
) -> Look:
    """Ask our records (`known` gives what they say is to be done), then a system (`ask`).

    Raises MappingError and LedgerError.
    """
    clock = clock or SystemClock()
    mapping = load_mapping(settings.mapping_path)
    ledger = Ledger(open_engine(settings.database_url), clock)
    try:
        with ledger.read() as tx:
            reason = known(tx, mapping)
        if reason:
            return Look(True, reason)
        return asyncio.run(_asked(settings, mapping, ledger, clock, ask))
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


async def _asked(
    settings: Settings,
    mapping: SellerMapping,
    ledger: Ledger,
    clock: Clock,
    ask: Callable[[Glance], Awaitable[Look]],
) -> Look:
    async with _glance(settings, mapping, ledger, clock) as glance:
        return await ask(glance)


@asynccontextmanager
async def _glance(
    settings: Settings, mapping: SellerMapping, ledger: Ledger, clock: Clock
) -> AsyncGenerator[Glance]:
    async with httpx.AsyncClient(verify=tls(), timeout=LONGEST_S) as http:
        app = TikTokApp(settings.tiktok.app_key, settings.tiktok.app_secret)
        store = ledger.token_store(settings.encryption_key)
        yield Glance(
            settings=settings,
            mapping=mapping,
            ledger=ledger,
            clock=clock,
            tiktok=TikTokClient(
                app,
                _StoredLogin(app, store, http, settings.tiktok.auth_url, clock),
                http,
                clock,
                api_base_url=settings.tiktok.api_url,
                limiter=RateLimiter(retries=RetryPolicy(attempts=1)),
            ),
            netsuite=NetSuiteClient(
                settings.netsuite.base_url,
                _Unrenewed(netsuite_authenticator(settings.netsuite, store, http, clock)),
                http,
                clock,
                timeout_s=LONGEST_S,
            ),
        )


class _StoredLogin(TikTokLogin):
    """Uses the token as it is stored; runs refresh it."""

    async def access_token(self) -> str:
        """The stored token, whatever its age."""
        return self.stored_token()

    async def refresh(self, stale_token: str) -> str:
        """No other token than the stale one: the call fails, and the next run refreshes."""
        return stale_token


class _Unrenewed:
    """NetSuite's login without a second try: five refused logins lock a token (N 1.4)."""

    def __init__(self, login: Authenticator) -> None:
        self._login = login

    async def headers(self, method: str, url: str) -> dict[str, str]:
        """The proof as it can be made without a new login."""
        if not self._login.is_ready:
            raise NetSuiteAuthenticationError("the login is to be renewed, which a run does")
        return await self._login.headers(method, url)

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Never: a run finds out what is wrong."""
        return False

    @property
    def is_ready(self) -> bool:
        """As the login says."""
        return self._login.is_ready
