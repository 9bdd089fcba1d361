"""The tables that SuiteQL shows of the books (N 3.3, 3.4)."""

from decimal import Decimal as D
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sandbox.netsuite_account import account, customer, fields_of, line, order, select
from tiktok_ns_pipeline.sandbox.books import Books

LINES = """
    SELECT l.id, l.item, l.quantity, l.foreignamount, l.quantityshiprecv, l.quantitybilled,
           l.quantitycommitted, l.isclosed
    FROM transactionline l WHERE l.transaction = ? AND l.mainline = 'F' AND l.taxline = 'F' ORDER BY l.id
"""


def shipped(books: Books, order_id: str, status: str = "C", **fields: Any) -> str:
    return books.transform(
        "salesOrder", order_id, "itemFulfillment", {"shipStatus": {"id": status}, **fields}
    ).id


def test_a_sales_order_in_the_transaction_table() -> None:
    books = account()
    made = order(books, line("301", 2, "19.95"), externalId="tts-us-so-1", otherRefNum="576", memo="m")
    [row] = select(
        books,
        """SELECT id, tranid, type, recordtype, status, trandate, externalid, otherrefnum, memo, currency,
                  foreigntotal, total, posting, subsidiary FROM transaction""",
    )
    assert row == {
        "id": made,
        "tranid": "SO10001",
        "type": "SalesOrd",
        "recordtype": "salesorder",
        "status": "B",
        "trandate": "6/1/2026",
        "externalid": "tts-us-so-1",
        "otherrefnum": "576",
        "memo": "m",
        "currency": "1",
        "foreigntotal": "39.9",
        "total": "39.9",
        "posting": "F",
        "subsidiary": "1",
    }


def test_quantities_and_amounts_of_sales_lines_are_negative() -> None:
    books = account()
    made = order(books, line("301", 2, "19.95"), line("902", None, "-1.50", location=None))
    assert select(books, LINES, made) == [
        {
            "id": "1",
            "item": "301",
            "quantity": "-2",
            "foreignamount": "-39.9",
            "quantityshiprecv": "0",
            "quantitybilled": "0",
            "quantitycommitted": "2",
            "isclosed": "F",
        },
        {
            "id": "2",
            "item": "902",
            "foreignamount": "1.5",
            "quantityshiprecv": "0",
            "quantitybilled": "0",
            "isclosed": "F",
        },
    ]


def test_the_total_is_in_the_documents_currency_and_the_base_amount_beside_it() -> None:
    books = account()
    buyer = customer(books, currencyList={"items": [{"currency": {"id": "2"}}]})
    order(books, line("301", 1, "100.00"), customer_id=buyer, currency={"id": "2"})
    [row] = select(books, "SELECT foreigntotal, total, exchangerate FROM transaction")
    assert row == {"foreigntotal": "100", "total": "127", "exchangerate": "1.27"}


def test_a_pack_is_counted_in_pieces() -> None:
    books = account()
    [row] = select(books, LINES, order(books, line("301", 2, units="2")))
    assert row["quantity"] == "-12"


def test_follow_ups_are_linked_line_by_line_in_both_directions() -> None:
    books = account()
    made = order(books, line("301", 2), line("302"))
    parcel = shipped(books, made)
    bill = books.transform("salesOrder", made, "cashSale", {"account": {"id": "125"}}).id
    for table in ("previoustransactionlinelink", "nexttransactionlinelink"):
        rows = select(
            books,
            f"""SELECT previousdoc, previousline, nextdoc, nextline, nexttype, linktype
                FROM {table} ORDER BY nextdoc, nextline""",
        )
        assert [tuple(row.values()) for row in rows] == [
            (made, "1", parcel, "1", "ItemShip", "ShipRcpt"),
            (made, "2", parcel, "2", "ItemShip", "ShipRcpt"),
            (made, "1", bill, "1", "CashSale", "OrdBill"),
            (made, "2", bill, "2", "CashSale", "OrdBill"),
        ]
    created_from = select(
        books, "SELECT DISTINCT createdfrom FROM transactionline WHERE transaction = ?", parcel
    )
    assert created_from == [{"createdfrom": made}]


def test_a_shipment_has_cost_lines_that_are_told_apart() -> None:
    books = account()
    parcel = shipped(books, order(books, line("301", 2)))
    rows = select(
        books,
        "SELECT iscogs, quantity FROM transactionline WHERE transaction = ? AND mainline = 'F' ORDER BY id",
        parcel,
    )
    assert [(row["iscogs"], row["quantity"]) for row in rows] == [("F", "-2"), ("T", "2")]


def test_tracking_numbers_are_rows_of_their_own() -> None:
    books = account()
    packages = [
        {"packageTrackingNumber": "1Z1"},
        {"packageTrackingNumber": "1Z2"},
        {"packageDescr": "no number"},
    ]
    parcel = shipped(books, order(books), package={"items": packages})
    rows = select(
        books,
        """SELECT m.transaction, n.trackingnumber FROM trackingnumbermap m
           JOIN trackingnumber n ON n.id = m.trackingnumber ORDER BY n.id""",
    )
    assert rows == [
        {"transaction": parcel, "trackingnumber": "1Z1"},
        {"transaction": parcel, "trackingnumber": "1Z2"},
    ]
    books.delete("itemFulfillment", parcel)
    assert select(books, "SELECT id FROM trackingnumber") == []


def test_available_stock_per_item_and_location() -> None:
    books = account()
    books.set_stock("301", "6", 5)
    order(books, line("301", 7))
    [row] = select(
        books,
        """SELECT quantityonhand, quantityavailable, quantitycommitted, quantitybackordered, quantityonorder
           FROM inventoryitemlocations WHERE item = 301 AND location = 6""",
    )
    assert row == {
        "quantityonhand": "5",
        "quantityavailable": "0",
        "quantitycommitted": "5",
        "quantitybackordered": "2",
    }


def test_lists_are_there_with_what_mappings_need() -> None:
    books = account()
    assert select(books, "SELECT symbol, currencyprecision FROM currency ORDER BY id") == [
        {"symbol": "USD", "currencyprecision": "2"},
        {"symbol": "GBP", "currencyprecision": "2"},
        {"symbol": "EUR", "currencyprecision": "2"},
        {"symbol": "VND", "currencyprecision": "0"},
    ]
    assert select(books, "SELECT id, upccode, itemtype FROM item WHERE itemid = 'SKU-040'") == [
        {"id": "340", "upccode": "000000000340", "itemtype": "InvtPart"}
    ]
    assert select(books, "SELECT name, subsidiary FROM location WHERE id = 9") == [
        {"name": "UK Warehouse", "subsidiary": "2"}
    ]
    assert select(books, "SELECT itemid, rate FROM salestaxitem WHERE id = 20") == [
        {"itemid": "VAT:S-GB", "rate": "20"}
    ]
    assert select(books, "SELECT acctnumber, accttype FROM account WHERE id = 125") == [
        {"acctnumber": "1210", "accttype": "OthCurrAsset"}
    ]


def test_a_closed_month_says_so() -> None:
    books = account()
    books.close_period("May 2026")
    query = "SELECT closed, alllocked FROM accountingperiod WHERE periodname = 'May 2026'"
    assert select(books, query) == [{"closed": "T", "alllocked": "T"}]


def test_custom_fields_are_columns() -> None:
    books = account()
    order(
        books,
        line(custcol_tts_line_key="k", custcol_tts_platform_discount=D("1.50")),
        custbody_tts_order_id="576",
    )
    [row] = select(
        books,
        """SELECT t.custbody_tts_order_id, l.custcol_tts_line_key, l.custcol_tts_platform_discount
           FROM transaction t JOIN transactionline l ON l.transaction = t.id AND l.id = 1""",
    )
    assert list(row.values()) == ["576", "k", "1.5"]


def test_lag_shows_transactions_as_they_were_and_undoes_itself() -> None:
    books = account()
    clock: Any = books.clock
    old = order(books, memo="old")
    gone = order(books, memo="gone")
    clock.advance(60)
    books.patch("salesOrder", old, {"memo": "changed"})
    books.delete("salesOrder", gone)
    order(books, memo="new")
    query = "SELECT memo FROM transaction ORDER BY id"

    def memos(lag: float) -> list[str]:
        return [row["memo"] for row in books.query(query, lag_s=lag).as_dicts()]

    assert memos(30) == ["old", "gone"]
    assert memos(0) == ["changed", "new"]
    clock.advance(31)
    assert memos(30) == ["changed", "new"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["order", "change", "ship", "bill", "delete"]), max_size=15), st.randoms())
def test_the_tables_always_agree_with_the_records(steps: list[str], random: Any) -> None:
    books = account()
    buyer, orders = customer(books, "2"), list[str]()
    sold = line("301", 3, "9.99", location={"id": "9"})
    for step in steps:
        if step == "order":
            orders.append(order(books, sold, customer_id=buyer))
        elif orders:
            _act(books, step, orders, random.choice(orders))
        if random.random() < 0.5:
            select(books, "SELECT COUNT(*) AS n FROM transaction")
    totals = {
        row["id"]: D(row["foreigntotal"]) for row in select(books, "SELECT id, foreigntotal FROM transaction")
    }
    assert totals == {
        one["id"]: one.get("total", D(0))
        for kind in ("salesOrder", "itemFulfillment", "invoice")
        for one in books.records(kind)
    }
    for row in select(
        books,
        "SELECT transaction, id, quantityshiprecv FROM transactionline WHERE createdfrom IS NULL AND id = 1",
    ):
        [shown] = fields_of(books, "salesOrder", row["transaction"])["item"]
        assert D(row["quantityshiprecv"]) == shown["quantityFulfilled"]
    ledger = select(
        books,
        """SELECT transaction, SUM(NVL(debit, 0) - NVL(credit, 0)) AS rest
           FROM transactionaccountingline GROUP BY transaction""",
    )
    assert all(D(row["rest"]) == 0 for row in ledger)


def _act(books: Books, step: str, orders: list[str], made: str) -> None:
    status = fields_of(books, "salesOrder", made)["status"]
    if step == "change" and status == "B":
        books.patch("salesOrder", made, {"item": {"items": [{"line": 1, "quantity": 2}]}})
    elif step == "ship" and status == "B":
        shipped(books, made)
    elif step == "bill" and status == "F":
        books.transform("salesOrder", made, "invoice", {})
    elif step == "delete" and status == "B":
        books.delete("salesOrder", made)
        orders.remove(made)
