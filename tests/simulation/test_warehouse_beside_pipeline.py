"""The warehouse works on what the pipeline posts, in virtual time."""

import asyncio

from tests.rigging import SOON, in_world, sales_orders
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.warehouse import WarehouseHabits


def test_posted_orders_leave_with_every_unit_that_was_bought() -> None:
    async def test(rig: Rig) -> None:
        by_label = rig.world.place_order("us", ["SKU-001", "SKU-001", "SKU-002"], by_seller=False)
        by_seller = rig.world.place_order("uk", ["SKU-003"])
        kit = rig.world.place_order("us", ["KIT-001"])
        await rig.run(SOON)
        assert len(sales_orders(rig)) == 3
        await asyncio.sleep(10 * 86_400)
        rig.warehouse.catch_up()
        shipped = {order_id: set[str]() for order_id in (by_label, by_seller, kit)}
        for one in rig.warehouse.shipped():
            shipped[one.order_id] |= {line_id for line in one.lines for line_id in line.line_ids}
        for order_id, ids in shipped.items():
            assert ids == {line["id"] for line in rig.world.order(order_id)["line_items"]}
            assert rig.warehouse.first_steps(order_id).shipped_at is not None
        numbers = {line["tracking_number"] for line in rig.world.order(by_label)["line_items"]}
        told = {
            number for one in rig.warehouse.shipped() if one.order_id == by_label for number in one.tracking
        }
        assert numbers == told

    habits = WarehouseHabits(partial=0.5, several_parcels=0.5, corrected_tracking=0.5)
    in_world(test, mix=Mix.plain(shipped_by="warehouse"), warehouse=habits, save_seconds=0.1)
