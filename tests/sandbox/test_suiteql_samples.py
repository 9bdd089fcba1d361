"""Every written sample query runs, and finds what a small history of trade left behind."""

import re
from decimal import Decimal as D
from typing import Any

import pytest

from tests.sandbox.netsuite_account import DATA, account, line, order
from tiktok_ns_pipeline.sandbox.books import Books

_FILE = (DATA / "suiteql.queries.sql").read_text("utf-8")
_STATEMENTS = {
    found[1]: found[2]
    for found in re.finditer(r"^-- (Q\w+) .*?\n((?:(?!^--).*\n)*?.*;)$", _FILE, re.MULTILINE)
}


def statement(name: str, **values: str) -> str:
    """A sample query with these values in its places."""
    return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], _STATEMENTS[name]).rstrip().rstrip(";")


class History:
    """One order, shipped and sold, a journal and a deposit account's movement."""

    def __init__(self) -> None:
        self.books: Books = account()
        self.order = order(
            self.books, line("301", 2, "19.95"), line("302"), externalId="tts-us-so-1", otherRefNum="576"
        )
        body: dict[str, Any] = {
            "externalId": "tts-us-if-1",
            "shipStatus": {"id": "C"},
            "package": {"items": [{"packageTrackingNumber": "1Z"}]},
        }
        self.parcel = self.books.transform("salesOrder", self.order, "itemFulfillment", body).id
        self.sale = self.books.transform("salesOrder", self.order, "cashSale", {"account": {"id": "125"}}).id
        lines = [{"account": {"id": "128"}, "debit": D(30)}, {"account": {"id": "125"}, "credit": D(30)}]
        journal = {
            "subsidiary": {"id": "1"},
            "line": {"items": lines},
            "externalId": "tts-us-je-1",
            "approved": True,
        }
        self.journal = self.books.create("journalEntry", journal).id

    def run(self, name: str, **values: str) -> list[dict[str, str]]:
        values = {
            "PREFIX": "tts-us-",
            "T": "2026-06-01 11:00:00",
            "FULFILLMENT_IDS": self.parcel,
            "LOCATION_IDS": "6, 7",
            "EXTERNAL_IDS": "'tts-us-so-1', 'tts-us-so-2', 'tts-us-je-1'",
            "ORDER_IDS": self.order,
            "ORDER_ID": self.order,
            "JOURNAL_IDS": self.journal,
            "ACCOUNT_ID": "125",
            "DATE": "2026-06-01",
            "FROM": "2026-06-01",
            "TO": "2026-06-30",
        } | values
        return self.books.query(statement(name, **values)).as_dicts()


@pytest.fixture(scope="module")
def history() -> History:
    return History()


def test_all_samples_are_read() -> None:
    assert len(_STATEMENTS) == _FILE.count(";\n")


@pytest.mark.parametrize("name", list(_STATEMENTS))
def test_a_sample_runs(history: History, name: str) -> None:
    history.run(name)


def test_the_accounts_clock(history: History) -> None:
    assert history.run("Q0") == [{"account_now": "2026-06-01 12:00:00"}]


@pytest.mark.parametrize("name", ["Q1a", "Q1b"])
def test_changed_fulfilments_name_their_order(history: History, name: str) -> None:
    [row] = history.run(name)
    assert (row["fulfillment_id"], row["ship_status"], row["order_id"]) == (
        history.parcel,
        "C",
        history.order,
    )
    assert row["order_externalid"] == "tts-us-so-1"
    assert history.run(name, T="2026-06-01 12:00:01") == []
    assert history.run(name, PREFIX="tts-uk-") == []


def test_shipped_quantities_name_the_order_line(history: History) -> None:
    rows = history.run("Q1c")
    assert [(row["item"], row["quantity"], row["order_line"]) for row in rows] == [
        ("301", "2", "1"),
        ("302", "1", "2"),
    ]
    assert [row["trackingnumber"] for row in history.run("Q1d")] == ["1Z"]


def test_stock_orders_and_progress(history: History) -> None:
    stock = {(row["item"], row["location"]): row["available"] for row in history.run("Q2")}
    assert (stock["301", "6"], stock["301", "7"], len(stock)) == ("4998", "5000", 80)
    assert [(row["id"], row["status"], row["foreigntotal"]) for row in history.run("Q3")] == [
        (history.order, "G", "49.9")
    ]
    assert [(row["ordered"], row["shipped"], row["billed"]) for row in history.run("Q4")] == [
        ("2", "2", "2"),
        ("1", "1", "1"),
    ]
    assert {(row["nextdoc"], row["linktype"]) for row in history.run("Q7")} == {
        (history.parcel, "ShipRcpt"),
        (history.sale, "OrdBill"),
    }


def test_journals_and_the_clearing_account(history: History) -> None:
    assert [row["id"] for row in history.run("Q5a")] == [history.journal]
    assert [(row["account"], row["debit"], row["credit"]) for row in history.run("Q5b")] == [
        ("128", "30", "0"),
        ("125", "0", "30"),
    ]
    assert history.run("Q10") == [{"account": "125", "balance": "19.9"}]
    assert history.run("Q10", DATE="2026-05-31") == []


def test_items_and_periods(history: History) -> None:
    assert len(history.run("Q8")) == 42
    assert [row["periodname"] for row in history.run("Q9")] == ["Jun 2026"]
