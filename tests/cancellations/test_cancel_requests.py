"""Buyers who ask to cancel: who answers them, when, and what becomes of the order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.cancellations.closing_desk import close, fulfil, post, posted, state_of, told
from tests.rigging import SOON, exceptions, kinds, sales_orders
from tiktok_ns_pipeline.cancellations.flow import ClosuresRequest
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.rig import Rig

Rules = Callable[..., Callable[[Rig], None]]

ANSWER = "/return_refund/202309/cancellations"


def answer_of(rig: Rig, order_id: str) -> str:
    """How the one request of an order ended; empty while it waits."""
    [one] = rig.world.cancellations_of(order_id)
    return one.answer


class TestByTheMapping:
    def test_while_nothing_is_picked_it_is_approved_and_the_order_closed(self) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            rig.world.request_cancellation(order_id)
            await close(rig)
            assert answer_of(rig, order_id) == "approve"
            assert state_of(rig, order_id) == "H"
            assert exceptions(rig) == []

        told(story)

    def test_before_the_order_is_posted_it_is_approved_and_never_posted(self) -> None:
        async def story(rig: Rig) -> None:
            order_id = rig.world.place_order("us", ["SKU-001"])
            rig.world.request_cancellation(order_id)
            await close(rig)
            await rig.run(SOON)
            assert answer_of(rig, order_id) == "approve"
            assert sales_orders(rig) == []

        told(story)

    @pytest.mark.parametrize("status", ["A", "B", "C"])
    def test_once_the_cutoff_is_reached_it_is_rejected_and_the_parcel_goes(self, status: str) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            fulfil(rig, order_id, status)
            before = sales_orders(rig)
            rig.world.request_cancellation(order_id)
            await close(rig)
            assert answer_of(rig, order_id) == "reject"
            assert sales_orders(rig) == before
            assert exceptions(rig) == []

        told(story)

    def test_a_pick_before_the_cutoff_does_not_count(self, rules_for: Rules) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            fulfil(rig, order_id, "A")
            rig.world.request_cancellation(order_id)
            await close(rig)
            assert answer_of(rig, order_id) == "approve"
            assert kinds(rig) == ["pick_to_be_stopped"]

        told(story, rules_for(cutoff="packed"))

    @pytest.mark.parametrize("call", ["approve", "reject"])
    @pytest.mark.parametrize(
        "kind", [FaultKind.timeout_before_commit, FaultKind.timeout_after_commit, FaultKind.http_500_after]
    )
    def test_an_answer_of_unclear_end_is_found_out(self, call: str, kind: FaultKind) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            if call == "reject":
                fulfil(rig, order_id, "B")
            rig.world.request_cancellation(order_id)
            rig.faults.inject(kind, "tiktok", call)
            await close(rig, ClosuresRequest(budget_s=900, idle_s=60))
            assert answer_of(rig, order_id) == call
            assert exceptions(rig) == []

        told(story)

    def test_while_the_sales_order_is_under_way_nothing_is_answered(self) -> None:
        async def story(rig: Rig) -> None:
            await posted(rig)
            order_id = rig.world.place_order("us", ["SKU-002"])
            rig.faults.inject(
                FaultKind.timeout_after_commit, "netsuite", "POST /services/rest/record/v1/salesOrder"
            )

            async def asks() -> None:
                await asyncio.sleep(5)
                rig.world.request_cancellation(order_id)
                await close(rig, ClosuresRequest(budget_s=20, idle_s=10))
                assert answer_of(rig, order_id) == ""
                assert kinds(rig) == ["cancellation_requested"]

            await asyncio.gather(post(rig), asks())
            await asyncio.sleep(60)
            await rig.run(SOON)
            await close(rig)
            assert answer_of(rig, order_id) == "approve"
            assert state_of(rig, order_id) == "H"

        told(story)


class TestByAPerson:
    def test_a_person_sees_it_with_its_deadline_and_nothing_is_answered(self, rules_for: Rules) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            cancel_id = rig.world.request_cancellation(order_id)
            asked_at = rig.world.now()
            await close(rig)
            [exception] = exceptions(rig)
            assert (exception.kind, exception.subject) == (
                "cancellation_requested",
                f"cancellation {cancel_id}",
            )
            assert exception.due_at is not None
            assert abs(exception.due_at - (asked_at + timedelta(days=1))) < timedelta(seconds=2)
            assert answer_of(rig, order_id) == ""

        told(story, rules_for(unfulfilled="person", fulfilled="person"))

    def test_a_request_that_is_withdrawn_is_gone(self, rules_for: Rules) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            cancel_id = rig.world.request_cancellation(order_id)
            await close(rig)
            await asyncio.sleep(5)
            rig.world.withdraw_cancellation(cancel_id)
            await close(rig)
            assert exceptions(rig) == []
            assert state_of(rig, order_id) == "B"

        told(story, rules_for(unfulfilled="person", fulfilled="person"))

    def test_what_nobody_answers_tiktok_approves_and_the_order_is_closed(self, rules_for: Rules) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            rig.world.request_cancellation(order_id)
            await close(rig)
            await asyncio.sleep(25 * 3600)
            await close(rig)
            assert state_of(rig, order_id) == "H"
            assert exceptions(rig) == []

        told(story, rules_for(unfulfilled="person", fulfilled="person"))

    def test_what_a_person_may_decide_now_is_rejected_once_it_is_packed(self, rules_for: Rules) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            rig.world.request_cancellation(order_id)
            await close(rig)
            [exception] = exceptions(rig)
            assert "nothing of it is picked yet" in exception.message
            fulfil(rig, order_id, "B")
            await asyncio.sleep(660)
            await close(rig)
            assert answer_of(rig, order_id) == "reject"
            assert exceptions(rig) == []

        told(story, rules_for(unfulfilled="person"))

    def test_a_rule_that_is_made_later_answers_what_still_waits(self, rules_for: Rules) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            rig.world.request_cancellation(order_id)
            await close(rig)
            assert answer_of(rig, order_id) == ""
            rules_for()(rig)
            await asyncio.sleep(660)
            await close(rig)
            assert answer_of(rig, order_id) == "approve"
            assert exceptions(rig) == []

        told(story, rules_for(unfulfilled="person", fulfilled="person"))


class TestRefusedAnswers:
    def test_a_request_that_is_withdrawn_meanwhile_needs_no_answer(self) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            cancel_id = rig.world.request_cancellation(order_id)
            rig.faults.inject(FaultKind.delay, "netsuite", "GET /services/rest/record/v1/salesOrder")

            async def minds() -> None:
                while not rig.faults.counts["netsuite", FaultKind.delay]:  # noqa: ASYNC110 - no event to wait for
                    await asyncio.sleep(0.05)
                rig.world.withdraw_cancellation(cancel_id)

            await asyncio.gather(close(rig), minds())
            assert answer_of(rig, order_id) == "withdraw"
            assert exceptions(rig) == []
            assert state_of(rig, order_id) == "B"

        told(story)

    def test_a_reason_that_tiktok_does_not_know_calls_a_person(self, rules_for: Rules) -> None:
        def strange(rig: Rig) -> None:
            rules_for()(rig)
            path = rig.settings.mapping_path
            lines = path.read_text().splitlines()
            path.write_text(
                "\n".join(
                    line.partition("reject_reason:")[0] + "reject_reason: no_such_reason"
                    if "reject_reason:" in line and not line.lstrip().startswith("#")
                    else line
                    for line in lines
                )
            )

        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            cancel_id = rig.world.request_cancellation(order_id)
            fulfil(rig, order_id, "B")
            await close(rig)
            assert sorted(kinds(rig)) == ["cancellation_reply_refused", "cancellation_requested"]
            rig.world.withdraw_cancellation(cancel_id)
            await close(rig)
            assert exceptions(rig) == []

        told(story, strange)


class TestHints:
    def test_an_event_closes_an_order_that_no_list_shows(self) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            async with rig.webhooks():
                rig.world.hide_order(order_id)
                rig.world.cancel_order(order_id)
                await asyncio.sleep(10)
                report = await close(rig)
            assert report.events > 0
            assert state_of(rig, order_id) == "H"
            ledger = rig.ledger()
            with ledger.read() as tx:
                assert not tx.inbox.is_waiting("closures")
            ledger.close()

        told(story)

    def test_an_event_before_the_order_is_known_keeps_it_from_being_posted(self) -> None:
        async def story(rig: Rig) -> None:
            async with rig.webhooks():
                order_id = rig.world.place_order("us", ["SKU-001"])
                rig.world.cancel_order(order_id)
                await asyncio.sleep(10)
                await close(rig)
                await rig.run(SOON)
            assert sales_orders(rig) == []

        told(story)

    def test_a_person_can_name_an_order(self) -> None:
        async def story(rig: Rig) -> None:
            order_id = await posted(rig)
            rig.world.hide_order(order_id)
            rig.world.cancel_order(order_id)
            await close(rig)
            assert state_of(rig, order_id) == "B"
            await close(rig, ClosuresRequest(order_ids=(order_id,), budget_s=60, idle_s=5))
            assert state_of(rig, order_id) == "H"

        told(story)
