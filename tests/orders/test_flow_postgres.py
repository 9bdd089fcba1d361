"""The orders flow on the ledger's databases, alone and beside another flow on the same ledger."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.rigging import SOON, exceptions, in_world, sales_orders
from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.goods.items import ItemIndex
from tiktok_ns_pipeline.goods.snapshot import snapshot_rows
from tiktok_ns_pipeline.orders.flow import OrdersFlow, RunReport, RunRequest
from tiktok_ns_pipeline.orders.planning import OrderPlanner, PlanReport
from tiktok_ns_pipeline.orders.staging import stage_order
from tiktok_ns_pipeline.sandbox.faults import rates_of
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.simulate import NOT_IN_ALL
from tiktok_ns_pipeline.sandbox.world import Line

BUSY = RunRequest(budget_s=900, idle_s=901)


def test_orders_under_faults_end_with_nothing_lost_doubled_or_wrong(ledger_url: str) -> None:
    async def story(rig: Rig) -> None:
        rig.world.draw_orders(30)
        await asyncio.sleep(1800)
        let_much_go_wrong(rig)
        for _ in range(4):
            await rig.run(BUSY)
        await come_to_rest(rig)
        assert_all_is_right(rig, at_least=15)
        assert sum(rig.faults.counts.values()) > 50

    in_world(story, database_url=ledger_url, seed=11, poll_s=20)


@pytest.mark.parametrize("seed", [1, 2])
def test_two_flows_at_once_on_one_ledger_double_nothing(ledger_url: str, seed: int) -> None:
    async def story(rig: Rig) -> None:
        rig.world.draw_orders(30)
        await asyncio.sleep(2 * 3600)
        let_much_go_wrong(rig)
        for _ in range(2):
            await asyncio.gather(beside(rig), beside(rig), minds_change(rig))
        await come_to_rest(rig)
        assert_all_is_right(rig, at_least=20)

    in_world(story, database_url=ledger_url, seed=seed, account_slots=6, poll_s=20)


def test_two_flows_share_the_work_and_the_slots(ledger_url: str) -> None:
    async def story(rig: Rig) -> None:
        for _ in range(120):
            rig.world.place_order("us", ["SKU-001"])
        one, two = await asyncio.gather(*(beside(rig, SOON, renew_s=2.0) for _ in range(2)))
        written = [report.dispatch.applied.get("so", 0) for report in (one, two)]
        assert sum(written) == len(sales_orders(rig)) == 120
        assert min(written) >= 30
        assert one.dispatch.throttled + two.dispatch.throttled == 0

    # The account takes no more at once than the two flows may use together.
    in_world(story, database_url=ledger_url, slots=6, account_slots=6)


def test_a_flow_that_was_held_up_does_not_bring_back_an_older_version(ledger_url: str) -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 4, "10.00")])
        await rig.run(SOON)
        held_up = as_shown(rig, order_id)
        await asyncio.sleep(5)
        rig.world.cancel_line(order_id)
        await rig.run(SOON)
        # What another run had read before the line was cancelled reaches the ledger only now.
        async with rig.runtime() as runtime:
            shop = runtime.mapping.shops["us"]
            items = ItemIndex(snapshot_rows(runtime))
            outcome = stage_order(held_up, shop, runtime.mapping, items)
            report = PlanReport()
            with runtime.ledger.begin() as tx:
                OrderPlanner(runtime, report).store(tx, [outcome])
        assert report.revised == 0
        await rig.run(SOON)
        [record] = sales_orders(rig)
        assert Decimal(str(record["total"])) == 30
        assert rig.judged().is_clean

    in_world(story, database_url=ledger_url)


def as_shown(rig: Rig, order_id: str) -> dict[str, Any]:
    """The order as TikTok shows it now."""
    return exact_json.loads(exact_json.dumps(rig.world.order(order_id)))


def let_much_go_wrong(rig: Rig) -> None:
    for (system, kind), rate in rates_of("all=0.04").items():
        if kind not in NOT_IN_ALL and system != "pipeline":
            rig.faults.set_rate(system, kind, rate)


async def beside(rig: Rig, request: RunRequest = BUSY, *, renew_s: float = 10.0) -> RunReport:
    """One flow as in a process of its own, beside others."""
    async with rig.runtime(governor_renew_s=renew_s) as runtime:
        return await OrdersFlow(runtime, runtime.settings.holder).run(request)


async def minds_change(rig: Rig) -> None:
    """Buyers move parcels and drop units while both flows are at work."""
    chance = random.Random("minds")
    for _ in range(12):
        await asyncio.sleep(60)
        open_orders = [truth.order_id for truth in rig.world.truth() if truth.status == "AWAITING_SHIPMENT"]
        if open_orders:
            order_id = chance.choice(open_orders)
            if chance.random() < 0.5 and len(rig.world.facts(order_id).active_lines) > 1:
                rig.world.cancel_line(order_id)
            else:
                rig.world.change_address(order_id)


async def come_to_rest(rig: Rig) -> None:
    rig.faults.stop()
    for _ in range(3):
        await asyncio.sleep(3600)
        await rig.run(replace(SOON, budget_s=3600))


def assert_all_is_right(rig: Rig, *, at_least: int) -> None:
    judgement = rig.judged()
    assert judgement.is_clean, judgement
    assert judgement.posted >= at_least
    parked = {truth.order_id for truth in rig.world.truth() if truth.expected_parked}
    assert {exception.subject.removeprefix("order ") for exception in exceptions(rig)} <= parked
