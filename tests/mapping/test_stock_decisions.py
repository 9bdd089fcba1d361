"""Stock: nothing is shown unless the file says so, each unit is counted once, and each value has its rule."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.orders.order_builder import (
    FBT_WAREHOUSE,
    US_WAREHOUSE,
    WEST_WAREHOUSE,
    mapping_with,
    sandbox_mapping,
)
from tiktok_ns_pipeline.mapping import Mapping, MappingError, load_mapping
from tiktok_ns_pipeline.mapping.stock import PublishedStock, StockDecision, refuse_overlaps

PUBLISH = "stock: {policy: publish}"


def complaint(changes: str = "", shop: str = "") -> str:
    with pytest.raises(MappingError) as caught:
        mapping_with(changes, shop)
    return str(caught.value)


def with_warehouses(*entries: str) -> Mapping:
    """The small mapping, publishing, with other warehouses."""
    text = f"""
version: 1
shops:
  us:
    tiktok_shop_id: "1"
    region: US
    timezone: UTC
    currency: USD
    currency_id: "1"
    subsidiary_id: "1"
    customer: {{policy: bucket}}
    tax: {{policy: marketplace_facilitator, engine: none}}
    shipping: {{item_id: "901"}}
    {PUBLISH}
warehouses:
"""
    return load_mapping(text + "".join(f"  {entry}\n" for entry in entries))


def decided(mapping: Mapping, sku_id: str = "17", seller_sku: str = "RED-M") -> StockDecision:
    return mapping.stock_decision(mapping.shops["us"], sku_id, seller_sku)


def test_a_file_that_says_nothing_of_stock_publishes_nothing() -> None:
    mapping = mapping_with()

    assert not mapping.shops["us"].stock.publishes
    assert mapping.stock.model_dump() == {
        "snapshot_minutes": 5,
        "read_back_minutes": 60,
        "unknown": {"keep_minutes": 60, "then": "hold"},
        "shrink_percent": Decimal(20),
    }
    decision = decided(mapping_with("items: {RED-M: {item_id: 1, stock: {publish: true, buffer: 5}}}"))
    assert not decision.publishes
    assert decision.rules == {"publishes": "shops.us.stock.policy"}


def test_a_shop_that_publishes_shows_all_it_may() -> None:
    stock = mapping_with(shop=PUBLISH).shops["us"].stock

    assert stock == PublishedStock(policy="publish", share=Decimal(100), buffer=0, cap=None, fbt="report")


def test_the_sandbox_publishes_for_all_shops() -> None:
    assert all(shop.stock.publishes for shop in sandbox_mapping().shops.values())


def test_a_warehouse_shows_its_location_or_those_that_are_named() -> None:
    mapping = with_warehouses('"61": {location_id: 6}', '"71": {location_id: 7, stock_location_ids: [10, 9]}')

    assert mapping.stock_locations("61") == ("6",)
    assert mapping.stock_locations("71") == ("9", "10")
    assert mapping.stock_locations("99") == ()


def test_tiktok_counts_its_own_warehouse_itself() -> None:
    mapping = mapping_with(shop=PUBLISH)

    assert mapping.is_fbt(FBT_WAREHOUSE)
    assert mapping.stock_locations(FBT_WAREHOUSE) == ()
    assert not mapping.is_fbt(US_WAREHOUSE)
    assert not mapping.is_fbt("99")
    assert mapping.stock_locations(WEST_WAREHOUSE) == ("7",)


def test_two_warehouses_may_show_the_same_locations_in_any_order() -> None:
    mapping = with_warehouses(
        '"61": {location_id: 6, stock_location_ids: [6, 7]}',
        '"71": {location_id: 7, stock_location_ids: [7, 6]}',
    )

    assert mapping.stock_locations("61") == mapping.stock_locations("71")


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        (
            ('"61": {location_id: 6}', '"71": {location_id: 7, stock_location_ids: [6, 7]}'),
            "warehouses 61 and 71 both show the stock of location 6, but not of the same locations; "
            "give both the same `stock_location_ids`, or none in common",
        ),
        (
            ('"81": {location_id: 8, fulfilment: channel, stock_location_ids: [8]}',),
            "TikTok counts the stock of its own warehouse (FBT); remove `stock_location_ids`",
        ),
        (
            ('"81": {location_id: 8, fulfilment: channel}', '"61": {location_id: 8}'),
            "warehouse 61 would show the stock of location 8, which is that of TikTok's own warehouse 81",
        ),
        (('"61": {location_id: 6, stock_location_ids: [6, 6]}',), "a location stands twice"),
        (('"61": {location_id: 6, stock_location_ids: 6}',), "write here: internal ids of the locations"),
    ],
)
def test_no_unit_is_shown_by_two_pools(entries: tuple[str, ...], says: str) -> None:
    with pytest.raises(MappingError) as caught:
        with_warehouses(*entries)

    assert says in str(caught.value)


POOLS = st.dictionaries(
    st.sampled_from("ABC"), st.frozensets(st.sampled_from("1234"), min_size=1).map(sorted)
)


@given(POOLS)
def test_pools_are_equal_or_have_nothing_in_common(pools: dict[str, list[str]]) -> None:
    fits = all(
        set(one) == set(other) or not set(one) & set(other)
        for one in pools.values()
        for other in pools.values()
    )
    try:
        refuse_overlaps(pools)
    except ValueError:
        assert not fits
    else:
        assert fits


def test_the_sku_comes_before_its_shop_and_each_value_names_its_rule() -> None:
    mapping = mapping_with(
        "items: {RED-M: {item_id: 1, stock: {buffer: 0}}}", "stock: {policy: publish, buffer: 3, cap: 50}"
    )

    of_item = decided(mapping)
    assert (of_item.publishes, of_item.share, of_item.buffer, of_item.cap) == (True, Decimal(100), 0, 50)
    assert of_item.rules == {
        "publishes": "shops.us.stock.policy",
        "share": "shops.us.stock, by default",
        "buffer": "items.RED-M.stock.buffer",
        "cap": "shops.us.stock.cap",
    }
    of_shop = decided(mapping, seller_sku="BLUE-M")
    assert (of_shop.buffer, of_shop.rules["buffer"]) == (3, "shops.us.stock.buffer")


def test_an_entry_for_tiktoks_sku_id_comes_before_one_for_the_seller_sku() -> None:
    mapping = mapping_with(
        'items: {"17": {item_id: 1, stock: {cap: 4}}, RED-M: {item_id: 1, stock: {cap: 9}}}', PUBLISH
    )

    assert (decided(mapping).cap, decided(mapping, sku_id="18").cap) == (4, 9)


def test_a_single_sku_can_be_left_alone() -> None:
    decision = decided(mapping_with("items: {RED-M: {item_id: 1, stock: {publish: false}}}", PUBLISH))

    assert not decision.publishes
    assert decision.rules["publishes"] == "items.RED-M.stock.publish"


@pytest.mark.parametrize(
    ("section", "says"),
    [
        (
            "stock: {snapshot_minutes: 4}",
            "stock.snapshot_minutes: Input should be greater than or equal to 5",
        ),
        (
            "stock: {snapshot_minutes: 16}",
            "write here: minutes between two readings of all stock in NetSuite",
        ),
        ("stock: {read_back_minutes: 0}", "stock.read_back_minutes"),
        ("stock: {unknown: {then: forget}}", "'forget' is not one of 'hold' or 'zero'"),
        ("stock: {unknown: {keep_minute: 5}}", "did you mean `keep_minutes`?"),
        ("stock: {shrink_percent: 0}", "stock.shrink_percent: Input should be greater than 0"),
        ("stock: {shrink_percent: 101}", "stock.shrink_percent: Input should be less than or equal to 100"),
        ("items: {A: {item_id: 1, stock: {buffer: -1}}}", "items.A.stock.buffer"),
        ("items: {A: {item_id: 1, stock: {cap: 0}}}", "items.A.stock.cap"),
        ("items: {A: {item_id: 1, stock: {publish: often}}}", "items.A.stock.publish: 'often' does not fit"),
    ],
)
def test_a_wrong_section_says_where_and_what_to_write(section: str, says: str) -> None:
    assert says in complaint(section)


@pytest.mark.parametrize(
    ("stock", "says"),
    [
        ("{policy: publish, share: 0}", "shops.us.stock.share: Input should be greater than 0"),
        ("{policy: publish, share: 100.1}", "share: Input should be less than or equal to 100"),
        ("{policy: publish, buffer: -1}", "stock.buffer: Input should be greater than or equal to 0"),
        ("{policy: publish, cap: 100000}", "stock.cap: Input should be less than or equal to 99999"),
        ("{policy: publish, fbt: adjust}", "'adjust' is not one of 'report' or 'propose'"),
        ("{policy: none, share: 50}", "stock.share: there is no such key here"),
        ("{share: 50}", "write `policy:` with one of 'none', 'publish'"),
    ],
)
def test_a_wrong_decision_of_a_shop_says_where_and_what_to_write(stock: str, says: str) -> None:
    assert says in complaint(shop=f"stock: {stock}")
