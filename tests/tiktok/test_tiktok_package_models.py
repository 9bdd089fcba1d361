"""Packages and cancellations as they are read (T 4.2, 4.3, 6.3), and what orders tell of shipping."""

import copy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tiktok.samples import sample
from tiktok_ns_pipeline.tiktok.cancellation_models import Cancellation
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.fulfilment_models import Package
from tiktok_ns_pipeline.tiktok.models import Order

_SEARCH, _DETAIL = sample("oas_fulfillment_package_search_detail.json")
_ROW = _SEARCH["response"]["data"]["packages"][0]
_ALONE = _DETAIL["response"]["data"]
_CANCELLATION = sample("oas_cancellations_202309.json")[1]["response"]["data"]["cancellations"][0]
_COD_CANCELLATION = sample("real_vn_aftersales.json")["cancellation"]
_ORDER = sample("oas_order_detail_202507.json")["response"]["data"]["orders"][0]


def test_a_package_is_the_same_thing_in_a_search_and_alone() -> None:
    row, alone = Package.parse(_ROW), Package.parse(_ALONE)
    assert (row.id, alone.id) == ("577828281214600000", "5433567853345")
    assert row.status == alone.status == "PROCESSING"
    assert row.line_ids == alone.line_ids == ("1729382476852921560",)
    assert row.tracking_number == alone.tracking_number == "6617675021119438849"
    assert (row.order_ids, alone.order_ids) == (("577828281214600000",), ("54335448533296",))
    assert (row.handover_method, alone.handover_method) == (None, "PICKUP")
    assert (alone.shipping_type, alone.split_and_combine_tag) == ("TIKTOK", "SPLIT")


def test_a_package_needs_no_more_than_id_and_status() -> None:
    package = Package.parse(
        {"id": "1", "status": "TO_FULFILL", "tracking_number": "", "order_line_item_ids": None}
    )
    assert (package.tracking_number, package.line_ids, package.update_time) == (None, (), None)


def test_a_combined_package_names_each_of_its_orders_once() -> None:
    raw = {"id": "1", "status": "X", "orders": [{"id": "7"}, {"id": "8"}, {"id": "7"}]}
    assert Package.parse(raw).order_ids == ("7", "8")


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"package_id": 5.5}, "package_id", "a number with decimals where an id belongs"),
        ({"package_id": None}, "package_id", "is missing"),
        ({"package_status": ""}, "package_status", "is missing"),
        ({"update_time": "soon"}, "update_time", "text where a time in Unix seconds belongs"),
        ({"update_time": 1635338186000}, "update_time", "no time in Unix seconds"),
        ({"order_line_item_ids": "1"}, "order_line_item_ids", "text where a list belongs"),
        ({"order_line_item_ids": [["1"]]}, "order_line_item_ids[0]", "a list where an id belongs"),
        ({"orders": [{}]}, "orders[0].id", "is missing"),
    ],
)
def test_what_is_wrong_in_a_package_is_refused_by_field(
    changes: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(WireError) as caught:
        Package.parse({**_ALONE, **changes})
    assert caught.value.field == field
    assert reason in caught.value.reason
    if "package_id" not in changes:
        assert "package 5433567853345" in str(caught.value)


def test_a_cancellation_tells_its_units_its_refund_and_until_when_to_answer() -> None:
    cancellation = Cancellation.parse(_CANCELLATION)
    assert (cancellation.cancel_id, cancellation.order_id) == ("4035318504086604100", "577087614418520388")
    assert (cancellation.status, cancellation.role) == ("CANCELLATION_REQUEST_PENDING", "BUYER")
    (line,) = cancellation.lines
    assert (line.line_id, line.sku_id) == ("576468844534141348", "2729382476852921560")
    assert line.refund_amount is not None
    assert (line.refund_amount.refund_total, line.refund_amount.currency) == (Decimal("1.23"), "USD")
    (action,) = cancellation.next_actions
    assert action.action == "SELLER_RESPOND_CANCEL"
    assert action.deadline == datetime(2023, 7, 28, 14, 31, 20, tzinfo=UTC)


def test_a_cancellation_of_an_unpaid_order_has_no_refund_and_nothing_to_answer() -> None:
    cancellation = Cancellation.parse(_COD_CANCELLATION)
    assert (cancellation.cancel_type, cancellation.status) == (
        "BUYER_CANCEL",
        "CANCELLATION_REQUEST_COMPLETE",
    )
    assert cancellation.refund_amount is None
    assert cancellation.next_actions == ()
    assert cancellation.should_replenish_stock
    assert cancellation.lines[0].refund_amount is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"order_id": None}, "order_id"),
        ({"cancel_status": None}, "cancel_status"),
        ({"create_time": -1}, "create_time"),
        ({"cancel_line_items": [{}]}, "cancel_line_items[0].order_line_item_id"),
        ({"cancel_line_items": [{"order_line_item_id": "1"}] * 2}, "cancel_line_items[1].order_line_item_id"),
        ({"refund_amount": {"refund_total": "free"}}, "refund_amount.refund_total"),
        ({"seller_next_action_response": [{"deadline": 1}]}, "seller_next_action_response[0].action"),
    ],
)
def test_what_is_wrong_in_a_cancellation_is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(WireError, match="cancellation 4035318504086604100") as caught:
        Cancellation.parse({**_CANCELLATION, **changes})
    assert caught.value.field == field


def test_an_order_tells_deadlines_packages_and_the_shipping_of_each_unit() -> None:
    order = Order.parse(_ORDER)
    line = order.line_items[0]
    assert order.rts_sla_time is not None
    assert order.shipping_due_time is not None
    assert order.delivery_option_id == _ORDER["delivery_option_id"]
    assert (order.shipping_type, order.is_buyer_request_cancel) == (
        _ORDER["shipping_type"],
        _ORDER["is_buyer_request_cancel"],
    )
    assert [package.id for package in order.packages] == [package["id"] for package in _ORDER["packages"]]
    raw = _ORDER["line_items"][0]
    told = (line.package_id, line.package_status, line.tracking_number, line.shipping_provider_id)
    assert told == tuple(
        raw[key] for key in ("package_id", "package_status", "tracking_number", "shipping_provider_id")
    )
    assert line.rts_time is not None
    assert line.cancel_user == raw["cancel_user"]


_JUNK = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.integers(), max_size=2)


@given(st.sampled_from([Package, Cancellation]), st.data())
def test_whatever_stands_in_a_field_only_a_wire_error_comes_of_it(model: Any, data: st.DataObject) -> None:
    raw = copy.deepcopy(_ALONE if model is Package else _CANCELLATION)
    for key in data.draw(st.sets(st.sampled_from(sorted(raw)), max_size=4)):
        raw[key] = data.draw(_JUNK)
    try:
        model.parse(raw)
    except WireError as refusal:
        assert refusal.field
