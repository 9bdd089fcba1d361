"""Returns at the simulated TikTok: states, answers, lists and what is refunded (T 6.1 to 6.5)."""

from decimal import Decimal
from typing import Any

import pytest

from tests.sandbox.finance_calls import DAY, delivered, log_in, pass_by
from tests.sandbox.tiktok_caller import UK, Caller, meet
from tiktok_ns_pipeline.sandbox.facts import ShippingFacts
from tiktok_ns_pipeline.sandbox.return_rules import BY_SELLER, NOT_RECEIVED
from tiktok_ns_pipeline.sandbox.settling_habits import SettlementHabits
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock
from tiktok_ns_pipeline.sandbox.world import Line, World

R = "/return_refund/202309/returns"
HOUR = 3_600
AGREED = "reverse_reject_request_reason_1"


async def only(caller: Caller, return_id: str) -> dict[str, Any]:
    data = await caller.data("POST", f"{R}/search", {"page_size": "50"}, {"return_ids": [return_id]})
    (one,) = data["return_orders"]
    return one


async def decide(caller: Caller, return_id: str, decision: str, key: str = "k1", **more: Any) -> int:
    verb = "reject" if decision.startswith("REJECT") else "approve"
    body = {"decision": decision, **more}
    return await caller.code("POST", f"{R}/{return_id}/{verb}", {"idempotency_key": key}, body)


def test_a_refund_without_return_is_complete_soon_after_it_is_approved():
    async def test(caller: Caller) -> None:
        world = caller.world
        line = Line("SKU-001", 2, tax="1.5", seller_discount="2")
        order_id = delivered(world, "us", line, shipping=ShippingFacts(Decimal(4), tax=Decimal("0.3")))
        return_id = world.returns.ask(order_id, kind="REFUND", reason=NOT_RECEIVED)
        one = await only(caller, return_id)
        assert (one["return_status"], one["role"]) == ("RETURN_OR_REFUND_REQUEST_PENDING", "BUYER")
        (action,) = one["seller_next_action_response"]
        assert action["action"] == "SELLER_RESPOND_REFUND"
        assert action["deadline"] == one["create_time"] + 48 * HOUR
        refund = {name: Decimal(text) for name, text in one["refund_amount"].items() if name != "currency"}
        assert refund["refund_shipping_fee"] == 4
        assert refund["refund_tax"] == Decimal("3.3")
        total = refund["refund_subtotal"] + refund["refund_shipping_fee"] + refund["refund_tax"]
        assert refund["refund_total"] == total
        assert await decide(caller, return_id, "APPROVE_REFUND") == 0
        assert await decide(caller, return_id, "APPROVE_REFUND") == 0  # the same answer
        assert await decide(caller, return_id, "APPROVE_REFUND", "k2") == 25011012
        world.advance(HOUR)
        assert (await only(caller, return_id))["return_status"] == "RETURN_OR_REFUND_REQUEST_COMPLETE"
        (truth,) = world.returns.truth()
        assert (truth.refunded, truth.goods_come_back, truth.to_buyer) == (True, False, total)
        assert truth.owed_less == world.truth_of(order_id).owed

    meet(test)


def test_a_return_goes_by_the_buyers_parcel_and_the_sellers_acceptance():
    async def test(caller: Caller) -> None:
        world = caller.world
        order_id = delivered(world, "us", Line("SKU-001", 2))
        unit = world.facts(order_id).lines[0].id
        return_id = world.returns.ask(order_id, [unit])
        assert await decide(caller, return_id, "APPROVE_RECEIVED_PACKAGE") == 25011012
        assert await decide(caller, return_id, "APPROVE_RETURN") == 0
        assert (await only(caller, return_id))["return_status"] == "AWAITING_BUYER_SHIP"
        tracking = world.returns.send_back(return_id)
        one = await only(caller, return_id)
        assert (one["return_status"], one["return_tracking_number"]) == ("BUYER_SHIPPED_ITEM", tracking)
        assert [line["order_line_item_id"] for line in one["return_line_items"]] == [unit]
        assert one["seller_next_action_response"][0]["action"] == "SELLER_RESPOND_RECEIVE_PACKAGE"
        assert await decide(caller, return_id, "APPROVE_RECEIVED_PACKAGE") == 0
        world.advance(HOUR)
        (truth,) = world.returns.truth()
        assert truth.refunded
        assert truth.goods_come_back
        data = await caller.data("GET", f"{R}/{return_id}/records")
        assert [row["role"] for row in data["records"]] == ["BUYER", "SELLER", "BUYER", "SELLER", "SYSTEM"]

    meet(test)


@pytest.mark.parametrize("sent", [False, True])
def test_what_is_rejected_refunds_nothing(sent: bool):
    async def test(caller: Caller) -> None:
        world = caller.world
        return_id = world.returns.ask(delivered(world, "us"))
        decision = "REJECT_RETURN"
        if sent:
            await decide(caller, return_id, "APPROVE_RETURN")
            world.returns.send_back(return_id)
            decision = "REJECT_RECEIVED_PACKAGE"
        assert await decide(caller, return_id, decision, reject_reason="no_such") == 25001014
        query = {"return_or_cancel_id": return_id}
        data = await caller.data("GET", "/return_refund/202309/reject_reasons", query)
        assert AGREED in {reason["name"] for reason in data["reasons"]}
        assert await decide(caller, return_id, decision, reject_reason=AGREED) == 0
        world.advance(6 * DAY)
        (truth,) = world.returns.truth()
        assert truth.status == ("REJECT_RECEIVE_PACKAGE" if sent else "REFUND_OR_RETURN_REQUEST_REJECT")
        assert not truth.refunded

    meet(test)


def test_a_request_that_nobody_answers_is_approved_and_goes_its_way():
    world = World(clock=VirtualClock(), mix=Mix.plain())
    refund = world.returns.ask(delivered(world, "uk"), kind="REFUND")
    world.returns.ask(delivered(world, "vn"))
    withdrawn = world.returns.ask(delivered(world, "us"))
    world.returns.withdraw(withdrawn)
    pass_by(world, 2.1)
    states = {one.return_id: one.status for one in world.returns.truth()}
    assert states[refund] == "RETURN_OR_REFUND_REQUEST_COMPLETE"
    assert states[withdrawn] == "RETURN_OR_REFUND_REQUEST_CANCEL"
    pass_by(world, 10)
    assert [one.refunded for one in world.returns.truth()] == [True, True, False]


def test_a_quick_refund_does_not_wait_for_the_goods():
    world = World(clock=VirtualClock(), mix=Mix.plain())
    return_id = world.returns.ask(delivered(world, "vn"), quick=True)
    pass_by(world, 2.01)
    world.returns.send_back(return_id)
    world.advance(HOUR)
    (truth,) = world.returns.truth()
    assert truth.refunded


def test_a_unit_is_in_one_return_at_a_time():
    world = World(clock=VirtualClock(), mix=Mix.plain())
    order_id = delivered(world, "us", Line("SKU-001", 2))
    unit = world.facts(order_id).lines[0].id
    first = world.returns.ask(order_id, [unit])
    with pytest.raises(ValueError, match="no such units"):
        world.returns.ask(order_id, [unit])
    world.returns.withdraw(first)
    assert world.returns.ask(order_id, [unit]) != first
    with pytest.raises(ValueError, match="cannot be withdrawn"):
        world.returns.withdraw(first)
    with pytest.raises(ValueError, match="nothing of it"):
        world.returns.ask(world.place_order("us", ["SKU-001"]))


def test_the_seller_refunds_without_being_asked():
    async def test(caller: Caller) -> None:
        world = caller.world
        order_id = delivered(world, "us", Line("SKU-001", 2))
        unit = world.facts(order_id).lines[1].id
        wish = {"order_id": order_id, "return_type": "REFUND", "return_reason": BY_SELLER}
        made = await caller.data(
            "POST", "/return_refund/202602/returns", None, {**wish, "order_line_item_ids": [unit]}
        )
        assert made["return_status"] == "RETURN_OR_REFUND_REQUEST_SUCCESS"
        assert (await only(caller, made["return_id"]))["role"] == "SELLER"
        again = {**wish, "order_line_item_ids": [unit]}
        assert await caller.code("POST", R, None, again) == 25001011
        assert await caller.code("POST", R, None, {**wish, "order_line_item_ids": ["1"]}) == 25005011
        assert await caller.code("POST", R, None, {**wish, "order_id": "1"}) == 25007006
        early = world.place_order("us", ["SKU-001"])
        assert await caller.code("POST", R, None, {**wish, "order_id": early}) == 25001003

    meet(test)


def test_returns_are_listed_in_pages_and_by_filters():
    async def test(caller: Caller) -> None:
        world = caller.world
        made = []
        for _ in range(12):
            made.append(world.returns.ask(delivered(world, "us")))
            world.advance(10)
        for version in ("202309", "202602"):
            path = f"/return_refund/{version}/returns/search"
            page = await caller.data("POST", path, None, {})
            assert [one["return_id"] for one in page["return_orders"]] == made[:10]
            rest = await caller.data("POST", path, {"page_token": page["next_page_token"]}, {})
            assert [one["return_id"] for one in rest["return_orders"]] == made[10:]
            assert page["total_count"] == 12
        pending = {"return_status": ["RETURN_OR_REFUND_REQUEST_PENDING"], "return_types": ["REFUND"]}
        assert (await caller.data("POST", f"{R}/search", None, pending))["total_count"] == 0
        assert (await caller.data("POST", f"{R}/search", None, {}, shop=UK))["total_count"] == 0
        assert await caller.code("POST", f"{R}/search", {"page_size": "9"}, {}) == 98001004
        assert await caller.code("POST", f"{R}/search", {"page_size": "51"}, {}) == 98001004
        assert await caller.code("POST", f"{R}/search", None, {"return_types": ["GIFT"]}) == 36009004
        assert await caller.code("POST", f"{R}/{made[0]}/approve", None, {"decision": "YES"}) == 25001001
        assert await caller.code("GET", f"{R}/{made[0]}/records", shop=UK) == 25020005

    meet(test)


def test_a_complete_return_is_refunded_in_the_settlement_which_waited_for_it():
    async def test(caller: Caller) -> None:
        world = caller.world
        order_id = delivered(world, "us", Line("SKU-001", 2))
        pass_by(world, 7)
        return_id = world.returns.ask(order_id, [world.facts(order_id).lines[0].id])
        pass_by(world, 2)
        (one,) = world.finance.store.of_order(order_id)
        assert one.settled_at is None  # due since a day
        await log_in(caller)
        assert (await only(caller, return_id))["return_status"] == "AWAITING_BUYER_SHIP"
        world.returns.send_back(return_id)
        assert await decide(caller, return_id, "APPROVE_RECEIVED_PACKAGE") == 0
        pass_by(world, 2)
        (one,) = world.finance.store.of_order(order_id)
        assert one.settled_at is not None
        order = world.finance.truth().orders[order_id]
        (truth,) = world.returns.truth()
        assert order.refunded == truth.owed_less == order.owed / 2

    meet(test, log_in=False, mix=Mix.plain(settles=True))


def test_buyers_return_by_themselves_and_the_money_agrees():
    mix = Mix(returned=0.4, settles=True, settlement=SettlementHabits.quiet())
    world = World(clock=VirtualClock(), seed=11, mix=mix)
    told: list[dict[str, Any]] = []
    world.listeners.append(lambda event: told.append(event.data) if event.webhook_type == 12 else None)
    world.draw_orders(60)
    pass_by(world, 45)
    truths = world.returns.truth()
    assert {one.type for one in truths} == {"REFUND", "RETURN_AND_REFUND", "REPLACEMENT"}
    complete = [one for one in truths if one.refunded]
    assert len(complete) > 8
    orders = world.finance.truth().orders
    for one in complete:
        assert orders[one.order_id].refunded == one.owed_less
    last = {data["return_id"]: data["return_status"] for data in told}
    assert last == {one.return_id: one.status for one in truths}
