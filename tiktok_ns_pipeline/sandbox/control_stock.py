"""The control API's part for TikTok's stock: what people in Seller Center, campaigns, TikTok's own
warehouses and crowds of buyers do."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tiktok_ns_pipeline.sandbox.catalogue import LISTINGS, Shop, shop_of
from tiktok_ns_pipeline.sandbox.control_http import Row, Wish, answer, read
from tiktok_ns_pipeline.sandbox.tiktok_stock import HIGHEST, warehouses_of
from tiktok_ns_pipeline.sandbox.world import World


class _StockWish(Wish):
    """A SKU by `sku` (its seller SKU, every listing of it) or `sku_id`."""

    shop: str = "us"
    sku: str = ""
    sku_id: str = ""
    quantity: int = Field(ge=0, le=HIGHEST)
    warehouse_id: str = ""
    """None for each of the seller's warehouses."""


class _FbtWish(Wish):
    shop: str = "us"
    sku_id: str
    quantity: int = Field(ge=-HIGHEST, le=HIGHEST)


class _FlashWish(Wish):
    shop: str = "us"
    skus: list[str] = Field(min_length=1, max_length=40)
    buyers_per_second: float = Field(gt=0, le=1_000)
    seconds: float = Field(gt=0, le=3_600)


class StockControl:
    """What the API does with TikTok's stock in one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def table(self) -> list[Row]:
        """Its endpoints."""
        return [
            ("GET", "/stock", self.show),
            ("PUT", "/stock", self.edit),
            ("POST", "/stock/locks", self.lock),
            ("POST", "/stock/fbt", self.receive_fbt),
            ("POST", "/flash-sales", self.flash_sale),
        ]

    async def show(self, request: Request) -> Response:
        """TikTok's stock of a shop (?shop=us), or of one seller SKU of it (&sku=SKU-001)."""
        self._world.catch_up()
        shop, sku = shop_of(request.query_params.get("shop", "us")), request.query_params.get("sku")
        rows = [
            row
            for listing in LISTINGS
            if sku is None or listing.seller_sku == sku
            for row in self._rows(shop, listing.sku_id, listing.seller_sku)
        ]
        if not rows:
            raise LookupError(f"shop {shop.key} lists nothing with seller_sku {sku!r}")
        away = self._world.stock.turned_away
        lost = {sku_id: units for (key, sku_id), units in away.items() if key == shop.key}
        return answer({"stock": rows, "turned_away": lost})

    async def edit(self, request: Request) -> Response:
        """A person in Seller Center sets what is available ({"sku": "SKU-001", "quantity": 12})."""
        wish = await read(request, _StockWish)
        for sku_id, warehouse_id in self._slots(wish):
            self._world.stock.edit(wish.shop, sku_id, warehouse_id, wish.quantity)
        return answer({"quantity": wish.quantity})

    async def lock(self, request: Request) -> Response:
        """A campaign reserves units, or none any more ({"sku": "SKU-001", "quantity": 0})."""
        wish = await read(request, _StockWish)
        for sku_id, warehouse_id in self._slots(wish):
            self._world.stock.lock(wish.shop, sku_id, warehouse_id, wish.quantity)
        return answer({"reserved": wish.quantity})

    async def receive_fbt(self, request: Request) -> Response:
        """TikTok's own warehouse takes units in, or loses some ({"sku_id": "...", "quantity": 40})."""
        wish = await read(request, _FbtWish)
        self._world.stock.receive_fbt(wish.shop, wish.sku_id, wish.quantity)
        return answer({"received": wish.quantity})

    async def flash_sale(self, request: Request) -> Response:
        """A crowd wants a few SKUs ({"skus": ["SKU-001"], "buyers_per_second": 5, "seconds": 60})."""
        wish = await read(request, _FlashWish)
        self._world.flash_sale(wish.shop, wish.skus, wish.buyers_per_second, wish.seconds)
        return answer({"buyers": wish.buyers_per_second * wish.seconds}, 201)

    def _slots(self, wish: _StockWish) -> list[tuple[str, str]]:
        """(sku_id, warehouse id) of all that is meant."""
        if bool(wish.sku) == bool(wish.sku_id):
            raise ValueError("name the SKU by sku (seller SKU) or by sku_id")
        named = [
            one.sku_id
            for one in LISTINGS
            if wish.sku_id == one.sku_id or (wish.sku and wish.sku == one.seller_sku)
        ]
        if not named:
            raise LookupError(f"no shop lists {wish.sku or wish.sku_id}")
        places = [wish.warehouse_id] if wish.warehouse_id else shop_of(wish.shop).warehouses
        return [(sku_id, place) for sku_id in named for place in places]

    def _rows(self, shop: Shop, sku_id: str, seller_sku: str) -> list[dict[str, Any]]:
        return [
            {"sku_id": sku_id, "seller_sku": seller_sku, "warehouse_id": warehouse_id}
            | asdict(self._world.stock.level(shop.key, sku_id, warehouse_id))
            for warehouse_id in warehouses_of(shop)
        ]
