"""Orders that earn nothing: one decision for staging and proof."""

from __future__ import annotations

import pytest

from tests.orders.order_builder import mapping_with, order, unit
from tiktok_ns_pipeline.mapping.special_orders import SpecialFlags, decide, flags_of
from tiktok_ns_pipeline.tiktok.models import Order

RULES = mapping_with(
    """
special_orders:
  sample: {action: post_at_zero, class_id: "2"}
  gift: {action: skip, reason: Shelf stock}
"""
).special_orders


def test_an_ordinary_order_is_posted() -> None:
    decision = decide(SpecialFlags(), RULES)

    assert decision.kind is None
    assert not decision.skips


@pytest.mark.parametrize(
    ("flags", "kind", "skips"),
    [
        (SpecialFlags(sample=True, gift=True, zero_price=True), "sample", False),
        (SpecialFlags(replacement=True, exchange=True), "replacement", False),
        (SpecialFlags(gift=True, zero_price=True), "gift", True),
        (SpecialFlags(zero_price=True), "zero_price", False),
    ],
)
def test_what_an_order_is_for_comes_before_its_price(flags: SpecialFlags, kind: str, skips: bool) -> None:
    decision = decide(flags, RULES)

    assert (decision.kind, decision.skips) == (kind, skips)


def test_an_order_says_of_itself_what_it_is() -> None:
    gift = unit(price="0", is_gift=True)
    mixed = Order.parse(order([gift, unit()], is_sample_order=True, is_exchange_order="true"))
    gifts = Order.parse(order([gift, unit(status="CANCELLED")]))

    assert flags_of(mixed, None) == SpecialFlags(sample=True, exchange=True)
    assert flags_of(gifts, gifts.line_items[0].original_price) == SpecialFlags(gift=True, zero_price=True)
