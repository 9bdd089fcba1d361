"""The races between a cancellation and the Sales Order's way into NetSuite and out of the warehouse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.cancellations.closing_desk import (
    CLOSE_SOON,
    close,
    closed_lines,
    closures,
    fulfil,
    moved,
    post,
    posted,
    returns,
    state_of,
    told,
)
from tests.rigging import SOON, exceptions, kinds, sales_orders
from tiktok_ns_pipeline.cancellations.flow import ClosuresRequest
from tiktok_ns_pipeline.ledger.facts import CLOSURE
from tiktok_ns_pipeline.ledger.intents import IntentState
from tiktok_ns_pipeline.orders.flow import RunRequest
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.rig import Rig, SimulatedCrash
from tiktok_ns_pipeline.sandbox.world import Line, Status

Rules = Callable[..., Callable[[Rig], None]]

CREATE = "POST /services/rest/record/v1/salesOrder"
CHANGE = "PATCH /services/rest/record/v1/salesOrder"


def linked_closures(rig: Rig) -> int:
    """How many Sales Orders the ledger knows as closed."""
    ledger = rig.ledger()
    with ledger.read() as tx:
        found = tx.links.count(CLOSURE)
    ledger.close()
    return found


class TestBeforeAndDuringThePost:
    def test_an_order_that_was_never_seen_before_is_never_posted(self) -> None:
        async def story(rig: Rig) -> None:
            order_id = rig.world.place_order("us", ["SKU-001"])
            rig.world.cancel_order(order_id)
            report = await close(rig)
            assert (report.plan.closures, report.closures.never_posted) == (1, 1)
            await rig.run(SOON)
            assert sales_orders(rig) == []
            assert [one.state for one in closures(rig, order_id)] == [IntentState.APPLIED]
            assert linked_closures(rig) == 0
            assert exceptions(rig) == []

        told(story)

    def test_a_sales_order_that_waits_to_be_sent_is_called_off(self) -> None:
        async def story(rig: Rig) -> None:
            rig.faults.inject(FaultKind.http_429, "netsuite", CREATE, times=50)
            order_id = rig.world.place_order("us", ["SKU-001"])
            await rig.run(RunRequest(budget_s=6, idle_s=10))
            rig.world.cancel_order(order_id)
            report = await close(rig)
            assert report.plan.called_off == 1
            rig.faults.stop()
            await rig.run(SOON)
            assert sales_orders(rig) == []
            assert [one.state for one in closures(rig, order_id)] == [IntentState.APPLIED]

        told(story)

    def test_an_order_that_netsuite_refused_bothers_nobody_once_it_is_cancelled(self) -> None:
        async def story(rig: Rig) -> None:
            await rig.run(SOON)
            order_id = rig.world.place_order("us", ["SKU-001"])
            rig.books.patch("inventoryItem", "301", {"isInactive": True})
            await rig.run(SOON)
            assert "netsuite_refused" in kinds(rig)
            rig.world.cancel_order(order_id)
            await close(rig)
            assert exceptions(rig) == []
            assert sales_orders(rig) == []

        told(story)

    @pytest.mark.parametrize(
        "kind",
        [
            FaultKind.timeout_before_commit,
            FaultKind.timeout_after_commit,
            FaultKind.http_500_before,
            FaultKind.http_500_after,
            FaultKind.cut_after_commit,
            FaultKind.delay,
        ],
    )
    @pytest.mark.parametrize("after_s", [0.6, 20.0])
    def test_a_post_of_unclear_end_is_resolved_first_and_closed_then(
        self, kind: FaultKind, after_s: float
    ) -> None:
        async def story(rig: Rig) -> None:
            await rig.run(SOON)
            rig.faults.inject(kind, "netsuite", CREATE)
            order_id = rig.world.place_order("us", ["SKU-001"])

            async def mind_changes() -> None:
                await asyncio.sleep(after_s)
                rig.world.cancel_order(order_id)
                await close(rig, ClosuresRequest(budget_s=600, idle_s=60))

            await asyncio.gather(post(rig, RunRequest(budget_s=600, idle_s=120)), mind_changes())
            await close(rig)
            assert [one["status"]["id"] for one in sales_orders(rig)] in ([], ["H"])
            assert [one.state for one in closures(rig, order_id)] == [IntentState.APPLIED]
            assert exceptions(rig) == []

        told(story, poll_s=3.0)

    def test_a_process_that_died_while_it_posted_is_resolved_first(self) -> None:
        async def story(rig: Rig) -> None:
            await posted(rig)
            order_id = rig.world.place_order("us", ["SKU-001"])
            rig.faults.inject(FaultKind.crash, "pipeline", "answered")
            with pytest.raises(SimulatedCrash):
                await rig.run(SOON)
            rig.world.cancel_order(order_id)
            await close(rig, ClosuresRequest(budget_s=30, idle_s=10))
            assert state_of(rig, order_id) == "B"
            assert [one.state for one in closures(rig, order_id)] == [IntentState.WAITING]
            await asyncio.sleep(60)
            await rig.run(SOON)
            await close(rig)
            assert state_of(rig, order_id) == "H"

        told(story)

    def test_what_a_process_that_died_never_sent_is_not_sent_after_its_look_up(self) -> None:
        async def story(rig: Rig) -> None:
            await posted(rig)
            order_id = rig.world.place_order("us", ["SKU-001"])
            rig.faults.inject(FaultKind.crash, "pipeline", "claimed")
            with pytest.raises(SimulatedCrash):
                await rig.run(SOON)
            rig.world.cancel_order(order_id)
            await close(rig, ClosuresRequest(budget_s=20, idle_s=10))
            await asyncio.sleep(60)
            await rig.run(SOON)
            # NetSuite may still be saving for a while after an attempt of unclear end.
            await asyncio.sleep(120)
            await close(rig)
            assert len(sales_orders(rig)) == 1
            assert [one.state for one in closures(rig, order_id)] == [IntentState.APPLIED]

        told(story)


class TestAfterThePost:
    def test_the_sales_order_is_closed_with_all_its_lines(self) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig, Line("SKU-001", 2, "19.95", seller_discount="2.00"), "SKU-002")
            rig.world.cancel_order(order_id)
            report = await close(rig)
            assert report.closures.closed == 1
            assert state_of(rig, order_id) == "H"
            assert all(closed_lines(rig, order_id))
            assert exceptions(rig) == []
            assert returns(rig) == []
            assert linked_closures(rig) == 1

        told(story)

    def test_a_line_that_the_warehouse_added_is_closed_and_kept(self) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            internal_id = sales_orders(rig)[0]["id"]
            added = {"item": {"id": "302"}, "quantity": 1, "location": {"id": "6"}}
            rig.books.patch("salesOrder", internal_id, {"item": {"items": [added]}})
            rig.world.cancel_order(order_id)
            await close(rig)
            assert closed_lines(rig, order_id) == [True, True]

        told(story)

    def test_what_is_not_cancelled_is_not_touched(self) -> None:
        async def story(rig: Rig) -> None:
            first, second = await posted(rig), await posted(rig, "SKU-002")
            rig.world.cancel_order(first)
            await close(rig)
            assert (state_of(rig, first), state_of(rig, second)) == ("H", "B")

        told(story)

    def test_an_order_that_a_person_closed_or_deleted_is_done(self) -> None:
        async def story(rig: Rig) -> None:
            first, second = await posted(rig), await posted(rig)
            for order_id in (first, second):
                rig.world.cancel_order(order_id)
            one, other = (record["id"] for record in sales_orders(rig))
            rig.books.patch("salesOrder", one, {"item": {"items": [{"line": 1, "isClosed": True}]}})
            rig.books.delete("salesOrder", other)
            report = await close(rig)
            assert report.closures.closed == 0
            assert [a.state for order in (first, second) for a in closures(rig, order)] == ["applied"] * 2
            assert exceptions(rig) == []

        told(story)

    def test_an_order_pending_approval_is_closed_too(self) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            rig.books.patch("salesOrder", sales_orders(rig)[0]["id"], {"orderStatus": {"id": "A"}})
            rig.world.cancel_order(order_id)
            await close(rig)
            assert state_of(rig, order_id) == "H"

        told(story)

    def test_seen_twice_an_order_is_closed_once(self) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            rig.world.cancel_order(order_id)
            await close(rig)
            await asyncio.sleep(5)
            rig.world.mutate(order_id, lambda order: order, spoiled=False)
            report = await close(rig)
            assert report.plan.closures == 0
            assert len(closures(rig, order_id)) == 1

        told(story)

    def test_a_stale_page_does_not_bring_the_order_back(self) -> None:
        async def story(rig: Rig) -> None:
            await rig.run(SOON)
            order_id = rig.world.place_order("us", ["SKU-001"])
            rig.faults.inject(FaultKind.crash, "pipeline", "staged")
            with pytest.raises(SimulatedCrash):
                await rig.run(SOON)
            rig.world.cancel_order(order_id)
            await close(rig)
            # The lists show the order as it was a while ago.
            rig.world.move_to(order_id, Status.awaiting_shipment)
            await rig.run(SOON)
            assert sales_orders(rig) == []
            assert exceptions(rig) == []

        told(story)

    @pytest.mark.parametrize(
        "kind",
        [
            FaultKind.timeout_before_commit,
            FaultKind.timeout_after_commit,
            FaultKind.cut_after_commit,
            FaultKind.http_500_before,
            FaultKind.http_500_after,
            FaultKind.http_429,
            FaultKind.record_changed,
        ],
    )
    def test_a_closing_of_unclear_end_is_found_out(self, kind: FaultKind) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            rig.world.cancel_order(order_id)
            rig.faults.inject(kind, "netsuite", CHANGE, times=2)
            await close(rig, ClosuresRequest(budget_s=900, idle_s=120))
            assert state_of(rig, order_id) == "H"
            assert exceptions(rig) == []

        told(story)

    @pytest.mark.parametrize("point", ["landed", "staged", "planned", "claimed", "answered", "stored"])
    def test_a_crash_at_any_point_is_made_good(self, point: str) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            rig.world.cancel_order(order_id)
            rig.faults.inject(FaultKind.crash, "pipeline", point)
            with pytest.raises(SimulatedCrash, match=point):
                await close(rig)
            await asyncio.sleep(60)
            await close(rig)
            assert state_of(rig, order_id) == "H"
            assert [one.state for one in closures(rig, order_id)] == [IntentState.APPLIED]

        told(story)

    def test_two_processes_at_once_close_once(self, ledger_url: str) -> None:
        async def story(rig: Rig) -> None:
            orders = [await posted(rig) for _ in range(4)]
            for order_id in orders:
                rig.world.cancel_order(order_id)
            one, two = await asyncio.gather(*(close(rig) for _ in range(2)))
            assert one.closures.closed + two.closures.closed == 4
            assert [state_of(rig, order_id) for order_id in orders] == ["H"] * 4
            assert [len(closures(rig, order_id)) for order_id in orders] == [1] * 4

        told(story, database_url=ledger_url)


class TestDuringFulfilment:
    @pytest.mark.parametrize(("status", "word"), [("A", "picked"), ("B", "packed"), ("C", "shipped")])
    def test_past_the_cutoff_nothing_is_touched_and_the_goods_are_expected_back(
        self, status: str, word: str
    ) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig, "SKU-001", "SKU-002")
            fulfil(rig, order_id, status)
            before = sales_orders(rig)
            rig.world.cancel_order(order_id)
            await close(rig)
            assert sales_orders(rig) == before
            [exception] = exceptions(rig)
            assert (exception.kind, exception.subject) == ("cancelled_too_late", f"order {order_id}")
            assert f"is {word} already" in exception.message
            assert [(one.order_id, one.reason) for one in returns(rig)] == [(order_id, word)]

        told(story)

    def test_a_pick_that_is_taken_back_lets_the_order_be_closed_after_all(self) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            picked = fulfil(rig, order_id, "A")
            rig.world.cancel_order(order_id)
            await close(rig)
            rig.books.delete("itemFulfillment", picked)
            await asyncio.sleep(660)
            await close(rig)
            assert state_of(rig, order_id) == "H"
            assert exceptions(rig) == []
            assert returns(rig) == []

        told(story)

    def test_a_parcel_that_comes_back_within_the_hour_is_noticed(self) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            shipped = fulfil(rig, order_id, "C")
            rig.world.cancel_order(order_id)
            await close(rig)
            rig.books.delete("itemFulfillment", shipped)
            for _ in range(7):
                await asyncio.sleep(660)
                await close(rig)
            assert state_of(rig, order_id) == "H"
            assert returns(rig) == []

        told(story)

    def test_partly_shipped_is_past_the_cutoff(self) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig, Line("SKU-001", 3))
            fulfil(rig, order_id, "C", (1, 1))
            rig.world.cancel_order(order_id)
            await close(rig)
            assert closed_lines(rig, order_id) == [False]
            assert kinds(rig) == ["cancelled_too_late"]

        told(story)

    def test_what_happened_before_the_cutoff_is_stopped_and_closed_when_it_is_put_back(
        self, rules_for: Rules
    ) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig, "SKU-001", Line("SKU-002", 1, "9.00", seller_discount="1.00"))
            picked = fulfil(rig, order_id, "A", (1, 1))
            rig.world.cancel_order(order_id)
            await close(rig)
            assert closed_lines(rig, order_id) == [False, True, False]
            [exception] = exceptions(rig)
            assert (exception.kind, exception.severity) == ("pick_to_be_stopped", "critical")
            assert returns(rig) == []
            rig.books.delete("itemFulfillment", picked)
            await asyncio.sleep(660)
            await close(rig)
            assert state_of(rig, order_id) == "H"
            assert exceptions(rig) == []

        told(story, rules_for(cutoff="packed"))

    def test_what_could_not_be_stopped_came_too_late(self, rules_for: Rules) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            picked = fulfil(rig, order_id, "A")
            rig.world.cancel_order(order_id)
            await close(rig)
            assert kinds(rig) == ["pick_to_be_stopped"]
            moved(rig, picked, "C")
            await asyncio.sleep(660)
            await close(rig)
            assert kinds(rig) == ["cancelled_too_late"]
            assert [one.reason for one in returns(rig)] == ["shipped"]

        told(story, rules_for(cutoff="shipped"))

    def test_a_pick_at_the_very_moment_of_closing_wins(self) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            rig.world.cancel_order(order_id)
            rig.faults.inject(FaultKind.delay, "netsuite", CHANGE)

            async def picks() -> None:
                while not rig.faults.counts["netsuite", FaultKind.delay]:  # noqa: ASYNC110 - no event to wait for
                    await asyncio.sleep(0.05)
                fulfil(rig, order_id, "A")

            await asyncio.gather(close(rig), picks())
            assert closed_lines(rig, order_id) == [False]
            assert kinds(rig) == ["cancelled_too_late"]

        told(story)

    def test_a_closing_that_netsuite_refuses_is_told_and_can_be_tried_again(self) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            rig.world.cancel_order(order_id)
            rig.books.patch("inventoryItem", "301", {"isInactive": True})
            await close(rig)
            [exception] = exceptions(rig)
            assert exception.kind == "netsuite_refused"
            rig.books.patch("inventoryItem", "301", {"isInactive": False})
            ledger = rig.ledger()
            with ledger.begin() as tx:
                tx.exceptions.request_replay([exception.id], "operations")
            ledger.close()
            await rig.run(SOON)
            await close(rig, CLOSE_SOON)
            assert state_of(rig, order_id) == "H"
            assert exceptions(rig) == []

        told(story)
