"""The sandbox's own small API: what a person, a demo or a test wants to happen in the world.

JSON in and out, for loopback only; it asks for no login. `GET /` lists what there is. What cannot be
done is answered with 4xx and `{"error": "..."}`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tiktok_ns_pipeline.sandbox.books import Books
from tiktok_ns_pipeline.sandbox.control_books import BooksControl
from tiktok_ns_pipeline.sandbox.control_http import Row, Wish, answer, answering, read, title
from tiktok_ns_pipeline.sandbox.control_parcels import ParcelsControl
from tiktok_ns_pipeline.sandbox.control_settling import SettlingControl
from tiktok_ns_pipeline.sandbox.control_stock import StockControl
from tiktok_ns_pipeline.sandbox.facts import ShippingFacts, Status
from tiktok_ns_pipeline.sandbox.faults import FaultKind, rates_of
from tiktok_ns_pipeline.sandbox.tiktok_tokens import TokenDesk
from tiktok_ns_pipeline.sandbox.warehouse import Warehouse
from tiktok_ns_pipeline.sandbox.webhooks import WebhookEmitter
from tiktok_ns_pipeline.sandbox.world import Line, OrderOptions, World

# Most orders that one request may draw: a page of a person's patience.
_MOST_DRAWN = 10_000


class _LineWish(Wish):
    sku: str
    quantity: int = Field(1, ge=1, le=1_000)
    price: Decimal | None = None
    seller_discount: Decimal = Decimal(0)
    platform_discount: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    gift: bool = False


class _ShippingWish(Wish):
    original: Decimal = Decimal(0)
    seller_discount: Decimal = Decimal(0)
    platform_discount: Decimal = Decimal(0)
    cofunded_discount: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)


class _OrderWish(Wish):
    """Either `draw` so many orders as buyers would place them, or one order with these lines."""

    draw: int | None = Field(None, ge=1, le=_MOST_DRAWN)
    shop: str = "us"
    lines: list[_LineWish | str] = Field(default_factory=list[_LineWish | str])
    status: Status = Status.awaiting_shipment
    shipping: _ShippingWish = _ShippingWish()
    by_seller: bool = True
    by_tiktok_warehouse: bool = False
    fees: dict[str, Decimal] = Field(default_factory=dict[str, Decimal])
    flags: dict[str, Any] = Field(default_factory=dict[str, Any])
    address: dict[str, Any] | None = None
    placed_at: datetime | None = None


class _CancelWish(Wish):
    reason: str = "No longer needed"
    by: Literal["BUYER", "SELLER", "SYSTEM"] = "BUYER"
    line_id: str | None = None
    """One unit only; `any` for the last one."""


class _AddressWish(Wish):
    address: dict[str, Any] | None = None


class _StatusWish(Wish):
    status: Status


class _ClockWish(Wish):
    advance_s: float = Field(ge=0, le=10 * 366 * 86_400)


class _RateWish(Wish):
    orders_per_minute: float = Field(ge=0, le=60_000)


class _FaultWish(Wish):
    system: Literal["tiktok", "netsuite", "pipeline"]
    kind: FaultKind
    match: str = ""
    times: int = Field(1, ge=1, le=1_000_000)


class _RatesWish(Wish):
    rates: str
    """Such as `tiktok.http_429=0.1,netsuite.delay=0.05`."""


class Control:
    """What the API does, on one world, its books and its warehouse."""

    def __init__(
        self,
        world: World,
        books: Books,
        tokens: TokenDesk,
        webhooks: WebhookEmitter,
        warehouse: Warehouse,
        shut_down: Callable[[], None],
    ) -> None:
        self._world = world
        self._books = books
        self._tokens = tokens
        self._webhooks = webhooks
        self._warehouse = warehouse
        self._in_books = BooksControl(books, warehouse)
        self._of_parcels = ParcelsControl(world)
        self._of_money = SettlingControl(world)
        self._of_stock = StockControl(world)
        self._shut_down = shut_down

    async def overview(self, request: Request) -> Response:
        """This list."""
        return answer({f"{verb} {path}": title(handler) for verb, path, handler in self._table()})

    async def stats(self, request: Request) -> Response:
        """Orders by shop and status, requests, webhooks and faults so far, the world's time."""
        self._world.catch_up()
        return answer(
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
        return answer([asdict(truth) for truth in truths])

    async def place(self, request: Request) -> Response:
        """Place an order ({"shop": "us", "lines": ["SKU-001"]}) or draw some ({"draw": 10})."""
        wish = await read(request, _OrderWish)
        if wish.draw is not None:
            return answer({"order_ids": self._world.draw_orders(wish.draw)}, 201)
        if not wish.lines:
            raise ValueError('an order needs lines, such as ["SKU-001"]')
        lines = [line if isinstance(line, str) else Line(**line.model_dump()) for line in wish.lines]
        return answer({"order_ids": [self._world.place_order(wish.shop, lines, **_options(wish))]}, 201)

    async def order(self, request: Request) -> Response:
        """The order as TikTok shows it."""
        return answer(self._world.order(_order_id(request)))

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
        wish = await read(request, _CancelWish)
        order_id = _order_id(request)
        if wish.line_id is None:
            self._world.cancel_order(order_id, wish.reason, wish.by)
        else:
            self._world.cancel_line(order_id, None if wish.line_id == "any" else wish.line_id)
        return self._now_is(request)

    async def move_parcel(self, request: Request) -> Response:
        """Change the address, to an invented one if none is given."""
        wish = await read(request, _AddressWish)
        self._world.change_address(_order_id(request), wish.address)
        return self._now_is(request)

    async def set_status(self, request: Request) -> Response:
        """Put the order into a state ({"status": "DELIVERED"})."""
        wish = await read(request, _StatusWish)
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
        wish = await read(request, _RateWish)
        self._world.set_rate(wish.orders_per_minute)
        return answer({"orders_per_minute": wish.orders_per_minute})

    async def advance(self, request: Request) -> Response:
        """Move the world's clock ahead ({"advance_s": 3600})."""
        wish = await read(request, _ClockWish)
        self._warehouse.catch_up()
        self._world.advance(wish.advance_s)
        self._warehouse.catch_up()
        return answer({"now": self._world.now()})

    async def inject(self, request: Request) -> Response:
        """Let the next requests fail ({"system": "netsuite", "kind": "http_429", "times": 3})."""
        wish = await read(request, _FaultWish)
        self._world.faults.inject(wish.kind, wish.system, wish.match, wish.times)
        return answer({"injected": wish.times})

    async def set_rates(self, request: Request) -> Response:
        """Let faults strike at random ({"rates": "all=0.02"})."""
        wish = await read(request, _RatesWish)
        for (system, kind), rate in rates_of(wish.rates).items():
            self._world.faults.set_rate(system, kind, rate)
        return answer({"rates": wish.rates})

    async def stop_faults(self, request: Request) -> Response:
        """No more faults."""
        self._world.faults.stop()
        return answer({"faults": self._world.faults.by_kind()})

    async def auth_code(self, request: Request) -> Response:
        """A fresh authorization code, as from the seller's consent."""
        return answer({"auth_code": self._tokens.fresh_code()}, 201)

    async def expire_tokens(self, request: Request) -> Response:
        """Let every access token run out now."""
        self._tokens.expire_access_tokens()
        return answer({"expired": True})

    async def shut_down(self, request: Request) -> Response:
        """End the sandbox."""
        self._shut_down()
        return answer({"ends": True})

    def routes(self) -> list[Route]:
        """The endpoints."""
        return [Route(path, answering(handler), methods=[verb]) for verb, path, handler in self._table()]

    def _table(self) -> list[Row]:
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
            *self._of_parcels.table(),
            *self._of_money.table(),
            *self._of_stock.table(),
            *self._in_books.table(),
            ("POST", "/shutdown", self.shut_down),
        ]

    def _now_is(self, request: Request) -> Response:
        return answer(asdict(self._world.truth_of(_order_id(request))))


def control_app(
    world: World,
    books: Books,
    tokens: TokenDesk,
    webhooks: WebhookEmitter,
    warehouse: Warehouse,
    shut_down: Callable[[], None],
) -> Starlette:
    """The API as an ASGI app; `shut_down` is called when somebody asks for the end."""
    return Starlette(routes=Control(world, books, tokens, webhooks, warehouse, shut_down).routes())


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
