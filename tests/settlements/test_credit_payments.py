"""Refunds of invoiced orders: what TikTok took off a payout settles their Credit Memos, out of clearing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal as D
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.billing.shipped import Sale
from tests.refunds.give_back import approve, pass_hours, refund
from tests.refunds.give_back import sold as several_sold
from tests.rigging import exceptions
from tests.sandbox.money_documents import balance
from tests.settlements.desk import SOON, pass_days, payments, settle, settling, with_mapping
from tests.settlements.test_settled_orders import SHIPPING, sold
from tiktok_ns_pipeline.reconciliation.every_shop import prove_clearing_of_every_account
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.returns import REFUND
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.world import Line
from tiktok_ns_pipeline.settlements.booking import Settled
from tiktok_ns_pipeline.settlements.matching import OrderCase, OrderDocument, after

CLEARING, RECEIVABLE = "126", "119"
CREATE = "POST /services/rest/record/v1/customerRefund"


def credit(rig: Rig, sale: Sale, amount: str, vat: str = "20", **fields: Any) -> str:
    """The Credit Memo of a refund of an order, as the flow of refunds makes it; its id."""
    before_tax = round(D(amount) / (1 + D(vat) / 100), 2)
    body = {
        "entity": {"id": sale.sales_order.get("entity")},
        "custbody_tts_order_id": sale.order_id,
        "item": {"items": [{"item": {"id": "907"}, "quantity": 1, "rate": before_tax}]},
        **fields,
    }
    made = rig.books.create("creditMemo", body).record
    assert made.get("total") == D(amount)
    return made.id


def left_open(rig: Rig, sale: Sale, *credits: str) -> list[D]:
    """What Invoices and Credit Memos have open."""
    records = [*sale.bills, *(rig.books.record("creditMemo", one) for one in credits)]
    return [record.get("amountRemaining") for record in records]


def refunds(rig: Rig) -> list[dict[str, Any]]:
    return list(rig.books.records("customerRefund"))


def test_a_refund_of_a_later_payout_pays_its_credit_memo_back_out_of_clearing() -> None:
    async def story(rig: Rig) -> None:
        sale = await sold(rig, Line("SKU-001", 2, "20.00"), shop="uk")
        await pass_days(rig, 11)
        await settle(rig)
        rig.world.finance.refund(sale.order_id, [rig.world.facts(sale.order_id).lines[0].id])
        memo = credit(rig, sale, "20.00")
        assert (left_open(rig, sale, memo), refunds(rig)) == ([0, 20], [])
        another = await sold(rig, Line("SKU-001", 1, "30.00"), shop="uk")
        rig.faults.inject(FaultKind.timeout_after_commit, "netsuite", CREATE)
        await pass_days(rig, 11)
        await settle(rig)
        *_, payment = payments(rig, "uk")
        [made] = refunds(rig)
        assert made["externalId"] == f"tts-uk-crpay-{payment.id}-1"
        assert (made["account"]["id"], made["paymentOption"]["id"]) == (CLEARING, "7")
        assert D(str(made["total"])) == 20
        assert left_open(rig, sale, memo) + left_open(rig, another) == [0, 0, 0]
        assert (balance(rig.books, CLEARING), balance(rig.books, RECEIVABLE)) == (0, 0)
        assert exceptions(rig) == []
        # Nothing is paid back twice.
        await asyncio.sleep(7200)
        await settle(rig)
        assert len(refunds(rig)) == 1

    settling(story)


def test_a_refund_that_is_settled_before_its_credit_waits_for_it_visibly() -> None:
    async def story(rig: Rig) -> None:
        sale = await sold(rig, Line("SKU-001", 2, "20.00"), shop="uk")
        rig.world.finance.refund(sale.order_id, [rig.world.facts(sale.order_id).lines[0].id])
        await pass_days(rig, 11)
        await settle(rig)
        [told] = exceptions(rig)
        assert (told.kind, told.subject) == ("settled_refund_uncredited", f"order {sale.order_id}")
        assert "a refund of 20.00 GBP" in told.message
        # What TikTok paid of the Invoice is paid; the rest of it is what the credit will come to.
        assert (left_open(rig, sale), balance(rig.books, CLEARING)) == ([20], 0)
        memo = credit(rig, sale, "20.00")
        await asyncio.sleep(3700)
        await settle(rig)
        assert (exceptions(rig), left_open(rig, sale, memo)) == ([], [0, 0])
        assert len(refunds(rig)) == 1
        assert (balance(rig.books, CLEARING), balance(rig.books, RECEIVABLE)) == (0, 0)

    settling(story)


def test_a_refund_whose_month_closes_is_paid_back_in_the_next_open_one() -> None:
    async def story(rig: Rig) -> None:
        sale = await sold(rig, Line("SKU-001", 1, "20.00"), shop="uk")
        await pass_days(rig, 11)
        await settle(rig)
        rig.world.finance.refund(sale.order_id)
        memo = credit(rig, sale, "20.00")
        await sold(rig, Line("SKU-001", 1, "30.00"), shop="uk")
        await pass_days(rig, 11)
        *_, payment = payments(rig, "uk")
        rig.faults.inject(FaultKind.timeout_before_commit, "netsuite", CREATE, times=3)
        await settle(rig, replace(SOON, budget_s=200))
        paid_on = datetime.fromtimestamp(payment.paid_time, ZoneInfo("Europe/London")).date()
        rig.books.close_period(f"{paid_on:%b %Y}")
        await settle(rig)
        await asyncio.sleep(3700)
        await settle(rig)
        [made] = refunds(rig)
        assert made["tranDate"] == (paid_on.replace(day=28) + timedelta(days=4)).replace(day=1).isoformat()
        assert (left_open(rig, sale, memo), exceptions(rig)) == ([0, 0], [])

    settling(story)


def test_with_the_flow_of_refunds_every_invoice_and_credit_is_settled_and_clearing_is_empty() -> None:
    async def story(rig: Rig) -> None:
        one, odd = Line("SKU-001", 1, "12.00"), Line("SKU-002", 2, "12.34")
        sales = await several_sold(rig, (odd,), (one,), (one, one), shop="uk", shipping=SHIPPING)
        early, whole, late = sales
        units = {
            sale.order_id: [line["id"] for line in rig.world.order(sale.order_id)["line_items"]]
            for sale in sales
        }

        async def give_back(sale: Sale, lines: list[str]) -> None:
            claim = rig.world.returns.ask(sale.order_id, lines, kind=REFUND)
            approve(rig, claim, shop="uk")
            await pass_hours(rig, 2)
            await refund(rig)

        await give_back(early, units[early.order_id][:1])
        await give_back(whole, units[whole.order_id])
        await pass_days(rig, 11)
        await settle(rig)
        await give_back(late, units[late.order_id][:1])
        await give_back(early, units[early.order_id][1:])
        await several_sold(rig, (one,), (one,), shop="uk", shipping=SHIPPING)
        await pass_days(rig, 11)
        await settle(rig)
        # A document that one payout is just paying is another's to pay only once NetSuite shows that.
        await asyncio.sleep(3700)
        await settle(rig)
        assert exceptions(rig) == []
        documents = [*rig.books.records("invoice"), *rig.books.records("creditMemo")]
        assert [D(str(one["amountRemaining"])) for one in documents] == [0] * 9
        credited = sum((D(str(one["total"])) for one in rig.books.records("creditMemo")), D(0))
        assert sum((D(str(one["total"])) for one in refunds(rig)), D(0)) == credited
        assert (balance(rig.books, CLEARING), balance(rig.books, RECEIVABLE)) == (0, 0)
        async with rig.runtime() as runtime:
            proofs = await prove_clearing_of_every_account(runtime, "proof")
        [proof] = [one for one in proofs if one.account == CLEARING]
        assert proof.is_explained and proof.items == (), proof.statement

    settling(story)


def test_in_another_currency_than_the_books_nothing_of_invoices_and_credits_stays_in_clearing() -> None:
    """NetSuite itself realises what an Invoice was worth beside its payment: it is not booked again."""

    async def story(rig: Rig) -> None:
        rates = "rates: [{since: 2026-01-01, rate: 1.30}, {since: 2026-06-05, rate: 1.40}]"
        with_mapping(
            rig,
            (
                'subsidiary_id: "2"                      # UK Ltd',
                f'exchange_rate: {{source: fixed, {rates}}}\n    subsidiary_id: "1"',
            ),
            ('location_id: "9"                        # UK', 'location_id: "6" # UK'),
            ('{location_id: "9"}', '{location_id: "6"}'),
            ('clearing_account_id: "126"', 'clearing_account_id: "131"'),
            ('bank_account_id: "129"', 'bank_account_id: "128"'),
            ('reserve_account_id: "141"', 'reserve_account_id: "140"'),
        )
        sale = await sold(rig, Line("SKU-001", 2, "20.00"), shop="uk")
        rig.world.finance.refund(sale.order_id, [rig.world.facts(sale.order_id).lines[0].id])
        memo = credit(rig, sale, "20.00", "0", exchangeRate=D("1.30"))
        await pass_days(rig, 11)
        await settle(rig)
        assert {one["externalId"].split("-")[2] for one in rig.books.records("journalEntry")} == {"je"}
        assert left_open(rig, sale, memo) == [0, 0]
        assert (balance(rig.books, "131"), balance(rig.books, RECEIVABLE)) == (0, 0)
        # 20.00 were worth 1.30 when they were sold, and 1.40 when they were paid out.
        assert balance(rig.books, "660") == -2
        assert exceptions(rig) == []

    settling(story)


# Whatever comes when

CENTS = st.integers(0, 3_000).map(lambda cents: D(cents) / 100)
PAYOUT = st.integers(0, 2)


class Order:
    """An order whose Invoice, Credit Memos and payouts come in any order."""

    def __init__(self, invoice: D, memos: list[D], payouts: list[Settled]) -> None:
        self.coming = [
            OrderDocument("1", "invoice", "10", invoice, D(0), invoice),
            *(
                OrderDocument("1", "credit_memo", str(20 + number), amount, D(0), amount)
                for number, amount in enumerate(memos)
            ),
        ]
        self.documents: tuple[OrderDocument, ...] = (OrderDocument("1", "sales_order", "1"),)
        self.unpaid = [OrderCase(one) for one in payouts]
        self.followed: list[OrderCase] = []
        self.cases: list[OrderCase] = []

    def happen(self, what: int) -> None:
        """A document is made, a payout is posted, or the posted ones are looked at."""
        if what == 0 and self.coming:
            self.documents += (self.coming.pop(0),)
        elif what == 1 and self.coming:
            self.documents += (self.coming.pop(),)
        elif what == 2 and self.unpaid:
            self.cases.append(self.unpaid[0])
            self.followed.append(self.unpaid.pop(0))
        else:
            self.look()

    def look(self) -> None:
        for case in list(self.followed):
            given = case.give(self.documents)
            for one in given:
                assert 0 < abs(one.amount) <= one.document.open_amount
            self.documents = after(self.documents, given)
            if not given and not case.waits(self.documents):
                self.followed.remove(case)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """TikTok settles in up to three payouts all that was sold and given back."""
    goods, shipping = draw(CENTS) + D("0.01"), draw(CENTS)
    goods_back = min(goods, draw(CENTS))
    # Shipping is not given back alone: with goods, TikTok may net it within one statement.
    shipping_back = min(shipping, draw(CENTS)) if goods_back else D(0)
    early = min(goods, draw(CENTS))
    payouts = [Settled("1") for _ in range(3)]
    for part, amount in (
        ("sales", early),
        ("sales", goods - early),
        ("shipping", shipping),
        ("refunds", -goods_back),
        ("shipping", -shipping_back),
    ):
        payout = payouts[draw(PAYOUT)]
        setattr(payout, part, getattr(payout, part) + amount)
    memos = draw(st.sampled_from([[goods_back + shipping_back], [goods_back, shipping_back]]))
    return Order(goods + shipping, [one for one in memos if one], payouts)


@settings(deadline=None, max_examples=200)
@given(orders(), st.lists(st.integers(0, 4), max_size=12))
def test_invoice_and_credits_are_settled_once_and_clearing_is_even_whatever_comes_when(
    order: Order, events: list[int]
) -> None:
    for what in events:
        order.happen(what)
    for what in (2, 2, 2, 0, 0, 0, 3, 3, 3):
        order.happen(what)
    assert [one.open_amount for one in order.documents] == [0] * len(order.documents)
    assert sum(case.paid for case in order.cases) == sum(
        one.amount for one in order.documents if one.kind == "invoice"
    )
    # What the payouts' journals took of the order is what its documents brought.
    assert sum(case.rest for case in order.cases) == 0
