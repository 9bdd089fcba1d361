"""However an order is refunded: never more than was billed, and in the end all of it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.orders.order_builder import unit
from tests.refunds.refund_desk import REFUND, RETURN, Sold, a_return, with_shop
from tiktok_ns_pipeline.goods.sales_order import SalesOrder
from tiktok_ns_pipeline.money import exponent_of

_SPLIT = {"policy": "inclusive_split", "rate": 20, "tax_code_id": "20", "destinations": "GB"}
MODES: Mapping[str, dict[str, Any]] = {
    "facilitator": {"shop": "us"},
    "facilitator, discount as a line": {
        "shop": "us",
        "mapping": with_shop("us", seller_discount={"policy": "discount_line", "item_id": "902"}),
    },
    "split, SuiteTax": {"shop": "uk"},
    "split, legacy tax": {
        "shop": "uk",
        "mapping": with_shop("uk", tax={**_SPLIT, "engine": "legacy"}),
        "tax_engine": "legacy",
    },
    "split, discount as a line": {
        "shop": "uk",
        "mapping": with_shop("uk", seller_discount={"policy": "discount_line", "item_id": "902"}),
    },
    "without cents": {
        "shop": "vn",
        "mapping": with_shop("vn", billing={"policy": "cash_sale", "account_id": "127"}),
    },
}

amounts = st.integers(1, 9999)
unit_kinds = st.tuples(st.integers(1, 3), amounts, st.integers(0, 40), st.integers(0, 40))
"""How many units, the price in the smallest unit, percent off by the seller and by the platform."""
requests = st.lists(
    st.tuples(
        st.sets(st.integers(0, 5), min_size=1, max_size=4),
        st.sampled_from([25, 50, 100]),
        st.sampled_from([REFUND, RETURN]),
    ),
    max_size=4,
)


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=8, deadline=None)
@given(kinds=st.lists(unit_kinds, min_size=1, max_size=2), asked=requests)
def test_credits_never_exceed_the_bill_and_all_refunds_together_are_the_bill(
    mode: str, kinds: list[tuple[int, int, int, int]], asked: list[tuple[set[int], int, str]]
) -> None:
    how = MODES[mode]
    sold = Sold.of(_lines(kinds, how["shop"]), **how)
    units = sold.raw["line_items"]
    paid = {at: D(one["sale_price"]) for at, one in enumerate(units)}
    left = dict(paid)
    home: set[int] = set()
    for number, (chosen, percent, kind) in enumerate(asked):
        wanted = {at: _part(paid[at], percent, sold.shop.currency) for at in sorted(chosen) if at in paid}
        wanted = {at: amount for at, amount in wanted.items() if amount <= left[at]}
        if kind == RETURN:
            wanted = {at: amount for at, amount in wanted.items() if at not in home}
            home |= wanted.keys()
        if wanted:
            left |= {at: left[at] - amount for at, amount in wanted.items()}
            _refund(sold, wanted, f"4040000000000000{number:03d}", kind)
            assert_within_the_bill(sold)
    _refund(sold, left, "4040000000000000999", REFUND)
    assert_within_the_bill(sold)
    assert sold.credited == sold.billed


def _refund(sold: Sold, wanted: Mapping[int, D], return_id: str, kind: str) -> None:
    told = {at: str(amount) for at, amount in wanted.items()}
    decision = sold.do(a_return(sold.raw, told, return_id=return_id, kind=kind, return_tracking_number="RT1"))
    assert not decision.waiting
    assert not [problem for problem in decision.problems if problem.kind != "refund_without_goods"]


def assert_within_the_bill(sold: Sold) -> None:
    """Of no line more is credited than was billed, in the books of NetSuite."""
    assert sold.credited <= sold.billed
    order: SalesOrder = sold.order
    for line in order.lines:
        billed = sum(each[0] for bill in sold.seen().bills if (each := bill.lines.get(line.number)))
        credited = sum(
            one.amount
            for document in sold.credited_documents()
            for one in document.lines
            if one.order_line == line.number
        )
        assert abs(credited) <= abs(billed), line


def _lines(kinds: list[tuple[int, int, int, int]], shop: str) -> list[dict[str, Any]]:
    step = D(1).scaleb(-exponent_of("VND" if shop == "vn" else "USD"))
    lines: list[dict[str, Any]] = []
    for at, (count, price, seller, platform) in enumerate(kinds):
        off = {
            "off": str(price * seller // 100 * step),
            "platform_off": str(price * platform // 100 * step),
        }
        lines += [unit(f"SKU-{at + 1:03d}", str(price * step), **off)] * count
    return lines


def _part(paid: D, percent: int, currency: str) -> D:
    step = D(1).scaleb(-exponent_of(currency))
    return (paid * percent / 100).quantize(step)
