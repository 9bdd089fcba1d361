"""What a return says of itself, in the documented shapes and a real one (T 6.4)."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.tiktok.samples import sample
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.return_models import Return

_FULL = sample("oas_returns_search_202309.json")["response"]["data"]["return_orders"][0]
_REAL = sample("real_vn_aftersales.json")["return"]


def _return(**changes: Any) -> dict[str, Any]:
    line = {"order_line_item_id": "1"}
    return {
        "return_id": "40",
        "order_id": "57",
        "return_status": "RETURN_OR_REFUND_REQUEST_PENDING",
        "return_line_items": [line],
        **changes,
    }


def test_every_documented_key_of_a_return_is_read() -> None:
    found = Return.parse(_FULL)
    assert (found.return_id, found.order_id) == ("4035318504086604100", "577686530908261117")
    assert (found.status, found.return_type) == ("RETURN_OR_REFUND_REQUEST_PENDING", "REFUND")
    assert (found.arbitration_status, found.role) == ("IN_PROGRESS", "BUYER")
    assert found.refund_amount is not None
    assert found.refund_amount.refund_total == Decimal("1.23")
    assert found.refund_amount.retail_delivery_fee == Decimal("0.1")
    (line,) = found.lines
    assert (line.line_id, line.sku_id, line.seller_sku) == (
        "576473917261451851",
        "2729382476852921560",
        "PUTIH 1 TALI",
    )
    assert line.refund_amount is not None
    assert line.refund_amount.refund_subtotal == 1
    assert (found.previous_id, found.next_id) == ("4035310341095393452", "4035310341095393463")
    assert found.is_replaced
    assert found.discounts[0].product_platform_discount == Decimal("0.1")
    assert found.shipping_fees[0].platform_paid_return_shipping_fee == Decimal("0.1")
    assert (found.proposed_type, found.buyer_rejected_offer) == ("PARTIAL_REFUND", True)
    assert found.partial_refund is not None
    assert (found.partial_refund.amount, found.partial_refund.currency) == (Decimal(10), "IDR")
    assert (found.buyer_keeps_item, found.combined_return_id) == (True, "4035309948547073951")
    (action,) = found.next_actions
    assert (action.action, action.deadline) == (
        "SELLER_RESPOND_REFUND",
        datetime(2023, 7, 28, 14, 31, 20, tzinfo=UTC),
    )


def test_a_real_completed_return_of_vietnam_is_read() -> None:
    found = Return.parse(_REAL)
    assert (found.status, found.return_type) == ("RETURN_OR_REFUND_REQUEST_COMPLETE", "RETURN_AND_REFUND")
    assert found.refund_amount is not None
    amounts = found.refund_amount.refund_total, found.refund_amount.refund_subtotal
    assert amounts == (Decimal(489681), Decimal(489681)), "its tax is inside"
    assert found.refund_amount.refund_tax == Decimal(44516)
    assert found.is_quick_refund
    assert (found.combined_return_id, found.next_id, found.is_replaced) == (None, None, False)
    assert (found.tracking_number, found.provider_name) == ("854151285877", "J&T Express")
    assert found.shipping_fees[0].platform_paid_return_shipping_fee == Decimal(15150)
    assert found.discounts[0].product_seller_discount == Decimal(335787)
    assert [line.seller_sku for line in found.lines] == [None]
    assert found.next_actions == ()


def test_a_part_of_a_bundle_is_named_below_its_unit() -> None:
    part = {
        "sub_order_line_item_id": "11",
        "return_sub_line_item_id": "12",
        "sku_id": "13",
        "refund_amount": {"currency": "USD", "refund_total": "2.50"},
    }
    lines = [{"order_line_item_id": "1", "return_sub_line_items": [part]}]
    (line,) = Return.parse(_return(return_line_items=lines)).lines
    assert [(one.sub_line_id, one.sku_id) for one in line.parts] == [("11", "13")]
    assert line.parts[0].refund_amount is not None
    assert line.parts[0].refund_amount.refund_total == Decimal("2.50")


def test_a_return_that_nobody_edited_stands_for_itself() -> None:
    found = Return.parse(_return(pre_return_id="0", next_return_id="", combined_return_id="0"))
    assert (found.previous_id, found.next_id, found.combined_return_id) == (None, None, None)
    assert not found.is_replaced


def test_what_is_not_stated_is_not_zero_and_no_offer() -> None:
    found = Return.parse(_return(partial_refund={}, refund_amount=None, arbitration_status=""))
    assert (found.refund_amount, found.partial_refund, found.arbitration_status) == (None, None, None)
    assert not found.buyer_keeps_item


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"order_id": ""}, "return 40: order_id is missing"),
        ({"return_status": None}, "return 40: return_status is missing"),
        ({"return_line_items": [{"sku_id": "1"}]}, r"return_line_items\[0\].order_line_item_id is missing"),
        ({"return_line_items": [{"order_line_item_id": "1"}] * 2}, "repeats unit 1"),
        ({"refund_amount": {"refund_total": "x"}}, "refund_amount.refund_total is no amount"),
        ({"return_id": "0"}, "return without a readable id: return_id is missing"),
    ],
)
def test_a_return_that_cannot_be_told_is_refused_by_name(changes: Any, said: str) -> None:
    with pytest.raises(WireError, match=said):
        Return.parse(_return(**changes))
