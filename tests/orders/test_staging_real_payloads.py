"""Real payloads of production shops stage to the cent."""

from __future__ import annotations

from decimal import Decimal

from tests.orders.order_builder import (
    mapping_with,
    netsuite_items,
    order,
    sample,
    sandbox_mapping,
    staged,
    unit,
)
from tiktok_ns_pipeline.mapping import Mapping, load_mapping
from tiktok_ns_pipeline.orders.outcome import Parked, Staged
from tiktok_ns_pipeline.orders.staging import stage_order
from tiktok_ns_pipeline.tiktok.models import Order
from tiktok_ns_pipeline.tiktok.owed import seller_owed


def vietnam() -> Mapping:
    """The sandbox's Vietnamese shop, which also knows the sample's SKU and warehouse."""
    text = (
        (sandbox_mapping_text())
        .replace("items:\n", 'items:\n  "1736929605432607991": {item_name: SKU-001}\n', 1)
        .replace("warehouses:\n", 'warehouses:\n  "7661207737776293652": {location_id: "10"}\n', 1)
    )
    return load_mapping(text)


def sandbox_mapping_text() -> str:
    from tests.orders.order_builder import ROOT

    return (ROOT / "config" / "mapping.sandbox.yaml").read_text(encoding="utf-8")


def brazil() -> Mapping:
    return mapping_with(
        changes='items: {"1735454964054459620": SKU-002}',
        shop="""
        region: BR
        timezone: America/Sao_Paulo
        currency: BRL
        tax: {policy: inclusive_gross, engine: none}
        """,
    )


def test_vietnamese_order_has_its_tax_inside_the_prices() -> None:
    outcome = staged(sample("real_vn_order.json")["order"], vietnam(), "vn")

    document = outcome.document
    # 857610 less the seller's 343044; TikTok's 80000 is reimbursed, shipping goes to TikTok's carrier.
    assert document.control_total == Decimal(514566)
    assert document.platform_discount == Decimal(80000)
    (line,) = document.lines
    assert (line.amount, line.tax_amount) == (Decimal(467787), Decimal(46779))
    assert line.tax_rate == 10
    assert document.tran_date.isoformat() == "2026-08-29"
    assert document.location_id == "10"


def test_vietnamese_order_without_a_mapped_sku_says_so() -> None:
    raw = sample("real_vn_order.json")["order"]

    outcome = stage_order(raw, "vn", sandbox_mapping(), netsuite_items())

    assert isinstance(outcome, Parked)
    assert {(problem.kind, problem.cause) for problem in outcome.problems} == {
        ("unmapped_sku", "sku:1736929605432607991"),
        ("unmapped_warehouse", "warehouse:7661207737776293652"),
    }


def test_masked_address_is_passed_as_it_is() -> None:
    document = staged(sample("real_vn_order.json")["order"], vietnam(), "vn").document

    address = document.shipping_address
    assert address is not None
    assert (address.addressee, address.addr1, address.country) == ("B** E*", "<masked>", "VN")
    assert address.city is None
    assert address.zip is None


def test_brazilian_shipping_fee_goes_to_tiktoks_carrier() -> None:
    raw = sample("real_br_order_and_unsettled.json")["order"] | {"create_time": 1785560400}

    outcome = stage_order(raw, "us", brazil(), netsuite_items())

    assert isinstance(outcome, Staged)
    document = outcome.document
    # The buyer pays 18.95, of which 1.30 is TikTok's.
    assert document.control_total == Decimal("17.65")
    assert [(line.kind, line.amount) for line in document.lines] == [("item", Decimal("17.65"))]


def test_brazilian_shipping_is_income_where_the_mapping_says_so() -> None:
    raw = sample("real_br_order_and_unsettled.json")["order"]

    reading = seller_owed(Order.parse(raw), channel_ships_pays_seller=True)

    assert reading.is_sound
    assert reading.owed is not None
    assert reading.owed.shipping == Decimal("13.3")
    assert reading.owed.shipping_subsidy == Decimal(12)


def test_american_fragment_within_a_whole_order() -> None:
    fragment = sample("real_fragments_us_mx.json")["us_order_search_202309"]
    (line,) = fragment["line_items"]
    whole = order(
        [unit(line["seller_sku"], line["original_price"], off="7", platform_off="5.2") | line],
        shipping={"original_shipping_fee": "3.57", "shipping_fee_seller_discount": "3.57"},
        tax="1.93",
    )
    whole["payment"] |= fragment["payment"]
    raw = whole | {key: fragment[key] for key in ("id", "status", "create_time")}

    outcome = staged(raw, mapping_with(changes="items: {SKU-C01101: SKU-003}"))

    assert outcome.document.control_total == Decimal(28)
    assert outcome.document.platform_discount == Decimal("5.2")


def test_line_of_a_failed_delivery_earns_nothing() -> None:
    data = sample("real_vn_order.json")
    raw = data["order"]
    raw["line_items"].append(data["line_item_of_a_failed_delivery"])

    reading = seller_owed(Order.parse(raw))

    # The head still counts the one line that is left.
    assert reading.is_sound
    assert reading.owed is not None
    assert reading.owed.total == Decimal(514566)
