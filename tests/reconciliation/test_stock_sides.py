"""What the proof of stock makes of a product, of an order and of NetSuite's items, as they are told."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.orders.order_builder import (
    FBT_WAREHOUSE,
    US_WAREHOUSE,
    WEST_WAREHOUSE,
    mapping_with,
    netsuite_items,
)
from tiktok_ns_pipeline.reconciliation.stock.model import Blind, Slot, Wanted
from tiktok_ns_pipeline.reconciliation.stock.sides import Goods, slots_of, wanted_of
from tiktok_ns_pipeline.tiktok.product_models import SkuStock, WarehouseStock

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PUBLISHES = "stock: {policy: publish}"
MAIN_POOL = ("6",)


def goods(changes: str = "", shop: str = PUBLISHES, members: Any = ()) -> Goods:
    return Goods(mapping_with(changes, shop), netsuite_items(), dict(members))


def product(seller_sku: str = "SKU-001", status: str = "ACTIVATE", **fields: Any) -> dict[str, Any]:
    return {"id": "9", "status": status, "skus": [{"id": "1", "seller_sku": seller_sku, **fields}]}


def shown(**by_warehouse: int) -> dict[str, SkuStock]:
    names = {"main": US_WAREHOUSE, "west": WEST_WAREHOUSE, "fbt": FBT_WAREHOUSE, "strange": "42"}
    places = {names[name]: WarehouseStock(number, 0) for name, number in by_warehouse.items()}
    return {"1": SkuStock("1", "9", places, NOW)}


def slots(raw: dict[str, Any], stock: Any = None, of: Goods | None = None) -> list[Slot]:
    known = of or goods()
    return slots_of(raw, shown(main=5) if stock is None else stock, known.mapping.shops["us"], known)


def order(*skus: str, **fields: Any) -> dict[str, Any]:
    lines = [
        {"id": str(number), "sku_id": "1", "seller_sku": sku, "display_status": "AWAITING_SHIPMENT"}
        for number, sku in enumerate(skus, start=1)
    ]
    return {
        "id": "5770",
        "status": "AWAITING_SHIPMENT",
        "create_time": 1_795_000_000,
        "warehouse_id": US_WAREHOUSE,
        "fulfillment_type": "FULFILLMENT_BY_SELLER",
        "line_items": lines,
    } | fields


def sale(status: str, sale_id: str = "77") -> dict[str, str]:
    return {"id": sale_id, "status": status}


def wants(raw: dict[str, Any], *sales: dict[str, str], of: Goods | None = None, **short: Any) -> Any:
    known = of or goods()
    return wanted_of(raw, sales, short, known.mapping.shops["us"], known)


def test_every_warehouse_of_a_sku_is_a_slot_with_its_pool() -> None:
    main, west, fbt = slots(product(), shown(main=5, west=6, fbt=7))
    assert (main.shown, main.pool, main.draws, main.standing) == (5, MAIN_POOL, {"301": 1}, "published")
    assert (west.shown, west.pool, west.standing) == (6, ("7",), "published")
    assert (fbt.shown, fbt.standing, fbt.draws) == (7, "fbt", {})


def test_a_number_that_tiktok_did_not_tell_is_unknown() -> None:
    [slot] = slots(product(inventory=[{"warehouse_id": US_WAREHOUSE, "quantity": 5}]), {})
    assert (slot.shown, slot.standing) == (None, "published")


@pytest.mark.parametrize(
    ("raw", "standing", "reason"),
    [
        (product("NEW-IN-2027"), "unmapped", "which no NetSuite item carries"),
        (product(status="SELLER_DEACTIVATED"), "not_pushed", "not on sale: SELLER_DEACTIVATED"),
        (product(status_info={"status": "DEACTIVATED"}), "not_pushed", "not on sale"),
        (product() | {"product_types": ["COMBINED_PRODUCT"]}, "not_pushed", "bundle"),
        ({"id": "9", "skus": 3}, "unclear", "cannot be read"),
    ],
)
def test_what_is_not_compared_says_why(raw: dict[str, Any], standing: str, reason: str) -> None:
    [slot] = slots(raw)
    assert slot.standing == standing
    assert reason in slot.reason


def test_what_the_mapping_does_not_push_still_shows_goods() -> None:
    for known in (goods(shop=""), goods('items: {SKU-001: {item_id: "301", stock: {publish: false}}}')):
        [slot] = slots(product(), of=known)
        assert (slot.standing, slot.draws) == ("not_pushed", {"301": 1})


def test_a_warehouse_that_the_mapping_does_not_know_is_unmapped() -> None:
    [slot] = slots(product(), shown(strange=5))
    assert slot.standing == "unmapped"
    assert "warehouse 42" in slot.reason


def test_packs_and_kits_draw_what_they_consist_of() -> None:
    pack = goods('items: {SKU-001: {item_id: "301", units_per: 6}}')
    assert slots(product(), of=pack)[0].draws == {"301": 6}
    kit = goods(members={"301": [("302", Decimal(2)), ("303", Decimal(1))], "303": [("302", Decimal(1))]})
    assert slots(product(), of=kit)[0].draws == {"302": 3}


def test_a_kit_that_contains_itself_is_no_guess() -> None:
    [slot] = slots(product(), of=goods(members={"301": [("301", Decimal(1))]}))
    assert slot.standing == "unmapped"
    assert "contains itself" in slot.reason


def test_an_order_wants_its_units_until_a_live_sales_order_holds_them() -> None:
    raw = order("SKU-001", "SKU-001", "SKU-002")
    claims = {want.stock: (want.quantity, want.is_claim) for want in wants(raw)}
    assert claims == {("301", MAIN_POOL): (2, True), ("302", MAIN_POOL): (1, True)}
    for status, is_claim in (("A", True), ("B", False), ("C", True), ("G", False), ("H", True)):
        assert {want.is_claim for want in wants(raw, sale(status))} == {is_claim}
    assert {want.is_claim for want in wants(raw, sale("H"), sale("B", "78"))} == {False}


def test_what_a_sales_order_could_not_commit_is_told_of_its_items() -> None:
    known = goods(members={"301": [("302", Decimal(2))]})
    [want] = wants(order("SKU-001", "SKU-001"), sale("B"), of=known, **{"77": [("301", Decimal(1))]})
    assert (want.stock, want.quantity, want.backordered) == (("302", MAIN_POOL), 4, 2)


@pytest.mark.parametrize(
    "raw",
    [
        order("SKU-001", fulfillment_type="FULFILLMENT_BY_TIKTOK"),
        order("SKU-001", warehouse_id=FBT_WAREHOUSE),
        order("SKU-001", warehouse_id="42"),
        order("NEW-IN-2027"),
        order("SKU-001", is_sample_order=True),
    ],
)
def test_orders_that_no_sales_order_will_hold_want_nothing(raw: dict[str, Any]) -> None:
    skips = goods("special_orders: {sample: {action: skip, reason: from the marketing stock}}")
    assert wants(raw, of=skips) == []


def test_cancelled_units_and_skipped_gifts_want_nothing() -> None:
    raw = order("SKU-001", "SKU-002", "SKU-003")
    raw["line_items"][1]["display_status"] = "CANCELLED"
    raw["line_items"][2] |= {"is_gift": True, "sale_price": "0"}
    skips = goods("special_orders: {gift: {action: skip, reason: they come from the shelf of gifts}}")
    assert [want.stock[0] for want in wants(raw, of=skips)] == ["301"]
    assert [want.stock[0] for want in wants(raw)] == ["301", "303"]


def test_an_order_without_a_warehouse_is_served_from_the_shops_own_location() -> None:
    [want] = wants(order("SKU-001", warehouse_id=None))
    assert isinstance(want, Wanted)
    assert want.stock == ("301", MAIN_POOL)


def test_an_order_that_cannot_be_read_may_want_what_its_lines_name() -> None:
    blind = wants(order("SKU-001", create_time="yesterday"))
    assert isinstance(blind, Blind)
    assert "order 5770 cannot be read: create_time" in blind.what
    assert blind.stocks == {("301", MAIN_POOL), ("301", ("7",))}
    assert wants(order("NEW-IN-2027", create_time="yesterday")).stocks == frozenset()
    assert wants({"id": "5770", "line_items": 3}).stocks is None
