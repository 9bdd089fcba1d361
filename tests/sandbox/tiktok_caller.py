"""A caller of the sandbox's TikTok server, in virtual time, that signs by hand."""

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from tiktok_ns_pipeline.sandbox.catalogue import APP_KEY, APP_SECRET, AUTH_CODE, SHOPS
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.tiktok_server import TikTokServer
from tiktok_ns_pipeline.sandbox.transport import InProcessTransport
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock, run_virtual
from tiktok_ns_pipeline.sandbox.world import World

US, UK, VN = SHOPS


@dataclass
class Caller:
    """Signs by hand, so that every part of a request can be made wrong."""

    server: TikTokServer
    http: httpx.AsyncClient
    token: str = ""

    @property
    def world(self) -> World:
        return self.server.world

    async def log_in(self) -> None:
        self.token = (await self.token_call("get", auth_code=AUTH_CODE, grant_type="authorized_code"))[
            "data"
        ]["access_token"]

    async def token_call(self, what: str, **query: str) -> dict[str, Any]:
        params = {"app_key": APP_KEY, "app_secret": APP_SECRET, **query}
        return (await self.http.get(f"/api/v2/token/{what}", params=params)).json()

    async def send(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: Any = None,
        *,
        shop: Any = US,
        **wrong: str,
    ) -> httpx.Response:
        """`wrong` replaces app_key, timestamp, sign, shop_cipher or token; "-" leaves it out."""
        now = int(self.world.clock.base.now().timestamp())
        params = {"app_key": APP_KEY, "timestamp": str(now), **(query or {})}
        if shop is not None:
            params["shop_cipher"] = shop.cipher
        params |= {name: value for name, value in wrong.items() if name not in {"sign", "token"}}
        params = {name: value for name, value in params.items() if value != "-"}
        content = b"" if body is None else json.dumps(body).encode()
        text = (
            APP_SECRET
            + path
            + "".join(name + params[name] for name in sorted(params))
            + content.decode()
            + APP_SECRET
        )
        params["sign"] = wrong.get(
            "sign", hmac.new(APP_SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        )
        headers = {"content-type": "application/json", "x-tts-access-token": wrong.get("token", self.token)}
        url = (
            path
            + "?"
            + "&".join(f"{name}={quote(value, safe='')}" for name, value in params.items() if value != "-")
        )
        return await self.http.request(method, url, content=content, headers=headers)

    async def data(self, *args: Any, **options: Any) -> dict[str, Any]:
        answer = await self.send(*args, **options)
        assert (answer.status_code, answer.json()["code"]) == (200, 0), answer.text
        return answer.json()["data"]

    async def code(self, *args: Any, **options: Any) -> int:
        """The code alone, 0 for success."""
        return (await self.send(*args, **options)).json()["code"]

    async def refusal(self, *args: Any, **options: Any) -> tuple[int, int]:
        answer = await self.send(*args, **options)
        body = answer.json()
        assert body["data"] is None
        assert len(body["request_id"]) == 32
        return answer.status_code, body["code"]


def meet(test: Callable[[Caller], Any], *, log_in: bool = True, **options: Any) -> None:
    """Give the test a caller of a fresh server, in virtual time."""
    rules, token_rules = options.pop("rules", None), options.pop("token_rules", None)

    async def main(clock: VirtualClock) -> None:
        world = World(clock=clock, **{"mix": Mix.plain(), **options})
        server = TikTokServer(world, rules, token_rules=token_rules)
        transport = InProcessTransport({"api": server})
        async with httpx.AsyncClient(transport=transport, base_url="https://api", timeout=None) as http:
            caller = Caller(server, http)
            if log_in:
                await caller.log_in()
            await test(caller)

    run_virtual(main)
