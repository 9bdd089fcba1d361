"""Returns, credits, payments and journals in queries: signs, links, ledger, periods (N 3.3, 3.4)."""

from decimal import Decimal as D

import pytest

from tests.sandbox.money_documents import (
    BANK,
    CLEARING,
    DISCOUNT,
    SHIPPING,
    Sale,
    applies,
    journal,
    side,
    take,
)
from tests.sandbox.netsuite_account import line, select
from tests.sandbox.test_suiteql_samples import statement


class Story:
    """An invoice that is partly returned, credited, refunded and paid; a journal and a deposit."""

    def __init__(self) -> None:
        self.sale = Sale(line("301", 3), SHIPPING, DISCOUNT, externalId="tts-us-so-1")
        books = self.books = self.sale.books
        self.return_ = self.sale.returned(take(1, 2), take(2, 0), take(3, 0), externalId="tts-us-ra-1")
        self.receipt = self.sale.received(self.return_, take(1, 1))
        self.credit = self.sale.credited("returnAuthorization", self.return_, take(1, 1))
        books.patch("creditMemo", self.credit, applies({self.sale.bill: "4"}))
        body = {
            "customer": {"id": self.sale.customer},
            "account": {"id": CLEARING},
            "paymentOption": {"id": "7"},
        }
        self.refund = books.create("customerRefund", {**body, **applies({self.credit: None})}).id
        self.payment = self.sale.paid("20")
        self.direct = self.sale.credited("invoice", self.sale.bill, take(1, 0), take(2, 1), take(3, 0))
        self.journal = books.create("journalEntry", journal(side(BANK, "9"), side(CLEARING, credit="9"))).id
        other = {
            "items": [{"account": {"id": CLEARING}, "amount": 2, "memo": "payout", "class": {"id": "1"}}]
        }
        self.deposit = books.create("deposit", {"account": {"id": BANK}, "other": other}).id


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


def test_types_totals_and_states(story: Story) -> None:
    rows = select(
        story.books,
        "SELECT id, type, status, foreigntotal, posting, entity FROM transaction"
        f" WHERE id > {story.sale.bill} ORDER BY id",
    )
    assert [
        (row["id"], row["type"], row.get("status"), row["foreigntotal"], row["posting"]) for row in rows
    ] == [
        (story.return_, "RtnAuth", "D", "-20", "F"),
        (story.receipt, "ItemRcpt", None, "0", "T"),
        (story.credit, "CustCred", "B", "-10", "T"),
        (story.refund, "CustRfnd", None, "-6", "T"),
        (story.payment, "CustPymt", "C", "20", "T"),
        (story.direct, "CustCred", "B", "-4.99", "T"),
        (story.journal, "Journal", "B", "9", "T"),
        (story.deposit, "Deposit", None, "2", "T"),
    ]
    assert {row["entity"] for row in rows if row["type"].startswith("Cust")} == {story.sale.customer}


def test_what_comes_back_is_positive(story: Story) -> None:
    rows = select(
        story.books,
        "SELECT t.type, l.quantity, l.foreignamount, l.quantityshiprecv, l.quantitybilled, l.createdfrom"
        " FROM transactionline l JOIN transaction t ON t.id = l.transaction"
        f" WHERE l.item = 301 AND l.transaction IN ({story.return_}, {story.receipt}, {story.credit})"
        " ORDER BY t.id",
    )
    assert [(row["type"], row["quantity"], row.get("foreignamount")) for row in rows] == [
        ("RtnAuth", "2", "20"),
        ("ItemRcpt", "1", None),
        ("CustCred", "1", "10"),
    ]
    assert (rows[0]["quantityshiprecv"], rows[0]["quantitybilled"]) == ("1", "1")
    assert [row["createdfrom"] for row in rows] == [story.sale.order, story.return_, story.return_]


def test_links_name_both_ends(story: Story) -> None:
    rows = select(
        story.books,
        "SELECT previousdoc, nextdoc, linktype, previousline, foreignamount FROM previoustransactionlinelink"
        f" WHERE nextdoc > {story.sale.bill}",
    )
    links = {(row["previousdoc"], row["nextdoc"], row["linktype"], row.get("foreignamount")) for row in rows}
    sale = story.sale
    assert links == {
        (sale.order, story.return_, "SaleRet", "20"),
        (story.return_, story.receipt, "ShipRcpt", None),
        (story.return_, story.credit, "RcptBill", "10"),
        (sale.bill, story.credit, "Payment", "4"),
        (story.credit, story.refund, "Payment", "6"),
        (sale.bill, story.payment, "Payment", "20"),
        (sale.bill, story.direct, "SaleRet", "4.99"),
        (sale.bill, story.direct, "Payment", "4.99"),
    }


def test_credits_of_an_order_are_found_by_the_sample(story: Story) -> None:
    rows = story.books.query(statement("Q6", ORDER_ID=story.sale.order)).as_dicts()
    assert {(row["refund_id"], row["parent_id"], row["foreigntotal"]) for row in rows} == {
        (story.credit, story.return_, "-10"),
        (story.direct, story.sale.bill, "-4.99"),
    }


def test_the_clearing_account_by_the_sample(story: Story) -> None:
    query = statement("Q10", ACCOUNT_ID=CLEARING, DATE="2026-06-30")
    # Paid 20, refunded 6, taken to the bank 9 and 2.
    assert story.books.query(query).as_dicts() == [{"account": CLEARING, "balance": "3"}]


def test_deposits_by_the_sample(story: Story) -> None:
    query = statement("Q11", FROM="2026-06-01", TO="2026-06-30")
    [row] = story.books.query(query).as_dicts()
    assert (row["id"], row["foreigntotal"], row["currency_name"]) == (story.deposit, "2", "USD")


def test_a_deposits_lines_carry_accounts_and_segments(story: Story) -> None:
    rows = select(
        story.books,
        "SELECT mainline, expenseaccount, foreignamount, memo, class FROM transactionline"
        f" WHERE transaction = {story.deposit} ORDER BY id",
    )
    assert rows == [
        {"mainline": "T", "expenseaccount": BANK, "foreignamount": "2"},
        {
            "mainline": "F",
            "expenseaccount": CLEARING,
            "foreignamount": "-2",
            "memo": "payout",
            "class": "1",
        },
    ]


def test_every_document_balances_in_its_currency(story: Story) -> None:
    rows = select(
        story.books,
        "SELECT transaction, SUM(foreignamount) AS rest FROM transactionline WHERE iscogs = 'F'"
        " GROUP BY transaction",
    )
    assert len(rows) > 8
    assert {D(row.get("rest", "0")) for row in rows} == {D(0)}


def test_the_locks_of_a_month_are_seen(story: Story) -> None:
    query = statement("Q9", DATE="2026-06-15")
    story.books.set_period("Jun 2026", "receivables locked")
    try:
        [row] = story.books.query(query).as_dicts()
        assert (row["closed"], row["alllocked"], row["arlocked"]) == ("F", "F", "T")
    finally:
        story.books.set_period("Jun 2026", "open")
