"""The sandbox's TikTok Shop on a real port, and two clients for it: ours, and one that we did not write.

`tiktok_shop_api` (PyPI) signs, sends and parses by itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from tiktok_shop_api import TikTokShop, TikTokShopAuth
from tiktok_shop_api.signing import Signer

from tiktok_ns_pipeline.clock import to_epoch
from tiktok_ns_pipeline.sandbox.catalogue import APP_KEY, APP_SECRET, SHOPS
from tiktok_ns_pipeline.sandbox.tiktok_server import TikTokServer
from tiktok_ns_pipeline.sandbox.world import World
from tiktok_ns_pipeline.tiktok.auth import TikTokApp, TikTokLogin
from tiktok_ns_pipeline.tiktok.client import ShopAccess, TikTokClient
from tiktok_ns_pipeline.tiktok.throttling import RateLimiter, RetryPolicy
from tiktok_ns_pipeline.tokens import MemoryTokenStore

_APP = TikTokApp(APP_KEY, APP_SECRET)


@dataclass
class Market:
    """A running server and what is behind it."""

    url: str
    server: TikTokServer
    world: World
    store: MemoryTokenStore = field(default_factory=MemoryTokenStore)

    def desk(self, secret: str = APP_SECRET) -> TikTokShopAuth:
        return TikTokShopAuth(APP_KEY, secret, base_url=self.url)

    def foreign(self, region: str | None = None, *, secret: str = APP_SECRET) -> TikTokShop:
        """The foreign client, logged in, with the cipher of that region's shop."""
        token = self.desk().exchange_code(self.server.tokens.fresh_code()).access_token
        cipher = next((shop.cipher for shop in SHOPS if shop.region == region), None)
        return TikTokShop(APP_KEY, secret, token, cipher, base_url=self.url)

    def foreign_signature(self, region: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The envelope of a POST that the foreign client knows by another version only: signed by it."""
        content = json.dumps(body).encode()
        cipher = next(shop.cipher for shop in SHOPS if shop.region == region)
        query = {"app_key": APP_KEY, "timestamp": str(to_epoch(self.world.now())), "shop_cipher": cipher}
        query["sign"] = Signer.sign(
            path=path,
            query=list(query.items()),
            content_type="application/json",
            body=content,
            app_secret=APP_SECRET,
        )
        token = self.desk().exchange_code(self.server.tokens.fresh_code()).access_token
        headers = {"content-type": "application/json", "x-tts-access-token": token}
        answer = httpx.post(self.url + path, params=query, content=content, headers=headers)
        return answer.json()

    def ours(self, call: Callable[[TikTokClient], Awaitable[Any]], *, timeout_s: float = 10.0) -> Any:
        """What our client makes of a call; it logs in first."""

        async def run() -> Any:
            async with httpx.AsyncClient() as http:
                login = TikTokLogin(_APP, self.store, http, self.url)
                await login.exchange(self.server.tokens.fresh_code())
                limiter = RateLimiter(1000, retries=RetryPolicy(first_wait_s=0.01, jitter_s=0))
                client = TikTokClient(
                    _APP, login, http, api_base_url=self.url, timeout_s=timeout_s, limiter=limiter
                )
                return await call(client)

        return asyncio.run(run())

    def access(self, region: str) -> ShopAccess:
        shop = next(shop for shop in SHOPS if shop.region == region)
        return ShopAccess(shop.id, shop.cipher, shop.code, shop.name, shop.region, shop.seller_type)

    def orders(self, region: str, page_size: int = 100) -> list[dict[str, Any]]:
        """Every order of a shop, as our client lists them."""

        async def listed(client: TikTokClient) -> list[dict[str, Any]]:
            pages = client.search_orders(self.access(region), update_time_ge=None, page_size=page_size)
            return [order async for page in pages for order in page.orders]

        return self.ours(listed)

    def ids(self, region: str) -> list[str]:
        return [order["id"] for order in self.orders(region)]

    def placed(self, region: str) -> set[str]:
        """What the world knows to be listed."""
        key = next(shop.key for shop in SHOPS if shop.region == region)
        return {truth.order_id for truth in self.world.truth() if truth.shop_code == key}


def stated(value: Any) -> Any:
    """A document without the keys that have no value: the foreign models drop an empty object."""
    if isinstance(value, dict):
        entries = ((key, stated(item)) for key, item in value.items())
        return {key: item for key, item in entries if item not in (None, {})}
    return [stated(item) for item in value] if isinstance(value, list) else value


def unknown_keys(model: Any, path: str = "") -> set[str]:
    """Keys that the foreign models do not name, on any level."""
    if isinstance(model, list):
        return set().union(*(unknown_keys(one, path) for one in model))
    if not hasattr(model, "additional_properties"):
        return set()
    found = {f"{path}.{name}" for name in model.additional_properties}
    for name in type(model).__annotations__:
        if name != "additional_properties":
            found |= unknown_keys(getattr(model, name), f"{path}.{name}")
    return found
