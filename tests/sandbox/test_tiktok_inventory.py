"""Stock as the seller's app reads and sets it over HTTP (T 5.3)."""

from typing import Any

import pytest

from tests.sandbox.product_calls import (
    FBT,
    HERE,
    KEPT,
    ONE,
    STOCK,
    THERE,
    THREE,
    TWO,
    UPDATE,
    available,
    levels,
    products,
    refused,
    stock,
    update_of,
)
from tests.sandbox.tiktok_caller import UK, Caller, meet
from tiktok_ns_pipeline.sandbox.catalogue import BUNDLES, KITS, PACK, RETIRED
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.world import Line

# Stock


def test_stock_is_told_by_warehouse_with_what_open_orders_hold():
    async def test(caller: Caller) -> None:
        caller.world.place_order("us", [Line("SKU-001", 3)])
        caller.world.stock.lock("us", ONE.sku_id, HERE, 20)
        data = await caller.data("POST", STOCK, body={"sku_ids": [ONE.sku_id]})
        assert data == {
            "inventory": [
                {
                    "product_id": ONE.product_id,
                    "skus": [
                        {
                            "id": ONE.sku_id,
                            "seller_sku": "SKU-001",
                            "total_available_quantity": 102,
                            "total_committed_quantity": 3,
                            "total_available_inventory_distribution": {
                                "in_shop_inventory": {"quantity": 82},
                                "campaign_inventory": [{"campaign_name": "Sample campaign", "quantity": 20}],
                            },
                            "warehouse_inventory": [
                                {"warehouse_id": HERE, "available_quantity": 47, "committed_quantity": 3},
                                {"warehouse_id": THERE, "available_quantity": 50, "committed_quantity": 0},
                                {"warehouse_id": FBT, "available_quantity": 5, "committed_quantity": 0},
                            ],
                        }
                    ],
                }
            ]
        }

    meet(test, mix=KEPT)


def test_stock_is_found_by_product_and_of_both_filters_skus_win():
    async def test(caller: Caller) -> None:
        by_product = await caller.data("POST", STOCK, body={"product_ids": [ONE.product_id]})
        assert [sku["id"] for sku in by_product["inventory"][0]["skus"]] == [
            ONE.sku_id,
            TWO.sku_id,
            THREE.sku_id,
        ]
        both = await caller.data(
            "POST", STOCK, body={"product_ids": [ONE.product_id], "sku_ids": [PACK.sku_id]}
        )
        assert [row["product_id"] for row in both["inventory"]] == [PACK.product_id]

    meet(test)


def test_stock_of_what_is_deleted_or_unknown_is_missing():
    async def test(caller: Caller) -> None:
        deleted, deactivated = (listing.sku_id for listing, _ in RETIRED)
        assert list(await stock(caller, deleted, deactivated, "17")) == [deactivated]

    meet(test)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 36009004),
        ({"sku_ids": [str(n) for n in range(601)]}, 12019015),
        ({"product_ids": [str(n) for n in range(101)]}, 12019120),
        ({"sku_ids": "1"}, 36009004),
        ({"sku_ids": [1]}, 36009004),
    ],
)
def test_a_search_for_stock_refuses_what_is_too_much(body: Any, code: int):
    async def test(caller: Caller) -> None:
        assert await caller.code("POST", STOCK, body=body) == code
        assert await caller.code("POST", STOCK, body={"sku_ids": [str(n) for n in range(600)]}) == 0

    meet(test)


# Setting stock


def test_an_update_sets_what_is_available_and_zero_is_out_of_stock():
    async def test(caller: Caller) -> None:
        caller.world.place_order("us", [Line("SKU-001", 3)])
        assert await refused(caller, levels(ONE.sku_id, 7, 0), levels(TWO.sku_id, 99_999, 1)) == []
        found = await stock(caller, ONE.sku_id, TWO.sku_id)
        assert available(found[ONE.sku_id]) == {HERE: 7, THERE: 0, FBT: 5}
        assert available(found[TWO.sku_id]) == {HERE: 99_999, THERE: 1, FBT: 5}
        assert found[ONE.sku_id]["total_committed_quantity"] == 3
        [product] = await products(caller, {"sku_ids": [ONE.sku_id]})
        assert product["status"] == "ACTIVATE"

    meet(test, mix=KEPT)


def test_a_shop_with_one_warehouse_need_not_name_it():
    async def test(caller: Caller) -> None:
        wish = {"id": ONE.sku_id, "inventory": [{"quantity": 4}]}
        assert await refused(caller, wish, shop=UK) == []
        assert available((await stock(caller, ONE.sku_id, shop=UK))[ONE.sku_id]) == {UK.warehouses[0]: 4}
        assert await refused(caller, wish) == [(ONE.sku_id, 12019028)]

    meet(test, mix=KEPT)


def rows(*pairs: tuple[str, int]) -> dict[str, Any]:
    return {"id": ONE.sku_id, "inventory": [{"warehouse_id": one, "quantity": units} for one, units in pairs]}


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (rows((HERE, 1)), 12019028),
        (rows((HERE, 1), (HERE, 1)), 12052533),
        (rows((HERE, 1), (THERE, 1), (UK.warehouses[0], 1)), 12052533),
        (rows((HERE, 1), (THERE, 1), ("7", 1)), 12052990),
        (rows((HERE, 1), (THERE, 1), (FBT, 1)), 12052037),
        (rows((HERE, 1), (THERE, 100_000)), 12052055),
        (rows((HERE, 1), (THERE, -1)), 12052055),
        (levels(PACK.sku_id, 1, 1), 12052556),
    ],
)
def test_a_sku_that_is_refused_stays_as_it_was_and_the_others_are_set(wish: Any, code: int):
    async def test(caller: Caller) -> None:
        assert await refused(caller, wish, levels(TWO.sku_id, 8, 9)) == [(wish["id"], code)]
        found = await stock(caller, ONE.sku_id, TWO.sku_id)
        assert available(found[ONE.sku_id]) == {HERE: 50, THERE: 50, FBT: 5}
        assert available(found[TWO.sku_id]) == {HERE: 8, THERE: 9, FBT: 5}

    meet(test, mix=KEPT)


def test_an_unknown_warehouse_is_named_in_the_error():
    async def test(caller: Caller) -> None:
        data = await caller.data("POST", UPDATE, body={"skus": [rows((HERE, 1), (THERE, 1), ("7", 1))]})
        [extra] = data["errors"][0]["detail"]["extra_errors"]
        assert (extra["code"], extra["warehouse_id"]) == (12052097, "7")

    meet(test)


def test_stock_that_a_campaign_reserved_is_not_lowered():
    async def test(caller: Caller) -> None:
        caller.world.stock.lock("us", ONE.sku_id, THERE, 10)
        assert await refused(caller, levels(ONE.sku_id, 3, 9)) == [(ONE.sku_id, 12052393)]
        assert available((await stock(caller, ONE.sku_id))[ONE.sku_id])[HERE] == 50
        assert await refused(caller, levels(ONE.sku_id, 3, 10)) == []

    meet(test, mix=KEPT)


def test_the_stock_of_a_bundle_cannot_be_set():
    async def test(caller: Caller) -> None:
        wish, path = levels(BUNDLES[1].sku_id, 1, 1), update_of(BUNDLES[1].product_id)
        assert await refused(caller, wish, path=path) == [(BUNDLES[1].sku_id, 12052850)]
        kit = levels(KITS[0].sku_id, 1, 1)
        assert await refused(caller, kit, path=update_of(KITS[0].product_id)) == []

    meet(test)


@pytest.mark.parametrize(
    ("status", "code"),
    [("FREEZE", 12052901), ("DELETED", 12052901), ("SELLER_DEACTIVATED", 0), ("PLATFORM_DEACTIVATED", 0)],
)
def test_stock_is_set_in_every_status_but_frozen_and_deleted(status: Any, code: int):
    async def test(caller: Caller) -> None:
        caller.world.shelf.set_status("us", ONE.product_id, status)
        assert await caller.code("POST", UPDATE, body={"skus": [levels(ONE.sku_id, 1, 1)]}) == code

    meet(test)


@pytest.mark.parametrize(
    ("path", "skus", "code"),
    [
        (update_of("17"), [levels(ONE.sku_id, 1, 1)], 12052032),
        (UPDATE, [], 12052902),
        (UPDATE, [levels(ONE.sku_id, 1, 1), levels(ONE.sku_id, 2, 2)], 12052553),
        (UPDATE, [levels(str(n), 1, 1) for n in range(101)], 12052050),
        (UPDATE, [{"id": ONE.sku_id}], 36009004),
        (UPDATE, [{"id": ONE.sku_id, "inventory": [{"warehouse_id": HERE, "quantity": "1"}]}], 36009004),
        (UPDATE, [{"id": ONE.sku_id, "inventory": [{"warehouse_id": HERE}]}], 36009004),
        (UPDATE, [{"inventory": [{"warehouse_id": HERE, "quantity": 1}]}], 36009004),
    ],
)
def test_an_update_that_cannot_be_read_sets_nothing(path: str, skus: Any, code: int):
    async def test(caller: Caller) -> None:
        assert await caller.code("POST", path, body={"skus": skus}) == code
        assert available((await stock(caller, ONE.sku_id))[ONE.sku_id])[HERE] == 50

    meet(test, mix=KEPT)


# Faults


@pytest.mark.parametrize(
    ("kind", "is_set"), [(FaultKind.http_500_before, False), (FaultKind.http_500_after, True)]
)
def test_an_update_may_fail_before_and_after_it_was_done(kind: FaultKind, is_set: bool):
    async def test(caller: Caller) -> None:
        caller.world.faults.inject(kind, "tiktok", "inventory/update")
        assert await caller.code("POST", UPDATE, body={"skus": [levels(ONE.sku_id, 1, 1)]}) == 36009003
        assert (available((await stock(caller, ONE.sku_id))[ONE.sku_id])[HERE] == 1) == is_set

    meet(test, mix=KEPT)


def test_a_stale_reading_shows_stock_as_it_was_some_seconds_ago():
    async def test(caller: Caller) -> None:
        async def stale() -> dict[str, int]:
            caller.world.faults.inject(FaultKind.stale_page, "tiktok", "inventory/search")
            return available((await stock(caller, ONE.sku_id))[ONE.sku_id])

        caller.world.advance(60)
        caller.world.place_order("us", [Line("SKU-001", 3)])
        caller.world.advance(5)
        assert await refused(caller, levels(ONE.sku_id, 10, 10)) == []
        assert await stale() == {HERE: 50, THERE: 50, FBT: 5}
        assert available((await stock(caller, ONE.sku_id))[ONE.sku_id]) == {HERE: 10, THERE: 10, FBT: 5}
        caller.world.advance(31)
        assert await stale() == {HERE: 10, THERE: 10, FBT: 5}

    meet(test, mix=KEPT)
