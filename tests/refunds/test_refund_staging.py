"""From a return and what its order was billed to the documents that should exist."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from tests.orders.order_builder import sample, unit
from tests.refunds.refund_desk import (
    NOW,
    REFUND,
    REFUNDED_AT,
    RETURN,
    Sold,
    a_return,
    credit_in,
    later,
    same,
    sandbox_mapping,
    units,
    with_shop,
)
from tiktok_ns_pipeline.netsuite.periods import Period, Periods
from tiktok_ns_pipeline.refunds.books import ForeignCredit
from tiktok_ns_pipeline.refunds.claims import claim_of_cancellation, claim_of_return
from tiktok_ns_pipeline.refunds.document import (
    Claim,
    Credit,
    Excess,
    ItemReceipt,
    Problem,
    ReturnAuthorization,
)
from tiktok_ns_pipeline.tiktok.cancellation_models import Cancellation
from tiktok_ns_pipeline.tiktok.identities import LinePrice
from tiktok_ns_pipeline.tiktok.return_models import Return

APPROVED, SHIPPED = "AWAITING_BUYER_SHIP", "BUYER_SHIPPED_ITEM"
REJECTED = "REFUND_OR_RETURN_REQUEST_REJECT"
BY_RETURN = {"return_tracking_number": "RT1"}
SHIPPING = {"original_shipping_fee": "4.99"}


def steps(credit: Credit) -> dict[str, D]:
    return {step.name: step.amount for step in credit.explanation}


def causes(problems: tuple[Problem, ...]) -> list[tuple[str, str]]:
    return [(problem.kind, problem.cause) for problem in problems]


class TestGoodsThatComeBack:
    def test_an_approved_return_becomes_an_authorization_of_its_lines_alone(self) -> None:
        sold = Sold.of(units("10.00", "25.50"))
        [made] = sold.do(a_return(sold.raw, {1: None}, status=APPROVED)).documents
        assert isinstance(made, ReturnAuthorization)
        assert made.external_id == "tts-us-ra-4040000000000000001"
        assert [(line.order_line, line.quantity, line.amount) for line in made.lines] == [(2, 1, D("25.50"))]
        [line] = sold.authorization("4040000000000000001")["item"]["items"]
        assert (line["orderLine"], line["quantity"], line["amount"]) == (2, 1, D("25.50"))

    def test_its_refund_is_credited_of_the_authorization(self) -> None:
        sold = Sold.of(units("10.00", "25.50"))
        sold.do(a_return(sold.raw, {1: None}, status=APPROVED))
        sold.receive("4040000000000000001")
        credit = credit_in(sold.do(a_return(sold.raw, {1: None}, **BY_RETURN)))
        assert (credit.record_type, credit.of_return, credit.account_id) == ("cashRefund", True, "125")
        assert sold.credited == D("25.50")
        assert sold.authorization("4040000000000000001")["status"]["id"] == "G"

    def test_some_units_of_a_line_come_back(self) -> None:
        sold = Sold.of(same(3, "10.00"))
        credit = credit_in(sold.do(a_return(sold.raw, {0: None, 2: None}, **BY_RETURN)))
        assert [(line.quantity, line.amount) for line in credit.lines] == [(2, D("20.00"))]

    def test_an_invoice_is_credited_by_a_credit_memo_that_pays_no_other_order(self) -> None:
        sold = Sold.of(units("12.00"), shop="uk")
        credit = credit_in(sold.do(a_return(sold.raw, {0: None}, **BY_RETURN)))
        assert (credit.record_type, credit.account_id) == ("creditMemo", None)
        assert credit.external_id == "tts-uk-cm-4040000000000000001"
        [memo] = sold.credits()
        assert memo["total"] == memo["amountRemaining"] == D("12.00")

    def test_the_receipt_is_the_warehouses_unless_it_is_mapped(self) -> None:
        watched = Sold.of(units("10.00"))
        raw = a_return(watched.raw, {0: None}, **BY_RETURN)
        assert not any(isinstance(one, ItemReceipt) for one in watched.do(raw).documents)

        made = Sold.of(units("10.00"), refunds={"receipt": "make"})
        assert [one.kind for one in made.do(raw).documents] == ["ra", "ir", "credit"]
        assert len(list(made.books.records("itemReceipt"))) == 1

    def test_a_quick_refund_says_nothing_about_where_the_goods_are(self) -> None:
        sold = Sold.of(units("10.00"), refunds={"receipt": "make"})
        raw = a_return(sold.raw, {0: None}, is_quick_refund=True, **BY_RETURN)
        assert [one.kind for one in sold.do(raw).documents] == ["ra", "credit"]

    @pytest.mark.parametrize("ended", [{"status": REJECTED}, {"next_return_id": "4040000000000000002"}])
    def test_a_return_that_ends_or_is_edited_closes_its_authorization(self, ended: Any) -> None:
        sold = Sold.of(units("10.00"))
        sold.do(a_return(sold.raw, {0: None}, status=APPROVED))
        [closed] = sold.do(a_return(sold.raw, {0: None}, **{"status": APPROVED, **ended})).documents
        assert isinstance(closed, ReturnAuthorization) and closed.is_closed
        assert sold.authorization("4040000000000000001")["status"]["id"] == "H"
        assert not sold.credits()

    def test_a_replacement_moves_goods_and_no_money(self) -> None:
        sold = Sold.of(units("10.00"))
        raw = a_return(
            sold.raw, {0: None}, kind="REPLACEMENT", status="REPLACEMENT_REQUEST_COMPLETE", **BY_RETURN
        )
        [made] = sold.do(raw).documents
        assert isinstance(made, ReturnAuthorization)
        assert [(line.quantity, line.amount) for line in made.lines] == [(1, D(0))]

    def test_amounts_that_changed_after_the_approval_are_credited_beside_it(self) -> None:
        sold = Sold.of(units("10.00"), shipping=SHIPPING, mapping=_seller_ships())
        sold.do(a_return(sold.raw, {0: None}, status=APPROVED))
        credit = credit_in(sold.do(a_return(sold.raw, {0: None}, shipping="4.99", **BY_RETURN)))
        assert not credit.of_return
        assert sold.credited == D("14.99")
        [closed] = sold.decide(a_return(sold.raw, {0: None}, shipping="4.99", **BY_RETURN)).documents
        assert isinstance(closed, ReturnAuthorization) and closed.is_closed
        assert sold.authorization("4040000000000000001")["status"]["id"] == "H"


class TestMoneyAlone:
    @pytest.mark.parametrize(
        "how", [{"kind": REFUND}, {"kind": RETURN, "can_buyer_keep_item": True}], ids=["refund", "keeps it"]
    )
    def test_it_stands_alone_and_moves_no_stock(self, how: Any) -> None:
        sold = Sold.of(units("10.00"))
        [credit] = sold.do(a_return(sold.raw, {0: None}, **how)).documents
        assert isinstance(credit, Credit)
        assert not credit.of_return
        assert [(line.item_id, line.quantity, line.amount) for line in credit.lines] == [
            ("907", None, D("10.00"))
        ]

    def test_a_part_of_the_price_takes_that_part_of_what_was_billed_and_of_its_tax(self) -> None:
        sold = Sold.of(units("12.00"), shop="uk")
        credit = credit_in(sold.do(a_return(sold.raw, {0: "3.00"}, kind=REFUND)))
        assert [(line.amount, line.tax) for line in credit.lines] == [(D("2.50"), D("0.50"))]

    def test_an_accepted_offer_is_what_the_buyer_gets(self) -> None:
        sold = Sold.of(units("12.00"))
        offer: Any = {
            "seller_proposed_return_type": "PARTIAL_REFUND",
            "partial_refund": {"amount": "5", "currency": "USD"},
        }
        assert credit_in(sold.decide(a_return(sold.raw, {0: None}, **offer))).expected_total == D(5)
        refused = a_return(sold.raw, {0: None}, **offer, buyer_rejected_partial_refund=True)
        assert credit_in(sold.decide(refused)).expected_total == D(12)

    def test_shipping_is_given_back_by_its_own_line(self) -> None:
        sold = Sold.of(units("10.00"), shipping=SHIPPING, mapping=_seller_ships())
        credit = credit_in(sold.do(a_return(sold.raw, {0: None}, kind=REFUND, shipping="2.00")))
        assert {line.item_id: line.amount for line in credit.lines} == {"907": D(10), "901": D(2)}

    def test_several_refunds_of_one_unit_end_at_what_was_billed(self) -> None:
        sold = Sold.of(units("9.99"), shop="uk")
        for number, amount in enumerate(["3.33", "3.33", "3.33"]):
            sold.do(a_return(sold.raw, {0: amount}, kind=REFUND, return_id=f"404000000000000000{number}"))
        assert sold.credited == sold.billed == D("9.99")


class TestTheSellersSide:
    def test_the_platforms_discount_is_taken_back_with_the_goods(self) -> None:
        sold = Sold.of([unit("SKU-001", "30", off="5", platform_off="4")])
        credit = credit_in(sold.do(a_return(sold.raw, {0: None}, kind=REFUND, tax="1.73")))
        assert credit.expected_total == D(25)
        assert steps(credit) == {
            "refunded_to_buyer": D("22.73"),
            "tax_collected_by_channel": D("-1.73"),
            "platform_discount": D(4),
        }

    def test_shipping_that_was_never_billed_is_the_channels(self) -> None:
        sold = Sold.of(units("10.00"), shipping=SHIPPING)
        credit = credit_in(sold.do(a_return(sold.raw, {0: None}, kind=REFUND, shipping="4.99")))
        assert steps(credit) == {"refunded_to_buyer": D("14.99"), "shipping_not_billed": D("-4.99")}

    def test_the_real_return_loses_the_seller_what_both_paid(self) -> None:
        ret = Return.parse(sample("real_vn_aftersales.json")["return"])
        [line] = ret.lines
        price = LinePrice(D(839468), D(335787), D(14000))
        claim = claim_of_return(ret, sandbox_mapping().shops["vn"], {line.line_id: price})
        assert isinstance(claim, Claim)
        assert claim.goods == {line.line_id: D(489681)} == {line.line_id: price.paid_by_buyer}
        assert (claim.brings_goods, claim.has_arrived, claim.tax_on_top) == (True, False, 0)


class TestWhatCannotBe:
    def test_more_than_was_paid_is_refused(self) -> None:
        sold = Sold.of(units("10.00"))
        decision = sold.decide(a_return(sold.raw, {0: "10.01"}, kind=REFUND))
        assert causes(decision.problems) == [("refund_exceeds_bill", "larger")]
        assert "0.01 USD more" in decision.problems[0].message
        assert not decision.documents

    def test_or_goes_to_the_account_that_the_mapping_names(self) -> None:
        larger = {"policy": "account", "account_id": "58"}
        sold = Sold.of(units("10.00"), refunds={"larger_than_billed": larger})
        excess, credit = sold.do(a_return(sold.raw, {0: "12.50"}, kind=REFUND)).documents
        assert isinstance(excess, Excess) and isinstance(credit, Credit)
        assert (excess.amount, excess.account_id, excess.clearing_account_id) == (D("2.50"), "58", "125")
        assert sold.credited == D(10)
        assert steps(credit)["beyond_billed"] == D("-2.50")
        assert sold.decide(a_return(sold.raw, {0: "12.50"}, kind=REFUND)).documents == (excess,)

    def test_the_same_unit_is_refunded_once(self) -> None:
        sold = Sold.of(units("10.00"))
        sold.do(a_return(sold.raw, {0: None}, kind=REFUND))
        again = sold.decide(a_return(sold.raw, {0: None}, kind=REFUND, return_id="4040000000000000002"))
        assert causes(again.problems) == [("refund_exceeds_bill", "larger")]

    def test_what_never_left_needs_no_document(self) -> None:
        sold = Sold.of(units("10.00"), shipped=False)
        decision = sold.decide(a_return(sold.raw, {0: None}, kind=REFUND))
        assert not decision.documents and not decision.problems
        assert "reduced or closed" in decision.nothing

    def test_what_left_and_is_not_billed_waits_a_day_for_its_bill(self) -> None:
        sold = Sold.of(units("10.00"), billed=False)
        raw = a_return(sold.raw, {0: None}, kind=REFUND)
        assert "not billed yet" in sold.decide(raw, now=later(0.5)).waiting
        assert causes(sold.decide(raw, now=later(2)).problems) == [("refund_unbilled", "unbilled")]

    def test_another_credit_of_the_order_stops_it(self) -> None:
        sold = Sold.of(units("10.00"))
        raw = a_return(sold.raw, {0: None}, kind=REFUND)
        sold.foreign = [ForeignCredit("77001", "CR10077", D(10))]
        assert causes(sold.decide(raw).problems) == [("credited_twice", "not_made")]
        sold.foreign = []
        sold.do(raw)
        sold.foreign = [ForeignCredit("77001", "CR10077", D(10))]
        assert causes(sold.decide(raw).problems) == [("credited_twice", "made")]

    def test_a_unit_that_no_line_stands_for(self) -> None:
        sold = Sold.of(units("10.00"))
        strange = {**sold.raw, "line_items": [{**sold.raw["line_items"][0], "id": "57709000000000099999"}]}
        raw = a_return(strange, {0: None}, kind=REFUND)
        assert sold.decide(raw).waiting == "the price of unit 57709000000000099999 is not known yet"

    def test_a_shut_month_moves_the_credit_and_not_its_true_day(self) -> None:
        sold = Sold.of(units("10.00"))
        july = Period("Jul 2026", date(2026, 7, 1), date(2026, 7, 31), is_open=True)
        raw = a_return(sold.raw, {0: None}, kind=REFUND)
        credit = credit_in(sold.decide(raw, periods=Periods([july])))
        assert (credit.refunded_on, credit.tran_date) == (date(2026, 6, 15), date(2026, 7, 1))
        assert credit.memo.endswith("refunded on 2026-06-15 (that period is closed)")
        assert causes(sold.decide(raw, periods=Periods([])).problems) == [("no_open_period", "2026-06")]

    @pytest.mark.parametrize(
        ("change", "cause"),
        [
            ({"return_status": "SOMETHING_NEW"}, "unknown:status"),
            ({"return_type": "EXCHANGE"}, "unknown:type"),
            ({"return_line_items": []}, "no_lines"),
            ({"refund_amount": {"currency": "GBP"}}, "currency"),
        ],
    )
    def test_what_nobody_documented_parks_that_return_alone(self, change: Any, cause: str) -> None:
        sold = Sold.of(units("10.00"))
        ret = Return.parse(a_return(sold.raw, {0: None}) | change)
        problem = claim_of_return(ret, sold.shop, {})
        assert isinstance(problem, Problem)
        assert (problem.kind, problem.cause) == ("malformed_return", cause)


class TestTime:
    def test_a_request_is_told_before_tiktok_answers_it(self) -> None:
        sold = Sold.of(units("10.00"))
        raw = a_return(sold.raw, {0: None}, status="RETURN_OR_REFUND_REQUEST_PENDING")
        deadline = NOW + timedelta(hours=30)
        quiet = sold.decide(raw, answer_by=deadline, must_answer=True)
        assert not quiet.problems and quiet.look_again_at == NOW + timedelta(hours=6)
        [problem] = sold.decide(raw, now=later(6), answer_by=deadline, must_answer=True).problems
        assert (problem.kind, problem.due_at) == ("return_needs_answer", deadline)

    def test_goods_may_be_on_their_way_for_a_month_after_the_refund(self) -> None:
        sold = Sold.of(units("10.00"))
        raw = a_return(sold.raw, {0: None}, **BY_RETURN)
        sold.do(raw)
        assert sold.decide(raw, now=later(29)).look_again_at == later(30)
        assert causes(sold.decide(raw, now=later(30)).problems) == [
            ("refund_without_goods", "on_its_way:refunded")
        ]
        sold.receive("4040000000000000001")
        assert not sold.decide(raw, now=later(30)).problems

    def test_goods_that_are_back_may_be_without_a_refund_for_a_week(self) -> None:
        sold = Sold.of(units("10.00"))
        raw = a_return(sold.raw, {0: None}, status=SHIPPED, **BY_RETURN)
        sold.do(raw)
        sold.receive("4040000000000000001", REFUNDED_AT)
        assert not sold.decide(raw, now=later(6)).problems
        assert causes(sold.decide(raw, now=later(7)).problems) == [
            ("goods_without_refund", "received:promised")
        ]

    def test_a_refund_that_is_taken_back_after_its_credit(self) -> None:
        sold = Sold.of(units("10.00"))
        sold.do(a_return(sold.raw, {0: None}, kind=REFUND))
        back = a_return(
            sold.raw, {0: None}, kind=REFUND, status=REJECTED, arbitration_status="SUPPORT_SELLER"
        )
        decision = sold.decide(back)
        assert causes(decision.problems) == [("refund_reversed", "kept_by_buyer:reversed")]
        assert not decision.documents


def test_an_order_that_was_cancelled_after_it_left_is_credited_whole() -> None:
    sold = Sold.of(units("10.00", "5.00"), shipping=SHIPPING, mapping=_seller_ships())
    cancellation = Cancellation.parse(
        {
            "cancel_id": "4050000000000000001",
            "order_id": sold.raw["id"],
            "cancel_status": "CANCELLATION_REQUEST_COMPLETE",
            "update_time": int(REFUNDED_AT.timestamp()),
        }
    )
    ids = [one["id"] for one in sold.raw["line_items"]]
    claim = claim_of_cancellation(cancellation, sold.shop, ids, whole=True)
    decision = sold.decide_claim(claim, "on_its_way", "refunded")
    assert [one.kind for one in decision.documents] == ["ra", "credit"]
    assert credit_in(decision).expected_total == sold.billed == D("19.99")


def _seller_ships() -> Any:
    return with_shop("us", shipping={"item_id": "901", "when_tiktok_ships": "include"})
