"""Products and stock as they are read (T 5.2, 5.3)."""

from typing import Any

import pytest

from tests.tiktok.samples import sample
from tiktok_ns_pipeline.clock import from_epoch
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.product_models import FbtStock, Listing

_PRODUCT = sample("oas_product_search_202502.json")["response"]["data"]["products"][0]
_FBT = {
    "fbt_warehouse_id": "7232382932030232",
    "goods": {
        "id": "12345",
        "name": "100ml water",
        "reference_code": "water01",
        "skus": [{"id": "73243612345", "on_hand_detail": {"available_quantity": 5, "total_quantity": 20}}],
    },
    "in_transit_quantity": 10,
    "on_hand_detail": {
        "available_quantity": 5,
        "reserved_quantity": 15,
        "total_quantity": 20,
        "unfulfillable_quantity": 0,
    },
}


def test_a_listing_tells_its_status_and_each_skus_stock_by_warehouse() -> None:
    listing = Listing.parse(_PRODUCT)
    assert (listing.product_id, listing.status) == ("1729592969712207008", "ACTIVATE")
    assert listing.takes_stock
    assert listing.is_not_for_sale
    assert listing.update_time == from_epoch(1234567800)
    (sku,) = listing.skus
    assert (sku.sku_id, sku.seller_sku) == ("1729592969712207012", "Color-Red-XM01")
    assert (sku.sales_status, sku.is_bundle) == ("DEACTIVATED", False)
    assert sku.warehouses == {"7068517275539719942": 999}


def test_a_listing_needs_no_more_than_id_and_status() -> None:
    listing = Listing.parse({"id": 17, "status": "SOMETHING_NEW", "skus": [{"id": "1", "seller_sku": ""}]})
    assert (listing.product_id, listing.title, listing.takes_stock) == ("17", None, True)
    (sku,) = listing.skus
    assert (sku.seller_sku, sku.sales_status, sku.warehouses) == (None, "NORMAL", {})


def test_a_quantity_that_is_not_stated_is_not_zero() -> None:
    rows = [{"warehouse_id": "8"}, {"quantity": 4}]
    listing = Listing.parse({"id": "17", "status": "DRAFT", "skus": [{"id": "1", "inventory": rows}]})
    assert listing.skus[0].warehouses == {"8": None}


def test_a_bundle_names_its_parts() -> None:
    parts = [{"product_id": "18", "sku_id": "2", "sku_count": 3}]
    listing = Listing.parse(
        {
            "id": "17",
            "status": "ACTIVATE",
            "product_types": ["COMBINED_PRODUCT"],
            "skus": [{"id": "1", "combined_skus": parts}],
        }
    )
    (sku,) = listing.skus
    assert sku.is_bundle
    assert [(part.sku_id, part.sku_count) for part in sku.combined_skus] == [("2", 3)]


@pytest.mark.parametrize("status", ["FREEZE", "DELETED"])
def test_a_frozen_or_deleted_product_takes_no_stock(status: str) -> None:
    assert not Listing.parse({**_PRODUCT, "status": status}).takes_stock


_WRONG: list[tuple[dict[str, Any], str]] = [
    ({"id": ""}, "product without a readable id: id is missing"),
    ({"status": None}, "product 1729592969712207008: status is missing"),
    ({"skus": "1"}, "skus is text where a list belongs"),
    ({"skus": [{"id": "1"}, {"id": 1}]}, r"skus\[1\].id repeats SKU 1"),
    ({"skus": [{}]}, r"skus\[0\].id is missing"),
    ({"skus": [{"id": "1", "inventory": [{"quantity": "many"}]}]}, r"inventory\[0\].quantity is text"),
]


@pytest.mark.parametrize(("changes", "said"), _WRONG)
def test_a_listing_that_is_wrong_is_refused_by_name(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(WireError, match=said):
        Listing.parse({**_PRODUCT, **changes})


def test_the_stock_in_tiktoks_warehouse_is_that_of_goods_and_of_their_skus() -> None:
    stock = FbtStock.parse(_FBT)
    assert (stock.warehouse_id, stock.in_transit) == ("7232382932030232", 10)
    assert (stock.goods.goods_id, stock.goods.reference_code) == ("12345", "water01")
    assert stock.on_hand is not None
    assert (stock.on_hand.total, stock.on_hand.available, stock.on_hand.reserved) == (20, 5, 15)
    (sku,) = stock.goods.skus
    assert sku.on_hand is not None
    assert (sku.sku_id, sku.on_hand.available, sku.on_hand.reserved) == ("73243612345", 5, None)


def test_stock_in_no_warehouse_or_without_its_number_is_refused() -> None:
    with pytest.raises(WireError, match="fbt_warehouse_id is missing"):
        FbtStock.parse({**_FBT, "fbt_warehouse_id": None})
    with pytest.raises(WireError, match=r"on_hand_detail\.available_quantity is missing"):
        FbtStock.parse({**_FBT, "on_hand_detail": {"total_quantity": 1}})
