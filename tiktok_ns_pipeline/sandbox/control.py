"""The sandbox's own small API: what a person, a demo or a test wants to happen in the world.

JSON in and out, for loopback only; it asks for no login. `GET /` lists what there is. What cannot be
done is answered with 4xx and `{"error": "..."}`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tiktok_ns_pipeline.sandbox.books import Books
from tiktok_ns_pipeline.sandbox.books.errors import BookError
from tiktok_ns_pipeline.sandbox.facts import ShippingFacts, Status
from tiktok_ns_pipeline.sandbox.faults import FaultKind, rates_of
from tiktok_ns_pipeline.sandbox.tiktok_tokens import TokenDesk
from tiktok_ns_pipeline.sandbox.webhooks import WebhookEmitter
from tiktok_ns_pipeline.sandbox.world import Line, OrderOptions, World

# Most orders that one request may draw: a page of a person's patience.
_MOST_DRAWN = 10_000


class _Wish(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _LineWish(_Wish):
    sku: str
    quantity: int = Field(1, ge=1, le=1_000)
    price: Decimal | None = None
    seller_discount: Decimal = Decimal(0)
    platform_discount: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    gift: bool = False


class _ShippingWish(_Wish):
    original: Decimal = Decimal(0)
    seller_discount: Decimal = Decimal(0)
    platform_discount: Decimal = Decimal(0)
    cofunded_discount: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)


class _OrderWish(_Wish):
    """Either `draw` so many orders as buyers would place them, or one order with these lines."""

    draw: int | None = Field(None, ge=1, le=_MOST_DRAWN)
    shop: str = "us"
    lines: list[_LineWish | str] = []
    status: Status = Status.awaiting_shipment
    shipping: _ShippingWish = _ShippingWish()
    by_seller: bool = True
    by_tiktok_warehouse: bool = False
    fees: dict[str, Decimal] = {}
    flags: dict[str, Any] = {}
    address: dict[str, Any] | None = None
    placed_at: datetime | None = None


class _CancelWish(_Wish):
    reason: str = "No longer needed"
    by: Literal["BUYER", "SELLER", "SYSTEM"] = "BUYER"
    line_id: str | None = None
    """One unit only; `any` for the last one."""


class _AddressWish(_Wish):
    address: dict[str, Any] | None = None


class _StatusWish(_Wish):
    status: Status


class _ClockWish(_Wish):
    advance_s: float = Field(ge=0, le=10 * 366 * 86_400)


class _RateWish(_Wish):
    orders_per_minute: float = Field(ge=0, le=60_000)


class _FaultWish(_Wish):
    system: Literal["tiktok", "netsuite", "pipeline"]
    kind: FaultKind
    match: str = ""
    times: int = Field(1, ge=1, le=1_000_000)


class _RatesWish(_Wish):
    rates: str
    """Such as `tiktok.http_429=0.1,netsuite.delay=0.05`."""


class _StockWish(_Wish):
    item_id: str
    location_id: str
    on_hand: Decimal


_Model = TypeVar("_Model", bound=_Wish)
_Handler = Callable[[Request], Awaitable[Response]]


class Control:
    """What the API does, on one world and its books."""

    def __init__(
        self,
        world: World,
        books: Books,
        tokens: TokenDesk,
        webhooks: WebhookEmitter,
        shut_down: Callable[[], None],
    ) -> None:
        self._world = world
        self._books = books
        self._tokens = tokens
        self._webhooks = webhooks
        self._shut_down = shut_down

    async def overview(self, request: Request) -> Response:
        """This list."""
        return _json({f"{verb} {path}": _title(handler) for verb, path, handler in self._table()})

    async def stats(self, request: Request) -> Response:
        """Orders by shop and status, requests, webhooks and faults so far, the world's time."""
        self._world.catch_up()
        return _json(
            {
                "now": self._world.now(),
                "orders": self._world.stats(),
                "faults": self._world.faults.by_kind(),
                "requests": dict(self._world.faults.asked),
                "webhooks": dict(self._webhooks.counts),
                "sales_orders": sum(1 for _ in self._books.records("salesOrder")),
            }
        )

    async def truth(self, request: Request) -> Response:
        """What NetSuite must show, for every order or for ?order_id=."""
        self._world.catch_up()
        order_id = request.query_params.get("order_id")
        truths = self._world.truth() if order_id is None else [self._world.truth_of(order_id)]
        return _json([asdict(truth) for truth in truths])

    async def place(self, request: Request) -> Response:
        """Place an order ({"shop": "us", "lines": ["SKU-001"]}) or draw some ({"draw": 10})."""
        wish = await _read(request, _OrderWish)
        if wish.draw is not None:
            return _json({"order_ids": self._world.draw_orders(wish.draw)}, 201)
        if not wish.lines:
            raise ValueError('an order needs lines, such as ["SKU-001"]')
        lines = [line if isinstance(line, str) else Line(**line.model_dump()) for line in wish.lines]
        return _json({"order_ids": [self._world.place_order(wish.shop, lines, **_options(wish))]}, 201)

    async def order(self, request: Request) -> Response:
        """The order as TikTok shows it."""
        return _json(self._world.order(_order_id(request)))

    async def pay(self, request: Request) -> Response:
        """The buyer pays."""
        self._world.pay(_order_id(request))
        return self._now_is(request)

    async def release(self, request: Request) -> Response:
        """The hold ends."""
        self._world.release(_order_id(request))
        return self._now_is(request)

    async def cancel(self, request: Request) -> Response:
        """Cancel the order, or one unit of it ({"line_id": "any"})."""
        wish = await _read(request, _CancelWish)
        order_id = _order_id(request)
        if wish.line_id is None:
            self._world.cancel_order(order_id, wish.reason, wish.by)
        else:
            self._world.cancel_line(order_id, None if wish.line_id == "any" else wish.line_id)
        return self._now_is(request)

    async def move_parcel(self, request: Request) -> Response:
        """Change the address, to an invented one if none is given."""
        wish = await _read(request, _AddressWish)
        self._world.change_address(_order_id(request), wish.address)
        return self._now_is(request)

    async def set_status(self, request: Request) -> Response:
        """Put the order into a state ({"status": "DELIVERED"})."""
        wish = await _read(request, _StatusWish)
        self._world.move_to(_order_id(request), wish.status)
        return self._now_is(request)

    async def hide(self, request: Request) -> Response:
        """Keep the order out of TikTok's lists."""
        self._world.hide_order(_order_id(request))
        return self._now_is(request)

    async def show(self, request: Request) -> Response:
        """Let TikTok's lists show the order again."""
        self._world.hide_order(_order_id(request), hidden=False)
        return self._now_is(request)

    async def set_rate(self, request: Request) -> Response:
        """How many orders a minute buyers place ({"orders_per_minute": 30})."""
        wish = await _read(request, _RateWish)
        self._world.set_rate(wish.orders_per_minute)
        return _json({"orders_per_minute": wish.orders_per_minute})

    async def advance(self, request: Request) -> Response:
        """Move the world's clock ahead ({"advance_s": 3600})."""
        wish = await _read(request, _ClockWish)
        self._world.advance(wish.advance_s)
        return _json({"now": self._world.now()})

    async def inject(self, request: Request) -> Response:
        """Let the next requests fail ({"system": "netsuite", "kind": "http_429", "times": 3})."""
        wish = await _read(request, _FaultWish)
        self._world.faults.inject(wish.kind, wish.system, wish.match, wish.times)
        return _json({"injected": wish.times})

    async def set_rates(self, request: Request) -> Response:
        """Let faults strike at random ({"rates": "all=0.02"})."""
        wish = await _read(request, _RatesWish)
        for (system, kind), rate in rates_of(wish.rates).items():
            self._world.faults.set_rate(system, kind, rate)
        return _json({"rates": wish.rates})

    async def stop_faults(self, request: Request) -> Response:
        """No more faults."""
        self._world.faults.stop()
        return _json({"faults": self._world.faults.by_kind()})

    async def auth_code(self, request: Request) -> Response:
        """A fresh authorization code, as from the seller's consent."""
        return _json({"auth_code": self._tokens.fresh_code()}, 201)

    async def expire_tokens(self, request: Request) -> Response:
        """Let every access token run out now."""
        self._tokens.expire_access_tokens()
        return _json({"expired": True})

    async def set_stock(self, request: Request) -> Response:
        """State what lies at a location ({"item_id": "301", "location_id": "6", "on_hand": 40})."""
        wish = await _read(request, _StockWish)
        self._books.set_stock(wish.item_id, wish.location_id, wish.on_hand)
        return _json({"on_hand": str(self._books.stock(wish.item_id, wish.location_id).on_hand)})

    async def delete_record(self, request: Request) -> Response:
        """Delete a record of the books, by id or by eid:<external id>."""
        self._books.delete(request.path_params["record_type"], request.path_params["identifier"])
        return _json({"deleted": True})

    async def shut_down(self, request: Request) -> Response:
        """End the sandbox."""
        self._shut_down()
        return _json({"ends": True})

    def routes(self) -> list[Route]:
        """The endpoints."""
        return [Route(path, _answering(handler), methods=[verb]) for verb, path, handler in self._table()]

    def _table(self) -> list[tuple[str, str, _Handler]]:
        return [
            ("GET", "/", self.overview),
            ("GET", "/stats", self.stats),
            ("GET", "/truth", self.truth),
            ("POST", "/orders", self.place),
            ("GET", "/orders/{order_id}", self.order),
            ("POST", "/orders/{order_id}/pay", self.pay),
            ("POST", "/orders/{order_id}/release", self.release),
            ("POST", "/orders/{order_id}/cancel", self.cancel),
            ("POST", "/orders/{order_id}/address", self.move_parcel),
            ("POST", "/orders/{order_id}/status", self.set_status),
            ("POST", "/orders/{order_id}/hide", self.hide),
            ("POST", "/orders/{order_id}/show", self.show),
            ("POST", "/rate", self.set_rate),
            ("POST", "/clock", self.advance),
            ("POST", "/faults", self.inject),
            ("PUT", "/faults", self.set_rates),
            ("DELETE", "/faults", self.stop_faults),
            ("POST", "/auth-codes", self.auth_code),
            ("POST", "/expire-tokens", self.expire_tokens),
            ("POST", "/stock", self.set_stock),
            ("DELETE", "/netsuite/{record_type}/{identifier}", self.delete_record),
            ("POST", "/shutdown", self.shut_down),
        ]

    def _now_is(self, request: Request) -> Response:
        return _json(asdict(self._world.truth_of(_order_id(request))))


def control_app(
    world: World,
    books: Books,
    tokens: TokenDesk,
    webhooks: WebhookEmitter,
    shut_down: Callable[[], None],
) -> Starlette:
    """The API as an ASGI app; `shut_down` is called when somebody asks for the end."""
    return Starlette(routes=Control(world, books, tokens, webhooks, shut_down).routes())


def _answering(handler: _Handler) -> _Handler:
    async def answering(request: Request) -> Response:
        try:
            return await handler(request)
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in error.errors()]
            return _json({"error": "; ".join(wrong)}, 400)
        except (KeyError, LookupError) as error:
            return _json({"error": str(error.args[0])}, 404)
        except BookError as error:
            return _json({"error": error.detail}, error.status)
        except ValueError as error:
            return _json({"error": str(error)}, 400)

    return answering


async def _read(request: Request, model: type[_Model]) -> _Model:
    return model.model_validate_json(await request.body() or b"{}")


def _options(wish: _OrderWish) -> OrderOptions:
    options: OrderOptions = {
        "status": wish.status,
        "shipping": ShippingFacts(**wish.shipping.model_dump()),
        "by_seller": wish.by_seller and not wish.by_tiktok_warehouse,
        "by_tiktok_warehouse": wish.by_tiktok_warehouse,
        "fees": wish.fees,
        "flags": wish.flags,
    }
    if wish.address is not None:
        options["address"] = wish.address
    if wish.placed_at is not None:
        options["placed_at"] = wish.placed_at
    return options


def _order_id(request: Request) -> str:
    return request.path_params["order_id"]


def _title(handler: _Handler) -> str:
    return (handler.__doc__ or "").strip()


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value, default=_text), status, media_type="application/json")


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
