"""What the proof expects of an order as TikTok tells it, and of a row as NetSuite tells it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.clock import to_epoch
from tiktok_ns_pipeline.mapping import Shop, load_mapping
from tiktok_ns_pipeline.mapping.special_orders import SpecialOrders, SpecialRule
from tiktok_ns_pipeline.money import Money
from tiktok_ns_pipeline.reconciliation.orders import Expectation, NetSuiteSide
from tiktok_ns_pipeline.reconciliation.sides import (
    needs_price_detail,
    netsuite_side,
    tiktok_side,
)
from tiktok_ns_pipeline.tiktok.models import PriceDetail

ROOT = Path(__file__).parents[2]
MAPPING = load_mapping(ROOT / "config" / "mapping.sandbox.yaml")
US = MAPPING.shops["us"]
PLACED = datetime(2026, 3, 2, 12, tzinfo=UTC)


def raw_order(**changes: Any) -> dict[str, Any]:
    """Two units at 10.00 less 1.00 of the seller's discount, shipped by the seller for 4.00."""
    order: dict[str, Any] = {
        "id": "576461413038785752",
        "status": "AWAITING_SHIPMENT",
        "create_time": to_epoch(PLACED),
        "paid_time": to_epoch(PLACED),
        "update_time": to_epoch(PLACED + timedelta(hours=1)),
        "shipping_type": "SELLER",
        "payment": {
            "currency": "USD",
            "original_total_product_price": "20.00",
            "seller_discount": "2.00",
            "platform_discount": "0",
            "sub_total": "18.00",
            "original_shipping_fee": "4.00",
            "shipping_fee": "4.00",
            "tax": "1.50",
            "total_amount": "23.50",
        },
        "line_items": [line("1"), line("2")],
    }
    return order | changes


def line(line_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": line_id,
        "seller_sku": "SKU-001",
        "currency": "USD",
        "original_price": "10.00",
        "seller_discount": "1.00",
        "platform_discount": "0",
        "sale_price": "9.00",
        "display_status": "AWAITING_SHIPMENT",
    } | changes


def side(raw: Any, special_orders: SpecialOrders = MAPPING.special_orders, shop: Shop = US) -> Any:
    return tiktok_side(raw, shop, special_orders)


def test_an_order_that_may_ship_is_expected_with_what_the_seller_is_owed() -> None:
    told = side(raw_order())
    assert (told.expectation, told.owed) == (Expectation.POSTED, Money.parse("22.00", "USD"))
    assert told.external_id == "tts-us-so-576461413038785752"


def test_the_real_vn_order_is_owed_to_the_dong() -> None:
    raw = exact_json.loads((ROOT / "tests/data/tiktok/real_vn_order.json").read_bytes())["order"]
    told = side(raw, shop=MAPPING.shops["vn"])
    # 857,610 less the seller's 343,044; TikTok bears the rest of the discount and ships by itself.
    assert told.owed == Money.parse("514566", "VND")


@pytest.mark.parametrize(
    ("status", "expectation"),
    [
        ("UNPAID", Expectation.NOT_POSTED),
        ("ON_HOLD", Expectation.NOT_POSTED),
        ("AWAITING_SHIPMENT", Expectation.POSTED),
        ("PARTIALLY_SHIPPING", Expectation.POSTED),
        ("AWAITING_COLLECTION", Expectation.POSTED),
        ("IN_TRANSIT", Expectation.POSTED),
        ("DELIVERED", Expectation.POSTED),
        ("COMPLETED", Expectation.POSTED),
        ("CANCELLED", Expectation.CANCELLED),
        ("TELEPORTED", Expectation.UNKNOWN),
    ],
)
def test_the_status_decides_whether_a_sales_order_is_expected(status: str, expectation: Expectation) -> None:
    told = side(raw_order(status=status))
    assert told.expectation is expectation
    assert bool(told.reason) is (expectation is not Expectation.POSTED)


@pytest.mark.parametrize("kind", ["sample", "replacement", "exchange", "gift", "zero_price"])
def test_a_special_order_that_the_mapping_skips_is_not_expected(kind: str) -> None:
    free = line("1", original_price="0", seller_discount="0", sale_price="0")
    nothing = dict.fromkeys(
        ("original_total_product_price", "seller_discount", "sub_total", "original_shipping_fee"), "0"
    ) | {"currency": "USD", "shipping_fee": "0", "tax": "0", "total_amount": "0"}
    raw = {
        "sample": raw_order(is_sample_order=True),
        "replacement": raw_order(is_replacement_order=True),
        "exchange": raw_order(is_exchange_order=True),
        "gift": raw_order(line_items=[line("1", is_gift=True), line("2", is_gift=True)]),
        "zero_price": raw_order(line_items=[free], payment=nothing),
    }[kind]
    skipping = SpecialOrders(**{kind: SpecialRule(action="skip", reason="written off")})

    assert side(raw, skipping).expectation is Expectation.NOT_POSTED
    assert "written off" in side(raw, skipping).reason
    assert side(raw, SpecialOrders()).expectation is Expectation.POSTED


def test_an_order_that_contradicts_itself_cannot_be_checked_and_says_why() -> None:
    payment = raw_order()["payment"] | {"sub_total": "17.00"}
    told = side(raw_order(payment=payment))
    assert (told.expectation, told.owed) == (Expectation.UNKNOWN, None)
    assert "sub_total" in told.reason


def test_a_cancelled_order_is_not_expected_whatever_its_amounts() -> None:
    assert side(raw_order(status="CANCELLED", payment=None)).expectation is Expectation.CANCELLED


@pytest.mark.parametrize(
    "broken",
    [None, [], "order", 7, {}, {"id": "1"}, raw_order(id=1.5), raw_order(line_items=[line("1"), line("1")])],
)
def test_an_order_that_no_model_reads_stays_in_the_proof(broken: Any) -> None:
    told = side(broken)
    assert told.expectation is Expectation.UNKNOWN
    assert told.reason
    assert told.order_id


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.decimals(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
        max_leaves=5,
    ),
    st.sampled_from(
        ["id", "status", "create_time", "update_time", "payment", "line_items", "is_sample_order"]
    ),
)
def test_no_order_whatever_is_in_it_breaks_the_proof(value: Any, field: str) -> None:
    for raw in (value, raw_order(**{field: value})):
        told = side(raw)
        assert told.expectation is not Expectation.UNKNOWN or told.reason


def test_the_grace_of_an_order_that_awaits_shipment_begins_with_its_last_change() -> None:
    assert side(raw_order()).postable_since == PLACED + timedelta(hours=1)


def test_the_grace_of_an_order_on_its_way_began_when_it_was_paid_or_its_hold_ended() -> None:
    shipped = {"status": "IN_TRANSIT", "update_time": to_epoch(PLACED + timedelta(days=2))}
    assert side(raw_order(**shipped)).postable_since == PLACED
    assert side(raw_order(**shipped, is_on_hold_order=True)).postable_since == PLACED + timedelta(hours=1)


def test_after_a_partial_cancellation_the_price_detail_decides_where_the_head_is_unclear() -> None:
    raw = raw_order(
        line_items=[line("1"), line("2", display_status="CANCELLED")],
        payment=raw_order()["payment"]
        | {
            "original_total_product_price": "10.00",
            "seller_discount": "0.50",
            "sub_total": "9.50",
            "total_amount": "15.00",
        },
    )
    detail = PriceDetail.parse(
        {
            "currency": "USD",
            "line_items": [{"id": "1", "sku_list_price": "10.00", "subtotal_deduction_seller": "1.00"}],
        },
        "576461413038785752",
    )
    assert needs_price_detail(raw, US)
    assert side(raw).expectation is Expectation.UNKNOWN
    assert tiktok_side(raw, US, MAPPING.special_orders, detail).owed == Money.parse("13.00", "USD")
    assert not needs_price_detail(raw_order(), US)
    assert not needs_price_detail({}, US)


ROW = {
    "id": "70123",
    "externalid": "tts-us-so-5764",
    "tranid": "SO1001",
    "status": "B",
    "tran_date": "2026-03-02",
    "foreigntotal": "22.5",
    "currency": "USD",
    "order_id": "5764",
    "shop": "us",
}


def test_a_row_of_suiteql_is_read_exactly() -> None:
    expected = NetSuiteSide("70123", "tts-us-so-5764", "5764", "B", "SO1001", Decimal("22.5"), "USD")
    assert netsuite_side(ROW, "us") == expected


def test_without_a_correlation_field_the_external_id_names_the_order_in_any_case() -> None:
    row = {**ROW, "externalid": "TTS-US-SO-5764"}
    del row["order_id"]
    assert netsuite_side(row, "us").order_id == "5764"
    assert netsuite_side(row, "uk").order_id is None


def test_a_column_that_is_null_is_unknown_and_not_zero() -> None:
    told = netsuite_side({"id": "1"}, "us")
    assert (told.total, told.currency, told.order_id, told.external_id) == (None, None, None, None)
    assert netsuite_side({**ROW, "foreigntotal": "many", "currency": "$"}, "us").total is None
