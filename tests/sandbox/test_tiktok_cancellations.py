"""Cancellations by the API: buyers ask, sellers answer, TikTok decides when nobody does (T 6)."""

from decimal import Decimal

import pytest

from tests.sandbox.cancellation_calls import (
    DAY,
    OUT_OF_STOCK,
    PACKED,
    R,
    approve,
    cancel,
    listed,
    only,
    reject,
)
from tests.sandbox.tiktok_caller import UK, VN, Caller, meet
from tiktok_ns_pipeline.sandbox.facts import ShippingFacts, Status
from tiktok_ns_pipeline.sandbox.world import Line
from tiktok_ns_pipeline.sandbox.world_events import WorldEvent

# What buyers ask


def test_a_request_for_an_order_that_may_be_shipped_waits_a_day_for_the_seller():
    async def test(caller: Caller) -> None:
        world = caller.world
        shipping = ShippingFacts(Decimal("4.99"))
        order_id = world.place_order("us", [Line("SKU-001", price="10", tax="0.8")], shipping=shipping)
        cancel_id = world.request_cancellation(order_id)
        at = int(world.now().timestamp())
        one = await only(caller, order_id)
        assert (one["cancel_id"], one["cancel_type"], one["role"]) == (cancel_id, "BUYER_CANCEL", "BUYER")
        assert one["cancel_status"] == "CANCELLATION_REQUEST_PENDING"
        assert one["cancel_reason"] == "ecom_order_to_ship_canceled_reason_no_longer_needed"
        assert one["seller_next_action_response"] == [
            {"action": "SELLER_RESPOND_CANCEL", "deadline": at + DAY}
        ]
        assert one["refund_amount"] == {
            "currency": "USD",
            "refund_total": "15.79",
            "refund_subtotal": "10",
            "refund_shipping_fee": "4.99",
            "refund_tax": "0.8",
        }
        order = world.order(order_id)
        assert (order["status"], order["is_buyer_request_cancel"]) == ("AWAITING_SHIPMENT", True)
        assert order["request_cancel_time"] == order["update_time"] == at
        assert world.truth_of(order_id).open_request == cancel_id
        found = await caller.data(
            "POST", "/order/202309/orders/search", {"page_size": "9"}, {"is_buyer_request_cancel": True}
        )
        assert [one["id"] for one in found["orders"]] == [order_id]

    meet(test)


def test_an_unanswered_request_is_approved_after_a_day_and_refunded_soon():
    async def test(caller: Caller) -> None:
        world = caller.world
        order_id = world.place_order("us", ["SKU-001"])
        world.request_cancellation(order_id)
        world.advance(DAY - 1)
        assert world.order(order_id)["status"] == "AWAITING_SHIPMENT"
        world.advance(1)
        order = world.order(order_id)
        assert (order["status"], order["cancellation_initiator"]) == ("CANCELLED", "BUYER")
        assert not order["is_buyer_request_cancel"]
        assert (await only(caller, order_id))["cancel_status"] == "CANCELLATION_REQUEST_SUCCESS"
        world.advance(3600)
        one = await only(caller, order_id)
        assert one["cancel_status"] == "CANCELLATION_REQUEST_COMPLETE"
        assert "seller_next_action_response" not in one
        assert world.truth_of(order_id).open_request is None

    meet(test)


def test_a_buyer_may_withdraw_the_request_and_ask_again():
    async def test(caller: Caller) -> None:
        world = caller.world
        order_id = world.place_order("us", ["SKU-001"])
        first = world.request_cancellation(order_id)
        with pytest.raises(ValueError, match="has a request already"):
            world.request_cancellation(order_id)
        world.withdraw_cancellation(first)
        assert (await only(caller, order_id))["cancel_status"] == "CANCELLATION_REQUEST_CANCELLED"
        assert [
            one["cancel_id"]
            for one in await listed(caller, {"cancel_status": ["CANCELLATION_REQUEST_CANCEL"]})
        ] == [first]
        with pytest.raises(ValueError, match="nothing is left to withdraw"):
            world.withdraw_cancellation(first)
        world.advance(DAY / 2)
        second = world.request_cancellation(order_id)
        world.advance(DAY / 2 + 60)
        # The day of the first request is over, that of the second is not.
        assert world.order(order_id)["status"] == "AWAITING_SHIPMENT"
        assert world.truth_of(order_id).open_request == second
        assert await approve(caller, first) == 25020009

    meet(test)


@pytest.mark.parametrize("status", [Status.unpaid, Status.on_hold])
def test_before_the_release_a_buyer_cancels_at_once(status: Status):
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", ["SKU-001"], status=status)
        caller.world.request_cancellation(order_id)
        assert caller.world.order(order_id)["status"] == "CANCELLED"
        one = await only(caller, order_id)
        assert one["cancel_status"] != "CANCELLATION_REQUEST_PENDING"
        assert ("refund_amount" in one) == (status is Status.on_hold)

    meet(test)


def test_a_request_after_the_shipping_deadline_needs_no_answer():
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", ["SKU-001"])
        caller.world.advance(2 * DAY + 1)
        caller.world.request_cancellation(order_id)
        assert caller.world.order(order_id)["status"] == "CANCELLED"

    meet(test)


@pytest.mark.parametrize("status", [Status.awaiting_collection, Status.in_transit, Status.delivered])
def test_after_shipping_a_buyer_cannot_cancel(status: Status):
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", ["SKU-001"], status=status)
        with pytest.raises(ValueError, match="cannot cancel any more"):
            caller.world.request_cancellation(order_id)
        assert await listed(caller) == []

    meet(test)


# What sellers answer


def test_an_approved_request_cancels_the_order_once():
    async def test(caller: Caller) -> None:
        world = caller.world
        order_id = world.place_order("us", ["SKU-001"])
        cancel_id = world.request_cancellation(order_id)
        assert await approve(caller, cancel_id, "key-1") == 0
        assert world.order(order_id)["status"] == "CANCELLED"
        assert await approve(caller, cancel_id, "key-1") == 0
        assert await approve(caller, cancel_id, "key-2") == 25011012
        assert await reject(caller, cancel_id, key="key-3") == 25020010
        assert len(await listed(caller)) == 1

    meet(test)


def test_a_rejected_request_leaves_the_order_to_be_shipped():
    async def test(caller: Caller) -> None:
        world = caller.world
        order_id = world.place_order("us", ["SKU-001"])
        cancel_id = world.request_cancellation(order_id)
        offered = await caller.data("GET", f"{R}/reject_reasons", {"return_or_cancel_id": cancel_id})
        assert PACKED in [one["name"] for one in offered["reasons"]]
        assert await reject(caller, cancel_id, "because") == 25001014
        assert await reject(caller, cancel_id, "") == 25001001
        assert await reject(caller, cancel_id, key="key-1") == 0
        assert await reject(caller, cancel_id, key="key-1") == 0
        assert await reject(caller, cancel_id, key="key-2") == 25011011
        assert await approve(caller, cancel_id) == 25011012
        order = world.order(order_id)
        assert (order["status"], order["is_buyer_request_cancel"]) == ("AWAITING_SHIPMENT", False)
        world.advance(2 * DAY)
        assert world.order(order_id)["status"] == "AWAITING_SHIPMENT"

    meet(test)


def test_cancellations_of_nobody_and_of_other_shops_are_refused():
    async def test(caller: Caller) -> None:
        cancel_id = caller.world.request_cancellation(caller.world.place_order("us", ["SKU-001"]))
        assert await approve(caller, cancel_id, shop=UK) == 25020005
        assert await reject(caller, "1") == 25007006
        path = f"{R}/reject_reasons"
        assert await caller.code("GET", path, {"return_or_cancel_id": cancel_id}, shop=VN) == 25020005
        assert await approve(caller, cancel_id, "k" * 256) == 25001001

    meet(test)


# What sellers cancel


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (Status.on_hold, 0),
        (Status.awaiting_shipment, 0),
        (Status.awaiting_collection, 0),
        (Status.in_transit, 25001045),
        (Status.delivered, 25001051),
        (Status.cancelled, 25001051),
    ],
)
def test_until_when_a_seller_may_cancel(status: Status, code: int):
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", ["SKU-001"], status=status)
        assert await cancel(caller, order_id) == code
        if code == 0:
            one = await only(caller, order_id)
            assert (one["cancel_type"], one["role"], one["cancel_reason"]) == (
                "CANCEL",
                "SELLER",
                OUT_OF_STOCK,
            )
            assert caller.world.order(order_id)["cancellation_initiator"] == "SELLER"

    meet(test)


def test_a_seller_gives_one_of_the_sellers_reasons():
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("us", ["SKU-001"])
        assert await cancel(caller, order_id, "seller_cancel_unpaid_reason_out_of_stock") == 25001021
        assert (
            await cancel(caller, order_id, "ecom_order_to_ship_canceled_reason_no_longer_needed") == 25001015
        )
        assert await cancel(caller, order_id, "because") == 25001014
        caller.world.request_cancellation(order_id)
        assert await cancel(caller, order_id) == 25001011
        fbt = caller.world.place_order("us", ["SKU-001"], by_tiktok_warehouse=True)
        assert await cancel(caller, fbt) == 25011026
        assert await cancel(caller, "1") == 25007006

    meet(test)


def test_single_units_that_are_out_of_stock_are_cancelled_in_the_us():
    async def test(caller: Caller) -> None:
        world = caller.world
        order_id = world.place_order("us", [Line("SKU-001", 2), "SKU-002"])
        first, _, third = (line["id"] for line in world.order(order_id)["line_items"])
        assert (
            await cancel(caller, order_id, "seller_cancel_reason_wrong_price", order_line_item_ids=[first])
            == 25005010
        )
        assert await cancel(caller, order_id, order_line_item_ids=["1"]) == 25005011
        assert await cancel(caller, order_id, order_line_item_ids=[first]) == 0
        one = await only(caller, order_id)
        assert [line["order_line_item_id"] for line in one["cancel_line_items"]] == [first]
        order = world.order(order_id)
        assert order["status"] == "AWAITING_SHIPMENT"
        cancelled = order["line_items"][0]
        assert (cancelled["display_status"], cancelled["cancel_user"]) == ("CANCELLED", "SELLER")
        sku = order["line_items"][2]["sku_id"]
        assert await cancel(caller, order_id, skus=[{"sku_id": sku, "quantity": 2}]) == 25005011
        assert await cancel(caller, order_id, skus=[{"sku_id": sku, "quantity": 1}]) == 0
        assert set(world.truth_of(order_id).cancelled_lines) == {first, third}

    meet(test)


def test_vietnam_knows_no_partial_cancellation():
    async def test(caller: Caller) -> None:
        order_id = caller.world.place_order("vn", ["SKU-001", "SKU-002"])
        first = caller.world.order(order_id)["line_items"][0]["id"]
        wish = {"order_id": order_id, "cancel_reason": OUT_OF_STOCK, "order_line_item_ids": [first]}
        assert await caller.code("POST", f"{R}/cancellations", body=wish, shop=VN) == 25005010

    meet(test)


# Everything that cancels leaves a cancellation


def test_whoever_cancels_there_is_a_cancellation():
    async def test(caller: Caller) -> None:
        world = caller.world
        by_system = world.place_order(
            "us", ["SKU-001"], status=Status.unpaid, plan={"UNPAID": [(60, "time_out")]}
        )
        world.advance(60)
        by_buyer = world.place_order("us", ["SKU-001"], status=Status.on_hold)
        world.cancel_order(by_buyer)
        of_a_line = world.place_order("us", ["SKU-001", "SKU-002"])
        line_id = world.cancel_line(of_a_line)
        told = {one["order_id"]: one for one in await listed(caller)}
        assert (told[by_system]["cancel_type"], told[by_system]["role"]) == ("CANCEL", "SYSTEM")
        assert "refund_amount" not in told[by_system]
        assert (told[by_buyer]["cancel_type"], told[by_buyer]["role"]) == ("BUYER_CANCEL", "BUYER")
        assert told[of_a_line]["cancel_type"] == "CANCEL"
        assert [one["order_line_item_id"] for one in told[of_a_line]["cancel_line_items"]] == [line_id]

    meet(test)


def test_each_state_of_a_cancellation_is_announced_as_webhook_11():
    async def test(caller: Caller) -> None:
        world = caller.world
        told: list[WorldEvent] = []
        order_id = world.place_order("us", ["SKU-001"])
        world.listeners.append(lambda event: told.append(event) if event.kind == "cancellation" else None)
        cancel_id = world.request_cancellation(order_id)
        await approve(caller, cancel_id)
        world.advance(3600)
        assert [event.data["cancel_status"].rsplit("_")[-1] for event in told] == [
            "PENDING",
            "SUCCESS",
            "COMPLETE",
        ]
        assert {event.webhook_type for event in told} == {11}
        assert {event.data["cancel_id"] for event in told} == {cancel_id}
        assert told[0].data["cancellations_role"] == "BUYER"

    meet(test)
