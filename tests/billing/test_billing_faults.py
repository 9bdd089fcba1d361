"""Billing when something fails: each shipment is billed exactly once in effect."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal as D

import pytest

from tests.billing.shipped import BILLING, Sale, bill
from tests.rigging import exceptions, in_world
from tiktok_ns_pipeline.billing.applying import BillHandler
from tiktok_ns_pipeline.billing.document import Bill, Fulfilment
from tiktok_ns_pipeline.billing.flow import BillingFlow
from tiktok_ns_pipeline.billing.planning import BillPlanner, Decided, PlanReport, plan_number
from tiktok_ns_pipeline.billing.reading import BillingReader
from tiktok_ns_pipeline.billing.records import FieldNames
from tiktok_ns_pipeline.billing.staging import stage_bill
from tiktok_ns_pipeline.engine.outcomes import Applied
from tiktok_ns_pipeline.flows.turning import TurnRequest
from tiktok_ns_pipeline.goods.sales_order import SalesOrder
from tiktok_ns_pipeline.lake.tables import RAW_NETSUITE_ITEM_FULFILLMENTS
from tiktok_ns_pipeline.ledger.facts import BILL
from tiktok_ns_pipeline.netsuite.periods import Periods
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.rig import Rig, SimulatedCrash
from tiktok_ns_pipeline.sandbox.world import Line

TRANSFORM = "POST /services/rest/record/v1/salesOrder"


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.timeout_before_commit,
        FaultKind.timeout_after_commit,
        FaultKind.cut_before_commit,
        FaultKind.cut_after_commit,
        FaultKind.http_429,
        FaultKind.concurrency_400,
        FaultKind.http_500_before,
        FaultKind.http_500_after,
        FaultKind.http_503,
        FaultKind.html_body,
        FaultKind.unauthorized,
    ],
)
def test_a_transform_that_fails_twice_still_gives_exactly_one_bill(kind: FaultKind) -> None:
    async def story(rig: Rig) -> None:
        sale = await Sale.placed(rig, Line("SKU-001", 2, "10.00"))
        # Not all at once: a second transform would find something left to bill.
        sale.ship((1, 1))
        rig.faults.inject(kind, "netsuite", TRANSFORM, times=2)
        await bill(rig)
        await asyncio.sleep(3600)
        await bill(rig)
        assert len(sale.bills) == 1
        sale.ship()
        await bill(rig)
        assert sum(sale.totals) == sale.sales_order.get("total")
        assert len(sale.bills) == 2
        assert exceptions(rig) == []

    in_world(story)


@pytest.mark.parametrize("point", ["staged", "planned", "claimed", "answered", "stored"])
def test_a_crash_at_any_point_loses_and_doubles_nothing(point: str) -> None:
    async def story(rig: Rig) -> None:
        sales = [await Sale.placed(rig, Line("SKU-001", 2, "10.00")) for _ in range(3)]
        for sale in sales:
            sale.ship((1, 1))
            sale.ship()
        rig.faults.inject(FaultKind.crash, "pipeline", point)
        with pytest.raises(SimulatedCrash, match=point):
            await bill(rig)
        await asyncio.sleep(60)
        await bill(rig)
        for sale in sales:
            assert len(sale.bills) == 2
            assert sum(sale.totals) == sale.sales_order.get("total")
        assert exceptions(rig) == []

    in_world(story)


async def _two_processes_bill(rig: Rig) -> None:
    sales = [await Sale.placed(rig, Line("SKU-001", 3, "10.01", seller_discount="0.10")) for _ in range(4)]
    for sale in sales:
        for _ in range(3):
            sale.ship((1, 1))

    async def process() -> None:
        async with rig.runtime(governor_renew_s=2.0) as runtime:
            await BillingFlow(runtime, "billing").run(BILLING)

    await asyncio.gather(process(), process())
    for sale in sales:
        assert len(sale.bills) == 3
        assert sum(sale.totals) == sale.sales_order.get("total")
    assert exceptions(rig) == []


def test_two_processes_at_once_bill_each_shipment_once() -> None:
    in_world(_two_processes_bill)


def test_two_processes_at_once_bill_each_shipment_once_on_postgresql(postgres_database: str) -> None:
    in_world(_two_processes_bill, database_url=postgres_database)


def test_what_another_process_planned_meanwhile_is_decided_again() -> None:
    async def story(rig: Rig) -> None:
        sale = await Sale.placed(rig, Line("SKU-001", 3, "10.00"))
        sale.ship((1, 1))
        async with rig.runtime() as runtime:
            shop = runtime.mapping.shops["us"]
            [row] = runtime.lake.current(RAW_NETSUITE_ITEM_FULFILLMENTS)
            fulfilment = Fulfilment.of(row)
            order = SalesOrder.of(
                await runtime.netsuite.get("salesOrder", fulfilment.sales_order_id), "custcol_tts_line_key"
            )
            periods = Periods.unseen()
            staged = stage_bill(fulfilment, order, fulfilment.lines, shop, periods)
            assert isinstance(staged, Bill)
            planner = BillPlanner(runtime, shop, PlanReport())
            with runtime.ledger.begin() as tx:
                number = plan_number(tx, "us")
                # Another process plans the next bill of the order in between.
                tx.cursors.set("billing:us:plan-number", number + 1)
            with runtime.ledger.begin() as tx:
                stored = planner.store(tx, [Decided(fulfilment, staged)], {}, number)
                assert [each.fulfilment.id for each in stored.undone] == [fulfilment.id]
                assert tx.intents.newest([fulfilment.fact]) == {}
        await bill(rig)
        assert sale.totals == [D("10.00")]

    in_world(story)


def test_an_external_id_that_somebody_else_took_is_told_and_nothing_is_billed_twice() -> None:
    async def story(rig: Rig) -> None:
        sale = await Sale.placed(rig, Line("SKU-001", 2, "10.00"))
        shipped = sale.ship((1, 1))
        stranger = {
            "externalId": f"tts-us-cs-{sale.order_id}-{shipped}",
            "entity": {"id": sale.sales_order.get("entity")},
            "account": {"id": "125"},
            "item": {"items": [{"item": {"id": "901"}, "quantity": 1, "price": {"id": "-1"}, "rate": 1}]},
        }
        rig.books.create("cashSale", stranger)
        await bill(rig)
        assert [one.kind for one in exceptions(rig)] == ["netsuite_differs"]
        assert sale.bills == []

    in_world(story)


def test_while_netsuite_cannot_be_read_nothing_is_lost() -> None:
    async def story(rig: Rig) -> None:
        sale = await Sale.placed(rig)
        sale.ship()
        rig.faults.inject(
            FaultKind.http_503, "netsuite", "GET /services/rest/record/v1/salesOrder", times=400
        )
        report = await bill(rig, TurnRequest(budget_s=120, idle_s=10))
        assert (report.trouble != [], sale.bills) == (True, [])
        rig.faults.stop()
        await bill(rig)
        assert (len(sale.bills), exceptions(rig)) == (1, [])

    in_world(story)


def test_a_transform_refused_since_an_earlier_attempt_of_ours_came_to_something_is_that_bill() -> None:
    """An attempt that outlives its time-out saves after it was looked up in vain."""

    async def story(rig: Rig) -> None:
        sale = await Sale.placed(rig, Line("SKU-001", 2, "10.00"))
        sale.ship()
        await bill(rig)
        async with rig.runtime() as runtime:
            names = runtime.mapping.custom_fields
            handler = BillHandler(
                runtime.netsuite,
                BillingReader(runtime.netsuite, runtime.clock, names.line.line_key),
                runtime.ledger,
                runtime.clock,
                FieldNames(names.body.order_id, names.body.shop, names.body.payload_hash),
            )
            with runtime.ledger.read() as tx:
                (sent,) = tx.intents.newest_of("tiktok", "us", BILL, sale.order_id).values()
            (outcome,) = await handler.apply([replace(sent, attempts=0)])
        assert isinstance(outcome, Applied)
        assert outcome.link is not None and outcome.link.internal_id == sale.bills[0].id

    in_world(story)
