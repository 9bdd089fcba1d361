"""Each rule by which a TikTok order becomes a Sales Order, one behaviour at a time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.orders.order_builder import (
    FBT_WAREHOUSE,
    WEST_WAREHOUSE,
    mapping_with,
    order,
    parked,
    stage,
    staged,
    unit,
)
from tiktok_ns_pipeline.orders.document import SalesOrderDocument
from tiktok_ns_pipeline.orders.outcome import Skipped, Staged, Waiting

GB = """
region: GB
timezone: Europe/London
currency: GBP
tax: {policy: inclusive_split, engine: suitetax, rate: 20, tax_code_id: "20", tax_type_id: "1"}
"""


def lines_of(document: SalesOrderDocument) -> list[tuple[str, Decimal, Decimal, Decimal]]:
    return [(line.item_id, line.quantity, line.rate, line.tax_amount) for line in document.lines]


def kinds(outcome: Any) -> set[str]:
    return {problem.kind for problem in outcome.problems}


# Status


@pytest.mark.parametrize("status", ["UNPAID", "ON_HOLD"])
def test_an_order_that_may_not_be_fulfilled_waits(status: str) -> None:
    outcome = stage(order([unit()], status=status, paid_time=0))

    assert isinstance(outcome, Waiting)
    assert outcome.status == status


@pytest.mark.parametrize(
    "status",
    [
        "AWAITING_SHIPMENT",
        "PARTIALLY_SHIPPING",
        "AWAITING_COLLECTION",
        "IN_TRANSIT",
        "DELIVERED",
        "COMPLETED",
    ],
)
def test_an_order_that_may_be_fulfilled_is_posted(status: str) -> None:
    assert staged(order([unit()], status=status)).document.control_total == 10


def test_a_cancelled_order_is_never_posted() -> None:
    outcome = stage(order([unit(status="CANCELLED")], status="CANCELLED"))

    assert isinstance(outcome, Skipped)
    assert "cancelled" in outcome.reason


@pytest.mark.parametrize(("first_day", "kind"), [("2026-08-01", Staged), ("2026-08-02", Skipped)])
def test_an_order_placed_before_the_shops_first_day_is_left_alone(first_day: str, kind: type) -> None:
    """Placed on 1 August 2026 at noon UTC, which is the same day in Los Angeles."""
    at_home = order([unit()], create_time=1785585600)
    assert isinstance(stage(at_home, mapping_with(shop=f"orders_since: {first_day}")), kind)


def test_an_unknown_status_is_not_guessed_at() -> None:
    assert kinds(parked(order([unit()], status="TELEPORTED"))) == {"unknown_status"}
    assert kinds(parked(order([unit(status="TELEPORTED")]))) == {"unknown_status"}


def test_an_order_whose_lines_are_all_cancelled_waits_for_its_own_cancellation() -> None:
    assert isinstance(stage(order([unit(status="CANCELLED")])), Waiting)


def test_the_dispatch_deadline_travels_with_the_outcome() -> None:
    outcome = parked(order([unit("NOBODY-KNOWS")]))

    assert outcome.dispatch_by is not None
    assert outcome.dispatch_by.isoformat() == "2026-08-03T05:00:00+00:00"


# Collapse


def test_equal_units_collapse_and_every_line_id_stays_findable() -> None:
    raw = order([unit(off="1"), unit("SKU-002", "5"), unit(off="1"), unit(off="1")])

    document = staged(raw, mapping_with()).document

    assert lines_of(document) == [("301", 3, 9, 0), ("302", 1, 5, 0)]
    assert document.lines[0].channel_line_ids == (
        "5770900000000000000",
        "5770900000000000002",
        "5770900000000000003",
    )
    assert document.lines[1].channel_line_ids == ("5770900000000000001",)


@pytest.mark.parametrize(
    "other", [unit(price="11"), unit(off="1"), unit(platform_off="1"), unit(is_gift=True)]
)
def test_units_that_differ_in_price_discount_or_gift_stay_apart(other: dict[str, Any]) -> None:
    document = staged(order([unit(), other]), mapping_with()).document

    assert len(document.lines) == 2


def test_packages_do_not_keep_units_apart() -> None:
    document = staged(order([unit(package_id="1"), unit(package_id="2")]), mapping_with()).document

    assert [line.quantity for line in document.lines] == [2]


def test_keys_survive_a_partial_cancellation() -> None:
    units = [unit(), unit(), unit("SKU-002", "7.01", off="0.02")]
    whole = staged(order(units)).document
    units[1] = unit(status="CANCELLED")

    rest = staged(order(units)).document

    assert [line.key for line in rest.lines] == [line.key for line in whole.lines]
    assert [line.quantity for line in rest.lines if line.kind == "item"] == [1, 1]
    assert rest.control_total == Decimal("16.99")


def test_the_head_may_forget_cancelled_lines_or_not() -> None:
    units = [unit(), unit("SKU-002", "7", status="CANCELLED")]

    remembers = staged(order(units)).document
    forgets = staged(order(units, header_lines=units[:1])).document

    assert remembers.control_total == forgets.control_total == 10


def test_a_head_that_fits_neither_is_resolved_by_the_price_detail() -> None:
    units = [unit(line_id="1"), unit("SKU-002", "7", line_id="2", status="CANCELLED"), unit("SKU-003", "3")]
    raw = order(units, header_lines=[unit(price="12")])
    detail = {
        "line_items": [
            {"id": "1", "sku_list_price": "10"},
            {"id": "5770900000000000002", "sku_list_price": "3"},
        ]
    }

    assert kinds(parked(raw)) == {"contradictory_amounts"}
    assert staged(raw, price_detail=detail).document.control_total == 13
    detail["line_items"][1]["sku_list_price"] = "2.99"
    assert kinds(parked(raw, price_detail=detail)) == {"contradictory_amounts"}


# Money


def test_platform_discount_is_receivable_and_no_price_cut() -> None:
    document = staged(order([unit("SKU-001", "35", off="7", platform_off="5.2")]), mapping_with()).document

    assert document.control_total == 28
    assert document.platform_discount == Decimal("5.2")
    assert document.lines[0].custom_fields["custcol_tts_platform_discount"] == Decimal("5.2")


def test_seller_discount_can_stand_on_its_own_line() -> None:
    raw = order([unit(off="1"), unit(off="1"), unit("SKU-002", "5")])

    document = staged(raw).document  # the sandbox's US shop shows discounts

    assert [(line.kind, line.item_id, line.quantity, line.rate) for line in document.lines] == [
        ("item", "301", 2, 10),
        ("discount", "902", 1, -2),
        ("item", "302", 1, 5),
    ]
    assert document.control_total == 23


def test_shipping_by_the_seller_is_income_with_its_subsidy() -> None:
    parts = {
        "original_shipping_fee": "6.99",
        "shipping_fee_seller_discount": "1",
        "shipping_fee_platform_discount": "2",
        "shipping_fee_cofunded_discount": "0.50",
    }
    raw = order([unit()], shipping=parts, shipping_type="SELLER")

    document = staged(raw).document

    assert (document.lines[-1].kind, document.lines[-1].item_id) == ("shipping", "901")
    assert document.lines[-1].amount == Decimal("5.49")
    assert document.platform_discount == 2
    generous = mapping_with(shop='shipping: {item_id: "901", cofunded_discount: channel}')
    document = staged(raw, generous).document
    assert document.control_total == Decimal("15.99")
    assert document.platform_discount == Decimal("2.50")


def test_shipping_by_tiktok_is_left_out_unless_the_mapping_includes_it() -> None:
    raw = order([unit()], shipping={"original_shipping_fee": "6.99"})

    assert staged(raw).document.control_total == 10
    including = mapping_with(shop='shipping: {item_id: "901", when_tiktok_ships: include}')
    assert staged(raw, including).document.control_total == Decimal("16.99")


def test_us_sales_tax_never_reaches_the_sales_order() -> None:
    document = staged(order([unit()], tax="0.83")).document

    assert document.control_total == 10
    assert document.tax_mode == "suitetax"
    assert all(line.tax_amount == 0 and line.tax_code_id is None for line in document.lines)


def test_us_sales_tax_can_be_shown_as_a_pair_of_lines() -> None:
    tax = (
        "tax: {policy: marketplace_facilitator, engine: legacy, tax_code_id: '5', "
        "show_lines: {collected_item_id: '903', remitted_item_id: '904'}}"
    )

    document = staged(order([unit()], tax="0.83"), mapping_with(shop=tax)).document

    assert [(line.item_id, line.amount) for line in document.lines[1:]] == [
        ("903", Decimal("0.83")),
        ("904", Decimal("-0.83")),
    ]
    assert {line.tax_code_id for line in document.lines} == {"5"}
    assert document.control_total == 10


def test_buyer_fees_never_reach_the_sales_order() -> None:
    fees = {"retail_delivery_fee": "0.28", "small_order_fee": "1.50", "buyer_service_fee": "0.99"}

    assert staged(order([unit()], fees=fees)).document.control_total == 10


def test_tax_inside_prices_is_split_so_that_it_always_sums() -> None:
    document = staged(order([unit(price="9.99")] * 3, currency="GBP"), mapping_with(shop=GB)).document

    # 29.97 is 24.98 net and 4.99 tax; 24.98 is no multiple of three, so two lines a penny apart. With its
    # tax each piece costs 9.99: that is what a refund of one gives back.
    assert lines_of(document) == [
        ("301", 1, Decimal("8.32"), Decimal("1.67")),
        ("301", 2, Decimal("8.33"), Decimal("3.32")),
    ]
    assert document.lines[1].key == document.lines[0].key + "+"
    ids = [line.channel_line_ids for line in document.lines]
    assert [len(each) for each in ids] == [1, 2]
    assert len({one for each in ids for one in each}) == 3


def test_tax_inside_prices_can_be_posted_gross() -> None:
    gross = GB.replace(
        'inclusive_split, engine: suitetax, rate: 20, tax_code_id: "20", tax_type_id: "1"',
        'inclusive_gross, engine: legacy, tax_code_id: "5"',
    )

    document = staged(order([unit(price="9.99")] * 3, currency="GBP"), mapping_with(shop=gross)).document

    assert lines_of(document) == [("301", 3, Decimal("9.99"), 0)]


def test_an_item_can_have_a_tax_rate_of_its_own() -> None:
    own = mapping_with('items: {SKU-001: {item_name: SKU-001, tax_rate: 5, tax_code_id: "21"}}', GB)

    document = staged(order([unit(price="10.50"), unit("SKU-002", "12")], currency="GBP"), own).document

    assert [(line.amount, line.tax_amount, line.tax_code_id) for line in document.lines] == [
        (10, Decimal("0.50"), "21"),
        (10, 2, "20"),
    ]


def test_a_destination_outside_the_tax_is_parked() -> None:
    shop = GB.replace("rate: 20", "destinations: [GB], rate: 20")
    raw = order([unit()], currency="GBP", recipient_address={"region_code": "IE"})

    assert kinds(parked(raw, mapping_with(shop=shop))) == {"unmapped_tax"}


def test_an_order_above_the_shops_limit_is_parked() -> None:
    raw = order([unit(price="100.01")])

    assert kinds(parked(raw, mapping_with(shop="largest_order: 100"))) == {"amount_out_of_range"}


# Items


def test_a_pack_becomes_single_units_and_loses_no_cent() -> None:
    document = staged(order([unit("PACK-6-001", "10"), unit("PACK-6-001", "10")])).document

    # 10.00 / 6: four at 1.67 and two at 1.66, twice.
    assert lines_of(document) == [("301", 4, Decimal("1.66"), 0), ("301", 8, Decimal("1.67"), 0)]
    assert all(len(line.channel_line_ids) == 2 for line in document.lines)


def test_a_pack_keeps_its_rates_when_one_of_it_is_cancelled() -> None:
    both = staged(order([unit("PACK-6-001", "10"), unit("PACK-6-001", "10")])).document
    one = staged(order([unit("PACK-6-001", "10"), unit("PACK-6-001", "10", status="CANCELLED")])).document

    assert [(line.key, line.rate) for line in one.lines] == [(line.key, line.rate) for line in both.lines]
    assert [line.quantity for line in one.lines] == [2, 4]


def test_a_pack_can_be_sold_in_a_unit_of_its_own() -> None:
    mapping = mapping_with('items: {PACK: {item_id: "301", units_id: "2"}}')

    (line,) = staged(order([unit("PACK", "10")]), mapping).document.lines

    assert (line.quantity, line.units_id) == (1, "2")


def test_a_kit_item_is_passed_as_one() -> None:
    (line,) = staged(order([unit("KIT-001", "88.2")])).document.lines

    assert (line.item_id, line.quantity, line.rate) == ("350", 1, Decimal("88.2"))


def test_a_kit_can_be_exploded_by_weights() -> None:
    document = staged(order([unit("KIT-002", "10")] * 2)).document

    assert lines_of(document) == [("303", 2, Decimal("3.33"), 0), ("304", 2, Decimal("6.67"), 0)]
    assert document.control_total == 20


def bundle() -> dict[str, Any]:
    parts = [
        {"sku_id": "17290001", "seller_sku": "SKU-007", "sku_count": 2},
        {"sku_id": "17290002", "seller_sku": "SKU-008", "sku_count": 1},
    ]
    return unit("SKU-009", "10", combined_listing_skus=parts)


def test_a_virtual_bundle_is_exploded_into_what_tiktok_names() -> None:
    document = staged(order([bundle()])).document

    assert lines_of(document) == [
        ("307", 1, Decimal("3.33"), 0),
        ("307", 1, Decimal("3.34"), 0),
        ("308", 1, Decimal("3.33"), 0),
    ]


def test_a_virtual_bundle_can_be_an_item() -> None:
    (line,) = staged(order([bundle()]), mapping_with("bundles: {policy: as_item}")).document.lines

    assert line.item_id == "309"


def test_one_unmapped_sku_names_itself() -> None:
    outcome = parked(order([unit(), unit("NEW-IN-2027", "12.34")]))

    (problem,) = outcome.problems
    assert (problem.kind, problem.cause) == ("unmapped_sku", "sku:NEW-IN-2027")
    assert "576461413038785752" in problem.message
    assert "NEW-IN-2027" in problem.message
    assert "replayed by itself" in problem.what_to_do


def test_all_problems_are_told_at_once() -> None:
    raw = order([unit("NEW-1"), unit("OLD-001"), unit("111")], warehouse_id="99")

    assert kinds(parked(raw)) == {"unmapped_sku", "inactive_item", "ambiguous_sku", "unmapped_warehouse"}


# Places


def test_the_warehouse_gives_the_location_of_head_and_lines() -> None:
    document = staged(order([unit()], warehouse_id=WEST_WAREHOUSE)).document

    assert document.location_id == "7"
    assert {line.location_id for line in document.lines} == {"7"}


def test_an_order_without_a_warehouse_takes_the_shops_location() -> None:
    assert staged(order([unit()], warehouse_id=None)).document.location_id == "6"


def test_an_order_that_tiktok_fulfils_takes_its_location_and_is_marked() -> None:
    raw = order([unit()], fulfillment_type="FULFILLMENT_BY_TIKTOK", warehouse_id="unknown-elsewhere")

    for document in (staged(raw).document, staged(raw | {"warehouse_id": FBT_WAREHOUSE}).document):
        assert document.location_id == "8"
        assert document.fulfilment == "channel"


def test_an_order_that_tiktok_fulfils_needs_a_location_for_it() -> None:
    raw = order([unit()], fulfillment_type="FULFILLMENT_BY_TIKTOK")

    assert kinds(parked(raw, mapping_with())) == {"unmapped_warehouse"}


def test_routing_decides_before_warehouse_and_shop() -> None:
    rules = """
routing:
  orders:
    - {name: Big ones, when: {amount_from: 100}, set: {class_id: "5", custom_fields: {custbody_big: true}}}
    - {name: West, when: {state: CA}, set: {location_id: "7", class_id: "6"}}
  lines:
    - {name: Posters, when: {product_name_contains: poster}, set: {department_id: "3", location_id: "9"}}
"""
    address = {
        "region_code": "US",
        "district_info": [{"address_level": "L1", "address_name": "California"}],
    }
    raw = order([unit(price="100"), unit("SKU-002", product_name="A big POSTER")], recipient_address=address)

    document = staged(raw, mapping_with(rules)).document

    assert (document.class_id, document.location_id) == ("5", "7")
    assert document.custom_fields == {"custbody_big": True}
    assert [(line.location_id, line.department_id) for line in document.lines] == [("7", None), ("9", "3")]


def test_another_subsidiary_has_a_bucket_of_its_own() -> None:
    rules = 'routing: {orders: [{name: All, set: {subsidiary_id: "2"}}]}'

    document = staged(order([unit()]), mapping_with(rules)).document

    assert document.subsidiary_id == "2"
    assert document.customer.key == "USD-2"
    assert document.customer.subsidiary_id == "2"


def test_an_existing_customer_cannot_follow_into_another_subsidiary() -> None:
    rules = 'routing: {orders: [{name: All, set: {subsidiary_id: "2"}}]}'
    mapping = mapping_with(rules, shop='customer: {policy: bucket, existing_id: "77"}')

    assert kinds(parked(order([unit()]), mapping)) == {"unroutable_order"}
    home = mapping_with(shop='customer: {policy: bucket, existing_id: "77"}')
    assert staged(order([unit()]), home).document.customer.existing_id == "77"


# Special orders


def test_samples_are_posted_at_zero_to_their_class() -> None:
    document = staged(order([unit(price="20", off="20")], is_sample_order=True)).document

    assert document.control_total == 0
    assert document.class_id == "2"
    assert {line.class_id for line in document.lines} == {"2"}


def test_a_sample_that_is_not_free_is_a_contradiction() -> None:
    assert kinds(parked(order([unit(price="20")], is_sample_order=True))) == {"contradictory_amounts"}


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("sample", order([unit()], is_sample_order=True)),
        ("replacement", order([unit()], is_replacement_order=True)),
        ("exchange", order([unit()], is_exchange_order=True)),
        ("gift", order([unit(price="0", is_gift=True)])),
        ("zero_price", order([unit(price="0")])),
    ],
)
def test_special_orders_can_be_skipped_with_a_reason(kind: str, raw: dict[str, Any]) -> None:
    mapping = mapping_with(f"special_orders: {{{kind}: {{action: skip, reason: We say so}}}}")

    outcome = stage(raw, mapping)

    assert isinstance(outcome, Skipped)
    assert (outcome.reason, outcome.rule) == ("We say so", f"special_orders.{kind}")


def test_a_zero_price_is_not_believed_of_an_order_that_contradicts_itself() -> None:
    raw = order([unit(price="0")])
    raw["payment"]["sub_total"] = "5"
    mapping = mapping_with("special_orders: {zero_price: {action: skip, reason: Nothing to book}}")

    assert kinds(parked(raw, mapping)) == {"contradictory_amounts"}


def test_free_gifts_in_an_ordinary_order_can_be_left_out_or_classed() -> None:
    raw = order([unit(), unit("SKU-002", "0", is_gift=True)])

    skipping = mapping_with("special_orders: {gift: {action: skip, reason: Shelf stock}}")
    assert [line.item_id for line in staged(raw, skipping).document.lines] == ["301"]
    classing = mapping_with('special_orders: {gift: {action: post, class_id: "9"}}')
    assert [line.class_id for line in staged(raw, classing).document.lines] == [None, "9"]


# Identity, customer, dates, rates


def test_identity_is_made_of_shop_kind_and_order_id() -> None:
    raw = order([unit()], id="5764614130387857529")

    document = staged(raw).document

    assert document.external_id == "tts-us-so-5764614130387857529"
    assert document.other_ref_num == "5764614130387857529"


def test_a_shop_can_be_named_by_its_tiktok_id() -> None:
    assert staged(order([unit()]), shop="7495000000000000001").shop == "us"


def test_an_unknown_shop_is_parked() -> None:
    outcome = parked(order([unit()]), shop="7495000000000000009")

    assert kinds(outcome) == {"unmapped_shop"}
    assert outcome.shop == "7495000000000000009"


def test_one_customer_for_each_buyer_by_tiktoks_id_not_by_name() -> None:
    mapping = mapping_with(shop="customer: {policy: buyer}")
    raw = order([unit()], buyer_email="v4b9@scs1.tiktok.com", recipient_address={"name": "B** E*"})

    customer = staged(raw, mapping).document.customer

    assert (customer.kind, customer.key) == ("buyer", "7021436810468230477")
    assert customer.name == "TikTok buyer 7021436810468230477"
    assert customer.email == "v4b9@scs1.tiktok.com"
    assert kinds(parked(order([unit()], user_id=""), mapping)) == {"unmapped_buyer"}


def test_the_day_is_the_subsidiarys() -> None:
    # 2026-08-01 05:01 UTC is still July in Los Angeles.
    assert staged(order([unit()])).document.tran_date.isoformat() == "2026-07-31"


def test_cash_on_delivery_is_dated_by_its_creation() -> None:
    raw = order([unit()], is_cod=True, paid_time=None, create_time=1785700000)

    assert staged(raw).document.tran_date.isoformat() == "2026-08-02"


def test_exchange_rate_is_netsuites_or_fixed_by_day() -> None:
    fixed = mapping_with(
        shop="exchange_rate: {source: fixed, rates: [{since: 2026-07-01, rate: 1.27}, "
        "{since: 2026-08-01, rate: 1.28}]}"
    )

    assert staged(order([unit()])).document.exchange_rate is None
    document = staged(order([unit()]), fixed).document
    assert document.exchange_rate == Decimal("1.27")
    assert document.exchange_rate_source == "fixed by the mapping since 2026-07-01"
    assert kinds(parked(order([unit()], paid_time=1700000000), fixed)) == {"unmapped_rate"}


def test_an_order_in_another_currency_than_its_shop_is_parked() -> None:
    assert kinds(parked(order([unit()], currency="GBP"))) == {"mixed_currency"}


def test_the_same_order_always_has_the_same_fingerprint() -> None:
    units = [unit(), unit("SKU-002", "3"), unit(off="1")]
    raw = order(units)
    turned = raw | {"line_items": list(reversed(raw["line_items"]))}

    assert staged(raw).document.fingerprint() == staged(turned).document.fingerprint()
