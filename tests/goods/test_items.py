"""Which NetSuite item a SKU is: the mapping first, then name, UPC code, external id; never a guess."""

from __future__ import annotations

from typing import Any

import pytest

from tests.orders.order_builder import mapping_with, netsuite_items
from tiktok_ns_pipeline.goods.items import ItemIndex, Resolved
from tiktok_ns_pipeline.goods.problem import Problem

ITEMS = netsuite_items()


def resolve(seller_sku: str, sku_id: str = "1729", mapped: str = "{}") -> Any:
    return ITEMS.resolve(sku_id, seller_sku, mapping_with(f"items: {mapped}").items)


def item_of(found: Any) -> str:
    assert isinstance(found, Resolved), found
    return found.parts[0].item_id


@pytest.mark.parametrize(
    ("seller_sku", "item_id"),
    [
        ("SKU-001", "301"),
        ("sku-001", "301"),
        ("000000000312", "312"),
        ("ext-9", "364"),
        ("SHIRT : RED-M", "363"),
        ("RED-M", "363"),
    ],
)
def test_a_sku_is_found_by_name_upc_or_external_id(seller_sku: str, item_id: str) -> None:
    assert item_of(resolve(seller_sku)) == item_id


def test_the_mapping_goes_before_everything_and_the_sku_id_before_the_seller_sku() -> None:
    mapped = '{"1729": {item_id: "305"}, SKU-001: {item_id: "306"}}'

    assert item_of(resolve("SKU-001", "1729", mapped)) == "305"
    assert item_of(resolve("SKU-001", "1730", mapped)) == "306"


def test_a_sku_without_a_seller_sku_needs_the_mapping() -> None:
    found = resolve("")

    assert isinstance(found, Problem)
    assert (found.kind, found.cause) == ("unmapped_sku", "sku:1729")
    assert item_of(resolve("", mapped='{"1729": SKU-004}')) == "304"


@pytest.mark.parametrize(
    ("seller_sku", "mapped", "kind"),
    [
        ("111", "{}", "ambiguous_sku"),
        ("OLD-001", "{}", "inactive_item"),
        ("TTS-SELLER-DISCOUNT", "{}", "unmapped_sku"),
        ("A", "{A: NO-SUCH-ITEM}", "unmapped_sku"),
        ("A", '{A: {item_id: "99999"}}', "unmapped_sku"),
        ("A", "{A: OLD-001}", "inactive_item"),
    ],
)
def test_what_cannot_be_told_is_a_problem(seller_sku: str, mapped: str, kind: str) -> None:
    found = resolve(seller_sku, mapped=mapped)

    assert isinstance(found, Problem)
    assert found.kind == kind


def test_an_inactive_twin_does_not_make_a_sku_ambiguous() -> None:
    rows = [
        {"id": "1", "itemid": "A", "upccode": "5", "isinactive": "T"},
        {"id": "2", "itemid": "B", "upccode": "5", "isinactive": "F"},
    ]

    assert item_of(ItemIndex(rows).resolve("9", "5", {})) == "2"


def test_rows_of_the_lake_and_of_suiteql_are_the_same_items() -> None:
    told = {"id": "1", "itemid": "A", "itemtype": "InvtPart", "isinactive": "F"}
    landed = {
        "item_id": "1",
        "itemid": "A",
        "itemtype": "InvtPart",
        "isinactive": False,
        "upccode": None,
        "externalid": None,
    }

    assert ItemIndex([told]).fingerprint() == ItemIndex([landed]).fingerprint()


def test_the_fingerprint_changes_with_what_resolution_depends_on() -> None:
    row = {"id": "1", "itemid": "A", "isinactive": "F", "displayname": "Shirt"}
    before = ItemIndex([row]).fingerprint()

    assert ItemIndex([row | {"displayname": "Blouse"}]).fingerprint() == before
    assert ItemIndex([row | {"isinactive": "T"}]).fingerprint() != before
    assert ItemIndex([row, {"id": "2", "itemid": "B"}]).fingerprint() != before
