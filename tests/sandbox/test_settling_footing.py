"""Whatever is traded, every statement foots on every level, and no cent is lost or made (T 7.4)."""

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sandbox.finance_calls import (
    BY_ORDER,
    SHOPS,
    F,
    amount,
    check_row,
    check_shop,
    listed,
    meet_money,
    pass_by,
    pass_days,
)
from tests.sandbox.tiktok_caller import Caller
from tiktok_ns_pipeline.sandbox.settling_habits import SettlementHabits
from tiktok_ns_pipeline.sandbox.settling_truth import FinanceTruth
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock
from tiktok_ns_pipeline.sandbox.world import World

LIVELY = SettlementHabits(
    refunded=0.3,
    adjusted=0.3,
    reserved=0.3,
    statement_late=0.0,
    negative_parked=0.5,
    payment_failed=0.2,
    payout_currency={"uk": "USD"},
)
seeds = st.integers(0, 10_000)


@given(seed=seeds)
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_statement_foots_on_every_level_in_every_market(seed: int) -> None:
    async def test(caller: Caller) -> None:
        caller.world.draw_orders(40)
        await pass_days(caller, 36)
        kinds: set[str] = set()
        for shop in SHOPS:
            rows = await check_shop(caller, shop)
            kinds |= {row["type"] for own in rows.values() for row in own}
            await _check_orders(caller, rows, shop)
            await _check_unsettled(caller, shop)
        assert {"ORDER", "RESERVE"} < kinds

    meet_money(test, mix=Mix(settles=True, settlement=LIVELY), seed=seed)


async def _check_orders(caller: Caller, rows: dict[str, list[dict[str, Any]]], shop: Any) -> None:
    """By order and SKU it is the same money."""
    names = ("revenue_amount", "shipping_cost_amount", "fee_tax_amount", "settlement_amount")
    by_order: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for statement_id, own in rows.items():
        for row in own:
            if row["type"] == "ORDER":
                by_order[row["order_id"], statement_id].append(row)
    for order_id in {order_id for order_id, _ in by_order}:
        data = await caller.data("GET", f"{F}/202501/orders/{order_id}/statement_transactions", shop=shop)
        skus = data["sku_transactions"]
        for sku in skus:
            check_row(sku)
        for statement_id in {sku["statement_id"] for sku in skus}:
            own = [sku for sku in skus if sku["statement_id"] == statement_id]
            for name in names:
                total = sum(amount(row, name) for row in by_order[order_id, statement_id])
                assert sum(amount(sku, name) for sku in own) == total
        assert amount(data, "settlement_amount") == sum(amount(sku, "settlement_amount") for sku in skus)
        assert amount(data, "fee_and_tax_amount") == sum(amount(sku, "fee_tax_amount") for sku in skus)


async def _check_unsettled(caller: Caller, shop: Any) -> None:
    path = "202507/orders/unsettled"
    rows = await listed(caller, path, "transactions", BY_ORDER, shop)
    sums = await caller.data("GET", f"{F}/{path}", BY_ORDER, shop=shop)
    truth = caller.world.finance.truth().shops[shop.key]
    total = sum((amount(row, "est_settlement_amount") for row in rows), Decimal(0))
    assert amount(sums, "sum_est_settlement_amount") == total == truth.unsettled
    assert sums["total_count"] == len(rows) == truth.unsettled_rows
    for row in rows:
        parts = (
            "est_revenue_amount",
            "est_shipping_cost_amount",
            "est_fee_tax_amount",
            "est_adjustment_amount",
        )
        assert amount(row, "est_settlement_amount") == amount(row, *parts)
        fees = row["fee_tax_breakdown"]
        members = [value for name, value in fees["fee"].items() if "before_pit" not in name]
        named = sum(map(Decimal, [*members, *fees["tax"].values()]))
        # Estimates have no place for a market's own taxes: these are in the total alone.
        (one,) = caller.world.finance.store.of_order(row["order_id"])
        assert amount(row, "est_fee_tax_amount") - named == sum(one.amounts.tax.values())


@given(seed=seeds, days=st.integers(10, 75), speed=st.sampled_from([1.0, 3.0]))
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_months_of_trade_conserve_every_cent(seed: int, days: int, speed: float) -> None:
    habits = replace(LIVELY, statement_late=0.2, odd_adjustments=0.5)
    world = World(clock=VirtualClock(), seed=seed, speed=speed, mix=Mix(settles=True, settlement=habits))
    for _ in range(4):
        world.draw_orders(20)
        pass_by(world, days / 4)
    truth = world.finance.truth()
    _check_truth(world, truth)


def _check_truth(world: World, truth: FinanceTruth) -> None:
    store = world.finance.store
    for key, shop in truth.shops.items():
        settled = [one for one in store.all_transactions() if one.shop == key and one.settled_at is not None]
        total = sum((one.amounts.settlement + one.amounts.reserve_total for one in settled), Decimal(0))
        assert total == shop.waiting + shop.unpaid + shop.paid
        assert shop.withheld == sum((one.amounts.reserve_total for one in settled), Decimal(0)) <= 0
    for payment in truth.payments.values():
        assert sum(payment.roles.values()) == 0
        if payment.statements:
            assert payment.roles["bank"] == payment.payment.before_exchange
            assert -payment.roles["clearing"] == sum(payment.cleared.values()) - payment.balances
    for order in truth.orders.values():
        # What was settled is the sum of what was kept of it, and clears what the Sales Order says.
        assert order.settled == sum(order.kept.values())
        if order.settled:
            assert order.cleared == order.owed - order.refunded
        assert Decimal(0) <= order.refunded <= order.owed
        assert order.cleared_by_payments in {Decimal(0), order.cleared} or order.refunded
    carried = [tx for one in truth.payments.values() for tx in one.transactions]
    assert len(carried) == len(set(carried))
