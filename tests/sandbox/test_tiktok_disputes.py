"""Returns on which buyer and seller do not agree, and replacements (T 6.2, 6.4): edited, offered a part,
rejected and arbitrated, replaced by a new order; and what each comes to in money.
"""

from decimal import Decimal
from typing import Any, Literal

import pytest

from tests.sandbox.finance_calls import delivered, pass_by
from tests.sandbox.tiktok_caller import Caller, meet
from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.return_rules import REJECT_REASONS
from tiktok_ns_pipeline.sandbox.settling_habits import SettlementHabits
from tiktok_ns_pipeline.sandbox.settling_skus import by_sku
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock
from tiktok_ns_pipeline.sandbox.world import Line, World

R = "/return_refund/202309/returns"
HOUR = 3_600
BECAUSE = {"reject_reason": next(iter(REJECT_REASONS))}
US_SHOP = shop_of("us")
SETTLES = Mix.plain(settles=True)


async def shown(caller: Caller, **wanted: Any) -> list[dict[str, Any]]:
    data = await caller.data("POST", f"{R}/search", {"page_size": "50"}, wanted)
    return data["return_orders"]


async def only(caller: Caller, return_id: str) -> dict[str, Any]:
    (one,) = await shown(caller, return_ids=[return_id])
    return one


async def decide(caller: Caller, return_id: str, decision: str, key: str = "k1", **more: Any) -> int:
    verb = "reject" if decision.startswith("REJECT") else "approve"
    body = {"decision": decision, **more}
    return await caller.code("POST", f"{R}/{return_id}/{verb}", {"idempotency_key": key}, body)


async def offer(caller: Caller, return_id: str, amount: str, key: str = "k1", currency: str = "USD") -> int:
    part = {"amount": amount, "currency": currency}
    return await decide(caller, return_id, "OFFER_PARTIAL_REFUND", key, partial_refund=part)


def asked(world: World, **options: Any) -> str:
    """A delivered order of two units whose buyer asks for something."""
    line = Line("SKU-001", 2, price="20", seller_discount="2", platform_discount="1")
    return world.returns.ask(delivered(world, "us", line), **options)


def test_an_offer_waits_for_the_buyer_and_is_all_that_is_refunded_once_it_is_taken():
    async def test(caller: Caller) -> None:
        world, return_id = caller.world, asked(caller.world)
        assert await offer(caller, return_id, "7.5") == 0
        one = await only(caller, return_id)
        assert one["return_status"] == "AWAITING_BUYER_RESPONSE"
        assert one["partial_refund"] == {"amount": "7.5", "currency": "USD"}
        assert not one["buyer_rejected_partial_refund"]
        assert "seller_next_action_response" not in one
        assert await decide(caller, return_id, "APPROVE_RETURN", "k2") == 25007007
        world.returns.disputes.take_offer(return_id)
        world.advance(HOUR)
        (one,) = await shown(caller, seller_proposed_return_type=["PARTIAL_REFUND"])
        assert one["return_status"] == "RETURN_OR_REFUND_REQUEST_COMPLETE"
        assert one["refund_amount"]["refund_total"] == "7.5"
        assert [line["refund_amount"]["refund_total"] for line in one["return_line_items"]] == [
            "3.75",
            "3.75",
        ]
        assert one["can_buyer_keep_item"] is True
        truth = world.returns.truth_of(return_id)
        assert (truth.refunded, truth.goods_come_back) == (True, False)
        assert truth.to_buyer == truth.owed_less == Decimal("7.5")

    meet(test)


def test_an_offer_that_is_refused_leaves_the_seller_to_answer_anew():
    async def test(caller: Caller) -> None:
        world, return_id = caller.world, asked(caller.world)
        assert await offer(caller, return_id, "7.5") == 0
        world.advance(HOUR)
        world.returns.disputes.refuse_offer(return_id)
        one = await only(caller, return_id)
        assert one["return_status"] == "RETURN_OR_REFUND_REQUEST_PENDING"
        assert one["buyer_rejected_partial_refund"] is True
        (action,) = one["seller_next_action_response"]
        assert action["deadline"] == one["update_time"] + 48 * HOUR
        world.advance(47.5 * HOUR)  # the first deadline is over, this one is not
        assert (await only(caller, return_id))["return_status"] == "RETURN_OR_REFUND_REQUEST_PENDING"
        assert await decide(caller, return_id, "APPROVE_RETURN", "k2") == 0

    meet(test)


def test_an_offer_that_the_buyer_leaves_unanswered_ends_the_request():
    async def test(caller: Caller) -> None:
        return_id = asked(caller.world)
        assert await offer(caller, return_id, "7.5") == 0
        caller.world.advance(49 * HOUR)
        assert (await only(caller, return_id))["return_status"] == "RETURN_OR_REFUND_REQUEST_CANCEL"

    meet(test)


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [("0", "USD", 25005005), ("34", "USD", 25005005), ("x", "USD", 25001001), ("5", "GBP", 36009004)],
)
def test_an_offer_is_a_part_of_what_was_paid_in_its_currency(amount: str, currency: str, code: int):
    async def test(caller: Caller) -> None:
        assert await offer(caller, asked(caller.world), amount, currency=currency) == code

    meet(test)


def test_nothing_is_offered_once_the_goods_are_to_come():
    async def test(caller: Caller) -> None:
        return_id = asked(caller.world)
        assert await decide(caller, return_id, "APPROVE_RETURN") == 0
        assert await offer(caller, return_id, "5", "k2") == 25011032

    meet(test)


def test_the_buyer_may_keep_what_was_to_come_back():
    async def test(caller: Caller) -> None:
        world, return_id = caller.world, asked(caller.world)
        assert await decide(caller, return_id, "APPROVE_RETURN", buyer_keep_item=True) == 0
        world.advance(HOUR)
        one = await only(caller, return_id)
        assert (one["return_status"], one["can_buyer_keep_item"]) == (
            "RETURN_OR_REFUND_REQUEST_COMPLETE",
            True,
        )
        truth = world.returns.truth_of(return_id)
        assert (truth.refunded, truth.goods_come_back) == (True, False)

    meet(test)


def test_an_edited_request_ends_and_another_takes_its_place():
    async def test(caller: Caller) -> None:
        world = caller.world
        first = asked(world)
        unit = world.returns.truth_of(first).line_ids[0]
        second = world.returns.disputes.edit(first, [unit], kind="REFUND")
        third = world.returns.disputes.edit(second)
        old, middle, last = [await only(caller, one) for one in (first, second, third)]
        assert [one["return_status"] for one in (old, middle)] == ["RETURN_OR_REFUND_REQUEST_CANCEL"] * 2
        assert ("pre_return_id" in old, old["next_return_id"]) == (False, second)
        assert (middle["pre_return_id"], middle["next_return_id"]) == (first, third)
        assert (last["pre_return_id"], "next_return_id" in last) == (second, False)
        assert (last["return_type"], len(last["return_line_items"])) == ("REFUND", 1)
        with pytest.raises(ValueError, match="cannot be edited"):
            world.returns.disputes.edit(first)

    meet(test)


def test_tiktok_decides_a_rejection_and_nobody_else_meanwhile():
    async def test(caller: Caller) -> None:
        world = caller.world
        outcomes: tuple[tuple[Literal["BUYER", "SELLER"], str, bool], ...] = (
            ("BUYER", "RETURN_OR_REFUND_REQUEST_COMPLETE", True),
            ("SELLER", "REFUND_OR_RETURN_REQUEST_REJECT", False),
        )
        for side, status, refunded in outcomes:
            return_id = asked(world)
            assert await decide(caller, return_id, "REJECT_RETURN", **BECAUSE) == 0
            world.returns.disputes.escalate(return_id)
            (found,) = await shown(caller, arbitration_status=["IN_PROGRESS"])
            assert found["return_id"] == return_id
            assert world.returns.is_open(found["order_id"])
            assert await decide(caller, return_id, "APPROVE_RETURN", "k2") == 25011010
            world.returns.disputes.arbitrate(return_id, side)
            world.advance(HOUR)
            one = await only(caller, return_id)
            assert (one["arbitration_status"], one["return_status"]) == (f"SUPPORT_{side}", status)
            assert world.returns.truth_of(return_id).refunded is refunded
            assert not world.returns.is_open(found["order_id"])

    meet(test)


def test_a_rejection_is_not_disputed_once_the_units_are_asked_for_anew():
    world = World(clock=VirtualClock(), seed=1, mix=SETTLES)
    return_id = asked(world, kind="REFUND")
    world.returns.decide(US_SHOP, return_id, "REJECT_REFUND", "k", BECAUSE["reject_reason"])
    world.returns.ask(world.returns.truth_of(return_id).order_id, kind="RETURN_AND_REFUND")
    with pytest.raises(ValueError, match="in another return"):
        world.returns.disputes.escalate(return_id)


def test_a_decision_that_tiktok_takes_back_is_made_up_for():
    world = World(clock=VirtualClock(), seed=1, mix=SETTLES)
    return_id = asked(world, kind="REFUND")
    returns = world.returns
    returns.decide(US_SHOP, return_id, "REJECT_REFUND", "k", BECAUSE["reject_reason"])
    returns.disputes.escalate(return_id)
    returns.disputes.arbitrate(return_id, "BUYER")
    pass_by(world, 1)
    returns.disputes.arbitrate(return_id, "SELLER")
    truth = returns.truth_of(return_id)
    assert (truth.refunded, truth.arbitration) == (True, "SUPPORT_SELLER")
    money = world.finance.truth().orders[truth.order_id]
    assert truth.compensated == truth.owed_less == money.refunded == money.adjusted > 0
    with pytest.raises(ValueError, match="nothing to arbitrate"):
        returns.disputes.arbitrate(return_id, "BUYER")


def test_a_replacement_is_a_new_order_and_no_refund():
    async def test(caller: Caller) -> None:
        world, return_id = caller.world, asked(caller.world, kind="REPLACEMENT")
        one = await only(caller, return_id)
        assert one["return_status"] == "REPLACEMENT_REQUEST_PENDING"
        assert "refund_amount" not in one
        assert [each["action"] for each in one["seller_next_action_response"]] == [
            "SELLER_RESPOND_REPLACEMENT"
        ]
        assert await decide(caller, return_id, "APPROVE_RETURN") == 25020004
        assert await decide(caller, return_id, "APPROVE_REPLACEMENT") == 0
        assert (await only(caller, return_id))["return_status"] == "REPLACEMENT_REQUEST_COMPLETE"
        truth = world.returns.truth_of(return_id)
        assert not truth.refunded
        new = world.order(truth.new_order_id)
        assert (new["is_replacement_order"], new["replaced_order_id"]) == (True, truth.order_id)
        assert len(new["line_items"]) == 2
        assert world.truth_of(truth.new_order_id).owed == 0

    meet(test)


@pytest.mark.parametrize(
    ("decision", "status", "refunded"),
    [
        ("ISSUE_REPLACEMENT_REFUND", "REPLACEMENT_REQUEST_REFUND_SUCCESS", True),
        ("REJECT_REPLACEMENT", "REPLACEMENT_REQUEST_REJECT", False),
    ],
)
def test_a_replacement_is_refunded_or_rejected_instead(decision: str, status: str, refunded: bool):
    async def test(caller: Caller) -> None:
        world, return_id = caller.world, asked(caller.world, kind="REPLACEMENT")
        more = BECAUSE if decision.startswith("REJECT") else {}
        assert await decide(caller, return_id, decision, **more) == 0
        one = await only(caller, return_id)
        assert (one["return_status"], "refund_amount" in one) == (status, refunded)
        truth = world.returns.truth_of(return_id)
        assert (truth.refunded, truth.new_order_id) == (refunded, "")

    meet(test)


def test_what_is_sold_out_is_refunded_instead_of_replaced():
    mix = Mix.plain(stock="kept", stock_at_start=2)
    world = World(clock=VirtualClock(), seed=1, mix=mix)
    warehouse = US_SHOP.warehouses[0]
    order_id = delivered(world, "us", Line("SKU-001", 2), warehouse_id=warehouse)
    for other in US_SHOP.warehouses[1:]:
        world.place_order("us", [Line("SKU-001", 2)], warehouse_id=other)
    return_id = world.returns.ask(order_id, kind="REPLACEMENT")
    world.returns.decide(US_SHOP, return_id, "APPROVE_REPLACEMENT", "k")
    truth = world.returns.truth_of(return_id)
    assert (truth.status, truth.new_order_id) == ("REPLACEMENT_REQUEST_REFUND_SUCCESS", "")


@pytest.mark.parametrize("days", [1, 12], ids=["before it settles", "after it settled"])
def test_a_part_of_the_money_is_a_transaction_of_its_own(days: int):
    world = World(clock=VirtualClock(), seed=1, mix=SETTLES)
    order_id = delivered(world, "us", Line("SKU-001", 1, price="20"), Line("SKU-002", 1, price="10"))
    pass_by(world, days)
    first, second = world.facts(order_id).lines
    part = world.returns.ask(order_id, [first.id], kind="REFUND")
    world.returns.decide(US_SHOP, part, "OFFER_PARTIAL_REFUND", "k", offer=Decimal("7.5"))
    world.returns.disputes.take_offer(part)
    whole = world.returns.ask(order_id, [second.id], kind="REFUND")
    world.returns.decide(US_SHOP, whole, "APPROVE_REFUND", "k")
    pass_by(world, 20)
    money = world.finance.truth().orders[order_id]
    assert (money.owed, money.refunded, money.cleared) == (30, Decimal("17.5"), Decimal("12.5"))
    rows = world.finance.store.of_order(order_id)
    (its_own,) = [one for one in rows if one.form == "part"]
    assert its_own.amounts.settlement == Decimal("-7.5")
    (sku,) = by_sku(world.facts(order_id), its_own, is_sale=False)
    assert (sku.sku_id, sku.amounts.settlement) == (first.sku_id, Decimal("-7.5"))


def test_people_dispute_by_themselves_and_the_money_agrees():
    mix = Mix(returned=0.7, settles=True, settlement=SettlementHabits.quiet())
    world = World(clock=VirtualClock(), seed=5, mix=mix)
    world.draw_orders(80)
    for _ in range(45):
        pass_by(world, 1)
        answer_some(world)
    truths = world.returns.truth()
    assert {one.arbitration for one in truths} >= {"", "SUPPORT_BUYER", "SUPPORT_SELLER"}
    assert any(one.next_id for one in truths)
    assert any(one.new_order_id for one in truths)
    orders = world.finance.truth().orders
    refunded: dict[str, Decimal] = {}
    for one in truths:
        if one.refunded:
            refunded[one.order_id] = refunded.get(one.order_id, Decimal(0)) + one.owed_less
    assert {order_id: orders[order_id].refunded for order_id in refunded} == refunded


def answer_some(world: World) -> None:
    """The seller rejects a third of what waits, and offers a part for another."""
    for one in list(world.returns.store.all()):
        number, shop = int(one.id) % 3, shop_of(one.shop)
        if one.status != "RETURN_OR_REFUND_REQUEST_PENDING" or one.offer:
            continue
        if number == 0:
            decision = "REJECT_REFUND" if one.type == "REFUND" else "REJECT_RETURN"
            world.returns.decide(shop, one.id, decision, "k", BECAUSE["reject_reason"])
        elif number == 1 and world.returns.truth_of(one.id).to_buyer > 3:
            world.returns.decide(shop, one.id, "OFFER_PARTIAL_REFUND", "k", offer=Decimal(1))
