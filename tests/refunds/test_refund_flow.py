"""What buyers give back becomes Return Authorizations and credits: each claim once, to the cent."""

from __future__ import annotations

from decimal import Decimal as D

from tests.refunds.give_back import (
    approve,
    credited,
    credits,
    in_netsuite,
    pass_hours,
    receive,
    records,
    refund,
    sold,
    staged,
)
from tests.rigging import exceptions, in_world
from tiktok_ns_pipeline.sandbox.facts import ShippingFacts
from tiktok_ns_pipeline.sandbox.returns import REFUND, REPLACEMENT
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.world import Line

SHIPPED_FOR_FEE = ShippingFacts(D(4))


def one(price: str, count: int = 1) -> Line:
    return Line("SKU-001", count, price)


def test_what_buyers_do_stands_in_the_books_to_the_cent() -> None:
    async def story(rig: Rig) -> None:
        sales = await sold(
            rig,
            (Line("SKU-001", 1, "10.00", seller_discount="1", platform_discount="2", tax="0.70"),),
            (one("12.00", 2),),
            (one("7.00", 2), Line("SKU-002", 1, "5.00")),
            (one("20.00", 2),),
            (one("9.00"),),
            (one("11.00"),),
        )
        money, part, several, back, replaced, withdrawn = sales
        returns = rig.world.returns
        units = [line["id"] for line in rig.world.order(part.order_id)["line_items"]]
        asked = {
            "money": returns.ask(money.order_id, kind=REFUND),
            "part": returns.ask(part.order_id, units[:1], kind=REFUND),
            "back": returns.ask(back.order_id),
            "replaced": returns.ask(replaced.order_id, kind=REPLACEMENT),
            "withdrawn": returns.ask(withdrawn.order_id),
        }
        # Each unit of this order is a claim of its own, all of them in one go.
        each = [line["id"] for line in rig.world.order(several.order_id)["line_items"]]
        ones = [returns.ask(several.order_id, [unit], kind=REFUND) for unit in each]

        await refund(rig)
        # TikTok waits two days for the seller; he is told a day before.
        assert credits(rig) == [] and exceptions(rig) == []
        for name in ("money", "part"):
            approve(rig, asked[name])
        for claim in ones:
            approve(rig, claim)
        for name in ("back", "withdrawn"):
            approve(rig, asked[name], "APPROVE_RETURN")
        approve(rig, asked["replaced"], "APPROVE_REPLACEMENT")
        await refund(rig)
        # Goods may come back; nothing is credited before TikTok refunds.
        authorized = {one["externalId"] for one in rig.books.records("returnAuthorization")}
        assert authorized == {f"tts-us-ra-{asked[name]}" for name in ("back", "withdrawn", "replaced")}
        assert credits(rig) == []

        returns.withdraw(asked["withdrawn"])
        returns.send_back(asked["back"])
        receive(rig, asked["back"])
        approve(rig, asked["back"], "APPROVE_RECEIVED_PACKAGE")
        await pass_hours(rig, 2)
        report = await refund(rig)
        # The platform's discount is the seller's to lose as well: it is reimbursed no more.
        assert credited(rig, asked["money"]) == [D("9.00")]
        assert credited(rig, asked["part"]) == [D("12.00")]
        assert [credited(rig, claim) for claim in ones] == [[D(7)], [D(7)], [D(5)]]
        assert credited(rig, asked["back"]) == [D("40.00")]
        assert report.credited_amounts == {"USD": D(80)} and report.plan.planned_amounts == {"USD": D(80)}
        assert credited(rig, asked["replaced"]) == credited(rig, asked["withdrawn"]) == []
        for claim in returns.truth():
            assert sum(credited(rig, claim.return_id), D(0)) == (claim.owed_less if claim.refunded else 0)
        assert records(rig, "returnAuthorization", asked["withdrawn"])[0]["status"]["id"] == "H"
        assert exceptions(rig) == []

        # What is done is done: nothing is made again.
        await pass_hours(rig, 1)
        again = await refund(rig)
        assert in_netsuite(rig, asked["back"]) == {"ra": "G", "ir": "", "credit": ""}
        assert (again.plan.planned, again.plan.revised, again.read_back) == (0, 0, 0)
        assert exceptions(rig) == []
        assert {row["outcome"] for row in staged(rig).values()} == {"staged"}

    in_world(story)


def test_shipping_is_given_back_with_the_last_unit_whatever_comes_between() -> None:
    """The seller ships, and the buyer has paid for it."""

    async def story(rig: Rig) -> None:
        [sale, early] = await sold(rig, (one("6.00", 2),), (one("8.00", 1),), shipping=SHIPPED_FOR_FEE)
        units = [line["id"] for line in rig.world.order(sale.order_id)["line_items"]]
        first = rig.world.returns.ask(sale.order_id, units[:1], kind=REFUND)
        second = rig.world.returns.ask(sale.order_id, units[1:], kind=REFUND)
        whole = rig.world.returns.ask(early.order_id, kind=REFUND)
        for claim in (first, second, whole):
            approve(rig, claim)
        await pass_hours(rig, 2)
        await refund(rig)
        assert sorted(credited(rig, first) + credited(rig, second)) == [D(6), D(10)]
        assert credited(rig, whole) == [D(12)]
        assert sale.totals == [D(16)] and early.totals == [D(12)]
        assert exceptions(rig) == []

    in_world(story)
