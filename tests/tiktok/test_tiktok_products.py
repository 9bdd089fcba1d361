"""How products and stock are asked for, and how stock is set (T 5.1-5.3)."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response

from tests.tiktok.samples import sample
from tests.tiktok.scripted_shop import NOW, SHOP, ok, outcome, refusal, rig
from tiktok_ns_pipeline.clock import from_epoch, to_epoch
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock, run_virtual
from tiktok_ns_pipeline.tiktok.calling import Page
from tiktok_ns_pipeline.tiktok.client import TikTokClient
from tiktok_ns_pipeline.tiktok.errors import (
    TikTokAmbiguous,
    TikTokPermissionError,
    TikTokRefused,
    WireError,
)
from tiktok_ns_pipeline.tiktok.meanings import meaning_of
from tiktok_ns_pipeline.tiktok.product_models import WarehouseStock

_UPDATE, _STOCK = (entry["response"]["data"] for entry in sample("oas_product_inventory.json"))
_FOUND = sample("oas_product_search_202502.json")["response"]["data"]
_SKU, _WAREHOUSE = "1729592969712207013", "7068517275539719942"
_TOO_MANY = refusal(12052180)


async def _products(client: TikTokClient, **options: Any) -> list[Page]:
    return [page async for page in client.products.search_products(SHOP, **options)]


async def _fbt(client: TikTokClient, *sku_ids: str) -> list[Page]:
    return [page async for page in client.products.fbt_stock(SHOP, sku_ids)]


def _set(levels: Any, *answers: Any) -> Any:
    return outcome(lambda client: client.products.update_stock(SHOP, "17", levels), *answers)


def _failed(sku_id: str | None, code: Any, *extra: Any) -> dict[str, Any]:
    detail = {"sku_id": sku_id, "extra_errors": [{"code": one, "message": f"says {one}"} for one in extra]}
    return {"code": code, "message": f"says {code}", "detail": detail}


def test_products_are_searched_in_every_status_a_hundred_a_page() -> None:
    pages, made = outcome(_products, ok(_FOUND), ok({"products": [{"id": "2"}]}))
    assert [row["id"] for page in pages for row in page.rows] == ["1729592969712207008", "2"]
    first, second = made.shop.asked
    assert (first.method, first.path) == ("POST", "/product/202502/products/search")
    assert (first.body, first.query["page_size"]) == (b"", "100")
    assert second.query["page_token"] == "b2Zmc2V0PTAK"


def test_only_products_that_changed_since_then_are_asked_for() -> None:
    _, made = outcome(lambda client: _products(client, updated_since=from_epoch(1690450000)), ok({}))
    assert json.loads(made.shop.asked[0].body) == {"update_time_ge": 1690450000}


def test_more_products_than_a_search_shows_are_read_in_slices_of_time_without_a_gap() -> None:
    pages, made = outcome(
        _products, _TOO_MANY, _TOO_MANY, *(ok({"products": [{"id": str(each)}]}) for each in range(3))
    )
    assert [row["id"] for page in pages for row in page.rows] == ["0", "1", "2"]
    asked = [json.loads(each.body or b"{}") for each in made.shop.asked]
    whole, half, oldest, older, newest = asked
    assert whole == {}
    assert half.keys() == oldest.keys() == {"update_time_le"}
    assert oldest["update_time_le"] == older["update_time_ge"]
    assert older["update_time_le"] == half["update_time_le"] == newest["update_time_ge"]
    assert newest.keys() == {"update_time_ge"}, "what changes meanwhile is in the last slice"


def test_products_that_no_slice_separates_are_refused_rather_than_left_out() -> None:
    failure, made = outcome(lambda client: _products(client, updated_since=NOW), _TOO_MANY)
    assert isinstance(failure, TikTokRefused)
    assert len(made.shop.asked) == 1


def test_the_stock_of_a_sku_is_what_can_be_ordered_and_what_is_promised_by_warehouse() -> None:
    reading, made = outcome(
        lambda client: client.products.stock_of(SHOP, ["1729388324987897824"]), ok(_STOCK)
    )
    stock = reading["1729388324987897824"]
    assert (stock.product_id, stock.seller_sku) == ("1729592969712207008", "Color-Red-XM01")
    assert stock.warehouses == {"7054915283043174149": WarehouseStock(available=100, committed=10)}
    assert (stock.total_available, stock.total_committed) == (100, 10)
    assert (stock.in_shop, stock.campaign, stock.creator) == (50, 30, 20)
    assert stock.read_at == NOW
    (asked,) = made.shop.asked
    assert (asked.method, asked.path) == ("POST", "/product/202309/inventory/search")
    assert json.loads(asked.body) == {"sku_ids": ["1729388324987897824"]}


def test_stock_is_read_600_skus_a_call_and_each_once() -> None:
    ids = [str(each) for each in range(1, 1302)]
    reading, made = outcome(lambda client: client.products.stock_of(SHOP, [*ids, *ids]), ok({}))
    assert reading == {}
    assert [len(json.loads(each.body)["sku_ids"]) for each in made.shop.asked] == [600, 600, 101]


def test_no_sku_asks_nothing() -> None:
    reading, made = outcome(lambda client: client.products.stock_of(SHOP, []), ok({}))
    assert (reading, reading.malformed, made.shop.asked) == ({}, [], [])


@pytest.mark.parametrize(
    ("sku", "said"),
    [
        ({"id": "1", "warehouse_inventory": [{"warehouse_id": "8"}]}, "available_quantity is missing"),
        ({"id": "1", "warehouse_inventory": [{"warehouse_id": "8", "available_quantity": 1.5}]}, "decimals"),
        ({"id": "1", "warehouse_inventory": [{"available_quantity": 1}]}, "warehouse_id is missing"),
        (
            {"id": "1", "warehouse_inventory": [{"warehouse_id": "8", "available_quantity": 1}] * 2},
            "repeats warehouse 8",
        ),
        ({"id": "", "warehouse_inventory": []}, "id is missing"),
        ("1", "is text where an object belongs"),
    ],
)
def test_a_sku_whose_stock_cannot_be_read_is_told_and_the_others_are_read(sku: Any, said: str) -> None:
    rows = [{"product_id": "17", "skus": [sku, {"id": "2"}]}, {"product_id": "18", "skus": "none"}]
    reading, _ = outcome(lambda client: client.products.stock_of(SHOP, ["1", "2"]), ok({"inventory": rows}))
    assert list(reading) == ["2"]
    of_sku, of_product = map(str, reading.malformed)
    assert said in of_sku
    assert of_product == "TikTok Shop stock of product 18: skus is no list"


def test_a_count_that_is_not_stated_is_not_zero() -> None:
    rows = [{"warehouse_id": "8", "available_quantity": 0}]
    answer = {"inventory": [{"product_id": "17", "skus": [{"id": "1", "warehouse_inventory": rows}]}]}
    reading, _ = outcome(lambda client: client.products.stock_of(SHOP, ["1"]), ok(answer))
    assert reading["1"].warehouses == {"8": WarehouseStock(available=0, committed=None)}
    assert (reading["1"].total_available, reading["1"].in_shop) == (None, None)


def test_all_warehouses_of_a_sku_are_set_in_one_call() -> None:
    refused, made = _set({"1": {"8": 0, "9": 99_999}, "2": {"8": 5}}, ok({}))
    assert refused == {}
    (asked,) = made.shop.asked
    assert (asked.method, asked.path) == ("POST", "/product/202309/products/17/inventory/update")
    assert json.loads(asked.body) == {
        "skus": [
            {
                "id": "1",
                "inventory": [
                    {"warehouse_id": "8", "quantity": 0},
                    {"warehouse_id": "9", "quantity": 99_999},
                ],
            },
            {"id": "2", "inventory": [{"warehouse_id": "8", "quantity": 5}]},
        ]
    }


def test_nothing_to_set_asks_nothing() -> None:
    refused, made = _set({}, ok({}))
    assert (refused, made.shop.asked) == ({}, [])


@pytest.mark.parametrize("level", [-1, 100_000, 1.0, True, "5", None])
def test_what_is_no_level_is_refused_before_the_call(level: Any) -> None:
    with pytest.raises(ValueError, match=r"SKU 1 in warehouse 8: .* is no level from 0 to 99999"):
        _set({"1": {"8": level}}, ok({}))


def test_a_sku_without_warehouses_is_refused_before_the_call() -> None:
    with pytest.raises(ValueError, match="SKU 1: a level is set for all of its warehouses"):
        _set({"1": {}}, ok({}))


@given(st.integers(0, 99_999))
def test_every_level_in_the_range_goes_out_as_it_is(level: int) -> None:
    _, made = _set({"1": {"8": level}}, ok({}))
    assert json.loads(made.shop.asked[0].body)["skus"][0]["inventory"][0]["quantity"] == level


def test_a_sku_that_is_refused_says_what_failed_in_the_check() -> None:
    refused, _ = _set({_SKU: {_WAREHOUSE: 1}, "2": {_WAREHOUSE: 1}}, ok(_UPDATE))
    assert refused.keys() == {_SKU}
    told = refused[_SKU]
    assert (told.code, told.message, told.meaning) == (
        12052097,
        "The warehouse does not exist",
        "warehouses_differ",
    )
    assert not told.may_pass


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ([_failed("1", 12052393)], {"1": (12052393, "stock_locked")}),
        ([_failed("1", "12052850")], {"1": (12052850, "bundle")}),
        ([_failed("1", 12052990, 99, 12052037)], {"1": (12052037, "not_editable")}),
        ([_failed("1", 12052990, 99)], {"1": (99, None)}),
        ([_failed("1", 12052990), _failed("1", 12019028)], {"1": (12019028, "warehouses_differ")}),
        ([_failed("1", ""), _failed("2", 7)], {"1": (None, None), "2": (7, None)}),
        ([_failed(None, 12052901)], {"1": (12052901, "listing_closed"), "2": (12052901, "listing_closed")}),
        (
            [_failed("1", 12052393), "broken"],
            {"1": (12052393, "stock_locked"), "2": (None, None)},
        ),
    ],
)
def test_refusals_are_told_by_sku_and_one_that_names_none_is_every_skus(
    failures: list[Any], expected: dict[str, Any]
) -> None:
    refused, _ = _set({"1": {"8": 1}, "2": {"8": 1}}, ok({"errors": failures}))
    assert {sku_id: (one.code, one.meaning) for sku_id, one in refused.items()} == expected


def test_a_sku_that_failed_by_tiktoks_own_fault_may_be_taken_later() -> None:
    refused, _ = _set({"1": {"8": 1}}, ok({"errors": [_failed("1", 36009003)]}))
    assert refused["1"].may_pass


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (12019028, "warehouses_differ"),
        (12052533, "warehouses_differ"),
        (12052393, "stock_locked"),
        (12052901, "listing_closed"),
        (12052850, "bundle"),
        (12052556, "listing_gone"),
        (12052055, "level_refused"),
        (12052921, "counted_elsewhere"),
        (12052144, "channel_ships"),
    ],
)
def test_a_call_that_is_refused_as_a_whole_says_why(code: int, meaning: str) -> None:
    failure, _ = _set({"1": {"8": 1}}, refusal(code))
    assert isinstance(failure, TikTokRefused)
    assert meaning_of(failure.code) == meaning


def test_an_inactive_seller_closes_the_shop() -> None:
    failure, _ = _set({"1": {"8": 1}}, refusal(12052700))
    assert isinstance(failure, TikTokPermissionError)


@pytest.mark.parametrize("answer", [refusal(36009003), refusal(36009007), Response("<html>", 503)])
def test_a_write_of_which_nobody_knows_is_not_repeated(answer: Any) -> None:
    failure, made = _set({"1": {"8": 1}}, answer)
    assert isinstance(failure, TikTokAmbiguous)
    assert len(made.shop.asked) == 1


def test_a_write_passes_the_reads_of_all_stock_that_wait_for_their_turn() -> None:
    async def run(_: VirtualClock) -> list[str]:
        async with rig(ok({}), per_second=5) as made:
            products = made.client.products
            reads = [products.stock_of(SHOP, [str(each)], lane="bulk") for each in range(1, 21)]
            await asyncio.gather(*reads, products.update_stock(SHOP, "17", {"1": {"8": 1}}))
            return [asked.path for asked in made.shop.asked]

    asked = run_virtual(run)
    assert len(asked) == 21
    assert asked.index("/product/202309/products/17/inventory/update") <= 2, "after the first pair"


def test_the_stock_that_tiktok_keeps_is_listed_all_of_it_or_by_sku() -> None:
    row = {"fbt_warehouse_id": "73", "goods": {"id": "1"}}
    pages, made = outcome(_fbt, ok({"inventory": [row], "next_page_token": "A"}), ok({}))
    assert [each for page in pages for each in page.rows] == [row]
    asked = made.shop.asked[0]
    assert (asked.method, asked.path, asked.body) == ("POST", "/fbt/202408/inventory/search", b"")
    ids = [str(each) for each in range(1, 102)]
    _, made = outcome(lambda client: _fbt(client, *ids, *ids), ok({}))
    assert [len(json.loads(each.body)["sku_ids"]) for each in made.shop.asked] == [100, 1]


def test_a_product_of_the_stock_must_have_its_id() -> None:
    with pytest.raises(WireError, match="stock of product without a readable id: product_id is missing"):
        outcome(lambda client: client.products.stock_of(SHOP, ["1"]), ok({"inventory": [{"skus": []}]}))


def test_a_search_since_a_moment_names_whole_seconds() -> None:
    moment = datetime(2026, 9, 1, 12, 0, 0, 900_000, tzinfo=UTC)
    _, made = outcome(lambda client: _products(client, updated_since=moment), ok({}))
    assert json.loads(made.shop.asked[0].body)["update_time_ge"] == to_epoch(moment)
