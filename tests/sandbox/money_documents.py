"""Documents of money for tests: orders shipped and billed, journals, what is paid and given back."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal as D
from typing import Any

from tests.sandbox.netsuite_account import account, customer, fields_of, line, order, select
from tiktok_ns_pipeline.sandbox.books import Books

Json = dict[str, Any]

CLEARING, BANK, RECEIVABLE, FEES = "125", "128", "119", "631"
SHIPPING = line("901", 1, "4.99", location=None)
DISCOUNT = line("902", None, "-3.00", location=None)


class Sale:
    """One order of three pieces at 10.00 unless said otherwise, shipped and billed."""

    def __init__(
        self, *lines: Json, bill: str = "invoice", books: Books | None = None, **fields: Any
    ) -> None:
        self.books = books or account()
        self.order = order(self.books, *(lines or [line("301", 3)]), **fields)
        self.customer: str = fields_of(self.books, "salesOrder", self.order)["entity"]
        self.books.transform("salesOrder", self.order, "itemFulfillment", {"shipStatus": {"id": "C"}})
        self.bill_type = bill
        self.bill = self.billed() if bill else ""

    def billed(self, **fields: Any) -> str:
        """What is to be billed, as an invoice or a cash sale into clearing."""
        into = {"account": {"id": CLEARING}} if self.bill_type == "cashSale" else {}
        return self.books.transform("salesOrder", self.order, self.bill_type, {**into, **fields}).id

    def returned(self, *lines: Json, source: str = "salesOrder", state: str = "B", **fields: Any) -> str:
        """A return authorization of the order, or of its bill."""
        body = {"orderStatus": {"id": state}, **items(*lines), **fields}
        identifier = self.order if source == "salesOrder" else self.bill
        return self.books.transform(source, identifier, "returnAuthorization", body).id

    def received(self, return_id: str, *lines: Json) -> str:
        """A receipt of what a return authorization allows."""
        return self.books.transform("returnAuthorization", return_id, "itemReceipt", items(*lines)).id

    def credited(self, source_type: str, source: str, *lines: Json, **fields: Any) -> str:
        """A credit memo or cash refund, as the order was billed."""
        refund = self.bill_type == "cashSale"
        target = "cashRefund" if refund else "creditMemo"
        into = {"account": {"id": CLEARING}} if refund else {}
        return self.books.transform(source_type, source, target, {**into, **items(*lines), **fields}).id

    def fields(self, type_name: str, identifier: str) -> Json:
        """A record in plain form."""
        return fields_of(self.books, type_name, identifier)

    def status(self, type_name: str, identifier: str) -> str:
        """State of a record."""
        return self.fields(type_name, identifier)["status"]

    def open_amount(self) -> D:
        """What the invoice still has open."""
        return self.fields("invoice", self.bill)["amountRemaining"]

    def paid(self, amount: str | None = None, **fields: Any) -> str:
        """A payment of the invoice out of the clearing account."""
        element: Json = {"doc": {"id": self.bill}, "line": 0, "apply": True}
        if amount is not None:
            element["amount"] = D(amount)
        body = {"account": {"id": CLEARING}, "apply": {"items": [element]}, **fields}
        return self.books.transform("invoice", self.bill, "customerPayment", body).id


def items(*lines: Json) -> Json:
    """A body's lines; none where the defaults are to hold."""
    return {"item": {"items": list(lines)}} if lines else {}


def take(number: int, quantity: object = None, **fields: Any) -> Json:
    """A line of a follow-up document."""
    told = {} if quantity is None else {"quantity": D(str(quantity))}
    return {"orderLine": number, **told, **fields}


def side(account_id: str, debit: str | None = None, credit: str | None = None, **fields: Any) -> Json:
    """A line of a journal."""
    told = {"debit": debit, "credit": credit}
    amounts = {name: D(value) for name, value in told.items() if value is not None}
    return {"account": {"id": account_id}, **amounts, **fields}


def journal(*lines: Json, **fields: Any) -> Json:
    """A journal that is approved unless told otherwise."""
    return {"subsidiary": {"id": "1"}, "approved": True, "line": {"items": list(lines)}, **fields}


def applies(amounts: Mapping[str, str | None]) -> Json:
    """Apply elements; None leaves an amount to NetSuite."""
    elements = [
        {"doc": {"id": doc}, "line": 0, "apply": True, **({} if amount is None else {"amount": D(amount)})}
        for doc, amount in amounts.items()
    ]
    return {"apply": {"items": elements}}


def balance(books: Books, account_id: str) -> D:
    """What an account holds in base currency, by query (Q10)."""
    rows = select(
        books,
        """SELECT SUM(NVL(a.debit, 0) - NVL(a.credit, 0)) AS balance
           FROM transactionaccountingline a JOIN transaction t ON t.id = a.transaction
           WHERE a.posting = 'T' AND a.accountingbook = 1 AND a.account = ?""",
        account_id,
    )
    return D(rows[0].get("balance", "0"))


def ledger(books: Books, identifier: str) -> dict[str, D]:
    """What a transaction does to each account, in base currency."""
    rows = select(
        books,
        "SELECT account, SUM(netamount) AS amount FROM transactionaccountingline WHERE transaction = ?"
        " GROUP BY account",
        identifier,
    )
    return {row["account"]: D(row["amount"]) for row in rows}


def british(books: Books, **fields: Any) -> str:
    """A customer of the British subsidiary that may owe dollars as well."""
    currencies = {"items": [{"currency": {"id": one}} for one in ("1", "2")]}
    return customer(books, "2", currencyList=currencies, **fields)
