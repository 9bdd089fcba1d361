"""What TikTok owes for an order, and what contradicts it (T 3.4, 3.5)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.orders.order_builder import Raw, order, unit
from tiktok_ns_pipeline.tiktok.models import Order, PriceDetail
from tiktok_ns_pipeline.tiktok.owed import Owed, OwedReading, seller_owed


def read(raw: Raw, **options: Any) -> OwedReading:
    return seller_owed(Order.parse(raw), **options)


def owed(raw: Raw, **options: Any) -> Owed:
    reading = read(raw, **options)
    assert reading.is_sound, reading.contradictions
    assert reading.owed is not None
    return reading.owed


def fields(raw: Raw, **options: Any) -> set[tuple[str, str]]:
    return {(found.kind, found.field) for found in read(raw, **options).contradictions}


def test_the_platform_reimburses_its_discount() -> None:
    found = owed(order([unit(price="35", off="7", platform_off="5.2")]))

    assert (found.goods, found.platform_discount, found.total) == (28, Decimal("5.2"), 28)


def test_cancelled_lines_earn_nothing() -> None:
    found = owed(order([unit(), unit("SKU-002", "7", status="CANCELLED")]))

    assert found.total == 10
    assert list(found.prices) == ["5770900000000000000"]


def test_tax_on_top_and_fees_are_not_the_sellers() -> None:
    found = owed(order([unit()], tax="0.80", fees={"retail_delivery_fee": "0.28", "handling_fee": "1"}))

    assert (found.total, found.tax, found.buyer_fees) == (10, Decimal("0.80"), Decimal("1.28"))


@pytest.mark.parametrize(("currency", "sound"), [("USD", False), ("GBP", True), ("VND", True)])
def test_tax_is_on_top_in_the_us_alone(currency: str, sound: bool) -> None:
    raw = order([unit()], currency=currency)
    raw["payment"]["tax"] = "1"

    assert read(raw).is_sound is sound


SHIPPING = {
    "original_shipping_fee": "10",
    "shipping_fee_seller_discount": "1",
    "shipping_fee_platform_discount": "2",
    "shipping_fee_cofunded_discount": "3",
}


@pytest.mark.parametrize(
    ("shipping_type", "options", "shipping", "subsidy"),
    [
        ("TIKTOK", {}, 0, 0),
        ("TIKTOK", {"channel_ships_pays_seller": True}, 6, 2),
        ("SELLER", {}, 6, 2),
        ("SELLER", {"cofunded_paid_by_seller": False}, 9, 5),
    ],
)
def test_shipping_is_income_where_the_seller_ships(
    shipping_type: str, options: dict[str, bool], shipping: int, subsidy: int
) -> None:
    found = owed(order([unit()], shipping=SHIPPING, shipping_type=shipping_type), **options)

    assert (found.shipping, found.shipping_subsidy) == (shipping, subsidy)
    assert found.receivable_from_channel == subsidy


def test_shipping_can_be_told_from_what_the_buyer_pays_and_the_subsidy() -> None:
    raw = order([unit()], shipping=SHIPPING, shipping_type="SELLER")
    del raw["payment"]["original_shipping_fee"]

    assert owed(raw).shipping == 6
    assert owed(raw, cofunded_paid_by_seller=False).shipping == 9


def test_who_ships_must_be_known_where_it_matters() -> None:
    raw = order([unit()], shipping=SHIPPING)
    del raw["shipping_type"]

    assert fields(raw) == {("not_stated", "shipping_type")}
    free = order([unit()])
    del free["shipping_type"]
    assert owed(free).shipping == 0


def test_absent_discounts_are_none_where_an_identity_proves_it() -> None:
    raw = order([unit()])
    for block in (raw["payment"], raw["line_items"][0]):
        for field in ("seller_discount", "platform_discount"):
            del block[field]

    assert owed(raw).total == 10
    del raw["line_items"][0]["sale_price"]
    assert ("not_stated", "line.price") in fields(raw)


def test_any_selection_of_uncertain_fees_may_be_inside_the_total() -> None:
    raw = order([unit()], fees={"small_order_fee": "2", "buyer_service_fee": "0.50"})

    for total in ("10", "12", "10.5", "12.5"):
        raw["payment"]["total_amount"] = total
        assert read(raw).is_sound
    raw["payment"]["total_amount"] = "11"
    assert fields(raw) == {("identity", "payment.total_amount")}


@pytest.mark.parametrize(
    ("place", "value", "contradiction"),
    [
        (("payment", "sub_total"), "9.99", ("identity", "payment.sub_total")),
        (("payment", "shipping_fee"), "1", ("identity", "payment.shipping_fee")),
        (("payment", "total_amount"), "10.01", ("identity", "payment.total_amount")),
        (("payment", "product_tax"), "1", ("identity", "payment.tax")),
        (("line_items", 0, "sale_price"), "9", ("identity", "line.sale_price")),
        (("line_items", 0, "original_price"), "10.001", ("too_fine", "line.original_price")),
        (("line_items", 0, "platform_discount"), "-1", ("negative", "line.platform_discount")),
        (("line_items", 0, "currency"), "EUR", ("mixed_currency", "line.currency")),
        (("line_items", 0, "pfand_fee"), "0.25", ("unknown", "line.pfand_fee")),
    ],
)
def test_each_contradiction_is_named(
    place: tuple[Any, ...], value: str, contradiction: tuple[str, str]
) -> None:
    raw = order([unit()], tax="0.80")
    target: Any = raw
    for part in place[:-1]:
        target = target[part]
    target[place[-1]] = value

    assert contradiction in fields(raw)


def test_head_and_lines_that_differ_are_a_contradiction() -> None:
    raw = order([unit(off="1")], header_lines=[unit(off="2", price="11")])

    assert fields(raw) == {("identity", "payment.lines")}


def test_a_price_detail_settles_a_head_left_behind_by_cancellations() -> None:
    units = [unit(line_id="1"), unit("SKU-002", "7", line_id="2", status="CANCELLED")]
    raw = order(units, header_lines=[unit(price="12")])
    detail = PriceDetail.parse({"line_items": [{"id": "1", "sku_list_price": "10"}]}, raw["id"])

    assert fields(raw) == {("identity", "payment.after_cancellation")}
    assert owed(raw, price_detail=detail).total == 10


def test_amounts_that_are_not_stated_are_not_zero() -> None:
    raw = order([unit()])
    del raw["line_items"][0]["original_price"]

    reading = read(raw)

    assert reading.owed is None
    assert not reading.is_sound
