"""Payouts of orders that have documents: what was billed leaves the clearing account exactly."""

from __future__ import annotations

import asyncio
from decimal import Decimal as D
from typing import Any

from tests.billing.shipped import Sale, bill
from tests.rigging import exceptions
from tests.settlements.desk import (
    journals,
    judged,
    pass_days,
    payments,
    posted,
    settle,
    settling,
    told,
    with_mapping,
)
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import SETTLEMENT_MATCHES
from tiktok_ns_pipeline.sandbox.facts import ShippingFacts, Status
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.world import Line
from tiktok_ns_pipeline.settlements.standing import explanation, standing_of

SHIPPING = ShippingFacts(D(5), seller_discount=D(1))


async def sold(rig: Rig, *lines: Line | str, shop: str, billed: bool = True, **options: Any) -> Sale:
    """An order that was posted, shipped, billed and delivered."""
    sale = await Sale.placed(rig, *lines, shop=shop, **options)
    sale.ship()
    if billed:
        await bill(rig)
    rig.world.move_to(sale.order_id, Status.delivered)
    return sale


def matches(rig: Rig, shop: str) -> dict[str, tuple[str, D]]:
    """Verdict and what was settled of each order."""
    lake = Lake(rig.settings.lake_url, rig.clock)
    rows = lake.current(SETTLEMENT_MATCHES, shop=shop)
    lake.close()
    return {row["order_id"]: (row["verdict"], row["settled"]) for row in rows}


def test_cash_sales_leave_the_clearing_account_with_the_payout() -> None:
    async def story(rig: Rig) -> None:
        own = await sold(rig, Line("SKU-001", 2, "19.95"), shop="us", shipping=SHIPPING)
        await pass_days(rig, 22)
        await settle(rig)
        [payment] = payments(rig, "us")
        [journal] = journals(rig)
        assert posted(journal)["125"] == -sum(own.totals)
        assert posted(journal)["128"] == payment.before_exchange
        assert matches(rig, "us") == {own.order_id: ("cleared", sum(own.totals))}
        assert exceptions(rig) == []
        assert judged(rig).right == 1
        [standing] = standing_of(rig.settings, rig.clock, payment.id)
        told_of = "\n".join(explanation(standing))
        for part in (
            f"Payment {payment.id} of shop us: PAID",
            f"tts-us-je-{payment.id}: journalEntry on",
            "fee_tax.fee.referral_fee_amount",
            f"order {own.order_id}: {sum(own.totals)} by statement",
            f"NetSuite journalEntry {journal['id']}",
        ):
            assert part in told_of, told_of

    settling(story)


def test_invoices_are_paid_out_of_clearing_once_the_journal_is_there() -> None:
    async def story(rig: Rig) -> None:
        sales = [await sold(rig, Line("SKU-001", 1, "20.00"), shop="uk", shipping=SHIPPING) for _ in range(2)]
        rig.faults.inject(
            FaultKind.timeout_after_commit, "netsuite", "POST /services/rest/record/v1/customerPayment"
        )
        await pass_days(rig, 11)
        await settle(rig)
        [payment] = payments(rig, "uk")
        [paid] = rig.books.records("customerPayment")
        assert paid["externalId"] == f"tts-uk-pay-{payment.id}-1"
        assert paid["account"]["id"] == "126"
        due = [one for sale in sales for one in sale.bills]
        assert [one.get("amountRemaining") for one in due] == [0, 0]
        assert D(str(paid["payment"])) == sum(one.get("total") for one in due)
        assert {verdict for verdict, _ in matches(rig, "uk").values()} == {"cleared"}
        assert exceptions(rig) == []
        # Nothing is paid twice.
        await asyncio.sleep(7200)
        await settle(rig)
        assert len(list(rig.books.records("customerPayment"))) == 1

    settling(story)


def test_a_settled_order_that_nobody_billed_is_told_until_it_is_billed() -> None:
    async def story(rig: Rig) -> None:
        sale = await sold(rig, Line("SKU-001", 1, "20.00"), shop="uk", billed=False)
        await pass_days(rig, 11)
        await settle(rig)
        assert [(one.kind, one.subject) for one in exceptions(rig)] == [
            ("settled_order_unbilled", f"order {sale.order_id}")
        ]
        assert matches(rig, "uk")[sale.order_id][0] == "unbilled"
        await bill(rig)
        await asyncio.sleep(3700)
        await settle(rig)
        assert exceptions(rig) == []
        assert matches(rig, "uk")[sale.order_id][0] == "cleared"
        assert [one.get("amountRemaining") for one in sale.bills] == [0]

    settling(story)


def test_a_payout_as_a_bank_deposit() -> None:
    async def story(rig: Rig) -> None:
        with_mapping(
            rig,
            ("document: journal_per_payout ", "document: deposit_per_payout "),
            ("approval: approved                    #", "approval: account #"),
        )
        own = await sold(rig, Line("SKU-001", 2, "19.95"), shop="us")
        await pass_days(rig, 22)
        report = await settle(rig)
        [payment] = payments(rig, "us")
        [deposit] = rig.books.records("deposit")
        assert deposit["externalId"] == f"tts-us-dep-{payment.id}"
        assert D(str(deposit["total"])) == payment.before_exchange
        assert report.read_back == 1
        assert sum(own.totals) > payment.before_exchange
        assert told(rig) == []

    settling(story)


def test_a_payout_in_another_currency_than_the_shops_books_the_difference_of_exchange() -> None:
    async def story(rig: Rig) -> None:
        # The British shop's books are those of the American subsidiary, which is paid in dollars.
        with_mapping(
            rig,
            (
                'clearing_account_id: "126"            # TikTok clearing GBP',
                'subsidiary_id: "1"\n      clearing_account_id: "639"',
            ),
            ('bank_account_id: "129"', 'bank_account_id: "128"'),
        )
        order_id = rig.world.place_order("uk", [Line("SKU-001", 1, "20.00")])
        rig.world.move_to(order_id, Status.delivered)
        await pass_days(rig, 11)
        await settle(rig)
        [payment] = payments(rig, "uk")
        # Of an order without a bill no rate is known: the difference waits until a person says otherwise.
        assert [one["externalId"] for one in journals(rig)] == [f"tts-uk-je-{payment.id}"]
        assert told(rig) == [("order_rate_unknown", f"payout {payment.id}")]
        [unknown] = [one for one in exceptions(rig) if one.kind == "order_rate_unknown"]
        assert order_id in unknown.message
        ledger = rig.ledger()
        with ledger.begin() as tx:
            tx.exceptions.resolve(unknown.id, "it is not ours", "somebody")
        ledger.close()
        await pass_days(rig, 0.1)
        await settle(rig)
        made = {one["externalId"]: one for one in journals(rig)}
        payout, difference = made[f"tts-uk-je-{payment.id}"], made[f"tts-uk-fx-{payment.id}"]
        assert len(made) == 2
        assert posted(payout)["128"] == payment.before_exchange
        # In dollars the bank holds what arrived.
        assert difference["currency"]["id"] == "1"
        at_the_books_rate = round(payment.before_exchange * D(str(payout["exchangeRate"])), 2)
        assert posted(difference)["128"] == payment.amount - at_the_books_rate
        assert sum(posted(difference).values()) == 0
        # Nothing is booked twice.
        await asyncio.sleep(7200)
        await settle(rig)
        assert len(journals(rig)) == 2

    settling(story, payout_currency={"uk": "USD"})
