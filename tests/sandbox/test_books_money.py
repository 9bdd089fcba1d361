"""Customer payments, customer refunds and bank deposits (N 5.6, 5.7, 5.9)."""

from decimal import Decimal as D
from typing import Any

import pytest

from tests.sandbox.money_documents import (
    BANK,
    CLEARING,
    FEES,
    RECEIVABLE,
    Sale,
    applies,
    balance,
    british,
    ledger,
    take,
)
from tests.sandbox.netsuite_account import account, customer, fields_of, line
from tiktok_ns_pipeline.sandbox.books import BookError, Books

# A sale in dollars of the British subsidiary, without tax.
DOLLARS: dict[str, Any] = {"currency": {"id": "1"}, "taxDetailsOverride": True, "taxDetails": {"items": []}}


def invoices(books: Books, entity: str, *amounts: str, **fields: Any) -> list[str]:
    """Invoices of one line each, made alone."""
    made: list[str] = []
    for amount in amounts:
        body = {
            "entity": {"id": entity},
            "item": {"items": [line("901", 1, amount, location=None)]},
            **fields,
        }
        made.append(books.create("invoice", body).id)
    return made


def pay(books: Books, entity: str, amounts: dict[str, str | None], **fields: Any) -> str:
    body = {"customer": {"id": entity}, "account": {"id": CLEARING}, **applies(amounts), **fields}
    return books.create("customerPayment", body).id


def refunded(books: Books, entity: str, amounts: dict[str, str | None], **fields: Any) -> str:
    body = {
        "customer": {"id": entity},
        "account": {"id": CLEARING},
        "paymentOption": {"id": "7"},
        **applies(amounts),
        **fields,
    }
    return books.create("customerRefund", body).id


def remaining(books: Books, identifier: str, kind: str = "invoice") -> D:
    return fields_of(books, kind, identifier)["amountRemaining"]


class TestPayment:
    def test_by_default_all_that_is_open_is_paid(self) -> None:
        sale = Sale()
        body = {"undepFunds": {"id": "false"}, "account": {"id": CLEARING}}
        made = sale.books.transform("invoice", sale.bill, "customerPayment", body).id
        assert (sale.open_amount(), sale.status("invoice", sale.bill)) == (0, "B")
        shown = sale.fields("customerPayment", made)
        assert (shown["total"], shown["unapplied"], shown["status"]) == (30, 0, "C")
        assert ledger(sale.books, made) == {CLEARING: 30, RECEIVABLE: -30}

    def test_in_parts_and_never_beyond(self) -> None:
        sale = Sale()
        first = sale.paid("12.34")
        assert (sale.open_amount(), sale.status("invoice", sale.bill)) == (D("17.66"), "A")
        with pytest.raises(BookError, match="field: amount"):
            sale.paid("17.67")
        sale.paid("17.66")
        with pytest.raises(BookError, match="can not initialize"):
            sale.paid()
        sale.books.delete("customerPayment", first)
        assert (sale.open_amount(), balance(sale.books, RECEIVABLE)) == (D("12.34"), D("12.34"))

    def test_a_paid_invoice_stays(self) -> None:
        sale = Sale()
        made = sale.paid("1")
        with pytest.raises(BookError, match="dependent"):
            sale.books.delete("invoice", sale.bill)
        sale.books.delete("customerPayment", made)
        sale.books.delete("invoice", sale.bill)

    def test_many_invoices_at_once(self) -> None:
        books = account()
        buyer = customer(books)
        first, second, third = invoices(books, buyer, "10", "20", "30")
        made = pay(books, buyer, {first: None, third: "5"})
        assert [remaining(books, one) for one in (first, second, third)] == [0, 20, 25]
        with pytest.raises(BookError, match="cannot exceed"):
            books.patch("customerPayment", made, applies({second: "20"}))
        books.patch("customerPayment", made, {"payment": D("36"), **applies({second: "20", third: "6"})})
        assert [remaining(books, one) for one in (first, second, third)] == [0, 0, 24]
        assert balance(books, CLEARING) == 36

    def test_what_is_paid_beyond_the_invoices_stays_with_the_customer(self) -> None:
        books = account()
        buyer = customer(books)
        [one] = invoices(books, buyer, "10")
        made = pay(books, buyer, {one: None}, payment=D("12"))
        assert fields_of(books, "customerPayment", made)["unapplied"] == 2
        assert balance(books, RECEIVABLE) == -2
        with pytest.raises(BookError, match="cannot exceed"):
            pay(books, buyer, {invoices(books, buyer, "10")[0]: "10"}, payment=D("9"))

    def test_the_oldest_are_paid_first_when_nobody_says(self) -> None:
        books = account()
        buyer = customer(books)
        first, second = invoices(books, buyer, "10", "20")
        pay(books, buyer, {}, payment=D("15"), autoApply=True)
        assert [remaining(books, one) for one in (first, second)] == [0, 15]

    def test_another_customers_invoice_or_another_document_cannot_be_paid(self) -> None:
        books = account()
        buyer = customer(books)
        [foreign] = invoices(books, customer(books, companyName="Other"), "10")
        for wrong in (foreign, Sale(books=books).order):
            with pytest.raises(BookError, match="field: doc"):
                pay(books, buyer, {wrong: None})
        with pytest.raises(BookError, match="greater than zero"):
            pay(books, buyer, {})

    @pytest.mark.parametrize("wrong", ["126", "129"])
    def test_the_account_fits_subsidiary_and_currency(self, wrong: str) -> None:
        sale = Sale()
        with pytest.raises(BookError, match=f"Value {wrong}"):
            sale.paid(account={"id": wrong})

    @pytest.mark.parametrize("state", ["receivables locked", "closed"])
    def test_a_shut_month_takes_no_payment_and_gives_none_back(self, state: Any) -> None:
        sale = Sale()
        made = sale.paid("10")
        sale.books.set_period("Jun 2026", state)
        for action in (
            lambda: sale.paid("1"),
            lambda: sale.books.delete("customerPayment", made),
            lambda: sale.books.patch("customerPayment", made, applies({sale.bill: "9"})),
        ):
            with pytest.raises(BookError, match="accounting period"):
                action()
        sale.books.patch("customerPayment", made, {"memo": "for the auditors"})
        assert sale.open_amount() == 20

    def test_a_payment_at_another_rate_realizes_the_difference(self) -> None:
        books = account()
        buyer = british(books)
        [one] = invoices(books, buyer, "30.01", exchangeRate=D("0.80"), **DOLLARS)
        assert balance(books, RECEIVABLE) == D("24.01")
        into = {"account": {"id": "131"}, "currency": {"id": "1"}}
        paid = [
            pay(books, buyer, {one: amount}, exchangeRate=D("0.75"), **into)
            for amount in ("10.01", "10", None)
        ]
        assert ledger(books, paid[0]) == {"131": D("7.51"), RECEIVABLE: D("-8.01"), "660": D("0.50")}
        assert balance(books, RECEIVABLE) == 0
        assert balance(books, "660") == D("24.01") - balance(books, "131")


class TestCustomerRefund:
    def credit(self, books: Books, buyer: str, amount: str = "10", **fields: Any) -> str:
        lines = {"item": {"items": [line("907", 1, amount, location=None)]}}
        return books.create("creditMemo", {"entity": {"id": buyer}, **lines, **fields}).id

    def test_it_pays_credit_memos_out_of_an_account(self) -> None:
        books = account()
        buyer = customer(books)
        credit = self.credit(books, buyer)
        made = refunded(books, buyer, {credit: "4"})
        assert ledger(books, made) == {CLEARING: -4, RECEIVABLE: 4}
        shown = fields_of(books, "creditMemo", credit)
        assert (shown["amountRemaining"], shown["applied"], shown["status"]) == (6, 4, "A")
        refunded(books, buyer, {credit: None})
        assert fields_of(books, "creditMemo", credit)["status"] == "B"
        with pytest.raises(BookError, match="field: amount"):
            refunded(books, buyer, {credit: "0.01"})
        assert (balance(books, RECEIVABLE), balance(books, CLEARING)) == (0, -10)

    def test_a_credit_is_used_once_by_whomever(self) -> None:
        books = account()
        buyer = customer(books)
        [invoice], credit = invoices(books, buyer, "10"), self.credit(books, buyer)
        books.patch("creditMemo", credit, applies({invoice: "7"}))
        with pytest.raises(BookError, match="field: amount"):
            refunded(books, buyer, {credit: "3.01"})
        made = refunded(books, buyer, {credit: "3"})
        with pytest.raises(BookError, match="cannot exceed"):
            books.patch("creditMemo", credit, applies({invoice: "8"}))
        with pytest.raises(BookError, match="dependent"):
            books.delete("creditMemo", credit)
        books.delete("customerRefund", made)
        books.delete("creditMemo", credit)
        assert (remaining(books, invoice), balance(books, RECEIVABLE)) == (10, 10)

    def test_it_pays_nothing_but_open_credits(self) -> None:
        books = account()
        buyer = customer(books)
        [invoice] = invoices(books, buyer, "10")
        with pytest.raises(BookError, match="field: doc"):
            refunded(books, buyer, {invoice: "1"})
        with pytest.raises(BookError, match="Account"):
            refunded(books, buyer, {self.credit(books, buyer): None}, account=None)

    def test_it_names_how_it_is_paid_and_an_account_that_holds_money(self) -> None:
        books = account()
        buyer = customer(books)
        credit = self.credit(books, buyer)
        with pytest.raises(BookError, match="Payment Option"):
            refunded(books, buyer, {credit: None}, paymentOption=None)
        with pytest.raises(BookError, match="field: account"):
            refunded(books, buyer, {credit: None}, account={"id": FEES})
        with pytest.raises(BookError, match="field: account"):
            pay(books, buyer, {invoices(books, buyer, "10")[0]: None}, account={"id": FEES})

    def test_receivables_come_out_even_whatever_the_rates(self) -> None:
        books = account()
        buyer = british(books)
        [invoice] = invoices(books, buyer, "7.77", exchangeRate=D("0.81"), **DOLLARS)
        credit = self.credit(books, buyer, "10.01", exchangeRate=D("0.77"), **DOLLARS)
        books.patch("creditMemo", credit, applies({invoice: "7.77"}))
        refunded(
            books, buyer, {credit: None}, account={"id": "131"}, exchangeRate=D("0.79"), currency={"id": "1"}
        )
        assert (remaining(books, invoice), remaining(books, credit, "creditMemo")) == (0, 0)
        assert balance(books, RECEIVABLE) == 0


class TestDeposit:
    def deposit(self, books: Books, **fields: Any) -> str:
        return books.create("deposit", {"account": {"id": BANK}, **fields}).id

    def other(self, *amounts: tuple[str, str], **fields: Any) -> dict[str, Any]:
        return {"items": [{"account": {"id": one}, "amount": D(amount), **fields} for one, amount in amounts]}

    def test_a_payout_with_its_fees(self) -> None:
        books = account()
        made = self.deposit(
            books,
            other=self.other((CLEARING, "1000"), (FEES, "-60"), refNum="3458"),
            cashback=self.other(("632", "27.60")),
            externalId="tts-us-dep-1",
        )
        assert fields_of(books, "deposit", made)["total"] == D("912.40")
        assert ledger(books, made) == {BANK: D("912.40"), CLEARING: -1000, FEES: 60, "632": D("27.60")}
        books.patch("deposit", made, {"other": {"items": [{"line": 1, "amount": D("990")}]}})
        assert balance(books, BANK) == D("902.40")
        books.delete("deposit", made)
        assert balance(books, CLEARING) == 0

    def test_undeposited_payments_are_deposited_once(self) -> None:
        sale = Sale()
        payment = sale.paid(account=None, undepFunds={"id": "true"})
        assert (sale.status("customerPayment", payment), balance(sale.books, "131")) == ("B", 30)
        taken = {"items": [{"id": int(payment), "deposit": True}]}
        made = self.deposit(sale.books, payment=taken, cashback=self.other((FEES, "5")))
        assert sale.status("customerPayment", payment) == "C"
        assert (balance(sale.books, BANK), balance(sale.books, "131")) == (25, 0)
        with pytest.raises(BookError, match="field: id"):
            self.deposit(sale.books, payment=taken)
        with pytest.raises(BookError, match="dependent"):
            sale.books.delete("customerPayment", payment)
        sale.books.delete("deposit", made)
        assert sale.status("customerPayment", payment) == "B"
        sale.books.delete("customerPayment", payment)

    @pytest.mark.parametrize(
        ("fields", "says"),
        [
            ({"account": {"id": CLEARING}}, "field: account"),
            ({"account": None}, "Account"),
            ({"currency": {"id": "2"}}, "field: currency"),
            ({"other": {"items": []}}, "at least one valid line"),
            ({"other": {"items": [{"account": {"id": CLEARING}, "amount": -1}]}}, "cannot be negative"),
            ({"other": {"items": [{"account": {"id": "126"}, "amount": 1}]}}, "Value 126"),
            ({"other": {"items": [{"amount": 1}]}}, "Account, Amount"),
            ({"tranDate": "2024-12-31"}, "accounting period"),
        ],
    )
    def test_a_bad_deposit_is_refused(self, fields: dict[str, Any], says: str) -> None:
        body = {"other": self.other((CLEARING, "1")), **fields}
        with pytest.raises(BookError, match=says):
            self.deposit(account(), **body)

    def test_its_rate_is_set_once(self) -> None:
        books = account()
        made = self.deposit(books, other=self.other((CLEARING, "1")))
        with pytest.raises(BookError, match="on create only"):
            books.patch("deposit", made, {"exchangeRate": D("1.1")})


def test_what_a_return_gives_back_is_paid_out_of_clearing() -> None:
    sale = Sale()
    sale.paid()
    credit = sale.credited("returnAuthorization", sale.returned(take(1, 1)))
    refunded(sale.books, sale.customer, {credit: None})
    assert (balance(sale.books, CLEARING), balance(sale.books, RECEIVABLE)) == (20, 0)
