"""A sandbox on loopback, and the two ledgers in it as a test writes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.gate import Gate, OpenGate
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.mapping import Mapping, load_mapping
from tiktok_ns_pipeline.netsuite.auth import TokenBasedAuthentication
from tiktok_ns_pipeline.netsuite.client import NetSuiteClient
from tiktok_ns_pipeline.reconciliation.orders import Reconciliation
from tiktok_ns_pipeline.reconciliation.proof import reconcile_day
from tiktok_ns_pipeline.reconciliation.reading import Sources
from tiktok_ns_pipeline.sandbox.catalogue import APP_KEY, APP_SECRET, AUTH_CODE
from tiktok_ns_pipeline.sandbox.serve import RunningSandbox
from tiktok_ns_pipeline.sandbox.world import Line, World
from tiktok_ns_pipeline.tiktok.auth import TikTokApp, TikTokLogin
from tiktok_ns_pipeline.tiktok.client import ShopAccess, TikTokClient
from tiktok_ns_pipeline.tokens import MemoryTokenStore

MAPPING = load_mapping(Path(__file__).parents[2] / "config" / "mapping.sandbox.yaml")
DAY = date(2026, 8, 2)
NOON = datetime(2026, 8, 2, 19, tzinfo=UTC)
"""Noon of that day in the US shop's zone."""
NOW = datetime(2026, 8, 4, 12, tzinfo=UTC)

T = TypeVar("T")


@dataclass
class Bench:
    """A sandbox, and the two ledgers as a test writes them."""

    running: RunningSandbox
    lake: Lake
    clock: Clock
    shop: str = "us"
    mapping: Mapping = MAPPING
    gate: Gate = field(default_factory=OpenGate)
    _customers: dict[str, str] = field(default_factory=dict)
    _tokens: MemoryTokenStore = field(default_factory=MemoryTokenStore)
    _consent: list[str] = field(default_factory=lambda: [AUTH_CODE])

    @property
    def world(self) -> World:
        return self.running.sandbox.world

    def order(self, *, placed_at: datetime = NOON, price: str = "10.00", **options: Any) -> str:
        """One order over 2 units of that price, placed at noon of the day."""
        return self.world.place_order(self.shop, [Line("SKU-001", 2, price)], placed_at=placed_at, **options)

    def sale(self, order_id: str | None, *, amount: str = "20.00", day: date = DAY, **fields: Any) -> str:
        """A Sales Order over that amount, made as a person or our pipeline would."""
        books = self.running.sandbox.books
        if self.shop not in self._customers:
            customer = {"companyName": "TikTok buyers", "subsidiary": {"id": "1"}, "currency": {"id": "1"}}
            self._customers[self.shop] = books.create("customer", customer).record.id
        line = {
            "item": {"id": "301"},
            "quantity": 1,
            "price": {"id": "-1"},
            "rate": Decimal(amount),
            "amount": Decimal(amount),
            "location": {"id": "6"},
        }
        body = {
            "externalId": f"tts-{self.shop}-so-{order_id}",
            "entity": {"id": self._customers[self.shop]},
            "tranDate": day.isoformat(),
            "custbody_tts_order_id": order_id,
            "custbody_tts_shop": self.shop,
            "item": {"items": [line]},
        } | fields
        given = {name: value for name, value in body.items() if value is not None}
        return books.create("salesOrder", given).record.id

    def close(self, sale: str) -> None:
        books = self.running.sandbox.books
        lines = books.get("salesOrder", sale)["item"]["items"]
        closed = [{"line": line["line"], "isClosed": True} for line in lines]
        books.patch("salesOrder", sale, {"item": {"items": closed}})

    def prove(self, day: date = DAY, run_id: str = "run-1") -> Reconciliation:
        return self.ask(lambda sources: reconcile_day(sources, self.lake, day, run_id))

    def ask(self, question: Callable[[Sources], Awaitable[T]]) -> T:
        async def run() -> T:
            async with self._sources() as sources:
                return await question(sources)

        return asyncio.run(run())

    @asynccontextmanager
    async def _sources(self) -> AsyncIterator[Sources]:
        async with httpx.AsyncClient() as http:
            app = TikTokApp(APP_KEY, APP_SECRET)
            urls = self.running.urls
            login = TikTokLogin(app, self._tokens, http, urls.tiktok, self.clock)
            if self._consent:
                await login.exchange(self._consent.pop())
            tiktok = TikTokClient(app, login, http, self.clock, self.gate, urls.tiktok)
            authenticator = TokenBasedAuthentication(
                "1234567_SB1", "ck_sandbox", "cs_sandbox", "tk_sandbox", "ts_sandbox", clock=self.clock
            )
            netsuite = NetSuiteClient(urls.netsuite, authenticator, http, self.clock, retry_wait_s=0.01)
            shop = self.mapping.shops[self.shop]
            yield Sources(
                tiktok, netsuite, await _access(tiktok, shop.tiktok_shop_id), shop, self.mapping, self.clock
            )


async def _access(tiktok: TikTokClient, shop_id: str) -> ShopAccess:
    [access] = [shop for shop in await tiktok.authorized_shops() if shop.shop_id == shop_id]
    return access
