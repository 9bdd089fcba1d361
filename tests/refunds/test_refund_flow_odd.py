"""What does not go by the book: orders that had not left, or had left already, goods and money that part
ways, and returns that cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal as D

from tests.billing.shipped import Sale, bill
from tests.refunds.give_back import (
    approve,
    close,
    credited,
    credits,
    pass_hours,
    receive,
    refund,
    reject,
    sold,
    staged,
)
from tests.rigging import exceptions, in_world, kinds
from tiktok_ns_pipeline.sandbox.facts import Status
from tiktok_ns_pipeline.sandbox.returns import REFUND
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.world import Line

ONE = Line("SKU-001", 1, "10.00")
TWO = Line("SKU-001", 2, "10.00")


def test_a_refund_waits_for_its_bill_and_follows_it() -> None:
    """The channel is ahead of the warehouse: what it refunds is not shipped here yet, or not billed."""

    async def story(rig: Rig) -> None:
        [unbilled] = await sold(rig, (ONE,), billed=False)
        unshipped = await Sale.placed(rig, ONE)
        rig.world.move_to(unshipped.order_id, Status.delivered)
        claims = [rig.world.returns.ask(one.order_id, kind=REFUND) for one in (unbilled, unshipped)]
        for claim in claims:
            approve(rig, claim)
        await pass_hours(rig, 2)
        report = await refund(rig)
        assert credits(rig) == [] and exceptions(rig) == []
        assert report.plan.waiting == 1
        assert staged(rig)[claims[0]]["outcome"] == "waiting"
        assert staged(rig)[claims[0]]["reason"] == "line 1 of its Sales Order is not billed yet"
        assert "nothing of it was shipped" in staged(rig)[claims[1]]["reason"]

        unshipped.ship()
        await bill(rig)
        await refund(rig)
        assert [credited(rig, claim) for claim in claims] == [[D(10)], [D(10)]]
        assert exceptions(rig) == []

    in_world(story)


def test_an_order_that_was_cancelled_too_late_is_credited_when_its_refund_is_done() -> None:
    async def story(rig: Rig) -> None:
        left, part = await sold(rig, (ONE,), (TWO,), status=Status.in_transit)
        stayed = await Sale.placed(rig, ONE)
        for sale in (left, stayed, part):
            rig.world.cancel_order(sale.order_id, by="SYSTEM")
        await close(rig)
        assert kinds(rig) == ["cancelled_too_late", "cancelled_too_late"]
        await refund(rig)
        names = {
            one.order_id: one.id
            for sale in (left, stayed, part)
            for one in rig.world.cancellations_of(sale.order_id)
        }
        await pass_hours(rig, 26)
        await close(rig)
        await refund(rig)
        assert credited(rig, names[left.order_id]) == [D(10)]
        assert credited(rig, names[part.order_id]) == [D(20)]
        assert credited(rig, names[stayed.order_id]) == []
        assert staged(rig)[names[stayed.order_id]]["outcome"] == "nothing"
        # Nobody has to settle by hand what is settled.
        await pass_hours(rig, 1)
        await close(rig)
        assert exceptions(rig) == []
        ledger = rig.ledger()
        with ledger.read() as tx:
            assert tx.expected_returns.open() == []
        ledger.close()
        await refund(rig)
        assert len(credits(rig)) == 2 and exceptions(rig) == []

    in_world(story)


def test_deadlines_and_contradictions_are_told_in_time_and_end_by_themselves() -> None:
    async def story(rig: Rig) -> None:
        asked, lost, early, taken_back = await sold(rig, (ONE,), (ONE,), (ONE,), (ONE,))
        returns = rig.world.returns
        waits = returns.ask(asked.order_id)
        paid = returns.ask(lost.order_id, quick=True)
        unpaid = returns.ask(early.order_id)
        reversed_ = returns.ask(taken_back.order_id, kind=REFUND)
        for claim in (paid, unpaid):
            approve(rig, claim, "APPROVE_RETURN")
        reject(rig, reversed_)
        returns.disputes.escalate(reversed_)
        returns.disputes.arbitrate(reversed_, "BUYER")
        await refund(rig)
        assert kinds(rig) == []
        returns.send_back(paid)
        receive(rig, unpaid)

        await pass_hours(rig, 25)
        await refund(rig)
        [told] = exceptions(rig)
        assert (told.kind, told.subject) == ("return_needs_answer", f"return {waits}")
        deadline = rig.world.returns.known(waits).deadline
        assert told.due_at == datetime.fromtimestamp(deadline or 0, UTC)
        assert [credited(rig, claim) for claim in (paid, unpaid, reversed_)] == [[D(10)], [], [D(10)]]

        # The seller answers; TikTok decides otherwise after all; one parcel never comes, one is not paid.
        approve(rig, waits)
        returns.disputes.arbitrate(reversed_, "SELLER")
        await pass_hours(rig, 8 * 24)
        await refund(rig)
        assert {(one.kind, one.subject) for one in exceptions(rig)} == {
            ("refund_reversed", f"return {reversed_}"),
            ("goods_without_refund", f"return {unpaid}"),
        }
        assert credited(rig, reversed_) == [D(10)]
        await pass_hours(rig, 23 * 24)
        await refund(rig)
        assert ("refund_without_goods", f"return {paid}") in {
            (one.kind, one.subject) for one in exceptions(rig)
        }

        receive(rig, paid)
        await pass_hours(rig, 1)
        await refund(rig)
        assert ("refund_without_goods", f"return {paid}") not in {
            (one.kind, one.subject) for one in exceptions(rig)
        }

    in_world(story)
