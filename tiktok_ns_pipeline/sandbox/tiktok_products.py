"""The endpoints of products and their stock (T 5); the rules are in `shelf` and `tiktok_stock`.

A SKU lies in each of the shop's own warehouses and, if the shop has one, in TikTok's, which answers
name too though nobody can set it. An update sets a SKU whole or leaves it as it was: what fails is told
for each SKU under code 0 (T 1.6), and the others of the call are set.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tiktok_ns_pipeline.sandbox.catalogue import SHOPS, Listing, Shop, listing_by_id
from tiktok_ns_pipeline.sandbox.documents import Document
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.refusals import Refusal, refused
from tiktok_ns_pipeline.sandbox.shelf import STATUSES, TAKES_NO_STOCK, Product
from tiktok_ns_pipeline.sandbox.tiktok_calls import (
    Call,
    bounds_in,
    objects_in,
    one_of,
    page_size_of,
    text_in,
    texts_in,
)
from tiktok_ns_pipeline.sandbox.tiktok_routes import Desks, Route
from tiktok_ns_pipeline.sandbox.tiktok_stock import Level, parts_of, warehouses_of
from tiktok_ns_pipeline.sandbox.wire import amount_text

_MOST_FILTERED = 10
_MOST_SKUS, _MOST_PRODUCTS = 600, 100
_MOST_SKUS_OF_PRODUCT = 100
_MOST_FBT = 100
_MANY = 10_000
"""Values that a list is read with where a code of its own refuses less."""

_WAREHOUSES = {one for shop in SHOPS for one in warehouses_of(shop)}
_AUDITED: dict[str, str] = {"DRAFT": "NONE", "PENDING": "AUDITING", "FAILED": "FAILED"}


@dataclass(frozen=True, slots=True)
class _Filter:
    """Which products a search asks for; both bounds of times are inclusive (T 5.1)."""

    shop: str
    status: str
    audits: tuple[str, ...]
    seller_skus: tuple[str, ...]
    sku_ids: tuple[str, ...]
    created: tuple[int, int]
    updated: tuple[int, int]

    def takes(self, product: Product) -> bool:
        """Whether the product is wanted."""
        return (
            self.status in {"ALL", product.status}
            and (not self.audits or _audit_of(product) in self.audits)
            and self.created[0] <= product.created_at <= self.created[1]
            and self.updated[0] <= product.updated_at <= self.updated[1]
            and (not self.seller_skus or any(one.seller_sku in self.seller_skus for one in product.listings))
            and (not self.sku_ids or any(one.sku_id in self.sku_ids for one in product.listings))
        )


def search_products(desks: Desks, call: Call) -> str:
    """A page of the list of products, newest first; deleted ones are in it (T 5.1, 9.4)."""
    size = _page_size(call, 100)
    wanted = _product_filter(desks, call)
    found = [one for one in reversed(desks.world.shelf.products(call.shop.key)) if wanted.takes(one)]
    offset = desks.pages.offset(call.query.get("page_token", ""), wanted)
    rows = [_product_row(desks, call, one) for one in found[offset : offset + size]]
    return _page(desks, call, "products", rows, wanted, offset, len(found))


def search_inventory(desks: Desks, call: Call) -> str:
    """The stock of SKUs, or of all SKUs of products; what is not the shop's is missing (T 5.3)."""
    body = call.json_body()
    sku_ids = _at_most(texts_in(body, "sku_ids", _MANY), _MOST_SKUS, 12019015)
    product_ids = _at_most(texts_in(body, "product_ids", _MANY), _MOST_PRODUCTS, 12019120)
    if not sku_ids and not product_ids:
        raise Refusal(36009004, "sku_ids or product_ids is a required field", 400)
    rows: list[Document] = []
    for product in desks.world.shelf.products(call.shop.key):
        # Of both filters the SKUs count.
        asked = [
            listing
            for listing in product.listings
            if (listing.sku_id in sku_ids if sku_ids else product.id in product_ids)
        ]
        if asked and product.status != "DELETED":
            skus = [_stock_of(desks, call, listing) for listing in asked]
            rows.append({"product_id": product.id, "skus": skus})
    return json.dumps({"inventory": rows} if rows else {})


def update_inventory(desks: Desks, call: Call) -> str:
    """Set what is available of SKUs of one product (T 5.3)."""
    body = call.json_body()
    if not body.get("skus"):
        raise refused(12052902)
    wishes = objects_in(body, "skus", _MANY)
    product = desks.world.shelf.product(call.shop.key, call.path_values["product_id"])
    if product is None:
        raise refused(12052032)
    if product.status in TAKES_NO_STOCK:
        raise refused(12052901)
    sku_ids = [text_in(wish, "id") for wish in wishes]
    if len(sku_ids) > _MOST_SKUS_OF_PRODUCT:
        raise refused(12052050)
    if len(set(sku_ids)) < len(sku_ids):
        raise refused(12052553)
    levels = [_levels_in(wish) for wish in wishes]
    errors: list[Document] = []
    with desks.world.changing():
        for sku_id, wished in zip(sku_ids, levels, strict=True):
            error = _set_sku(desks, call.shop, product, sku_id, wished)
            errors += [] if error is None else [error]
    return json.dumps({"errors": errors} if errors else {})


def search_fbt_inventory(desks: Desks, call: Call) -> str:
    """The seller's goods in TikTok's own warehouse; without a filter those that are there at all."""
    size, body = _page_size(call, _MOST_FBT), call.json_body()
    goods_ids = texts_in(body, "goods_ids", _MOST_FBT)
    sku_ids = texts_in(body, "sku_ids", _MOST_FBT)
    warehouse_ids = texts_in(body, "fbt_warehouse_ids", _MOST_FBT)
    if goods_ids and sku_ids:
        raise Refusal(36009004, "goods_ids and sku_ids cannot be given together", 400)
    warehouse = call.shop.fbt_warehouse
    rows: list[Document] = []
    if warehouse is not None and (not warehouse_ids or warehouse in warehouse_ids):
        for product in desks.world.shelf.products(call.shop.key):
            for listing in product.listings:
                if product.status == "DELETED" or listing.components:
                    continue
                level = _level(desks, call, listing, warehouse)
                named = goods_id_of(listing) in goods_ids or listing.sku_id in sku_ids
                there = level.available + level.committed > 0
                if named or (there and not goods_ids and not sku_ids):
                    rows.append(_fbt_row(listing, warehouse, level))
    wanted = (call.shop.key, goods_ids, sku_ids, warehouse_ids)
    offset = desks.pages.offset(call.query.get("page_token", ""), wanted)
    return _page(desks, call, "inventory", rows[offset : offset + size], wanted, offset, len(rows))


def goods_id_of(listing: Listing) -> str:
    """TikTok's id for what lies in its warehouse under a listing."""
    return f"2560{listing.sku_id[-9:]}"


# Reading


def _product_filter(desks: Desks, call: Call) -> _Filter:
    body = call.json_body()
    audits = texts_in(body, "audit_status")
    for audit in audits:
        one_of("audit_status", audit, ("AUDITING", "FAILED", "APPROVED"))
    return _Filter(
        shop=call.shop.key,
        status=one_of("status", body.get("status") or "ALL", ("ALL", *STATUSES)),
        audits=audits,
        seller_skus=_at_most(texts_in(body, "seller_skus", _MANY), _MOST_FILTERED, 12019027),
        sku_ids=_at_most(texts_in(body, "sku_ids", _MANY), _MOST_FILTERED, 12019087),
        created=_bounds(call, "create_time", 12019118),
        updated=_bounds(call, "update_time", 12019119),
    )


def _bounds(call: Call, name: Literal["create_time", "update_time"], code: int) -> tuple[int, int]:
    since, until = bounds_in(call, f"{name}_ge", f"{name}_le")
    first, last = since or 0, 2**53 if until is None else until
    if first > last:
        raise refused(code)
    return first, last


def _at_most(values: tuple[str, ...], most: int, code: int) -> tuple[str, ...]:
    if len(values) > most:
        raise refused(code)
    return values


def _page_size(call: Call, most: int) -> int:
    text = call.query.get("page_size")
    try:
        return page_size_of(text, most)
    except Refusal:
        if text is None:
            raise
        raise refused(12019109) from None


def _levels_in(wish: dict[str, Any]) -> list[tuple[str | None, int]]:
    """(warehouse id if it is named, quantity) of one SKU of an update."""
    levels: list[tuple[str | None, int]] = []
    for row in objects_in(wish, "inventory", 1_000):
        quantity = row.get("quantity")
        if type(quantity) is not int:
            raise Refusal(36009004, "param quantity type invalid. expected type:int32", 400)
        named = row.get("warehouse_id")
        if named is not None and not isinstance(named, str):
            raise Refusal(36009004, "param warehouse_id type invalid. expected type:string", 400)
        levels.append((named or None, quantity))
    return levels


# Setting


def _set_sku(
    desks: Desks, shop: Shop, product: Product, sku_id: str, wished: list[tuple[str | None, int]]
) -> Document | None:
    """Set a SKU in all of its warehouses; gives the error if nothing of it could be set."""
    try:
        levels = _by_warehouse(shop, product, sku_id, wished)
        for warehouse_id, quantity in levels.items():
            desks.world.stock.check(shop, sku_id, warehouse_id, quantity)
    except _UnknownWarehouse as unknown:
        extra = _error(refused(12052097)) | {"warehouse_id": unknown.warehouse_id}
        return _error(refused(12052990)) | {"detail": {"sku_id": sku_id, "extra_errors": [extra]}}
    except Refusal as refusal:
        return _error(refusal) | {"detail": {"sku_id": sku_id}}
    for warehouse_id, quantity in levels.items():
        desks.world.stock.set(shop, sku_id, warehouse_id, quantity)
    return None


class _UnknownWarehouse(Refusal):
    """No shop has that warehouse."""

    def __init__(self, warehouse_id: str) -> None:
        super().__init__(12052097, "There is no such warehouse.")
        self.warehouse_id = warehouse_id


def _by_warehouse(
    shop: Shop, product: Product, sku_id: str, wished: list[tuple[str | None, int]]
) -> dict[str, int]:
    """The quantities, if they are for all warehouses of the SKU and for no other."""
    listing = next((one for one in product.listings if one.sku_id == sku_id), None)
    if listing is None:
        raise refused(12052556)
    if listing.components:
        raise refused(12052850)
    if len(wished) == 1 and wished[0][0] is None and len(shop.warehouses) == 1:
        wished = [(shop.warehouses[0], wished[0][1])]
    levels: dict[str, int] = {}
    for warehouse_id, quantity in wished:
        if warehouse_id is None:
            raise refused(12019028)
        if warehouse_id == shop.fbt_warehouse:
            raise refused(12052037)
        if warehouse_id not in _WAREHOUSES:
            raise _UnknownWarehouse(warehouse_id)
        if warehouse_id not in shop.warehouses or warehouse_id in levels:
            raise refused(12052533)
        levels[warehouse_id] = quantity
    if set(levels) != set(shop.warehouses):
        raise refused(12019028)
    return levels


def _error(refusal: Refusal) -> Document:
    return {"code": refusal.code, "message": refusal.message}


# Showing


def _level(desks: Desks, call: Call, listing: Listing, warehouse_id: str) -> Level:
    stale = call.fault is not None and call.fault.kind is FaultKind.stale_page
    return desks.world.stock.level(call.shop.key, listing.sku_id, warehouse_id, stale=stale)


def _stock_of(desks: Desks, call: Call, listing: Listing) -> Document:
    levels = {one: _level(desks, call, listing, one) for one in warehouses_of(call.shop)}
    available = sum(level.available for level in levels.values())
    locked = sum(min(level.locked, level.available) for level in levels.values())
    distribution: Document = {"in_shop_inventory": {"quantity": available - locked}}
    if locked:
        distribution["campaign_inventory"] = [{"campaign_name": "Sample campaign", "quantity": locked}]
    return {
        "id": listing.sku_id,
        "seller_sku": listing.seller_sku,
        "total_available_quantity": available,
        "total_committed_quantity": sum(level.committed for level in levels.values()),
        "total_available_inventory_distribution": distribution,
        "warehouse_inventory": [
            {
                "warehouse_id": warehouse_id,
                "available_quantity": level.available,
                "committed_quantity": level.committed,
            }
            for warehouse_id, level in levels.items()
        ],
    }


def _product_row(desks: Desks, call: Call, product: Product) -> Document:
    row: Document = {
        "id": product.id,
        "title": product.listings[0].name,
        "status": product.status,
        "audit": {"status": _audit_of(product)},
        "has_draft": False,
        "is_not_for_sale": False,
        "sales_regions": [call.shop.region],
        "create_time": product.created_at,
        "update_time": product.updated_at,
        "skus": [_sku_row(desks, call, product, listing) for listing in product.listings],
    }
    if any(listing.components for listing in product.listings):
        row["product_types"] = ["COMBINED_PRODUCT"]
    return row


def _sku_row(desks: Desks, call: Call, product: Product, listing: Listing) -> Document:
    inactive = listing.sku_id in product.inactive
    row: Document = {
        "id": listing.sku_id,
        "seller_sku": listing.seller_sku,
        # The display price of local sellers is in the field of another name (T 5.2).
        "price": {
            "currency": call.shop.currency,
            "tax_exclusive_price": amount_text(listing.prices[call.shop.currency]),
        },
        "inventory": [
            {"warehouse_id": one, "quantity": _level(desks, call, listing, one).available}
            for one in warehouses_of(call.shop)
        ],
        "status_info": {"status": "DEACTIVATED", "deactivation_source": "SELLER"}
        if inactive
        else {"status": "NORMAL"},
    }
    if listing.components:
        row["combined_skus"] = [_part_row(sku_id, count) for sku_id, count in _parts(listing)]
    return row


def _parts(listing: Listing) -> Sequence[tuple[str, int]]:
    return list(parts_of(listing, listing.sku_id).items())


def _part_row(sku_id: str, count: int) -> Document:
    part = listing_by_id(sku_id)
    assert part is not None, "a bundle is made of what the shop lists"
    return {"product_id": part.product_id, "sku_id": sku_id, "sku_count": count}


def _fbt_row(listing: Listing, warehouse_id: str, level: Level) -> Document:
    on_hand = {
        "total_quantity": level.available + level.committed,
        "reserved_quantity": level.committed,
        "available_quantity": level.available,
    }
    return {
        "fbt_warehouse_id": warehouse_id,
        "goods": {
            "id": goods_id_of(listing),
            "name": listing.name,
            "reference_code": listing.seller_sku,
            "skus": [{"id": listing.sku_id, "on_hand_detail": on_hand}],
        },
        "in_transit_quantity": 0,
        "on_hand_detail": on_hand | {"unfulfillable_quantity": 0},
    }


def _audit_of(product: Product) -> str:
    return _AUDITED.get(product.status, "APPROVED")


def _page(
    desks: Desks, call: Call, name: str, rows: list[Document], wanted: object, offset: int, count: int
) -> str:
    end = offset + len(rows)
    token = desks.pages.token(end, wanted) if rows and end < count else ""
    if rows and call.fault is not None and call.fault.kind is FaultKind.duplicate_rows:
        rows = [rows[0], *rows, rows[len(rows) // 2]]
    return json.dumps(({name: rows} if rows else {}) | {"next_page_token": token, "total_count": count})


_READS = ("seller.product.basic", True)
_WRITES = ("seller.product.write", True)
_P = "/product/202309"

ROUTES = (
    Route("POST", "/product/202502/products/search", *_READS, search_products),
    Route("POST", f"{_P}/inventory/search", *_READS, search_inventory),
    Route("POST", f"{_P}/products/{{product_id}}/inventory/update", *_WRITES, update_inventory),
    Route("POST", "/fbt/202408/inventory/search", *_READS, search_fbt_inventory),
)
