"""Lists of cancellations, and what buyers do by themselves (T 6.2, 6.3)."""

from pathlib import Path

import pytest

from tests.sandbox.cancellation_calls import (
    DAY,
    SEARCH,
    approve,
    listed,
    reject,
)
from tests.sandbox.tiktok_caller import UK, Caller, meet
from tiktok_ns_pipeline.sandbox.facts import Status
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock
from tiktok_ns_pipeline.sandbox.world import World

# Lists


def test_cancellations_are_listed_oldest_first_in_pages_and_by_filters():
    async def test(caller: Caller) -> None:
        world = caller.world
        made = []
        for _ in range(12):
            made.append(world.request_cancellation(world.place_order("us", ["SKU-001"])))
            world.advance(10)
        assert await approve(caller, made[0]) == 0
        for version in ("202309", "202602"):
            path = f"/return_refund/{version}/cancellations/search"
            page = await caller.data("POST", path, None, {})
            assert [one["cancel_id"] for one in page["cancellations"]] == made[:10]
            rest = await caller.data("POST", path, {"page_token": page["next_page_token"]}, {})
            assert [one["cancel_id"] for one in rest["cancellations"]] == made[10:]
        by_update = {"page_size": "50", "sort_field": "update_time", "sort_order": "DESC"}
        data = await caller.data("POST", SEARCH, by_update, {})
        assert data["cancellations"][0]["cancel_id"] == made[0]
        pending = await listed(caller, {"cancel_status": ["CANCELLATION_REQUEST_PENDING"]})
        assert len(pending) == 11
        assert await listed(caller, {"cancel_types": ["CANCEL"]}) == []
        assert [one["cancel_id"] for one in await listed(caller, {"cancel_ids": made[3:5]})] == made[3:5]
        since = pending[5]["create_time"]
        assert len(await listed(caller, {"create_time_ge": since})) == 6
        assert await listed(caller, shop=UK) == []

    meet(test)


@pytest.mark.parametrize(
    ("query", "body", "code"),
    [
        ({"page_size": "51"}, {}, 98001004),
        ({"page_size": "0"}, {}, 98001004),
        ({}, {"cancel_status": ["CANCELLATION_REQUEST_CANCELLED"]}, 36009004),
        ({}, {"cancel_types": ["REFUND"]}, 36009004),
        ({}, {"update_time_ge": "1"}, 36009004),
        ({"sort_order": "UP"}, {}, 36009004),
    ],
)
def test_search_parameters_that_are_wrong_are_refused(query, body, code):
    async def test(caller: Caller) -> None:
        assert await caller.code("POST", SEARCH, query, body) == code

    meet(test)


def test_faults_of_lists_strike_here_too():
    async def test(caller: Caller) -> None:
        world = caller.world
        for _ in range(3):
            world.request_cancellation(world.place_order("us", ["SKU-001"]))
        world.faults.inject(FaultKind.duplicate_rows, "tiktok", "cancellations/search")
        assert len(await listed(caller)) == 5
        world.faults.inject(FaultKind.stale_page, "tiktok", "cancellations/search")
        assert await listed(caller) == []
        world.advance(31)
        world.faults.inject(FaultKind.stale_page, "tiktok", "cancellations/search")
        assert len(await listed(caller)) == 3

    meet(test)


# By itself


def test_some_buyers_of_a_mix_ask_and_some_of_them_think_better_of_it():
    async def test(caller: Caller) -> None:
        world = caller.world
        world.draw_orders(300)
        world.advance(4 * DAY)
        query = "SELECT status, count(*) FROM cancellations WHERE cancel_type = 'BUYER_CANCEL' GROUP BY 1"
        counts = dict(world.store.database.execute(query))
        assert counts["CANCELLATION_REQUEST_COMPLETE"] > 40
        assert counts["CANCELLATION_REQUEST_CANCELLED"] > 15

    mix = Mix.plain(shipped_by="warehouse", cancel_requested=0.4, request_withdrawn=0.4)
    meet(test, mix=mix)


def test_an_order_that_ships_by_itself_waits_for_the_answer():
    async def test(caller: Caller) -> None:
        world = caller.world
        plan = {Status.awaiting_shipment: [(3600.0, "arrange")]}
        order_id = world.place_order("us", ["SKU-001"], plan=plan)
        cancel_id = world.request_cancellation(order_id)
        world.advance(3600)
        assert world.order(order_id)["status"] == "AWAITING_SHIPMENT"
        assert await reject(caller, cancel_id) == 0
        world.advance(6 * 3600)
        assert world.order(order_id)["status"] == "AWAITING_COLLECTION"

    meet(test)


def test_packages_and_cancellations_survive_a_second_start(tmp_path: Path):
    clock = VirtualClock()
    first = World(tmp_path, clock=clock, mix=Mix.plain())
    asked, shipped = (
        first.place_order("us", ["SKU-001"]),
        first.place_order("us", ["SKU-001"], by_seller=False),
    )
    cancel_id, tracking = first.request_cancellation(asked), first.buy_label(shipped)
    before = list(first.truth())
    first.close()
    second = World(tmp_path, clock=clock, mix=Mix.plain())
    assert list(second.truth()) == before
    assert [one.tracking for one in second.packages_of(shipped)] == [tracking]
    second.advance(DAY)
    assert second.order(asked)["status"] == "CANCELLED"
    assert [one.id for one in second.cancellations_of(asked)] == [cancel_id]
    second.close()
