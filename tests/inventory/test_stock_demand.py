"""What an order takes of stock, from the moment it is placed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.orders.order_builder import FBT_WAREHOUSE, US_WAREHOUSE, mapping_with, netsuite_items, order, unit
from tiktok_ns_pipeline.inventory.demand import Demand, demand_of
from tiktok_ns_pipeline.inventory.pools import Draw, Kits

ITEMS = netsuite_items()
FIRST = unit("SKU-001")["sku_id"]


def demand(raw: Any, changes: str = "", *, shop: str = "", kits: Kits | None = None, **more: Any) -> Demand:
    mapping = mapping_with(changes, shop)
    return demand_of(raw, mapping.shops["us"], mapping, ITEMS, kits or {}, **more)


def at(name: str, quantity: int) -> dict[tuple[str, str], Decimal]:
    return {(name, US_WAREHOUSE): Decimal(quantity)}


@pytest.mark.parametrize("status", ["UNPAID", "ON_HOLD", "AWAITING_SHIPMENT", "COMPLETED", "NEW_STATUS"])
def test_an_order_counts_from_the_moment_it_is_placed(status: str) -> None:
    taken = demand(order([unit(), unit()], status=status))
    assert taken.uncommitted == at("301", 2)
    assert taken.sold == at(FIRST, 2)
    assert (taken.left_out, taken.problems) == (None, ())
    assert taken.is_readable


def test_cancelled_units_are_not_taken() -> None:
    assert demand(order([unit(), unit(status="CANCELLED")])).sold == at(FIRST, 1)
    cancelled = demand(order([unit()], status="CANCELLED"))
    assert (cancelled.uncommitted, cancelled.sold) == ({}, {})
    assert cancelled.left_out == "it is cancelled"


def test_stock_that_tiktok_counts_is_not_ours() -> None:
    for raw in (
        order([unit()], fulfillment_type="FULFILLMENT_BY_TIKTOK"),
        order([unit()], warehouse_id=FBT_WAREHOUSE, fulfillment_type=None),
    ):
        taken = demand(raw)
        assert (taken.uncommitted, taken.sold) == ({}, {})
        assert taken.left_out == "TikTok fulfils it from stock that TikTok counts"


def test_an_order_from_before_the_shops_first_day_takes_nothing() -> None:
    taken = demand(order([unit()]), shop="orders_since: 2030-01-01")
    assert (taken.uncommitted, taken.sold) == ({}, {})
    assert "2030-01-01" in (taken.left_out or "")


def test_an_order_that_never_comes_to_netsuite_is_off_tiktoks_number_only() -> None:
    taken = demand(order([unit()]), settled="special_orders.sample")
    assert (taken.uncommitted, taken.sold) == ({}, at(FIRST, 1))
    assert taken.left_out == "special_orders.sample"


def test_a_free_gift_that_is_skipped_comes_to_no_sales_order() -> None:
    gift = unit("SKU-002", "0", is_gift=True)
    skips = 'special_orders: {gift: {action: skip, reason: "free"}}'
    assert demand(order([unit(), gift]), skips).uncommitted == at("301", 1)
    assert demand(order([unit(), gift])).uncommitted == at("301", 1) | at("302", 1)
    assert len(demand(order([unit(), gift]), skips).sold) == 2


def test_packs_and_exploded_kits_take_their_items() -> None:
    pack = demand(order([unit("PACK")]), "items: {PACK: {item_name: SKU-001, units_per: 6}}")
    assert pack.uncommitted == at("301", 6)
    kit = (
        "items: {SET: {kit: explode, components: [{item_name: SKU-001, quantity: 2}, {item_name: SKU-002}]}}"
    )
    assert demand(order([unit("SET"), unit()]), kit).uncommitted == at("301", 3) | at("302", 1)


def test_kits_of_netsuite_take_their_members() -> None:
    kits = {"350": [Draw("301", Decimal(2)), Draw("302", Decimal("0.5"))]}
    taken = demand(order([unit("KIT-001")]), kits=kits)
    assert taken.uncommitted == at("301", 2) | {("302", US_WAREHOUSE): Decimal("0.5")}


def test_a_virtual_bundle_takes_its_components_off_tiktoks_number() -> None:
    components = [
        {"sku_id": "11", "seller_sku": "SKU-001", "sku_count": 2},
        {"sku_id": "12", "seller_sku": "SKU-002", "sku_count": 1},
    ]
    bundle = order([unit("BUNDLE", combined_listing_skus=components)])
    assert demand(bundle).sold == at("11", 2) | at("12", 1)
    assert demand(bundle).uncommitted == at("301", 2) | at("302", 1)
    as_item = "bundles: {policy: as_item}\nitems: {BUNDLE: SKU-003}"
    assert demand(bundle, as_item).sold == at("11", 2) | at("12", 1)
    assert demand(bundle, as_item).uncommitted == at("303", 1)


def test_an_unknown_sku_is_named_and_the_rest_counts() -> None:
    taken = demand(order([unit(), unit("NOBODY"), unit("NOBODY")]))
    assert taken.uncommitted == at("301", 1)
    assert sum(taken.sold.values()) == 3
    assert [problem.kind for problem in taken.problems] == ["unmapped_sku"]


@pytest.mark.parametrize(
    "broken",
    [
        {"line_items": "none"},
        {"create_time": None},
        {"warehouse_id": None},
        {"id": None},
        {"line_items": [unit(line_id="1"), unit(line_id="1")]},
    ],
)
def test_what_cannot_be_read_takes_nothing_and_is_named(broken: dict[str, Any]) -> None:
    taken = demand(order([unit()]) | broken)
    assert (taken.uncommitted, taken.sold) == ({}, {})
    assert [problem.kind for problem in taken.problems] == ["malformed_order"]


@given(st.lists(st.sampled_from(["SKU-001", "SKU-002", "SKU-003"]), min_size=1, max_size=6), st.randoms())
def test_the_order_of_lines_does_not_matter(skus: list[str], random: Any) -> None:
    lines = [unit(sku, line_id=str(number)) for number, sku in enumerate(skus, 1)]
    shuffled = random.sample(lines, len(lines))
    one, other = demand(order(lines)), demand(order(shuffled))
    assert (one.uncommitted, one.sold) == (other.uncommitted, other.sold)
    assert sum(one.sold.values()) == len(skus)
