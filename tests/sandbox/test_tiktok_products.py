"""Products, and goods in TikTok's own warehouses, as the seller's app meets them over HTTP (T 5)."""

from typing import Any

import pytest

from tests.sandbox.product_calls import (
    EVERY_SKU,
    FBT,
    FBT_STOCK,
    HERE,
    KEPT,
    ONE,
    SEARCH,
    THERE,
    THREE,
    TWO,
    UPDATE,
    products,
)
from tests.sandbox.tiktok_caller import UK, VN, Caller, meet
from tiktok_ns_pipeline.sandbox.catalogue import BUNDLES, LISTINGS, PACK, RETIRED, SINGLES
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.tiktok_products import goods_id_of
from tiktok_ns_pipeline.sandbox.world import Line

# The list of products


@pytest.mark.parametrize("size", [1, 7, 100])
def test_the_list_holds_every_product_in_pages_of_any_size(size: int):
    async def test(caller: Caller) -> None:
        found = await products(caller, size=size)
        assert {sku["id"] for product in found for sku in product["skus"]} == EVERY_SKU
        created = [product["create_time"] for product in found]
        assert created == sorted(created, reverse=True)

    meet(test)


def test_a_product_tells_its_skus_with_price_and_stock():
    async def test(caller: Caller) -> None:
        [product] = await products(caller, {"sku_ids": [ONE.sku_id]})
        assert (product["id"], product["status"]) == (ONE.product_id, "ACTIVATE")
        assert [sku["id"] for sku in product["skus"]] == [ONE.sku_id, TWO.sku_id, THREE.sku_id]
        assert product["skus"][0] == {
            "id": ONE.sku_id,
            "seller_sku": "SKU-001",
            "price": {"currency": "USD", "tax_exclusive_price": "42.49"},
            "inventory": [
                {"warehouse_id": HERE, "quantity": 50},
                {"warehouse_id": THERE, "quantity": 50},
                {"warehouse_id": FBT, "quantity": 5},
            ],
            "status_info": {"status": "NORMAL"},
        }

    meet(test, mix=KEPT)


def test_a_bundle_names_its_parts_and_shows_what_they_allow():
    async def test(caller: Caller) -> None:
        caller.world.stock.edit("us", SINGLES[6].sku_id, HERE, 9)
        [product] = await products(caller, {"seller_skus": ["BUNDLE-2"]})
        sku = next(sku for sku in product["skus"] if sku["id"] == BUNDLES[1].sku_id)
        assert product["product_types"] == ["COMBINED_PRODUCT"]
        assert sku["combined_skus"] == [
            {"product_id": part.product_id, "sku_id": part.sku_id, "sku_count": count}
            for part, count in ((SINGLES[6], 2), (SINGLES[7], 1))
        ]
        assert sku["inventory"][0] == {"warehouse_id": HERE, "quantity": 4}

    meet(test, mix=KEPT)


def test_deleted_and_deactivated_products_are_listed_too():
    async def test(caller: Caller) -> None:
        for listing, status in RETIRED:
            found = await products(caller, {"seller_skus": [listing.seller_sku]})
            assert {product["status"] for product in found} == {status, "ACTIVATE"}
            [alone] = await products(caller, {"status": status})
            assert alone["id"] == listing.product_id
        live = await products(caller, {"status": "ACTIVATE"})
        assert {sku["id"] for product in live for sku in product["skus"]} == {one.sku_id for one in LISTINGS}

    meet(test)


def test_both_bounds_of_times_are_inclusive():
    async def test(caller: Caller) -> None:
        caller.world.shelf.set_status("us", ONE.product_id, "SELLER_DEACTIVATED")
        caller.world.shelf.set_active("us", PACK.sku_id, False)
        at = caller.world.epoch()
        changed = await products(caller, {"update_time_ge": at, "update_time_le": at})
        assert {product["id"] for product in changed} == {ONE.product_id, PACK.product_id}
        assert changed[0]["skus"][0]["status_info"] == {
            "status": "DEACTIVATED",
            "deactivation_source": "SELLER",
        }
        assert await products(caller, {"update_time_ge": at + 1}) == []
        assert await products(caller, {"update_time_ge": at}, shop=UK) == []

    meet(test)


@pytest.mark.parametrize(
    ("query", "body", "code"),
    [
        ({}, None, 36009004),
        ({"page_size": "0"}, None, 12019109),
        ({"page_size": "101"}, None, 12019109),
        ({"page_size": "5", "page_token": "b2Zmc2V0PTAK"}, None, 36009004),
        ({"page_size": "5"}, {"seller_skus": [f"A{n}" for n in range(11)]}, 12019027),
        ({"page_size": "5"}, {"sku_ids": [str(n) for n in range(11)]}, 12019087),
        ({"page_size": "5"}, {"status": "LIVE"}, 36009004),
        ({"page_size": "5"}, {"audit_status": ["NONE"]}, 36009004),
        ({"page_size": "5"}, {"update_time_ge": "1"}, 36009004),
        ({"page_size": "5"}, {"update_time_ge": 9, "update_time_le": 8}, 12019119),
        ({"page_size": "5"}, {"create_time_ge": 9, "create_time_le": 8}, 12019118),
    ],
)
def test_a_search_for_products_refuses_what_it_cannot_read(query: Any, body: Any, code: int):
    async def test(caller: Caller) -> None:
        assert await caller.code("POST", SEARCH, query, body) == code

    meet(test)


def test_a_token_is_good_for_its_own_filters_only():
    async def test(caller: Caller) -> None:
        page = await caller.data("POST", SEARCH, {"page_size": "1"})
        query = {"page_size": "1", "page_token": page["next_page_token"]}
        assert await caller.code("POST", SEARCH, query, {"status": "DELETED"}) == 36009004
        assert await caller.code("POST", SEARCH, query) == 0

    meet(test)


# TikTok's own warehouses


def test_goods_in_tiktoks_warehouse_are_told_with_what_its_orders_hold():
    async def test(caller: Caller) -> None:
        caller.world.place_order("us", [Line("SKU-001", 2)], by_tiktok_warehouse=True)
        data = await caller.data("POST", FBT_STOCK, {"page_size": "10"}, {"sku_ids": [ONE.sku_id]})
        on_hand = {"total_quantity": 5, "reserved_quantity": 2, "available_quantity": 3}
        assert data["inventory"] == [
            {
                "fbt_warehouse_id": FBT,
                "goods": {
                    "id": goods_id_of(ONE),
                    "name": ONE.name,
                    "reference_code": "SKU-001",
                    "skus": [{"id": ONE.sku_id, "on_hand_detail": on_hand}],
                },
                "in_transit_quantity": 0,
                "on_hand_detail": on_hand | {"unfulfillable_quantity": 0},
            }
        ]
        by_goods = await caller.data(
            "POST", FBT_STOCK, {"page_size": "10"}, {"goods_ids": [goods_id_of(ONE)]}
        )
        assert by_goods["inventory"] == data["inventory"]

    meet(test, mix=KEPT)


def test_without_a_filter_only_goods_that_are_there_are_told_page_by_page():
    async def test(caller: Caller) -> None:
        caller.world.stock.receive_fbt("us", ONE.sku_id, -5)
        query, seen = {"page_size": "20"}, []
        while True:
            data = await caller.data("POST", FBT_STOCK, query)
            seen += [row["goods"]["skus"][0]["id"] for row in data["inventory"]]
            if not data["next_page_token"]:
                break
            query["page_token"] = data["next_page_token"]
        bundles = {one.sku_id for one in BUNDLES}
        assert set(seen) == EVERY_SKU - bundles - {ONE.sku_id, RETIRED[0][0].sku_id}
        assert data["total_count"] == len(seen) == len(set(seen))
        nothing = await caller.data("POST", FBT_STOCK, {"page_size": "20"}, shop=VN)
        assert (nothing.get("inventory"), nothing["total_count"]) == (None, 0)

    meet(test, mix=KEPT)


def test_goods_and_skus_cannot_be_asked_for_together():
    async def test(caller: Caller) -> None:
        both = {"goods_ids": ["1"], "sku_ids": ["1"]}
        assert await caller.code("POST", FBT_STOCK, {"page_size": "5"}, both) == 36009004
        assert await caller.code("POST", FBT_STOCK, {"page_size": "101"}) == 12019109
        elsewhere = {"fbt_warehouse_ids": [HERE]}
        data = await caller.data("POST", FBT_STOCK, {"page_size": "5"}, elsewhere)
        assert data["total_count"] == 0

    meet(test)


# Gates and faults


def test_the_gates_stand_before_products_too():
    async def test(caller: Caller) -> None:
        assert await caller.code("GET", SEARCH) == 36009010
        assert await caller.code("POST", "/product/202601/products/search") == 36009014
        assert await caller.code("POST", UPDATE, body={"skus": []}, sign="0") == 106001
        assert await caller.code("POST", UPDATE, shop_cipher="-") == 106013

    meet(test)


def test_rows_may_come_twice():
    async def test(caller: Caller) -> None:
        caller.world.faults.inject(FaultKind.duplicate_rows, "tiktok", "products/search")
        data = await caller.data("POST", SEARCH, {"page_size": "3"})
        ids = [product["id"] for product in data["products"]]
        assert (len(ids), len(set(ids))) == (5, 3)

    meet(test)
