"""Item Fulfillments become shipments at TikTok: the flow on the sandbox, in virtual time."""

from __future__ import annotations

import asyncio

from tests.fulfilment.shipping_desk import amend, posted, ship, shown, tell
from tests.rigging import exceptions, in_world, kinds
from tiktok_ns_pipeline.lake.tables import (
    RAW_NETSUITE_ITEM_FULFILLMENTS,
    STAGED_SHIPMENTS,
    TIKTOK_SHIPMENTS,
)
from tiktok_ns_pipeline.ledger.facts import SHIPMENT
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.world import Line

UPS = "1Z999AA10123456784"


def test_what_the_warehouse_shipped_tiktok_knows_within_seconds() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 2, "10.00")])
        await posted(rig, order_id)
        fulfilment_id = ship(rig, order_id, tracking=[UPS])
        report = await tell(rig)
        assert shown(rig, order_id) == [UPS, UPS]
        assert report.dispatch.applied == {SHIPMENT: 1}
        assert report.trouble == []
        async with rig.runtime() as runtime:
            [row] = runtime.lake.current(TIKTOK_SHIPMENTS)
            [staged] = runtime.lake.current(STAGED_SHIPMENTS)
            [raw] = runtime.lake.current(RAW_NETSUITE_ITEM_FULFILLMENTS)
        assert row["shipment"] == f"{order_id}.{fulfilment_id}.1"
        assert (row["accepted_at"] - row["saved_at"]).total_seconds() < 30
        assert (staged["outcome"], staged["parcels"], staged["units"]) == ("staged", 1, 2)
        assert raw["order_id"] == order_id
        assert exceptions(rig) == []

    in_world(story)


def test_a_second_run_tells_and_lands_nothing_again() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await posted(rig, order_id)
        ship(rig, order_id)
        await tell(rig)
        report = await tell(rig)
        assert report.dispatch.applied == {}
        assert report.plan.planned == 0
        async with rig.runtime() as runtime:
            with runtime.lake.connect() as connection:
                landed = connection.execute("SELECT count(*) FROM raw_netsuite_item_fulfillments_all")
                assert landed.fetchone() == (1,)

    in_world(story)


def test_picked_and_packed_goods_are_not_told_until_they_are_shipped() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await posted(rig, order_id)
        fulfilment_id = ship(rig, order_id, status="A")
        await tell(rig)
        assert shown(rig, order_id) == [""]
        amend(rig, fulfilment_id, status="C")
        await tell(rig)
        assert shown(rig, order_id) == ["1Z999AA10123456784"]

    in_world(story)


def test_partial_shipments_over_days_are_parcels_of_their_own() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 3, "10.00")])
        await posted(rig, order_id)
        ship(rig, order_id, quantities={1: 1}, tracking=["1ZFIRST01"])
        await tell(rig)
        assert shown(rig, order_id) == ["1ZFIRST01", "", ""]
        await asyncio.sleep(86_400)
        ship(rig, order_id, quantities={1: 2}, tracking=["1ZSECOND2"])
        await tell(rig)
        assert shown(rig, order_id) == ["1ZFIRST01", "1ZSECOND2", "1ZSECOND2"]

    in_world(story)


def test_several_parcels_of_one_fulfilment_share_its_units() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 3, "10.00")])
        await posted(rig, order_id)
        ship(rig, order_id, tracking=["1ZFIRST01", "1ZSECOND2"])
        await tell(rig)
        assert shown(rig, order_id) == ["1ZFIRST01", "1ZFIRST01", "1ZSECOND2"]

    in_world(story)


def test_packs_kits_and_exploded_kits_ship_as_the_units_that_were_sold() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order(
            "us", [Line("PACK-6-001", 1, "60.00"), Line("KIT-001", 1, "30.00"), Line("KIT-002", 2, "20.00")]
        )
        await posted(rig, order_id)
        ship(rig, order_id)
        await tell(rig)
        assert set(shown(rig, order_id)) == {"1Z999AA10123456784"}
        assert exceptions(rig) == []

    in_world(story)


def test_a_pack_sold_in_a_unit_of_its_own_ships_as_one() -> None:
    async def story(rig: Rig) -> None:
        text = rig.settings.mapping_path.read_text()
        changed = rig.settings.data_dir / "mapping.yaml"
        changed.write_text(
            text.replace("items:\n", 'items:\n  SKU-005: {item_name: SKU-005, units_id: "2"}\n', 1)
        )
        object.__setattr__(rig.settings, "mapping_path", changed)
        order_id = rig.world.place_order("us", [Line("SKU-005", 2, "60.00")])
        await posted(rig, order_id)
        ship(rig, order_id, quantities={1: 1}, tracking=[UPS])
        await tell(rig)
        assert shown(rig, order_id) == [UPS, ""]
        assert kinds(rig) == []

    in_world(story)


def test_a_tracking_number_that_comes_later_is_told_when_it_is_there() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await posted(rig, order_id)
        fulfilment_id = ship(rig, order_id, tracking=[])
        await tell(rig)
        assert (shown(rig, order_id), kinds(rig)) == ([""], [])
        await asyncio.sleep(25 * 3600)
        await tell(rig)
        assert kinds(rig) == ["tracking_missing"]
        amend(rig, fulfilment_id, tracking=[UPS])
        await tell(rig)
        assert (shown(rig, order_id), kinds(rig)) == ([UPS], [])

    in_world(story)


def test_a_corrected_tracking_number_is_corrected_at_tiktok() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await posted(rig, order_id)
        fulfilment_id = ship(rig, order_id, tracking=["1ZWRONG01"])
        await tell(rig)
        await asyncio.sleep(3600)
        amend(rig, fulfilment_id, tracking=[UPS])
        await tell(rig)
        assert shown(rig, order_id) == [UPS]
        async with rig.runtime() as runtime:
            [row] = runtime.lake.current(TIKTOK_SHIPMENTS)
        assert (row["tracking"], row["revision"]) == (UPS, 2)

    in_world(story)


def test_one_parcel_of_a_split_order_is_corrected_alone() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 2, "10.00")])
        await posted(rig, order_id)
        ship(rig, order_id, quantities={1: 1}, tracking=["1ZFIRST01"])
        second = ship(rig, order_id, quantities={1: 1}, tracking=["1ZWRONG02"])
        await tell(rig)
        await asyncio.sleep(3600)
        amend(rig, second, tracking=["1ZSECOND2"])
        await tell(rig)
        assert shown(rig, order_id) == ["1ZFIRST01", "1ZSECOND2"]

    in_world(story)


def test_a_correction_after_the_time_for_it_is_told_to_operations() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await posted(rig, order_id)
        fulfilment_id = ship(rig, order_id, tracking=["1ZWRONG01"])
        await tell(rig)
        await asyncio.sleep(80 * 3600)
        amend(rig, fulfilment_id, tracking=[UPS])
        await tell(rig)
        [exception] = exceptions(rig)
        assert (exception.kind, exception.owner) == ("tracking_update_refused", "operations")
        assert "21011050" in exception.message

    in_world(story)


def test_a_carrier_that_the_mapping_does_not_know_is_told_with_those_there_are() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await posted(rig, order_id)
        ship(rig, order_id, ship_method="4727")
        await tell(rig)
        [exception] = exceptions(rig)
        assert exception.kind == "unmapped_carrier"
        assert "Bike Courier" in exception.message
        assert "USPS, UPS, FedEx" in exception.message
        mapping = rig.settings.mapping_path.read_text().replace("UPS Ground: UPS", "Bike Courier: UPS")
        changed = rig.settings.data_dir / "mapping.yaml"
        changed.write_text(mapping)
        object.__setattr__(rig.settings, "mapping_path", changed)
        await tell(rig)
        assert exceptions(rig) == []
        assert shown(rig, order_id) == ["1Z999AA10123456784"]

    in_world(story)


def test_a_fulfilment_deleted_before_it_was_told_is_never_told() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await posted(rig, order_id)
        fulfilment_id = ship(rig, order_id, ship_method="4727")
        await tell(rig)
        rig.books.delete("itemFulfillment", fulfilment_id)
        await asyncio.sleep(120)
        await tell(rig)
        assert kinds(rig) == []
        async with rig.runtime() as runtime:
            [raw] = runtime.lake.current(RAW_NETSUITE_ITEM_FULFILLMENTS)
            assert raw["gone"]

    in_world(story)


def test_a_told_fulfilment_that_vanishes_is_told_to_operations_until_it_is_entered_again() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await posted(rig, order_id)
        fulfilment_id = ship(rig, order_id, tracking=[UPS])
        await tell(rig)
        rig.books.delete("itemFulfillment", fulfilment_id)
        await asyncio.sleep(120)
        await tell(rig)
        assert kinds(rig) == ["fulfilment_vanished"]
        ship(rig, order_id, tracking=[UPS])
        await tell(rig)
        assert kinds(rig) == []
        assert shown(rig, order_id) == [UPS]

    in_world(story)


def test_a_reopened_fulfilment_that_was_told_is_told_to_operations() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await posted(rig, order_id)
        fulfilment_id = ship(rig, order_id)
        await tell(rig)
        amend(rig, fulfilment_id, status="B")
        await tell(rig)
        [exception] = exceptions(rig)
        assert (exception.kind, exception.cause) == ("fulfilment_vanished", "reopened")
        amend(rig, fulfilment_id, status="C")
        await tell(rig)
        assert kinds(rig) == []

    in_world(story)


def test_a_parcel_that_left_again_replaces_the_first_one_even_when_that_was_told_late() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await posted(rig, order_id)
        first = ship(rig, order_id, tracking=["1ZFIRST001"])
        rig.faults.inject(FaultKind.delay, "tiktok", f"/orders/{order_id}/packages")
        telling = asyncio.create_task(tell(rig, budget_s=240.0, idle_s=200.0))
        for _ in range(600):
            # TikTok is just thinking about the first one.
            if not rig.faults.counts["tiktok", FaultKind.delay]:
                await asyncio.sleep(0.05)
        rig.books.delete("itemFulfillment", first)
        ship(rig, order_id, tracking=[UPS])
        await telling
        await asyncio.sleep(120)
        await tell(rig)
        assert shown(rig, order_id) == [UPS]
        assert kinds(rig) == []

    in_world(story)


def test_what_was_shipped_after_tiktok_cancelled_it_is_told_to_operations() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await posted(rig, order_id)
        rig.world.cancel_order(order_id)
        ship(rig, order_id)
        await tell(rig)
        [exception] = exceptions(rig)
        assert (exception.kind, exception.severity) == ("shipped_after_cancellation", "critical")

    in_world(story)


def test_a_cancelled_unit_is_left_out_of_what_is_told() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 2, "10.00")])
        await posted(rig, order_id)
        rig.world.cancel_line(order_id)
        ship(rig, order_id, quantities={1: 1}, tracking=[UPS])
        await tell(rig)
        assert sorted(shown(rig, order_id)) == ["", UPS]
        assert kinds(rig) == []

    in_world(story)
