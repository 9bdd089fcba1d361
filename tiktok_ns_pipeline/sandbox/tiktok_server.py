"""TikTok Shop's API as the seller's app meets it, over the simulated world (T 1 to 8).

One ASGI app. A request passes the gates in one fixed order: path, verb, app key, timestamp,
signature, access token, scope, shop cipher, quota, parameters; the first gate that it fails answers.
Every answer has the envelope of T 1.6 and a Date by the world's clock; the timestamp of a signature is
compared with the base clock, on which the caller lives too.

The endpoints are in `tiktok_orders`, `tiktok_fulfilment`, `tiktok_logistics`, `tiktok_cancellations`,
`tiktok_returns`, `tiktok_products`, `tiktok_finance` and `webhooks`. Faults of the plan are acted out
here (`_before`, `_after`); those of lists, there.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

from tiktok_ns_pipeline.sandbox import (
    tiktok_cancellations,
    tiktok_finance,
    tiktok_fulfilment,
    tiktok_logistics,
    tiktok_orders,
    tiktok_products,
    tiktok_returns,
)
from tiktok_ns_pipeline.sandbox.catalogue import APP_KEY, APP_SECRET, SHOPS
from tiktok_ns_pipeline.sandbox.faults import DropConnection, Fault, FaultKind, FaultPlan, RefuseConnection
from tiktok_ns_pipeline.sandbox.paging import PageTokens
from tiktok_ns_pipeline.sandbox.refusals import Refusal
from tiktok_ns_pipeline.sandbox.tiktok_calls import Call
from tiktok_ns_pipeline.sandbox.tiktok_routes import NO_SUCH_PATH, WRONG_VERB, Desks, Route, Routes
from tiktok_ns_pipeline.sandbox.tiktok_tokens import TokenDesk, TokenRules
from tiktok_ns_pipeline.sandbox.transport import Message, Receive, Scope, Send
from tiktok_ns_pipeline.sandbox.webhooks import WebhookDesk
from tiktok_ns_pipeline.sandbox.world import World

_TOKEN_PATHS = "/api/v2/token/"  # noqa: S105 - a path

# A signature's timestamp may be so old, and so far ahead (T 1.5).
_OLDEST_S, _AHEAD_S = 300, 30


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    content_type: str = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class ServerRules:
    """How strict and how generous the server is."""

    always_http_200: bool = False
    """Whether refusals come with HTTP 200, as one production client met them (T 2.3)."""
    requests_per_second: float = 200.0
    """Quota of one app on one shop (T 2.4)."""
    burst: int = 400


class TikTokServer:
    """The ASGI app. `tokens` is the desk that gives out codes and tokens."""

    def __init__(
        self,
        world: World,
        rules: ServerRules | None = None,
        *,
        token_rules: TokenRules | None = None,
        faults: FaultPlan | None = None,
    ) -> None:
        self.world = world
        self.faults = faults or world.faults
        self.rules = rules or ServerRules()
        self.tokens = TokenDesk(world, token_rules)
        self.webhooks = WebhookDesk(world)
        self._answers = 0
        self._quota: dict[str, tuple[float, float]] = {}
        self._desks = Desks(world, PageTokens(world.seed), self.webhooks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or none if the plan says so."""
        if scope["type"] != "http":
            return
        call = Call(
            scope["method"],
            scope["path"],
            parse_qsl(scope["query_string"].decode("ascii", "replace"), keep_blank_values=True),
            {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
            await _whole_body(receive),
        )
        await _send(await self.answer(call), self._date(), send)

    async def answer(self, call: Call) -> Answer:
        """The answer to a call; raises DropConnection where the plan lets there be none."""
        decide = self.faults.decide
        if call.path.startswith(_TOKEN_PATHS):
            decide = self.faults.decide_injected
        call.fault = decide("tiktok", call.method, call.path)
        early = await self._before(call.fault)
        if early is not None:
            return early
        self.world.catch_up()
        try:
            answer = self._envelope(self._handled(call))
        except Refusal as refusal:
            answer = self._refused(refusal)
        return await self._after(call.fault) or answer

    # Faults

    async def _before(self, fault: Fault | None) -> Answer | None:
        """What goes wrong before anything is done."""
        if fault is None:
            return None
        match fault.kind:
            case FaultKind.refuse:
                raise RefuseConnection
            case FaultKind.cut_before_commit:
                raise DropConnection
            case FaultKind.delay:
                await asyncio.sleep(fault.seconds)
            case FaultKind.timeout_before_commit:
                await asyncio.sleep(fault.seconds)
                return self._refused(_GATEWAY_TIMEOUT)
            case kind:
                return self._early_answer(kind)
        return None

    def _early_answer(self, kind: FaultKind) -> Answer | None:
        if kind is FaultKind.html_body:
            return Answer(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", "text/html")
        refusal = _REFUSED_BEFORE.get(kind)
        return None if refusal is None else self._refused(refusal)

    async def _after(self, fault: Fault | None) -> Answer | None:
        """What goes wrong after everything was done."""
        if fault is None:
            return None
        match fault.kind:
            case FaultKind.cut_after_commit:
                raise DropConnection
            case FaultKind.timeout_after_commit:
                await asyncio.sleep(fault.seconds)
                return self._refused(_GATEWAY_TIMEOUT)
            case FaultKind.http_500_after:
                return self._refused(_INTERNAL)
            case _:
                return None

    # Gates

    def _handled(self, call: Call) -> str:
        """Text of `data` for a call that passes every gate; raises Refusal at the first it fails."""
        if call.path.startswith(_TOKEN_PATHS):
            return json.dumps(self._token_call(call))
        route = _ROUTES.of(call)
        self._check_signature(call)
        scopes = self.tokens.scopes_of(call.headers.get("x-tts-access-token"))
        if route.scope is not None and route.scope not in scopes:
            raise Refusal(105005, f"The access token lacks the scope {route.scope}.", 403)
        self._check_cipher(call, route)
        self._check_quota(call.shop.id if route.takes_cipher else "")
        return route.handler(self._desks, call)

    def _token_call(self, call: Call) -> dict[str, Any]:
        desks = {"get": self.tokens.exchange, "refresh": self.tokens.refresh}
        desk = desks.get(call.path.removeprefix(_TOKEN_PATHS))
        if desk is None:
            raise NO_SUCH_PATH
        if call.method != "GET":
            raise WRONG_VERB
        return desk(call.query)

    def _check_signature(self, call: Call) -> None:
        query = call.query
        if query.get("app_key") != APP_KEY:
            raise Refusal(36009004, "The app_key in the query is not valid.", 400)
        self._check_timestamp(query.get("timestamp", ""))
        given = query.get("sign")
        if not given:
            raise Refusal(36009004, "The query carries no signature.", 400)
        # A client may sign an empty object or leave it out (T 2.1).
        bodies = {call.body, b""} if call.body == b"{}" else {call.body}
        if not any(hmac.compare_digest(given, signature_of(call, body)) for body in bodies):
            raise Refusal(106001, "The sign in the query does not match the request.", 400)

    def _check_timestamp(self, text: str) -> None:
        if not re.fullmatch(r"-?[0-9]{1,12}", text):
            raise Refusal(36009004, "The timestamp in the query is missing or no number.", 400)
        age = self.world.clock.base.now().timestamp() - int(text)
        if int(text) < 0:
            raise Refusal(36009004, "The timestamp in the query is negative.", 400)
        if age > _OLDEST_S:
            raise Refusal(36009004, "The timestamp in the query is more than 5 minutes old.", 400)
        if age < -_AHEAD_S:
            raise Refusal(36009004, "The timestamp in the query is more than 30 seconds ahead.", 400)

    def _check_cipher(self, call: Call, route: Route) -> None:
        cipher = call.query.get("shop_cipher")
        if not route.takes_cipher:
            if cipher is not None:
                raise Refusal(36009004, "This request takes no shop_cipher.", 400)
            return
        if not cipher:
            raise Refusal(106013, "This request needs a shop_cipher.", 400)
        shop = _SHOP_BY_CIPHER.get(cipher)
        if shop is None:
            raise Refusal(36009004, "The shop_cipher is not valid.", 400)
        call.shop = shop

    def _check_quota(self, key: str) -> None:
        """A bucket of requests for each app and shop, refilled as time passes."""
        now = self.world.clock.base.now().timestamp()
        left, since = self._quota.get(key, (float(self.rules.burst), now))
        left = min(float(self.rules.burst), left + (now - since) * self.rules.requests_per_second)
        if left < 1:
            self._quota[key] = (left, now)
            raise _TOO_MANY
        self._quota[key] = (left - 1, now)

    # Envelopes

    def _envelope(self, data: str) -> Answer:
        text = f'{{"code":0,"data":{data},"message":"Success","request_id":"{self._request_id()}"}}'
        # Half a surrogate pair, which UTF-8 cannot carry, goes out as its JSON escape.
        return Answer(200, text.encode("utf-8", "backslashreplace"))

    def _refused(self, refusal: Refusal) -> Answer:
        body = {
            "code": refusal.code,
            "message": refusal.message,
            "request_id": self._request_id(),
            "data": None,
        }
        status = 200 if self.rules.always_http_200 else refusal.http_status
        return Answer(status, json.dumps(body).encode())

    def _request_id(self) -> str:
        self._answers += 1
        noise = hashlib.sha256(f"{self.world.seed} {self._answers}".encode()).hexdigest()[:18].upper()
        return f"{self.world.now():%Y%m%d%H%M%S}{noise}"

    def _date(self) -> bytes:
        return format_datetime(self.world.now(), usegmt=True).encode()


def tiktok_app(
    world: World, faults: FaultPlan | None = None, rules: ServerRules | None = None
) -> TikTokServer:
    """TikTok Shop over a world; faults come from that plan, or from the world's own."""
    return TikTokServer(world, rules, faults=faults)


def signature_of(call: Call, body: bytes) -> str:
    """What `sign` has to be for a call with that body (T 2.1)."""
    secret = APP_SECRET.encode()
    pairs = [
        (name.encode(), value.encode()) for name, value in call.pairs if name not in {"sign", "access_token"}
    ]
    # By key only: of a repeated parameter the values stay in the order in which they came.
    signed = sorted(pairs, key=lambda pair: pair[0])
    text = secret + call.path.encode() + b"".join(name + value for name, value in signed)
    if not call.headers.get("content-type", "").startswith("multipart/form-data"):
        text += body
    return hmac.new(secret, text + secret, hashlib.sha256).hexdigest()


_WEBHOOKS = ("/event/202309/webhooks", "seller.authorization.info", True)
_WEBHOOK_ROUTES = (
    Route("GET", *_WEBHOOKS, lambda desks, call: desks.webhooks.listed(call)),
    Route("PUT", *_WEBHOOKS, lambda desks, call: desks.webhooks.register(call)),
    Route("DELETE", *_WEBHOOKS, lambda desks, call: desks.webhooks.delete(call)),
)
_ROUTES = Routes(
    (
        *tiktok_orders.ROUTES,
        *tiktok_fulfilment.ROUTES,
        *tiktok_logistics.ROUTES,
        *tiktok_cancellations.ROUTES,
        *tiktok_returns.ROUTES,
        *tiktok_finance.ROUTES,
        *tiktok_products.ROUTES,
        *_WEBHOOK_ROUTES,
    )
)
_SHOP_BY_CIPHER = {shop.cipher: shop for shop in SHOPS}

_TOO_MANY = Refusal(36009002, "Too many requests in a short time.", 429)
_INTERNAL = Refusal(36009003, "Internal error; try again.", 500)
_GATEWAY_TIMEOUT = Refusal(36009007, "The request timed out behind the gateway.", 504)

_REFUSED_BEFORE: dict[FaultKind, Refusal] = {
    FaultKind.http_429: _TOO_MANY,
    FaultKind.http_500_before: _INTERNAL,
    FaultKind.http_503: Refusal(36009003, "Overloaded or under maintenance.", 503),
    FaultKind.unauthorized: Refusal(105002, "The access token has expired.", 401),
}


async def _whole_body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


async def _send(answer: Answer, date: bytes, send: Send) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        (b"date", date),
    ]
    start: Message = {"type": "http.response.start", "status": answer.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": answer.body})
