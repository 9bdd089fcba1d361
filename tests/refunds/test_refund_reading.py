"""What the refunds flow sees of an order in NetSuite and the ledger, and what it plans from it."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from tests.refunds.refund_desk import BODY, COMPLETE, IDS, KEY
from tests.refunds.test_refund_applying import ID, Refunded
from tests.rigging import exceptions, in_world
from tiktok_ns_pipeline.mapping.refunds import RefundsAsBilled
from tiktok_ns_pipeline.netsuite.periods import Periods
from tiktok_ns_pipeline.refunds.books import Books, Terms
from tiktok_ns_pipeline.refunds.document import Credit
from tiktok_ns_pipeline.refunds.planning import store
from tiktok_ns_pipeline.refunds.reading import RefundReader, documents_of
from tiktok_ns_pipeline.refunds.staging import Decision, stage
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.sandbox.rig import Rig


async def books_of(sold: Refunded, runtime: Runtime) -> Books:
    with runtime.ledger.read() as tx:
        documents, made = documents_of(tx, "us", [ID])
    reader = RefundReader(runtime.netsuite, BODY[0], KEY, IDS)
    order = sold.sale.sales_order.id
    return await reader.books(runtime.mapping.shops["us"], sold.sale.order_id, order, documents, made)


async def decide_and_store(sold: Refunded, status: str) -> tuple[Books, Decision]:
    """One look of the flow at the return, as TikTok shows it."""
    async with sold.rig.runtime() as runtime:
        books = await books_of(sold, runtime)
        shop, rules = runtime.mapping.shops["us"], runtime.mapping.refunds
        assert isinstance(shop.refunds, RefundsAsBilled)
        credited = any(isinstance(one, Credit) for one in books.documents)
        claim, standing, prices = sold.claim(status, received=bool(books.received_at), credited=credited)
        terms = Terms(shop, shop.refunds, rules, Periods.unseen(), runtime.clock.now())
        decision = stage(claim, standing, books, prices, terms)
        with runtime.ledger.begin() as tx:
            store(runtime, tx, claim.shop, claim.id, decision)
        return books, decision


def told(story: Any) -> None:
    in_world(story)


def test_a_return_goes_its_way_from_approval_to_credit() -> None:
    async def story(rig: Rig) -> None:
        sold = await Refunded.of(rig)
        before, _ = await decide_and_store(sold, "AWAITING_BUYER_SHIP")
        assert [bill.record_type for bill in before.bills] == ["cashSale"]
        assert not before.documents and not before.foreign
        await sold.carry_out([])

        rig.books.transform("returnAuthorization", sold.authorization["id"], "itemReceipt", {})
        books, decision = await decide_and_store(sold, COMPLETE)
        assert books.made == {f"tts-us-ra-{ID}"}
        # The day of the receipt begins in the subsidiary's zone.
        received_at = books.received_at[ID].astimezone(UTC)
        assert (received_at.hour, received_at.minute) == (7, 0)
        assert not decision.problems
        await sold.carry_out([])

        books, decision = await decide_and_store(sold, COMPLETE)
        assert decision.nothing == "it is credited" and not decision.problems
        assert [credit["total"] for credit in sold.credits] == [10]
        assert sold.authorization["status"]["id"] == "G"
        assert exceptions(rig) == []

    told(story)


def test_a_return_authorization_that_somebody_closed_is_seen() -> None:
    async def story(rig: Rig) -> None:
        sold = await Refunded.of(rig)
        await decide_and_store(sold, "AWAITING_BUYER_SHIP")
        await sold.carry_out([])
        closing = {"item": {"items": [{"line": 1, "isClosed": True}]}}
        rig.books.patch("returnAuthorization", sold.authorization["id"], closing)
        books, decision = await decide_and_store(sold, COMPLETE)
        assert books.closed_by_hand == {f"tts-us-ra-{ID}"}
        [credit] = [one for one in decision.documents if isinstance(one, Credit)]
        assert not credit.of_return

    told(story)


def test_a_credit_by_hand_stops_ours_until_it_is_gone() -> None:
    async def story(rig: Rig) -> None:
        sold = await Refunded.of(rig)
        [bill] = sold.sale.bills
        by_hand = rig.books.transform("cashSale", bill.id, "cashRefund", {}).id
        books, _ = await decide_and_store(sold, COMPLETE)
        assert [one.id for one in books.foreign] == [by_hand]
        assert [one.kind for one in exceptions(rig)] == ["credited_twice"]
        rig.books.delete("cashRefund", by_hand)
        await decide_and_store(sold, COMPLETE)
        assert exceptions(rig) == []
        await sold.carry_out([])
        assert len(sold.credits) == 1

    told(story)


def test_what_was_planned_and_is_not_wanted_any_more_is_withdrawn() -> None:
    async def story(rig: Rig) -> None:
        sold = await Refunded.of(rig)
        await decide_and_store(sold, "AWAITING_BUYER_SHIP")
        _, decision = await decide_and_store(sold, "RETURN_OR_REFUND_REQUEST_CANCEL")
        assert decision.nothing
        await sold.carry_out([])
        assert sold.records("returnAuthorization") == []

    told(story)
