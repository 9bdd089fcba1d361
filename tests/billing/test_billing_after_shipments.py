"""From the warehouse to the bill: Item Fulfillments as the shipments flow lands them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal as D
from pathlib import Path

from tests.billing.shipped import Sale, bill
from tests.rigging import in_world, kinds
from tiktok_ns_pipeline.flows.turning import TurnRequest
from tiktok_ns_pipeline.fulfilment.flow import FulfilmentFlow
from tiktok_ns_pipeline.sandbox.rig import MAPPING, Rig
from tiktok_ns_pipeline.sandbox.world import Line


async def observed(rig: Rig) -> None:
    """A run of shipments."""
    async with rig.runtime() as runtime:
        await FulfilmentFlow(runtime, "shipments").run(TurnRequest(budget_s=3600, idle_s=10))


def test_parcels_and_kits_are_billed_as_they_landed() -> None:
    async def story(rig: Rig) -> None:
        sale = await Sale.placed(rig, Line("SKU-001", 2, "10.00"), Line("KIT-001", 1, "30.00"))
        numbers = {line["itemType"]: line["line"] for line in sale.sales_order.lines()}
        sale.ship((numbers["InvtPart"], 1), (numbers["Kit"], 1), lands=False)
        await observed(rig)
        await bill(rig)
        assert sale.totals == [D("40.00")]
        sale.ship(lands=False)
        await asyncio.sleep(60)
        await observed(rig)
        await bill(rig)
        assert sale.totals == [D("40.00"), D("10.00")]

    in_world(story)


def test_packs_are_billed_in_packs_though_queries_count_pieces(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        path = tmp_path / "mapping.yaml"
        text = MAPPING.read_text()
        path.write_text(text.replace("\nitems:\n", '\nitems:\n  SIX: {item_id: "301", units_id: "2"}\n', 1))
        rig.settings = replace(rig.settings, mapping_path=path)
        sale = await Sale.placed(rig, Line("SIX", 3, "50.00"))
        sale.ship((1, 2), lands=False)
        await observed(rig)
        await bill(rig)
        [record] = sale.bills
        assert [(line["quantity"], line["amount"]) for line in record.lines()] == [(2, D("100.00"))]

    in_world(story)


def test_a_shipment_that_is_deleted_after_it_was_billed_is_told() -> None:
    async def story(rig: Rig) -> None:
        sale = await Sale.placed(rig)
        shipped = sale.ship(lands=False)
        await observed(rig)
        await bill(rig)
        rig.books.delete("itemFulfillment", shipped)
        await asyncio.sleep(600)
        await observed(rig)
        await bill(rig)
        assert "unbillable_fulfilment" in kinds(rig)
        assert len(sale.bills) == 1

    in_world(story)
