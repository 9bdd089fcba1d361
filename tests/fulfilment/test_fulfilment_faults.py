"""Shipments while systems fail, answers get lost and processes die: told once, and never lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.fulfilment.shipping_desk import amend, posted, ship, shown, tell
from tests.rigging import exceptions, in_world, kinds
from tiktok_ns_pipeline.fulfilment.observing import WATERMARK
from tiktok_ns_pipeline.fulfilment.recording import seconds_to_acceptance
from tiktok_ns_pipeline.lake.tables import TIKTOK_SHIPMENTS
from tiktok_ns_pipeline.ledger.facts import SHIPMENT
from tiktok_ns_pipeline.ledger.intents import IntentState
from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.rig import Rig, SimulatedCrash
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.world import Line

NOBODY = Mix(shipped_by="nobody")
UPS = "1Z999AA10123456784"


async def shipped_order(rig: Rig, tracking: str = UPS, units: int = 1) -> str:
    order_id = rig.world.place_order("us", [Line("SKU-001", units, "10.00")])
    await posted(rig, order_id)
    ship(rig, order_id, tracking=[tracking])
    return order_id


@pytest.mark.parametrize(
    "fault",
    [
        FaultKind.timeout_before_commit,
        FaultKind.timeout_after_commit,
        FaultKind.cut_before_commit,
        FaultKind.cut_after_commit,
        FaultKind.http_500_before,
        FaultKind.http_500_after,
        FaultKind.http_429,
    ],
)
def test_a_call_whose_end_nobody_saw_is_looked_up_and_told_once(fault: FaultKind) -> None:
    async def story(rig: Rig) -> None:
        order_id = await shipped_order(rig)
        rig.faults.inject(fault, "tiktok", f"/orders/{order_id}/packages")
        await tell(rig, idle_s=120)
        assert shown(rig, order_id) == [UPS]
        assert kinds(rig) == []
        assert len(rig.world.packages_of(order_id)) == 1
        assert rig.faults.by_kind() == {f"tiktok.{fault.value}": 1}

    in_world(story, mix=NOBODY)


@pytest.mark.parametrize("point", ["landed", "staged", "planned", "claimed", "answered", "stored"])
def test_a_process_that_dies_anywhere_loses_and_doubles_nothing(point: str) -> None:
    async def story(rig: Rig) -> None:
        order_id = await shipped_order(rig)
        rig.faults.inject(FaultKind.crash, "pipeline", point)
        with pytest.raises(SimulatedCrash):
            await tell(rig)
        await asyncio.sleep(120)
        await tell(rig, idle_s=60)
        assert shown(rig, order_id) == [UPS]
        assert len(rig.world.packages_of(order_id)) == 1
        assert kinds(rig) == []
        async with rig.runtime() as runtime:
            assert len(runtime.lake.current(TIKTOK_SHIPMENTS)) == 1

    in_world(story, mix=NOBODY)


def test_one_parcel_that_tiktok_refuses_does_not_stop_the_others() -> None:
    async def story(rig: Rig) -> None:
        bad = await shipped_order(rig, "1ZDUPLICATE")
        rig.world.mutate(bad, lambda order: order.update(delivery_option_id=""))
        good = [await shipped_order(rig, f"1ZGOOD000{number}") for number in range(4)]
        await tell(rig)
        assert [shown(rig, each) for each in good] == [[f"1ZGOOD000{number}"] for number in range(4)]
        assert kinds(rig) == ["unmapped_carrier"]

    in_world(story, mix=NOBODY)


def test_an_order_that_tiktok_sends_broken_parks_its_parcel_and_no_other() -> None:
    async def story(rig: Rig) -> None:
        bad = await shipped_order(rig, "1ZBROKEN01")
        good = await shipped_order(rig, "1ZGOOD0001")
        rig.world.mutate(bad, lambda order: order.update(line_items="none of your business"))
        await tell(rig)
        assert shown(rig, good) == ["1ZGOOD0001"]
        assert shown(rig, bad) == [""]

    in_world(story, mix=NOBODY)


def test_while_netsuite_is_away_what_was_planned_goes_out_and_the_rest_follows() -> None:
    async def story(rig: Rig) -> None:
        order_id = await shipped_order(rig)
        rig.faults.inject(FaultKind.http_503, "netsuite", "suiteql", times=200)
        report = await tell(rig, budget_s=60)
        assert any("item fulfilments" in trouble for trouble in report.trouble)
        rig.faults.stop()
        await asyncio.sleep(600)
        await tell(rig)
        assert shown(rig, order_id) == [UPS]

    in_world(story, mix=NOBODY)


def test_while_tiktok_is_away_shipments_are_planned_and_told_later() -> None:
    async def story(rig: Rig) -> None:
        order_id = await shipped_order(rig)
        rig.faults.inject(FaultKind.http_503, "tiktok", "/order", times=500)
        await tell(rig, budget_s=120)
        with rig.ledger().read() as tx:
            [intent] = tx.intents.open_facts(kind=SHIPMENT)
        assert intent.state in {IntentState.WAITING, IntentState.PLANNED, IntentState.AMBIGUOUS}
        rig.faults.stop()
        await asyncio.sleep(600)
        await tell(rig)
        assert shown(rig, order_id) == [UPS]

    in_world(story, mix=NOBODY)


def test_a_page_of_suiteql_that_lags_behind_deletes_nothing() -> None:
    async def story(rig: Rig) -> None:
        await shipped_order(rig)
        await tell(rig)
        rig.faults.inject(FaultKind.suiteql_lag, "netsuite", "suiteql", times=50)
        await tell(rig, budget_s=150, idle_s=130)
        assert kinds(rig) == []

    in_world(story, mix=NOBODY)


def test_a_parcel_told_by_hand_in_seller_center_is_not_told_again() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await posted(rig, order_id)
        shop, provider = rig.world.facts(order_id).shop, "7117859084333745966"
        rig.world.parcels.mark_shipped(shop_of(shop), order_id, UPS, provider, [])
        ship(rig, order_id, tracking=[UPS])
        report = await tell(rig)
        assert report.dispatch.applied == {SHIPMENT: 1}
        assert len(rig.world.packages_of(order_id)) == 1

    in_world(story, mix=NOBODY)


def test_a_number_told_by_hand_later_than_the_fulfilment_was_saved_is_not_overwritten() -> None:
    async def story(rig: Rig) -> None:
        order_id = await shipped_order(rig, "1ZINNETSUITE")
        await asyncio.sleep(300)
        rig.world.parcels.mark_shipped(shop_of("us"), order_id, "1ZBYHAND01", "7117859084333745966", [])
        await tell(rig)
        [exception] = exceptions(rig)
        assert (exception.kind, exception.cause) == ("tracking_update_refused", "told_later")
        assert shown(rig, order_id) == ["1ZBYHAND01"]

    in_world(story, mix=NOBODY)


def test_a_burst_is_told_within_seconds_with_few_calls() -> None:
    async def story(rig: Rig) -> None:
        orders = [rig.world.place_order("us", [Line("SKU-001", 1, "10.00")]) for _ in range(60)]
        await posted(rig, orders[0])
        for number, order_id in enumerate(orders):
            ship(rig, order_id, tracking=[f"1ZBURST{number:04}"])
        await tell(rig)
        async with rig.runtime() as runtime:
            rows = runtime.lake.current(TIKTOK_SHIPMENTS)
            seconds = sorted((row["accepted_at"] - row["saved_at"]).total_seconds() for row in rows)
            assert seconds_to_acceptance(runtime, timedelta(days=1)) == seconds
            await asyncio.sleep(25 * 3600)
            assert seconds_to_acceptance(runtime, timedelta(days=1)) == []
        assert len(rows) == 60
        assert seconds[int(len(seconds) * 0.95)] < 30

    in_world(story, mix=NOBODY)


def test_an_hour_that_the_accounts_clock_repeats_loses_nothing() -> None:
    async def story(rig: Rig) -> None:
        first = await shipped_order(rig)
        await tell(rig)
        ledger = rig.ledger()
        with ledger.begin() as tx:
            # As if the last look had been in the first of the two hours that the clock shows alike.
            tx.cursors.set("shipments:netsuite:utc-offset", {"seconds": -3_600, "changed_at": None})
            mark = tx.cursors.get(WATERMARK)
            hour, rest = int(mark[11:13]), mark[13:]
            assert hour < 23, "begin the test at another time of day"
            tx.cursors.set(WATERMARK, f"{mark[:11]}{hour + 1:02}{rest}")
        ledger.close()
        second = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await posted(rig, second)
        ship(rig, second, tracking=["1ZSECOND02"])
        await tell(rig)
        assert shown(rig, first) == [UPS]
        assert shown(rig, second) == ["1ZSECOND02"]

    in_world(story, mix=NOBODY)


def test_tracking_that_did_not_touch_the_header_is_found_by_the_slower_cycle() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await posted(rig, order_id)
        fulfilment_id = ship(rig, order_id, tracking=[])
        await tell(rig)
        amend(rig, fulfilment_id, tracking=[UPS])
        ledger = rig.ledger()
        with ledger.begin() as tx:
            # A look behind this mark sees no change, as where only the package was touched.
            tx.cursors.set(WATERMARK, "2100-01-01 00:00:00")
        ledger.close()
        await tell(rig)
        assert shown(rig, order_id) == [UPS]

    in_world(story, mix=NOBODY)
