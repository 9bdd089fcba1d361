"""First match decides, for each field by itself."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.orders.order_builder import mapping_with
from tiktok_ns_pipeline.mapping.routing import LineFacts, OrderFacts, route_line, route_order

LINE = LineFacts("1729", "RED-M", "77", "Cotton Shirt", "Red, M", Decimal(10))
OTHER = LineFacts("1730", "MUG-1", "78", "Coffee mug", "", Decimal(5))
FACTS = OrderFacts(
    shop="us",
    region="US",
    state="CA",
    warehouse="7000000000000000061",
    fulfilment="seller",
    tags=frozenset({"cod"}),
    amount=Decimal(15),
    lines=(LINE, OTHER),
)


def orders(*rules: str) -> Any:
    return mapping_with(f"routing: {{orders: [{', '.join(rules)}]}}").routing.orders


def lines(*rules: str) -> Any:
    return mapping_with(f"routing: {{lines: [{', '.join(rules)}]}}").routing.lines


def test_the_first_rule_that_sets_a_field_decides_it() -> None:
    chosen = route_order(
        orders(
            "{name: A, when: {state: CA}, set: {location_id: 7}}",
            "{name: B, set: {location_id: 6, class_id: 1}}",
            "{name: C, set: {class_id: 2, custom_fields: {custbody_x: y}}}",
        ),
        FACTS,
    )

    assert {field: (found.value, found.rule) for field, found in chosen.items()} == {
        "location_id": ("7", "routing.orders 1: A"),
        "class_id": ("1", "routing.orders 2: B"),
        "custbody_x": ("y", "routing.orders 3: C"),
    }


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("{}", True),
        ("{shop: us}", True),
        ("{region: [GB, US]}", True),
        ("{region: GB}", False),
        ("{state: ca}", True),
        ('{warehouse: "7000000000000000061"}', True),
        ("{fulfilment: channel}", False),
        ("{tags: [sample, cod]}", True),
        ("{tags: sample}", False),
        ("{amount_from: 15}", True),
        ("{amount_from: 15.01}", False),
        ("{amount_below: 15}", False),
        ("{sku: 'RED-*'}", True),
        ('{sku: "1730"}', True),
        ("{sku: 'red-*'}", False),
        ('{product_id: "78"}', True),
        ("{product_name_contains: SHIRT}", True),
        ("{product_name_contains: [tie, mug]}", True),
        ("{sku_name_contains: blue}", False),
        ("{shop: us, region: GB}", False),
    ],
)
def test_all_stated_conditions_must_hold(when: str, holds: bool) -> None:
    chosen = route_order(orders(f"{{name: A, when: {when}, set: {{class_id: 1}}}}"), FACTS)

    assert bool(chosen) is holds


def test_conditions_on_products_hold_for_one_line_together() -> None:
    rule = "{name: A, when: {sku: 'MUG-*', product_name_contains: shirt}, set: {class_id: 1}}"

    assert route_order(orders(rule), FACTS) == {}


def test_a_rule_for_lines_looks_at_the_line_itself() -> None:
    rules = lines(
        "{name: Cheap, when: {amount_below: 6}, set: {class_id: 1}}",
        "{name: Shirts, when: {sku: 'RED-*', shop: us}, set: {location_id: 7}}",
    )

    assert set(route_line(rules, FACTS, LINE)) == {"location_id"}
    assert set(route_line(rules, FACTS, OTHER)) == {"class_id"}


def test_an_empty_text_matches_no_pattern() -> None:
    nameless = replace(LINE, seller_sku="")

    assert route_line(lines("{name: A, when: {sku: '?*X'}, set: {class_id: 1}}"), FACTS, nameless) == {}
