"""Closing lines, taking shipments back, shut periods (N 2.12, 8)."""

from decimal import Decimal as D
from typing import Any

import pytest

from tests.sandbox.netsuite_account import account, fields_of, line, order, select
from tiktok_ns_pipeline.sandbox.books import BookError, Books

CLEARING = {"account": {"id": "125"}}


def fulfil(books: Books, order_id: str, *lines: tuple[int, int], status: str = "C", **fields: Any) -> str:
    body: dict[str, Any] = {"shipStatus": {"id": status}, **fields}
    if lines:
        body["item"] = {"items": [{"orderLine": one, "quantity": many} for one, many in lines]}
    return books.transform("salesOrder", order_id, "itemFulfillment", body).id


def close(books: Books, order_id: str, *numbers: int, closed: bool = True) -> None:
    lines = [{"line": number, "isClosed": closed} for number in numbers]
    books.patch("salesOrder", order_id, {"item": {"items": lines}})


def status_of(books: Books, order_id: str) -> str:
    return fields_of(books, "salesOrder", order_id)["status"]


def counts(books: Books, order_id: str, number: int = 1) -> tuple[D, ...]:
    one = fields_of(books, "salesOrder", order_id)["item"][number - 1]
    return tuple(
        one[name] for name in ("quantityPicked", "quantityPacked", "quantityFulfilled", "quantityBilled")
    )


class TestClosing:
    def test_an_order_is_closed_once_all_its_lines_are(self) -> None:
        books = account()
        made = order(books, line("301"), line("902", None, "-1", location=None))
        close(books, made, 1)
        assert status_of(books, made) == "F"  # the discount alone could be billed
        close(books, made, 2)
        assert status_of(books, made) == "H"

    def test_reopened_lines_wait_for_goods_again(self) -> None:
        books = account()
        made = order(books, line("301", 2))
        close(books, made, 1)
        close(books, made, 1, closed=False)
        assert (status_of(books, made), books.stock("301", "6").committed) == ("B", 2)

    def test_a_closed_line_is_left_out_and_cannot_be_asked_for(self) -> None:
        books = account()
        made = order(books, line("301"), line("302"))
        close(books, made, 2)
        with pytest.raises(BookError, match="Line 2 is closed"):
            fulfil(books, made, (1, 1), (2, 1))
        [shipped] = fields_of(books, "itemFulfillment", fulfil(books, made))["item"]
        assert shipped["orderLine"] == 1
        assert status_of(books, made) == "F"

    @pytest.mark.parametrize("state", ["A", "B"])
    def test_what_is_on_its_way_out_cannot_be_closed(self, state: str) -> None:
        books = account()
        made = order(books, line("301", 2))
        picked = fulfil(books, made, (1, 1), status=state)
        with pytest.raises(BookError, match="picked and cannot be closed"):
            close(books, made, 1)
        books.delete("itemFulfillment", picked)
        close(books, made, 1)
        assert status_of(books, made) == "H"

    def test_closing_the_rest_of_a_partly_shipped_order_leaves_what_was_shipped_to_bill(self) -> None:
        books = account()
        made = order(books, line("301", 3, "2.00"), line("302"))
        fulfil(books, made, (1, 2), (2, 0))
        assert status_of(books, made) == "E"
        close(books, made, 1)
        assert status_of(books, made) == "E"  # the second line still waits for goods
        close(books, made, 2)
        assert status_of(books, made) == "F"
        bill = books.transform("salesOrder", made, "cashSale", CLEARING).record
        assert (bill.get("total"), status_of(books, made)) == (D("4.00"), "H")

    def test_a_closed_charge_is_not_billed(self) -> None:
        books = account()
        made = order(books, line("301"), line("901", 1, "4.99", location=None))
        fulfil(books, made)
        close(books, made, 2)
        bill = books.transform("salesOrder", made, "cashSale", CLEARING).record
        assert (bill.get("total"), status_of(books, made)) == (D("10.00"), "G")

    def test_an_order_billed_ahead_still_waits_for_its_goods(self) -> None:
        books = account()
        made = order(books, line("301"))
        shipped = fulfil(books, made)
        books.transform("salesOrder", made, "cashSale", CLEARING)
        books.patch("itemFulfillment", shipped, {"shipStatus": {"id": "A"}})
        assert (status_of(books, made), counts(books, made)) == ("B", (1, 0, 0, 1))


class TestUnshipping:
    @pytest.mark.parametrize(("state", "counted"), [("A", (2, 0, 0, 0)), ("B", (2, 2, 0, 0))])
    def test_a_shipment_taken_back_brings_the_goods_and_the_order_back(
        self, state: str, counted: tuple[int, ...]
    ) -> None:
        books = account()
        made = order(books, line("301", 2))
        shipped = fulfil(books, made)
        books.patch("itemFulfillment", shipped, {"shipStatus": {"id": state}})
        assert (status_of(books, made), counts(books, made)) == ("B", counted)
        assert (books.stock("301", "6").on_hand, books.stock("301", "6").committed) == (5_000, 2)
        assert "shippedDate" not in fields_of(books, "itemFulfillment", shipped)
        books.patch("itemFulfillment", shipped, {"shipStatus": {"id": "C"}})
        assert (status_of(books, made), books.stock("301", "6").on_hand) == ("F", 4_998)

    def test_a_corrected_parcel_replaces_the_wrong_one(self) -> None:
        books = account()
        made = order(books)
        parcel: dict[str, Any] = {"package": {"items": [{"packageTrackingNumber": "WRONG"}]}}
        shipped = fulfil(books, made, **parcel)
        parcel["package"]["items"][0]["packageTrackingNumber"] = "RIGHT"
        books.patch("itemFulfillment", shipped, parcel, frozenset({"package"}))
        assert _tracking(books, shipped) == ["RIGHT"]

    def test_a_parcel_sent_without_replacement_is_one_more(self) -> None:
        books = account()
        parcel: dict[str, Any] = {"package": {"items": [{"packageTrackingNumber": "ONE"}]}}
        shipped = fulfil(books, order(books), **parcel)
        books.patch("itemFulfillment", shipped, {"package": {"items": [{"packageTrackingNumber": "TWO"}]}})
        assert _tracking(books, shipped) == ["ONE", "TWO"]


class TestPeriods:
    @pytest.mark.parametrize("state", ["receivables locked", "locked", "closed"])
    def test_no_bill_is_made_or_deleted_in_a_shut_month(self, state: Any) -> None:
        books = account()
        made = order(books, line("301", 2))
        fulfil(books, made)
        half = {"item": {"items": [{"orderLine": 1, "quantity": 1}]}, **CLEARING}
        sale = books.transform("salesOrder", made, "cashSale", half).id
        books.set_period("Jun 2026", state)
        with pytest.raises(BookError, match="accounting period"):
            books.transform("salesOrder", made, "cashSale", half)
        with pytest.raises(BookError, match="accounting period"):
            books.delete("cashSale", sale)
        books.set_period("Jun 2026", "open")
        books.transform("salesOrder", made, "cashSale", half)

    def test_a_bill_dated_in_a_shut_month_may_name_an_open_one(self) -> None:
        books = account()
        made = order(books, tranDate="2026-05-30")
        fulfil(books, made)
        books.close_period("May 2026")
        late = {**CLEARING, "tranDate": "2026-05-30"}
        with pytest.raises(BookError, match="accounting period"):
            books.transform("salesOrder", made, "cashSale", late)
        june = select(books, "SELECT id FROM accountingperiod WHERE periodname = 'Jun 2026'")[0]["id"]
        sale = books.transform("salesOrder", made, "cashSale", {**late, "postingPeriod": {"id": june}}).id
        assert fields_of(books, "cashSale", sale)["postingPeriod"] == june

    def test_shipping_and_taking_back_need_an_open_month_but_correcting_a_parcel_does_not(self) -> None:
        books = account()
        made = order(books, line("301", 2))
        shipped, picked = fulfil(books, made, (1, 1)), fulfil(books, made, (1, 1), status="A")
        books.close_period("Jun 2026")
        books.patch("itemFulfillment", shipped, {"package": {"items": [{"packageTrackingNumber": "X"}]}})
        for refused in (
            lambda: books.patch("itemFulfillment", shipped, {"shipStatus": {"id": "A"}}),
            lambda: books.patch("itemFulfillment", picked, {"shipStatus": {"id": "C"}}),
            lambda: books.delete("itemFulfillment", shipped),
        ):
            with pytest.raises(BookError, match="accounting period"):
                refused()
        books.patch("itemFulfillment", picked, {"shipStatus": {"id": "C"}, "tranDate": "2026-07-01"})
        assert status_of(books, made) == "F"

    def test_what_is_locked_shows_in_queries(self) -> None:
        books = account()
        books.set_period("Jun 2026", "receivables locked")
        [row] = select(
            books,
            "SELECT periodname, closed, alllocked, arlocked, isadjust, isposting FROM accountingperiod"
            " WHERE isquarter = 'F' AND isyear = 'F' AND"
            " TO_DATE('2026-06-30', 'YYYY-MM-DD') BETWEEN startdate AND enddate",
        )
        assert list(row.values()) == ["Jun 2026", "F", "F", "T", "F", "T"]


def _tracking(books: Books, fulfilment: str) -> list[str]:
    rows = select(
        books,
        "SELECT n.trackingnumber FROM trackingnumbermap m JOIN trackingnumber n ON n.id = m.trackingnumber"
        f" WHERE m.transaction = {fulfilment} ORDER BY n.id ASC",
    )
    return [row["trackingnumber"] for row in rows]
