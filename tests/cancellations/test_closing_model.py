"""Whatever happens in which order between buyers, warehouse and two kinds of processes: what must hold.

Real flows on one ledger, against the sandbox, in virtual time. Processes run beside each other, die,
and meet timeouts and stale pages; buyers cancel, ask, withdraw; the warehouse picks, ships and takes
back. In the end, once all is quiet, every cancelled order is closed, unposted, or out of our hands.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.cancellations.closing_desk import close, post
from tests.rigging import SOON, exceptions, sales_orders
from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.cancellations.flow import ClosuresRequest
from tiktok_ns_pipeline.goods.items import ItemIndex
from tiktok_ns_pipeline.goods.snapshot import snapshot_rows
from tiktok_ns_pipeline.orders.flow import RunRequest
from tiktok_ns_pipeline.orders.planning import OrderPlanner, PlanReport
from tiktok_ns_pipeline.orders.staging import stage_order
from tiktok_ns_pipeline.sandbox.books import BookError
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.rig import Rig, SimulatedCrash
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock, VirtualTimeLoop
from tiktok_ns_pipeline.sandbox.world import Line, Status

_MOST_ORDERS = 3
_MOST_PROCESSES = 3

which = st.integers(0, _MOST_ORDERS - 1)


class CancelledOrders(RuleBasedStateMachine):
    """Orders, their buyers, the warehouse, and processes of both flows."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.orders: list[str] = []
        self.processes: list[asyncio.Task[Any]] = []
        self.held_up: list[dict[str, Any]] = []

    @initialize()
    def open(self) -> None:
        async def opened() -> Rig:
            clock = VirtualClock()
            clock.now()
            rig = Rig(Path(self.folder.name), clock, poll_s=1.0)
            await rig.log_in()
            rig.world.place_order("uk", ["SKU-001"])
            await post(rig)
            return rig

        self.rig: Rig = self.runner.run(opened())

    def teardown(self) -> None:
        try:
            if self.orders:
                self.runner.run(self.come_to_rest())
                self.all_is_right()
        finally:
            self.runner.close()
            self.folder.cleanup()

    # What people do

    @precondition(lambda self: len(self.orders) < _MOST_ORDERS)
    @rule(paid=st.booleans())
    def buys(self, paid: bool) -> None:
        status = Status.awaiting_shipment if paid else Status.unpaid
        self.orders.append(
            self.rig.world.place_order("us", [Line("SKU-001", 2, "10.00"), "SKU-002"], status=status)
        )

    @rule(number=which)
    def pays(self, number: int) -> None:
        self.on(number, self.rig.world.release)

    @rule(number=which)
    def cancels(self, number: int) -> None:
        self.on(number, self.rig.world.cancel_order)

    @rule(number=which)
    def cancels_and_is_heard_at_once(self, number: int) -> None:
        self.on(number, self.rig.world.cancel_order)
        self.begin(close(self.rig, ClosuresRequest(budget_s=60, idle_s=1)))
        self.runner.run(asyncio.sleep(60))

    @rule(number=which)
    def drops_a_unit(self, number: int) -> None:
        self.on(number, self.rig.world.cancel_line)

    @rule(number=which)
    def asks(self, number: int) -> None:
        self.on(number, self.rig.world.request_cancellation)

    @rule(number=which)
    def wants_it_after_all(self, number: int) -> None:
        def withdraw(order: str) -> None:
            request = self.rig.world.truth_of(order).open_request
            if request:
                self.rig.world.withdraw_cancellation(request)

        self.on(number, withdraw)

    @rule(number=which, status=st.sampled_from("ABC"), part=st.booleans())
    def fulfils(self, number: int, status: str, part: bool) -> None:
        def fulfil(order: str) -> None:
            for record in self.records(order):
                body: dict[str, Any] = {"shipStatus": {"id": status}}
                if part:
                    body["item"] = {
                        "items": [
                            {"orderLine": line["line"], "quantity": int(line["line"] == 1)}
                            for line in record["item"]["items"]
                            if not line["isClosed"]
                        ]
                    }
                self.rig.books.transform("salesOrder", record["id"], "itemFulfillment", body)

        self.on(number, fulfil)

    @rule(number=which)
    def takes_back(self, number: int) -> None:
        self.on(number, lambda order: [self.delete(one) for one in self.fulfilments(order)])

    # What processes do

    @precondition(lambda self: self.at_work() < _MOST_PROCESSES)
    @rule()
    def orders_run(self) -> None:
        self.begin(post(self.rig, RunRequest(budget_s=240, idle_s=4)))

    @precondition(lambda self: self.at_work() < _MOST_PROCESSES)
    @rule()
    def closures_run(self) -> None:
        self.begin(close(self.rig, ClosuresRequest(budget_s=240, idle_s=4)))

    @rule(seconds=st.sampled_from([0.2, 0.7, 1.5, 6.0, 40.0, 700.0]))
    def time_passes(self, seconds: float) -> None:
        self.runner.run(asyncio.sleep(seconds))

    @rule(
        kind=st.sampled_from(
            [
                FaultKind.timeout_before_commit,
                FaultKind.timeout_after_commit,
                FaultKind.http_500_after,
                FaultKind.http_429,
                FaultKind.delay,
            ]
        ),
        match=st.sampled_from(
            ["POST /services/rest/record/v1/salesOrder", "PATCH /services/rest/record/v1/"]
        ),
    )
    def netsuite_falters(self, kind: FaultKind, match: str) -> None:
        self.rig.faults.inject(kind, "netsuite", match)

    @rule(point=st.sampled_from(["landed", "staged", "planned", "claimed", "answered", "stored"]))
    def a_process_dies(self, point: str) -> None:
        self.rig.faults.inject(FaultKind.crash, "pipeline", point)

    @rule()
    def tiktok_shows_a_stale_page(self) -> None:
        self.rig.faults.inject(FaultKind.stale_page, "tiktok", "")

    @rule(number=which)
    def a_process_is_held_up_with_a_page(self, number: int) -> None:
        if number < len(self.orders):
            order = self.rig.world.order(self.orders[number])
            self.held_up.append(exact_json.loads(exact_json.dumps(order)))

    @precondition(lambda self: self.held_up)
    @rule()
    def the_page_is_planned_at_last(self) -> None:
        pages, self.held_up = self.held_up, []

        async def planned() -> None:
            async with self.rig.runtime(governor_renew_s=1.0) as runtime:
                items = ItemIndex(snapshot_rows(runtime))
                outcomes = [stage_order(page, "us", runtime.mapping, items) for page in pages]
                with runtime.ledger.begin() as tx:
                    OrderPlanner(runtime, PlanReport()).store(tx, outcomes)

        self.runner.run(planned())

    # What must hold

    @invariant()
    def no_order_has_two_sales_orders(self) -> None:
        if hasattr(self, "rig"):
            names = [record["externalId"] for record in sales_orders(self.rig)]
            assert len(set(names)) == len(names)

    @invariant()
    def nothing_is_closed_that_is_not_cancelled_or_that_left(self) -> None:
        for order in self.orders:
            for record in self.records(order):
                if record["status"]["id"] == "H":
                    assert self.rig.world.truth_of(order).status == "CANCELLED"
                    assert not any(line["quantityPicked"] for line in record["item"]["items"])

    def all_is_right(self) -> None:
        """Once all is quiet."""
        self.no_order_has_two_sales_orders()
        self.nothing_is_closed_that_is_not_cancelled_or_that_left()
        out_of_our_hands: set[str] = set()
        for order in self.orders:
            status = self.rig.world.truth_of(order).status
            records = self.records(order)
            if status == "CANCELLED":
                if self.fulfilments(order):
                    out_of_our_hands.add(f"order {order}")
                else:
                    assert [record["status"]["id"] for record in records] in ([], ["H"])
            elif status == "AWAITING_SHIPMENT":
                assert len(records) == 1
            else:
                assert records == []
        told = {one.subject for one in exceptions(self.rig) if one.kind == "cancelled_too_late"}
        assert told == out_of_our_hands
        others = {one.kind for one in exceptions(self.rig)} - {"cancelled_too_late"}
        assert others <= {"amendment_too_late", "cancellation_requested"}

    # How it is done

    def on(self, number: int, act: Any) -> None:
        """Somebody does something about an order, if it can be done now."""
        if number < len(self.orders):
            with contextlib.suppress(ValueError, BookError):
                act(self.orders[number])

    def records(self, order: str) -> list[dict[str, Any]]:
        return [one for one in sales_orders(self.rig) if one["externalId"] == f"tts-us-so-{order}"]

    def fulfilments(self, order: str) -> list[str]:
        made = {record["id"] for record in self.records(order)}
        return [
            one["id"] for one in self.rig.books.records("itemFulfillment") if one["createdFrom"]["id"] in made
        ]

    def delete(self, fulfilment: str) -> None:
        self.rig.books.delete("itemFulfillment", fulfilment)

    def at_work(self) -> int:
        return sum(not process.done() for process in self.processes)

    def begin(self, process: Coroutine[Any, Any, Any]) -> None:
        async def begun() -> None:
            self.processes.append(asyncio.ensure_future(self.lives(process)))
            await asyncio.sleep(0)

        self.runner.run(begun())

    @staticmethod
    async def lives(process: Coroutine[Any, Any, Any]) -> None:
        with contextlib.suppress(SimulatedCrash):
            await process

    async def come_to_rest(self) -> None:
        self.rig.faults.stop()
        self.held_up.clear()
        await asyncio.gather(*self.processes)
        for _ in range(3):
            await asyncio.sleep(700)
            await post(self.rig, SOON)
            await close(self.rig)
        for _ in range(7):
            # What left is looked at again less often.
            await asyncio.sleep(700)
            await close(self.rig)


@pytest.mark.timeout(600)
class TestCancelledOrders(CancelledOrders.TestCase):
    settings = settings(
        max_examples=8,
        stateful_step_count=18,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
