"""Whatever consistent order TikTok sends, whatever the mapping decides: the Sales Order is what is owed."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.orders.order_builder import Raw, mapping_with, netsuite_items, order, unit
from tiktok_ns_pipeline.goods.items import ItemIndex
from tiktok_ns_pipeline.mapping import Mapping
from tiktok_ns_pipeline.money import Money
from tiktok_ns_pipeline.orders.document import SalesOrderDocument
from tiktok_ns_pipeline.orders.outcome import Parked, Staged
from tiktok_ns_pipeline.orders.staging import stage_order

ITEMS = """
items:
  PACK: {item_id: "301", units_per: 7}
  KIT:
    kit: explode
    components:
      - {item_name: SKU-002, quantity: 3, weight: 1.5}
      - {item_name: SKU-003, quantity: 1, weight: 2}
      - {item_name: SKU-004, quantity: 2, weight: 0}
"""

TAXES = {
    "USD": (
        "{policy: marketplace_facilitator, engine: none}",
        "{policy: marketplace_facilitator, engine: suitetax, "
        "show_lines: {collected_item_id: '903', remitted_item_id: '904'}}",
    ),
    "GBP": (
        "{policy: inclusive_gross, engine: none}",
        "{policy: inclusive_split, engine: legacy, rate: 20, tax_code_id: '20'}",
        "{policy: inclusive_split, engine: suitetax, rate: 17.5, tax_code_id: '20', tax_type_id: '1'}",
    ),
    "VND": ("{policy: inclusive_split, engine: suitetax, rate: 8, tax_code_id: '10', tax_type_id: '2'}",),
}
REGIONS = {"USD": "US", "GBP": "GB", "VND": "VN"}
STEPS = {"USD": Decimal("0.01"), "GBP": Decimal("0.01"), "VND": Decimal(1)}
DISCOUNTS = ("{policy: net_price}", "{policy: discount_line, item_id: '902'}")

BUNDLE = [
    {"sku_id": "17290005", "seller_sku": "SKU-005", "sku_count": 2},
    {"sku_id": "17290006", "seller_sku": "KIT", "sku_count": 1},
]


@dataclass(frozen=True)
class Case:
    """A consistent order with what the seller is owed for it, reckoned from its parts alone."""

    raw: Raw
    mapping: Mapping
    currency: str
    owed: Decimal
    receivable: Decimal


@lru_cache(maxsize=256)
def mapped(currency: str, tax: str, discount: str, include_shipping: bool, cofunded: str) -> Mapping:
    when = "include" if include_shipping else "exclude"
    return mapping_with(
        ITEMS,
        f"""
        region: {REGIONS[currency]}
        currency: {currency}
        tax: {tax}
        seller_discount: {discount}
        shipping: {{item_id: "901", when_tiktok_ships: {when}, cofunded_discount: {cofunded}}}
        """,
    )


@lru_cache(maxsize=1)
def items() -> ItemIndex:
    return netsuite_items()


def parts_of(draw: Any, whole: int, count: int) -> list[int]:
    """Numbers that sum to no more than the whole."""
    parts: list[int] = []
    for _ in range(count):
        parts.append(draw(st.integers(0, whole - sum(parts))))
    return parts


@st.composite
def cases(draw: Any, few_kinds: bool = True) -> Case:
    currency = draw(st.sampled_from(list(REGIONS)))
    step = STEPS[currency]

    def money(steps: int) -> str:
        return format(steps * step, "f")

    units: list[Raw] = []
    owed = receivable = 0
    prices = draw(st.lists(st.integers(0, 99_999), min_size=1, max_size=3 if few_kinds else 8))
    for _ in range(draw(st.integers(1, 9))):
        price = draw(st.sampled_from(prices))
        off, platform_off = draw(st.sampled_from([(0, 0), (price // 3, 0), (price // 7, price // 5)]))
        sku = draw(st.sampled_from(["SKU-001", "SKU-002", "PACK", "KIT", "KIT-001", "BUNDLE"]))
        cancelled = bool(units) and draw(st.integers(0, 5)) == 0
        more: Raw = {"combined_listing_skus": BUNDLE} if sku == "BUNDLE" else {}
        if cancelled:
            more["status"] = "CANCELLED"
        else:
            owed, receivable = owed + price - off, receivable + platform_off
        units.append(unit(sku, money(price), off=money(off), platform_off=money(platform_off), **more))
    original = draw(st.integers(0, 3_000))
    seller, platform, cofunded = parts_of(draw, original, 3)
    shipping = {
        "original_shipping_fee": money(original),
        "shipping_fee_seller_discount": money(seller),
        "shipping_fee_platform_discount": money(platform),
        "shipping_fee_cofunded_discount": money(cofunded),
    }
    by_seller, include = draw(st.booleans()), draw(st.booleans())
    bearer = draw(st.sampled_from(["seller", "channel"]))
    if by_seller or include:
        shared = cofunded if bearer == "seller" else 0
        owed += original - seller - shared
        if original - seller - shared:
            receivable += platform + cofunded - shared
    active = [each for each in units if each["display_status"] != "CANCELLED"]
    raw = order(
        units,
        currency=currency,
        shipping=shipping,
        tax=draw(st.sampled_from([None, money(123)])),
        fees={"retail_delivery_fee": money(28)} if draw(st.booleans()) else None,
        header_lines=draw(st.sampled_from([None, active])),
        shipping_type="SELLER" if by_seller else "TIKTOK",
    )
    tax = draw(st.sampled_from(TAXES[currency]))
    discount = draw(st.sampled_from(DISCOUNTS))
    mapping = mapped(currency, tax, discount, include, bearer)
    return Case(raw, mapping, currency, owed * step, receivable * step)


def document_of(case: Case, raw: Raw | None = None) -> SalesOrderDocument:
    outcome = stage_order(raw or case.raw, "us", case.mapping, items())
    assert isinstance(outcome, Staged), outcome
    return outcome.document


@given(cases())
def test_the_sales_order_is_what_tiktok_owes(case: Case) -> None:
    document = document_of(case)

    assert document.control_total == case.owed
    assert sum(line.amount + line.tax_amount for line in document.lines) == case.owed
    assert document.platform_discount == case.receivable


@given(cases())
def test_every_amount_fits_the_currency_and_is_rate_times_quantity(case: Case) -> None:
    for line in document_of(case).lines:
        assert line.amount == line.rate * line.quantity
        for amount in (line.rate, line.amount, line.tax_amount):
            assert Money(amount, case.currency).fits_currency
        assert line.quantity > 0
        assert line.quantity == line.quantity.to_integral_value()


@given(cases())
def test_tax_is_the_rates_share_but_for_rounding(case: Case) -> None:
    for line in document_of(case).lines:
        share = line.amount * (line.tax_rate or 0) / 100
        # Half a unit from rounding the net; one for each piece, since all pieces cost the same.
        assert abs(line.tax_amount - share) < (1 + line.quantity) * STEPS[case.currency]
        assert line.tax_amount * line.amount >= 0


@given(cases())
def test_every_active_line_id_and_no_other_stays_findable(case: Case) -> None:
    document = document_of(case)

    active = {line["id"] for line in case.raw["line_items"] if line["display_status"] != "CANCELLED"}
    kept = [line.channel_line_ids for line in document.lines]
    assert {one for ids in kept for one in ids} == active
    assert all(len(set(ids)) == len(ids) for ids in kept)


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_lines_changes_nothing(case: Case, chance: Any) -> None:
    turned = list(case.raw["line_items"])
    chance.shuffle(turned)

    again = document_of(case, case.raw | {"line_items": turned})

    assert again.fingerprint() == document_of(case).fingerprint()


@given(cases(), st.data())
def test_a_partial_cancellation_brings_no_new_key_of_another_price(case: Case, data: Any) -> None:
    before = document_of(case)
    lines = [dict(line) for line in case.raw["line_items"]]
    active = [line for line in lines if line["display_status"] != "CANCELLED"]
    if len(active) < 2:
        return
    data.draw(st.sampled_from(active))["display_status"] = "CANCELLED"
    head = case.raw["payment"]

    raw = order(lines, currency=case.currency, header_lines=None) | {
        "shipping_type": case.raw["shipping_type"],
    }
    raw["payment"] |= {key: head[key] for key in head if "shipping" in key}
    total = Decimal(raw["payment"]["sub_total"]) + Decimal(head["shipping_fee"])
    raw["payment"]["total_amount"] = format(total, "f")
    after = document_of(case, raw)

    known = {line.key.rstrip("+") for line in before.lines}
    assert {line.key.rstrip("+") for line in after.lines} <= known


HEAD = (
    "original_total_product_price",
    "seller_discount",
    "platform_discount",
    "sub_total",
    "original_shipping_fee",
    "shipping_fee_seller_discount",
    "shipping_fee_platform_discount",
    "shipping_fee_cofunded_discount",
    "shipping_fee",
    "total_amount",
    "tax",
    "product_tax",
    "shipping_fee_tax",
    "retail_delivery_fee",
)
LINE = ("original_price", "seller_discount", "platform_discount", "sale_price")


@given(cases(few_kinds=False), st.data())
def test_one_altered_cent_is_parked(case: Case, data: Any) -> None:
    raw = case.raw | {"payment": dict(case.raw["payment"])}
    raw["line_items"] = [dict(line) for line in case.raw["line_items"]]
    places = [(raw["payment"], field) for field in HEAD if field in raw["payment"]]
    places += [(line, field) for line in raw["line_items"] for field in LINE]
    block, field = data.draw(st.sampled_from(places))
    by = data.draw(st.sampled_from([-1, 1])) * STEPS[case.currency]
    block[field] = format(Decimal(block[field]) + by, "f")

    outcome = stage_order(raw, "us", case.mapping, items())

    assert isinstance(outcome, Parked)
    assert {problem.kind for problem in outcome.problems} <= {"contradictory_amounts", "malformed_order"}
