"""Calls about products and stock to the sandbox's TikTok server, and a world in which stock is kept."""

from typing import Any

from tests.sandbox.tiktok_caller import US, Caller
from tiktok_ns_pipeline.sandbox.catalogue import LISTINGS, RETIRED, SINGLES
from tiktok_ns_pipeline.sandbox.shoppers import Mix

SEARCH = "/product/202502/products/search"
STOCK = "/product/202309/inventory/search"
FBT_STOCK = "/fbt/202408/inventory/search"
KEPT = Mix.plain(stock="kept", stock_at_start=50, fbt_stock_at_start=5)

# SKU-001 to SKU-003 are one product.
ONE, TWO, THREE = SINGLES[:3]
HERE, THERE = US.warehouses
FBT = US.fbt_warehouse or ""
EVERY_SKU = {listing.sku_id for listing in (*LISTINGS, *(listing for listing, _ in RETIRED))}


def update_of(product_id: str) -> str:
    return f"/product/202309/products/{product_id}/inventory/update"


UPDATE = update_of(ONE.product_id)


def levels(sku_id: str, *quantities: int, shop: Any = US) -> dict[str, Any]:
    rows = zip(shop.warehouses, quantities, strict=True)
    return {"id": sku_id, "inventory": [{"warehouse_id": one, "quantity": units} for one, units in rows]}


async def products(caller: Caller, body: Any = None, *, shop: Any = US, size: int = 100) -> list[Any]:
    """Every page of a search."""
    found: list[Any] = []
    query = {"page_size": str(size)}
    while True:
        data = await caller.data("POST", SEARCH, query, body, shop=shop)
        found += data.get("products", [])
        if not data["next_page_token"]:
            assert data["total_count"] == len(found)
            return found
        query["page_token"] = data["next_page_token"]


async def stock(caller: Caller, *sku_ids: str, shop: Any = US) -> dict[str, Any]:
    data = await caller.data("POST", STOCK, body={"sku_ids": list(sku_ids)}, shop=shop)
    return {sku["id"]: sku for product in data.get("inventory", []) for sku in product["skus"]}


def available(sku: Any) -> dict[str, int]:
    return {row["warehouse_id"]: row["available_quantity"] for row in sku["warehouse_inventory"]}


async def refused(caller: Caller, *skus: Any, path: str = UPDATE, shop: Any = US) -> list[tuple[str, int]]:
    """(sku_id, code) of the SKUs that an update would not set."""
    data = await caller.data("POST", path, body={"skus": list(skus)}, shop=shop)
    return [(error["detail"]["sku_id"], error["code"]) for error in data.get("errors", [])]
