"""How orders become statements and payments (T 7.2, 7.8 to 7.11, 10.3)."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.finance_calls import (
    BY_CREATION,
    BY_ORDER,
    BY_TIME,
    DAY,
    SETTLES_AFTER_DAYS,
    SHOPS,
    F,
    delivered,
    listed,
    meet_money,
    pass_by,
    pass_days,
    transactions,
)
from tests.sandbox.tiktok_caller import UK, US, VN, Caller
from tiktok_ns_pipeline.sandbox.facts import ShippingFacts, Status
from tiktok_ns_pipeline.sandbox.settling_habits import SettlementHabits
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.statements import Transaction
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock
from tiktok_ns_pipeline.sandbox.world import Line, World

QUIET = SettlementHabits.quiet()


def new_world(directory: Path | None = None, **habits: Any) -> World:
    mix = Mix.plain(settles=True, settlement=replace(QUIET, **habits))
    return World(directory, clock=VirtualClock(), mix=mix)


def only(world: World, order_id: str) -> Transaction:
    (one,) = world.finance.store.of_order(order_id)
    return one


# Orders


def test_nothing_settles_unless_the_mix_says_so():
    world = World(clock=VirtualClock(), mix=Mix.plain())
    delivered(world, "us")
    pass_by(world, 40)
    assert world.finance.store.statements("us") == []


@pytest.mark.parametrize("shop", ["us", "uk", "vn"])
def test_an_order_settles_so_many_days_after_its_delivery(shop):
    world = new_world()
    order_id = delivered(world, shop)
    days = SETTLES_AFTER_DAYS[shop]
    pass_by(world, days - 0.01)
    assert only(world, order_id).settled_at is None
    pass_by(world, 0.02)
    one = only(world, order_id)
    assert one.settled_at == one.due
    assert one.statement is None
    pass_by(world, 1)
    (statement,) = world.finance.store.statements(shop)
    assert statement.statement_time % DAY == 0
    assert 0 < statement.statement_time - one.settled_at <= DAY


def test_the_worlds_speed_shortens_the_wait_but_not_the_day():
    world = World(clock=VirtualClock(), speed=8, mix=Mix.plain(settles=True))
    order_id = delivered(world, "us")
    pass_by(world, 1.01)
    assert only(world, order_id).settled_at is not None
    pass_by(world, 1)
    assert len(world.finance.store.statements("us")) == 1


@pytest.mark.parametrize("shop", ["us", "uk", "vn"])
def test_a_hasty_world_settles_and_pays_within_the_hour(shop):
    world = World(clock=VirtualClock(), mix=replace(Mix.plain(settles=True), haste=24 * 60))
    order_id = delivered(world, shop)
    pass_by(world, 60 / (24 * 60))
    assert only(world, order_id).settled_at is not None
    (statement,) = world.finance.store.statements(shop)
    assert statement.payment_status == "PAID"


def test_an_order_waits_from_its_release_on_and_not_when_it_is_cancelled():
    world = new_world()
    order_id = world.place_order("us", [Line("SKU-001", 2)], status="ON_HOLD")
    assert world.finance.store.of_order(order_id) == []
    world.release(order_id)
    both = only(world, order_id).amounts.revenue_total
    world.cancel_line(order_id)
    assert only(world, order_id).amounts.revenue_total == both / 2
    world.cancel_order(order_id)
    assert world.finance.store.of_order(order_id) == []


def test_what_an_order_brings_is_what_it_is_owed():
    world = new_world()
    shipping = ShippingFacts(Decimal(5), seller_discount=Decimal(1), platform_discount=Decimal(2))
    line = Line("SKU-001", 3, seller_discount="1.11", platform_discount="0.50", tax="2")
    own = delivered(world, "us", line, shipping=shipping)
    theirs = delivered(world, "us", line, shipping=shipping, by_seller=False)
    pass_by(world, 10)
    truth = world.finance.truth().orders
    for order_id in (own, theirs):
        assert truth[order_id].cleared == truth[order_id].owed == world.truth_of(order_id).owed
    # TikTok's carrier is paid out of what buyer and platform pay; sales tax never comes.
    assert only(world, own).amounts.shipping_total == 4
    assert only(world, theirs).amounts.shipping_total < 0
    assert only(world, own).amounts.memo["sales_tax_amount"] == 6
    assert "sales_tax_amount" not in only(world, own).amounts.tax


@pytest.mark.parametrize(
    ("shop", "keys"),
    [
        ("us", {"fee.referral_fee_amount"}),
        ("uk", {"fee.platform_commission_amount", "tax.local_vat_amount"}),
        (
            "vn",
            {
                "fee.platform_commission_amount",
                "fee.transaction_fee_amount",
                "fee.vn_fix_infrastructure_fee",
                "tax.pit_amount",
            },
        ),
    ],
)
def test_each_market_keeps_its_own_fees(shop, keys):
    world = new_world()
    order_id = delivered(world, shop)
    counted = only(world, order_id).amounts.counted()
    kept = {name for name, amount in counted.items() if amount < 0 and not name.startswith("revenue.")}
    sometimes = {"fee.affiliate_commission_amount", "fee.smart_promotion_fee_amount"}
    assert kept - sometimes == keys


# Refunds


def test_a_refund_before_settlement_changes_what_settles():
    world = new_world()
    order_id = delivered(world, "us", Line("SKU-001", 2))
    first = world.facts(order_id).lines[0].id
    world.finance.refund(order_id, [first])
    pass_by(world, 10)
    one = only(world, order_id)
    revenue = one.amounts.revenue
    assert (
        revenue["refund_subtotal_before_discount_amount"] == -revenue["subtotal_before_discount_amount"] / 2
    )
    order = world.finance.truth().orders[order_id]
    assert order.refunded == order.owed / 2 == order.cleared


def test_a_refund_after_settlement_is_a_later_transaction_that_gives_fees_back():
    world = new_world()
    order_id = delivered(world, "us", Line("SKU-001", 3, seller_discount="1"))
    pass_by(world, 10)
    lines = [line.id for line in world.facts(order_id).lines]
    world.finance.refund(order_id, lines[:1])
    pass_by(world, 2)
    world.finance.refund(order_id)
    pass_by(world, 2)
    sale, *refunds = world.finance.store.of_order(order_id)
    assert [len(one.line_ids) for one in refunds] == [1, 2]
    assert len({sale.statement, *(one.statement for one in refunds)}) == 3
    assert all(one.amounts.revenue["seller_discount_refund_amount"] > 0 for one in refunds)
    fees = [one.amounts.fee["referral_fee_amount"] for one in (sale, *refunds)]
    assert sum(fees) == 0
    kept = sum(one.amounts.fee["refund_administration_fee_amount"] for one in refunds)
    assert abs(kept - fees[0] / 5) <= Decimal("0.01")
    order = world.finance.truth().orders[order_id]
    assert order.cleared == 0
    assert order.refunded == order.owed > 0


def test_what_is_not_there_cannot_be_refunded():
    world = new_world()
    order_id = delivered(world, "us")
    world.finance.refund(order_id)
    with pytest.raises(ValueError, match="no such units"):
        world.finance.refund(order_id)
    with pytest.raises(ValueError, match="nothing of it"):
        world.finance.refund(world.place_order("us", ["SKU-001"]))


# Reserves and adjustments


def test_a_reserve_is_withheld_beside_the_order_and_released_later():
    world = new_world(reserved=1.0)
    order_id = delivered(world, "uk")
    pass_by(world, 9)
    sale, reserve = world.finance.store.of_order(order_id)
    assert (reserve.type, reserve.reserve_status, reserve.statement) == (
        "RESERVE",
        "COLLECTED",
        sale.statement,
    )
    assert reserve.amounts.settlement == 0
    (statement,) = world.finance.store.statements("uk")
    withheld = reserve.amounts.reserve_total
    assert withheld < 0
    assert statement.totals.payable == sale.amounts.settlement + withheld
    assert world.finance.truth().shops["uk"].withheld == withheld
    pass_by(world, 31)
    released = world.finance.store.of_order(order_id)[-1]
    assert (released.reserve_status, released.reserve_id) == ("RELEASED", reserve.reserve_id)
    assert world.finance.truth().shops["uk"].withheld == 0


def test_adjustments_may_show_their_money_elsewhere():
    async def test(caller: Caller) -> None:
        finance = caller.world.finance
        order_id = delivered(caller.world, "us")
        finance.adjust("us", "LOGISTICS_REIMBURSEMENT", Decimal("3.50"), order_id=order_id, form="revenue")
        finance.adjust("us", "PLATFORM_REIMBURSEMENT", Decimal("2.25"), order_id=order_id, form="bare")
        finance.adjust("us", "Violation fee （settlement fee）", Decimal("-1.75"))
        await pass_days(caller, 1)
        (statement,) = await listed(caller, "202309/statements", "statements", BY_TIME, US)
        header, rows = await transactions(caller, statement["id"], US)
        assert header["total_settlement_amount"] == statement["settlement_amount"] == "4"
        logistics, platform, violation = rows
        assert (logistics["order_id"], logistics["adjustment_order_id"]) == (order_id, order_id)
        assert (logistics["revenue_amount"], logistics["adjustment_amount"]) == ("3.5", "0")
        assert (platform["settlement_amount"], platform["adjustment_amount"]) == ("2.25", "0")
        assert (violation["type"], violation["adjustment_amount"]) == (
            "Violation fee （settlement fee）",
            "-1.75",
        )
        assert "adjustment_order_id" not in violation
        orders = await caller.data("GET", f"{F}/202501/orders/{order_id}/statement_transactions", shop=US)
        assert orders["sku_transactions"] == []

    meet_money(test)


def test_a_day_below_zero_is_moved_to_the_next_one_by_a_pair_in_the_us():
    world = new_world(negative_parked=1.0)
    world.finance.adjust("us", "PLATFORM_PENALTY", Decimal(-30))
    pass_by(world, 0.9)
    delivered(world, "us", Line("SKU-001", 9))
    pass_by(world, 0.1)
    first, *_ = world.finance.store.statements("us")
    assert first.totals.settlement == 0
    pair = [one for one in world.finance.store.all_transactions() if one.type.startswith("NET_EARNINGS")][:2]
    assert [one.type for one in pair] == ["NET_EARNINGS_BALANCE", "NET_EARNINGS_DEDUCTION"]
    assert pair[0].adjustment_id == pair[1].adjustment_id
    assert pair[0].amounts.settlement + pair[1].amounts.settlement == 0
    assert pair[0].statement != pair[1].statement


# Statements and payments


def test_a_shop_has_one_statement_a_day_and_none_for_a_day_without_settlement():
    world = new_world()
    for _ in range(3):
        delivered(world, "uk")
        pass_by(world, 0.3)
    pass_by(world, 5)
    delivered(world, "uk")
    pass_by(world, 20)
    times = [one.statement_time for one in world.finance.store.statements("uk")]
    assert len(times) == 3  # the first three orders settle on two days
    assert times[2] - times[1] >= 5 * DAY


def test_a_statement_stays_as_it_is_but_for_its_payment():
    world = new_world()
    order_id = delivered(world, "us", Line("SKU-001", 2))
    pass_by(world, 9)
    (before,) = world.finance.store.statements("us")
    assert (before.payment, before.payment_status) == (None, "PROCESSING")
    world.finance.refund(order_id, [world.facts(order_id).lines[0].id])
    pass_by(world, 20)
    after, *_ = world.finance.store.statements("us")
    assert after.payment_status == "PAID"
    assert after.totals == before.totals


def test_the_us_is_paid_for_several_statements_at_once_and_the_uk_day_by_day():
    world = new_world()
    for _ in range(6):
        delivered(world, "us")
        delivered(world, "uk")
        pass_by(world, 1)
    pass_by(world, 30)
    payments = world.finance.truth().payments.values()
    of_us = [len(one.statements) for one in payments if one.payment.shop == "us"]
    of_uk = [len(one.statements) for one in payments if one.payment.shop == "uk"]
    assert sum(of_us) == sum(of_uk) == 6
    assert max(of_us) > 1
    assert of_uk == [1] * 6
    delays = [(one.payment_time - one.statement_time) / DAY for one in world.finance.store.statements("us")]
    assert all(5 <= delay <= 13 for delay in delays)


def test_what_is_below_zero_is_carried_until_a_payment_covers_it():
    world = new_world()
    delivered(world, "uk", Line("SKU-001", 5))
    world.finance.adjust("uk", "PLATFORM_PENALTY", Decimal(-20))
    pass_by(world, 4)
    assert [one.payment for one in world.finance.store.statements("uk")] == [None]
    assert world.finance.truth().shops["uk"].unpaid == -20
    pass_by(world, 10)
    (payment,) = world.finance.truth().payments.values()
    assert len(payment.statements) == 2
    assert world.finance.truth().shops["uk"].unpaid == 0


def test_a_payment_that_fails_sets_its_statements_free_for_another_one():
    world = new_world(payment_failed=0.5)
    for _ in range(12):
        delivered(world, "uk")
        pass_by(world, 1)
    pass_by(world, 60)
    payments = list(world.finance.truth().payments.values())
    failed = [one for one in payments if one.payment.status == "FAILED"]
    assert failed
    assert all(one.payment.paid_time == 0 and not one.statements for one in failed)
    assert all(one.payment_status == "PAID" for one in world.finance.store.statements("uk"))


def test_a_payment_to_a_bank_abroad_names_its_rate():
    async def test(caller: Caller) -> None:
        delivered(caller.world, "uk", Line("SKU-001", 3))
        await pass_days(caller, 12)
        (payment,) = await listed(caller, "202605/payments", "payments", BY_CREATION, UK)
        assert "reserve_amount" not in payment
        assert "bank_account" not in payment
        assert payment["settlement_amount"]["currency"] == "GBP"
        assert payment["amount"]["currency"] == "USD"
        assert len(payment["exchange_rate"].split(".")[1]) == 6
        before = Decimal(payment["payment_amount_before_exchange"]["value"])
        exact = before * Decimal(payment["exchange_rate"])
        assert abs(Decimal(payment["amount"]["value"]) - exact) <= Decimal("0.005")

    habits = replace(QUIET, payout_currency={"uk": "USD"})
    meet_money(test, mix=Mix.plain(settles=True, settlement=habits))


def test_a_statement_may_be_shown_late_by_working_days():
    world = new_world(statement_late=1.0)
    for _ in range(10):
        delivered(world, "uk")
        pass_by(world, 1)
    pass_by(world, 20)
    late = [(one.visible_from - one.statement_time) // DAY for one in world.finance.store.statements("uk")]
    assert all(1 <= days <= 7 for days in late)
    assert len(set(late)) > 1


def test_vietnam_is_paid_into_a_wallet_from_which_the_seller_withdraws():
    async def test(caller: Caller) -> None:
        delivered(caller.world, "vn", Line("SKU-001", 2))
        await pass_days(caller, 17)
        caller.world.finance.payouts.transfer("vn", Decimal(-5_000))
        await pass_days(caller, 9)
        query = {"types": "SETTLE,WITHDRAW,TRANSFER,REVERSE"}
        rows = await listed(caller, "202309/withdrawals", "withdrawals", query, VN)
        amounts = {row["type"]: Decimal(row["amount"]) for row in rows}
        (payment,) = await listed(caller, "202605/payments", "payments", BY_CREATION, VN)
        assert payment["paid_time"] - payment["create_time"] == 4
        assert amounts["SETTLE"] == Decimal(payment["amount"]["value"])
        assert amounts["WITHDRAW"] == amounts["SETTLE"] - 5_000
        assert {row["status"] for row in rows} == {"SUCCESS"}
        assert caller.world.finance.truth().shops["vn"].wallet == 0
        with pytest.raises(ValueError, match="no wallet"):
            caller.world.finance.payouts.transfer("us", Decimal(1))

    meet_money(test)


def test_a_withdrawal_that_fails_comes_back_and_is_tried_again():
    world = new_world(payment_failed=0.5)
    for _ in range(6):
        delivered(world, "vn")
        pass_by(world, 1)
    pass_by(world, 80)
    rows = world.finance.purse.withdrawals("vn")
    failed = [one for one in rows if one.status == "FAILED"]
    assert failed
    assert [one.amount for one in rows if one.type == "REVERSE"] == [one.amount for one in failed]
    assert world.finance.truth().shops["vn"].wallet == 0


def test_money_goes_on_after_a_restart(tmp_path):
    clock = VirtualClock()
    mix = Mix.plain(settles=True)
    first = World(tmp_path, clock=clock, mix=mix)
    order_id = delivered(first, "uk")
    pass_by(first, 3)
    first.close()
    second = World(tmp_path, clock=clock, mix=mix)
    pass_by(second, 12)
    assert second.finance.truth().orders[order_id].cleared_by_payments > 0
    assert len(second.finance.store.statements("uk")) == 1
    second.close()


def test_what_has_not_settled_is_told_with_its_policy_until_it_is_delivered():
    async def test(caller: Caller) -> None:
        world = caller.world
        waiting = world.place_order("us", ["SKU-001"])
        order_id = delivered(world, "us", "SKU-002")
        await pass_days(caller, 1)
        rows = await listed(caller, "202507/orders/unsettled", "transactions", BY_ORDER, US)
        shown = {row["order_id"]: row for row in rows}
        assert shown[waiting]["estimated_settlement"] == "Delivered + 8 days"
        assert shown[waiting]["unsettled_reason"] == "WAITING_FOR_PACKAGE_DELIVERY"
        assert "order_delivery_time" not in shown[waiting]
        settles = shown[order_id]["order_delivery_time"] + 8 * DAY
        assert shown[order_id]["estimated_settlement"] == str(settles)
        await pass_days(caller, 8)
        rows = await listed(caller, "202507/orders/unsettled", "transactions", BY_ORDER, US)
        assert [row["order_id"] for row in rows] == [waiting]

    meet_money(test)


def test_an_order_whose_display_is_spoiled_settles_like_any_other():
    world = new_world()
    order_id = delivered(world, "us")
    world.mutate(order_id, lambda document: {"id": order_id, "line_items": None})
    pass_by(world, 10)
    assert world.finance.truth().orders[order_id].cleared > 0
    assert world.facts(order_id).status is Status.delivered
    assert {shop.key for shop in SHOPS} == set(world.finance.truth().shops)
