"""What TikTok's own warehouse shipped becomes Item Fulfillments, exactly once."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from tests.fulfilment.fulfilment_builder import order_line
from tests.fulfilment.shipping_desk import posted, sales_order_of, tell
from tests.rigging import SOON, exceptions, in_world, kinds
from tiktok_ns_pipeline.fulfilment.allocation import quantities_of
from tiktok_ns_pipeline.fulfilment.documents import OrderLine
from tiktok_ns_pipeline.lake.tables import RAW_TIKTOK_PACKAGES
from tiktok_ns_pipeline.ledger.facts import CHANNEL_FULFILMENT
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.rig import Rig, SimulatedCrash
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.world import Line, Status

NOBODY = Mix(shipped_by="nobody")


def place(rig: Rig, *lines: Line) -> str:
    return rig.world.place_order("us", list(lines), by_tiktok_warehouse=True)


def fulfilments(rig: Rig) -> list[dict[str, Any]]:
    return list(rig.books.records("itemFulfillment"))


def test_a_collected_package_becomes_one_item_fulfillment() -> None:
    async def story(rig: Rig) -> None:
        order_id = place(rig, Line("SKU-001", 2, "10.00"), Line("SKU-002", 1, "5.00"))
        await posted(rig, order_id)
        rig.world.move_to(order_id, Status.in_transit)
        report = await tell(rig)
        assert report.dispatch.applied == {CHANNEL_FULFILMENT: 1}
        [package] = rig.world.packages_of(order_id)
        [record] = fulfilments(rig)
        assert record["externalId"] == f"tts-us-if-{package.id}"
        assert record["shipStatus"]["id"] == "C"
        [parcel] = record["package"]["items"]
        assert parcel["packageTrackingNumber"] == package.tracking
        quantities = sorted(line["quantity"] for line in record["item"]["items"])
        assert quantities == [1, 2]
        assert {line["location"]["id"] for line in record["item"]["items"]} == {"8"}
        async with rig.runtime() as runtime:
            [row] = runtime.lake.current(RAW_TIKTOK_PACKAGES)
        assert (row["package_id"], row["order_ids"]) == (package.id, order_id)
        assert (await tell(rig)).dispatch.applied == {}
        assert len(fulfilments(rig)) == 1
        assert kinds(rig) == []

    in_world(story, mix=NOBODY)


def test_what_is_only_arranged_has_not_left() -> None:
    async def story(rig: Rig) -> None:
        order_id = place(rig, Line("SKU-001", 1, "10.00"))
        await posted(rig, order_id)
        rig.world.move_to(order_id, Status.awaiting_collection)
        await tell(rig)
        assert fulfilments(rig) == []

    in_world(story, mix=NOBODY)


def test_packages_of_the_sellers_own_parcels_make_nothing() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await posted(rig, order_id)
        rig.world.move_to(order_id, Status.in_transit)
        report = await tell(rig)
        assert report.packages == 1
        assert fulfilments(rig) == []

    in_world(story, mix=NOBODY)


def test_a_package_collected_before_its_order_was_posted_is_kept_in_mind() -> None:
    async def story(rig: Rig) -> None:
        order_id = place(rig, Line("SKU-001", 1, "10.00"))
        rig.world.move_to(order_id, Status.in_transit)
        await tell(rig)
        assert fulfilments(rig) == []
        await rig.run(SOON)
        await tell(rig)
        assert len(fulfilments(rig)) == 1

    in_world(story, mix=NOBODY)


@pytest.mark.parametrize(
    "fault", [FaultKind.timeout_after_commit, FaultKind.cut_before_commit, FaultKind.http_500_after]
)
def test_an_answer_that_got_lost_makes_no_second_fulfilment(fault: FaultKind) -> None:
    async def story(rig: Rig) -> None:
        order_id = place(rig, Line("SKU-001", 1, "10.00"))
        await posted(rig, order_id)
        rig.world.move_to(order_id, Status.in_transit)
        rig.faults.inject(fault, "netsuite", "itemFulfillment")
        await tell(rig, idle_s=200)
        assert len(fulfilments(rig)) == 1
        assert kinds(rig) == []

    in_world(story, mix=NOBODY)


def test_a_process_that_dies_after_the_transform_makes_no_second_fulfilment() -> None:
    async def story(rig: Rig) -> None:
        order_id = place(rig, Line("SKU-001", 1, "10.00"))
        await posted(rig, order_id)
        rig.world.move_to(order_id, Status.in_transit)
        rig.faults.inject(FaultKind.crash, "pipeline", "answered")
        with pytest.raises(SimulatedCrash):
            await tell(rig)
        await asyncio.sleep(120)
        await tell(rig)
        assert len(fulfilments(rig)) == 1

    in_world(story, mix=NOBODY)


def test_a_sales_order_that_somebody_fulfilled_by_hand_is_told() -> None:
    async def story(rig: Rig) -> None:
        order_id = place(rig, Line("SKU-001", 1, "10.00"))
        order = await posted(rig, order_id)
        rig.books.transform("salesOrder", str(order["id"]), "itemFulfillment", {"shipStatus": {"id": "C"}})
        rig.world.move_to(order_id, Status.in_transit)
        await tell(rig)
        [exception] = exceptions(rig)
        assert exception.kind == "shipped_quantity_differs"
        assert "are not open to be fulfilled" in exception.message
        assert sales_order_of(rig, order_id)

    in_world(story, mix=NOBODY)


def test_quantities_of_units_fill_the_lines_of_a_bundle() -> None:
    lines = [
        OrderLine(1, "301", Decimal(3), ("a", "b")),
        OrderLine(2, "301", Decimal(1), ("a", "b")),
        order_line(3, ["c"]),
    ]
    still_open = {1: Decimal(3), 2: Decimal(1), 3: Decimal(1)}
    assert quantities_of(lines, ["a"], still_open) == {1: 2}
    assert quantities_of(lines, ["b"], {**still_open, 1: Decimal(1)}) == {1: 1, 2: 1}
    assert quantities_of(lines, ["a", "b", "c"], still_open) == {1: 3, 2: 1, 3: 1}
    with pytest.raises(ValueError, match="not open"):
        quantities_of(lines, ["c"], {})
    with pytest.raises(ValueError, match="stands for units z"):
        quantities_of(lines, ["z"], still_open)
