"""What the proof of shipments reads in an order as TikTok tells it, and in rows as NetSuite does."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktok_ns_pipeline.clock import to_epoch
from tiktok_ns_pipeline.money import Money
from tiktok_ns_pipeline.reconciliation.fulfilments import sides
from tiktok_ns_pipeline.reconciliation.fulfilments.model import BilledLine, TikTokOrder
from tiktok_ns_pipeline.tiktok.lifecycle import ORDER_STATUS

from .bench import MAPPING

US = MAPPING.shops["us"]
PLACED = datetime(2026, 3, 2, 12, tzinfo=UTC)
SHIPPED = to_epoch(PLACED + timedelta(hours=5))
COLLECTED = to_epoch(PLACED + timedelta(hours=9))


def raw_order(**changes: Any) -> dict[str, Any]:
    order: dict[str, Any] = {
        "id": "576461413038785752",
        "status": "IN_TRANSIT",
        "create_time": to_epoch(PLACED),
        "paid_time": to_epoch(PLACED),
        "update_time": to_epoch(PLACED + timedelta(hours=9)),
        "rts_time": SHIPPED,
        "collection_time": COLLECTED,
        "shipping_type": "SELLER",
        "fulfillment_type": "FULFILLMENT_BY_SELLER",
        "line_items": [line("1"), line("2")],
    }
    return order | changes


def line(line_id: str, **changes: Any) -> dict[str, Any]:
    shown = {"display_status": "IN_TRANSIT", "tracking_number": f"1Z{line_id}", "rts_time": SHIPPED}
    return {"id": line_id, "seller_sku": "SKU-001", **shown} | changes


def told(raw: Any) -> TikTokOrder:
    return sides.tiktok_order(raw, US, MAPPING)


def test_an_order_on_its_way_is_read_unit_by_unit() -> None:
    order = told(raw_order())
    assert (order.state, order.packed_by, order.carried_by) == ("alive", "seller", "seller")
    first = order.units[0]
    assert (first.line_id, first.state, first.tracking, first.told) == ("1", "collected", "1Z1", True)
    assert first.moved_at == PLACED + timedelta(hours=5)


def test_every_status_that_is_known_says_something_of_a_unit() -> None:
    assert set(sides.UNIT_STATE) == set(ORDER_STATUS) - {"PARTIALLY_SHIPPING"} | {"TO_SHIP"}
    shown = raw_order(line_items=[line("1", display_status="TELEPORTED")])
    assert told(shown).units[0].state == "unknown"


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("UNPAID", "waits"),
        ("ON_HOLD", "waits"),
        ("PARTIALLY_SHIPPING", "alive"),
        ("COMPLETED", "alive"),
        ("CANCELLED", "cancelled"),
        ("TELEPORTED", "unknown"),
    ],
)
def test_the_state_of_an_order(status: str, state: str) -> None:
    assert told(raw_order(status=status)).state == state


def test_units_of_a_cancelled_order_are_cancelled_whatever_they_show() -> None:
    units = told(raw_order(status="CANCELLED")).units
    assert [(unit.state, unit.told) for unit in units] == [("cancelled", True)] * 2


def test_an_order_of_which_every_unit_is_cancelled_is_cancelled() -> None:
    lines = [line("1", display_status="CANCELLED", tracking_number="", rts_time=0)]
    order = told(raw_order(status="AWAITING_SHIPMENT", line_items=lines))
    assert (order.state, order.units[0].told) == ("cancelled", False)


def test_what_tiktok_packs_or_carries_is_gone_when_it_is_collected() -> None:
    fbt = told(raw_order(fulfillment_type="FULFILLMENT_BY_TIKTOK", shipping_type="TIKTOK"))
    assert (fbt.packed_by, fbt.carried_by) == ("channel", "channel")
    assert fbt.units[0].moved_at == PLACED + timedelta(hours=9)
    by_warehouse = told(raw_order(fulfillment_type=None, warehouse_id="7000000000000000081"))
    assert by_warehouse.packed_by == "channel"


def test_an_order_from_before_the_first_day_is_marked() -> None:
    early = told(raw_order(create_time=to_epoch(datetime(2025, 12, 1, tzinfo=UTC))))
    assert early.is_before_go_live
    assert early.not_expected
    assert not told(raw_order()).is_before_go_live


@pytest.mark.parametrize("broken", [None, [], "order", {}, raw_order(line_items=[line("1"), line("1")])])
def test_an_order_that_no_model_reads_says_why(broken: Any) -> None:
    order = told(broken)
    assert order.state == "unknown"
    assert order.unreadable


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
        max_leaves=5,
    ),
    st.sampled_from(["id", "status", "create_time", "rts_time", "line_items", "shipping_type", "packages"]),
)
def test_no_order_whatever_is_in_it_breaks_the_proof(value: Any, field: str) -> None:
    for raw in (value, raw_order(**{field: value})):
        assert told(raw).order_id


def test_rows_of_an_item_fulfillment_become_quantities_by_order_line() -> None:
    head = {"id": "70", "sales_order": "60", "tranid": "IF1", "status": "C", "tran_date": "2026-03-02"}
    rows = [
        head | {"line": "1", "order_line": "1", "quantity": "2", "modified_at": "2026-03-02 10:00:00"},
        head | {"line": "2", "order_line": "1", "quantity": "4", "kitmemberof": "1"},
        head | {"line": "3", "order_line": "4", "quantity": "1.5"},
    ]
    one = sides.fulfilment(rows, ["A ", "", "A"], "2026-03-02 12:30:00", "5764")
    assert dict(one.quantities) == {"1": Decimal(2), "4": Decimal("1.5")}
    assert (one.tracking, one.unchanged_for) == (("A",), timedelta(hours=2, minutes=30))
    assert (one.dated, one.order_id, one.has_left) == (date(2026, 3, 2), "5764", True)


def test_rows_of_a_sales_order_and_its_bill() -> None:
    head = {"id": "60", "status": "B", "foreigntotal": "24.5", "currency": "USD"}
    lines = [
        {"line": "1", "item": "301", "quantity": "2", "amount": "20", "line_ids": "11, 12,", "isclosed": "F"},
        {"line": "2", "amount": "-1.5", "isclosed": "T"},
    ]
    sale = sides.sales_order("5764", head, lines, "")
    assert [(own.unit_ids, own.ordered, own.amount, own.is_closed) for own in sale.lines] == [
        (("11", "12"), Decimal(2), Decimal(20), False),
        ((), None, Decimal("-1.5"), True),
    ]
    assert (sale.total, sale.unchanged_for) == (Money(Decimal("24.5"), "USD"), None)
    bill = sides.bill([head | {"sales_order": "60", "order_line": "2", "amount": "-1.5"}], "5764")
    assert dict(bill.lines) == {"2": BilledLine(Decimal(1), Decimal("-1.5"))}


@pytest.mark.parametrize("row", [{}, {"foreigntotal": "many"}, {"foreigntotal": "1", "currency": "$"}])
def test_an_amount_that_is_not_told_is_unknown_and_not_zero(row: dict[str, str]) -> None:
    assert sides.money({"id": "1", **row}) is None
    assert sides.age(row.get("modified_at"), "nonsense") is None
