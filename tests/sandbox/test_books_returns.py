"""Return authorizations, receipts, credit memos and cash refunds (N 2.8, 2.12, 5.7)."""

from decimal import Decimal as D
from typing import Any

import pytest

from tests.sandbox.money_documents import (
    CLEARING,
    DISCOUNT,
    RECEIVABLE,
    SHIPPING,
    Sale,
    applies,
    balance,
    items,
    ledger,
    take,
)
from tests.sandbox.netsuite_account import account, customer, fields_of, line, order
from tiktok_ns_pipeline.sandbox.books import BookError, Books

PATHS = pytest.mark.parametrize(("bill", "credit"), [("invoice", "creditMemo"), ("cashSale", "cashRefund")])


def amounts(sale: Sale, kind: str, identifier: str) -> dict[int, D]:
    """Amounts of a follow-up document by the line it came from."""
    return {one["orderLine"]: one["amount"] for one in sale.fields(kind, identifier)["item"]}


def alone(books: Books, kind: str, *lines: dict[str, Any], **fields: Any) -> str:
    entity = fields.pop("entity", None) or customer(books)
    return books.create(kind, {"entity": {"id": entity}, **items(*lines), **fields}).id


class TestAuthorization:
    @pytest.mark.parametrize("source", ["salesOrder", "invoice"])
    def test_it_takes_what_is_said_of_each_line(self, source: str) -> None:
        sale = Sale(line("301", 3), SHIPPING, DISCOUNT)
        made = sale.returned(take(1, 1), take(2, 0), take(3, amount=D("-1.00")), source=source)
        shown = sale.fields("returnAuthorization", made)
        assert (shown["status"], shown["total"]) == ("B", D("9.00"))
        assert amounts(sale, "returnAuthorization", made) == {1: D("10.00"), 3: D("-1.00")}

    def test_lines_that_are_not_mentioned_come_whole(self) -> None:
        sale = Sale(line("301", 3), SHIPPING)
        made = sale.returned(take(1, 1))
        assert amounts(sale, "returnAuthorization", made) == {1: D("10.00"), 2: D("4.99")}

    def test_it_waits_for_approval_unless_told_otherwise(self) -> None:
        sale = Sale()
        made = sale.returned(state="A")
        with pytest.raises(BookError, match="can not initialize"):
            sale.received(made)
        sale.books.patch("returnAuthorization", made, {"orderStatus": {"id": "B"}})
        assert sale.status("returnAuthorization", made) == "B"

    def test_never_more_than_what_is_left(self) -> None:
        sale = Sale()
        sale.returned(take(1, 2))
        with pytest.raises(BookError, match="Line 1 has 1 to return, not 2"):
            sale.returned(take(1, 2))
        # The bill is another way to the same pieces.
        with pytest.raises(BookError, match="has less left"):
            sale.returned(take(1, 2), source="invoice")
        sale.returned(take(1, 1), source="invoice")
        with pytest.raises(BookError, match="at least one valid line"):
            sale.returned()

    def test_what_was_shipped_can_be_returned_before_it_is_billed(self) -> None:
        sale = Sale(bill="")
        assert sale.status("returnAuthorization", sale.returned(take(1, 1))) == "B"

    def test_an_order_that_has_not_left_has_nothing_to_return(self) -> None:
        books = account()
        with pytest.raises(BookError, match="can not initialize"):
            books.transform("salesOrder", order(books), "returnAuthorization", {})

    def test_closing_gives_back_what_never_came(self) -> None:
        sale = Sale()
        made = sale.returned(take(1, 3))
        sale.received(made, take(1, 1))
        sale.books.patch("returnAuthorization", made, items({"line": 1, "isClosed": True}))
        assert sale.status("returnAuthorization", made) == "F"
        sale.credited("returnAuthorization", made)
        assert sale.status("returnAuthorization", made) == "H"
        again = sale.returned(take(1, 2))
        with pytest.raises(BookError, match="has less left"):
            sale.books.patch("returnAuthorization", made, items({"line": 1, "isClosed": False}))
        sale.books.delete("returnAuthorization", again)
        sale.books.patch("returnAuthorization", made, items({"line": 1, "isClosed": False}))
        assert sale.status("returnAuthorization", made) == "D"

    def test_its_lines_can_only_be_closed(self) -> None:
        sale = Sale()
        made = sale.returned(take(1, 1))
        with pytest.raises(BookError, match="can only be closed"):
            sale.books.patch("returnAuthorization", made, items({"line": 1, "quantity": 2}))


class TestReceipt:
    def test_the_states_of_a_return(self) -> None:
        sale = Sale(line("301", 2), line("302", 1))
        made = sale.returned()
        seen = [sale.status("returnAuthorization", made)]
        for step in (
            lambda: sale.received(made, take(1, 1), take(2, 0)),
            lambda: sale.credited("returnAuthorization", made, take(1, 1), take(2, 0)),
            lambda: sale.received(made),
            lambda: sale.credited("returnAuthorization", made),
        ):
            step()
            seen.append(sale.status("returnAuthorization", made))
        assert seen == ["B", "E", "D", "F", "G"]

    def test_restocked_goods_lie_on_the_shelf_again_and_others_do_not(self) -> None:
        sale = Sale()
        made = sale.returned()
        sale.received(made, take(1, 1, location={"id": "7"}))
        sale.received(made, take(1, 1, restock=False))
        books = sale.books
        assert (books.stock("301", "7").on_hand, books.stock("301", "6").on_hand) == (5_001, 4_997)

    def test_a_kit_comes_back_as_its_members(self) -> None:
        sale = Sale(line("350", 2))
        receipt = sale.received(sale.returned(take(1, 1)))
        books = sale.books
        assert (books.stock("301", "6").on_hand, books.stock("302", "6").on_hand) == (4_999, 4_998)
        books.delete("itemReceipt", receipt)
        assert (books.stock("301", "6").on_hand, books.stock("302", "6").on_hand) == (4_998, 4_996)

    def test_packs_come_back_in_pieces(self) -> None:
        sale = Sale(line("301", 2, "60.00", units="2"))
        receipt = sale.received(sale.returned(take(1, 1)))
        assert sale.books.stock("301", "6").on_hand == 4_994
        assert ledger(sale.books, receipt) == {"213": 24, "212": -24}

    def test_no_more_is_received_than_was_authorized(self) -> None:
        sale = Sale()
        made = sale.returned(take(1, 1))
        with pytest.raises(BookError, match="Invalid Field Value 2"):
            sale.received(made, take(1, 2))
        receipt = sale.received(made)
        with pytest.raises(BookError, match="can not initialize"):
            sale.received(made)
        with pytest.raises(BookError, match="dependent"):
            sale.books.delete("returnAuthorization", made)
        sale.books.delete("itemReceipt", receipt)
        assert sale.status("returnAuthorization", made) == "B"

    def test_credit_before_receipt_is_the_accounts_choice(self) -> None:
        sale = Sale()
        sale.books.refund_in_advance(False)
        made = sale.returned()
        with pytest.raises(BookError, match="at least one valid line"):
            sale.credited("returnAuthorization", made)
        receipt = sale.received(made, take(1, 2))
        credit = sale.credited("returnAuthorization", made)
        assert amounts(sale, "creditMemo", credit) == {1: D("20.00")}
        with pytest.raises(BookError, match="dependent"):
            sale.books.delete("itemReceipt", receipt)
        sale.books.refund_in_advance(True)
        sale.credited("returnAuthorization", made)
        assert sale.status("returnAuthorization", made) == "D"


class TestCredit:
    @PATHS
    def test_thirds_of_a_line_are_credited_to_the_cent(self, bill: str, credit: str) -> None:
        sale = Sale(line("301", 3, None, amount=D("10.00")), bill=bill)
        made = sale.returned()
        sale.received(made)
        shares = [
            amounts(sale, credit, sale.credited("returnAuthorization", made, take(1, 1)))[1] for _ in range(3)
        ]
        assert (shares, sum(shares)) == ([D("3.33"), D("3.34"), D("3.33")], D("10.00"))
        with pytest.raises(BookError, match="can not initialize"):
            sale.credited("returnAuthorization", made)

    @PATHS
    def test_a_bill_is_credited_once(self, bill: str, credit: str) -> None:
        sale = Sale(line("301", 3), SHIPPING, bill=bill)
        first = sale.credited(bill, sale.bill, {"line": 1, "quantity": D(1)}, take(2, 1))
        assert amounts(sale, credit, first) == {1: D("10.00"), 2: D("4.99")}
        with pytest.raises(BookError, match="Line 1 has 2 to credit, not 3"):
            sale.credited(bill, sale.bill, take(1, 3))
        with pytest.raises(BookError, match="Line 1 has 2 to return, not 3"):
            sale.returned(take(1, 3))
        sale.credited(bill, sale.bill)
        with pytest.raises(BookError, match="at least one valid line"):
            sale.credited(bill, sale.bill)
        sale.books.delete(credit, first)
        sale.returned(take(1, 1), take(2, 0))

    @PATHS
    def test_what_is_credited_of_a_return_cannot_be_credited_of_the_bill(
        self, bill: str, credit: str
    ) -> None:
        sale = Sale(bill=bill)
        sale.credited("returnAuthorization", sale.returned(take(1, 2)))
        with pytest.raises(BookError, match="has less left"):
            sale.credited(bill, sale.bill, take(1, 2))
        sale.credited(bill, sale.bill, take(1, 1))

    def test_what_was_shipped_and_not_billed_is_received_but_not_credited(self) -> None:
        sale = Sale(bill="")
        sale.bill_type = "invoice"
        made = sale.returned()
        sale.received(made)
        with pytest.raises(BookError, match="has less left"):
            sale.credited("returnAuthorization", made)
        sale.billed()
        sale.credited("returnAuthorization", made)

    def test_more_than_the_amount_of_a_line_is_refused(self) -> None:
        sale = Sale()
        with pytest.raises(BookError, match=r"Invalid Field Value 30\.01"):
            sale.credited("invoice", sale.bill, take(1, amount=D("30.01")))

    @PATHS
    def test_shares_of_a_discount_are_credited_by_amount(self, bill: str, credit: str) -> None:
        sale = Sale(line("301", 3), DISCOUNT, bill="")
        sale.bill_type = bill
        sale.bill = sale.billed(**items(take(1, 2), take(2, amount=D("-2.00"))))
        first = sale.credited(bill, sale.bill, take(1, 1), take(2, amount=D("-0.99")))
        assert amounts(sale, credit, first) == {1: D("10.00"), 2: D("-0.99")}
        with pytest.raises(BookError, match=r"Invalid Field Value -1\.02"):
            sale.credited(bill, sale.bill, take(1, 1), take(2, amount=D("-1.02")))
        rest = sale.credited(bill, sale.bill)
        assert amounts(sale, credit, rest) == {1: D("10.00"), 2: D("-1.01")}
        assert balance(sale.books, "54") == balance(sale.books, "56") == 0

    def test_a_bill_with_credits_stays(self) -> None:
        sale = Sale()
        sale.credited("returnAuthorization", sale.returned(take(1, 1)))
        with pytest.raises(BookError, match="dependent"):
            sale.books.delete("invoice", sale.bill)

    def test_tax_comes_back_with_its_line(self) -> None:
        books = account()
        sale = Sale(
            line("301", 3, None, amount=D("10.00"), location={"id": "9"}),
            books=books,
            customer_id=customer(books, "2"),
        )
        made = sale.returned()
        taxes = [
            sale.fields("creditMemo", sale.credited("returnAuthorization", made, take(1, 1)))["taxTotal"]
            for _ in range(3)
        ]
        assert (taxes, sum(taxes)) == ([D("0.67"), D("0.67"), D("0.66")], D("2.00"))
        assert (balance(books, "220"), balance(books, RECEIVABLE)) == (0, 0)

    def test_a_cash_refund_leaves_the_account_of_its_sale(self) -> None:
        sale = Sale(line("301", 3), SHIPPING, DISCOUNT, bill="cashSale")
        assert balance(sale.books, CLEARING) == D("31.99")
        refund = sale.books.transform("cashSale", sale.bill, "cashRefund", items(take(1, 1))).id
        assert ledger(sale.books, refund) == {CLEARING: D("-11.99"), "54": 10, "55": D("4.99"), "56": -3}
        assert balance(sale.books, CLEARING) == 20

    def test_the_kind_of_credit_follows_the_kind_of_bill(self) -> None:
        sale = Sale(bill="cashSale")
        with pytest.raises(BookError, match="can not initialize"):
            sale.books.transform("cashSale", sale.bill, "creditMemo", {})
        with pytest.raises(BookError, match="can not initialize"):
            sale.books.transform("salesOrder", sale.order, "cashRefund", {"account": {"id": CLEARING}})
        with pytest.raises(BookError, match="Account"):
            sale.books.transform("returnAuthorization", sale.returned(), "cashRefund", {})

    @pytest.mark.parametrize(
        ("state", "says"), [("closed", "period"), ("locked", "period"), ("receivables locked", "period")]
    )
    @PATHS
    def test_a_shut_month_takes_no_credit_and_gives_none_back(
        self, bill: str, credit: str, state: Any, says: str
    ) -> None:
        sale = Sale(bill=bill)
        made = sale.credited(bill, sale.bill, take(1, 1))
        sale.books.set_period("Jun 2026", state)
        with pytest.raises(BookError, match=says):
            sale.credited(bill, sale.bill, take(1, 1))
        with pytest.raises(BookError, match=says):
            sale.books.delete(credit, made)
        sale.credited(bill, sale.bill, take(1, 1), tranDate="2026-07-01")


class TestMadeAlone:
    def test_money_without_goods_by_the_refund_and_the_shipping_item(self) -> None:
        books = account()
        lines = (line("907", 1, "3.50", location=None), line("901", 1, "4.99", location=None))
        made = alone(books, "cashRefund", *lines, account={"id": CLEARING}, externalId="tts-us-cr-1")
        assert ledger(books, made) == {CLEARING: D("-8.49"), "58": D("3.50"), "55": D("4.99")}
        with pytest.raises(BookError, match="already exists"):
            alone(
                books, "creditMemo", *lines, entity=customer(books, companyName="B"), externalId="TTS-US-CR-1"
            )

    def test_a_credit_memo_is_open_until_it_is_used(self) -> None:
        books = account()
        made = alone(books, "creditMemo", line("907", 1, "3.50", location=None))
        shown = fields_of(books, "creditMemo", made)
        assert (shown["status"], shown["amountRemaining"], shown["applied"]) == ("A", D("3.50"), 0)
        assert balance(books, RECEIVABLE) == D("-3.50")

    def test_a_return_without_an_order(self) -> None:
        books = account()
        made = alone(books, "returnAuthorization", line("301", 2), orderStatus={"id": "B"})
        books.transform("returnAuthorization", made, "itemReceipt", {})
        credit = books.transform("returnAuthorization", made, "creditMemo", {}).id
        assert fields_of(books, "creditMemo", credit)["total"] == 20
        assert fields_of(books, "returnAuthorization", made)["status"] == "G"

    def test_a_negative_credit_is_refused(self) -> None:
        with pytest.raises(BookError, match="cannot be negative"):
            alone(account(), "creditMemo", line("902", None, "-1", location=None))


class TestApplying:
    def test_a_credit_of_an_invoice_lowers_it_at_once(self) -> None:
        sale = Sale()
        credit = sale.credited("invoice", sale.bill, take(1, 1))
        assert (sale.open_amount(), sale.status("creditMemo", credit)) == (20, "B")
        sale.books.delete("creditMemo", credit)
        assert (sale.open_amount(), sale.status("invoice", sale.bill)) == (30, "A")

    def test_a_credit_of_an_invoice_stays_open_when_nothing_is_to_be_applied(self) -> None:
        sale = Sale()
        credit = sale.credited("invoice", sale.bill, take(1, 1), autoApply=False)
        assert (sale.open_amount(), sale.status("creditMemo", credit)) == (30, "A")

    def test_a_credit_of_a_return_is_applied_where_it_is_said(self) -> None:
        sale = Sale()
        credit = sale.credited("returnAuthorization", sale.returned(take(1, 2)))
        assert (sale.open_amount(), sale.status("creditMemo", credit)) == (30, "A")
        for amount, left in (("4.00", 26), ("15.00", 15), (None, 15)):
            sale.books.patch("creditMemo", credit, applies({sale.bill: amount}))
            assert sale.open_amount() == left
        element = {"doc": {"id": sale.bill}, "apply": False}
        sale.books.patch("creditMemo", credit, {"apply": {"items": [element]}})
        assert (sale.open_amount(), sale.fields("creditMemo", credit)["unapplied"]) == (30, 20)
        sale.books.patch("creditMemo", credit, {"autoApply": True})
        assert (sale.open_amount(), sale.status("creditMemo", credit)) == (10, "B")

    @pytest.mark.parametrize("amount", ["20.01", "0", "-1"])
    def test_no_more_than_there_is_is_applied(self, amount: str) -> None:
        sale = Sale()
        credit = sale.credited("returnAuthorization", sale.returned(take(1, 2)))
        with pytest.raises(BookError):
            sale.books.patch("creditMemo", credit, applies({sale.bill: amount}))
        assert sale.open_amount() == 30
