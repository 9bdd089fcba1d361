"""The part of the control API that is about the seller's books and the people in the warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tiktok_ns_pipeline.sandbox.books import Books
from tiktok_ns_pipeline.sandbox.books.desk import PeriodState
from tiktok_ns_pipeline.sandbox.control_http import Row, Wish, answer, read
from tiktok_ns_pipeline.sandbox.stockroom import count_stock
from tiktok_ns_pipeline.sandbox.warehouse import Warehouse


class _UnitsWish(Wish):
    line: int
    quantity: Decimal = Field(gt=0)


class _FulfilWish(Wish):
    lines: list[_UnitsWish] | None = None
    """Without them all that is open goes."""
    tracking: str | list[str] | None = None
    """Numbers of the parcels; invented if none is given, none where the list is empty."""
    carrier: str | None = None
    """Name of a ship method; `""` leaves it empty."""
    status: Literal["A", "B", "C"] = "C"


class _UnshipWish(Wish):
    status: Literal["A", "B"] = "B"
    again: bool = False
    """Whether it leaves once more later."""


class _TrackingWish(Wish):
    tracking: str | list[str]


class _PeriodWish(Wish):
    name: str
    state: PeriodState


class _StockWish(Wish):
    item_id: str
    location_id: str
    on_hand: Decimal


class BooksControl:
    """What a person can do in the books and have done in the warehouse."""

    def __init__(self, books: Books, warehouse: Warehouse) -> None:
        self._books = books
        self._warehouse = warehouse

    def table(self) -> list[Row]:
        """The endpoints."""
        return [
            ("POST", "/orders/{order_id}/fulfil", self.fulfil),
            ("POST", "/fulfilments/{fulfilment_id}/unship", self.unship),
            ("POST", "/fulfilments/{fulfilment_id}/tracking", self.correct_tracking),
            ("DELETE", "/fulfilments/{fulfilment_id}", self.delete_fulfilment),
            ("GET", "/shipped", self.shipped),
            ("POST", "/periods", self.set_period),
            ("POST", "/stock", self.set_stock),
            ("DELETE", "/netsuite/{record_type}/{identifier}", self.delete_record),
        ]

    async def fulfil(self, request: Request) -> Response:
        """The warehouse ships the order now ({"lines": [{"line": 1, "quantity": 2}]})."""
        wish = await read(request, _FulfilWish)
        lines = None if wish.lines is None else {one.line: one.quantity for one in wish.lines}
        made = self._warehouse.fulfil(
            request.path_params["order_id"],
            lines,
            tracking=None if wish.tracking is None else _numbers(wish.tracking),
            carrier=wish.carrier,
            status=wish.status,
        )
        return answer({"fulfilments": made}, 201)

    async def unship(self, request: Request) -> Response:
        """Take a shipment back to packed, or to picked ({"status": "A"}); {"again": true} ships it later."""
        wish = await read(request, _UnshipWish)
        self._warehouse.unship(_fulfilment_id(request), wish.status, again=wish.again)
        return answer({"status": wish.status})

    async def correct_tracking(self, request: Request) -> Response:
        """Replace a fulfilment's tracking numbers ({"tracking": "1Z..."})."""
        wish = await read(request, _TrackingWish)
        self._warehouse.correct_tracking(_fulfilment_id(request), _numbers(wish.tracking))
        return answer({"tracking": _numbers(wish.tracking)})

    async def delete_fulfilment(self, request: Request) -> Response:
        """Delete a fulfilment for good, or to be made again (?again=true)."""
        again = request.query_params.get("again") == "true"
        self._warehouse.delete(_fulfilment_id(request), again=again)
        return answer({"deleted": True})

    async def shipped(self, request: Request) -> Response:
        """Every fulfilment that ever left the warehouse, or those of ?order_id=."""
        wanted = request.query_params.get("order_id")
        shipped = (one for one in self._warehouse.shipped() if wanted in {None, one.order_id})
        return answer([asdict(one) for one in shipped])

    async def set_period(self, request: Request) -> Response:
        """Close, lock or open a month ({"name": "Nov 2026", "state": "receivables locked"})."""
        wish = await read(request, _PeriodWish)
        self._books.set_period(wish.name, wish.state)
        return answer({"state": wish.state})

    async def set_stock(self, request: Request) -> Response:
        """Somebody counts what lies at a location ({"item_id": "301", "location_id": "6", "on_hand": 40})."""
        wish = await read(request, _StockWish)
        count_stock(self._books, wish.item_id, wish.location_id, wish.on_hand)
        return answer({"on_hand": str(self._books.stock(wish.item_id, wish.location_id).on_hand)})

    async def delete_record(self, request: Request) -> Response:
        """Delete a record of the books, by id or by eid:<external id>."""
        self._books.delete(request.path_params["record_type"], request.path_params["identifier"])
        return answer({"deleted": True})


def _fulfilment_id(request: Request) -> str:
    return request.path_params["fulfilment_id"]


def _numbers(tracking: str | Sequence[str]) -> list[str]:
    return [tracking] if isinstance(tracking, str) else list(tracking)
