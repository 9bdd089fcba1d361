"""What NetSuite says about Item Fulfillments, read from the sandbox's account by the real queries."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.fulfilment.shipping_desk import amend, posted, ship
from tests.rigging import in_world
from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.fulfilment.documents import Fulfilment, fulfilment_of
from tiktok_ns_pipeline.fulfilment.reading import AccountClock, FulfilmentReader
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.world import Line


async def read_since(rig: Rig, since: str = "2000-01-01 00:00:00") -> list[dict[str, Any]]:
    async with rig.runtime() as runtime:
        reader = FulfilmentReader(runtime.netsuite, runtime.mapping.custom_fields)
        clock = AccountClock(await runtime.netsuite.account_utc_offset())
        return await reader.rows(await reader.changed_since(since), clock, rig.clock.now())


async def read(rig: Rig) -> Fulfilment:
    [row] = await read_since(rig)
    return fulfilment_of(row)


def test_a_fulfilment_is_read_with_its_lines_tracking_carrier_and_order() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 2, "10.00"), Line("SKU-002", 1, "5.00")])
        order = await posted(rig, order_id)
        fulfilment_id = ship(rig, order_id, tracking=["1Z1", "1Z2"])
        [row] = await read_since(rig)
        assert (row["order_id"], row["fulfilment_id"], row["shop"]) == (order_id, fulfilment_id, "us")
        assert (row["status"], row["gone"], row["sales_order_id"]) == ("C", False, str(order["id"]))
        assert row["carrier"] == "UPS Ground"
        assert exact_json.loads(row["tracking"]) == [{"number": "1Z1"}, {"number": "1Z2"}]
        assert abs(row["modified_at"] - rig.clock.now()) < timedelta(minutes=1)
        fulfilment = fulfilment_of(row)
        assert fulfilment.has_left
        assert sorted(line.quantity for line in fulfilment.lines) == [Decimal(1), Decimal(2)]
        by_number = {line.number: line for line in fulfilment.order_lines}
        for line in fulfilment.lines:
            assert len(by_number[line.order_line].unit_ids) == line.quantity

    in_world(story)


def test_members_of_a_kit_are_told_from_the_kit() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("KIT-001", 2, "30.00")])
        await posted(rig, order_id)
        ship(rig, order_id)
        [row] = await read_since(rig)
        members = [line for line in exact_json.loads(row["lines"]) if "kitMemberOf" in line]
        assert members
        [line] = fulfilment_of(row).lines
        assert line.quantity == 2

    in_world(story)


def test_a_pack_is_read_in_the_same_pieces_on_order_and_fulfilment() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("PACK-6-001", 2, "60.00")])
        await posted(rig, order_id)
        ship(rig, order_id)
        fulfilment = await read(rig)
        [line], [order_line] = fulfilment.lines, fulfilment.order_lines
        assert line.quantity == order_line.quantity == 12
        assert len(order_line.unit_ids) == 2

    in_world(story)


def test_only_what_changed_since_the_accounts_own_time_is_told() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await posted(rig, order_id)
        ship(rig, order_id, status="A", tracking=[])
        async with rig.runtime() as runtime:
            now = await runtime.netsuite.account_now()
            reader = FulfilmentReader(runtime.netsuite, runtime.mapping.custom_fields)
            assert await reader.newest_since("2000-01-01 00:00:00") is not None
            assert await reader.newest_since(now) is None
        assert len(await read_since(rig)) == 1
        assert await read_since(rig, "2200-01-01 00:00:00") == []

    in_world(story)


def test_a_deleted_fulfilment_is_no_longer_shown_and_known_to_be_gone() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await posted(rig, order_id)
        fulfilment_id = ship(rig, order_id)
        amend(rig, fulfilment_id, tracking=["1Z2"])
        async with rig.runtime() as runtime:
            reader = FulfilmentReader(runtime.netsuite, runtime.mapping.custom_fields)
            assert await reader.tracking([fulfilment_id]) == {fulfilment_id: ["1Z2"]}
            assert not await reader.is_gone(fulfilment_id)
            rig.books.delete("itemFulfillment", fulfilment_id)
            assert await reader.named([fulfilment_id]) == []
            assert await reader.is_gone(fulfilment_id)

    in_world(story)
