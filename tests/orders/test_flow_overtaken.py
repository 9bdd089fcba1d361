"""An order that changes while its Sales Order is under way: only the newest version counts, sent once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.rigging import SOON, exceptions, in_world, lines, sales_orders
from tiktok_ns_pipeline.ledger.intents import OPEN
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.world import Line

CREATE = "POST /services/rest/record/v1/salesOrder"


def open_intents(rig: Rig) -> int:
    ledger = rig.ledger()
    with ledger.read() as tx:
        counts = tx.intents.counts()
    ledger.close()
    return sum(counts.get(state, 0) for state in OPEN)


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.timeout_before_commit,
        FaultKind.timeout_after_commit,
        FaultKind.http_429,
        FaultKind.http_500_before,
        FaultKind.http_500_after,
    ],
)
@pytest.mark.parametrize("changes_after_s", [0.5, 2.0, 33.0])
def test_a_create_of_unclear_end_gives_way_to_the_newer_version(
    kind: FaultKind, changes_after_s: float
) -> None:
    async def story(rig: Rig) -> None:
        await rig.run(SOON)
        order_id = rig.world.place_order("us", [Line("SKU-001", 3, "10.00")])
        rig.faults.inject(kind, "netsuite", CREATE, times=2)

        async def mind_changes() -> None:
            await asyncio.sleep(changes_after_s)
            rig.world.cancel_line(order_id)

        await asyncio.gather(rig.run(replace(SOON, budget_s=600, idle_s=120)), mind_changes())
        [record] = sales_orders(rig)
        assert Decimal(str(record["total"])) == 20
        assert rig.judged().is_clean
        assert exceptions(rig) == []
        assert open_intents(rig) == 0

    in_world(story, poll_s=2.0)


def test_what_netsuite_refuses_of_an_older_version_bothers_nobody() -> None:
    async def story(rig: Rig) -> None:
        await rig.run(SOON)
        order_id = rig.world.place_order("us", ["SKU-001", "SKU-002"])
        rig.faults.inject(FaultKind.delay, "netsuite", CREATE)

        async def item_ends() -> None:
            while not rig.faults.counts["netsuite", FaultKind.delay]:  # noqa: ASYNC110 - no event to wait for
                await asyncio.sleep(0.05)
            rig.books.patch("inventoryItem", "302", {"isInactive": True})
            rig.world.cancel_line(order_id)

        report, _ = await asyncio.gather(rig.run(SOON), item_ends())
        assert report.dispatch.errors == {"business": 1}
        [record] = sales_orders(rig)
        assert [line["item"]["refName"] for line in lines(record)] == ["SKU-001"]
        assert exceptions(rig) == []
        assert open_intents(rig) == 0

    in_world(story, poll_s=0.1)
