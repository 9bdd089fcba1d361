"""Bills of parts of an order, by amount or by quantity (N 2.8, 2.13)."""

from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sandbox.netsuite_account import account, customer, fields_of, line, order, select
from tests.sandbox.test_books_closing import close, fulfil, status_of
from tiktok_ns_pipeline.sandbox.books import BookError, Books

GB = {"location": {"id": "9"}}
# Clearing account by the order's currency.
_CLEARINGS = {"1": "125", "2": "126"}
DISCOUNT = line("902", None, "-1.00", location=None)


def bill(books: Books, order_id: str, *lines: dict[str, Any], **fields: Any) -> Any:
    clearing = {"account": {"id": _CLEARINGS[fields_of(books, "salesOrder", order_id)["currency"]]}}
    body = {**clearing, **fields, "item": {"items": list(lines)}}
    return books.transform("salesOrder", order_id, "cashSale", body).record


class TestShares:
    def test_a_discount_is_billed_by_the_amount_that_is_said(self) -> None:
        books = account()
        made = order(books, line("301", 3, "10.00"), DISCOUNT)
        fulfil(books, made, (1, 1))
        first = bill(books, made, {"orderLine": 2, "amount": D("-0.33")})
        assert [one["amount"] for one in first.lines()] == [D("10.00"), D("-0.33")]
        assert "quantity" not in first.lines()[1]
        assert status_of(books, made) == "D"
        fulfil(books, made)
        last = bill(books, made)
        assert [one["amount"] for one in last.lines()] == [D("20.00"), D("-0.67")]
        assert status_of(books, made) == "G"

    def test_an_amount_of_nothing_leaves_the_line_for_later(self) -> None:
        books = account()
        made = order(books, line("301"), DISCOUNT)
        fulfil(books, made)
        assert len(bill(books, made, {"orderLine": 2, "amount": 0}).lines()) == 1
        assert [one["amount"] for one in bill(books, made).lines()] == [D("-1.00")]

    @pytest.mark.parametrize("amount", ["-1.01", "0.01"])
    def test_more_than_is_left_or_of_the_other_sign_is_refused(self, amount: str) -> None:
        books = account()
        made = order(books, line("301"), DISCOUNT)
        fulfil(books, made)
        with pytest.raises(BookError) as caught:
            bill(books, made, {"orderLine": 2, "amount": D(amount)})
        assert caught.value.path == "item.items[0].amount"

    def test_a_shipment_is_billed_once(self) -> None:
        books = account()
        made = order(books, line("301", 2), DISCOUNT)
        fulfil(books, made, (1, 1))
        bill(books, made)
        with pytest.raises(BookError, match="at least one valid line"):
            bill(books, made)
        with pytest.raises(BookError, match="has 0 to bill"):
            bill(books, made, {"orderLine": 1, "quantity": 1})

    def test_a_deleted_bill_gives_its_share_back(self) -> None:
        books = account()
        made = order(books, line("301", 2), DISCOUNT)
        fulfil(books, made)
        before = fields_of(books, "salesOrder", made)["item"][1]["quantityBilled"]
        first = bill(books, made, {"orderLine": 1, "quantity": 1}, {"orderLine": 2, "amount": D("-0.4")})
        books.delete("cashSale", first.id)
        after = fields_of(books, "salesOrder", made)["item"][1]
        assert (after["quantityBilled"], status_of(books, made)) == (before, "F")
        assert bill(books, made).get("total") == D("19.00")

    def test_tax_may_be_told_line_by_line(self) -> None:
        books = account()
        british = customer(books, "2")
        made = order(books, line("301", 2, taxDetailsReference="A", **GB), customer_id=british)
        fulfil(books, made)
        tax = {
            "taxDetailsReference": "A",
            "taxType": {"id": "1"},
            "taxCode": {"id": "20"},
            "taxBasis": D("10.00"),
            "taxRate": D(20),
            "taxAmount": D("1.99"),
        }
        first = bill(books, made, {"orderLine": 1, "quantity": 1}, taxDetails={"items": [tax]})
        assert (first.get("taxTotal"), bill(books, made).get("taxTotal")) == (D("1.99"), D("2.01"))

    def test_a_bill_shows_its_order_and_amounts_in_queries(self) -> None:
        books = account()
        made = order(books, line("301", 2, "5.00"), DISCOUNT, custbody_tts_order_id="576")
        fulfil(books, made)
        sale = bill(books, made).id
        rows = select(
            books,
            "SELECT b.id, b.type, b.foreigntotal, k.previousline, o.custbody_tts_order_id AS of_order"
            " FROM nexttransactionlinelink k JOIN transaction b ON b.id = k.nextdoc"
            " JOIN transaction o ON o.id = k.previousdoc"
            f" WHERE k.linktype = 'OrdBill' AND k.previousdoc = {made} ORDER BY k.previousline",
        )
        assert [row.pop("previousline") for row in rows] == ["1", "2"]
        assert rows[0] == {"id": sale, "type": "CashSale", "foreigntotal": "9", "of_order": "576"}


@settings(max_examples=60, deadline=None)
@given(
    quantity=st.integers(1, 6),
    price=st.decimals("0.01", "99", places=2),
    discount=st.decimals("0.01", "50", places=2),
    taxed=st.booleans(),
    ships=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 100), st.booleans()), max_size=5),
)
def test_bills_sum_to_the_order_to_the_cent_however_it_is_shared(
    quantity: int, price: D, discount: D, taxed: bool, ships: list[tuple[int, int, bool]]
) -> None:
    books = account()
    place = GB if taxed else {}
    buyer = customer(books, "2" if taxed else "1")
    lines = (line("301", quantity, price, **place), line("902", None, -discount, location=None))
    made = order(books, *lines, customer_id=buyer)
    total = fields_of(books, "salesOrder", made)["total"]
    billed, left, discount_left = D(0), quantity, discount
    for wanted, percent, undone in [*ships, (quantity, 100, False)]:
        number = min(wanted, left)
        if not number:
            continue
        parcel = fulfil(books, made, (1, number))
        share: dict[str, Any] = {"orderLine": 2}
        if number < left:  # the last bill takes what is left by itself
            share["amount"] = -(discount_left * percent / 100).quantize(D("0.01"))
        sale = bill(books, made, share)
        if undone:
            books.delete("cashSale", sale.id)
            books.delete("itemFulfillment", parcel)
            continue
        billed += sale.get("total")
        left -= number
        discount_left += share.get("amount", D(0))
    assert (billed, status_of(books, made)) == (total, "G")


def test_closed_rests_leave_bills_to_what_was_shipped() -> None:
    books = account()
    made = order(books, line("301", 3, "3.3333", amount=D("10.00")))
    fulfil(books, made, (1, 1))
    first = bill(books, made)
    fulfil(books, made, (1, 1))
    close(books, made, 1)
    assert (first.get("total"), bill(books, made).get("total")) == (D("3.33"), D("3.34"))
    assert status_of(books, made) == "H"
