"""TikTok Shop's API as the seller's app meets it, over the simulated world (T 1 to 3).

One ASGI app. A request passes the gates in one fixed order: path, verb, app key, timestamp,
signature, access token, scope, shop cipher, quota, parameters; the first gate that it fails answers.
Every answer has the envelope of T 1.6 and a Date by the world's clock; the timestamp of a signature is
compared with the base clock, on which the caller lives too.

Lists are paged by offset over data that moves: a row may be met twice or missed, as at TikTok.
Faults of the plan are acted out here (`_before`, `_after`).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

from tiktok_ns_pipeline.sandbox.catalogue import APP_KEY, APP_SECRET, SHOPS, Shop
from tiktok_ns_pipeline.sandbox.faults import DropConnection, Fault, FaultKind, FaultPlan, RefuseConnection
from tiktok_ns_pipeline.sandbox.order_store import Filter
from tiktok_ns_pipeline.sandbox.price_detail import price_detail
from tiktok_ns_pipeline.sandbox.tiktok_calls import (
    Call,
    Reference,
    Refusal,
    filter_of,
    page_size_of,
    platform_of,
    reference_of,
)
from tiktok_ns_pipeline.sandbox.tiktok_tokens import TokenDesk, TokenRules
from tiktok_ns_pipeline.sandbox.transport import Message, Receive, Scope, Send
from tiktok_ns_pipeline.sandbox.webhooks import WebhookDesk
from tiktok_ns_pipeline.sandbox.world import World

_TOKEN_PATHS = "/api/v2/token/"  # noqa: S105 - a path

# A signature's timestamp may be so old, and so far ahead (T 1.5).
_OLDEST_S, _AHEAD_S = 300, 30

# How far a stale page is behind. Less than any overlap that a careful reader would choose.
STALE_BY_S = 30


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    content_type: str = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint; `path` has its version in it, `{name}` stands for an id."""

    method: str
    path: str
    scope: str | None
    takes_cipher: bool
    handler: Callable[[TikTokServer, Call], str]


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
        self._page_key = hashlib.sha256(f"pages {world.seed}".encode()).digest()

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
        route = _route_of(call)
        self._check_signature(call)
        scopes = self.tokens.scopes_of(call.headers.get("x-tts-access-token"))
        if route.scope is not None and route.scope not in scopes:
            raise Refusal(105005, f"The access token lacks the scope {route.scope}.", 403)
        self._check_cipher(call, route)
        self._check_quota(call.shop.id if route.takes_cipher else "")
        return route.handler(self, call)

    def _token_call(self, call: Call) -> dict[str, Any]:
        desks = {"get": self.tokens.exchange, "refresh": self.tokens.refresh}
        desk = desks.get(call.path.removeprefix(_TOKEN_PATHS))
        if desk is None:
            raise _NO_SUCH_PATH
        if call.method != "GET":
            raise _WRONG_VERB
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

    # Endpoints

    def authorized_shops(self, call: Call) -> str:
        """Shops that the seller opened to the app (T 1.4)."""
        names = ("id", "name", "region", "seller_type", "cipher", "code")
        return json.dumps({"shops": [{name: getattr(shop, name) for name in names} for shop in SHOPS]})

    def search_orders(self, call: Call) -> str:
        """A page of the list of orders (T 3.1)."""
        wanted = filter_of(call)
        query = call.query
        size = page_size_of(query.get("page_size"))
        offset = self._offset_of(query.get("page_token", ""), wanted)
        now = int(self.world.now().timestamp())
        store, kind = self.world.store, call.fault.kind if call.fault else None
        if kind is FaultKind.stale_page:
            bodies, count = store.page_as_of(wanted, offset, size, now, STALE_BY_S)
        else:
            bodies, count = store.page(wanted, offset, size, now)
        end = offset + len(bodies)
        token = self._page_token(end, wanted) if bodies and end < count else ""
        if kind is FaultKind.duplicate_rows and bodies:
            bodies = [*bodies[:1], *bodies, bodies[len(bodies) // 2]]
        shown = [f'"orders":[{",".join(bodies)}]'] if bodies else []
        # The last page has no token, or an empty one.
        shown += [f'"next_page_token":"{token}"'] if token or count % 2 else []
        return f'{{{",".join([*shown, f""""total_count":{count}"""])}}}'

    def order_details(self, call: Call) -> str:
        """Orders by id, in the order asked for; unknown ones are missing (T 3.1)."""
        given = ",".join(value for name, value in call.pairs if name == "ids")
        ids = list(dict.fromkeys(filter(None, (one.strip() for one in given.split(",")))))
        if not ids:
            raise Refusal(36009004, "ids is a required field", 400)
        if len(ids) > 50:
            raise Refusal(36009004, "ids takes at most 50 values", 400)
        found = self.world.store.bodies(ids)
        own = [found[one][1] for one in ids if one in found and found[one][0] == call.shop.key]
        if found and not own:
            raise _NOT_YOURS
        return f'{{"orders":[{",".join(own)}]}}' if own else "{}"

    def price_detail(self, call: Call) -> str:
        """The calculated breakdown of one order (T 3.7)."""
        order = self.world.store.order(call.path_values["order_id"])
        if order is None or order.facts.shop != call.shop.key:
            raise _NOT_YOURS
        return json.dumps(price_detail(order.facts))

    def attach_external_orders(self, call: Call) -> str:
        """Keep the seller's own order numbers; what fails is listed under code 0 (T 1.6, 3.1)."""
        orders: Any = call.json_body().get("orders")
        if not isinstance(orders, list) or not orders:
            raise Refusal(36009004, "orders is a required field", 400)
        given: list[Any] = orders  # pyright: ignore[reportUnknownVariableType]
        if len(given) > 100:
            raise Refusal(36009004, "orders takes at most 100 values", 400)
        references = [reference_of(one) for one in given]
        with self.world.store.transaction():
            errors = [error for reference in references if (error := self._attach(call.shop, reference))]
        return json.dumps({"errors": errors} if errors else {})

    def external_orders(self, call: Call) -> str:
        """The seller's own numbers of one order."""
        platform = platform_of(call.query.get("platform"))
        order_id = call.path_values["order_id"]
        found = self.world.store.bodies([order_id]).get(order_id)
        if found is None or found[0] != call.shop.key:
            raise _NOT_YOURS
        references = self.world.store.references(order_id, platform)
        return json.dumps({"external_orders": references} if references else {})

    def search_external_order(self, call: Call) -> str:
        """Orders to which one of the seller's own numbers was attached."""
        platform = platform_of(call.query.get("platform"))
        external_id = call.query.get("external_order_id")
        if not external_id:
            raise Refusal(36009004, "external_order_id is a required field", 400)
        store = self.world.store
        orders = [
            {"id": order_id, "external_order": reference}
            for order_id in store.orders_with_reference(call.shop.key, platform, external_id)
            for reference in store.references(order_id, platform)
        ]
        return json.dumps({"orders": orders} if orders else {})

    def _attach(self, shop: Shop, reference: Reference) -> dict[str, Any] | None:
        order = self.world.store.order(reference.order_id)
        problem = None
        if order is None or order.facts.shop != shop.key:
            problem = "There is no such order_id"
        elif not {line["origin_id"] for line in reference.line_items} <= {
            line.id for line in order.facts.lines
        }:
            problem = "There is no such line item in the order"
        if problem is None:
            store = self.world.store
            store.attach(reference.order_id, reference.platform, reference.external_id, reference.line_items)
            return None
        external = {"id": reference.external_id, "platform": reference.platform}
        detail = {"order_id": reference.order_id, "external_order": external}
        return {"code": "36020001", "message": problem, "detail": detail}

    # Pages and envelopes

    def _page_token(self, offset: int, wanted: Filter) -> str:
        """Opaque, good for these filters only, and full of what URLs escape: + / = (T 0)."""
        return base64.b64encode(
            b"\xfb\xff\xbf" + struct.pack(">I", offset) + self._digest(offset, wanted)
        ).decode()

    def _offset_of(self, token: str, wanted: Filter) -> int:
        if not token:
            return 0
        try:
            content = base64.b64decode(token, validate=True)
            (offset,) = struct.unpack(">I", content[3:7])
        except (ValueError, struct.error):
            raise _BAD_PAGE_TOKEN from None
        if content[7:] != self._digest(offset, wanted):
            raise _BAD_PAGE_TOKEN
        return offset

    def _digest(self, offset: int, wanted: Filter) -> bytes:
        return hmac.digest(self._page_key, f"{offset} {wanted}".encode(), "sha256")[:9]

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


_SHOP_BY_CIPHER = {shop.cipher: shop for shop in SHOPS}

_NO_SUCH_PATH = Refusal(36009009, "There is no such path.", 404)
_WRONG_VERB = Refusal(36009010, "This path does not take that HTTP method.", 405)
_OLD_VERSION = Refusal(36009014, "This version of the API is not valid.", 400)
_TOO_MANY = Refusal(36009002, "Too many requests in a short time.", 429)
_INTERNAL = Refusal(36009003, "Internal error; try again.", 500)
_GATEWAY_TIMEOUT = Refusal(36009007, "The request timed out behind the gateway.", 504)
_BAD_PAGE_TOKEN = Refusal(36009004, "The page_token is not valid for this request.", 400)
_NOT_YOURS = Refusal(21008111, "That order is not one of this shop's.")

_REFUSED_BEFORE: dict[FaultKind, Refusal] = {
    FaultKind.http_429: _TOO_MANY,
    FaultKind.http_500_before: _INTERNAL,
    FaultKind.http_503: Refusal(36009003, "Overloaded or under maintenance.", 503),
    FaultKind.unauthorized: Refusal(105002, "The access token has expired.", 401),
}

_AUTHORIZATION_INFO = "seller.authorization.info"
_ORDER_INFO = "seller.order.info"
_READ_REFERENCES = "seller.order.ext_ref.read"
_WRITE_REFERENCES = "seller.order.ext_ref.write.custom"

_WEBHOOKS = "/event/202309/webhooks"

_ROUTES = (
    Route("GET", "/authorization/202309/shops", None, False, TikTokServer.authorized_shops),
    Route("POST", "/order/202309/orders/search", _ORDER_INFO, True, TikTokServer.search_orders),
    Route("GET", "/order/202309/orders", _ORDER_INFO, True, TikTokServer.order_details),
    Route("GET", "/order/202507/orders", _ORDER_INFO, True, TikTokServer.order_details),
    Route(
        "GET", "/order/202407/orders/{order_id}/price_detail", _ORDER_INFO, True, TikTokServer.price_detail
    ),
    Route(
        "POST",
        "/order/202406/orders/external_orders",
        _WRITE_REFERENCES,
        True,
        TikTokServer.attach_external_orders,
    ),
    Route(
        "GET",
        "/order/202406/orders/{order_id}/external_orders",
        _READ_REFERENCES,
        True,
        TikTokServer.external_orders,
    ),
    Route(
        "POST",
        "/order/202406/orders/external_order_search",
        _READ_REFERENCES,
        True,
        TikTokServer.search_external_order,
    ),
    Route("GET", _WEBHOOKS, _AUTHORIZATION_INFO, True, lambda server, call: server.webhooks.listed(call)),
    Route("PUT", _WEBHOOKS, _AUTHORIZATION_INFO, True, lambda server, call: server.webhooks.register(call)),
    Route("DELETE", _WEBHOOKS, _AUTHORIZATION_INFO, True, lambda server, call: server.webhooks.delete(call)),
)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[0-9]+)", re.escape(path)))


_PATTERNS = tuple((_pattern(route.path), route) for route in _ROUTES)
_VERSION = re.compile(r"^/(\w+)/([0-9]{6})/")
# The same paths whatever their version, to tell a retired version from a wrong path.
_UNVERSIONED = tuple(_pattern(_VERSION.sub(r"/\1/", route.path)) for route in _ROUTES)


def _route_of(call: Call) -> Route:
    matches = [(match, route) for pattern, route in _PATTERNS if (match := pattern.fullmatch(call.path))]
    if not matches:
        bare = _VERSION.sub(r"/\1/", call.path)
        known = bare != call.path and any(pattern.fullmatch(bare) for pattern in _UNVERSIONED)
        raise _OLD_VERSION if known else _NO_SUCH_PATH
    for match, route in matches:
        if route.method == call.method:
            call.path_values = match.groupdict()
            return route
    raise _WRONG_VERB


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
