"""Who ships decides the call: each way of each market, on the sandbox in virtual time (T 4.1)."""

from __future__ import annotations

import asyncio
import random

from tests.fulfilment.shipping_desk import posted, ship, shown, tell
from tests.rigging import exceptions, in_world, kinds
from tiktok_ns_pipeline.ledger.facts import SHIPMENT
from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.packages import PackageState
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.shoppers import Mix, any_address
from tiktok_ns_pipeline.sandbox.world import Line, Status

NOBODY = Mix(shipped_by="nobody")
GHN = "4726"
ADDRESS = any_address("VN", random.Random("one buyer"))[1]


def states(rig: Rig, order_id: str) -> list[PackageState]:
    return [package.state for package in rig.world.packages_of(order_id) if package.is_live]


def test_a_sellers_parcel_in_vietnam_is_told_by_its_package() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("vn", [Line("SKU-001", 2, "100000")])
        await posted(rig, order_id)
        ship(rig, order_id, tracking=["GHN1234567"], ship_method=GHN)
        await tell(rig)
        assert shown(rig, order_id) == ["GHN1234567", "GHN1234567"]
        assert states(rig, order_id) == [PackageState.processing]

    in_world(story, mix=NOBODY)


def test_whole_skus_are_split_into_a_package_of_their_own_in_vietnam() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("vn", [Line("SKU-001", 1, "100000"), Line("SKU-002", 1, "50000")])
        await posted(rig, order_id)
        ship(rig, order_id, quantities={1: 1}, tracking=["GHN1234567"], ship_method=GHN)
        await tell(rig)
        assert sorted(shown(rig, order_id)) == ["", "GHN1234567"]
        await asyncio.sleep(3600)
        ship(rig, order_id, quantities={2: 1}, tracking=["GHN7654321"], ship_method=GHN)
        await tell(rig)
        assert sorted(shown(rig, order_id)) == ["GHN1234567", "GHN7654321"]

    in_world(story, mix=NOBODY)


def test_units_of_one_sku_wait_for_the_last_of_them_where_they_cannot_be_split() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("vn", [Line("SKU-001", 2, "100000")])
        await posted(rig, order_id)
        ship(rig, order_id, quantities={1: 1}, tracking=["GHN1234567"], ship_method=GHN)
        await tell(rig)
        assert shown(rig, order_id) == ["", ""]
        await asyncio.sleep(600)
        ship(rig, order_id, quantities={1: 1}, tracking=["GHN7654321"], ship_method=GHN)
        await tell(rig)
        await asyncio.sleep(120)
        report = await tell(rig)
        assert shown(rig, order_id) == ["GHN7654321", "GHN7654321"]
        assert kinds(rig) == []
        assert report.dispatch.applied in ({SHIPMENT: 1}, {})
        with rig.ledger().read() as tx:
            assert tx.links.count(SHIPMENT) == 2

    in_world(story, mix=NOBODY)


def test_tiktoks_carrier_is_scheduled_for_what_was_shipped_in_vietnam() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("vn", [Line("SKU-001", 2, "100000")], by_seller=False)
        await posted(rig, order_id)
        ship(rig, order_id, tracking=["ANYTHING1"], ship_method=None)
        await tell(rig)
        [package] = rig.world.packages_of(order_id)
        assert (package.state, package.handover_method) == (PackageState.processing, "DROP_OFF")
        assert kinds(rig) == []

    in_world(story, mix=NOBODY)


def test_a_pick_up_takes_the_first_slot_there_is() -> None:
    async def story(rig: Rig) -> None:
        text = rig.settings.mapping_path.read_text()
        changed = rig.settings.data_dir / "mapping.yaml"
        changed.write_text(
            text.replace(
                'tiktok_shop_id: "7495000000000000003"',
                'tiktok_shop_id: "7495000000000000003"\n    handover: pickup',
            )
        )
        object.__setattr__(rig.settings, "mapping_path", changed)
        order_id = rig.world.place_order("vn", [Line("SKU-001", 1, "100000")], by_seller=False)
        await posted(rig, order_id)
        ship(rig, order_id, tracking=["ANYTHING1"], ship_method=None)
        await tell(rig)
        [package] = rig.world.packages_of(order_id)
        assert package.handover_method == "PICKUP"
        assert package.pickup_slot == rig.world.parcels.slots(package)[0]

    in_world(story, mix=NOBODY)


def test_a_label_bought_by_the_warehouse_is_verified() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 2, "10.00")], by_seller=False)
        await posted(rig, order_id)
        second = rig.world.facts(order_id).lines[1].id
        number = rig.world.buy_label(order_id, [second])
        ship(rig, order_id, quantities={1: 1}, tracking=[number])
        report = await tell(rig)
        assert report.dispatch.applied == {SHIPMENT: 1}
        assert shown(rig, order_id) == ["", number]

    in_world(story, mix=NOBODY)


def test_a_parcel_without_tiktoks_label_is_stopped_after_an_hour() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")], by_seller=False)
        await posted(rig, order_id)
        ship(rig, order_id, tracking=["1ZOWNLABEL"])
        await tell(rig)
        assert kinds(rig) == []
        await asyncio.sleep(3700)
        await tell(rig)
        [exception] = exceptions(rig)
        assert (exception.kind, exception.severity) == ("label_not_bought", "critical")

    in_world(story, mix=NOBODY)


def test_what_tiktoks_own_warehouse_ships_is_never_told() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")], by_tiktok_warehouse=True)
        await posted(rig, order_id)
        ship(rig, order_id)
        report = await tell(rig)
        assert report.plan.planned == 0
        assert shown(rig, order_id) == [""]
        assert kinds(rig) == []

    in_world(story, mix=NOBODY)


def test_an_order_on_hold_is_told_when_its_hold_ends() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await posted(rig, order_id)
        rig.world.move_to(order_id, Status.on_hold)
        ship(rig, order_id)
        await tell(rig)
        assert shown(rig, order_id) == [""]
        rig.world.release(order_id)
        await asyncio.sleep(90)
        await tell(rig)
        assert shown(rig, order_id) == ["1Z999AA10123456784"]
        assert kinds(rig) == []

    in_world(story, mix=NOBODY)


def test_a_request_to_cancel_is_waited_for_an_hour() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await posted(rig, order_id)
        request = rig.world.request_cancellation(order_id)
        ship(rig, order_id)
        await tell(rig)
        assert (shown(rig, order_id), kinds(rig)) == ([""], [])
        rig.world.withdraw_cancellation(request)
        await asyncio.sleep(90)
        await tell(rig)
        assert (shown(rig, order_id), kinds(rig)) == (["1Z999AA10123456784"], [])

    in_world(story, mix=NOBODY)


def test_a_number_that_no_carrier_knows_is_tried_again_and_then_parked() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await posted(rig, order_id)
        ship(rig, order_id, tracking=["?!"])
        await tell(rig)
        assert kinds(rig) == []
        for minutes in (6, 30, 100):
            await asyncio.sleep(minutes * 60)
            await tell(rig)
        [exception] = exceptions(rig)
        assert (exception.kind, exception.cause) == ("tracking_refused", "code:21011022")

    in_world(story, mix=NOBODY)


def test_a_combined_package_is_shipped_once_every_order_of_it_is() -> None:
    async def story(rig: Rig) -> None:
        orders = [
            rig.world.place_order("vn", [Line(sku, 1, "100000")], buyer=7, address=ADDRESS)
            for sku in ("SKU-001", "SKU-002")
        ]
        for order_id in orders:
            await posted(rig, order_id)
        vietnam = shop_of("vn")
        [group] = rig.world.splitting.combinable(vietnam)
        rig.world.splitting.combine(vietnam, group[0].id, orders)
        ship(rig, orders[0], tracking=["GHN1234567"], ship_method=GHN)
        await tell(rig)
        assert shown(rig, orders[0]) == [""]
        ship(rig, orders[1], tracking=["GHN1234567"], ship_method=GHN)
        await asyncio.sleep(90)
        await tell(rig)
        await asyncio.sleep(90)
        await tell(rig)
        assert [shown(rig, each) for each in orders] == [["GHN1234567"], ["GHN1234567"]]
        assert kinds(rig) == []

    in_world(story, mix=NOBODY)


def test_a_combined_package_of_which_an_order_is_never_shipped_is_told() -> None:
    async def story(rig: Rig) -> None:
        orders = [
            rig.world.place_order("vn", [Line(sku, 1, "100000")], buyer=7, address=ADDRESS)
            for sku in ("SKU-001", "SKU-002")
        ]
        for order_id in orders:
            await posted(rig, order_id)
        vietnam = shop_of("vn")
        [group] = rig.world.splitting.combinable(vietnam)
        rig.world.splitting.combine(vietnam, group[0].id, orders)
        ship(rig, orders[0], tracking=["GHN1234567"], ship_method=GHN)
        await tell(rig)
        await asyncio.sleep(4 * 3600)
        await tell(rig)
        [exception] = exceptions(rig)
        assert exception.kind == "combined_package_incomplete"
        assert orders[1] in exception.message

    in_world(story, mix=NOBODY)


def test_a_request_to_cancel_that_nobody_answers_is_told_after_an_hour() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await posted(rig, order_id)
        rig.world.request_cancellation(order_id)
        ship(rig, order_id)
        await tell(rig)
        await asyncio.sleep(3700)
        await tell(rig)
        [exception] = exceptions(rig)
        assert (exception.kind, exception.cause) == ("shipment_refused", "request")

    in_world(story, mix=NOBODY)


def test_units_cancelled_after_they_were_planned_are_staged_again_without_them() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 2, "10.00")])
        await posted(rig, order_id)
        ship(rig, order_id, ship_method="4727")
        await tell(rig)
        assert kinds(rig) == ["unmapped_carrier"]
        cancelled = rig.world.facts(order_id).lines[0].id
        rig.world.cancel_line(order_id, cancelled)
        asked = [one.id for one in exceptions(rig)]
        with rig.ledger().begin() as tx:
            tx.exceptions.request_replay(asked, "somebody")
        await tell(rig)
        [unmapped, after] = sorted(exceptions(rig), key=lambda one: one.kind, reverse=True)
        assert (unmapped.kind, after.kind) == ("unmapped_carrier", "shipped_after_cancellation")

    in_world(story, mix=NOBODY)


def test_a_combined_package_whose_orders_left_under_two_numbers_is_shipped_once() -> None:
    async def story(rig: Rig) -> None:
        orders = [
            rig.world.place_order("vn", [Line(sku, 1, "100000")], buyer=7, address=ADDRESS)
            for sku in ("SKU-001", "SKU-002")
        ]
        for order_id in orders:
            await posted(rig, order_id)
        vietnam = shop_of("vn")
        [group] = rig.world.splitting.combinable(vietnam)
        rig.world.splitting.combine(vietnam, group[0].id, orders)
        ship(rig, orders[0], tracking=["GHN1234567"], ship_method=GHN)
        await tell(rig)
        ship(rig, orders[1], tracking=["GHN7654321"], ship_method=GHN)
        for _ in range(4):
            await asyncio.sleep(90)
            await tell(rig)
        [first], [second] = (shown(rig, each) for each in orders)
        assert first == second != ""
        assert kinds(rig) == []

    in_world(story, mix=NOBODY)


def test_a_combined_package_waits_for_the_rest_of_its_other_order() -> None:
    async def story(rig: Rig) -> None:
        lines = ([Line("SKU-001", 1, "100000")], [Line("SKU-002", 1, "50000"), Line("SKU-003", 1, "50000")])
        orders = [rig.world.place_order("vn", each, buyer=7, address=ADDRESS) for each in lines]
        for order_id in orders:
            await posted(rig, order_id)
        vietnam = shop_of("vn")
        [group] = rig.world.splitting.combinable(vietnam)
        rig.world.splitting.combine(vietnam, group[0].id, orders)
        ship(rig, orders[1], quantities={1: 1}, tracking=["GHN7654321"], ship_method=GHN)
        ship(rig, orders[0], tracking=["GHN1234567"], ship_method=GHN)
        await tell(rig)
        assert [shown(rig, each) for each in orders] == [[""], ["", ""]]
        ship(rig, orders[1], quantities={2: 1}, tracking=["GHN7654321"], ship_method=GHN)
        for _ in range(3):
            await asyncio.sleep(90)
            await tell(rig)
        assert all(number for each in orders for number in shown(rig, each))
        assert kinds(rig) == []

    in_world(story, mix=NOBODY)


def test_a_package_that_cannot_be_split_waits_for_no_parcel_of_another_package() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("vn", [Line("SKU-001", 2, "100000"), Line("SKU-002", 1, "50000")])
        await posted(rig, order_id)
        numbers = ["GHN0000001", "GHN0000002", "GHN0000003"]
        ship(rig, order_id, tracking=numbers, ship_method=GHN)
        for _ in range(4):
            await tell(rig)
            await asyncio.sleep(90)
        first, second, third = shown(rig, order_id)
        assert first == second == "GHN0000002"
        assert third == "GHN0000003"
        assert kinds(rig) == []

    in_world(story, mix=NOBODY)
