"""What the orders flow does beside the closures flow: nothing comes back, and fewer units are urgent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.rigging import SOON, exceptions, in_world, lines, sales_orders
from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.goods.items import ItemIndex
from tiktok_ns_pipeline.goods.snapshot import snapshot_rows
from tiktok_ns_pipeline.ledger.facts import CLOSURE, SALES_ORDER
from tiktok_ns_pipeline.ledger.intents import FactKey, Intent, NewIntent
from tiktok_ns_pipeline.orders.planning import OrderPlanner, PlanReport
from tiktok_ns_pipeline.orders.staging import stage_order
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.world import Line


async def planned(rig: Rig, raws: Sequence[dict[str, Any]], *, closed: Sequence[str] = ()) -> PlanReport:
    """What a run that was held up had read reaches the ledger now, after these closures."""
    async with rig.runtime() as runtime:
        items = ItemIndex(snapshot_rows(runtime))
        outcomes = [stage_order(raw, "us", runtime.mapping, items) for raw in raws]
        report = PlanReport()
        with runtime.ledger.begin() as tx:
            tx.intents.plan(
                [
                    NewIntent("closures", FactKey("tiktok", "us", CLOSURE, one), {}, "cancelled", "urgent")
                    for one in closed
                ]
            )
            OrderPlanner(runtime, report).store(tx, outcomes)
    return report


def shown(rig: Rig, order_id: str) -> dict[str, Any]:
    """The order as TikTok shows it now."""
    return exact_json.loads(exact_json.dumps(rig.world.order(order_id)))


def history(rig: Rig, order_id: str) -> list[Intent]:
    ledger = rig.ledger()
    with ledger.read() as tx:
        found = tx.intents.history(FactKey("tiktok", "us", SALES_ORDER, order_id))
    ledger.close()
    return found


def test_a_page_that_was_read_before_the_cancellation_brings_nothing_back(ledger_url: str) -> None:
    async def story(rig: Rig) -> None:
        await rig.run(SOON)
        cancelled, other = (rig.world.place_order("us", ["SKU-001"]) for _ in range(2))
        pages = [shown(rig, cancelled), shown(rig, other)]
        report = await planned(rig, pages, closed=[cancelled])
        assert report.planned == 1
        assert history(rig, cancelled) == []
        assert len(history(rig, other)) == 1

    in_world(story, database_url=ledger_url)


def test_what_was_wrong_with_a_cancelled_order_bothers_nobody() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("NO-SUCH-SKU", 1, "5.00")])
        await rig.run(SOON)
        assert [one.kind for one in exceptions(rig)] == ["unmapped_sku"]
        stale = shown(rig, order_id)
        await planned(rig, [stale], closed=[order_id])
        assert exceptions(rig) == []

    in_world(story)


def test_a_unit_that_was_cancelled_is_taken_off_before_other_work() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 3, "10.00")])
        await rig.run(SOON)
        rig.world.cancel_line(order_id)
        await rig.run(SOON)
        assert [one.lane for one in history(rig, order_id)] == ["orders", "urgent"]
        [record] = sales_orders(rig)
        assert [line["quantity"] for line in lines(record)] == [2]

    in_world(story)


def test_a_new_address_is_no_more_urgent_than_other_orders() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", ["SKU-001"])
        await rig.run(SOON)
        rig.world.change_address(order_id)
        await rig.run(SOON)
        assert [one.lane for one in history(rig, order_id)] == ["orders", "orders"]

    in_world(story)
