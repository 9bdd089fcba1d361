"""What the refunds flow is told, by whom, and what it tells people: one bad return bothers only itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal as D

from tests.cancellations.test_closing_troubles import granted
from tests.refunds.give_back import (
    approve,
    credited,
    credits,
    pass_hours,
    records,
    refund,
    said,
    sold,
    staged,
)
from tests.refunds.refund_desk import FIELDS
from tests.rigging import exceptions, in_world
from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.ledger.facts import CREDIT
from tiktok_ns_pipeline.ledger.intents import FactKey
from tiktok_ns_pipeline.refunds.document import Credit
from tiktok_ns_pipeline.refunds.flow import RefundsRequest
from tiktok_ns_pipeline.refunds.records import credit_alone_body
from tiktok_ns_pipeline.sandbox.catalogue import SCOPES
from tiktok_ns_pipeline.sandbox.returns import REFUND
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.world import Line

ONE = Line("SKU-001", 1, "10.00")


async def refunded(rig: Rig, count: int, shop: str = "us", price: str = "10.00") -> list[str]:
    """So many claims that TikTok has refunded, each of an order of its own."""
    sales = await sold(rig, *[(Line("SKU-001", 1, price),)] * count, shop=shop)
    claims = [rig.world.returns.ask(sale.order_id, kind=REFUND) for sale in sales]
    for claim in claims:
        approve(rig, claim, shop=shop)
    await pass_hours(rig, 2)
    return claims


def put_in_place(rig: Rig, claim: str, amount: D) -> None:
    """A script of the seller's saves the credit with another amount."""
    [credit] = records(rig, "cashRefund", claim)
    rig.books.delete("cashRefund", credit["id"])
    [document] = exact_json.loads(staged(rig)[claim]["documents"])
    body = credit_alone_body(Credit.model_validate(document), credit[FIELDS.payload_hash], FIELDS)
    body["item"]["items"][0] |= {"rate": amount, "amount": amount}
    made = rig.books.create("cashRefund", body).id
    ledger = rig.ledger()
    with ledger.begin() as tx:
        fact = FactKey("tiktok", "us", CREDIT, claim)
        tx.links.save([replace(tx.links.find_many([fact])[fact], internal_id=made)])
        tx.links.read_again([fact])
    ledger.close()


def test_a_return_that_cannot_be_read_is_parked_beside_good_ones() -> None:
    async def story(rig: Rig) -> None:
        nameless, strange, good = await refunded(rig, 3)
        said(rig, nameless, "body", "json_set(body, '$.line_ids', json_array())")
        said(rig, strange, "return_type", "'BARTER'")
        await refund(rig)
        assert {(one.kind, one.cause, one.subject) for one in exceptions(rig)} == {
            ("malformed_return", "no_lines", f"return {nameless}"),
            ("malformed_return", "unknown:type", f"return {strange}"),
        }
        assert credited(rig, good) == [D(10)] and len(credits(rig)) == 1
        assert {staged(rig)[one]["outcome"] for one in (nameless, strange)} == {"parked"}

        said(rig, strange, "return_type", f"'{REFUND}'")
        await refund(rig)
        assert [one.subject for one in exceptions(rig)] == [f"return {nameless}"]
        assert credited(rig, strange) == [D(10)]

    in_world(story)


def test_events_and_people_name_what_no_list_shows() -> None:
    async def story(rig: Rig) -> None:
        by_event, by_order, by_id = await sold(rig, (ONE,), (ONE,), (ONE,))
        await refund(rig)
        async with rig.webhooks():
            told = rig.world.returns.ask(by_event.order_id, kind=REFUND)
            await asyncio.sleep(10)
        claims = [told, *(rig.world.returns.ask(one.order_id, kind=REFUND) for one in (by_order, by_id))]
        for claim in claims:
            approve(rig, claim)
        await pass_hours(rig, 2)
        for claim in claims:
            said(rig, claim, "update_time", "update_time - 864000")
        report = await refund(rig)
        assert report.events == 1
        assert [credited(rig, claim) for claim in claims] == [[D(10)], [], []]
        named = RefundsRequest(("us",), 3600, 10, order_ids=(by_order.order_id,), return_ids=(claims[2],))
        await refund(rig, named)
        assert [credited(rig, claim) for claim in claims] == [[D(10)]] * 3
        assert exceptions(rig) == []

    in_world(story)


def test_without_the_scope_of_returns_a_person_is_told_once() -> None:
    async def story(rig: Rig) -> None:
        [claim] = await refunded(rig, 1)
        await granted(rig, *(scope for scope in SCOPES if "return_refund" not in scope))
        report = await refund(rig)
        assert {one.kind for one in exceptions(rig)} == {"tiktok_refused"}
        assert "returns of us" in {one.subject for one in exceptions(rig)}
        assert len(report.trouble) == len(exceptions(rig))
        await granted(rig, *SCOPES)
        await refund(rig)
        assert exceptions(rig) == []
        assert credited(rig, claim) == [D(10)]

    in_world(story)


def test_an_invoice_is_credited_by_a_memo_and_a_shop_that_posts_nothing_is_only_told() -> None:
    async def story(rig: Rig) -> None:
        [british] = await refunded(rig, 1, "uk", "12.00")
        [vietnamese] = await sold(rig, (Line("SKU-001", 1, "100000"),), shop="vn", billed=False)
        waits = rig.world.returns.ask(vietnamese.order_id)
        await pass_hours(rig, 25)
        await refund(rig)
        [memo] = records(rig, "creditMemo", british)
        assert (memo["total"], memo["unapplied"]) == (D(12), D(12))
        assert [(one.kind, one.shop, one.subject) for one in exceptions(rig)] == [
            ("return_needs_answer", "vn", f"return {waits}")
        ]
        assert len(credits(rig)) == 1

    in_world(story)


def test_a_credit_is_never_changed_but_what_becomes_of_it_is_told() -> None:
    async def story(rig: Rig) -> None:
        altered, more, gone = await refunded(rig, 3)
        await refund(rig)
        put_in_place(rig, altered, D(8))
        [deleted] = records(rig, "cashRefund", gone)
        rig.books.delete("cashRefund", deleted["id"])
        ledger = rig.ledger()
        with ledger.begin() as tx:
            tx.links.read_again([FactKey("tiktok", "us", CREDIT, gone)])
        ledger.close()
        said(rig, more, "body", "json_set(body, '$.offer', '3.00', '$.taken', json('true'))")
        await pass_hours(rig, 1)
        await refund(rig)
        assert {(one.kind, one.cause, one.subject) for one in exceptions(rig)} == {
            ("refund_differs", "total", f"return {altered}"),
            ("refund_differs", "deleted", f"return {gone}"),
            ("refund_differs", "refund_changed", f"return {more}"),
        }
        assert len(credits(rig)) == 2

        # Mended by a person, and read once more at his word.
        put_in_place(rig, altered, D(10))
        said(rig, more, "body", "json_set(body, '$.offer', '', '$.taken', json('false'))")
        told = [one.id for one in exceptions(rig)]
        ledger = rig.ledger()
        with ledger.begin() as tx:
            tx.exceptions.request_replay(told, "finance")
        ledger.close()
        await pass_hours(rig, 1)
        await refund(rig)
        assert [(one.cause, one.subject) for one in exceptions(rig)] == [("deleted", f"return {gone}")]
        assert len(credits(rig)) == 2

    in_world(story)


def test_a_credit_that_was_only_planned_is_withdrawn_with_its_refund() -> None:
    """The account credits what was received; before the goods come, TikTok says otherwise."""

    async def story(rig: Rig) -> None:
        rig.books.refund_in_advance(False)
        [back, changed] = await sold(rig, (ONE,), (ONE,))
        claims = [rig.world.returns.ask(one.order_id, quick=True) for one in (back, changed)]
        for claim in claims:
            approve(rig, claim, "APPROVE_RETURN")
        await refund(rig)
        for claim in claims:
            rig.world.returns.send_back(claim)
        await pass_hours(rig, 2)
        await refund(rig)
        assert credits(rig) == [] and exceptions(rig) == []
        assert {staged(rig)[claim]["expected_total"] for claim in claims} == {D(10)}

        said(rig, claims[0], "status", "'REFUND_OR_RETURN_REQUEST_REJECT'")
        said(rig, claims[1], "body", "json_set(body, '$.offer', '3.00', '$.taken', json('true'))")
        report = await refund(rig)
        assert report.plan.withdrawn == 1
        # What goods are worth less than they were authorized for is credited without them.
        assert [credited(rig, claim) for claim in claims] == [[], [D(3)]]
        states = [records(rig, "returnAuthorization", claim)[0]["status"]["id"] for claim in claims]
        assert states == ["H", "H"]
        await pass_hours(rig, 3)
        await refund(rig)
        assert len(credits(rig)) == 1 and exceptions(rig) == []

    in_world(story)
