"""The runtime: settings and mapping turned into live connections, opened for a run and closed after.

Everything that talks, remembers or tells the time is made here and handed down, so that the same
flow runs on real accounts, on the sandbox over loopback, or in one process in virtual time.
"""

from __future__ import annotations

import logging
import random
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache

import httpx
import stamina
from stamina.instrumentation import RetryDetails

from tiktok_ns_pipeline.clock import Clock, SystemClock
from tiktok_ns_pipeline.engine.dispatcher import Probe
from tiktok_ns_pipeline.engine.governor import LEASE_RENEWALS, Governor
from tiktok_ns_pipeline.engine.reporting import Reporter
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.mapping import Mapping, load_mapping
from tiktok_ns_pipeline.netsuite.auth import (
    Authenticator,
    OAuth2ClientCredentials,
    TokenBasedAuthentication,
)
from tiktok_ns_pipeline.netsuite.client import NetSuiteClient
from tiktok_ns_pipeline.settings import NetSuiteSettings, Settings
from tiktok_ns_pipeline.tiktok.auth import TikTokApp, TikTokLogin
from tiktok_ns_pipeline.tiktok.client import TikTokClient
from tiktok_ns_pipeline.tokens import TokenStore

_TIKTOK_BUDGET = 8
"""Concurrent calls to TikTok; its own limit is a rate, which the client keeps (T 2.4)."""

_RENEW_SLOTS_S = 2.0
"""How often processes share the slots anew."""


_log = logging.getLogger(__name__)


def _tell_of_retry(details: RetryDetails) -> None:
    _log.info("try %d failed, again in %.1f s: %s", details.retry_num, details.wait_for, details.caused_by)


# A repeated read is no news; the library's default would print each one.
stamina.instrumentation.set_on_retry_hooks([_tell_of_retry])


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a flow needs to turn."""

    settings: Settings
    clock: Clock
    ledger: Ledger
    lake: Lake
    mapping: Mapping
    tiktok: TikTokClient
    tiktok_login: TikTokLogin
    netsuite: NetSuiteClient
    governors: dict[str, Governor]
    probe: Probe
    jitter: random.Random

    @property
    def reporter(self) -> Reporter:
        """Makes exceptions whose owners the mapping names."""
        return Reporter(self.clock, self.mapping.owner_of)


@asynccontextmanager
async def open_runtime(
    settings: Settings,
    *,
    clock: Clock | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    probe: Probe = lambda _point: None,
    jitter: random.Random | None = None,
    governor_renew_s: float | None = None,
) -> AsyncGenerator[Runtime]:
    """Open ledger, lake, mapping and both systems. `transport` replaces the network (simulation)."""
    clock = clock or SystemClock()
    if governor_renew_s is None:
        # Slots of a process that died are free again no later than what it had claimed.
        governor_renew_s = min(_RENEW_SLOTS_S, settings.lease_s / LEASE_RENEWALS)
    ledger = Ledger.open(settings.database_url, clock, durable=settings.durable)
    mapping = load_mapping(settings.mapping_path)
    lake = Lake(settings.lake_url, clock, durable=settings.durable)
    store = ledger.token_store(settings.encryption_key)
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=60)
    governors = {
        system: Governor(
            system, ledger, clock, holder=settings.holder, budget=budget, renew_s=governor_renew_s
        )
        for system, budget in (
            ("netsuite", settings.netsuite.slots or mapping.netsuite.slots),
            ("tiktok", _TIKTOK_BUDGET),
        )
    }
    async with (
        # The adapters limit each request themselves, as they do on every transport.
        httpx.AsyncClient(verify=tls(), transport=transport, limits=limits, timeout=None) as http,  # noqa: S113
        governors["netsuite"],
        governors["tiktok"],
    ):
        app = TikTokApp(settings.tiktok.app_key, settings.tiktok.app_secret)
        login = TikTokLogin(app, store, http, settings.tiktok.auth_url, clock)
        netsuite = settings.netsuite
        authenticator = netsuite_authenticator(netsuite, store, http, clock)
        try:
            yield Runtime(
                settings=settings,
                clock=clock,
                ledger=ledger,
                lake=lake,
                mapping=mapping,
                tiktok=TikTokClient(app, login, http, clock, governors["tiktok"], settings.tiktok.api_url),
                tiktok_login=login,
                netsuite=NetSuiteClient(
                    netsuite.base_url,
                    authenticator,
                    http,
                    clock,
                    governors["netsuite"],
                    timeout_s=netsuite.timeout_s,
                ),
                governors=governors,
                probe=probe,
                jitter=jitter or random.Random(),
            )
        finally:
            lake.close()
    ledger.close()


@cache
def tls() -> ssl.SSLContext:
    """Whom this machine trusts. To read that takes longer than to ask a sensor's question."""
    return httpx.create_ssl_context()


def netsuite_authenticator(
    netsuite: NetSuiteSettings, store: TokenStore, http: httpx.AsyncClient, clock: Clock
) -> Authenticator:
    """The login to NetSuite that the settings name. Raises ValueError when the key does not fit."""
    if netsuite.auth == "tba":
        return TokenBasedAuthentication(
            netsuite.account,
            netsuite.consumer_key,
            netsuite.consumer_secret,
            netsuite.token_id,
            netsuite.token_secret,
            clock=clock,
        )
    return OAuth2ClientCredentials(
        account_id=netsuite.account,
        base_url=netsuite.base_url,
        client_id=netsuite.client_id,
        certificate_id=netsuite.certificate_id,
        private_key_pem=netsuite.private_key,
        store=store,
        http=http,
        clock=clock,
        algorithm=netsuite.algorithm,
    )
