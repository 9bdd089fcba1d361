"""The orders flow on the sandbox, in virtual time: what a seller would see."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.rigging import SOON, exceptions, in_world, kinds, lines, sales_orders
from tiktok_ns_pipeline.orders.flow import RunRequest
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.rig import MAPPING, Rig, SimulatedCrash
from tiktok_ns_pipeline.sandbox.world import Line, Status


def test_an_order_becomes_one_sales_order_and_tiktok_learns_its_number() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 2, "19.95", seller_discount="2.00")])
        await rig.run(SOON)
        [record] = sales_orders(rig)
        assert record["externalId"] == f"tts-us-so-{order_id}"
        assert Decimal(str(record["total"])) == Decimal("35.90")
        goods, discount = lines(record)
        assert (goods["item"]["refName"], Decimal(str(goods["quantity"]))) == ("SKU-001", 2)
        assert Decimal(str(discount["amount"])) == Decimal("-4.00")
        async with rig.runtime() as runtime:
            shops = await runtime.tiktok.authorized_shops()
            us = next(shop for shop in shops if shop.region == "US")
            [reference] = await runtime.tiktok.external_orders(us, order_id)
        assert reference["id"] == record["tranId"]
        assert rig.judged().is_clean

    in_world(story)


def test_running_again_changes_nothing() -> None:
    async def story(rig: Rig) -> None:
        rig.world.draw_orders(30)
        await asyncio.sleep(2 * 3600)
        await rig.run(SOON)
        before = sales_orders(rig)
        report = await rig.run(SOON)
        assert sales_orders(rig) == before
        assert report.dispatch.applied == {}
        assert rig.judged().is_clean

    in_world(story)


def test_nothing_is_posted_before_the_order_may_be_fulfilled() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", ["SKU-001"], status=Status.unpaid)
        await rig.run(SOON)
        rig.world.pay(order_id)
        await rig.run(SOON)
        assert sales_orders(rig) == []
        rig.world.release(order_id)
        await rig.run(SOON)
        assert len(sales_orders(rig)) == 1
        assert exceptions(rig) == []

    in_world(story)


def test_an_order_cancelled_before_it_was_posted_is_never_posted() -> None:
    async def story(rig: Rig) -> None:
        rig.faults.inject(
            FaultKind.http_429, "netsuite", "POST /services/rest/record/v1/salesOrder", times=50
        )
        order_id = rig.world.place_order("us", ["SKU-001"])
        await rig.run(RunRequest(budget_s=6, idle_s=10))
        rig.world.cancel_order(order_id)
        rig.faults.stop()
        await rig.run(SOON)
        assert sales_orders(rig) == []

    in_world(story)


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.refuse,
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
def test_a_create_that_fails_twice_still_gives_exactly_one_sales_order(kind: FaultKind) -> None:
    async def story(rig: Rig) -> None:
        rig.faults.inject(kind, "netsuite", "POST /services/rest/record/v1/salesOrder", times=2)
        rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await rig.run(SOON)
        # Long enough for every retry, and for the breaker that two refused logins in a row open.
        await asyncio.sleep(3600)
        await rig.run(SOON)
        assert len(sales_orders(rig)) == 1
        assert rig.judged().is_clean
        assert exceptions(rig) == []

    in_world(story)


@pytest.mark.parametrize("point", ["landed", "staged", "planned", "claimed", "answered", "stored"])
def test_a_crash_at_any_point_loses_and_doubles_nothing(point: str) -> None:
    async def story(rig: Rig) -> None:
        rig.faults.inject(FaultKind.crash, "pipeline", point)
        rig.world.draw_orders(12)
        await asyncio.sleep(2 * 3600)
        with pytest.raises(SimulatedCrash, match=point):
            await rig.run(SOON)
        await asyncio.sleep(60)
        await rig.run(SOON)
        judgement = rig.judged()
        assert judgement.is_clean
        assert judgement.posted > 0

    in_world(story)


def test_an_unknown_sku_parks_its_order_alone_and_the_corrected_mapping_replays_it(tmp_path: Path) -> None:
    async def story(rig: Rig) -> None:
        stray = rig.world.place_order("us", [Line("NO-SUCH-SKU", 1, "5.00")])
        rig.world.place_order("us", ["SKU-001"])
        await rig.run(SOON)
        assert len(sales_orders(rig)) == 1
        [exception] = exceptions(rig)
        assert exception.kind == "unmapped_sku"
        assert exception.subject == f"order {stray}"
        assert exception.owner == "operations"
        assert "NO-SUCH-SKU" in exception.message

        corrected = tmp_path / "mapping.yaml"
        text = MAPPING.read_text()
        assert "\nitems:\n" in text
        corrected.write_text(text.replace("\nitems:\n", "\nitems:\n  NO-SUCH-SKU: SKU-005\n", 1))
        rig.settings = replace(rig.settings, mapping_path=corrected)
        await rig.run(SOON)
        assert len(sales_orders(rig)) == 2
        assert exceptions(rig) == []

    in_world(story)


def test_a_changed_address_amends_the_unfulfilled_sales_order() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", ["SKU-001"])
        await rig.run(SOON)
        before = sales_orders(rig)[0]["shippingAddress"]["addr1"]
        await asyncio.sleep(60)
        rig.world.change_address(order_id)
        await rig.run(SOON)
        [record] = sales_orders(rig)
        shown = rig.world.order(order_id)["recipient_address"]["address_line1"]
        assert record["shippingAddress"]["addr1"] == shown != before

    in_world(story)


def test_a_cancelled_line_leaves_the_sales_order_with_the_rest() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 3, "10.00"), Line("SKU-002", 1, "7.00")])
        await rig.run(SOON)
        await asyncio.sleep(60)
        rig.world.cancel_line(order_id, rig.world.order(order_id)["line_items"][0]["id"])
        await rig.run(SOON)
        rig.world.cancel_line(order_id, rig.world.order(order_id)["line_items"][3]["id"])
        await asyncio.sleep(60)
        await rig.run(SOON)
        [record] = sales_orders(rig)
        assert Decimal(str(record["total"])) == Decimal("20.00")
        [line] = lines(record)
        assert Decimal(str(line["quantity"])) == 2
        assert rig.judged().is_clean

    in_world(story)


def test_a_change_after_fulfilment_began_is_an_exception_and_touches_nothing() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 2, "10.00")])
        await rig.run(SOON)
        [record] = sales_orders(rig)
        body = {
            "shipStatus": {"id": "A"},
            "item": {
                "items": [{"orderLine": 1, "quantity": 1, "location": {"id": "6"}, "itemReceive": True}]
            },
        }
        rig.books.transform("salesOrder", str(record["id"]), "itemFulfillment", body)
        [before] = sales_orders(rig)
        rig.world.change_address(order_id)
        await rig.run(SOON)
        [exception] = exceptions(rig)
        assert exception.kind == "amendment_too_late"
        [after] = sales_orders(rig)
        assert after["shippingAddress"] == before["shippingAddress"]

    in_world(story)


def test_a_line_added_by_the_warehouse_survives_an_amendment() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 2, "10.00")])
        await rig.run(SOON)
        [record] = sales_orders(rig)
        foreign = {"item": {"id": "905"}, "quantity": 1, "price": {"id": "-1"}, "rate": 0, "amount": 0}
        rig.books.patch("salesOrder", str(record["id"]), {"item": {"items": [foreign]}})
        rig.world.cancel_line(order_id)
        await rig.run(SOON)
        [record] = sales_orders(rig)
        assert sorted((line["item"]["id"], int(line["quantity"])) for line in lines(record)) == [
            ("301", 1),
            ("905", 1),
        ]

    in_world(story)


def test_a_total_that_somebody_altered_while_saving_is_told_to_finance() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        while not sales_orders(rig):  # every process dies before it could read back
            rig.faults.inject(FaultKind.crash, "pipeline", "stored")
            with pytest.raises(SimulatedCrash):
                await rig.run(SOON)
            await asyncio.sleep(60)
        [record] = sales_orders(rig)
        altered = {"item": {"items": [{"line": 1, "rate": 9, "amount": 9}]}}
        rig.books.patch("salesOrder", str(record["id"]), altered)
        await rig.run(SOON)
        [exception] = exceptions(rig)
        assert (exception.kind, exception.owner) == ("total_differs", "finance")
        assert "9" in exception.message
        assert "10 USD" in exception.message
        assert order_id in exception.message

        corrected = {"item": {"items": [{"line": 1, "rate": 10, "amount": 10}]}}
        rig.books.patch("salesOrder", str(record["id"]), corrected)
        ledger = rig.ledger()
        with ledger.begin() as tx:
            tx.exceptions.request_replay([exception.id], "finance")
        ledger.close()
        await rig.run(SOON)
        assert exceptions(rig) == []

    in_world(story)


def test_a_read_back_that_lags_behind_an_amendment_is_no_difference() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("uk", [Line("SKU-001", 2, "10.00")])
        await rig.run(SOON)
        rig.world.cancel_line(order_id)
        rig.faults.inject(FaultKind.suiteql_lag, "netsuite", "suiteql", times=20)
        await rig.run(SOON)
        assert exceptions(rig) == []
        assert rig.judged().is_clean

    in_world(story)


def test_a_sales_order_deleted_before_it_was_read_back_is_told() -> None:
    async def story(rig: Rig) -> None:
        rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        while not sales_orders(rig):
            rig.faults.inject(FaultKind.crash, "pipeline", "stored")
            with pytest.raises(SimulatedCrash):
                await rig.run(SOON)
            await asyncio.sleep(60)
        rig.books.delete("salesOrder", sales_orders(rig)[0]["id"])
        await rig.run(SOON)
        assert exceptions(rig) == []  # SuiteQL may only lag
        await asyncio.sleep(1800)
        await rig.run(SOON)
        [exception] = exceptions(rig)
        assert (exception.kind, exception.cause) == ("netsuite_differs", "deleted")

    in_world(story)


def test_a_record_of_somebody_else_under_our_external_id_is_an_exception() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", [Line("SKU-001", 1, "10.00")])
        await rig.run(replace(SOON, budget_s=0.0))
        foreign = {
            "externalId": f"TTS-US-SO-{order_id}",
            "entity": {
                "id": rig.books.create("customer", {"companyName": "X", "subsidiary": {"id": "1"}}).id
            },
            "item": {"items": [{"item": {"id": "302"}, "quantity": 1, "rate": 1, "location": {"id": "6"}}]},
        }
        rig.books.create("salesOrder", foreign)
        await rig.run(SOON)
        assert kinds(rig) == ["netsuite_differs"]
        assert len(sales_orders(rig)) == 1

    in_world(story)


def test_orders_can_be_asked_for_by_id_even_when_lists_do_not_show_them() -> None:
    async def story(rig: Rig) -> None:
        order_id = rig.world.place_order("us", ["SKU-001"])
        rig.world.hide_order(order_id)
        await rig.run(SOON)
        assert sales_orders(rig) == []
        report = await rig.run(replace(SOON, order_ids=(order_id, "999999999999999999")))
        assert len(sales_orders(rig)) == 1
        assert report.not_found == ("999999999999999999",)

    in_world(story)


def test_a_bucket_customer_is_rolled_over_at_its_limit(tmp_path: Path) -> None:
    small = tmp_path / "mapping.yaml"
    text = MAPPING.read_text()
    small.write_text(text.replace("{policy: bucket, name: TikTok Shop UK}", "{policy: bucket, limit: 3}"))

    async def story(rig: Rig) -> None:
        rig.settings = replace(rig.settings, mapping_path=small)
        for _ in range(7):
            rig.world.place_order("uk", ["SKU-001"])
        await rig.run(SOON)
        customers = [record["entity"]["id"] for record in sales_orders(rig)]
        assert sorted(customers.count(one) for one in set(customers)) == [1, 3, 3]

    in_world(story)


def test_a_refused_login_stops_the_system_before_the_token_is_locked() -> None:
    async def story(rig: Rig) -> None:
        rig.faults.set_rate("netsuite", FaultKind.unauthorized, 1.0)
        rig.world.place_order("us", ["SKU-001"])
        await rig.run(replace(SOON, budget_s=600))
        refused = rig.faults.counts["netsuite", FaultKind.unauthorized]
        assert refused < 5
        rig.faults.stop()
        await asyncio.sleep(timedelta(minutes=40).total_seconds())
        await rig.run(SOON)
        assert len(sales_orders(rig)) == 1

    in_world(story)


def test_a_run_ends_while_a_system_is_shut_or_a_customer_is_parked() -> None:
    async def story(rig: Rig) -> None:
        rig.faults.inject(
            FaultKind.unauthorized, "netsuite", "POST /services/rest/record/v1/customer", times=2
        )
        rig.world.place_order("us", ["SKU-001"])
        report = await rig.run(replace(SOON, budget_s=3600))
        assert kinds(rig) == ["login_refused"]
        assert report.turns < 60
        assert sales_orders(rig) == []
        await asyncio.sleep(3600)
        await rig.run(SOON)
        assert len(sales_orders(rig)) == 1
        assert exceptions(rig) == []

    in_world(story)


def test_while_netsuite_is_away_orders_are_planned_with_the_items_known_and_landed_once() -> None:
    async def story(rig: Rig) -> None:
        await rig.run(SOON)
        await asyncio.sleep(5 * 3600)  # the snapshot of the items is too old now
        rig.faults.set_rate("netsuite", FaultKind.http_503, 1.0)
        rig.world.place_order("us", ["SKU-001"])
        report = await rig.run(replace(SOON, budget_s=300, idle_s=300))
        assert report.plan.planned == 1
        assert report.observed == 1
        rig.faults.stop()
        await asyncio.sleep(3600)
        await rig.run(SOON)
        assert len(sales_orders(rig)) == 1
        assert exceptions(rig) == []

    in_world(story)


def test_a_day_that_could_not_be_read_at_first_is_read_in_the_same_run() -> None:
    async def story(rig: Rig) -> None:
        await rig.run(SOON)
        order_id = rig.world.place_order("us", ["SKU-001"])
        rig.faults.inject(FaultKind.http_500_before, "tiktok", "GET /order/202507/orders", times=5)
        report = await rig.run(replace(SOON, order_ids=(order_id,), shops=("us",)))
        assert report.trouble
        assert len(sales_orders(rig)) == 1

    in_world(story)
